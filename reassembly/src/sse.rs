//! Server-sent events (WHATWG HTML section 9.2): the content of a `text/event-stream` in, events out as they end.
//!
//! Takes content, without transfer-coding and content-coding, in pieces of any length. A response of this kind need not
//! end, so nothing waits for its end, and no more is held than one event's first bytes.

use crate::exchange::Flags;
use crate::limits::Limits;
use crate::part::{self, Direction, Part, PartKind, Stamp};

/// The longest field name that means something: `event`, `retry`.
const MAX_NAME: usize = 5;

/// Bytes kept of an event's name and of its id; what is behind them is cut off.
const MAX_VALUE: usize = 256;

/// What an event stream may begin with (section 9.2.5).
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Before its first byte.
    Start,
    /// In the name of its field, of which that many bytes were seen.
    Name([u8; MAX_NAME], usize),
    /// Behind the colon.
    Colon(Field),
    /// In the value of its field.
    Value(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Data,
    Event,
    Id,
    /// A comment, or a field that tells nothing of an event.
    Other,
}

impl Field {
    fn of(name: &[u8]) -> Self {
        match name {
            b"data" => Self::Data,
            b"event" => Self::Event,
            b"id" => Self::Id,
            _ => Self::Other,
        }
    }
}

/// An event being read.
#[derive(Debug, Default)]
struct Event {
    first: Stamp,
    bytes: u64,
    /// Lines of data; without one there is no event.
    lines: u64,
    data_bytes: u64,
    data: Vec<u8>,
    name: Vec<u8>,
    id: Option<Vec<u8>>,
    /// The id that counts if the one being read is to be ignored.
    id_before: Option<Vec<u8>>,
}

/// The events of one response.
#[derive(Debug)]
pub(crate) struct Events {
    line: Line,
    /// The last byte was a CR, so that a LF belongs to it.
    cr: bool,
    /// Bytes of a byte order mark that may be at the beginning; `None` behind it.
    bom: Option<usize>,
    /// Bytes were lost: until the next empty line, what is read belongs to an event that began before.
    lost: bool,
    owed: Flags,
    event: Event,
    number: u64,
    data_bytes: u64,
    given: u64,
    dropped: u64,
    out: Vec<Part>,
    /// Body bytes that may still be kept, of all bodies; lent for the time of a push.
    pub(crate) room: usize,
    /// Where the bytes pushed next come from, and how many were sent until then.
    pub(crate) stamp: Stamp,
    pub(crate) wire: u64,
    body_capture: usize,
}

