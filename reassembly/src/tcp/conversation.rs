//! The two directions of a flow in order against each other.
//!
//! A mirror port may deliver the directions, or the queues of a card, some milliseconds apart, and a
//! sensor loses frames that the hosts did not. Both are settled by what TCP says itself: every segment
//! tells with its acknowledgment number how much of the other direction its sender had when it was sent
//! (RFC 9293 section 3.4). So bytes are delivered only after the bytes they answer, and bytes that were
//! acknowledged but are not seen within [`Limits::reorder_wait`] are a gap. Bytes that were not
//! acknowledged are waited for, because their receiver waits for them too.

use crate::limits::{Counters, Limits};
use crate::packet::{Segment, TcpFlags};
use crate::tcp::before::Before;
use crate::tcp::history::{Differing, History};
use crate::tcp::stream::{HELD, Meta, Stream, Tentative, Told};
use crate::time::Timestamp;

/// Farther than this behind or ahead of the next byte no honest segment lies: the largest window is
/// 1 GiB (RFC 7323 section 2.2).
const WINDOW: u64 = 1 << 30;

/// An acknowledgment farther ahead of what was seen than this is taken for nonsense: it would be 16 MiB
/// in flight and all of it lost to the sensor.
const ACK_AHEAD: u64 = 1 << 24;

/// How far back the beginning of a direction may move while it settles.
pub(crate) const SETTLE_BACK: u64 = 1 << 20;

/// Bytes of memory held per direction after a RST, in case the flow goes on.
const HELD_AFTER_RESET: usize = 1 << 16;

/// What takes ordered bytes. `side` is 0 or 1 as in the conversation.
pub(crate) trait Receiver {
    /// The next bytes of a direction.
    fn data(&mut self, side: usize, bytes: &[u8], meta: Meta);
    /// The next `len` bytes of a direction were never seen.
    fn gap(&mut self, side: usize, len: u64, meta: Meta);
    /// Whether these bytes can be the first of a direction.
    fn begins(&self, bytes: &[u8]) -> bool;
    /// A direction is over; `clean` tells whether by a FIN.
    fn end(&mut self, side: usize, clean: bool, now: Timestamp);
    /// A flow that was over goes on: the hosts did not believe the RST that ended it.
    fn resumes(&mut self);
}

/// What [`Conversation::push`] needs from outside.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) counters: &'a mut Counters,
    pub(crate) history: &'a mut History,
    /// Bytes held by all flows.
    pub(crate) held_total: &'a mut usize,
    /// The first place where a retransmission differed from its first copy.
    pub(crate) conflict: Option<Conflicting>,
    /// Set when bytes were given up.
    pub(crate) gap: bool,
}

/// A retransmission that differs from its first copy.
#[derive(Debug)]
pub(crate) struct Conflicting {
    pub(crate) side: usize,
    /// Capture time and frame of the later copy.
    pub(crate) ts: Timestamp,
    pub(crate) frame: u64,
    pub(crate) differing: Differing,
}

impl Context<'_> {
    /// Notes that the bytes of a segment differ from an earlier copy, if they do.
    fn note(&mut self, side: usize, meta: &Meta, differing: Option<Differing>) {
        let Some(differing) = differing else { return };
        self.counters.conflicts += 1;
        self.conflict.get_or_insert(Conflicting {
            side,
            ts: meta.ts,
            frame: meta.frame,
            differing,
        });
    }

    /// Compares bytes with what was delivered in their place.
    fn compare(&mut self, side: usize, stream: &Stream, offset: u64, bytes: &[u8], meta: &Meta) {
        let compared = stream.compare(offset, bytes, self.history);
        self.counters.retransmitted_bytes += bytes.len() as u64;
        self.counters.uncompared_bytes += bytes.len() as u64 - compared.bytes;
        self.note(side, meta, compared.differing);
    }
}

/// How a flow stands after a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Open,
    /// Both directions are over.
    Closed,
}

/// Two directions.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) sides: [Stream; 2],
    pub(crate) closed: bool,
    /// Joined midway: the first packet seen may not be the first one sent, so everything is held until a
    /// message begins or the wait is over. Holds the time of the first payload.
    settling: Settling,
    /// A RST that has not ended the flow yet: bytes before it may still come.
    reset: Option<Reset>,
    /// A RST has ended the flow.
    by_reset: bool,
    /// What another flow on the same addresses sent before this one.
    pub(crate) before: Option<Box<Before>>,
}

