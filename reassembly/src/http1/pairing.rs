//! Which response answers which request.
//!
//! While nothing is lost, responses answer requests in order (RFC 9112 section 9.2). After bytes were lost
//! on either side an unknown number of messages is missing, and order alone would pair by guess. What can
//! still be told comes from TCP: a request carries, in the acknowledgment number of its first segment, how
//! many response bytes its sender had when it was sent.
//!
//! * *Anchor.* A response that begins exactly where the client stood when it sent a request answers the
//!   first request sent from there, provided no request can have been lost just before that one.
//! * *Counting back.* Up to an anchor, or to the end of the flow, every request was answered. Of messages that
//!   follow the last loss on both sides, the last response answers the last request, and so on back.
//! * *Acknowledged exactly.* Requests sent from one place in the response stream are answered by the responses that
//!   begin at that place, from a server that had received exactly up to the end of the last of these requests,
//!   provided there are as many of one as of the other.
//! * *Causality.* A response sent before its sender had a byte of the request cannot answer it.
//!
//! What these do not settle is given out as halves.

use std::collections::VecDeque;
use std::time::Duration;

use crate::exchange::{Ambiguities, Flags, Request, Response};
use crate::tcp::stream::Meta;
use crate::time::Timestamp;

/// What of a request's method matters to the framing of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Connect,
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
            Self::Other => "",
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
    /// No request before this one was sent from the same place in the response stream.
    first_from_ack: bool,
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
    ack: u64,
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
    open: VecDeque<Entry>,
    orphans: VecDeque<Orphan>,
    ready: VecDeque<Ready>,
    next_index: u32,
    /// A loss on the response side that no anchor has mended.
    responses_lost: bool,
    /// The next response begun follows a loss.
    response_barrier: bool,
    /// Where the interim responses before the next response began, when their request is not known.
    interim_from: Option<u64>,
    /// The next request begun follows a loss.
    request_barrier: bool,
    last_request_ack: Option<u64>,
    /// The client has sent a request before the answer to the one before began.
    pipelines: bool,
}

impl Pairing {
    /// A request began. Returns the index of its exchange.
    pub(crate) fn request_began(&mut self, method: Method, meta: Meta) -> u32 {
        let index = self.take_index();
        let barrier = std::mem::take(&mut self.request_barrier);
        let first_from_ack = !barrier && self.last_request_ack.is_none_or(|before| before < meta.ack);
        // True whatever was lost in between: nothing of an answer had come since the request before.
        self.pipelines |= self.last_request_ack == Some(meta.ack) && meta.ack != 0;
        self.last_request_ack = Some(meta.ack);
        self.open.push_back(Entry {
            index,
            method,
            start: meta.offset,
            end: u64::MAX,
            ack: meta.ack,
            barrier,
            first_from_ack,
            request: None,
            answered: false,
            response: None,
            interim: 0,
            upgraded: false,
        });
        index
    }

    /// A request is over; `end` is the offset behind its last byte.
    pub(crate) fn request_finished(&mut self, index: u32, end: u64, half: Half<Request>) {
        if let Some(entry) = self.open.iter_mut().rev().find(|e| e.index == index) {
            entry.end = end;
            entry.request = Some(half);
        }
        self.release();
    }

    /// Requests may have been lost here.
    pub(crate) fn requests_lost(&mut self) {
        self.request_barrier = true;
    }

    /// Responses may have been lost here.
    pub(crate) fn responses_lost(&mut self) {
        self.responses_lost = true;
        self.response_barrier = true;
        self.interim_from = None;
    }

    /// Whether everything so far was paired in order.
    pub(crate) fn in_step(&self) -> bool {
        !self.responses_lost && self.orphans.is_empty()
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.open.len() + self.orphans.len()
    }

