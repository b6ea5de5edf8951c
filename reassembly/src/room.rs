//! A room of flows: segments and datagrams in, events out.
//!
//! Flows are dealt out to rooms by their keys alone, so what happens in one room depends on no other, and rooms may be worked in any
//! order and by any thread. What each gives out says where it stands among the events of all ([`Place`]).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::exchange::{Exchange, Flags, FlowRef, Message};
use crate::flow::{App, Conflict, Flow};
use crate::http1::connection::{self, Connection, Direction, Handed, To, Verdict};
use crate::http1::inflate::Pool;
use crate::http2;
use crate::limits::{Counters, Limits};
use crate::packet::{Datagram, FlowKey, Packet, Segment, Wrapping};
use crate::part::PartOf;
use crate::place::{Phase, Place};
use crate::proxy;
use crate::tcp::before::Before;
use crate::tcp::conversation::{self, Conflicting, Conversation, Receiver, SETTLE_BACK, Standing};
use crate::tcp::history::History;
use crate::tcp::stream::{Meta, Stream};
use crate::tcp::table::{Class, FlowId, Table};
use crate::time::Timestamp;
use crate::tls::{self, Handshake, Inside, Opened, Secrets, Session};
use crate::udp::UdpFlows;

/// How long a closed flow is remembered, in capture time, so that late packets do not begin a new one.
const LINGER: std::time::Duration = std::time::Duration::from_secs(5);

/// A flow that takes more than this part of the memory for all is heavy, within these bounds: one that waits for an answer
/// is not, and one with a decoder of brotli is. Half of the memory is for those, so that a few of them cannot push out many
/// others.
const HEAVY_PART: usize = 4096;
const HEAVY: (usize, usize) = (16 << 10, 128 << 10);

/// Bytes of bodies that such as hold little may keep at once when those that hold much have no more room.
const LITTLE: usize = 8 << 10;

/// Entries of flows that are gone which a queue may have beside two for each flow, before they are taken out of it.
const QUEUE: usize = 4096;
/// How long one that a RST closed is remembered after its last packet while bytes came after the RST: if its hosts did not
/// believe it, an answer shows that, and servers may take long to answer.
const LINGER_AFTER_RESET: std::time::Duration = std::time::Duration::from_secs(60);

/// Tunnels through each other of which the content is read.
const MAX_TUNNELS: u8 = 4;

/// Ports on which servers commonly speak HTTP, for flows joined midway of which no message was seen yet.
const SERVER_PORTS: [u16; 8] = [80, 443, 3000, 5000, 8000, 8080, 8443, 9000];

/// What a [`crate::Reassembler`] gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An exchange is over.
    Exchange(Box<Exchange>),
    /// A part of an exchange: a message of a WebSocket, a server-sent event.
    Part(Box<PartOf>),
    /// A flow is over; its exchanges have been given out before.
    Flow(Box<Flow>),
}

impl Event {
    /// Bytes of bodies that it carries.
    #[must_use]
    pub fn held(&self) -> usize {
        let body = |message: &Message| message.body.len();
        match self {
            Self::Exchange(exchange) => {
                exchange.request.as_ref().map_or(0, |r| body(&r.message))
                    + exchange.response.as_ref().map_or(0, |r| body(&r.message))
            }
            Self::Part(part) => part.part.body.len(),
            Self::Flow(_) => 0,
        }
    }
}

/// A flow being followed: its bytes in order, and what they turn out to be. Apart, so that one can be worked on while
/// the other is lent.
struct Tracked {
    conversation: Conversation,
    entry: Entry,
}

/// What tells a flow from others.
pub(crate) struct About {
    key: FlowKey,
    /// The side that is the client.
    client: usize,
    start: Timestamp,
    wrapping: Wrapping,
    /// Whether the flow is TLS.
    tls: bool,
}

/// What is known of a flow.
struct Entry {
    about: About,
    content: Content,
    /// What the content of TLS comes out of where secrets are at hand.
    session: Option<Box<Session>>,
    /// TLS that is looked for in another protocol.
    inside: Option<Box<Inside>>,
    /// Whether it is certain which side is the client.
    certain: bool,
    /// A load balancer began it with a header of its own.
    proxied: bool,
    last: Timestamp,
    packets: u64,
    flags: Flags,
    /// A SYN that would begin another flow on the same addresses, with its side, until the other side answers it.
    reuse: Option<(usize, u32)>,
    syn: Option<(usize, u32)>,
    closed: Option<Timestamp>,
    /// When it was put last into the queue of those that are over.
    queued_closed: Option<Timestamp>,
    queued: bool,
    /// Bytes of memory it takes with all it holds, when it was last weighed.
    weight: usize,
    exchanges: u32,
    /// Tunnels that its content goes through, and exchanges that led to them.
    tunnels: u8,
    before: u32,
    /// One of these, whose request is answered in TLS if that can be read (RFC 2817 section 3.3).
    held: Option<Box<connection::Ready>>,
    /// Both ends take part, and it is known what they speak.
    proven: bool,
    /// As it stands in the table.
    class: Class,
    sides_seen: [bool; 2],
    data: DataSeen,
    conflicts: Option<Box<Conflicts>>,
}

/// Where retransmissions differed from their first copies.
#[derive(Default)]
struct Conflicts {
    count: u32,
    /// The first of them with the side that sent it.
    shown: Vec<(usize, Conflict)>,
}

/// Sizes and times of what a flow carries, of which more may not be known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DataSeen {
    /// Packets with payload of each side.
    pub(crate) packets: [u64; 2],
    /// How often a side sent payload after the other one, or first of all.
    pub(crate) turns: [u32; 2],
    /// When each side first did.
    first: [Timestamp; 2],
    /// The side that did last, and one.
    last: u8,
}

impl DataSeen {
    #[inline]
    pub(crate) fn note(&mut self, side: usize, ts: Timestamp) {
        if self.packets[side] == 0 {
            self.first[side] = ts;
        }
        self.packets[side] += 1;
        let last = if side == 0 { 1 } else { 2 };
        if self.last != last {
            self.last = last;
            self.turns[side] = self.turns[side].saturating_add(1);
        }
    }

    pub(crate) fn first(&self, side: usize) -> Option<Timestamp> {
        (self.packets[side] > 0).then_some(self.first[side])
    }
}

