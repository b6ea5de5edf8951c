//! Writes the packets of TCP flows with honest sequence and acknowledgment numbers, and tells what a
//! reassembler makes of them in a form that can be compared.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::io::Write as _;
use std::net::SocketAddr;

use reassembly::{
    Counters, Event, Exchange, Flow, Limits, LinkType, Message, Packet, PartKind, PartOf, Reassembler,
    Timestamp,
};
use testdata::wire::{Flags, Tcp, ip_packet};

/// The side that opens the flow.
pub const CLIENT: usize = 0;
/// The side that answers.
pub const SERVER: usize = 1;

/// One millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

const FIN: Flags = Flags::FIN.and(Flags::ACK);
const SYN_ACK: Flags = Flags::SYN.and(Flags::ACK);

/// What a side sends in its turn.
pub type Turn = (usize, Vec<u8>);

/// A packet on its way to the sensor.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Capture time.
    pub at: u64,
    /// The IP packet.
    pub ip: Vec<u8>,
    /// Who sent it.
    pub side: usize,
    /// Which bytes of the sender's stream it carries.
    pub from: usize,
    /// How many they are.
    pub len: usize,
    /// How many bytes of the other side its sender had.
    pub acked: usize,
}

/// A TCP flow being written. Both ends have received at once what the other one sent.
#[derive(Debug, Clone)]
pub struct Wire {
    ends: [SocketAddr; 2],
    isn: [u32; 2],
    /// The bytes each side has sent.
    pub streams: [Vec<u8>; 2],
    fin: [bool; 2],
    /// Time of the next packet.
    pub now: u64,
    /// Time between packets.
    pub step: u64,
    /// The packets so far.
    pub frames: Vec<Frame>,
}

impl Wire {
    /// A flow from this client port to port 80.
    pub fn new(port: u16) -> Self {
        Self::between(
            SocketAddr::from(([192, 0, 2, 10], port)),
            SocketAddr::from(([192, 0, 2, 80], 80)),
        )
    }

