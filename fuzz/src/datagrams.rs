//! Datagrams of QUIC and DTLS between few addresses, under tiny limits: no panic, memory bounded, the same answer twice,
//! and no other name than the one that was sent. And a hello by itself, in pieces of any size and order: its name is told
//! when all of it came, and not when something is missing before the end of the name.

use std::time::Duration;

use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockEncrypt;
use aes_gcm::{AeadInPlace, Aes128Gcm, KeyInit};
use arbitrary::Arbitrary;
use hkdf::Hkdf;
use reassembly::{Event, Limits};
use sha2::Sha256;

use crate::sensor::{Sensor, packet};

#[derive(Debug, Arbitrary)]
pub struct Input {
    datagrams: Vec<Datagram>,
    split: Split,
}

/// A hello in pieces.
#[derive(Debug, Arbitrary)]
struct Split {
    dtls: bool,
    two: bool,
    /// All pieces in one packet or record after the other of the same datagram.
    together: bool,
    cuts: [u8; 4],
    order: [u8; 4],
    /// How far a piece reaches back into the one before it.
    back: u8,
    /// What never comes: where and how much.
    missing: Option<(u8, u8)>,
}

#[derive(Debug, Arbitrary)]
struct Datagram {
    flow: u8,
    wait_ms: u16,
    parts: Vec<Part>,
}

#[derive(Debug, Arbitrary)]
enum Part {
    Bytes(Vec<u8>),
    /// An Initial packet with pieces of a hello.
    Initial {
        two: bool,
        id: u8,
        number: u8,
        frames: Vec<Frame>,
    },
    /// A fragment of a hello of DTLS.
    Dtls {
        sequence: u8,
        from: u8,
        to: u8,
        change: u8,
    },
    Stun {
        kind: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum Frame {
    Crypto {
        from: u8,
        to: u8,
    },
    /// Far away, of anything.
    Far {
        at: u16,
        len: u8,
    },
    Bytes(Vec<u8>),
}

/// What both kinds of hello name.
const NAME: &[u8] = b"a.example";

fn hello(dtls: bool) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    if dtls {
        body.push(0);
    }
    body.extend([0, 4, 0x13, 1, 0x13, 2, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9]);
    body.extend(NAME);
    body
}

fn expand(hkdf: &Hkdf<Sha256>, label: &str, out: &mut [u8]) {
    let label = format!("tls13 {label}");
    let info = [&[0, out.len() as u8, label.len() as u8], label.as_bytes(), &[0]].concat();
    hkdf.expand(&info, out).unwrap();
}

/// An Initial packet of version 1 or 2, sealed as a client does.
fn seal(two: bool, id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let salt: [u8; 20] = if two {
        [
            0x0d, 0xed, 0xe3, 0xde, 0xf7, 0, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
            0xf9, 0xbd, 0x2e, 0xd9,
        ]
    } else {
        [
            0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
            0xcc, 0xbb, 0x7f, 0x0a,
        ]
    };
    let prefix = if two { "quicv2" } else { "quic" };
    let (mut secret, mut key, mut iv, mut hp) = ([0; 32], [0; 16], [0; 12], [0; 16]);
    expand(&Hkdf::new(Some(&salt), id), "client in", &mut secret);
    let hkdf = Hkdf::from_prk(&secret).unwrap();
    expand(&hkdf, &format!("{prefix} key"), &mut key);
    expand(&hkdf, &format!("{prefix} iv"), &mut iv);
    expand(&hkdf, &format!("{prefix} hp"), &mut hp);
    let mut packet = vec![if two { 0xd0 } else { 0xc0 }];
    packet.extend(if two {
        [0x6b, 0x33, 0x43, 0xcf]
    } else {
        [0, 0, 0, 1]
    });
    packet.push(id.len() as u8);
    packet.extend(id);
    packet.extend([0, 0]);
    packet.extend((0x4000 | (frames.len() as u16 + 1 + 16)).to_be_bytes());
    packet.push(number);
    let mut body = frames.to_vec();
    iv[11] ^= number;
    let tag = Aes128Gcm::new(&GenericArray::from(key))
        .encrypt_in_place_detached(&GenericArray::from(iv), &packet, &mut body)
        .unwrap();
    body.extend(tag);
    let mut mask = GenericArray::clone_from_slice(&body[3..19]);
    Aes128::new(&GenericArray::from(hp)).encrypt_block(&mut mask);
    let at = packet.len() - 1;
    packet[0] ^= mask[0] & 0x0f;
    packet[at] ^= mask[1];
    packet.extend(body);
    packet
}

/// A piece of something of that length; often it begins or ends with the whole.
fn place(from: u8, to: u8, len: usize) -> (usize, usize) {
    let from = usize::from(from.saturating_sub(128)) % len;
    (from, usize::from(to).clamp(from, len))
}

/// A record of DTLS with a fragment of a hello.
fn fragment(body: &[u8], sequence: u8, from: usize, piece: &[u8]) -> Vec<u8> {
    let len = piece.len() as u8;
    let mut out = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, len + 12];
    out.extend([
        1,
        0,
        0,
        body.len() as u8,
        0,
        sequence,
        0,
        0,
        from as u8,
        0,
        0,
        len,
    ]);
    out.extend(piece);
    out
}

