//! Which response answers which request.
//!
//! While nothing is lost, responses answer requests in order (RFC 9112 section 9.2). After bytes were lost
//! on either side an unknown number of messages is missing, and order alone would pair by guess. Then the
//! two sides wait for an *anchor*: a response that begins exactly where the client stood when it began to send again
//! answers the first request sent from there, provided no request can have been lost just before that one and the
//! client is not one that sends more before it has all answers. From an anchor on, order holds again; what waited before
//! it is paired as far as [`super::order`] can prove it, and the rest is given out as halves.

use std::collections::VecDeque;
use std::time::Duration;

use crate::exchange::{Ambiguities, Flags, Message, Request, Response};
use crate::tcp::stream::{Meta, Told};
use crate::time::Timestamp;

use super::order::{self, Answer, Asked, Known};
use super::reader::SHORTEST;

/// What of a request's method matters to the framing of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Connect,
    /// Another one, with the offer to change the protocol (RFC 9110 section 7.8), as far as its fields are known.
    Upgrade,
    Other,
}

impl Method {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// The name where it matters to framing.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "HEAD",
            Self::Connect => "CONNECT",
            Self::Upgrade | Self::Other => "",
        }
    }
}

/// One side of an exchange, finished.
#[derive(Debug)]
pub(crate) struct Half<T> {
    pub(crate) message: T,
    pub(crate) flags: Flags,
    pub(crate) ambiguities: Ambiguities,
}

/// A request that waits for its response, or for its own end.
#[derive(Debug)]
struct Entry {
    index: u32,
    method: Method,
    start: u64,
    /// Offset behind the request's last byte, once it is over.
    end: u64,
    ack: u64,
    /// Requests may have been lost just before this one.
    barrier: bool,
    /// The request before this one was sent from another place in the response stream.
    begins_round: bool,
    request: Option<Half<Request>>,
    /// Whether a final response was placed here.
    answered: bool,
    response: Option<Half<Response>>,
    interim: u16,
    upgraded: bool,
}

/// A response whose request is not known yet.
#[derive(Debug)]
struct Orphan {
    index: u32,
    start: u64,
    /// Offset behind the response's last byte, once it is over.
    end: u64,
    ack: u64,
    other: Told,
    /// Responses may have been lost just before this one.
    barrier: bool,
    response: Option<Half<Response>>,
}

/// An exchange, or half of one, that is over.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) index: u32,
    pub(crate) request: Option<Half<Request>>,
    pub(crate) response: Option<Half<Response>>,
    pub(crate) interim: u16,
    pub(crate) upgraded: bool,
    /// The other half may be among what was lost.
    pub(crate) after_loss: bool,
}

/// Where a response was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u32,
    /// The request's method; `None` when the request is not known.
    pub(crate) method: Option<Method>,
    /// The response came before the server can have had any of the request.
    pub(crate) early: bool,
}

/// Requests and responses of one flow on their way to become exchanges.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// Bytes of memory that finished halves take.
    weight: usize,
    open: VecDeque<Entry>,
    orphans: VecDeque<Orphan>,
    ready: VecDeque<Ready>,
    next_index: u32,
    /// It is not known how many of the requests before the first that waits were answered.
    uneven: bool,
    /// A response was paired since the flow began or something was lost, so the next one begins where it ended.
    level: bool,
    /// A loss on the response side that no anchor has mended.
    responses_lost: bool,
    /// The next response begun follows a loss.
    response_barrier: bool,
    /// Where the interim responses before the next response began, when their request is not known.
    interim_from: Option<u64>,
    /// The next request begun follows a loss.
    request_barrier: bool,
    last_request_ack: Option<u64>,
    /// The client has sent a request while some, but not all, of the answers to those before had reached it.
    overlaps: bool,
}

impl Pairing {
    /// Behind exchanges of the same flow that others have paired.
    pub(crate) fn from(index: u32) -> Self {
        Self {
            next_index: index,
            // What comes behind a tunnel begins where the answer that opened it ended.
            level: index > 0,
            ..Self::default()
        }
    }

    /// Has a request waiting that was sent before this connection began, and is answered first in it.
    pub(crate) fn waits_for(&mut self, index: u32, request: Half<Request>) {
        self.weight += request.message.message.weight();
        self.open.push_back(Entry {
            index,
            method: Method::Other,
            start: 0,
            end: 0,
            ack: 0,
            barrier: false,
            begins_round: false,
            request: Some(request),
            answered: false,
            response: None,
            interim: 0,
            upgraded: false,
        });
    }