impl Tracked {
    /// Bytes of memory it takes with all it holds; its place in the table included.
    fn weigh(&self) -> usize {
        /// Keys, links and the spare room of the index.
        const TABLE: usize = 256;
        /// Sizes of allocations are up to a fourth apart, and pages are not full.
        const ROUNDED: usize = 4;
        let held: usize = self.conversation.sides.iter().map(Stream::held_weight).sum();
        let before = self
            .conversation
            .before
            .as_ref()
            .map_or(0, |_| size_of::<Before>());
        let Entry {
            content,
            session,
            inside,
            held: ready,
            conflicts,
            ..
        } = &self.entry;
        let content = match content {
            Content::Http(connection) => connection.weight(),
            Content::Http2(connection) => connection.weight(),
            Content::Tls(handshake) => size_of::<Handshake>() + handshake.weight(),
            Content::Empty | Content::Begun(..) | Content::Opaque(_) => 0,
        };
        let session = session.as_ref().map_or(0, |s| size_of::<Session>() + s.weight());
        let inside = inside.as_ref().map_or(0, |i| size_of::<Inside>() + i.weight());
        /// With the bytes it shows.
        const CONFLICTS: usize = size_of::<Conflicts>() + Conflict::SHOWN * (size_of::<Conflict>() + 512);
        let conflicts = conflicts.as_ref().map_or(0, |_| CONFLICTS);
        let ready = ready.as_ref().map_or(0, |r| size_of_val(&**r) + r.weight());
        let bytes =
            size_of::<Self>() + TABLE + held + before + content + session + inside + ready + conflicts;
        bytes + bytes / ROUNDED
    }
}

/// What a flow carries.
enum Content {
    /// No payload yet.
    Empty,
    /// The first few bytes of a side, too few to tell what they begin.
    Begun(usize, Vec<u8>, Meta),
    /// Read as HTTP/1 until that turns out wrong.
    Http(Box<Connection>),
    /// HTTP/2.
    Http2(Box<http2::Connection>),
    /// TLS without secrets, of which the handshake is read.
    Tls(Box<Handshake>),
    /// Recognised, or given up, or over.
    Opaque(App),
}

impl Content {
    /// What it is, as far as it is known.
    fn app(&self) -> App {
        match self {
            Self::Tls(_) => App::Tls,
            Self::Opaque(app) => *app,
            Self::Http(connection) if connection.verdict() == Verdict::Http => App::Http1,
            Self::Http2(_) => App::Http2,
            Self::Empty | Self::Begun(..) | Self::Http(_) => App::Unknown,
        }
    }

    /// Nothing more will come: of messages only what they were is still of use, and of a handshake what it told.
    fn settle(&mut self) {
        if matches!(self, Self::Http(_) | Self::Http2(_)) {
            *self = Self::Opaque(self.app());
        }
    }
}

/// When and where a packet was captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captured {
    pub(crate) ts: Timestamp,
    /// Number of its frame in the file.
    pub(crate) frame: u64,
}

impl Captured {
    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        Self {
            ts: packet.ts,
            frame: packet.frame,
        }
    }
}

/// Flows that have their ceilings and all that is held for them to themselves.
pub(crate) struct Room {
    /// Its share of those of all rooms.
    limits: Limits,
    /// What makes a flow heavy.
    heavy_from: usize,
    counters: Counters,
    /// What the content of flows counted; apart, for both are at work at once.
    content_counters: Counters,
    history: History,
    flows: Table<Tracked>,
    /// Flows of QUIC and DTLS.
    udp: UdpFlows,
    /// Flows with something that time alone settles, by deadline; the wait is the same for all, so the
    /// queue is in order.
    waiting: VecDeque<(Timestamp, FlowId)>,
    /// No flow has been quiet for longer than since then.
    quiet_since: Timestamp,
    /// Nothing is settled by time before then. Zero, where something was added, until it is found anew.
    due: Timestamp,
    /// Closed flows, by the time they closed.
    closing: VecDeque<(Timestamp, FlowId)>,
    /// The last one that ended because all do.
    ending: (Phase, Timestamp),
    held_total: usize,
    /// Bytes of memory that flows take with all they hold, and of these what heavy ones take.
    weight: usize,
    heavy: usize,
    pool: Pool,
    secrets: Arc<Secrets>,
    /// Bytes of bodies that may still be kept.
    keep: usize,
    now: Timestamp,
    events: VecDeque<Event>,
    /// Where the first of these stand, as far as they were marked, and where the last one marked does.
    places: VecDeque<Place>,
    marked: Place,
}

impl Room {
    /// An empty one of `rooms` that hold no more than `limits` together.
    pub(crate) fn new(limits: &Limits, rooms: usize) -> Self {
        let heavy_from = (limits.memory / HEAVY_PART).clamp(HEAVY.0, HEAVY.1);
        let limits = limits.share(rooms);
        Self {
            keep: limits.body_capture_total,
            history: History::new(limits.history),
            limits,
            heavy_from,
            counters: Counters::default(),
            content_counters: Counters::default(),
            flows: Table::new(),
            udp: UdpFlows::new(),
            waiting: VecDeque::new(),
            closing: VecDeque::new(),
            ending: (Phase::End, Timestamp(0)),
            quiet_since: Timestamp(0),
            due: Timestamp(0),
            held_total: 0,
            weight: 0,
            heavy: 0,
            pool: Pool::default(),
            secrets: Arc::default(),
            now: Timestamp(0),
            events: VecDeque::new(),
            places: VecDeque::new(),
            marked: Place::default(),
        }
    }

    /// The secrets of TLS connections from here on.
    pub(crate) fn set_secrets(&mut self, secrets: Arc<Secrets>) {
        self.secrets = secrets;
    }

    /// Nothing is settled by time before then.
    #[inline]
    pub(crate) fn due(&self) -> Timestamp {
        self.due
    }

    /// Capture time goes on to `now`; what it settles is settled before, by [`Self::settle`].
    #[inline]
    pub(crate) fn at(&mut self, now: Timestamp) -> &mut Self {
        self.now = now;
        self
    }

    /// Events that were not taken yet.
    #[inline]
    pub(crate) fn events(&mut self) -> &mut VecDeque<Event> {
        &mut self.events
    }

    /// The event that was marked first, with its place.
    pub(crate) fn poll(&mut self) -> Option<(Place, Event)> {
        let place = self.places.pop_front()?;
        Some((place, self.events.pop_front()?))
    }

    /// Where the next event stands.
    pub(crate) fn first(&self) -> Option<Place> {
        self.places.front().copied()
    }

    /// What was given out since the last mark belongs to this step. Places never go back in a room, so events of several
    /// rooms are merged by them alone.
    pub(crate) fn mark(&mut self, step: u64, phase: Phase, since: Timestamp) {
        if self.events.len() > self.places.len() {
            self.marked = self.marked.max(Place { step, phase, since });
            self.places.resize(self.events.len(), self.marked);
        }
    }