impl Events {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            line: Line::Start,
            cr: false,
            bom: Some(0),
            lost: false,
            owed: Flags::empty(),
            event: Event::default(),
            number: 0,
            data_bytes: 0,
            given: 0,
            dropped: 0,
            out: Vec::new(),
            room: 0,
            stamp: Stamp::default(),
            wire: 0,
            body_capture: limits.body_capture,
        }
    }

    /// Whether a response with this media type carries events (section 9.2.1).
    pub(crate) fn are_in(content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or("").trim();
        kind.eq_ignore_ascii_case("text/event-stream")
    }

    /// Bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.event.data.capacity()
            + self.event.name.capacity()
            + self.event.id.as_ref().map_or(0, Vec::capacity)
            + self.out.capacity() * size_of::<Part>()
    }

    /// Events given out, and those that were too many.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.given, self.dropped)
    }

    /// Bytes of data in all of them.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The events that ended since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Part> {
        let parts = std::mem::take(&mut self.out);
        self.room += parts.iter().map(|part| part.body.len()).sum::<usize>();
        parts
    }

    /// Takes the next bytes of the content.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            let used = self.step(byte, bytes);
            bytes = &bytes[used..];
        }
    }

    /// Takes some of `bytes`, which begin with `byte`, and tells how many.
    fn step(&mut self, byte: u8, bytes: &[u8]) -> usize {
        if self.event.bytes == 0 {
            self.event.first = self.stamp;
        }
        self.event.bytes += 1;
        if let Some(seen) = self.bom {
            if byte == BOM[seen] {
                self.bom = (seen < 2).then_some(seen + 1);
                return 1;
            }
            self.bom = None;
            // It was none: its bytes are the beginning of a name.
            for byte in &BOM[..seen] {
                self.byte(*byte);
            }
        }
        if std::mem::take(&mut self.cr) && byte == b'\n' {
            // It ended the line before, and with an empty one an event that is out already.
            if self.line == Line::Start && self.event.bytes == 1 {
                self.event.bytes = 0;
            }
            return 1;
        }
        match byte {
            b'\r' | b'\n' => {
                self.cr = byte == b'\r';
                self.end_line();
                1
            }
            _ => match self.line {
                // The rest of the line, or what there is of it, in one go.
                Line::Value(field) => {
                    let len = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
                    self.event.bytes += len as u64 - 1;
                    self.value(field, &bytes[..len]);
                    len
                }
                _ => {
                    self.byte(byte);
                    1
                }
            },
        }
    }

    /// A byte of a line that is not in a value yet.
    fn byte(&mut self, byte: u8) {
        self.line = match self.line {
            Line::Start if byte == b':' => Line::Value(Field::Other),
            Line::Start => {
                let mut name = [0; MAX_NAME];
                name[0] = byte;
                Line::Name(name, 1)
            }
            Line::Name(name, len) if byte == b':' => Line::Colon(Field::of(&name[..len])),
            Line::Name(_, MAX_NAME) => Line::Value(Field::Other),
            Line::Name(mut name, len) => {
                name[len] = byte;
                Line::Name(name, len + 1)
            }
            Line::Colon(field) => {
                self.begin_value(field);
                // One space behind the colon is not of the value.
                if byte != b' ' {
                    self.value(field, &[byte]);
                }
                Line::Value(field)
            }
            Line::Value(field) => {
                self.value(field, &[byte]);
                Line::Value(field)
            }
        };
    }

    fn begin_value(&mut self, field: Field) {
        match field {
            Field::Data => {
                self.event.lines += 1;
                if self.event.lines > 1 {
                    self.data(b"\n");
                }
            }
            Field::Event => self.event.name.clear(),
            Field::Id => self.event.id_before = self.event.id.replace(Vec::new()),
            Field::Other => {}
        }
    }

    fn value(&mut self, field: Field, bytes: &[u8]) {
        match field {
            Field::Data => self.data(bytes),
            Field::Event => keep_value(&mut self.event.name, bytes),
            // An id with a NUL is ignored (section 9.2.6).
            Field::Id if bytes.contains(&0) => {
                self.event.id = self.event.id_before.take();
                self.line = Line::Value(Field::Other);
            }
            Field::Id => {
                if let Some(id) = &mut self.event.id {
                    keep_value(id, bytes);
                }
            }
            Field::Other => {}
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        self.event.data_bytes += bytes.len() as u64;
        let data = &mut self.event.data;
        let len = self
            .body_capture
            .saturating_sub(data.len())
            .min(bytes.len())
            .min(self.room);
        data.extend_from_slice(&bytes[..len]);
        self.room -= len;
    }

    fn end_line(&mut self) {
        match std::mem::replace(&mut self.line, Line::Start) {
            Line::Start => self.end_event(),
            // A field without colon has an empty value.
            Line::Name(name, len) => self.begin_value(Field::of(&name[..len])),
            Line::Colon(field) => self.begin_value(field),
            Line::Value(_) => {}
        }
    }

    /// An empty line ends an event.
    fn end_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        self.room += event.data.len();
        if std::mem::take(&mut self.lost) || event.lines == 0 {
            return;
        }
        let number = self.number;
        self.number += 1;
        self.data_bytes += event.data_bytes;
        if !part::is_allowed(number, self.wire) {
            self.dropped += 1;
            return;
        }
        self.given += 1;
        self.room = self.room.saturating_sub(event.data.len());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.out.push(Part {
            direction: Direction::ToClient,
            number,
            kind: PartKind::Event {
                name: text(event.name),
                id: event.id.map(text),
            },
            ts: event.first.ts,
            last: self.stamp.ts,
            frames: (event.first.frame, self.stamp.frame),
            bytes: event.bytes,
            content_bytes: event.data_bytes,
            complete: true,
            flags: std::mem::take(&mut self.owed),
            body: event.data,
        });
    }

    /// Content was lost. The event being read is given up; what follows up to the next empty line is the rest of one.
    pub(crate) fn gap(&mut self) {
        self.room += self.event.data.len();
        self.event = Event::default();
        self.bom = None;
        self.cr = false;
        self.lost = true;
        self.owed.insert(Flags::GAP);
        // The rest of some line: an end of line that comes next ends it, and is no empty line.
        self.line = Line::Value(Field::Other);
    }

    /// The response is over; an event that was not ended by an empty line is none (section 9.2.6).
    pub(crate) fn end(&mut self) {
        self.room += self.event.data.len();
        self.event = Event::default();
    }
}

