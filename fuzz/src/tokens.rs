//! Tokens, proofs and key sets through the analysis: a token of an issuer whose keys are all known is told as forged unless it is the very
//! one that the issuer made, and is nobody's whom it names; a true proof is never told as forged; nothing of a key is shown; and the
//! same input gives the same answer.

use std::sync::Arc;

use analyzers::keys::{KeySet, Keys};
use analyzers::{Analyzer, Kind, Settings};
use arbitrary::Arbitrary;
use reassembly::Timestamp;
use reassembly::build::ExchangeBuilder;

use crate::memory::Account;

/// Where a signature comes from.
#[derive(Debug, Arbitrary)]
pub enum Signature {
    True,
    None,
    Zero,
    Cut(u8),
    Any(Vec<u8>),
}

/// A token.
#[derive(Debug, Arbitrary)]
pub struct Token {
    header: u8,
    claims: u8,
    signature: Signature,
    status: u8,
    /// Letters written over it, where they fall.
    noise: Vec<(u16, u8)>,
    /// A proof comes with it, with letters written over.
    proof: Option<Vec<(u16, u8)>>,
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    tokens: Vec<Token>,
    /// Pieces of a file of keys.
    file: Vec<u8>,
}

/// RFC 7515 appendix A.3: the key, and the parts of the token that it made.
const KEY: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// The header of that token; `none`, HS256, ES256 by another key, RS256.
const HEADERS: [&str; 5] = [
    "eyJhbGciOiJFUzI1NiJ9",
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ",
    "eyJhbGciOiJSUzI1NiJ9",
];

/// The claims of that token; another subject of its issuer; one of another issuer.
const CLAIMS: [&str; 3] = [
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    "eyJpc3MiOiJqb2UiLCJzdWIiOiJhZG1pbiIsImV4cCI6MTMwMDgxOTM4MH0",
    "eyJpc3MiOiJlbHNlIiwic3ViIjoiYWRtaW4iLCJleHAiOjEzMDA4MTkzODB9",
];

/// RFC 9449 section 4.1.
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// A part of a key that must never be shown.
const SECRET: &str = "xQ93kZp0Vw7Lr2";

/// What files of keys are made of.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"keys\":[",
    "{\"keys\":[{",
    "\"kty\":\"EC\"",
    "\"kty\":\"RSA\"",
    "\"kty\":\"OKP\"",
    "\"kty\":\"oct\"",
    "\"crv\":\"P-256\"",
    "\"crv\":\"Ed25519\"",
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"",
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"",
    "\"n\":\"AQAB\"",
    "\"e\":\"AQAB\"",
    "\"k\":\"xQ93kZp0Vw7Lr2AA\"",
    "\"d\":\"xQ93kZp0Vw7Lr2AA\"",
    "\"xQ93kZp0Vw7Lr2\"",
    "\"kid\":\"xQ93kZp0Vw7Lr2\"",
    "xQ93kZp0Vw7Lr2",
    "\n",
];

const LETTERS: &[u8; 65] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

fn letter(byte: u8) -> char {
    char::from(LETTERS[usize::from(byte) % LETTERS.len()])
}

fn written_over(text: &str, noise: &[(u16, u8)]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (at, byte) in noise {
        let at = usize::from(*at) % letters.len().max(1);
        if let Some(place) = letters.get_mut(at) {
            *place = letter(*byte);
        }
    }
    letters.into_iter().collect()
}

impl Token {
    fn written(&self) -> String {
        let signature = match &self.signature {
            Signature::True => SIGNATURE.to_owned(),
            Signature::None => String::new(),
            Signature::Zero => "A".repeat(86),
            Signature::Cut(at) => SIGNATURE[..usize::from(*at) % SIGNATURE.len()].to_owned(),
            Signature::Any(bytes) => bytes.iter().take(512).map(|b| letter(b % 64)).collect(),
        };
        let (header, claims) = (
            HEADERS[usize::from(self.header) % HEADERS.len()],
            CLAIMS[usize::from(self.claims) % CLAIMS.len()],
        );
        written_over(&format!("{header}.{claims}.{signature}"), &self.noise)
    }

    fn status(&self) -> u16 {
        [200, 401, 503][usize::from(self.status) % 3]
    }

