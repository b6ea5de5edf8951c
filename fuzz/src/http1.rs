//! Any bytes in both directions of one flow, in order: the same exchanges however they are cut.

use arbitrary::Arbitrary;
use reassembly::{Ambiguities, Event, Flags, Limits};

use crate::sensor::Connection;

/// What one side says before the other does, and how long the segments are.
#[derive(Debug, Arbitrary)]
pub struct Turn {
    bytes: Vec<u8>,
    cuts: Vec<u8>,
}

/// What must not depend on the cuts.
type Seen = (
    u32,
    Option<(String, String, u64, u64, bool, Vec<u8>)>,
    Option<(u16, u16, u64, u64, bool, Vec<u8>)>,
    Flags,
    Ambiguities,
);

fn run(turns: &[Turn], cut: bool) -> Vec<Seen> {
    // Room for the window of one brotli body.
    let limits = Limits {
        head: 4000,
        memory: 40 << 20,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits, 80, false);
    flow.sensor.inflaters = 4;
    let mut seen: Vec<Seen> = Vec::new();
    let mut keep = |event: &Event| {
        let Event::Exchange(e) = event else { return };
        let request = e.request.as_ref().map(|r| {
            let m = &r.message;
            let (method, target) = (r.method().to_owned(), r.target().to_owned());
            (
                method,
                target,
                m.body_bytes,
                m.content_bytes,
                m.complete,
                m.body.clone(),
            )
        });
        let response = e.response.as_ref().map(|r| {
            let m = &r.message;
            (
                r.status,
                r.interim,
                m.body_bytes,
                m.content_bytes,
                m.complete,
                m.body.clone(),
            )
        });
        seen.push((e.index, request, response, e.flags, e.ambiguities));
    };
    for (number, turn) in turns.iter().enumerate() {
        let cuts: &[u8] = if cut { &turn.cuts } else { &[] };
        flow.send_cut(number % 2, &turn.bytes, cuts, &mut keep);
    }
    flow.close(&mut keep);
    seen
}

/// The target.
pub fn check(turns: &Vec<Turn>) {
    let whole = run(turns, false);
    assert_eq!(whole, run(turns, false), "one capture gave two answers");
    assert_eq!(whole, run(turns, true), "the answer depends on the cuts");
}