/// A RST of one side.
#[derive(Debug, Clone, Copy)]
struct Reset {
    side: usize,
    /// Its offset, where the beginning of the direction is known.
    at: Option<u64>,
    since: Timestamp,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Settling {
    #[default]
    Done,
    Waiting(Option<Timestamp>),
}

impl Conversation {
    /// A conversation of which the beginning was not seen.
    pub(crate) fn midstream() -> Self {
        Self {
            settling: Settling::Waiting(None),
            ..Self::default()
        }
    }

    /// Takes one segment sent by `side`, and delivers what can be delivered.
    #[inline]
    pub(crate) fn push(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        ts: Timestamp,
        frame: u64,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) -> Standing {
        if self.is_next(side, segment) {
            self.pass(side, segment, ts, frame, cx, out);
            return Standing::Open;
        }
        self.push_any(side, segment, ts, frame, cx, out)
    }

    /// Whether a segment acknowledges what was seen, brings the next bytes or none, and changes nothing else, while
    /// nothing waits: so it is with most.
    #[inline]
    fn is_next(&self, side: usize, segment: &Segment<'_>) -> bool {
        const PLAIN: TcpFlags = TcpFlags {
            syn: false,
            ack: true,
            fin: false,
            rst: false,
        };
        let (own, other) = (&self.sides[side], &self.sides[1 - side]);
        let probes = segment.payload.len() == 1 && other.shut;
        segment.flags == PLAIN
            && !self.closed
            && self.before.is_none()
            && self.is_quiet()
            && own.tentative.is_none()
            && other.tentative.is_none()
            && other.offset(segment.ack) <= other.next
            && (segment.payload.is_empty() || (own.offset(segment.seq) == own.next && !probes))
    }

    /// Takes such a segment.
    #[inline]
    fn pass(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        ts: Timestamp,
        frame: u64,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) {
        let [low, high] = &mut self.sides;
        let (own, other) = if side == 0 { (low, high) } else { (high, low) };
        let (offset, ack) = (own.offset(segment.seq), other.offset(segment.ack));
        other.acked = other.acked.max(ack);
        (own.stuck, other.stuck) = (None, None);
        own.seen = true;
        own.shut = segment.shut;
        own.tells(offset, ack);
        if segment.payload.is_empty() {
            return;
        }
        let meta = Meta {
            ts,
            frame,
            offset,
            ack,
            other: other.told_before(ack),
        };
        own.remember(segment.payload, cx.history);
        cx.counters.payload_bytes += segment.payload.len() as u64;
        out.data(side, segment.payload, meta);
    }