    /// A datagram of UDP that is no tunnel.
    pub(crate) fn udp(&mut self, datagram: &Datagram<'_>, captured: Captured) {
        self.due = Timestamp(0);
        let taken = self.udp.take(
            datagram,
            captured.ts,
            &self.limits,
            &mut self.counters,
            &mut self.events,
        );
        if taken {
            self.counters.udp_packets += 1;
        } else {
            self.counters.other_protocol += 1;
        }
        self.make_room(None);
    }

    /// A segment of TCP.
    #[inline]
    pub(crate) fn tcp(&mut self, segment: &Segment<'_>, captured: Captured) {
        self.counters.tcp_packets += 1;
        self.counters.duplicates += u64::from(segment.copy);
        let (key, side) = (segment.key, segment.side);
        let id = match self.flows.find(&key) {
            Some(id) if !self.begins_anew(id, side, segment) => {
                self.flows.touch(id);
                id
            }
            found => {
                let before = found.and_then(|old| self.leave(old));
                let id = self.begin(key, side, segment, captured.ts);
                if let Some(flow) = self.flows.get_mut(id) {
                    flow.conversation.before = before;
                }
                id
            }
        };
        if self.segment(id, side, segment, captured) {
            self.weigh(id);
        }
    }

    /// Weighs a flow that has changed, and lets others go while all of them take too much.
    fn weigh(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(id) {
            let weight = flow.weigh();
            let entry = &mut flow.entry;
            entry.proven |= entry.exchanges > 0 || (flow.conversation.is_mutual() && entry.is_recognised());
            let over = entry.closed.is_some() && (flow.conversation.is_final() || !entry.proven);
            let class = match entry.proven {
                _ if over => Class::Over,
                _ if weight > self.heavy_from => Class::Heavy,
                true => Class::Proven,
                false => Class::New,
            };
            let before = std::mem::replace(&mut entry.weight, weight);
            self.weight = self.weight + weight - before;
            if entry.class == Class::Heavy {
                self.heavy -= before;
            }
            if class == Class::Heavy {
                self.heavy += weight;
            }
            if class != entry.class {
                entry.class = class;
                self.flows.classify(id, class);
            }
        }
        self.make_room(Some(id));
    }

    /// Lets flows other than `id` go while all of them take too much.
    fn make_room(&mut self, id: Option<FlowId>) {
        // Also the flow at hand, where it alone takes that much.
        while self.heavy > self.limits.memory / 2 {
            let Some((oldest, _)) = self.flows.oldest(Class::Heavy) else {
                break;
            };
            self.counters.evicted_memory += 1;
            self.end(oldest);
        }
        while self.weight() > self.limits.memory {
            match self.flows.victim(id) {
                Some(victim) => {
                    self.counters.evicted_memory += self.is_loss(victim);
                    self.end(victim);
                }
                None if self.udp.evict(&mut self.counters, &mut self.events) => {}
                None => break,
            }
        }
    }

    /// One, unless nothing is lost with a flow.
    fn is_loss(&mut self, id: FlowId) -> u64 {
        let flow = self.flows.get_mut(id);
        u64::from(flow.is_some_and(|flow| flow.entry.class != Class::Over))
    }

    /// The flow quiet for longest, and since when.
    fn oldest(&self) -> Option<(FlowId, Timestamp)> {
        let of_class = |class| self.flows.oldest(class).map(|(id, flow)| (id, flow.entry.last));
        Class::ALL
            .into_iter()
            .filter_map(of_class)
            .min_by_key(|(_, last)| *last)
    }

    /// Does what time alone settles, now that it has gone on: closes idle flows, gives up on bytes that are overdue.
    pub(crate) fn settle(&mut self, now: Timestamp, step: u64) {
        self.now = now;
        while let Some((since, id)) = self.waiting.front().copied() {
            if now.since(since) < self.limits.reorder_wait {
                break;
            }
            self.waiting.pop_front();
            self.check_overdue(id);
            self.mark(step, Phase::Overdue, since);
        }
        while let Some((since, id)) = self.closing.front().copied() {
            if now.since(since) < LINGER {
                break;
            }
            self.closing.pop_front();
            // One that went on after a reset is not over.
            let Some(flow) = self.flows.get_mut(id) else {
                continue;
            };
            if flow.entry.closed != Some(since) {
                continue;
            }
            if flow.conversation.holds_after_reset() && now.since(flow.entry.last) < LINGER_AFTER_RESET {
                flow.entry.closed = Some(now);
                self.closing.push_back((now, id));
            } else {
                self.end(id);
                self.mark(step, Phase::Closed, since);
            }
        }
        if now.since(self.quiet_since) >= self.limits.idle {
            // Nothing that comes makes a flow quieter, so there is no looking again before that.
            self.quiet_since = now;
            while let Some((id, last)) = self.oldest() {
                if now.since(last) < self.limits.idle {
                    self.quiet_since = last;
                    break;
                }
                self.end(id);
                self.mark(step, Phase::Quiet, last);
            }
        }
        while let Some(last) = self.udp.oldest()
            && now.since(last) >= self.limits.idle
        {
            self.udp.end_oldest(&mut self.counters, &mut self.events);
            self.mark(step, Phase::QuietUdp, last);
        }
        let waiting = self
            .waiting
            .front()
            .map(|(since, _)| since.plus(self.limits.reorder_wait));
        let closing = self.closing.front().map(|(since, _)| since.plus(LINGER));
        let quiet = self
            .udp
            .oldest()
            .map_or(self.quiet_since, |since| since.min(self.quiet_since));
        let quiet = quiet.plus(self.limits.idle);
        self.due = waiting.into_iter().chain(closing).fold(quiet, Timestamp::min);
    }

    /// Which flow ends next when all do: the one quiet for longest, those of UDP after the others. What this gives never goes
    /// back from one to the next.
    pub(crate) fn next_to_end(&self) -> Option<(Phase, Timestamp)> {
        let tcp = self.oldest().map(|(_, last)| (Phase::End, last));
        let next = tcp.or_else(|| self.udp.oldest().map(|last| (Phase::EndUdp, last)));
        next.map(|next| next.max(self.ending))
    }

    /// Ends that one as if the capture were over.
    pub(crate) fn end_next(&mut self) {
        self.ending = self.next_to_end().unwrap_or_default();
        match self.oldest() {
            Some((id, _)) => self.end(id),
            None => self.udp.end_oldest(&mut self.counters, &mut self.events),
        }
    }

    /// All have ended.
    pub(crate) fn ended(&mut self) {
        self.ending = Default::default();
        self.waiting.clear();
        self.closing.clear();
        self.due = Timestamp(0);
    }