/// A CRYPTO frame of QUIC.
fn crypto(from: usize, piece: &[u8]) -> Vec<u8> {
    let mut out = vec![6, 0x40, from as u8, 0x40, piece.len() as u8];
    out.extend(piece);
    out
}

/// A hello as QUIC carries it.
fn message() -> Vec<u8> {
    let body = hello(false);
    [&[1, 0, 0, body.len() as u8][..], &body].concat()
}

impl Split {
    /// The pieces by begin and end, as they are sent, of so many bytes.
    fn pieces(&self, len: usize) -> Vec<(usize, usize)> {
        let mut ends: Vec<usize> = self.cuts.iter().map(|cut| usize::from(*cut) % len).collect();
        ends.extend([0, len]);
        ends.sort_unstable();
        let back = usize::from(self.back % 8);
        let mut pieces: Vec<(usize, usize)> = ends
            .windows(2)
            .map(|two| (two[0].saturating_sub(back), two[1]))
            .collect();
        for (at, with) in self.order.iter().enumerate() {
            pieces.swap(at, usize::from(*with) % 5);
        }
        if let Some((from, to)) = self.hole(len) {
            pieces = pieces
                .iter()
                .flat_map(|&(begin, end)| [(begin, end.min(from)), (begin.max(to), end)])
                .collect();
        }
        pieces.retain(|(begin, end)| begin < end);
        pieces
    }

    /// What is missing.
    fn hole(&self, len: usize) -> Option<(usize, usize)> {
        let (at, many) = self.missing?;
        let at = usize::from(at) % len;
        Some((at, (at + 1 + usize::from(many)).min(len)))
    }

    fn check(&self) {
        let whole = if self.dtls { hello(true) } else { message() };
        let pieces = self.pieces(whole.len());
        let packets: Vec<Vec<u8>> = if self.dtls {
            let record = |&(from, to): &(usize, usize)| fragment(&whole, 0, from, &whole[from..to]);
            pieces.iter().map(record).collect()
        } else {
            let frames = pieces.iter().map(|&(from, to)| crypto(from, &whole[from..to]));
            let frames: Vec<Vec<u8>> = if self.together {
                vec![frames.collect::<Vec<_>>().concat()]
            } else {
                frames.collect()
            };
            let sealed = |(number, frames): (u8, &Vec<u8>)| {
                // Room for the sample that hides the header.
                let padded = [&frames[..], &[0; 4]].concat();
                seal(self.two, &[5; 8], number, &padded)
            };
            (0..).zip(&frames).map(sealed).collect()
        };
        let datagrams: Vec<(u8, u16, Vec<u8>)> = if self.together {
            vec![(0, 0, packets.concat())]
        } else {
            packets.into_iter().map(|packet| (0, 1, packet)).collect()
        };
        let events = replay(&datagrams);
        let name = events.iter().find_map(|event| match event {
            Event::Flow(flow) => flow.tls.as_ref().and_then(|tls| tls.sni.clone()),
            _ => None,
        });
        let name = name.as_ref().map(|name| name.as_bytes());
        // The name is the last thing in the hello.
        match self.hole(whole.len()) {
            None => assert_eq!(name, Some(NAME), "all of the hello came"),
            Some((from, _)) => assert_eq!(name, None, "the hello has a hole at {from} of {}", whole.len()),
        }
    }
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Initial {
                two,
                id,
                number,
                frames,
            } => {
                let message = message();
                let mut out = vec![0; 4];
                for frame in frames {
                    match frame {
                        Frame::Crypto { from, to } => {
                            let (from, to) = place(*from, *to, message.len());
                            out.extend(crypto(from, &message[from..to]));
                        }
                        Frame::Far { at, len } => {
                            out.push(6);
                            out.extend((0x8000_0000 | (u32::from(*at) + 200)).to_be_bytes());
                            out.extend([0x40, *len]);
                            out.extend(vec![7; usize::from(*len)]);
                        }
                        Frame::Bytes(bytes) => {
                            // Padding, and a kind that ends the packet, so that noise is no piece of the hello.
                            out.push(0x1c);
                            out.extend(bytes);
                        }
                    }
                    out.truncate(8000);
                }
                seal(*two, &[5; 20][..usize::from(id % 21)], *number, &out)
            }
            Self::Dtls {
                sequence,
                from,
                to,
                change,
            } => {
                let body = hello(true);
                let (from, to) = place(*from, *to, body.len());
                let mut out = fragment(&body, *sequence, from, &[]);
                let len = (to - from) as u8;
                out[12] += len;
                out[24] = len;
                if *change > 0xe0 {
                    // Of the headers, where it changes no byte of the hello.
                    let at = usize::from(*change - 0xe0) % out.len();
                    out[at] ^= 1;
                }
                out.extend(&body[from..to]);
                out
            }
            Self::Stun { kind } => {
                let mut out = vec![0, *kind & 0x1f, 0, 0, 0x21, 0x12, 0xa4, 0x42];
                out.extend([3; 12]);
                out
            }
        }
    }
}