    /// Takes any segment.
    #[inline(never)]
    fn push_any(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        ts: Timestamp,
        frame: u64,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) -> Standing {
        if self.closed {
            if !self.by_reset {
                cx.counters.retransmitted_bytes += segment.payload.len() as u64;
                cx.counters.uncompared_bytes += segment.payload.len() as u64;
                return Standing::Closed;
            }
            if !self.goes_on(side, segment) {
                self.hold_after_reset(side, segment, ts, frame, cx);
                return Standing::Closed;
            }
            self.resume(cx, out);
        }
        if self.is_late(side, segment) {
            cx.counters.retransmitted_bytes += segment.payload.len() as u64;
            cx.counters.uncompared_bytes += segment.payload.len() as u64;
            return self.standing();
        }
        let other = 1 - side;
        self.sides[side].seen = true;
        if !segment.flags.rst || self.sides[side].started {
            // A SYN takes one sequence number itself (RFC 9293 section 3.4); data may follow it at once
            // (RFC 7413).
            self.sides[side].start(segment.seq.wrapping_add(u32::from(segment.flags.syn)));
        }
        if segment.flags.ack && !segment.flags.rst {
            self.sides[other].start(segment.ack);
        }
        if self.settling != Settling::Done && !segment.flags.rst {
            self.move_start(side, segment.seq);
            if segment.flags.ack {
                self.move_start(other, segment.ack);
            }
        }
        let ack = if segment.flags.ack && self.sides[other].started {
            let ack = self.sides[other].offset(segment.ack);
            let o = &mut self.sides[other];
            if ack > o.acked && ack - o.next.min(ack) < ACK_AHEAD {
                o.acked = ack;
            }
            ack
        } else {
            0
        };
        if segment.flags.rst {
            return self.reset(side, segment, ts, cx, out);
        }
        if segment.flags.ack {
            self.sides[side].shut = segment.shut;
            if self.sides[other].tentative.is_some() {
                self.confirm(other, segment.flags.syn, cx, out);
            }
        }
        let payload_seq = segment.seq.wrapping_add(u32::from(segment.flags.syn));
        let offset = self.sides[side].offset(payload_seq);
        let meta = Meta {
            ts,
            frame,
            offset,
            ack,
            other: Told::default(),
        };
        if ack != 0 {
            self.sides[side].tells(offset, ack);
        }
        if self.sides[side].tentative.is_some() && (segment.flags.fin || !segment.payload.is_empty()) {
            self.follow(side, segment.payload, &meta, cx, out);
        }
        if !segment.payload.is_empty() && !self.put_by(side, segment, &meta, cx) {
            let first = self.first_known(side);
            self.payload(side, segment.payload, offset, meta, cx, out);
            if let Settling::Waiting(since) = self.settling {
                let full =
                    self.sides.iter().map(Stream::held_weight).sum::<usize>() > cx.limits.held_per_flow / 2;
                if full || (out.begins(segment.payload) && offset <= first) {
                    self.settle();
                } else if since.is_none() {
                    self.settling = Settling::Waiting(Some(ts));
                }
            }
        }
        if segment.flags.fin {
            let at = offset + segment.payload.len() as u64 + u64::from(segment.cut);
            let s = &mut self.sides[side];
            if at >= s.next && at - s.next < WINDOW {
                s.fin = Some(s.fin.map_or(at, |known| known.min(at)));
            }
        }
        if segment.flags.fin {
            self.settle();
        }
        if self.is_quiet() {
            for s in &mut self.sides {
                s.stuck = None;
            }
            return Standing::Open;
        }
        self.drain(cx, out, ts);
        self.overdue(ts, cx, out)
    }

    /// Whether nothing waits and nothing is overdue, nor will be by time alone: so it is with most segments.
    fn is_quiet(&self) -> bool {
        let quiet = |s: &Stream| s.started && s.held.is_empty() && s.acked <= s.next && s.fin.is_none();
        self.settling == Settling::Done && self.reset.is_none() && self.sides.iter().all(quiet)
    }

    /// Whether a segment is of the flow before this one: there it fits, and not among what may come next here.
    fn is_late(&self, side: usize, segment: &Segment<'_>) -> bool {
        let of_before = |before: &Before| !segment.flags.syn && before.holds(side, segment.seq);
        if !self.before.as_deref().is_some_and(of_before) {
            return false;
        }
        let s = &self.sides[side];
        let offset = s.offset(segment.seq);
        !s.started || offset < s.begin() || offset > s.next + ACK_AHEAD
    }

    /// While settling, bytes before the ones seen first may still come.
    fn move_start(&mut self, side: usize, seq: u32) {
        let s = &mut self.sides[side];
        let offset = s.offset(seq);
        if s.started && offset < s.next && s.next - offset < SETTLE_BACK {
            s.next = offset;
        }
    }

    fn first_known(&self, side: usize) -> u64 {
        self.sides[side].first_held().unwrap_or(u64::MAX)
    }

    /// What was held while settling is in order now.
    fn settle(&mut self) {
        if self.settling == Settling::Done {
            return;
        }
        self.settling = Settling::Done;
        for s in &mut self.sides {
            if let Some(first) = s.first_held() {
                s.next = s.next.max(first);
            }
        }
    }

