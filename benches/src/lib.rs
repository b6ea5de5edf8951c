//! Inputs shared by the benches: the packets of many keep-alive flows, the way a kind and an unkind network
//! delivers them.

pub mod callers;
pub mod floods;
pub mod inventory;
pub mod live;
pub mod year;

use std::net::SocketAddr;

use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use testdata::wire::{Capture, Conn, Link, Side};

/// Flows that are open at the same time.
const FLOWS: u16 = 64;

/// Exchanges of each flow.
const EXCHANGES: u64 = 30;

/// Payload of the largest segment.
const SEGMENT: usize = 1460;

/// Nanoseconds between packets of one flow.
const STEP: u64 = 40_000;

/// How much later a late segment comes: behind the one that follows it.
const LATE: u64 = STEP + STEP / 2;

/// Packets ready to be pushed.
#[derive(Debug, Clone)]
pub struct Input {
    frames: Vec<(u64, Vec<u8>)>,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Exchanges that were written.
    pub exchanges: u64,
}

/// What the network does to segments with payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kind,
    EveryOtherLate,
    OnePercentLost,
}

/// Every segment once, in order.
#[must_use]
pub fn in_order() -> Input {
    input(Fate::Kind)
}

/// Every other segment comes behind the one sent after it.
#[must_use]
pub fn every_other_late() -> Input {
    input(Fate::EveryOtherLate)
}

/// One segment in a hundred was received by the hosts but not seen.
#[must_use]
pub fn one_percent_lost() -> Input {
    input(Fate::OnePercentLost)
}

/// A JSON-like body of this length.
fn body(len: usize) -> Vec<u8> {
    let record = br#"{"id":4711,"name":"Example","price":12.50,"tags":["a","b"]},"#;
    record.iter().cycle().take(len).copied().collect()
}

fn input(fate: Fate) -> Input {
    let mut capture = Capture::new(Link::Ethernet);
    let mut segments = 0_u64;
    for flow in 0..FLOWS {
        let client = SocketAddr::from(([10, 1, 0, 1], 40_000 + flow));
        let server = SocketAddr::from(([10, 2, 0, 1], 80));
        let mut conn = Conn::new(client, server).with_mss(SEGMENT);
        let mut at = conn.open(&mut capture, 1_000_000_000 + u64::from(flow) * 1_000);
        for number in 0..EXCHANGES {
            // One response in five is larger than a few segments; one request in three brings a body.
            let size = if number % 5 == 4 { 24_000 } else { 900 };
            let (method, upload) = if number % 3 == 2 {
                ("POST", 700)
            } else {
                ("GET", 0)
            };
            let request = format!(
                "{method} /v1/orders/{flow}/items/{number}?page=2 HTTP/1.1\r\nHost: shop.example\r\n\
                 User-Agent: bench/1.0\r\nAccept: application/json\r\nAuthorization: Bearer abc.def.ghi\r\n\
                 Content-Length: {upload}\r\n\r\n"
            );
            let response = format!(
                "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\nX-Request-Id: {number}\r\n\
                 Cache-Control: no-store\r\nContent-Length: {size}\r\n\r\n"
            );
            for (side, head, len) in [(Side::Client, request, upload), (Side::Server, response, size)] {
                let message = [head.into_bytes(), body(len)].concat();
                for segment in conn.segments(side, &message, &[]) {
                    segments += 1;
                    at += STEP;
                    match fate {
                        Fate::OnePercentLost if segments.is_multiple_of(100) => {}
                        Fate::EveryOtherLate if segments.is_multiple_of(2) => {
                            conn.emit(&mut capture, at + LATE, &segment);
                        }
                        _ => conn.emit(&mut capture, at, &segment),
                    }
                }
                at += 2 * STEP;
                conn.acknowledge(
                    &mut capture,
                    at,
                    if side == Side::Client {
                        Side::Server
                    } else {
                        Side::Client
                    },
                );
            }
        }
        conn.close(&mut capture, at + STEP, Side::Client);
    }
    let frames: Vec<(u64, Vec<u8>)> = capture.frames().iter().map(|f| (f.at, f.bytes.clone())).collect();
    Input {
        bytes: frames.iter().map(|(_, data)| data.len() as u64).sum(),
        exchanges: u64::from(FLOWS) * EXCHANGES,
        frames,
    }
}

impl Input {
    /// Runs all packets through a reassembler; returns how many exchanges it gave out with both halves.
    #[must_use]
    pub fn feed(&self) -> u64 {
        let mut reassembler = Reassembler::new(Limits::default());
        let mut whole = 0;
        let mut count = |reassembler: &mut Reassembler| {
            while let Some(event) = reassembler.poll() {
                if let Event::Exchange(e) = event {
                    whole += u64::from(e.request.is_some() && e.response.is_some());
                }
            }
        };
        for (frame, (at, data)) in (1..).zip(&self.frames) {
            reassembler.push(&Packet {
                ts: Timestamp(*at),
                link: LinkType::ETHERNET,
                data,
                wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
                frame,
            });
            count(&mut reassembler);
        }
        reassembler.finish();
        count(&mut reassembler);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_are_what_their_names_say() {
        let kind = in_order();
        assert_eq!(kind.feed(), kind.exchanges);
        let late = every_other_late();
        assert_eq!(late.feed(), late.exchanges);
        assert_eq!(late.bytes, kind.bytes);
        let lost = one_percent_lost();
        assert!(lost.bytes < kind.bytes);
        let whole = lost.feed();
        assert!(
            whole < lost.exchanges && whole > lost.exchanges * 9 / 10,
            "{whole}"
        );
    }
}
