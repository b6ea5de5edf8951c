//! What the answers of an endpoint look like, as far as it helps to tell names of a route from values of a parameter.
//!
//! Two endpoints that are one answer with the same fields and different content; two that are not answer with other fields,
//! or always with the same. Both are kept as the smallest hashes of a set (bottom-k sketch: Cohen & Kaplan, "Summarizing
//! data using bottom-k sketches", PODC 2007), which is the same in whatever order the answers came.

use reassembly::Response;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::shape::{Form, Side};

/// Bytes of an answer looked at.
const LOOKED_AT: usize = 2048;

/// Fields kept.
const FIELDS: usize = 24;

/// Different answers kept.
const BODIES: usize = 4;

/// Fields that two answers must have before they can be alike in them.
pub(crate) const TELLING: usize = 3;

/// What answers look like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Face {
    /// The smallest hashes of paths of fields, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<u32>,
    /// The smallest hashes of whole answers, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bodies: Vec<u32>,
}

/// How alike two faces are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Likeness {
    /// Share of the fields of both that each has (Jaccard), 0 to 1.
    pub(crate) shared: f64,
    /// Share of the fields of the one that has fewer which the other has too.
    pub(crate) contained: f64,
    /// Fields of the one that has fewer.
    pub(crate) fields: usize,
}

impl Face {
    /// Takes a successful answer.
    pub(crate) fn observe(&mut self, response: &Response) {
        let body = &response.message.body;
        if !body.is_empty() {
            let looked_at = &body[..body.len().min(LOOKED_AT)];
            insert::<BODIES>(&mut self.bodies, fold(xxh3_64(looked_at)));
        }
    }

    /// Takes hashes of paths of fields that were not met before, when they are of successful answers.
    pub(crate) fn take(&mut self, whose: (Side, Form), fields: &[u64]) {
        if whose == (Side::Response(2), Form::Json) {
            let mut take = |field: &u64| insert::<FIELDS>(&mut self.fields, fold(*field));
            fields.iter().for_each(&mut take);
        }
    }

    /// Takes over what another has seen.
    pub(crate) fn absorb(&mut self, other: &Self) {
        other
            .fields
            .iter()
            .for_each(|f| insert::<FIELDS>(&mut self.fields, *f));
        other
            .bodies
            .iter()
            .for_each(|b| insert::<BODIES>(&mut self.bodies, *b));
    }

    /// How alike the fields are; nothing when either has too few to tell.
    pub(crate) fn likeness(&self, other: &Self) -> Option<Likeness> {
        let fields = self.fields.len().min(other.fields.len());
        if fields < TELLING {
            return None;
        }
        // Of the union's smallest hashes, those that both have.
        let mut both = 0usize;
        let mut all = 0usize;
        let (mut a, mut b) = (self.fields.iter().peekable(), other.fields.iter().peekable());
        while all < FIELDS {
            match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x == y => {
                    both += 1;
                    a.next();
                    b.next();
                }
                (Some(x), Some(y)) if x < y => drop(a.next()),
                (Some(_), Some(_)) | (None, Some(_)) => drop(b.next()),
                (Some(_), None) => drop(a.next()),
                (None, None) => break,
            }
            all += 1;
        }
        let contained = (both as f64 / fields as f64).min(1.0);
        Some(Likeness {
            shared: both as f64 / all as f64,
            contained,
            fields,
        })
    }

    /// The different answers, as far as they are kept.
    pub(crate) fn bodies(&self) -> &[u32] {
        &self.bodies
    }
}

fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Puts a hash among the `N` smallest.
pub(crate) fn insert<const N: usize>(smallest: &mut Vec<u32>, hash: u32) {
    if smallest.len() >= N && smallest.last().is_some_and(|last| hash >= *last) {
        return;
    }
    if let Err(at) = smallest.binary_search(&hash) {
        if smallest.len() >= N {
            smallest.pop();
        }
        smallest.insert(at, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reassembly::Timestamp;
    use reassembly::build::ExchangeBuilder;

    /// The face of answers that are lists of fields.
    fn face(answers: &[&str]) -> Face {
        let mut face = Face::default();
        for answer in answers {
            let fields: Vec<u64> = answer.split(' ').map(|f| xxh3_64(f.as_bytes())).collect();
            face.take((Side::Response(2), Form::Json), &fields);
            face.take((Side::Response(4), Form::Json), &[xxh3_64(b"error")]);
            let exchange = ExchangeBuilder::new(Timestamp(1))
                .request("GET / HTTP/1.1\nHost: a\n", "")
                .response("HTTP/1.1 200 OK\nContent-Type: application/json\n", *answer)
                .build();
            face.observe(&exchange.response.unwrap());
        }
        face
    }

    #[test]
    fn fields_make_a_face_and_values_do_not() {
        let ann = face(&["id name tags home.city"]);
        let bob = face(&["id name home.city"]);
        let like = ann.likeness(&bob).unwrap();
        assert_eq!((like.shared, like.contained, like.fields), (0.75, 1.0, 3));
        let order = face(&["total lines.sku paid"]);
        assert_eq!(ann.likeness(&order).unwrap().shared, 0.0);
        assert_eq!(ann.likeness(&face(&["ok"])), None);
        assert_eq!(face(&["a", "b", "a"]).bodies().len(), 2);
    }

    #[test]
    fn the_order_of_answers_does_not_matter() {
        let answers: Vec<String> = (0..60).map(|n| format!("f{n} g{}", n % 7)).collect();
        let forth: Vec<&str> = answers.iter().map(String::as_str).collect();
        let back: Vec<&str> = forth.iter().rev().copied().collect();
        assert_eq!(face(&forth), face(&back));
        let mut parts = face(&forth[..20]);
        parts.absorb(&face(&forth[20..]));
        assert_eq!(parts, face(&back));
        assert_eq!(parts.fields.len(), FIELDS);
    }
}
