//! The same work for several threads, which belong to the caller: what a [`crate::Reassembler`] does in one, byte for byte.
//!
//! ```text
//!             round                     pieces
//! packets ─▶ Dealer ─┬─▶ Work ─▶ Shard ─┬─▶ Merge ─▶ events
//!            decodes │           rooms  │   by place
//!                    └─▶ Work ─▶ Shard ─┘
//! ```
//!
//! Flows are in rooms by their keys, and each [`Shard`] has some of the rooms. The [`Dealer`] numbers packets and copies what flows need of
//! them into one piece of work for each shard, round by round, with all moments at which time went on. So each room does the same at the same
//! step, wherever it is, and [`Merge`] puts the events of a round in the order of their steps. Nothing is shared.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::front::{Course, Front};
use crate::limits::{Counters, Limits};
use crate::packet::{Datagram, Decoded, Packet, Segment};
use crate::place::{Phase, Place};
use crate::room::{Captured, Event};
use crate::rooms::Rooms;
use crate::time::Timestamp;
use crate::tls::{KeyLogRead, Secrets};

/// Steps and bytes of payload after which a round is full, so that little lies between the threads.
const ROUND_STEPS: usize = 1024;
const ROUND_BYTES: usize = 256 << 10;

/// Events in a piece, and the bytes of bodies in them.
const PIECE_EVENTS: usize = 128;
const PIECE_BYTES: usize = 256 << 10;

/// A moment at which time went on, with its step.
type Moment = (u64, Timestamp);

/// What is to be done in a room; the payload lies elsewhere.
enum Task {
    Tcp(Segment<'static>),
    Udp(Datagram<'static>),
}

struct Item {
    step: u64,
    /// So many moments came before it.
    moments: usize,
    /// The room, as the shard numbers it.
    room: usize,
    captured: Captured,
    /// Where the payload lies.
    payload: Range<usize>,
    task: Task,
}

/// What a shard has to do in a round.
#[derive(Default)]
pub struct Work {
    items: Vec<Item>,
    payload: Vec<u8>,
    moments: Arc<Vec<Moment>>,
    /// Time begins anew with this step, before anything else.
    anew: Option<Moment>,
    /// All flows end with this step, behind everything else.
    ends: Option<u64>,
    /// Whether counters are asked for.
    tell: bool,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// Packets in, rounds of work out.
pub struct Dealer {
    front: Front,
    rooms: usize,
    /// The work of each shard in this round.
    open: Vec<Work>,
    /// Such as were done, to be used again.
    spare: Vec<Work>,
    moments: Vec<Moment>,
    anew: Option<Moment>,
    step: u64,
    /// Steps and bytes of this round.
    steps: usize,
    bytes: usize,
    /// To tell what became of key logs; each shard keeps its own.
    secrets: Secrets,
}

impl std::fmt::Debug for Dealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dealer")
            .field("shards", &self.open.len())
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Dealer {
    /// Deals out to `shards` shards, or as many as there are rooms.
    #[must_use]
    pub fn new(limits: Limits, shards: usize) -> Self {
        let rooms = limits.rooms_in_all();
        let shards = shards.clamp(1, rooms);
        Self {
            front: Front::new(limits),
            rooms,
            open: (0..shards).map(|_| Work::default()).collect(),
            spare: Vec::new(),
            moments: Vec::new(),
            anew: None,
            step: 0,
            steps: 0,
            bytes: 0,
            secrets: Secrets::default(),
        }
    }

    /// The shards that it deals out to.
    #[must_use]
    pub fn shards(&self) -> Vec<Shard> {
        let of = self.open.len();
        let shard = |number: usize| Shard {
            rooms: Rooms::new(&self.front.limits, (self.rooms - number).div_ceil(of)),
            number,
            of,
            now: Timestamp(0),
            piece: Vec::new(),
            bytes: 0,
        };
        (0..of).map(shard).collect()
    }

    /// Reads a key log, for [`Shard::add_secrets`] of each shard, before anything that is dealt out later; the round must have been
    /// closed.
    pub fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        self.secrets.read(key_log)
    }

    /// Takes one packet. Where the round has no room for it ([`Self::has_room_for`]) it is to be closed before.
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.advance(packet.ts);
        let of = self.open.len();
        let decoded = match self.front.plain(packet) {
            Some(segment) => Some(Decoded::Tcp(segment)),
            None => self.front.decode(packet),
        };
        let rooms = self.rooms;
        let (payload, room, task) = match decoded {
            Some(Decoded::Tcp(segment)) => {
                let (bare, payload) = segment.with(&[]);
                (payload, bare.key.room(rooms), Task::Tcp(bare))
            }
            Some(Decoded::Udp(datagram)) => {
                let (bare, payload) = datagram.with(&[]);
                (payload, bare.key.room(rooms), Task::Udp(bare))
            }
            None => return,
        };
        self.bytes += payload.len();
        let work = &mut self.open[room % of];
        let begin = work.payload.len();
        work.payload.extend_from_slice(payload);
        work.items.push(Item {
            step: self.step,
            moments: self.moments.len(),
            room: room / of,
            captured: Captured::of(packet),
            payload: begin..work.payload.len(),
            task,
        });
    }

    /// Tells that capture time has reached `now`, for which the round must have room.
    pub fn advance(&mut self, now: Timestamp) {
        self.step += 1;
        self.steps += 1;
        match self.front.advance(now) {
            Course::Stands => {}
            Course::On => self.moments.push((self.step, now)),
            Course::Anew => self.anew = Some((self.step, now)),
        }
    }

    /// Whether a packet of this time may still come into the round.
    #[must_use]
    pub fn has_room_for(&self, ts: Timestamp) -> bool {
        self.steps < ROUND_STEPS && self.bytes < ROUND_BYTES && (self.steps == 0 || !self.front.is_anew(ts))
    }

    /// What was decoded and what of that was lost so far; the rest is counted by shards.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.front.counters
    }

