//! Writes HTTP/2: frames, and header blocks with a table that is really used.

#![allow(unreachable_pub, reason = "a module of tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::VecDeque;

pub use testdata::http2::*;

use crate::support::{CLIENT, SERVER, Wire};

/// A flow with both ends' settings exchanged.
pub fn open() -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open()
        .send(
            CLIENT,
            [PREFACE, &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])].concat(),
        )
        .send(
            SERVER,
            [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat(),
        )
        .send(CLIENT, frame(SETTINGS, 1, 0, &[]));
    wire
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
            integer(0x20, 5, self.largest, &mut out);
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
                integer(0x80, 7, index, &mut out);
                continue;
            }
            // As all encoders do, the names that every table begins with are referred to by its numbers.
            let fixed = [":authority", ":method", "", ":path", "", ":scheme", "", ":status"];
            let fixed = fixed.iter().position(|n| n == name).map(|at| at + 1);
            match fixed.or_else(|| place(false)) {
                Some(index) => integer(0x40, 6, index, &mut out),
                None => {
                    out.push(0x40);
                    text(name.as_bytes(), &mut out);
                }
            }
            text(value.as_bytes(), &mut out);
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