fn keep_value(kept: &mut Vec<u8>, bytes: &[u8]) {
    let len = MAX_VALUE.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, Option<String>, String, u64)> {
        let mut events = Events::new(&Limits::default());
        events.room = 1 << 20;
        let mut out = Vec::new();
        for piece in pieces {
            events.push(piece);
            out.extend(events.take());
        }
        events.end();
        assert_eq!(events.room, 1 << 20, "what was kept is given back");
        out.into_iter()
            .map(|part| {
                let PartKind::Event { name, id } = part.kind else {
                    panic!("{:?}", part.kind)
                };
                (name, id, String::from_utf8(part.body).unwrap(), part.bytes)
            })
            .collect()
    }

    #[test]
    fn events_read_the_same_wherever_they_are_cut() {
        let check = |name: &str, wire: &[u8], want: &[(&str, Option<&str>, &str)]| {
            let whole = events(&[wire]);
            let told: Vec<_> = whole
                .iter()
                .map(|(name, id, data, _)| (name.as_str(), id.as_deref(), data.as_str()))
                .collect();
            assert_eq!(told, want, "{name}");
            for cut in 0..=wire.len() {
                let (head, tail) = wire.split_at(cut);
                assert_eq!(events(&[head, tail]), whole, "{name}, cut at {cut}");
            }
            let bytes: Vec<&[u8]> = wire.chunks(1).collect();
            assert_eq!(events(&bytes), whole, "{name}, one byte at a time");
        };
        // The examples of the standard, section 9.2.6.
        check(
            "stocks",
            b"data: YHOO\ndata: +2\ndata: 10\n\n",
            &[("", None, "YHOO\n+2\n10")],
        );
        check(
            "ids and comments",
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
            &[("", Some("1"), "first event"), ("", Some(""), "second event")],
        );
        check(
            "empty data",
            b"data\n\ndata\ndata\n\ndata:",
            &[("", None, ""), ("", None, "\n")],
        );
        check(
            "one space",
            b"data:test\n\ndata: test\n\n",
            &[("", None, "test"), ("", None, "test")],
        );
        check(
            "line ends of all kinds",
            b"event: a\r\ndata: 1\r\n\r\nevent: b\rdata: 2\r\revent: c\ndata: 3\n\n",
            &[("a", None, "1"), ("b", None, "2"), ("c", None, "3")],
        );
        check("byte order mark", b"\xef\xbb\xbfdata: 1\n\n", &[("", None, "1")]);
        check(
            "half a mark",
            b"\xef\xbbdata: 1\n\ndata: 2\n\n",
            &[("", None, "2")],
        );
        check(
            "a mark later is part of a name",
            b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n",
            &[("", None, "1")],
        );
        check(
            "names that are none",
            b"datas: 1\ndat: 2\nDATA: 3\n data: 4\neventful: x\nretry: 10\ndata: 5\n\n",
            &[("", None, "5")],
        );
        check(
            "the last name counts",
            b"event: a\nevent: b\ndata: 1\n\n",
            &[("b", None, "1")],
        );
        check("id with NUL", b"id: a\0b\ndata: 1\n\n", &[("", None, "1")]);
        check(
            "it leaves the one before",
            b"id: c\nid: a\0b\ndata: 1\n\n",
            &[("", Some("c"), "1")],
        );
        check("an event without data is none", b"event: a\nid: 7\n\n", &[]);
        check(
            "colons in data",
            b"data: {\"a\": 1}\n\n",
            &[("", None, "{\"a\": 1}")],
        );
    }

    #[test]
    fn behind_a_loss_the_next_whole_event_is_read() {
        for (tail, want) in [
            (&b"st\n\ndata: 2\n\n"[..], &["2"][..]),
            (b"\ndata: rest of an event\n\ndata: 2\n\n", &["2"]),
            (b"\n\ndata: 2\n\n", &["2"]),
            (b"\r\n\r\ndata: 2\r\n\r\n", &["2"]),
        ] {
            let mut events = Events::new(&Limits::default());
            events.room = 100;
            events.push(b"data: 0\n\ndata: fir");
            events.gap();
            events.push(tail);
            let out = events.take();
            let bodies: Vec<_> = out.iter().map(|part| part.body.as_slice()).collect();
            assert_eq!(bodies[0], b"0");
            assert_eq!(
                bodies[1..],
                want.iter().map(|w| w.as_bytes()).collect::<Vec<_>>(),
                "{tail:?}"
            );
            assert!(out[0].flags.is_empty() && out[1].flags == Flags::GAP);
            assert_eq!(events.room, 100);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let limits = Limits {
            body_capture: 10,
            ..Limits::default()
        };
        let mut events = Events::new(&limits);
        events.room = 15;
        for _ in 0..3 {
            events.push(
                &[
                    &b"data: "[..],
                    &[b'x'; 1000],
                    b"\nevent: ",
                    &[b'n'; 1000],
                    b"\n\n",
                ]
                .concat(),
            );
        }
        let lengths: Vec<_> = events.out.iter().map(|part| part.body.len()).collect();
        assert_eq!(lengths, [10, 5, 0]);
        assert!(events.out.iter().all(|part| part.content_bytes == 1000));
        assert_eq!(events.take().len(), 3);
        assert_eq!(events.room, 15);
        // More events than bytes can account for: they are counted.
        events.push(&b"data\n\n".repeat(10_000));
        let (given, dropped) = events.counts();
        assert_eq!((given, given + dropped), (4096, 10_003));
    }
}
