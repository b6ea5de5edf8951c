//! The record of a message or event within an exchange, written by hand into a reused buffer: a stream can have more of them
//! than there are exchanges.

use reassembly::{Direction, PartKind, PartOf};

use super::exchange::flow;
use super::json::{number, string};
use super::time::Rfc3339;

/// Appends the record of a part, without newline. What it says, and what an event is called, stays inside.
pub(crate) fn write(out: &mut Vec<u8>, of: &PartOf) {
    let part = &of.part;
    // Which exchange it belongs to may turn out to be another one.
    let index = of.settled.then_some(of.exchange);
    out.extend_from_slice(b"{\"v\":1");
    if let Some(index) = index {
        out.extend_from_slice(b",\"exchange\":");
        string(out, &analyzers::exchange_id(&of.flow, index).to_string());
    }
    out.extend_from_slice(b",\"ts\":\"");
    out.extend_from_slice(&Rfc3339(part.ts.0).ascii());
    out.extend_from_slice(b"\",\"flow\":");
    flow(out, &of.flow, index);
    out.extend_from_slice(match part.direction {
        Direction::ToServer => b",\"from\":\"client\",\"number\":",
        Direction::ToClient => b",\"from\":\"server\",\"number\":",
    });
    number(out, part.number);
    out.extend_from_slice(b",\"kind\":");
    string(out, part.kind.name());
    if let PartKind::Close(Some(code)) = part.kind {
        out.extend_from_slice(b",\"code\":");
        number(out, u64::from(code));
    }
    out.extend_from_slice(b",\"bytes\":");
    number(out, part.bytes);
    out.extend_from_slice(b",\"content_bytes\":");
    number(out, part.content_bytes);
    out.extend_from_slice(b",\"duration_ns\":");
    number(out, part.last.0.saturating_sub(part.ts.0));
    out.extend_from_slice(if part.complete {
        b",\"complete\":true,\"flags\":["
    } else {
        b",\"complete\":false,\"flags\":["
    });
    for (i, name) in part.flags.names().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, name);
    }
    out.extend_from_slice(b"]}");
}