    /// What was seen and lost so far.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.add(&self.content_counters);
        counters
    }

    /// About the bytes of memory that flows take with all they hold.
    pub(crate) fn weight(&self) -> usize {
        self.weight + self.udp.weight() + self.pool.windows.kept()
    }

    /// Flows being followed.
    pub(crate) fn open_flows(&self) -> usize {
        self.flows.len() + self.udp.len()
    }

    /// Ends a flow after which another one begins, and tells what was sent in it, or before it.
    fn leave(&mut self, id: FlowId) -> Option<Box<Before>> {
        let conversation = &mut self.flows.get_mut(id)?.conversation;
        let before = Before::of(&conversation.sides).map(Box::new);
        let before = before.or_else(|| conversation.before.take());
        self.end(id);
        before
    }

    /// Whether a segment on known addresses begins another flow (port reuse).
    fn begins_anew(&mut self, id: FlowId, side: usize, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn || segment.flags.rst {
            return false;
        }
        let Some(Tracked { entry, conversation }) = self.flows.get_mut(id) else {
            return true;
        };
        let isn = segment.seq;
        if segment.flags.ack {
            // The answer to a SYN that did not fit: now both sides agree on a new flow.
            return entry
                .reuse
                .is_some_and(|(from, seq)| from != side && segment.ack == seq.wrapping_add(1));
        }
        if entry.syn == Some((side, isn)) {
            return false;
        }
        // One that only a RST ended may go on: its hosts need not have believed it.
        if entry.closed.is_some() && !conversation.was_reset() {
            return true;
        }
        let stream = &conversation.sides[side];
        if !stream.started {
            return false;
        }
        // A SYN that fits what was seen is one that came late.
        let before = stream.next.checked_sub(stream.offset(isn.wrapping_add(1)));
        let read = stream.delivered + stream.lost;
        if entry.syn.is_none() && before.is_some_and(|before| before <= read + SETTLE_BACK) {
            return false;
        }
        // Anybody can send a SYN; the flow goes on until the other side agrees (RFC 9293 section 3.10.7.4). Where that
        // one is not seen, the client alone begins another.
        entry.reuse = Some((side, isn));
        !conversation.sides[1 - side].seen && (side == entry.about.client || !entry.certain)
    }

    fn begin(&mut self, key: FlowKey, side: usize, segment: &Segment<'_>, ts: Timestamp) -> FlowId {
        while self.flows.len() >= self.limits.flows.max(1) {
            let Some(id) = self.flows.victim(None) else {
                break;
            };
            self.counters.evicted_flows += self.is_loss(id);
            self.end(id);
        }
        self.counters.flows += 1;
        let (client, certain) = if segment.flags.syn {
            (if segment.flags.ack { 1 - side } else { side }, true)
        } else {
            (guess_client(&key, side), false)
        };
        let mut flags = Flags::empty();
        if !segment.flags.syn {
            flags.insert(Flags::MIDSTREAM);
        }
        let conversation = if segment.flags.syn {
            Conversation::default()
        } else {
            Conversation::midstream()
        };
        let entry = Entry {
            about: About {
                key,
                client,
                start: ts,
                wrapping: segment.wrapping,
                tls: false,
            },
            content: Content::Empty,
            session: None,
            inside: None,
            certain,
            proxied: false,
            last: ts,
            packets: 0,
            flags,
            reuse: None,
            syn: None,
            closed: None,
            queued_closed: None,
            queued: false,
            weight: 0,
            exchanges: 0,
            tunnels: 0,
            before: 0,
            held: None,
            proven: false,
            class: Class::New,
            sides_seen: [false; 2],
            data: DataSeen::default(),
            conflicts: None,
        };
        self.flows.insert(key, Tracked { conversation, entry })
    }

    /// Takes a segment to its flow. False when what the flow weighs is as it was.
    fn segment(&mut self, id: FlowId, side: usize, segment: &Segment<'_>, captured: Captured) -> bool {
        let now = self.now;
        let Some(Tracked { entry, .. }) = self.flows.get_mut(id) else {
            return true;
        };
        entry.packets += u64::from(!segment.copy);
        let first_of_side = !std::mem::replace(&mut entry.sides_seen[side], true);
        entry.last = now;
        if segment.flags.syn
            && !segment.flags.ack
            && entry.syn.is_none()
            && entry.reuse != Some((side, segment.seq))
            && (side == entry.about.client || !entry.certain)
        {
            entry.syn = Some((side, segment.seq));
            entry.about.client = side;
            entry.certain = true;
        }
        // The side that opened the flow answers no SYN, and the other one sends none of its own: where either stands in
        // the other's stream is not for such a segment to tell.
        if segment.flags.syn
            && entry
                .syn
                .is_some_and(|(opened, _)| (opened == side) == segment.flags.ack)
        {
            self.counters.held_overflow += u64::from(!segment.payload.is_empty());
            return true;
        }
        if segment.cut > 0 {
            entry.flags.insert(Flags::TRUNCATED);
        }
        if segment.overlap {
            entry.flags.insert(Flags::CONFLICT);
        }
        if segment.urgent {
            self.counters.urgent += 1;
            entry.flags.insert(Flags::URGENT);
        }
        if !segment.payload.is_empty() && !segment.copy {
            entry.data.note(side, captured.ts);
        }
        let repeated = (self.counters.retransmitted_bytes, self.counters.uncompared_bytes);
        let settled = self.with(id, |conversation, cx, receiver| {
            let held = *cx.held_total;
            let standing = conversation.push(side, segment, captured.ts, captured.frame, cx, receiver);
            let changed = first_of_side || receiver.touched || held != *cx.held_total;
            (standing, conversation.waits(), changed)
        });
        if segment.copy {
            // The network did not send these bytes again; a mirror did.
            (self.counters.retransmitted_bytes, self.counters.uncompared_bytes) = repeated;
        }
        let (Some((standing, waits, changed)), Some(Tracked { entry, .. })) =
            (settled, self.flows.get_mut(id))
        else {
            return true;
        };
        if standing == Standing::Closed && entry.closed.is_none() {
            self.close(id);
            return true;
        }
        entry.closed = entry.closed.filter(|_| standing == Standing::Closed);
        if waits && !entry.queued {
            entry.queued = true;
            self.wait(id);
        }
        changed
    }

    /// Time alone settles something of a flow.
    fn wait(&mut self, id: FlowId) {
        let Self { waiting, flows, .. } = self;
        if waiting.len() > 2 * flows.len() + QUEUE {
            // Most of them are gone.
            waiting.retain(|(_, id)| flows.get_mut(*id).is_some_and(|f| f.entry.queued));
        }
        waiting.push_back((self.now, id));
        self.due = Timestamp(0);
    }

    /// Both directions are over.
    fn close(&mut self, id: FlowId) {
        let Self {
            closing, flows, now, ..
        } = self;
        if closing.len() > 2 * flows.len() + QUEUE {
            closing.retain(|(since, id)| flows.get_mut(*id).is_some_and(|f| f.entry.closed == Some(*since)));
        }
        if let Some(flow) = flows.get_mut(id) {
            flow.entry.closed = Some(*now);
            // One that goes on and ends again at the same time is in the queue already.
            if flow.entry.queued_closed.replace(*now) != Some(*now) {
                closing.push_back((*now, id));
            }
        }
        self.due = Timestamp(0);
        self.with(id, |_, _, sink| sink.finish());
        if let Some(Tracked { conversation, entry }) = self.flows.get_mut(id)
            && conversation.is_final()
        {
            entry.content.settle();
        }
    }

    fn check_overdue(&mut self, id: FlowId) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        flow.entry.queued = false;
        // Bytes that wait for a retransmission are looked at again when the flow's next packet comes; what
        // time alone settles is looked at again in time.
        let settled = self.with(id, |conversation, cx, receiver| {
            let standing = conversation.overdue(now, cx, receiver);
            (standing, conversation.waits_on_time())
        });
        let (Some((standing, waits)), Some(Tracked { entry, .. })) = (settled, self.flows.get_mut(id)) else {
            return;
        };
        if standing == Standing::Closed && entry.closed.is_none() {
            self.close(id);
        } else if waits {
            entry.queued = true;
            self.wait(id);
        }
        self.weigh(id);
    }

    /// Runs `work` on a flow.
    fn with<R>(
        &mut self,
        id: FlowId,
        work: impl FnOnce(&mut Conversation, &mut conversation::Context<'_>, &mut Sink<'_>) -> R,
    ) -> Option<R> {
        let Tracked { conversation, entry } = self.flows.get_mut(id)?;
        let mut cx = conversation::Context {
            limits: &self.limits,
            counters: &mut self.counters,
            history: &mut self.history,
            held_total: &mut self.held_total,
            conflict: None,
            gap: false,
        };
        let server_seen = entry.sides_seen[1 - entry.about.client];
        // Bodies make way before flows do: flows that hold much keep no more of theirs when they have three quarters of what is theirs
        // together, and all else goes on. Those that hold little may keep a little all the same, so that nobody takes it from them.
        let left = (self.limits.memory / 8 * 3).saturating_sub(self.heavy);
        let least = if entry.class == Class::Heavy { 0 } else { LITTLE };
        let lent = self.keep.min(left.max(least));
        let mut room = lent;
        let mut sink = Sink {
            entry,
            limits: &self.limits,
            counters: &mut self.content_counters,
            pool: &mut self.pool,
            secrets: &self.secrets,
            room: &mut room,
            events: &mut self.events,
            now: self.now,
            server_seen,
            touched: false,
        };
        let result = work(conversation, &mut cx, &mut sink);
        let (conflict, gap) = (cx.conflict, cx.gap);
        let entry = sink.entry;
        if let Some(conflict) = conflict {
            entry.conflicts(conflict);
        }
        if gap {
            entry.flags.insert(Flags::GAP);
        }
        // Less what was kept, and with what was given back.
        self.keep = self.keep + room - lent;
        Some(result)
    }

    /// Ends a flow and forgets it.
    fn end(&mut self, id: FlowId) {
        let now = self.now;
        self.with(id, |conversation, cx, sink| {
            conversation.finish(now, cx, sink);
            sink.finish();
        });
        let Some(Tracked {
            conversation,
            mut entry,
        }) = self.flows.remove(id)
        else {
            return;
        };
        self.weight -= entry.weight;
        if entry.class == Class::Heavy {
            self.heavy -= entry.weight;
        }
        let (told, asker) = match (&entry.content, &entry.inside) {
            _ if entry.session.is_some() => {
                let told = entry.session.as_ref().and_then(|s| s.told().told().cloned());
                (told, None)
            }
            (Content::Tls(handshake), _) => (
                handshake.told().cloned(),
                handshake.reversed().then_some(1 - entry.about.client),
            ),
            (_, Some(inside)) => (inside.told().cloned(), inside.client()),
            _ => (None, None),
        };
        let app = match &entry.content {
            Content::Empty if entry.session.is_some() => App::Tls,
            content => content.app(),
        };
        // What led to a tunnel was HTTP, whatever goes through it.
        let hidden = entry.tunnels > 0
            && (entry.session.is_some() || !matches!(entry.content, Content::Empty))
            && matches!(app, App::Tls | App::Unknown);
        let app = match app {
            App::Tls | App::Unknown if entry.tunnels > 0 => App::Http1,
            App::Unknown if told.is_some() => App::Tls,
            app => app,
        };
        if let Some(asker) = asker.filter(|_| !entry.certain && app == App::Tls) {
            entry.about.client = asker;
        }
        let had_payload = conversation.sides.iter().any(|s| s.delivered > 0);
        match app {
            App::Http1 => self.counters.http_flows += u64::from(entry.exchanges > 0),
            App::Http2 => {
                self.counters.http_flows += u64::from(entry.exchanges > 0);
                self.counters.http2_flows += 1;
            }
            App::Tls => self.counters.tls_flows += 1,
            App::Quic | App::Dtls => {}
            App::Unknown => self.counters.unknown_flows += u64::from(had_payload),
        }
        let decrypted = entry.session.as_ref().is_some_and(|s| s.has_opened());
        self.counters.tls_decrypted += u64::from(decrypted);
        let (client, server) = (entry.about.client, 1 - entry.about.client);
        if conversation.sides[client].seen != conversation.sides[server].seen {
            entry.flags.insert(Flags::ONE_SIDED);
        }
        let partial = entry.session.as_ref().is_some_and(|s| s.is_partial());
        let within = entry.session.is_none() && told.is_some();
        if had_payload && (!matches!(app, App::Http1 | App::Http2) || partial || within || hidden) {
            entry.flags.insert(Flags::OPAQUE);
        }
        self.events.push_back(Event::Flow(Box::new(Flow {
            flow: entry.about.flow_ref(),
            end: entry.last,
            packets: entry.packets,
            bytes: (
                conversation.sides[client].delivered,
                conversation.sides[server].delivered,
            ),
            lost: (conversation.sides[client].lost, conversation.sides[server].lost),
            data_packets: (entry.data.packets[client], entry.data.packets[server]),
            first_data: (entry.data.first(client), entry.data.first(server)),
            turns: entry.data.turns[client],
            exchanges: entry.exchanges,
            conflict_count: entry.conflicts.as_ref().map_or(0, |c| c.count),
            conflicts: entry.conflicts.take().map_or_else(Vec::new, |all| {
                all.shown
                    .into_iter()
                    .map(|(side, conflict)| Conflict {
                        from_client: side == client,
                        offset: conflict.offset.saturating_sub(conversation.sides[side].begin()),
                        ..conflict
                    })
                    .collect()
            }),
            tunnel: entry.about.wrapping.tunnel,
            app,
            tls: told,
            flags: entry.flags,
        })));
    }
}