    /// A flow between these ends.
    pub fn between(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            ends: [client, server],
            isn: [
                1_000_003u32.wrapping_mul(u32::from(client.port())),
                77_777u32.wrapping_mul(u32::from(client.port())),
            ],
            streams: [Vec::new(), Vec::new()],
            fin: [false; 2],
            now: 1_000_000 * MS,
            step: MS / 50,
            frames: Vec::new(),
        }
    }

    /// Initial sequence numbers of client and server.
    pub fn sequence(mut self, client: u32, server: u32) -> Self {
        self.isn = [client, server];
        self
    }

    /// Bytes a side has sent.
    pub fn sent(&self, side: usize) -> usize {
        self.streams[side].len()
    }

    /// Writes a packet of which everything but the acknowledgment is given.
    pub fn raw(&mut self, side: usize, from: usize, payload: &[u8], flags: Flags, acked: usize) {
        let other = 1 - side;
        let begin = u32::from(flags.0 & Flags::SYN.0 == 0);
        let seq = self.isn[side].wrapping_add(begin).wrapping_add(from as u32);
        let fin = u32::from(self.fin[other] && acked == self.streams[other].len());
        let ack = self.isn[other].wrapping_add(1 + acked as u32 + fin);
        let tcp = Tcp {
            seq,
            ack: if flags.0 & Flags::ACK.0 == 0 { 0 } else { ack },
            flags,
            window: 64_000,
            options: &[],
            payload,
        };
        let ip = ip_packet(self.ends[side], self.ends[other], (64, 1), &[], &tcp);
        self.frames.push(Frame {
            at: self.now,
            ip,
            side,
            from,
            len: payload.len(),
            acked,
        });
        self.now += self.step;
    }

    /// A packet without payload of which the numbers are given as they stand on the wire.
    pub fn bare(&mut self, side: usize, seq: u32, ack: u32, flags: Flags) -> &mut Self {
        let isn = self.isn;
        let other = 1 - side;
        self.isn[side] = seq.wrapping_sub(u32::from(flags.0 & Flags::SYN.0 == 0));
        self.isn[other] = ack.wrapping_sub(1);
        self.raw(side, 0, b"", flags, 0);
        self.isn = isn;
        self
    }

    /// The handshake.
    pub fn open(&mut self) -> &mut Self {
        self.raw(CLIENT, 0, b"", Flags::SYN, 0);
        self.raw(SERVER, 0, b"", SYN_ACK, 0);
        self.ack(CLIENT)
    }

    /// An acknowledgment of everything.
    pub fn ack(&mut self, side: usize) -> &mut Self {
        let from = self.sent(side) + usize::from(self.fin[side]);
        self.raw(side, from, b"", Flags::ACK, self.sent(1 - side));
        self
    }

    /// Data in one segment.
    pub fn send(&mut self, side: usize, data: impl AsRef<[u8]>) -> &mut Self {
        self.send_acking(side, data.as_ref(), self.sent(1 - side))
    }

    /// Data in one segment, sent when `acked` bytes of the other side had arrived.
    pub fn send_acking(&mut self, side: usize, data: &[u8], acked: usize) -> &mut Self {
        let from = self.sent(side);
        self.streams[side].extend_from_slice(data);
        self.raw(side, from, data, Flags::ACK, acked);
        self
    }

    /// Data in two segments; one when the cut is at an end.
    pub fn send_cut(&mut self, side: usize, data: impl AsRef<[u8]>, cut: usize) -> &mut Self {
        let data = data.as_ref();
        for part in [&data[..cut.min(data.len())], &data[cut.min(data.len())..]] {
            if !part.is_empty() {
                self.send(side, part);
            }
        }
        self
    }

    /// Turns in segments of these lengths, one after the other; one for which `lost` has zero is not seen.
    pub fn send_turns(&mut self, turns: &[Turn], cuts: &[usize], lost: &[usize]) -> &mut Self {
        let (mut cuts, mut lost) = (cuts.iter().cycle(), lost.iter().cycle());
        for (side, bytes) in turns {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let len = cuts.next().copied().unwrap_or(1).min(rest.len());
                if lost.next() == Some(&0) {
                    self.lose(*side, &rest[..len]);
                } else {
                    self.send(*side, &rest[..len]);
                }
                rest = &rest[len..];
            }
        }
        self
    }

    /// Bytes sent before, again.
    pub fn resend(&mut self, side: usize, from: usize, to: usize) -> &mut Self {
        let payload = self.streams[side][from..to].to_vec();
        self.raw(side, from, &payload, Flags::ACK, self.sent(1 - side));
        self
    }

    /// How much of its stream a side knows to have arrived, even if bare acknowledgments were lost. No honest
    /// sender repeats what is before.
    pub fn known(&self, side: usize) -> usize {
        let answers = self.frames.iter().filter(|f| f.side != side && f.len > 0);
        answers.map(|f| f.acked).max().unwrap_or(0)
    }

    /// Data that the hosts have but the sensor never sees.
    pub fn lose(&mut self, side: usize, data: impl AsRef<[u8]>) -> &mut Self {
        self.streams[side].extend_from_slice(data.as_ref());
        self
    }

    /// A FIN.
    pub fn fin(&mut self, side: usize) -> &mut Self {
        self.raw(side, self.sent(side), b"", FIN, self.sent(1 - side));
        self.fin[side] = true;
        self
    }

    /// A RST.
    pub fn rst(&mut self, side: usize) -> &mut Self {
        let from = self.sent(side) + usize::from(self.fin[side]);
        let flags = Flags::RST.and(Flags::ACK);
        self.raw(side, from, b"", flags, self.sent(1 - side));
        self
    }

    /// FINs of both sides and the last acknowledgment.
    pub fn close(&mut self) -> &mut Self {
        self.fin(CLIENT).fin(SERVER).ack(CLIENT)
    }

    /// Lets time pass.
    pub fn wait(&mut self, ms: u64) -> &mut Self {
        self.now += ms * MS;
        self
    }
}