    /// Whether nothing came into the round yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Takes work back that was done.
    pub fn give_back(&mut self, work: Work) {
        self.spare.push(work);
    }

    /// Closes the round: the work of each shard. `tell`: each shard is to tell its counters behind it.
    pub fn deal(&mut self, tell: bool) -> Vec<Work> {
        let next = Vec::with_capacity(self.moments.len());
        let moments = Arc::new(std::mem::replace(&mut self.moments, next));
        let anew = self.anew.take();
        (self.steps, self.bytes) = (0, 0);
        let Self { open, spare, .. } = self;
        let work = open.iter_mut().map(|open| {
            let mut work = std::mem::replace(open, spare.pop().unwrap_or_default());
            work.moments = Arc::clone(&moments);
            work.anew = anew;
            work.tell = tell;
            work
        });
        work.collect()
    }

    /// The last round: all flows end.
    pub fn finish(&mut self) -> Vec<Work> {
        self.step += 1;
        let mut all = self.deal(true);
        all.iter_mut().for_each(|work| work.ends = Some(self.step));
        all
    }
}

/// An event with its place and the number of its room.
#[derive(Debug)]
struct Placed {
    at: (Place, usize),
    event: Event,
}

/// Some of what came of a round in a shard, in its order.
#[derive(Debug)]
pub struct Piece {
    events: VecDeque<Placed>,
    /// There is more of the round.
    more: bool,
    /// What the shard has to tell behind the round, where that was asked for.
    pub told: Option<Box<Told>>,
}

/// Counters of a shard, or of several.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// What was seen and lost so far.
    pub counters: Counters,
    /// Flows being followed.
    pub open_flows: usize,
    /// About the bytes of memory that these take with all they hold.
    pub weight: usize,
}

impl Told {
    /// Adds those of another one.
    pub fn add(&mut self, other: &Self) {
        self.counters.add(&other.counters);
        self.open_flows += other.open_flows;
        self.weight += other.weight;
    }
}

/// Some of the rooms of flows: work in, pieces of events out.
pub struct Shard {
    rooms: Rooms,
    number: usize,
    /// How many shards there are.
    of: usize,
    now: Timestamp,
    piece: Vec<Placed>,
    bytes: usize,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("number", &self.number)
            .field("flows", &self.rooms.open_flows())
            .finish_non_exhaustive()
    }
}

impl Shard {
    /// Takes the secrets of TLS connections from a key log.
    pub fn add_secrets(&mut self, key_log: &[u8]) {
        let _ = self.rooms.add_secrets(key_log);
    }