/// The client of a flow joined midway, until its content tells: the end that is not a usual server port.
pub(crate) fn guess_client(key: &FlowKey, sender: usize) -> usize {
    let (low, high) = (key.end(0).1, key.end(1).1);
    match (SERVER_PORTS.contains(&low), SERVER_PORTS.contains(&high)) {
        (true, false) => 1,
        (false, true) => 0,
        _ if low < 1024 && high >= 1024 => 1,
        _ if high < 1024 && low >= 1024 => 0,
        _ => sender,
    }
}

impl Entry {
    /// Whether it is known what it carries, by more than the first bytes.
    fn is_recognised(&self) -> bool {
        match &self.content {
            Content::Http(connection) => connection.verdict() == Verdict::Http,
            Content::Http2(_) => true,
            Content::Tls(handshake) => handshake.told().is_some(),
            Content::Opaque(app) => {
                *app != App::Unknown || self.inside.as_ref().is_some_and(|i| i.told().is_some())
            }
            Content::Empty | Content::Begun(..) => self.session.is_some(),
        }
    }

    /// Whether what it carries had begun before the first of it was seen.
    fn is_midstream(&self) -> bool {
        self.flags.contains(Flags::MIDSTREAM) && self.tunnels == 0
    }

    /// Notes a retransmission that differs from its first copy. Its offset is that of the stream until the flow ends.
    fn conflicts(&mut self, found: Conflicting) {
        self.flags.insert(Flags::CONFLICT);
        let all = self.conflicts.get_or_insert_default();
        all.count = all.count.saturating_add(1);
        if all.shown.len() < Conflict::SHOWN {
            let differing = found.differing;
            let conflict = Conflict {
                from_client: false,
                ts: found.ts,
                frame: found.frame,
                offset: differing.offset,
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the low half is the sequence number"
                )]
                seq: differing.offset as u32,
                len: differing.len,
                first: differing.first,
                second: differing.second,
            };
            all.shown.push((found.side, conflict));
        }
    }
}