    /// A response began at `meta`; `status` tells interim responses from final ones.
    pub(crate) fn response_began(&mut self, status: u16, meta: Meta) -> Place {
        let interim = (100..200).contains(&status) && status != 101;
        let first = self.open.iter().position(|e| !e.answered);
        if let Some(at) = first
            && self.in_step()
            && !self.open[at].barrier
        {
            return self.place(at, interim, meta);
        }
        // Something was lost: only an anchor tells.
        let anchor = (first.unwrap_or(self.open.len())..self.open.len())
            .find(|&at| self.open[at].first_from_ack && self.open[at].ack == meta.offset);
        if let Some(at) = anchor {
            let index = self.open[at].index;
            self.settle(at, true);
            self.responses_lost = false;
            self.response_barrier = false;
            let at = self.open.iter().position(|e| e.index == index).unwrap_or(0);
            return self.place(at, interim, meta);
        }
        let index = self.take_index();
        let start = *self.interim_from.get_or_insert(meta.offset);
        if !interim {
            self.interim_from = None;
            let barrier = std::mem::take(&mut self.response_barrier);
            self.orphans.push_back(Orphan {
                index,
                start,
                ack: meta.ack,
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

    fn place(&mut self, at: usize, interim: bool, meta: Meta) -> Place {
        let entry = &mut self.open[at];
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

    /// A final response is over.
    pub(crate) fn response_finished(&mut self, index: u32, half: Half<Response>) {
        if let Some(entry) = self.open.iter_mut().find(|e| e.index == index) {
            entry.response = Some(half);
        } else if let Some(orphan) = self.orphans.iter_mut().rev().find(|o| o.index == index) {
            orphan.response = Some(half);
        }
        self.release();
    }

    /// Everything that is over, in order.
    pub(crate) fn poll(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// The flow is over: settles what can be, gives the rest out as halves. `clean` tells whether both sides
    /// ended it with a FIN: then the last request was answered too.
    pub(crate) fn finish(&mut self, clean: bool) {
        self.settle(self.open.len(), clean || !self.pipelines);
        self.flush(self.open.len());
    }

    /// Gives out requests that were over `wait` ago, because no response is ever seen.
    pub(crate) fn flush_finished(&mut self, now: Timestamp, wait: Duration) {
        let over = |e: &Entry| {
            e.request
                .as_ref()
                .is_some_and(|r| now.since(r.message.message.last) >= wait)
        };
        let count = self.open.iter().take_while(|e| over(e)).count();
        self.flush(count);
    }

    /// Pairs what can be told among what came before the open request at `at`, and gives out the rest.
    /// `answered` tells whether every request up to there was answered.
    fn settle(&mut self, at: usize, answered: bool) {
        if !self.orphans.is_empty() {
            // What was lost behind the last message of either side may be the one to count from.
            if answered && !self.request_barrier && !self.response_barrier {
                self.count_back(at);
            }
            self.match_groups(at);
        }
        self.flush(at);
    }

    fn count_back(&mut self, at: usize) {
        let from = self.open.iter().take(at).rposition(|e| e.barrier).unwrap_or(0);
        let orphans_from = self.orphans.iter().rposition(|o| o.barrier).unwrap_or(0);
        let (mut request, mut orphan) = (at, self.orphans.len());
        while request > from && orphan > orphans_from {
            let entry = &mut self.open[request - 1];
            if entry.answered {
                break;
            }
            let response = &mut self.orphans[orphan - 1];
            request -= 1;
            if response.ack != 0 && response.ack <= entry.start {
                // Sent before the server had any of this request: it answers an earlier one.
                continue;
            }
            entry.answered = true;
            entry.response = response.response.take();
            orphan -= 1;
        }
    }

    /// Groups of requests that were sent from one place in the response stream, against the responses that begin
    /// there and were sent when the server had exactly received the group.
    fn match_groups(&mut self, at: usize) {
        let at = at.min(self.open.len());
        let mut from = 0;
        while from < at {
            let ack = self.open[from].ack;
            let mut to = from + 1;
            while to < at && !self.open[to].barrier && self.open[to].ack == ack {
                to += 1;
            }
            self.match_group(from, to, ack);
            from = to;
        }
    }

    fn match_group(&mut self, from: usize, to: usize, ack: u64) {
        let group = self.open.range(from..to);
        if group.clone().any(|e| e.answered || e.request.is_none()) {
            return;
        }
        let end = self.open[to - 1].end;
        let Some(first) = self.orphans.iter().position(|o| o.start == ack) else {
            return;
        };
        let answers = self
            .orphans
            .iter()
            .skip(first)
            .take_while(|o| o.ack == end && (!o.barrier || o.start == ack));
        // One response more would be that of a lost request, one less that a loss or another request is in it. The
        // count is known only when nothing was lost behind the last of them.
        let ends = match self.orphans.get(first + to - from) {
            Some(next) => !next.barrier && next.ack > end,
            None => !self.response_barrier,
        };
        if !ends || answers.filter(|o| o.response.is_some()).count() != to - from {
            return;
        }
        for (entry, orphan) in self.open.range_mut(from..to).zip(self.orphans.range_mut(first..)) {
            entry.answered = true;
            entry.response = orphan.response.take();
        }
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

    fn release(&mut self) {
        while self
            .open
            .front()
            .is_some_and(|e| e.request.is_some() && e.response.is_some())
        {
            if let Some(entry) = self.open.pop_front() {
                self.ready.push_back(entry.ready(false));
            }
        }
    }

    fn take_index(&mut self) -> u32 {
        let index = self.next_index;
        self.next_index = self.next_index.wrapping_add(1);
        index
    }
}

impl Entry {
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