    /// Takes an exchange that is over away from those that are to be given out.
    pub(crate) fn take_ready(&mut self, index: u32) -> Option<Ready> {
        self.release();
        let at = self.ready.iter().position(|ready| ready.index == index)?;
        let ready = self.ready.remove(at)?;
        self.weight = self.weight.saturating_sub(ready.weight());
        Some(ready)
    }

    /// The index of the exchange that begins next.
    pub(crate) fn next_index(&self) -> u32 {
        self.next_index
    }

    /// A request began; `had_less` tells that its sender sent the byte just before it with less of the response
    /// stream at hand. Returns the index of its exchange.
    pub(crate) fn request_began(&mut self, method: Method, meta: Meta, had_less: bool) -> u32 {
        let index = self.take_index();
        let barrier = std::mem::take(&mut self.request_barrier);
        let follows_round = !barrier
            && self
                .last_request_ack
                .is_none_or(|before| before != 0 && before < meta.ack);
        let begins_round = meta.ack != 0 && (follows_round || had_less || meta.other.received >= meta.offset);
        self.last_request_ack = Some(meta.ack);
        if self.open.is_empty() {
            // As [`Self::poll`], and most clients never have two under way.
            self.open.clear();
            self.open.reserve_exact(1);
        }
        self.open.push_back(Entry {
            index,
            method,
            start: meta.offset,
            end: u64::MAX,
            ack: meta.ack,
            barrier,
            begins_round,
            request: None,
            answered: false,
            response: None,
            interim: 0,
            upgraded: false,
        });
        index
    }

    /// A request is over; `end` is the offset behind its last byte. Gives it back when its exchange was given out
    /// without it.
    #[must_use]
    pub(crate) fn request_finished(
        &mut self,
        index: u32,
        end: u64,
        half: Half<Request>,
    ) -> Option<Half<Request>> {
        let Some(entry) = self.open.iter_mut().rev().find(|e| e.index == index) else {
            return Some(half);
        };
        self.weight += half.message.message.weight();
        entry.end = end;
        entry.request = Some(half);
        None
    }

    /// Requests may have been lost here.
    pub(crate) fn requests_lost(&mut self) {
        self.request_barrier = true;
    }

    /// Responses may have been lost here.
    pub(crate) fn responses_lost(&mut self) {
        self.responses_lost = true;
        self.response_barrier = true;
        self.level = false;
        self.interim_from = None;
    }

    /// Whether everything so far was paired in order.
    pub(crate) fn in_step(&self) -> bool {
        !self.responses_lost && self.orphans.is_empty()
    }

    /// Whether more than `most` requests wait.
    pub(crate) fn are_more_than(&self, most: usize) -> bool {
        let open = || self.open.iter().filter(|e| !e.is_over()).count();
        self.open.len() + self.orphans.len() > most && open() + self.orphans.len() > most
    }

    /// A response began at `meta`; `status` tells interim responses from final ones.
    pub(crate) fn response_began(&mut self, status: u16, meta: Meta) -> Place {
        let interim = (100..200).contains(&status) && status != 101;
        // Several in one go: what is over is not gone through again and again.
        self.release();
        let first = self.open.iter().position(|e| !e.answered);
        if let Some(at) = first
            && self.in_step()
            && !self.open[at].barrier
        {
            if self.may_answer(at, meta) {
                self.level = true;
                return self.place(at, interim, meta);
            }
            // The answer to this request, or the request of this answer, was not seen.
            self.responses_lost();
        }
        // Something was lost: only an anchor tells.
        let anchor = (first.unwrap_or(self.open.len())..self.open.len())
            .find(|&at| !self.overlaps && self.open[at].begins_round && self.open[at].ack == meta.offset);
        if let Some(at) = anchor {
            let index = self.open[at].index;
            self.settle(at, Some(meta), false);
            self.uneven = false;
            self.responses_lost = false;
            self.response_barrier = false;
            self.level = true;
            let at = self.open.iter().position(|e| e.index == index).unwrap_or(0);
            // Behind an interim response the final one comes: nothing is open about this request any more.
            if let Some(entry) = self.open.get_mut(at) {
                entry.barrier = false;
            }
            return self.place(at, interim, meta);
        }
        self.uneven |= first.is_none() && self.in_step();
        let index = self.take_index();
        let start = *self.interim_from.get_or_insert(meta.offset);
        if !interim {
            self.interim_from = None;
            let barrier = std::mem::take(&mut self.response_barrier);
            self.orphans.push_back(Orphan {
                index,
                start,
                end: u64::MAX,
                ack: meta.ack,
                other: meta.other,
                barrier,
                response: None,
            });
        }
        Place {
            index,
            method: None,
            early: false,
        }
    }

