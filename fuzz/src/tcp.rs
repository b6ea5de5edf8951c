//! Segments of a few connections of HTTP/1, in any cutting, late, repeated, overlapping, lost and forged: what a kind
//! network does changes no exchange, after a loss there is none that was not there, and the same packets give the same
//! events again.

use arbitrary::Arbitrary;
use reassembly::{Event, Flags, Limits, LinkType, Packet, Timestamp};

use crate::sensor::{Sensor, segment};

/// Connections, and what becomes of their segments on the way.
#[derive(Debug, Arbitrary)]
pub struct Input {
    talks: Vec<Talk>,
    /// Which connection goes on, segment by segment.
    turns: Vec<u8>,
    fates: Vec<Fate>,
}

#[derive(Debug, Arbitrary)]
struct Talk {
    /// First sequence numbers.
    isn: [u32; 2],
    asks: Vec<Ask>,
    cuts: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Ask {
    upload: u8,
    len: u8,
    chunked: bool,
}

/// What becomes of a segment.
#[derive(Debug, Arbitrary)]
enum Fate {
    Pass,
    Late {
        by_ms: u8,
    },
    /// It comes again.
    Twice {
        after_ms: u8,
    },
    /// It comes again, with bytes that were sent before it.
    Longer {
        back: u8,
        after_ms: u8,
    },
    /// A reset, or a SYN, far from where the connection stands.
    Forged {
        syn: bool,
        from_server: bool,
        far: u32,
    },
    /// One byte before the next, as a keep-alive or a probe of a closed window has.
    Probe {
        byte: bool,
    },
    Lost,
    /// Captured shorter than it was sent.
    Short {
        by: u8,
    },
    /// A reset where the connection stands.
    Reset {
        from_server: bool,
    },
    /// It comes again with another byte in it.
    Differs {
        at: u8,
        before: bool,
    },
    /// Anything at all, near where the connection stands.
    Any {
        from_server: bool,
        seq: i16,
        ack: i16,
        flags: u8,
        payload: Vec<u8>,
    },
}

/// How far the capture may be from what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// All was seen.
    None,
    /// Some of it was not, and nothing else was.
    Loss,
    /// Something was seen that was not sent.
    Lies,
}

impl Fate {
    fn harm(&self) -> Harm {
        match self {
            Self::Pass | Self::Late { .. } | Self::Twice { .. } | Self::Longer { .. } => Harm::None,
            Self::Forged { .. } | Self::Probe { byte: false } => Harm::None,
            Self::Lost | Self::Short { .. } | Self::Reset { .. } => Harm::Loss,
            Self::Probe { byte: true } | Self::Differs { .. } | Self::Any { .. } => Harm::Lies,
        }
    }
}

/// A segment as it is sent, by offsets in the streams of both sides; SYN and FIN take one each.
#[derive(Debug, Clone)]
struct Sent {
    talk: usize,
    side: usize,
    flags: u8,
    offset: u32,
    ack: u32,
    payload: Vec<u8>,
}

/// A packet on its way: arrival in milliseconds, bytes, and bytes that were cut off.
type Arrival = (u64, Vec<u8>, u32);

impl Talk {
    /// Both streams, and the segments that bring them: request, response, and so on.
    fn segments(&self, talk: usize, whole: bool) -> Vec<Sent> {
        let mut sent = [0_u32; 2];
        let mut out = Vec::new();
        let mut push = |side: usize, flags: u8, payload: &[u8]| {
            let ack = if flags & 0x10 == 0 { 0 } else { sent[1 - side] };
            out.push(Sent {
                talk,
                side,
                flags,
                offset: sent[side],
                ack,
                payload: payload.to_vec(),
            });
            sent[side] += payload.len() as u32 + u32::from(flags & 3 != 0);
        };
        push(0, 0x02, b"");
        push(1, 0x12, b"");
        push(0, 0x10, b"");
        let mut cuts = self.cuts.iter().cycle();
        let mut send = |side: usize, mut bytes: &[u8], push: &mut dyn FnMut(usize, u8, &[u8])| {
            while !bytes.is_empty() {
                let cut = cuts
                    .next()
                    .filter(|_| !whole)
                    .map_or(bytes.len(), |cut| usize::from(*cut).clamp(1, bytes.len()));
                push(side, 0x18, &bytes[..cut]);
                bytes = &bytes[cut..];
            }
        };
        for (number, ask) in self.asks.iter().take(8).enumerate() {
            let upload = "u".repeat(usize::from(ask.upload));
            let request = format!(
                "POST /{talk}/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{upload}",
                upload.len()
            );
            send(0, request.as_bytes(), &mut push);
            let body = format!("{talk}/{number}{}", "d".repeat(usize::from(ask.len)));
            let response = if ask.chunked {
                format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                )
            } else {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            };
            send(1, response.as_bytes(), &mut push);
        }
        push(0, 0x11, b"");
        push(1, 0x11, b"");
        push(0, 0x10, b"");
        out
    }

    fn packet(&self, sent: &Sent) -> Vec<u8> {
        let ports = [40_000 + sent.talk as u16, 80];
        let seq = self.isn[sent.side].wrapping_add(sent.offset);
        let ack = if sent.flags & 0x10 == 0 {
            0
        } else {
            self.isn[1 - sent.side].wrapping_add(sent.ack)
        };
        segment(
            [ports[sent.side], ports[1 - sent.side]],
            sent.side,
            seq,
            ack,
            sent.flags,
            &sent.payload,
        )
    }
}

