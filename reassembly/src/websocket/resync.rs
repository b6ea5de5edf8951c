//! Finds the next frame in a direction whose framing was lost.
//!
//! A header has few bits that must be as they are, so one alone is no evidence: of random bytes, one place in forty looks
//! like the beginning of a frame. What is followed are rows of frames: each header sound and strict in form, each where the
//! one before says, fragments in order, masking keys not repeated. Most senders write a frame at a time, so a header where
//! a segment begins says more than one within, the more the longer segments are. Frames without payload say nothing: zeros
//! look like a row of them.
//!
//! A row may begin with frames that are none and then happen upon true ones, so its last header is believed and none before
//! it: if all of the row is chance, it is chance of the row's whole length; if only its beginning is, the last header is
//! true. Messages before that one are given up. A payload that quotes a whole row of frames can deceive it.

use std::collections::VecDeque;

use crate::part::{Direction, Stamp};

use super::frame::{self, Header, MAX_HEADER, Opcode, Parsed, Reserved};

/// Evidence at which the last header of a row is believed, in bits: six headers anywhere, or two or three where segments
/// begin. It is wrong once in a billion places of random bytes.
const NEEDED: u8 = 30;

/// What the bits of a header that must be as they are tell.
const OF_HEADER: u8 = 5;

/// A row of frames that takes more bytes than this is not followed.
const SPAN: u64 = 1 << 20;

/// Frames of one row that are looked at.
const MAX_FRAMES: u8 = 32;

/// Rows that are followed at once; the one that would take longest makes way.
const MAX_ROWS: usize = 32;

/// Slices remembered, to know when a header was seen and where segments began.
const MAX_ORIGINS: usize = 32;

/// Bytes kept before the older ones are dropped.
const KEPT: usize = 1 << 10;

/// Frames that follow each other.
#[derive(Debug, Clone, Copy)]
struct Row {
    start: u64,
    /// Where the next header must be.
    next: u64,
    /// How far the bytes must go before there is more to tell.
    needs: u64,
    /// In bits.
    evidence: u8,
    frames: u8,
    /// Whether a fragmented message is open; unknown before the first frame of a message.
    open: Option<bool>,
    mask: Option<[u8; 4]>,
}

/// A search through the bytes of one direction.
#[derive(Debug)]
pub(super) struct Search {
    /// The last bytes taken.
    buf: Vec<u8>,
    /// Place of the first byte of `buf`, counted from where the search began.
    base: u64,
    /// No row begins before this place but those that are followed.
    looked: u64,
    rows: Vec<Row>,
    /// No row can go on before this place is reached.
    wake: u64,
    /// Whether it counts where segments begin. It does behind a loss; without one, the answer must not depend on it.
    segments: bool,
    /// Where the last slices began, and whether that is where a segment does.
    origins: VecDeque<(u64, Stamp, bool)>,
}

/// A frame that was found; its header is the last that was taken.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) header: Header,
    /// Where its first byte was seen.
    pub(super) first: Stamp,
    /// Bytes before it.
    pub(super) skipped: u64,
}