    /// Does its work of a round; gives the work back, to be used again.
    pub fn work(&mut self, mut work: Work, give: &mut dyn FnMut(Piece)) -> Work {
        if let Some((step, now)) = work.anew.take() {
            self.end_all(step, give);
            self.now = now;
        }
        let mut passed = 0;
        for item in work.items.drain(..) {
            self.pass(&work.moments[passed..item.moments], give);
            passed = item.moments;
            let Item { step, captured, .. } = item;
            let payload = &work.payload[item.payload];
            let room = match item.task {
                Task::Tcp(bare) => {
                    let (segment, _) = bare.with(payload);
                    self.rooms
                        .work(item.room, self.now, |room| room.tcp(&segment, captured))
                }
                Task::Udp(bare) => {
                    let (datagram, _) = bare.with(payload);
                    self.rooms
                        .work(item.room, self.now, |room| room.udp(&datagram, captured))
                }
            };
            if room.events().is_empty() {
                continue;
            }
            let place = Place {
                step,
                phase: Phase::Packet,
                since: Timestamp(0),
            };
            while let Some(event) = self.rooms.room(item.room).events().pop_front() {
                self.put(place, item.room, event);
            }
            self.give_full(give);
        }
        self.pass(&work.moments[passed..], give);
        if let Some(step) = work.ends.take() {
            self.end_all(step, give);
        }
        let told = work.tell.then(|| {
            Box::new(Told {
                counters: self.rooms.counters(),
                open_flows: self.rooms.open_flows(),
                weight: self.rooms.weight(),
            })
        });
        let events = std::mem::take(&mut self.piece).into();
        self.bytes = 0;
        give(Piece {
            events,
            more: false,
            told,
        });
        work.payload.clear();
        work.moments = Arc::default();
        work
    }

    /// Time goes on moment by moment, which are in their order.
    fn pass(&mut self, mut moments: &[Moment], give: &mut dyn FnMut(Piece)) {
        let Some((_, last)) = moments.last() else {
            return;
        };
        while *last >= self.rooms.due() {
            let due = self.rooms.due();
            let next = moments.partition_point(|(_, now)| *now < due);
            let Some(((step, now), later)) = moments[next..].split_first() else {
                break;
            };
            let Self {
                rooms,
                piece,
                bytes,
                number,
                of,
                ..
            } = self;
            rooms.settle(*now, *step, |place, room, event| {
                *bytes += event.held();
                let at = (place, room * *of + *number);
                piece.push(Placed { at, event });
            });
            self.give_full(give);
            moments = later;
        }
        self.now = *last;
    }

    fn end_all(&mut self, step: u64, give: &mut dyn FnMut(Piece)) {
        while let Some(((phase, since), number, room)) = self.rooms.end_next(self.now) {
            let events = std::mem::take(room.events());
            for event in events {
                self.put(Place { step, phase, since }, number, event);
            }
            self.give_full(give);
        }
    }

    fn put(&mut self, place: Place, room: usize, event: Event) {
        self.bytes += event.held();
        let at = (place, room * self.of + self.number);
        self.piece.push(Placed { at, event });
    }

    /// Gives a piece that is full.
    fn give_full(&mut self, give: &mut dyn FnMut(Piece)) {
        if self.piece.len() >= PIECE_EVENTS || self.bytes >= PIECE_BYTES {
            self.bytes = 0;
            give(Piece {
                events: std::mem::take(&mut self.piece).into(),
                more: true,
                told: None,
            });
        }
    }
}

/// Pieces of one round in, its events out in their order.
#[derive(Debug)]
pub struct Merge {
    streams: Vec<Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    events: VecDeque<Placed>,
    /// No more comes of this round.
    over: bool,
}