impl About {
    pub(crate) fn flow_ref(&self) -> FlowRef {
        let at = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port);
        FlowRef {
            client: at(self.key.end(self.client)),
            server: at(self.key.end(1 - self.client)),
            start: self.start,
            vlan: self.wrapping.vlan,
            vni: self.wrapping.vni,
            tls: self.tls,
        }
    }
}

/// Takes the default port of `https` off the host (RFC 9110 section 4.2.2); the head is read without regard to TLS.
fn without_https_port(exchange: &mut Exchange) {
    if let Some(request) = &mut exchange.request
        && let Some(host) = request.host.strip_suffix(":443")
    {
        request.host.truncate(host.len());
    }
}

/// Takes the ordered bytes of one flow to its content.
struct Sink<'a> {
    entry: &'a mut Entry,
    limits: &'a Limits,
    counters: &'a mut Counters,
    pool: &'a mut Pool,
    secrets: &'a Secrets,
    room: &'a mut usize,
    events: &'a mut VecDeque<Event>,
    now: Timestamp,
    /// Whether a packet from the server was seen.
    server_seen: bool,
    /// Whether anything was brought to the content.
    touched: bool,
}

impl Sink<'_> {
    fn direction(&self, side: usize) -> Direction {
        if side == self.entry.about.client {
            Direction::Request
        } else {
            Direction::Response
        }
    }

    /// Runs the work that fits the content, if it is HTTP.
    fn connection(
        &mut self,
        http1: impl FnOnce(&mut Connection, &mut connection::Context<'_>, &mut dyn FnMut(Event)),
        http2: impl FnOnce(&mut http2::Connection, &mut connection::Context<'_>, &mut dyn FnMut(Event)),
    ) {
        let mut flags = Flags::empty();
        for flag in [Flags::MIDSTREAM, Flags::CONFLICT, Flags::URGENT] {
            if self.entry.flags.contains(flag) {
                flags.insert(flag);
            }
        }
        let mut cx = connection::Context {
            limits: self.limits,
            counters: self.counters,
            pool: self.pool,
            room: self.room,
            flow: &self.entry.about,
            flags,
            server_seen: self.server_seen,
            may_decrypt: !self.secrets.is_empty() && !self.entry.about.tls,
            now: self.now,
        };
        let before = self.entry.before;
        let events = &mut *self.events;
        let mut tunnel = None;
        let mut count = 0;
        let mut give = |mut event: Event| {
            if let Event::Exchange(exchange) = &mut event {
                count += 1;
                // What led to a tunnel did not go through it.
                exchange.flow.tls &= exchange.index >= before;
                if exchange.flow.tls {
                    without_https_port(exchange);
                }
            }
            events.push_back(event);
        };
        let undecided = matches!(self.entry.content, Content::Empty | Content::Begun(..));
        let answers = self.entry.about.tls && matches!(self.entry.content, Content::Http(_));
        if let Some(ready) = self.entry.held.take_if(|_| !undecided && !answers) {
            // What goes through the tunnel cannot be read.
            give(Event::Exchange(Box::new(connection::exchange(*ready, &mut cx))));
        }
        match &mut self.entry.content {
            Content::Http(connection) => {
                if let Some(ready) = self.entry.held.take() {
                    self.entry.held = connection.answers(ready);
                }
                http1(connection, &mut cx, &mut give);
                if let Some(handed) = connection.hand_over() {
                    connection.finish(&mut cx, &mut give);
                    match handed.to {
                        To::Http2(request) => {
                            let mut connection = http2::Connection::upgraded(handed.index, *request);
                            for (direction, bytes, meta) in handed.rest {
                                connection.data(direction, &bytes, meta, &mut cx, &mut give);
                            }
                            self.entry.content = Content::Http2(Box::new(connection));
                        }
                        To::Tunnel { .. } => tunnel = Some(handed),
                    }
                } else if connection.verdict() == Verdict::Foreign {
                    connection.finish(&mut cx, &mut give);
                    self.entry.content = Content::Opaque(App::Unknown);
                }
            }
            Content::Http2(connection) => {
                http2(connection, &mut cx, &mut give);
                if connection.turn() {
                    self.entry.about.client = 1 - self.entry.about.client;
                }
            }
            Content::Empty | Content::Begun(..) | Content::Tls(_) | Content::Opaque(_) => {}
        }
        self.entry.exchanges += count;
        if let Some(tunnel) = tunnel {
            self.goes_through(*tunnel);
        }
    }

    /// The flow goes on as a tunnel: what it carries is recognised as that of another flow.
    fn goes_through(&mut self, tunnel: Handed) {
        let To::Tunnel { lost, ended, held } = tunnel.to else {
            return;
        };
        self.entry.held = held;
        self.entry.tunnels += 1;
        self.entry.before = tunnel.index;
        self.entry.content = Content::Empty;
        self.entry.inside = None;
        // Who asked for the tunnel is the client, whatever the content looks like.
        self.entry.certain = true;
        let (client, server) = (self.entry.about.client, 1 - self.entry.about.client);
        if lost[0] {
            self.missing(client, UNKNOWN);
        }
        let mut cut = lost[1];
        for (direction, bytes, meta) in tunnel.rest {
            let from_server = direction == Direction::Response;
            if from_server && std::mem::take(&mut cut) {
                self.missing(server, UNKNOWN);
            }
            self.passed(if from_server { server } else { client }, &bytes, meta);
        }
        if cut {
            self.missing(server, UNKNOWN);
        }
        for (side, _) in [client, server]
            .into_iter()
            .zip(ended)
            .filter(|(_, ended)| *ended)
        {
            self.end(side, true, self.now);
        }
    }

    /// HTTP/1, of which the first exchange is the next of the flow.
    fn http1(&self, midstream: bool) -> Content {
        let opens_tunnels = self.entry.tunnels < MAX_TUNNELS;
        Content::Http(Box::new(Connection::new(
            midstream,
            self.entry.before,
            opens_tunnels,
        )))
    }

    /// HTTP/2, likewise.
    fn http2(&self, midstream: bool) -> Content {
        let connection = http2::Connection::new(midstream);
        Content::Http2(Box::new(connection.counting_from(self.entry.before)))
    }

    /// Hands bytes to the content.
    fn read(&mut self, side: usize, bytes: &[u8], meta: Meta) {
        if let Content::Http(connection) = &self.entry.content
            && connection.verdict() == Verdict::Undecided
            && self.entry.is_midstream()
            && http2::looks_like(bytes, self.direction(side))
        {
            // Joined within a frame: only now does one begin with a segment.
            self.entry.content = self.http2(true);
        }
        let direction = self.direction(side);
        if let Content::Tls(handshake) = &mut self.entry.content {
            handshake.data(direction == Direction::Request, bytes);
            return;
        }
        self.connection(
            |connection, cx, mut out| connection.data(direction, bytes, meta, cx, &mut out),
            |connection, cx, mut out| connection.data(direction, bytes, meta, cx, &mut out),
        );
        if !self.entry.about.tls {
            self.look_inside(side, bytes, meta);
        }
    }

    fn finish(&mut self) {
        self.settle_beginning();
        if self.entry.held.is_some() && matches!(self.entry.content, Content::Empty) {
            self.entry.content = Content::Opaque(App::Tls);
        }
        self.connection(
            |connection, cx, mut out| connection.finish(cx, &mut out),
            |connection, cx, mut out| connection.finish(cx, &mut out),
        );
        if let Content::Http(connection) = &self.entry.content
            && connection.verdict() == Verdict::Undecided
        {
            self.entry.content = Content::Opaque(App::Unknown);
        }
    }

    /// A flow joined midway: its messages tell which side is the client.
    fn orient(&mut self, side: usize, bytes: &[u8]) {
        if matches!(self.entry.content, Content::Http2(_)) {
            // It knows by what its header blocks say.
            return;
        }
        if let Content::Http(connection) = &self.entry.content
            && connection.verdict() == Verdict::Http
        {
            // A whole message was read: what looks like another now is a body that quotes one.
            self.entry.certain = true;
            return;
        }
        let Some(direction) = connection::looks_like(bytes) else {
            return;
        };
        let client = if direction == Direction::Request {
            side
        } else {
            1 - side
        };
        if client != self.entry.about.client {
            self.entry.about.client = client;
            if let Content::Http(connection) = &self.entry.content
                && connection.verdict() == Verdict::Undecided
            {
                self.entry.content = self.http1(true);
            }
        }
        self.entry.certain = true;
    }

    /// A flow that is no HTTP, or goes on as a tunnel, may go over to TLS.
    fn look_inside(&mut self, side: usize, bytes: &[u8], meta: Meta) {
        let direction = self.direction(side);
        let Content::Http(connection) = &self.entry.content else {
            if matches!(self.entry.content, Content::Opaque(App::Unknown)) {
                self.entry.inside.get_or_insert_default().data(side, bytes);
            }
            return;
        };
        if connection.verdict() != Verdict::Http {
            self.entry.inside.get_or_insert_default().data(side, bytes);
        } else if let Some(from) = connection.tunnel_from(direction) {
            // What came before, in the same segment too, was HTTP and quotes a hello at most.
            let before = usize::try_from(from.saturating_sub(meta.offset)).unwrap_or(usize::MAX);
            let inside = self.entry.inside.get_or_insert_default();
            if before > 0 {
                inside.begin(side, direction == Direction::Request);
            }
            inside.data(side, bytes.get(before..).unwrap_or(&[]));
        } else if !connection.has_tunnelled() {
            self.entry.inside = None;
        }
    }

    /// What was too short to tell is read as what it most likely is.
    fn settle_beginning(&mut self) {
        if let Content::Begun(side, bytes, meta) = &mut self.entry.content {
            let (side, bytes, meta) = (*side, std::mem::take(bytes), *meta);
            self.entry.content = Content::Empty;
            self.recognise(side, &bytes, meta, true);
            let begins_tls = self.decrypt(side, |session, from_client, cx, out| {
                session.data(from_client, &bytes, meta, cx, out);
            });
            if !begins_tls {
                self.read(side, &bytes, meta);
            }
        }
    }

    /// The first payload of a flow tells what it carries; `whole` tells that there is no waiting for more of it.
    fn recognise(&mut self, side: usize, bytes: &[u8], meta: Meta, whole: bool) {
        let midstream = self.entry.is_midstream();
        // Nothing else that is read here begins with the type of a handshake record, but one byte is no proof.
        if tls::may_begin(bytes) && !whole {
            self.entry.content = Content::Begun(side, bytes.to_vec(), meta);
            return;
        }
        if tls::begins(bytes) || tls::may_begin(bytes) {
            // TLS in TLS is left alone.
            if !self.secrets.is_empty() && !self.entry.about.tls {
                self.entry.session = Some(Box::default());
            } else {
                self.entry.content = Content::Tls(Box::default());
            }
            self.entry.about.tls = true;
            return;
        }
        match http2::begins(bytes) {
            http2::Beginning::Preface => {
                // Only a client sends it (RFC 9113 section 3.4).
                self.entry.about.client = side;
                self.entry.certain = true;
                self.entry.content = self.http2(false);
                return;
            }
            http2::Beginning::Settings if !midstream => {
                self.entry.content = self.http2(false);
                return;
            }
            http2::Beginning::Short if !whole => {
                self.entry.content = Content::Begun(side, bytes.to_vec(), meta);
                return;
            }
            _ => {}
        }
        if midstream && http2::looks_like(bytes, self.direction(side)) {
            self.entry.content = self.http2(true);
            return;
        }
        if !self.entry.certain {
            self.orient(side, bytes);
        }
        self.entry.content = self.http1(midstream);
    }
}

/// The length of a gap of unknown length: longer than any body.
const UNKNOWN: u64 = u64::MAX;

impl Sink<'_> {
    /// Runs `work` on the TLS of the flow, and takes what comes out of it to the content. False without such TLS.
    fn decrypt(
        &mut self,
        side: usize,
        work: impl FnOnce(&mut Session, bool, &mut tls::Context<'_>, &mut dyn FnMut(Opened<'_>)),
    ) -> bool {
        let Some(mut session) = self.entry.session.take() else {
            return false;
        };
        let from_client = self.direction(side) == Direction::Request;
        let mut counters = Counters::default();
        let mut cx = tls::Context {
            secrets: self.secrets,
            counters: &mut counters,
        };
        work(&mut session, from_client, &mut cx, &mut |opened| match opened {
            Opened::Text(bytes, meta) => self.carried(side, bytes, meta),
            Opened::Gap => self.missing(side, UNKNOWN),
        });
        self.counters.add(&counters);
        if session.is_over() && matches!(self.entry.content, Content::Empty) {
            // Nothing was read of it, and nothing will be.
            self.entry.content = Content::Tls(Box::new(session.into_told()));
        } else {
            self.entry.session = Some(session);
        }
        true
    }

    /// The next bytes of a direction.
    fn passed(&mut self, side: usize, bytes: &[u8], meta: Meta) {
        let decrypted = self.decrypt(side, |session, from_client, cx, out| {
            session.data(from_client, bytes, meta, cx, out);
        });
        if !decrypted {
            self.carried(side, bytes, meta);
        }
    }

    /// The next bytes of the content.
    fn carried(&mut self, side: usize, bytes: &[u8], meta: Meta) {
        let mut before = None;
        if let Content::Begun(begun, held, first) = &mut self.entry.content {
            if *begun == side {
                before = Some((std::mem::take(held), *first));
                self.entry.content = Content::Empty;
            } else {
                self.settle_beginning();
                if self.entry.session.is_some() {
                    return self.data(side, bytes, meta);
                }
            }
        }
        if matches!(self.entry.content, Content::Empty) {
            let first = before.as_ref().map_or(meta, |(_, first)| *first);
            let whole: Cow<'_, [u8]> = match &before {
                Some((held, _)) => [held, bytes].concat().into(),
                None => bytes.into(),
            };
            match self.proxied(side, &whole) {
                proxy::Beginning::Header(len) => {
                    self.counters.proxied_flows += 1;
                    self.entry.proxied = true;
                    // What was put by was too short to be a header, so the header ends in what came now.
                    let skip = len - (whole.len() - bytes.len());
                    if let Some(behind) = bytes.get(skip..).filter(|behind| !behind.is_empty()) {
                        let offset = meta.offset + skip as u64;
                        self.carried(side, behind, Meta { offset, ..meta });
                    }
                    return;
                }
                proxy::Beginning::Short => {
                    self.entry.content = Content::Begun(side, whole.into_owned(), first);
                    return;
                }
                proxy::Beginning::Other => {}
            }
            self.recognise(side, &whole, first, false);
            let begins_tls = self.decrypt(side, |session, from_client, cx, out| {
                session.data(from_client, &whole, first, cx, out);
            });
            if begins_tls {
                return;
            }
        } else if !self.entry.certain {
            self.orient(side, bytes);
        }
        if matches!(self.entry.content, Content::Begun(..)) {
            return;
        }
        if let Some((held, first)) = before {
            self.read(side, &held, first);
        }
        self.read(side, bytes, meta);
    }

    /// Whether a client begins a flow with the header of a load balancer.
    fn proxied(&self, side: usize, bytes: &[u8]) -> proxy::Beginning {
        let may_be = !self.entry.proxied
            && !self.entry.about.tls
            && !self.entry.is_midstream()
            && self.direction(side) == Direction::Request;
        if may_be {
            proxy::begins(bytes)
        } else {
            proxy::Beginning::Other
        }
    }

    /// The next `len` bytes of the content were never seen.
    fn missing(&mut self, side: usize, len: u64) {
        self.settle_beginning();
        if self.entry.session.is_some() {
            self.decrypt(side, |session, from_client, _, out| {
                session.gap(from_client, len, out)
            });
            return;
        }
        if matches!(self.entry.content, Content::Empty) {
            self.entry.content = self.http1(true);
        }
        let direction = self.direction(side);
        if let Content::Tls(handshake) = &mut self.entry.content {
            handshake.gap(direction == Direction::Request);
            return;
        }
        if let Some(inside) = &mut self.entry.inside {
            inside.gap(side);
        }
        self.connection(
            |connection, cx, mut out| connection.gap(direction, len, cx, &mut out),
            |connection, cx, mut out| connection.gap(direction, len, cx, &mut out),
        );
    }
}