impl Search {
    pub(super) fn new(segments: bool) -> Self {
        Self {
            buf: Vec::new(),
            base: 0,
            looked: 0,
            rows: Vec::new(),
            wake: u64::MAX,
            segments,
            origins: VecDeque::new(),
        }
    }

    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.buf.capacity()
            + self.rows.capacity() * size_of::<Row>()
            + self.origins.capacity() * size_of::<(u64, Stamp, bool)>()
    }

    /// Bytes in which nothing was found so far.
    pub(super) fn taken(&self) -> u64 {
        self.base + self.buf.len() as u64
    }

    /// Takes `bytes` as far as they are needed and tells how many. `at_segment` tells that a segment begins with them.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        at_segment: bool,
        direction: Direction,
        reserved: Reserved,
    ) -> (usize, Option<Found>) {
        let at_segment = at_segment && self.segments;
        let new = |(_, last, _): &(u64, Stamp, bool)| at_segment || *last != stamp;
        if self.origins.back().is_none_or(new) {
            if self.origins.len() == MAX_ORIGINS {
                self.origins.pop_front();
            }
            self.origins.push_back((self.taken(), stamp, at_segment));
        }
        for (at, byte) in bytes.iter().enumerate() {
            // One after another, so that the answer does not depend on how they were cut.
            if self.buf.len() == KEPT {
                self.buf.drain(..KEPT - MAX_HEADER);
                self.base += (KEPT - MAX_HEADER) as u64;
            }
            self.buf.push(*byte);
            if let Some(found) = self.look(direction, reserved) {
                return (at + 1, Some(found));
            }
        }
        (bytes.len(), None)
    }

    fn parse(&self, at: u64, direction: Direction, reserved: Reserved) -> Parsed {
        let from = usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        frame::parse(self.buf.get(from..).unwrap_or(&[]), direction, reserved)
    }

    /// What it tells that a header is at this place, in bits: where segments begin, as many as it takes to say which of the
    /// bytes since the one before.
    fn place(&self, at: u64) -> u8 {
        let near = self.origins.partition_point(|(from, ..)| *from < at);
        let begins = |(_, _, begins): &&(u64, Stamp, bool)| *begins;
        let before = self.origins.range(..near).rev().find(begins);
        match (self.origins.get(near), before) {
            (Some((from, _, true)), Some((last, ..))) if *from == at => {
                (at - last).min(1 << 10).ilog2().try_into().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Looks at what the last byte makes clear.
    fn look(&mut self, direction: Direction, reserved: Reserved) -> Option<Found> {
        let end = self.taken();
        if end >= self.wake {
            let mut rows = std::mem::take(&mut self.rows);
            let mut found = None;
            rows.retain_mut(|row| {
                let (goes_on, believed) = self.follow(row, direction, reserved);
                found = found.or(believed);
                goes_on
            });
            self.rows = rows;
            self.wake = self.rows.iter().map(|row| row.needs).min().unwrap_or(u64::MAX);
            if let Some((at, header)) = found {
                let origin = self.origins.iter().rev().find(|(from, ..)| *from <= at);
                return Some(Found {
                    header,
                    first: origin.map(|(_, stamp, _)| *stamp).unwrap_or_default(),
                    skipped: at,
                });
            }
        }
        // Two bytes tell whether a row can begin.
        while self.looked + 2 <= end {
            let mut row = Row::at(self.looked);
            self.looked += 1;
            if !self.follow(&mut row, direction, reserved).0 {
                continue;
            }
            if self.rows.len() == MAX_ROWS
                && let Some(longest) = (0..MAX_ROWS).max_by_key(|at| self.rows[*at].needs)
            {
                self.rows.remove(longest);
            }
            self.wake = self.wake.min(row.needs);
            self.rows.push(row);
        }
        None
    }

    /// Follows a row as far as the bytes go. Tells whether it goes on, and which header is to be believed.
    fn follow(
        &self,
        row: &mut Row,
        direction: Direction,
        reserved: Reserved,
    ) -> (bool, Option<(u64, Header)>) {
        loop {
            match self.parse(row.next, direction, reserved) {
                Parsed::Short(len) => {
                    row.needs = row.next + len as u64;
                    return (true, None);
                }
                Parsed::Unsound => return (false, None),
                Parsed::Header(header) => {
                    let at = row.next;
                    if !row.take(&header, self.place(at)) {
                        return (false, None);
                    }
                    if row.evidence >= NEEDED {
                        return (true, Some((at, header)));
                    }
                }
            }
        }
    }
}

impl Row {
    fn at(start: u64) -> Self {
        Self {
            start,
            next: start,
            needs: start,
            evidence: 0,
            frames: 0,
            open: None,
            mask: None,
        }
    }

    /// Takes the header of the next frame; false when it cannot stand there.
    fn take(&mut self, header: &Header, place: u8) -> bool {
        if !header.proper || self.frames == MAX_FRAMES {
            return false;
        }
        if header.opcode == Opcode::Continuation {
            // What begins in the middle of a message is no use.
            if self.open != Some(true) {
                return false;
            }
            self.open = Some(!header.fin);
        } else if !header.opcode.is_control() {
            if self.open == Some(true) {
                return false;
            }
            self.open = Some(!header.fin);
        }
        if header.mask.is_some() && header.mask == self.mask {
            return false;
        }
        self.mask = header.mask;
        self.frames += 1;
        if header.payload > 0 {
            self.evidence += OF_HEADER + place;
        }
        self.next = self
            .next
            .saturating_add(header.len as u64)
            .saturating_add(header.payload);
        // It must be shown by frames that are near.
        self.evidence >= NEEDED || self.next - self.start <= SPAN
    }
}