/// Segments in the order sent, those of the connections mixed.
fn mixed(input: &Input, whole: bool) -> Vec<Sent> {
    let talks = &input.talks[..input.talks.len().min(3)];
    let mut rest: Vec<_> = talks
        .iter()
        .enumerate()
        .map(|(n, talk)| talk.segments(n, whole).into_iter().peekable())
        .collect();
    let mut turns = input.turns.iter().cycle();
    let mut out = Vec::new();
    while !rest.is_empty() && out.len() < 2000 {
        let turn = turns.next().map_or(0, |turn| usize::from(*turn)) % rest.len();
        match rest[turn].next() {
            Some(sent) => out.push(sent),
            None => drop(rest.remove(turn)),
        }
    }
    out
}

/// What arrives, in order of arrival, and how far that is from what was sent.
fn travel(input: &Input) -> (Vec<Arrival>, Harm) {
    let (mut arrivals, mut harm): (Vec<Arrival>, _) = (Vec::new(), Harm::None);
    // Of each side of each connection, what was sent.
    let mut streams = vec![[Vec::new(), Vec::new()]; 3];
    // And what the other side told of having received.
    let mut acked = [[0_u32; 2]; 3];
    let sent = mixed(input, false);
    // The rest of a connection that is left off is lost.
    if sent.len() >= 2000 {
        harm = Harm::Loss;
    }
    let mut fates = input.fates.iter();
    for (number, sent) in (0_u64..).zip(&sent) {
        let now = number;
        let talk = &input.talks[sent.talk];
        let whole = talk.packet(sent);
        acked[sent.talk][1 - sent.side] = sent.ack;
        let had = acked[sent.talk][sent.side];
        let stream = &mut streams[sent.talk][sent.side];
        // SYN and FIN take a number each.
        stream.resize(sent.offset as usize, 0);
        stream.extend(&sent.payload);
        let mut arrives = |after: u64, bytes: Vec<u8>, short: u32| arrivals.push((now + after, bytes, short));
        let starts = sent.flags & 2 != 0;
        let fate = fates
            .next()
            .filter(|fate| !starts || fate.harm() == Harm::None)
            .unwrap_or(&Fate::Pass);
        harm = harm.max(fate.harm());
        match fate {
            // What begins a connection is not late: before it comes, its other segments begin one.
            Fate::Late { by_ms } if !starts => arrives(u64::from(by_ms % 100), whole, 0),
            Fate::Pass | Fate::Late { .. } => arrives(0, whole, 0),
            Fate::Twice { after_ms } => {
                arrives(0, whole.clone(), 0);
                arrives(u64::from(after_ms % 100), whole, 0);
            }
            Fate::Longer { back, after_ms } => {
                arrives(0, whole, 0);
                // Neither back over the SYN nor over what was acknowledged, which nobody sends again.
                let from = sent.offset.saturating_sub(u32::from(*back)).max(had.max(1));
                if !sent.payload.is_empty() {
                    let payload = stream[from as usize..].to_vec();
                    let longer = Sent {
                        offset: from,
                        payload,
                        ..sent.clone()
                    };
                    arrives(u64::from(after_ms % 100), talk.packet(&longer), 0);
                }
            }
            Fate::Forged {
                syn,
                from_server,
                far,
            } => {
                let side = usize::from(*from_server);
                let flags = if *syn { 0x02 } else { 0x04 };
                // Half of the space of numbers away, more or less.
                let offset = sent
                    .offset
                    .wrapping_add(0x4000_0000)
                    .wrapping_add(far % 0x8000_0000);
                arrives(0, whole, 0);
                if !starts {
                    let forged = Sent {
                        side,
                        flags,
                        offset,
                        payload: Vec::new(),
                        ..sent.clone()
                    };
                    arrives(0, talk.packet(&forged), 0);
                }
            }
            Fate::Probe { byte } => {
                arrives(0, whole, 0);
                if sent.offset > 1 && sent.flags & 3 == 0 {
                    let payload = if *byte { vec![0] } else { Vec::new() };
                    let offset = sent.offset + sent.payload.len() as u32 - 1;
                    arrives(
                        0,
                        talk.packet(&Sent {
                            offset,
                            payload,
                            flags: 0x10,
                            ..sent.clone()
                        }),
                        0,
                    );
                }
            }
            Fate::Lost => {}
            Fate::Short { by } => {
                let short = usize::from(*by).min(sent.payload.len());
                arrives(0, whole[..whole.len() - short].to_vec(), short as u32);
            }
            Fate::Reset { from_server } => {
                arrives(0, whole, 0);
                let side = usize::from(*from_server);
                let stands = streams[sent.talk][side].len() as u32;
                let reset = Sent {
                    side,
                    flags: 0x04,
                    offset: stands,
                    payload: Vec::new(),
                    ..sent.clone()
                };
                arrivals.push((now, talk.packet(&reset), 0));
            }
            Fate::Differs { at, before } => {
                let mut other = whole.clone();
                let place = other.len() - 1 - usize::from(*at) % sent.payload.len().max(1);
                if !sent.payload.is_empty() {
                    other[place] ^= 0x20;
                }
                let both = if *before { [other, whole] } else { [whole, other] };
                both.into_iter().for_each(|packet| arrives(0, packet, 0));
            }
            Fate::Any {
                from_server,
                seq,
                ack,
                flags,
                payload,
            } => {
                arrives(0, whole, 0);
                let any = Sent {
                    talk: sent.talk,
                    side: usize::from(*from_server),
                    flags: *flags,
                    offset: sent.offset.wrapping_add_signed(i32::from(*seq)),
                    ack: sent.ack.wrapping_add_signed(i32::from(*ack)),
                    payload: payload.clone(),
                };
                arrives(0, talk.packet(&any), 0);
            }
        }
    }
    arrivals.sort_by_key(|(at, ..)| *at);
    (arrivals, harm)
}

