//! Writes HTTP/2: frames, and header blocks with a table that is really used.

#![allow(unreachable_pub, reason = "a module of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::VecDeque;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 0x20;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// The encoder of one direction: every field goes into the table, and is referred to when it is there.
#[derive(Debug, Clone)]
pub struct Encoder {
    table: VecDeque<(String, String)>,
    size: usize,
    largest: usize,
    resize: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            largest: 4096,
            resize: false,
        }
    }
}

impl Encoder {
    /// Another size of the table, told with the next block.
    pub fn resize(&mut self, size: usize) {
        self.largest = size;
        self.resize = true;
        self.evict(size);
    }

    pub fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.resize) {
            number(&mut out, 0x20, 5, self.largest);
        }
        for (name, value) in fields {
            let place = |whole: bool| {
                let found = self
                    .table
                    .iter()
                    .position(|(n, v)| n == name && (!whole || v == value));
                found.map(|at| at + 62)
            };
            if let Some(index) = place(true) {
                number(&mut out, 0x80, 7, index);
                continue;
            }
            // As all encoders do, the names that every table begins with are referred to by its numbers.
            let fixed = [":authority", ":method", "", ":path", "", ":scheme", "", ":status"];
            let fixed = fixed.iter().position(|n| n == name).map(|at| at + 1);
            match fixed.or_else(|| place(false)) {
                Some(index) => number(&mut out, 0x40, 6, index),
                None => {
                    out.push(0x40);
                    text(&mut out, name);
                }
            }
            text(&mut out, value);
            let size = name.len() + value.len() + 32;
            self.evict(self.largest.saturating_sub(size));
            if size <= self.largest {
                self.table.push_front(((*name).to_owned(), (*value).to_owned()));
                self.size += size;
            }
        }
        out
    }

    fn evict(&mut self, most: usize) {
        while self.size > most {
            let (name, value) = self.table.pop_back().expect("a table with a size has entries");
            self.size -= name.len() + value.len() + 32;
        }
    }

    /// A HEADERS frame with all of them.
    pub fn headers(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
        frame(HEADERS, flags | END_HEADERS, stream, &self.block(fields))
    }

    /// A GET without a body.
    pub fn get(&mut self, stream: u32, path: &str) -> Vec<u8> {
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "h"),
        ];
        self.headers(stream, END_STREAM, &fields)
    }

    /// A response with this body.
    pub fn answer(&mut self, stream: u32, status: &str, body: &[u8]) -> Vec<u8> {
        let mut out = self.headers(stream, 0, &[(":status", status)]);
        out.extend(frame(DATA, END_STREAM, stream, body));
        out
    }
}

/// An integer behind the bits of its first byte (RFC 7541 section 5.1).
pub fn number(out: &mut Vec<u8>, first: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        out.push(first | number as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = number - most;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, 0, 7, text.len());
    out.extend(text.as_bytes());
}