/// The events of these packets.
pub fn events_of(frames: &[Frame], limits: &Limits) -> Vec<Event> {
    counted(frames, limits).0
}

/// The events of these packets, and what was counted. What every test checks of memory: no more flows are open than may be.
pub fn counted(frames: &[Frame], limits: &Limits) -> (Vec<Event>, Counters) {
    let mut reassembler = Reassembler::new(limits.clone());
    let mut events = Vec::new();
    for (number, frame) in (1..).zip(frames) {
        reassembler.push(&Packet {
            ts: Timestamp(frame.at),
            link: LinkType::RAW,
            data: &frame.ip,
            wire_len: frame.ip.len() as u32,
            frame: number,
        });
        assert!(reassembler.open_flows() <= limits.flows.max(1));
        events.extend(std::iter::from_fn(|| reassembler.poll()));
    }
    reassembler.finish();
    events.extend(std::iter::from_fn(|| reassembler.poll()));
    assert_eq!(reassembler.open_flows(), 0);
    (events, reassembler.counters())
}

/// One message in a form to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMessage {
    /// Body bytes without transfer-coding, and without content-coding.
    pub bytes: (u64, u64),
    /// The body kept.
    pub body: Vec<u8>,
    /// Seen to its end.
    pub complete: bool,
}

/// An exchange without what depends on how it was cut into packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The client's port, and the place in the flow.
    pub place: (u16, u32),
    /// Name of the protocol.
    pub protocol: &'static str,
    /// `METHOD target host`, when the request was seen.
    pub request: Option<String>,
    /// Status and count of interim responses.
    pub status: Option<(u16, u16)>,
    /// The request's body.
    pub sent: Option<SeenMessage>,
    /// The response's body.
    pub received: Option<SeenMessage>,
    /// The response's `X-Id` field, by which tests tell responses apart.
    pub id: Option<String>,
    /// Flags and ambiguities.
    pub flags: String,
}

impl Seen {
    /// A short text: request, status, flags.
    pub fn line(&self) -> String {
        let request = self.request.as_deref().unwrap_or("-");
        let status = self.status.map_or("-".to_owned(), |(s, _)| s.to_string());
        let sizes = |m: &Option<SeenMessage>| m.as_ref().map_or(0, |m| m.bytes.1);
        let whole = |m: &Option<SeenMessage>| {
            if m.as_ref().is_some_and(|m| m.complete) {
                ""
            } else {
                "~"
            }
        };
        format!(
            "{request} > {status} {}{}/{}{} {}",
            sizes(&self.sent),
            whole(&self.sent),
            sizes(&self.received),
            whole(&self.received),
            self.flags
        )
        .trim_end()
        .to_owned()
    }
}

fn message(m: &Message) -> SeenMessage {
    SeenMessage {
        bytes: (m.body_bytes, m.content_bytes),
        body: m.body.clone(),
        complete: m.complete,
    }
}

/// What an exchange is, apart from times and frames.
pub fn seen(e: &Exchange) -> Seen {
    let names: Vec<&str> = e.flags.names().chain(e.ambiguities.names()).collect();
    Seen {
        place: (e.flow.client.port(), e.index),
        protocol: e.protocol.name(),
        request: e
            .request
            .as_ref()
            .map(|r| format!("{} {} {}", r.method(), r.target(), r.host)),
        status: e.response.as_ref().map(|r| (r.status, r.interim)),
        sent: e.request.as_ref().map(|r| message(&r.message)),
        received: e.response.as_ref().map(|r| message(&r.message)),
        id: e
            .response
            .as_ref()
            .and_then(|r| r.message.field("x-id"))
            .map(str::to_owned),
        flags: names.join(","),
    }
}