    fn payload(
        &mut self,
        side: usize,
        payload: &[u8],
        offset: u64,
        meta: Meta,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) {
        let ready = self.causally_ready(side, meta.ack);
        let meta = Meta {
            other: self.sides[1 - side].told_before(meta.ack),
            ..meta
        };
        let s = &self.sides[side];
        let (mut bytes, mut offset, mut meta) = (payload, offset, meta);
        if offset < s.next {
            let before = s.next - offset;
            // A keep-alive repeats the byte before the next one, often with other content, when all that was sent has
            // arrived (RFC 9293 section 3.8.4): no retransmission to compare.
            if before == 1 && bytes.len() == 1 && (s.acked >= s.next || !self.sides[1 - side].seen) {
                return;
            }
            if before >= WINDOW {
                return;
            }
            let (repeated, fresh) =
                bytes.split_at(usize::try_from(before).map_or(bytes.len(), |n| n.min(bytes.len())));
            cx.compare(side, s, offset, repeated, &meta);
            if fresh.is_empty() {
                return;
            }
            bytes = fresh;
            offset = s.next;
            meta.offset = offset;
        }
        let s = &mut self.sides[side];
        if offset - s.next >= WINDOW || s.fin.is_some_and(|fin| offset >= fin) {
            cx.counters.held_overflow += 1;
            return;
        }
        if offset == s.next && ready && s.held.is_empty() && self.settling == Settling::Done {
            // The common case: no copy, no allocation.
            s.remember(bytes, cx.history);
            cx.counters.payload_bytes += bytes.len() as u64;
            out.data(side, bytes, meta);
            return;
        }
        cx.counters.reordered += u64::from(offset > s.next);
        let cost = s.cost(offset, bytes);
        // What was waited for is let through: it is delivered at once, with what it held up.
        let awaited = offset == s.next && ready && self.settling == Settling::Done;
        if !awaited
            && (s.held_weight() + cost > cx.limits.held_per_flow
                || *cx.held_total + cost > cx.limits.held_total)
        {
            // Nothing is delivered while the beginning may still move back, or it would be delivered twice.
            self.settle();
            self.give_up(side, meta.ts, cx, out);
            self.drain(cx, out, meta.ts);
            let s = &mut self.sides[side];
            if offset < s.next
                || s.held_weight() + cost > cx.limits.held_per_flow
                || *cx.held_total + cost > cx.limits.held_total
            {
                cx.counters.held_overflow += 1;
                return;
            }
        }
        let s = &mut self.sides[side];
        let held_before = s.held_weight();
        let repeated = s.hold(offset, bytes, meta);
        *cx.held_total += s.held_weight() - held_before;
        cx.counters.retransmitted_bytes += repeated.bytes;
        cx.note(side, &meta, repeated.differing);
    }

    /// Puts bytes by that their receiver may refuse: those of a SYN, and a byte sent to find out whether a closed window
    /// has opened. They count when they are acknowledged, or when their sender goes on behind them.
    fn put_by(&mut self, side: usize, segment: &Segment<'_>, meta: &Meta, cx: &mut Context<'_>) -> bool {
        let probes = segment.payload.len() == 1 && self.sides[1 - side].shut;
        if !(segment.flags.syn || probes) || self.settling != Settling::Done {
            return false;
        }
        let s = &mut self.sides[side];
        let end = meta.offset + segment.payload.len() as u64;
        if segment.flags.syn && s.delivered + s.lost == 0 && s.held.is_empty() && s.next == end {
            // The answer came first, and acknowledges them.
            s.next = meta.offset;
        }
        let cost = segment.payload.len() + HELD;
        if meta.offset != s.next
            || s.acked > meta.offset
            || s.fin.is_some()
            || s.held_weight() + cost > cx.limits.held_per_flow
            || *cx.held_total + cost > cx.limits.held_total
        {
            return false;
        }
        *cx.held_total += cost;
        s.tentative = Some(Box::new(Tentative {
            offset: meta.offset,
            bytes: segment.payload.to_vec(),
            meta: *meta,
        }));
        true
    }

    /// Takes the tentative bytes of a direction out.
    fn take_tentative(&mut self, side: usize, cx: &mut Context<'_>) -> Option<Box<Tentative>> {
        let tentative = self.sides[side].tentative.take()?;
        *cx.held_total = cx.held_total.saturating_sub(tentative.bytes.len() + HELD);
        Some(tentative)
    }