fn replay(arrivals: &[Arrival]) -> Vec<Event> {
    let limits = Limits {
        memory: 1 << 20,
        held_per_flow: 64 << 10,
        held_total: 128 << 10,
        fragments_total: 0,
        ..Limits::default()
    };
    let mut sensor = Sensor::new(limits.clone());
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    for (number, (at, data, short)) in (1..).zip(arrivals) {
        let ts = Timestamp(1_000_000_000 + at * 1_000_000);
        let wire_len = data.len() as u32 + short;
        sensor.push(
            &Packet {
                ts,
                link: LinkType::RAW,
                data,
                wire_len,
                frame: number,
            },
            &mut keep,
        );
        assert!(
            sensor.reassembler.weight() <= limits.memory,
            "more memory than allowed"
        );
    }
    sensor.finish(&mut keep);
    let ended = events.iter().filter(|e| matches!(e, Event::Flow(_))).count();
    assert_eq!(
        ended as u64,
        sensor.reassembler.counters().flows,
        "every flow is given out once"
    );
    events
}

/// Port of the client, target and length of the request, body of the response.
type Seen = (u16, Option<(String, u64)>, Option<Vec<u8>>);

fn exchanges(events: &[Event]) -> Vec<(Seen, Flags)> {
    let mut seen: Vec<(Seen, Flags)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Exchange(e) => {
                let request = e
                    .request
                    .as_ref()
                    .map(|r| (r.target().to_owned(), r.message.body_bytes));
                let response = e.response.as_ref().map(|r| r.message.body.clone());
                Some(((e.flow.client.port(), request, response), e.flags))
            }
            _ => None,
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    seen
}

/// The target.
pub fn check(input: &Input) {
    let (arrivals, harm) = travel(input);
    let events = replay(&arrivals);
    assert_eq!(events, replay(&arrivals), "the same packets gave two answers");
    if harm == Harm::Lies {
        return;
    }
    let clean: Vec<Arrival> = (0_u64..)
        .zip(mixed(input, true))
        .map(|(at, sent)| (at, input.talks[sent.talk].packet(&sent), 0))
        .collect();
    let clean: Vec<Seen> = exchanges(&replay(&clean))
        .into_iter()
        .map(|(seen, _)| seen)
        .collect();
    let asked: usize = input
        .talks
        .iter()
        .take(3)
        .map(|talk| talk.asks.len().min(8))
        .sum();
    assert_eq!(clean.len(), asked, "a clean connection is not read");
    let found = exchanges(&events);
    if harm == Harm::None {
        let found: Vec<Seen> = found.into_iter().map(|(seen, _)| seen).collect();
        assert_eq!(found, clean, "the way the segments came changed an exchange");
        return;
    }
    for (seen, flags) in found {
        if flags.is_empty() {
            assert!(clean.contains(&seen), "{seen:?} was never sent");
        }
        // Flagged or not, what is paired belongs together; of a body with a gap the beginning may be missing.
        if let (Some((target, _)), Some(body)) = (&seen.1, &seen.2)
            && !flags.contains(Flags::GAP)
        {
            let of = target.trim_start_matches('/').as_bytes();
            let shown = body.len().min(of.len());
            assert_eq!(
                body[..shown],
                of[..shown],
                "{target} has the answer to another request"
            );
        }
    }
}