    /// Whether a response that begins at `meta` may answer an open request, all before it being answered. What a client had
    /// of the responses before it asked is no answer; and between where it stood and the first response of all there is no
    /// room for another.
    fn may_answer(&self, at: usize, meta: Meta) -> bool {
        let stood = self.open[at].ack;
        let between = meta.offset.checked_sub(stood);
        stood == 0 || between.is_some_and(|between| self.level || between < SHORTEST)
    }

    fn place(&mut self, at: usize, interim: bool, meta: Meta) -> Place {
        let next = self.open.get(at + 1).map_or(0, |e| e.ack);
        let entry = &mut self.open[at];
        self.overlaps |= next > entry.ack && next <= meta.offset;
        if interim {
            entry.interim = entry.interim.saturating_add(1);
        } else {
            entry.answered = true;
        }
        let early = meta.ack != 0 && entry.start != 0 && meta.ack <= entry.start;
        Place {
            index: entry.index,
            method: Some(entry.method),
            early,
        }
    }

    /// The exchange went over to another protocol.
    pub(crate) fn upgraded(&mut self, index: u32) {
        if let Some(entry) = self.open.iter_mut().find(|e| e.index == index) {
            entry.upgraded = true;
        }
    }

    /// Takes a request away with its exchange: it is answered elsewhere.
    pub(crate) fn take_request(&mut self, index: u32) -> Option<(u32, Half<Request>)> {
        let at = self.open.iter().position(|e| e.index == index)?;
        let request = self.open.get_mut(at)?.request.take()?;
        self.open.remove(at);
        self.weight = self.weight.saturating_sub(request.message.message.weight());
        Some((index, request))
    }

    /// A final response is over; `end` is the offset behind its last byte. Gives it back when its exchange was given
    /// out without it.
    #[must_use]
    pub(crate) fn response_finished(
        &mut self,
        index: u32,
        end: u64,
        half: Half<Response>,
    ) -> Option<Half<Response>> {
        let weight = half.message.message.weight();
        if let Some(entry) = self.open.iter_mut().find(|e| e.index == index) {
            self.weight += weight;
            entry.response = Some(half);
        } else if let Some(orphan) = self.orphans.iter_mut().rev().find(|o| o.index == index) {
            self.weight += weight;
            orphan.end = end;
            orphan.response = Some(half);
        } else {
            return Some(half);
        }
        None
    }

