//! What a principal read that may be an instruction, and the values in it, to see whether it acts on them.
//!
//! Kept in the principal's row, a few readings each with the keyed hashes of its distinctive values: addresses, accounts, names of files,
//! quoted phrases. Nothing of the text is kept.

use std::collections::VecDeque;
use std::time::Duration;

use reassembly::{Request, Timestamp};
use serde::{Deserialize, Serialize};

use super::decode;
use crate::finding::trace::Trace;
use crate::id::{Id, Seed};
use crate::json::{Scalar, Scanner};

/// Readings of one principal.
const READINGS: usize = 8;

/// Values of one reading.
const VALUES: usize = 24;

/// Hashes of what it sent lately itself.
const SENT: usize = 128;

/// Texts remembered that were none.
const HARMLESS: usize = 32;

/// Bytes of a request in which values are looked for, and values looked at.
const SEARCHED: usize = 32 * 1024;
const PIECES: usize = 256;

/// So long a reading may be acted on.
const HOLDS: Duration = Duration::from_secs(2 * 3600);

/// A text that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The unit of work in which it was read.
    pub(crate) unit: Id,
    #[serde(with = "crate::store::nanos")]
    pub(crate) at: Timestamp,
    /// How strong it spoke for an instruction, in tenths.
    pub(crate) score: u16,
    /// Keyed hashes of its distinctive values.
    values: Vec<u64>,
    pub(super) trace: Trace,
    /// What the finding about it is about.
    pub(super) place: [String; 2],
}

/// The readings of one principal. Part of its row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Taint {
    readings: VecDeque<Reading>,
    sent: VecDeque<u64>,
    /// Texts looked at lately that were none, by hash: agents read the same again and again. It saves time and changes nothing.
    #[serde(skip)]
    harmless: VecDeque<u64>,
}

impl Taint {
    /// Whether a text was looked at lately and was none.
    pub(super) fn is_harmless(&self, text: u64) -> bool {
        self.harmless.contains(&text)
    }

    pub(super) fn harmless(&mut self, text: u64) {
        if self.harmless.len() >= HARMLESS {
            self.harmless.pop_front();
        }
        self.harmless.push_back(text);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.readings.is_empty() && self.sent.is_empty()
    }

    /// The strongest suspected instruction that the principal read in this unit of work: when, and how strong (50 and more is told
    /// about). For detectors of what an agent does.
    #[allow(dead_code, reason = "asked by detectors of sequences")]
    pub(crate) fn read_in(&self, unit: Id) -> Option<(Timestamp, u16)> {
        let own = self.readings.iter().filter(|r| r.unit == unit);
        own.max_by_key(|r| (r.score, r.at)).map(|r| (r.at, r.score))
    }