    /// The other side has acknowledged something: the tentative bytes before it were taken, and those that the answer to
    /// a SYN leaves out were not.
    fn confirm(&mut self, side: usize, answers_syn: bool, cx: &mut Context<'_>, out: &mut impl Receiver) {
        let acked = self.sides[side].acked;
        let waits = |t: &Tentative| acked <= t.offset && !answers_syn;
        if self.sides[side].tentative.as_deref().is_none_or(waits) {
            return;
        }
        let Some(tentative) = self.take_tentative(side, cx) else {
            return;
        };
        let Tentative { offset, bytes, meta } = *tentative;
        let taken = usize::try_from(acked.saturating_sub(offset)).map_or(bytes.len(), |n| n.min(bytes.len()));
        cx.counters.refused_bytes += (bytes.len() - taken) as u64;
        if taken > 0 {
            self.payload(side, &bytes[..taken], offset, meta, cx, out);
        }
    }

    /// The sender of tentative bytes sends on: what it sends in their place counts, and what is before that it knows to have
    /// been taken.
    fn follow(
        &mut self,
        side: usize,
        payload: &[u8],
        meta: &Meta,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) {
        let again = meta.offset + payload.len() as u64;
        if self.sides[side]
            .tentative
            .as_deref()
            .is_none_or(|t| again <= t.offset)
        {
            return;
        }
        let Some(tentative) = self.take_tentative(side, cx) else {
            return;
        };
        let Tentative {
            offset,
            bytes,
            meta: first,
        } = *tentative;
        let taken =
            usize::try_from(meta.offset.saturating_sub(offset)).map_or(bytes.len(), |n| n.min(bytes.len()));
        let (taken, refused) = bytes.split_at(taken);
        if !taken.is_empty() {
            self.payload(side, taken, offset, first, cx, out);
        }
        cx.counters.refused_bytes += refused.len() as u64;
        let at = offset + taken.len() as u64;
        let replaced = usize::try_from(at.saturating_sub(meta.offset)).ok();
        if let Some(replaced) = replaced.and_then(|skip| payload.get(skip..)) {
            let len = refused.len().min(replaced.len());
            let differing = Differing::between(at, &refused[..len], &replaced[..len]);
            cx.note(side, meta, differing);
        }
    }

    /// Whether the bytes that the sender had received when it sent this are all delivered. A direction
    /// that was never seen cannot be waited for.
    fn causally_ready(&self, side: usize, ack: u64) -> bool {
        let other = &self.sides[1 - side];
        !other.seen || ack <= other.next || ack - other.next >= ACK_AHEAD
    }