fn replay(datagrams: &[(u8, u16, Vec<u8>)]) -> Vec<Event> {
    let limits = Limits {
        flows: 24,
        memory: 60_000,
        idle: Duration::from_secs(20),
        fragments_total: 0,
        ..Limits::default()
    };
    let mut sensor = Sensor::new(limits.clone());
    let (mut now, mut events) = (1_000_000_000_000, Vec::new());
    let mut keep = |event: &Event| events.push(event.clone());
    for (flow, wait_ms, payload) in datagrams {
        now += u64::from(*wait_ms) * 1_000_000;
        let (side, port) = (flow & 1, 40_000 + u16::from(flow >> 1 & 3));
        let (from, to) = if side == 0 { (port, 443) } else { (443, port) };
        let mut data = vec![0x45, 0];
        data.extend((28 + payload.len() as u16).to_be_bytes());
        data.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, side, 10, 0, 0, 1 - side]);
        data.extend(from.to_be_bytes());
        data.extend(to.to_be_bytes());
        data.extend((8 + payload.len() as u16).to_be_bytes());
        // Nobody checks it, but by it copies are known.
        let words = payload
            .chunks(2)
            .map(|word| word.iter().fold(0, |w, b| w << 8 | u16::from(*b)));
        data.extend(words.fold(0_u16, u16::wrapping_add).to_be_bytes());
        data.extend(payload);
        sensor.push(&packet(now, &data), &mut keep);
        let reassembler = &sensor.reassembler;
        assert!(
            reassembler.open_flows() <= limits.flows / 8,
            "more flows than allowed"
        );
        assert!(
            reassembler.weight() <= limits.memory / 8,
            "more memory than allowed"
        );
    }
    sensor.finish(&mut keep);
    events
}

/// The target.
pub fn check(input: &Input) {
    let datagrams = &input.datagrams;
    // Bytes of the fuzzer's own may name what they like.
    let noise = datagrams
        .iter()
        .flat_map(|d| &d.parts)
        .any(|part| matches!(part, Part::Bytes(_)));
    let made: Vec<(u8, u16, Vec<u8>)> = datagrams
        .iter()
        .map(|d| {
            let mut payload: Vec<u8> = d.parts.iter().flat_map(Part::bytes).collect();
            payload.truncate(60_000);
            (d.flow, d.wait_ms, payload)
        })
        .collect();
    let events = replay(&made);
    for event in &events {
        if let Event::Flow(flow) = event
            && let Some(name) = flow.tls.as_ref().and_then(|tls| tls.sni.as_ref())
        {
            assert!(noise || name.as_bytes() == NAME, "another name: {name}");
        }
    }
    assert_eq!(events, replay(&made), "one capture gave two answers");
    input.split.check();
}