    /// Remembers a reading. Values that the principal had sent itself before are its own.
    pub(super) fn note(&mut self, mut reading: Reading, mut values: Vec<u64>) {
        values.sort_unstable();
        values.dedup();
        values.retain(|value| !self.sent.contains(value));
        values.truncate(VALUES);
        reading.values = values;
        // Read again in the same unit: what was said first stands.
        if let Some(known) = self
            .readings
            .iter_mut()
            .find(|r| r.unit == reading.unit && r.values == reading.values)
        {
            known.score = known.score.max(reading.score);
            return;
        }
        if self.readings.len() >= READINGS {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    /// The reading of the same unit of work whose values a request carries, if there is one, with how many.
    pub(super) fn acted_on(&self, sent: &[u64], unit: Id, now: Timestamp) -> Option<(&Reading, usize)> {
        self.readings
            .iter()
            .rev()
            .filter(|r| r.unit == unit && r.at < now && now.since(r.at) <= HOLDS)
            .map(|r| (r, r.values.iter().filter(|v| sent.contains(v)).count()))
            .find(|(_, count)| *count > 0)
    }

    pub(super) fn has_readings(&self) -> bool {
        !self.readings.is_empty()
    }

    /// Remembers what was sent.
    pub(super) fn send(&mut self, sent: &[u64]) {
        for value in sent {
            if self.sent.contains(value) {
                continue;
            }
            if self.sent.len() >= SENT {
                self.sent.pop_front();
            }
            self.sent.push_back(*value);
        }
    }
}

impl Reading {
    pub(super) fn new(unit: Id, at: Timestamp, score: u16, trace: Trace, place: [String; 2]) -> Self {
        Self {
            unit,
            at,
            score,
            values: Vec::new(),
            trace,
            place,
        }
    }
}

/// The form in which values are compared: lower case, no signs at the ends.
fn plain(token: &str) -> String {
    token
        .trim_matches(|c: char| !c.is_alphanumeric() && c != '/')
        .trim_end_matches('/')
        .to_lowercase()
}

/// Whether a token stands for one thing: it has a digit or a sign of addresses and names in it, and is long enough.
fn is_distinctive(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let letters = token.chars().filter(|c| c.is_alphabetic()).count();
    let signs = token
        .bytes()
        .filter(|b| matches!(b, b'@' | b'.' | b'_' | b'/' | b':'))
        .count();
    let length = token.len();
    length <= 256
        && (digits >= 6
            || length >= 6 && digits >= 2 && letters >= 2
            || length >= 6 && letters >= 4 && signs >= 1 && !token.ends_with("e.g"))
}

/// Keyed hashes of the distinctive values of a text.
pub(super) fn of_text(text: &str, seed: Seed) -> Vec<u64> {
    let mut out = Vec::new();
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '<' | '>' | '(' | ')' | '`' | ',' | ';' | '“' | '”' | '[' | ']' | '|'
            )
    };
    for token in text.split(ends).take(4096) {
        add(token, seed, &mut out);
    }
    // What stands in quotes is meant as it is.
    for quote in ['\'', '"', '`'] {
        for piece in text.split(quote).skip(1).step_by(2).take(16) {
            let words = piece.split_whitespace().count();
            if (6..=80).contains(&piece.len()) && words <= 8 {
                out.push(seed.hash(plain(piece).as_bytes()));
            }
        }
    }
    // Names of things: words in capitals in a row.
    let mut name: Vec<&str> = Vec::new();
    for word in text.split_whitespace().chain([""]) {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.chars().next().is_some_and(char::is_uppercase) && bare.len() > 1;
        if capital {
            name.push(bare);
        }
        if !capital || word.ends_with(['.', ',', ':', ';', '!', '?']) {
            if (2..=5).contains(&name.len()) {
                out.push(seed.hash(name.join(" ").to_lowercase().as_bytes()));
            }
            name.clear();
        }
    }
    out.truncate(VALUES * 4);
    out
}

fn add(token: &str, seed: Seed, out: &mut Vec<u64>) {
    let token = plain(token);
    if token.len() < 6 || !is_distinctive(&token) {
        return;
    }
    out.push(seed.hash(token.as_bytes()));
    // A URL is its host as well.
    let host = match token.split_once("://") {
        Some((_, rest)) => rest,
        None => match token.strip_prefix("www.") {
            Some(_) => &token,
            None => return,
        },
    };
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or("");
    let host = host.strip_prefix("www.").unwrap_or(host);
    if host.len() >= 4 && host.contains('.') {
        out.push(seed.hash(host.as_bytes()));
    }
}

/// Keyed hashes of the values of a request: arguments of the tool that it calls, or path, query and body. Whole values and the
/// distinctive words of them.
pub(super) fn of_request(request: &Request, tools: bool, seed: Seed) -> Vec<u64> {
    let mut out = Vec::new();
    let mut left = PIECES;
    let mut value = |text: &str| {
        if left == 0 || text.len() < 4 {
            return;
        }
        left -= 1;
        let whole = plain(text);
        if (6..=128).contains(&whole.len()) && (whole.contains(' ') || is_distinctive(&whole)) {
            out.push(seed.hash(whole.as_bytes()));
        }
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | '`' | ',' | ';' | '[' | ']' | '|')
        };
        for token in text.split(ends).take(256) {
            add(token, seed, &mut out);
        }
    };
    let mut forms = decode::Forms::default();
    if !tools {
        let parts = request.target().split(['/', '?', '&', '=']);
        for part in parts.filter(|p| p.len() >= 6).take(64) {
            let plain = forms.read(part.as_bytes(), true);
            value(&String::from_utf8_lossy(&plain[0]));
        }
    }
    let body = &request.message.body[..request.message.body.len().min(SEARCHED)];
    if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let mut scanner = Scanner::new(body);
        while let Some(scalar) = scanner.next() {
            if tools && !scanner.is_below(&["params", "arguments"]) {
                continue;
            }
            match scalar {
                Scalar::Text(text) => value(&String::from_utf8_lossy(&decode::json(text))),
                Scalar::Number(number) => value(&String::from_utf8_lossy(number)),
            }
        }
    } else if !body.is_empty() {
        for part in body.split(|b| matches!(b, b'&' | b'=')).take(128) {
            let plain = forms.read(part, true);
            value(&String::from_utf8_lossy(&plain[0]));
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}
