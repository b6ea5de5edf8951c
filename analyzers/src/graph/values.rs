//! Values that a request carries, by hash: what can be seen to go from one request into another.

use reassembly::Request;

use crate::id::Seed;
use crate::json::{Scalar, Scanner};

/// Values of one request that are compared.
const VALUES: usize = 64;

/// Bytes of a body in which values are looked for.
const SEARCHED: usize = 16 * 1024;

/// The shortest value that is no accident.
const SHORTEST: usize = 6;

/// Values of a text of JSON.
pub(crate) fn of_json(text: &[u8], seed: Seed, out: &mut Vec<u64>) {
    for scalar in Scanner::new(&text[..text.len().min(SEARCHED)]) {
        let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
        if value.len() >= SHORTEST && out.len() < VALUES {
            out.push(seed.hash(value));
        }
    }
}

/// Values in the target of a request and in its body.
pub(crate) fn of_request(request: &Request, seed: Seed) -> Vec<u64> {
    let mut all = Vec::new();
    let pieces = request.target().split(['/', '?', '&', '=']);
    for piece in pieces.filter(|p| p.len() >= SHORTEST).take(VALUES / 2) {
        all.push(seed.hash(piece.as_bytes()));
    }
    of_json(&request.message.body, seed, &mut all);
    all
}

/// The same without what many requests have in common: only values that have a digit in them, as ids and numbers do.
pub(crate) fn telling(request: &Request, seed: Seed) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    let has_digit = |value: &[u8]| {
        (SHORTEST..=128).contains(&value.len()) && value.iter().filter(|b| b.is_ascii_digit()).count() >= 2
    };
    let pieces = request.target().split(['/', '?', '&', '=']);
    let pieces = pieces.filter(|p| has_digit(p.as_bytes())).take(VALUES / 4);
    all.extend(pieces.map(|piece| seed.hash(piece.as_bytes())));
    let body = &request.message.body;
    for scalar in Scanner::new(&body[..body.len().min(SEARCHED)]) {
        let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
        if all.len() < VALUES / 2 && has_digit(value) {
            all.push(seed.hash(value));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// All values of query and body in one hash, whatever their order.
pub(crate) fn all(request: &Request, seed: Seed) -> u64 {
    let mut sum = 0_u64;
    let query = request.query().unwrap_or_default();
    for piece in query.split('&').filter(|piece| !piece.is_empty()).take(VALUES) {
        sum = sum.wrapping_add(seed.hash(piece.as_bytes()));
    }
    let body = &request.message.body;
    for scalar in Scanner::new(&body[..body.len().min(SEARCHED)]).take(4 * VALUES) {
        let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
        sum = sum.wrapping_add(seed.hash(value).rotate_left(7));
    }
    sum
}
