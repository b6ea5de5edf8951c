//! Any frames in both directions of one flow of HTTP/2, in order: the same exchanges however they are cut, within
//! memory. Of a frame, type, flags, stream and payload are given and the length is right, or a little wrong.

use arbitrary::Arbitrary;
use reassembly::{Ambiguities, Event, Flags, Limits};

use crate::sensor::Connection;

#[derive(Debug, Arbitrary)]
pub struct Frame {
    from_server: bool,
    kind: u8,
    flags: u8,
    stream: u8,
    /// Added to the true length, rarely.
    wrong: Option<u8>,
    said: Said,
    /// Padding, of the right length (RFC 9113 section 6.1).
    pad: Option<u8>,
    cuts: Vec<u8>,
    /// Bytes of it that are never seen.
    lost: Option<u8>,
}

/// What a frame says: of the type and flags it has, or sound.
#[derive(Debug, Arbitrary)]
enum Said {
    Bytes(Vec<u8>),
    Request,
    Response,
    Data { len: u8 },
}

impl Frame {
    /// Type, flags and payload.
    fn content(&self) -> (u8, u8, Vec<u8>) {
        const END_HEADERS: u8 = 4;
        const PADDED: u8 = 8;
        let ends = self.flags & 1;
        let (kind, mut flags, mut payload) = match &self.said {
            Said::Bytes(bytes) => (
                self.kind % 12,
                self.flags,
                bytes[..bytes.len().min(4000)].to_vec(),
            ),
            // Of the fixed table of HPACK: GET, http, /; and 200.
            Said::Request => (1, END_HEADERS | ends, vec![0x82, 0x86, 0x84]),
            Said::Response => (1, END_HEADERS | ends, vec![0x88]),
            Said::Data { len } => (0, ends, vec![b'd'; usize::from(*len)]),
        };
        if let Some(pad) = self.pad {
            flags |= PADDED;
            payload.insert(0, pad);
            payload.extend(vec![0; usize::from(pad)]);
        }
        (kind, flags, payload)
    }
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    midstream: bool,
    frames: Vec<Frame>,
}

type Seen = (
    u32,
    Option<(String, String, String, u64, bool)>,
    Option<(u16, u16, u64, bool)>,
    Flags,
    Ambiguities,
);

fn run(input: &Input, cut: bool) -> Vec<Seen> {
    let limits = Limits {
        head: 4000,
        streams: 8,
        memory: 40 << 20,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits, 80, input.midstream);
    flow.sensor.inflaters = 16;
    let mut seen: Vec<Seen> = Vec::new();
    let mut keep = |event: &Event| {
        let Event::Exchange(e) = event else { return };
        let request = e.request.as_ref().map(|r| {
            let m = &r.message;
            (
                r.method().to_owned(),
                r.target().to_owned(),
                r.host.clone(),
                m.body_bytes,
                m.complete,
            )
        });
        let response = e
            .response
            .as_ref()
            .map(|r| (r.status, r.interim, r.message.body_bytes, r.message.complete));
        seen.push((e.index, request, response, e.flags, e.ambiguities));
    };
    if !input.midstream {
        flow.send(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &mut keep);
    }
    for frame in &input.frames {
        let side = usize::from(frame.from_server);
        let (kind, flags, payload) = frame.content();
        let len = payload.len() as u32 + u32::from(frame.wrong.unwrap_or(0));
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(u32::from(frame.stream).to_be_bytes());
        bytes.extend(&payload);
        // What is lost is lost however the rest is cut.
        let lost = frame.lost.map_or(0, usize::from).min(bytes.len());
        flow.lose(side, lost);
        let cuts: &[u8] = if cut { &frame.cuts } else { &[] };
        flow.send_cut(side, &bytes[lost..], cuts, &mut keep);
        assert!(
            flow.sensor.reassembler.weight() < 4 << 20,
            "more memory than eight streams take"
        );
    }
    flow.sensor.finish(&mut keep);
    seen
}

/// The target.
pub fn check(input: &Input) {
    let (whole, cut) = (run(input, false), run(input, true));
    assert_eq!(whole, run(input, false), "one capture gave two answers");
    assert_eq!(cut, run(input, true), "one capture gave two answers");
    // Where bytes are lost, when the loss is known depends on the packets.
    if !input.midstream && input.frames.iter().all(|f| f.lost.is_none()) {
        assert_eq!(whole, cut, "the answer depends on the cuts");
    }
}