    /// Whether something is over.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty() || self.open.front().is_some_and(Entry::is_over)
    }

    /// Everything that is over, in order.
    pub(crate) fn poll(&mut self) -> Option<Ready> {
        let ready = match self.ready.pop_front() {
            Some(ready) => ready,
            // The common case: what was asked first is answered.
            None => self.open.pop_front_if(|entry| entry.is_over())?.ready(false),
        };
        self.weight = self.weight.saturating_sub(ready.weight());
        Some(ready)
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.weight
            + self.open.capacity() * size_of::<Entry>()
            + self.orphans.capacity() * size_of::<Orphan>()
    }

    /// The flow is over: settles what can be, gives the rest out as halves. `clean` tells whether both sides
    /// ended it with a FIN.
    pub(crate) fn finish(&mut self, clean: bool) {
        self.release();
        self.settle(self.open.len(), None, clean);
        self.flush(self.open.len());
        self.uneven = true;
    }

    /// Gives out requests that were over `wait` ago, because no response is ever seen.
    pub(crate) fn flush_finished(&mut self, now: Timestamp, wait: Duration) {
        let over = |e: &Entry| {
            e.request
                .as_ref()
                .is_some_and(|r| now.since(r.message.message.last) >= wait)
        };
        self.release();
        let count = self.open.iter().take_while(|e| over(e)).count();
        self.uneven |= count > 0;
        self.flush(count);
    }

    /// Pairs what can be told among what came before the open request at `at`, and gives out the rest. `anchor` is
    /// where the answer to that request begins; `clean` tells that the flow is over and both sides ended it.
    fn settle(&mut self, at: usize, anchor: Option<Meta>, clean: bool) {
        if !self.orphans.is_empty() {
            let from = self.open.iter().position(|e| !e.answered).unwrap_or(at).min(at);
            let until = if anchor.is_some() { at + 1 } else { at };
            let asked: Vec<Asked> = self.open.range(from..until).map(Entry::asked).collect();
            let mut answers: Vec<Answer> = self.orphans.iter().map(Orphan::answer).collect();
            answers.extend(anchor.map(|meta| Answer {
                start: meta.offset,
                end: u64::MAX,
                had: meta.ack,
                told: meta.other,
                after_loss: self.response_barrier,
            }));
            let known = Known {
                rounds: !self.overlaps,
                begins_level: !self.uneven,
                ends_level: clean && self.ends_level(),
            };
            for (request, response) in order::settled(&asked, &answers, known) {
                if let (Some(entry), Some(orphan)) =
                    (self.open.get_mut(from + request), self.orphans.get_mut(response))
                {
                    entry.answered = true;
                    entry.response = orphan.response.take();
                }
            }
        }
        self.flush(at);
    }

    /// Whether the last response of a flow that both sides ended answers its last request: nothing was lost behind
    /// either, and the server did not end the flow of its own accord, with requests left.
    fn ends_level(&self) -> bool {
        let (Some(request), Some(response)) = (self.open.back(), self.orphans.back()) else {
            return false;
        };
        let closes = |m: &Message| {
            m.field("connection")
                .is_some_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case("close")))
        };
        let asked_to = request
            .request
            .as_ref()
            .is_some_and(|r| closes(&r.message.message));
        let closed = response
            .response
            .as_ref()
            .is_none_or(|r| closes(&r.message.message));
        !self.request_barrier && !self.response_barrier && (asked_to || !closed)
    }

    /// Gives out the first `count` open requests and every orphan, as they are.
    fn flush(&mut self, count: usize) {
        let after_loss =
            self.responses_lost || !self.orphans.is_empty() || self.open.iter().any(|e| e.barrier);
        let mut unread = None;
        for _ in 0..count {
            let Some(entry) = self.open.pop_front() else {
                break;
            };
            if entry.request.is_none() && entry.response.is_none() {
                // Both halves are being read still; only the last request can be.
                unread = Some(entry);
                continue;
            }
            self.ready.push_back(entry.ready(after_loss));
        }
        if let Some(entry) = unread {
            self.open.push_front(entry);
        }
        for orphan in self.orphans.drain(..) {
            if let Some(response) = orphan.response {
                self.ready.push_back(Ready {
                    index: orphan.index,
                    request: None,
                    response: Some(response),
                    interim: 0,
                    upgraded: false,
                    after_loss,
                });
            }
        }
        // What follows is in step again only behind an anchor.
        self.release();
    }

    /// Puts by what is over and in order.
    fn release(&mut self) {
        while let Some(entry) = self.open.pop_front_if(|entry| entry.is_over()) {
            self.ready.push_back(entry.ready(false));
        }
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next_index;
        self.next_index = self.next_index.wrapping_add(1);
        index
    }
}

impl Ready {
    /// Bytes of memory that its halves take beside it.
    pub(crate) fn weight(&self) -> usize {
        self.request.as_ref().map_or(0, |r| r.message.message.weight())
            + self.response.as_ref().map_or(0, |r| r.message.message.weight())
    }
}

impl Orphan {
    fn answer(&self) -> Answer {
        Answer {
            start: self.start,
            end: self.end,
            had: self.ack,
            told: self.other,
            after_loss: self.barrier,
        }
    }
}

impl Entry {
    fn asked(&self) -> Asked {
        Asked {
            start: self.start,
            end: self.end,
            had: self.ack,
            after_loss: self.barrier,
            begins_round: self.begins_round,
        }
    }

    /// Whether both halves are.
    fn is_over(&self) -> bool {
        self.request.is_some() && self.response.is_some()
    }

    fn ready(self, after_loss: bool) -> Ready {
        Ready {
            index: self.index,
            after_loss: after_loss && self.response.is_none(),
            request: self.request,
            response: self.response,
            interim: self.interim,
            upgraded: self.upgraded,
        }
    }
}