impl Receiver for Sink<'_> {
    fn data(&mut self, side: usize, bytes: &[u8], meta: Meta) {
        self.touched = true;
        self.passed(side, bytes, meta);
    }

    fn gap(&mut self, side: usize, len: u64, _meta: Meta) {
        self.touched = true;
        let decrypted = self.decrypt(side, |session, from_client, _, out| {
            session.gap(from_client, len, out)
        });
        if !decrypted {
            self.missing(side, len);
        }
    }

    fn begins(&self, bytes: &[u8]) -> bool {
        connection::looks_like(bytes).is_some()
    }

    fn end(&mut self, side: usize, clean: bool, _now: Timestamp) {
        self.touched = true;
        self.settle_beginning();
        let direction = self.direction(side);
        self.connection(
            |connection, cx, mut out| connection.end(direction, clean, cx, &mut out),
            // Streams end by themselves; what is open is given out when both directions are over.
            |_, _, _| {},
        );
    }

    fn resumes(&mut self) {
        self.touched = true;
        match &mut self.entry.content {
            Content::Http(connection) => connection.resume(),
            Content::Http2(connection) => connection.resume(),
            // It may have been given up only because it ended early.
            Content::Opaque(App::Unknown) => self.entry.content = self.http1(true),
            Content::Empty | Content::Begun(..) | Content::Tls(_) | Content::Opaque(_) => {}
        }
    }
}