    /// Delivers everything that is next and whose causes were delivered.
    fn drain(&mut self, cx: &mut Context<'_>, out: &mut impl Receiver, now: Timestamp) {
        if self.settling != Settling::Done {
            return;
        }
        loop {
            let mut moved = false;
            for side in 0..2 {
                while let Some(first) = self.sides[side].first_held() {
                    let ack = self.sides[side].held[&first].meta.ack;
                    if first > self.sides[side].next || !self.causally_ready(side, ack) {
                        break;
                    }
                    moved |= self.deliver_first(side, cx, out);
                }
                let s = &mut self.sides[side];
                if !s.ended && s.held.is_empty() && s.fin == Some(s.next) {
                    s.ended = true;
                    s.next += 1;
                    moved = true;
                    out.end(side, true, now);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn deliver_first(&mut self, side: usize, cx: &mut Context<'_>, out: &mut impl Receiver) -> bool {
        let s = &mut self.sides[side];
        let before = s.held_weight();
        let Some(held) = s.take_first() else {
            return false;
        };
        *cx.held_total = cx.held_total.saturating_sub(before - s.held_weight());
        let offset = s.next;
        let seen = usize::try_from(offset.saturating_sub(held.meta.offset)).unwrap_or(usize::MAX);
        let Some(bytes) = held.bytes.get(seen..).filter(|b| !b.is_empty()) else {
            return true;
        };
        s.remember(bytes, cx.history);
        cx.counters.payload_bytes += bytes.len() as u64;
        // The other side may have come later; but what it told may be forgotten by now.
        let told = self.sides[1 - side].told_before(held.meta.ack);
        let meta = Meta {
            offset,
            other: if told.at > held.meta.other.at {
                told
            } else {
                held.meta.other
            },
            ..held.meta
        };
        out.data(side, bytes, meta);
        true
    }

    /// Gives up on bytes that have been waited for long enough.
    pub(crate) fn overdue(
        &mut self,
        now: Timestamp,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) -> Standing {
        if self.closed {
            return Standing::Closed;
        }
        if let Settling::Waiting(since) = self.settling {
            if since.is_none_or(|since| now.since(since) < cx.limits.reorder_wait) {
                return Standing::Open;
            }
            self.settle();
            self.drain(cx, out, now);
        }
        // Each round either moves a direction on or ends.
        loop {
            let mut moved = false;
            for side in 0..2 {
                let s = &mut self.sides[side];
                if !s.started || s.ended || (s.held.is_empty() && s.missing_acked() == 0) {
                    s.stuck = None;
                    continue;
                }
                let since = match s.stuck {
                    Some((next, since)) if next == s.next => since,
                    _ => {
                        s.stuck = Some((s.next, now));
                        now
                    }
                };
                if now.since(since) < cx.limits.reorder_wait {
                    continue;
                }
                let missing = s.missing();
                // What the receiver has not acknowledged it waits for itself: it will be sent again. Where
                // the receiver is not seen, nobody can tell.
                let acked = s.missing_acked();
                let lost = if self.sides[1 - side].seen { acked } else { missing };
                if self.lost_a_fin(side) {
                    moved = true;
                    continue;
                }
                let s = &mut self.sides[side];
                if missing > 0 && lost > 0 {
                    skip(side, s, lost, now, cx, out);
                    moved = true;
                } else if missing == 0 && !s.held.is_empty() && !self.other_can_move(side) {
                    // Each direction waits for the other: no honest pair of hosts does that.
                    moved |= self.deliver_first(side, cx, out);
                }
            }
            if !moved {
                break;
            }
            self.drain(cx, out, now);
        }
        if let Some(reset) = self.reset {
            // What the hosts had before the RST may come late to a sensor.
            let waited = now.since(reset.since) >= cx.limits.reorder_wait;
            let believed = self.is_believed(reset);
            if believed && (waited || !self.lacks()) {
                self.by_reset = true;
                self.finish(now, cx, out);
            } else if waited {
                self.reset = None;
            }
        }
        self.standing()
    }

    /// Whether bytes are held, or were received by the other side and not seen.
    fn lacks(&self) -> bool {
        self.sides
            .iter()
            .any(|s| !s.held.is_empty() || s.missing_acked() > 0)
    }

    /// Whether the other direction has something missing that will be given up in its own time.
    fn other_can_move(&self, side: usize) -> bool {
        let other = &self.sides[1 - side];
        other.started && !other.ended && other.missing_acked() > 0
    }

    /// Whether all that a direction lacks is its FIN, which is taken as seen then: of a direction with nothing behind
    /// it, towards a side that has closed its own, one more byte was acknowledged than was seen.
    fn lost_a_fin(&mut self, side: usize) -> bool {
        let closed = self.sides[1 - side].fin.is_some();
        let s = &mut self.sides[side];
        let lost = closed && s.fin.is_none() && s.held.is_empty() && s.missing_acked() == 1;
        if lost {
            s.fin = Some(s.next);
        }
        lost
    }

    /// Gives up on what is missing in front of the held bytes of a direction, acknowledged or not.
    fn give_up(&mut self, side: usize, now: Timestamp, cx: &mut Context<'_>, out: &mut impl Receiver) {
        if self.lost_a_fin(side) {
            self.drain(cx, out, now);
            return;
        }
        let s = &mut self.sides[side];
        let missing = if s.held.is_empty() {
            s.missing_acked()
        } else {
            s.missing()
        };
        let first = s.first_held();
        if missing > 0 {
            skip(side, s, missing, now, cx, out);
            // What the other side sent in between goes before what answers it.
            self.drain(cx, out, now);
        }
        if self.sides[side].first_held() == first {
            self.deliver_first(side, cx, out);
        }
    }

    fn reset(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        now: Timestamp,
        cx: &mut Context<'_>,
        out: &mut impl Receiver,
    ) -> Standing {
        if !self.reset.is_some_and(|known| self.is_believed(known)) {
            let s = &self.sides[side];
            self.reset = Some(Reset {
                side,
                at: s.started.then(|| s.offset(segment.seq)),
                since: now,
            });
        }
        if !self.lacks() {
            self.settle();
        }
        self.overdue(now, cx, out)
    }

    /// Whether a RST stands where its receiver does. Anybody can send one; a host believes it only at the very next
    /// byte it waits for (RFC 5961 section 3.2). That is the next one here, or, where bytes were lost or wait, what was
    /// acknowledged or the end of what was seen. A host that has sent its FIN may send a RST that does not count it.
    fn is_believed(&self, reset: Reset) -> bool {
        let s = &self.sides[reset.side];
        let Some(at) = reset.at else {
            // An answer to a SYN, before anything of this direction is known.
            return true;
        };
        let next_is = |next: u64| at == next || (s.ended && at + 1 == next);
        at + 1 >= s.acked
            && (next_is(s.next)
                || (at > s.next
                    && (at == s.acked || at == s.known_end() || s.fin.is_some_and(|f| at == f + 1))))
    }

    /// Whether a segment after a RST acknowledges what the other side sent after it: then neither host believed it.
    /// What was merely under way at the time is not acknowledged any more. Where one direction alone is captured, its
    /// sender tells by sending on.
    fn goes_on(&self, side: usize, segment: &Segment<'_>) -> bool {
        if segment.flags.rst {
            return false;
        }
        let (own, other) = (&self.sides[side], &self.sides[1 - side]);
        if own.seen && !other.seen {
            let ahead = own.offset(segment.seq).checked_sub(own.next);
            return !segment.payload.is_empty() && ahead.is_some_and(|ahead| ahead < ACK_AHEAD);
        }
        let ack = other.offset(segment.ack);
        segment.flags.ack
            && ack < other.next + ACK_AHEAD
            && other.first_held().is_some_and(|first| ack > first)
    }

    /// Holds what comes after a RST until it is clear whether the flow goes on.
    fn hold_after_reset(
        &mut self,
        side: usize,
        segment: &Segment<'_>,
        ts: Timestamp,
        frame: u64,
        cx: &mut Context<'_>,
    ) {
        if segment.flags.rst {
            return;
        }
        let payload_seq = segment.seq.wrapping_add(u32::from(segment.flags.syn));
        let s = &mut self.sides[side];
        if segment.flags.syn && s.delivered == 0 && s.held.is_empty() {
            // The RST came before the handshake was over: only now is it known where the direction begins.
            *s = Stream::default();
        }
        s.seen = true;
        s.start(payload_seq);
        let offset = s.offset(payload_seq);
        let mut ack = 0;
        if segment.flags.ack {
            self.sides[1 - side].start(segment.ack);
            ack = self.sides[1 - side].offset(segment.ack);
            self.sides[side].tells(offset, ack);
        }
        let other = self.sides[1 - side].told_before(ack);
        let s = &mut self.sides[side];
        let known = usize::try_from(s.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (known, fresh) = segment.payload.split_at(known.min(segment.payload.len()));
        let keep_alive = segment.payload.len() == 1 && offset + 1 == s.next;
        if !known.is_empty() && !keep_alive {
            let meta = Meta {
                ts,
                frame,
                ..Meta::default()
            };
            cx.compare(side, s, offset, known, &meta);
        }
        let offset = offset + known.len() as u64;
        let cost = s.cost(offset, fresh);
        if s.held_weight() + cost > HELD_AFTER_RESET
            || *cx.held_total + cost > cx.limits.held_total
            || offset.saturating_sub(s.next) >= WINDOW
        {
            cx.counters.after_reset_bytes += fresh.len() as u64;
            return;
        }
        let meta = Meta {
            ts,
            frame,
            offset,
            ack,
            other,
        };
        let held_before = s.held_weight();
        let repeated = s.hold(offset, fresh, meta);
        *cx.held_total += s.held_weight() - held_before;
        cx.counters.retransmitted_bytes += repeated.bytes;
        cx.note(side, &meta, repeated.differing);
    }

    fn resume(&mut self, cx: &mut Context<'_>, out: &mut impl Receiver) {
        self.closed = false;
        self.by_reset = false;
        self.reset = None;
        for s in &mut self.sides {
            s.ended = s.fin.is_some_and(|fin| fin < s.next);
            s.stuck = None;
        }
        // Whatever was being read when the RST came was given out as it stood.
        cx.gap = true;
        out.resumes();
    }

    /// Delivers all that is held, in an order its causes allow, and ends both directions.
    pub(crate) fn finish(&mut self, now: Timestamp, cx: &mut Context<'_>, out: &mut impl Receiver) {
        if self.closed {
            // What came after a RST has led nowhere.
            for s in &mut self.sides {
                cx.counters.after_reset_bytes += s.held_bytes as u64;
                *cx.held_total = cx.held_total.saturating_sub(s.held_weight());
                s.held_bytes = 0;
                s.held.clear();
                s.tentative = None;
            }
            return;
        }
        self.settle();
        for side in 0..2 {
            let Some(tentative) = self.take_tentative(side, cx) else {
                continue;
            };
            // Where the receiver is not seen, nobody can tell whether it took them.
            if self.sides[1 - side].seen {
                cx.counters.refused_bytes += tentative.bytes.len() as u64;
            } else {
                self.payload(side, &tentative.bytes, tentative.offset, tentative.meta, cx, out);
            }
        }
        loop {
            self.drain(cx, out, now);
            // The direction whose oldest held bytes came first goes first.
            let oldest = |s: &Stream| s.held.first_key_value().map(|(_, h)| h.meta.ts);
            let side = match (oldest(&self.sides[0]), oldest(&self.sides[1])) {
                (None, None) => match (self.sides[0].missing_acked(), self.sides[1].missing_acked()) {
                    (0, 0) => break,
                    (0, _) => 1,
                    _ => 0,
                },
                (Some(a), Some(b)) if b < a => 1,
                (Some(_), _) => 0,
                (None, Some(_)) => 1,
            };
            // If that direction only waits for what the other lacks, the other goes first.
            let side = if self.sides[side].missing() == 0 && self.sides[1 - side].missing_acked() > 0 {
                1 - side
            } else {
                side
            };
            self.give_up(side, now, cx, out);
        }
        for side in 0..2 {
            if !self.sides[side].ended {
                self.sides[side].ended = true;
                out.end(side, false, now);
            }
        }
        self.closed = true;
    }

    /// Whether it is over for good: no host sends more. After a RST it may go on, for anybody can send one.
    pub(crate) fn is_final(&self) -> bool {
        self.closed && !self.by_reset
    }

    /// Whether packets of both ends were seen.
    pub(crate) fn is_mutual(&self) -> bool {
        self.sides.iter().all(|s| s.seen)
    }

    /// Whether a RST ended it.
    pub(crate) fn was_reset(&self) -> bool {
        self.closed && self.by_reset
    }

    /// Whether something came after a RST that ended it, which shows in time whether the hosts believed the RST.
    pub(crate) fn holds_after_reset(&self) -> bool {
        self.was_reset() && self.sides.iter().any(|s| !s.held.is_empty())
    }

    /// Whether something waits that time alone will settle.
    pub(crate) fn waits(&self) -> bool {
        !self.closed
            && (self.sides.iter().any(|s| s.stuck.is_some())
                || self.reset.is_some()
                || matches!(self.settling, Settling::Waiting(Some(_))))
    }

    /// As [`Self::waits`], without bytes that only a retransmission can bring.
    pub(crate) fn waits_on_time(&self) -> bool {
        self.waits()
            && (self.sides.iter().any(|s| s.missing_acked() > 0)
                || self.reset.is_some()
                || self.settling != Settling::Done)
    }

    fn standing(&mut self) -> Standing {
        if self.sides.iter().all(|s| s.ended) {
            self.closed = true;
        }
        if self.closed {
            Standing::Closed
        } else {
            Standing::Open
        }
    }
}

fn skip(
    side: usize,
    s: &mut Stream,
    len: u64,
    now: Timestamp,
    cx: &mut Context<'_>,
    out: &mut impl Receiver,
) {
    let (ts, frame) = s
        .held
        .first_key_value()
        .map_or((now, 0), |(_, h)| (h.meta.ts, h.meta.frame));
    let meta = Meta {
        ts,
        frame,
        offset: s.next,
        ack: 0,
        other: Told::default(),
    };
    s.next += len;
    s.lost += len;
    cx.counters.gaps += 1;
    cx.counters.gap_bytes += len;
    cx.gap = true;
    out.gap(side, len, meta);
}