    fn exchange(&self, index: usize) -> reassembly::Exchange {
        let mut head = format!(
            "POST /v1/orders HTTP/1.1\nHost: a.example\nAuthorization: {} {}\n",
            if self.proof.is_some() { "DPoP" } else { "Bearer" },
            self.written()
        );
        if let Some(noise) = &self.proof {
            head.push_str(&format!("DPoP: {}\n", written_over(PROOF, noise)));
        }
        ExchangeBuilder::new(Timestamp(
            1_300_000_000_000_000_000 + index as u64 * 1_000_000_000,
        ))
        .request(&head, b"{}")
        .response(
            &format!("HTTP/1.1 {} X\nContent-Type: application/json\n", self.status()),
            b"{}",
        )
        .build()
    }
}

fn settings(known: bool) -> Settings {
    let mut keys = Keys::default();
    if known {
        let (mut set, problems) = KeySet::read(KEY, Some("joe")).expect("a key set");
        assert!(problems.is_empty() && set.declare_complete());
        keys.add(set);
    }
    Settings {
        keys: Arc::new(keys),
        ..Settings::default()
    }
}

/// The principal of each token, and of each finding its kind and how often it was seen.
fn told(tokens: &[Token], known: bool) -> (Vec<Option<String>>, Vec<(Kind, String, u64)>) {
    let mut analyzer = Analyzer::new(settings(known));
    analyzer.forget_changes();
    let exchanges = tokens.iter().enumerate();
    let principals = exchanges
        .map(|(index, token)| analyzer.observe(&token.exchange(index)).principal)
        .collect();
    analyzer.finish();
    while analyzer.poll().is_some() {}
    let reason = |f: &analyzers::Finding| f.observed.get("reason").map(ToString::to_string);
    let all = analyzer.findings();
    let found = all
        .map(|f| (f.kind, reason(&f).unwrap_or_default(), f.count))
        .collect();
    (principals, found)
}

/// The target.
pub fn check(input: &Input) {
    let tokens = &input.tokens[..input.tokens.len().min(8)];
    let mut account = Account::default();
    let (principals, found) = account.charge(|| told(tokens, true));
    assert_eq!(
        (&principals, &found),
        (&told(tokens, true).0, &told(tokens, true).1)
    );
    let (believed, _) = told(tokens, false);
    let mut expected = 0;
    for (token, (principal, believed)) in tokens.iter().zip(principals.iter().zip(&believed)) {
        let written = token.written();
        let own = format!("{}.{}.{SIGNATURE}", HEADERS[0], CLAIMS[0]);
        // Noise may make it no token, or one of somebody else.
        if !token.noise.is_empty() {
            continue;
        }
        let of_joe = usize::from(token.claims) % CLAIMS.len() < 2;
        if of_joe && written != own {
            expected += u64::from(token.status() != 503);
            assert_ne!(principal, believed, "{written}");
        } else {
            assert_eq!(principal, believed, "{written}");
        }
    }
    let counted: u64 = found
        .iter()
        .filter(|(kind, ..)| *kind == Kind::ForgedToken)
        .map(|(.., n)| n)
        .sum();
    let noisy = tokens.iter().filter(|token| !token.noise.is_empty()).count() as u64;
    assert!(
        (expected..=expected + noisy).contains(&counted),
        "{expected} and not {found:?}"
    );
    let clean = |token: &Token| token.proof.as_ref().is_none_or(Vec::is_empty);
    if tokens.iter().all(clean) {
        let bad = |(_, reason, _): &(Kind, String, u64)| reason.contains("bad_signature");
        let of_proof = found.iter().filter(|f| f.0 == Kind::SenderConstraintViolated);
        assert!(!of_proof.clone().any(bad), "{found:?}");
    }

    let file: String = input
        .file
        .iter()
        .take(200)
        .map(|n| PIECES[usize::from(*n) % PIECES.len()])
        .collect();
    let shown = match account.charge(|| KeySet::read(&file, None)) {
        Ok((set, problems)) => format!("{set:?}{problems:?}"),
        Err(problems) => {
            assert!(!problems.is_empty(), "nothing is said to be wrong with {file}");
            assert!(
                problems.iter().all(|p| p.line > 0 && p.column > 0),
                "{problems:?}"
            );
            format!("{problems:?}")
        }
    };
    assert!(!shown.contains(SECRET), "{shown}");
}