/// The exchanges among events, by flow and place.
pub fn exchanges(events: &[Event]) -> Vec<Seen> {
    let mut all: Vec<Seen> = events
        .iter()
        .filter_map(|e| match e {
            Event::Exchange(e) => Some(seen(e)),
            _ => None,
        })
        .collect();
    all.sort_by_key(|e| e.place);
    all
}

/// The flows among events.
pub fn flows(events: &[Event]) -> Vec<&Flow> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Flow(f) => Some(f.as_ref()),
            _ => None,
        })
        .collect()
}

/// The parts among events.
pub fn parts(events: &[Event]) -> Vec<&PartOf> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Part(p) => Some(p.as_ref()),
            _ => None,
        })
        .collect()
}

/// A part in short: exchange, direction, number, kind, bytes as sent and as content, body, flags. `~` is for one that is not
/// whole.
pub fn part_line(p: &PartOf) -> String {
    let kind = match &p.part.kind {
        PartKind::Close(Some(code)) => format!("close {code}"),
        PartKind::Event { name, id } => {
            let id = id.as_ref().map_or(String::new(), |id| format!(" id={id}"));
            format!("event {name}{id}")
        }
        PartKind::Message { compressed: true } => "packed message".to_owned(),
        other => other.name().to_owned(),
    };
    let way = match p.part.direction {
        reassembly::Direction::ToServer => ">",
        reassembly::Direction::ToClient => "<",
    };
    let flags: Vec<&str> = p.part.flags.names().collect();
    let text: String = String::from_utf8_lossy(&p.part.body).chars().take(40).collect();
    format!(
        "{}{way}{} {} {}/{}{} {text} {}",
        p.exchange,
        p.part.number,
        kind.trim(),
        p.part.bytes,
        p.part.content_bytes,
        if p.part.complete { "" } else { "~" },
        flags.join(",")
    )
    .trim_end()
    .to_owned()
}

/// The parts of one flow as lines, those of the client first, with the ordinary limits.
pub fn part_lines(wire: &Wire) -> Vec<String> {
    let events = events_of(&wire.frames, &Limits::default());
    let mut parts = parts(&events);
    parts.sort_by_key(|p| (p.exchange, p.part.direction, p.part.number));
    parts.into_iter().map(part_line).collect()
}

/// The exchanges of one flow, as lines, with the ordinary limits.
pub fn lines(wire: &Wire) -> Vec<String> {
    let events = events_of(&wire.frames, &Limits::default());
    exchanges(&events).iter().map(Seen::line).collect()
}

/// A line without its number and flags, which change behind a loss.
pub fn without_number(line: &str) -> String {
    let (way, rest) = line.split_once(' ').unwrap_or((line, ""));
    format!("{} {}", &way[..2], rest.trim_end_matches("gap").trim_end())
}

/// gzip of this, packed as tight as it can be.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    coder.write_all(data).expect("a vector");
    coder.finish().expect("a vector")
}

/// A recorded connection of TLS, and its secrets.
pub fn recorded(text: &str) -> (Vec<Turn>, String) {
    let turns = text.lines().filter_map(|line| {
        let (side, hex) = line.split_once(' ')?;
        let side = match side {
            "C" => CLIENT,
            "S" => SERVER,
            _ => return None,
        };
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        Some((side, (0..hex.len()).step_by(2).map(byte).collect()))
    });
    let keys: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("K ")).collect();
    (turns.collect(), keys.join("\n"))
}

/// The events of a flow whose TLS these secrets open.
pub fn opened_with(wire: &Wire, secrets: &str) -> Vec<Event> {
    let mut reassembler = Reassembler::new(Limits::default());
    reassembler.add_secrets(secrets.as_bytes());
    for (number, frame) in (1..).zip(&wire.frames) {
        reassembler.push(&Packet {
            ts: Timestamp(frame.at),
            link: LinkType::RAW,
            data: &frame.ip,
            wire_len: frame.ip.len() as u32,
            frame: number,
        });
    }
    reassembler.finish();
    std::iter::from_fn(|| reassembler.poll()).collect()
}