impl Merge {
    /// For so many shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            streams: (0..shards).map(|_| Stream::default()).collect(),
        }
    }

    /// The next round begins, after all of the one before was taken.
    pub fn begin(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.over = false);
    }

    /// A shard of which the next piece is needed before it is known what comes next.
    #[must_use]
    pub fn waits_for(&self) -> Option<usize> {
        self.streams
            .iter()
            .position(|stream| stream.events.is_empty() && !stream.over)
    }

    /// Takes the next piece of a shard.
    pub fn put(&mut self, shard: usize, piece: Piece) {
        if let Some(stream) = self.streams.get_mut(shard) {
            stream.events = piece.events;
            stream.over = !piece.more;
        }
    }

    /// The next event, unless it [`Self::waits_for`] a shard or the round is over.
    pub fn poll(&mut self) -> Option<Event> {
        if self.waits_for().is_some() {
            return None;
        }
        let fronts = self.streams.iter().enumerate();
        let firsts = fronts.filter_map(|(shard, stream)| Some((stream.events.front()?.at, shard)));
        let (_, shard) = firsts.min()?;
        self.streams[shard].events.pop_front().map(|placed| placed.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;
    use crate::reassembler::Reassembler;
    use crate::{quic, tls};

    /// A datagram as IPv4 carries it.
    fn datagram(from: u16, to: u16, id: u16, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(28 + payload.len()).unwrap();
        let mut out = vec![0x45, 0];
        out.extend(len.to_be_bytes());
        out.extend(id.to_be_bytes());
        out.extend([0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        for number in [from, to, len - 20, 0] {
            out.extend(number.to_be_bytes());
        }
        out.extend(payload);
        out
    }

    /// Flows over UDP beginning and going on, with copies, and a pause now and then.
    fn datagrams() -> Vec<(u64, Vec<u8>)> {
        let hello = quic::testing::hello(1, &[7; 8], 2);
        let dtls = tls::testing::dtls_hello();
        let mut all = Vec::new();
        let mut now = 1_000_000_000_000;
        for turn in 0..600_u16 {
            let port = 2000 + turn % 90;
            let id = turn + 1;
            now += if turn % 200 == 199 {
                400_000_000_000
            } else {
                1_000_000
            };
            let data = match turn % 4 {
                0 => datagram(port, 443, id, &hello[usize::from(turn / 90 % 2)]),
                1 => datagram(port, 4433, id, &dtls),
                2 => datagram(443, port, id, &[0xc5; 300]),
                _ => datagram(port, 53, id, b"another protocol"),
            };
            all.push((now, data.clone()));
            if turn % 7 == 0 {
                all.push((now, data));
            }
        }
        all
    }

    #[test]
    fn flows_over_udp_are_the_same_in_shards_also_at_their_limit() {
        for flows in [100_000, 160] {
            let limits = Limits {
                flows,
                rooms: 8,
                ..Limits::default()
            };
            let all = datagrams();
            let packets = || {
                all.iter().zip(1..).map(|((now, data), frame)| Packet {
                    ts: Timestamp(*now),
                    link: LinkType::RAW,
                    data,
                    wire_len: u32::try_from(data.len()).unwrap(),
                    frame,
                })
            };
            let mut reassembler = Reassembler::new(limits.clone());
            packets().for_each(|packet| reassembler.push(&packet));
            reassembler.finish();
            let alone: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
            assert!(alone.len() > 90, "{}", alone.len());
            assert_eq!(reassembler.counters().evicted_flows > 0, flows == 160);
            assert!(reassembler.counters().duplicates > 30);
            for shards in [1, 3, 8] {
                let mut dealer = Dealer::new(limits.clone(), shards);
                let mut all_shards = dealer.shards();
                let (mut merge, mut events, mut told) = (Merge::new(shards), Vec::new(), Told::default());
                let mut round = |all: Vec<Work>| {
                    let mut pieces: Vec<VecDeque<Piece>> = Vec::new();
                    for (shard, work) in all_shards.iter_mut().zip(all) {
                        let mut out = VecDeque::new();
                        shard.work(work, &mut |piece| out.push_back(piece));
                        pieces.push(out);
                    }
                    merge.begin();
                    loop {
                        while let Some(shard) = merge.waits_for() {
                            let piece = pieces[shard].pop_front().unwrap();
                            piece.told.iter().for_each(|more| told.add(more));
                            merge.put(shard, piece);
                        }
                        match merge.poll() {
                            Some(event) => events.push(event),
                            None => break,
                        }
                    }
                };
                for packet in packets() {
                    if !dealer.has_room_for(packet.ts) || dealer.steps == 37 {
                        round(dealer.deal(false));
                    }
                    dealer.push(&packet);
                }
                round(dealer.finish());
                told.counters.add(&dealer.counters());
                assert!(events == alone, "{shards} shards, {flows} flows");
                assert_eq!(told.counters, reassembler.counters());
            }
        }
    }
}
