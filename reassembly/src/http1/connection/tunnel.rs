//! Where a flow is no longer HTTP of its connection: behind CONNECT and behind an upgrade.
//!
//! Knows when that is so, and where in each direction it begins; leaves to others what comes then. Only the answer tells
//! whether there is a tunnel behind a CONNECT, so what a client sends before that is put by.

use crate::exchange::{Flags, Head, Request};
use crate::http1::pairing::{Half, Ready};
use crate::http1::reader::{Behind, Place, State};
use crate::http2;
use crate::part::{self, Part};
use crate::tcp::stream::Meta;
use crate::tls;
use crate::websocket::{self, WebSocket};

use super::{Connection, Context, Direction, Unsent};

/// What is no longer HTTP of this connection.
pub(crate) struct Handed {
    pub(crate) to: To,
    /// The index of the next exchange.
    pub(crate) index: u32,
    /// Bytes that came behind the change, those of the client first.
    pub(crate) rest: Vec<(Direction, Vec<u8>, Meta)>,
}

/// What the flow goes on as.
pub(crate) enum To {
    /// HTTP/2, in which this request is answered, since the server took up the offer to change (RFC 7540 section 3.2).
    Http2(Box<Half<Request>>),
    /// A tunnel, of which only its first bytes tell what it carries (RFC 9110 section 9.3.6).
    Tunnel {
        /// Directions of which bytes were lost: the client's first ones, or such that the server sent behind the client's
        /// first ones.
        lost: [bool; 2],
        /// Directions that ended.
        ended: [bool; 2],
        /// An exchange of which the request is answered in what goes through the tunnel, if that can be read.
        held: Option<Box<Ready>>,
    },
}

/// Whether a head names TLS as what to change to (RFC 2817 section 3).
pub(super) fn upgrades_to_tls(head: &Head) -> bool {
    let tls = |p: &str| p.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("tls/"));
    head.named("upgrade")
        .any(|value| value.split(',').any(|p| tls(p.trim())))
}

impl Connection {
    /// Has the request of an exchange that led here answered first. Gives the exchange back where it has none.
    pub(crate) fn answers(&mut self, held: Box<Ready>) -> Option<Box<Ready>> {
        let Ready { index, request, .. } = *held;
        match request {
            Some(request) => {
                self.pairing.waits_for(index, request);
                None
            }
            None => Some(Box::new(Ready {
                index,
                request,
                ..*held
            })),
        }
    }

    /// What is for others to read from here on, once.
    pub(crate) fn hand_over(&mut self) -> Option<Box<Handed>> {
        self.handed.take()
    }

    /// From where in a direction it is no longer HTTP of this connection, or may not be once the server agrees.
    pub(crate) fn tunnel_from(&self, direction: Direction) -> Option<u64> {
        let tunnel = matches!(self.requests.state, State::Tunnel | State::Connect { .. });
        self.tunnel_from[direction as usize].filter(|_| tunnel)
    }

    /// Whether there was a tunnel, though the server may have declined it.
    pub(crate) fn has_tunnelled(&self) -> bool {
        self.tunnel_from[Direction::Request as usize].is_some()
    }

    /// Whether nothing was seen behind the head of a response that has no length, and whose request is unknown.
    pub(super) fn waits_behind_answer(&self) -> bool {
        matches!(self.responses.state, State::Peek(Place::Close)) && self.responses.buf.is_empty()
    }

    /// Hands the flow over.
    pub(super) fn hand(&mut self, to: To, index: u32, rest: Vec<(Direction, Vec<u8>, Meta)>) {
        self.handed = Some(Box::new(Handed { to, index, rest }));
        self.requests.state = State::Handed;
        self.responses.state = State::Handed;
    }

    /// What comes behind CONNECT and its answer, or behind an upgrade, is no longer of this connection.
    pub(super) fn open_tunnel(&mut self, held: Option<Box<Ready>>) {
        let lost = std::mem::take(&mut self.requests.lost);
        let kept = self.requests.take_kept();
        let cut = self.answer_cut || (self.salvaging && !kept.is_empty());
        let ended = [self.clean.0, self.clean.1];
        let to = To::Tunnel {
            lost: [lost, cut],
            ended,
            held,
        };
        let from_client = |(bytes, meta)| (Direction::Request, bytes, meta);
        let rest = kept.into_iter().map(from_client).collect();
        self.hand(to, self.pairing.next_index(), rest);
    }

    /// Where of a CONNECT and its answer one was not seen, the first bytes behind them tell whether there is a tunnel: nobody
    /// sends TLS or HTTP/2 behind a CONNECT that was declined. HTTP/1 is read the same in either.
    pub(super) fn settle_connect(&mut self, cx: &mut Context<'_>) {
        let State::Connect { asked, .. } = self.requests.state else {
            return;
        };
        if (asked && !self.answer_lost) || (self.requests.buf.is_empty() && !self.requests.lost) {
            return;
        }
        let may_open = self.opens_tunnels && !self.requests.lost && (asked || self.waits_behind_answer());
        let kept = &self.requests.buf[..];
        match http2::begins(kept) {
            _ if !may_open => self.declined(cx),
            http2::Beginning::Short => {}
            _ if tls::may_begin(kept) => {}
            http2::Beginning::Other if !tls::begins(kept) => self.declined(cx),
            http2::Beginning::Settings => self.declined(cx),
            http2::Beginning::Preface | http2::Beginning::Other => {
                for direction in [Direction::Request, Direction::Response] {
                    if self.reader(direction).current.is_some()
                        && (asked == (direction == Direction::Request))
                    {
                        self.finish_message(direction, true, cx);
                    }
                }
                self.open_tunnel(None);
            }
        }
    }

    /// Takes what comes behind an upgrade to where it belongs.
    pub(super) fn tunnelled(
        &mut self,
        direction: Direction,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut WebSocket, part::Direction, &mut websocket::Context<'_>, &mut dyn FnMut(Part)),
    ) {
        let Some(upgraded) = &mut self.websocket else {
            return;
        };
        let direction = match direction {
            Direction::Request => part::Direction::ToServer,
            Direction::Response => part::Direction::ToClient,
        };
        let mut cx = websocket::Context {
            limits: cx.limits,
            counters: cx.counters,
            pool: cx.pool,
            room: cx.room,
        };
        let (index, settled, parts) = (upgraded.index, upgraded.settled, &mut self.parts);
        work(&mut upgraded.websocket, direction, &mut cx, &mut |part| {
            parts.push(Unsent { index, settled, part });
        });
    }

    /// There is no tunnel: what came behind CONNECT is read as what it was sent as.
    pub(super) fn declined(&mut self, cx: &mut Context<'_>) {
        let State::Connect { behind, .. } = self.requests.state else {
            return;
        };
        let kept = self.requests.take_kept();
        self.requests.skips();
        self.requests.state = match behind {
            Behind::Body(place) => State::Body(place),
            Behind::Start => State::Start,
            Behind::Search => State::Search,
        };
        if self.requests.lost {
            if let Some(current) = self.requests.current.as_mut() {
                current.flags.insert(Flags::GAP);
            }
            self.finish_message(Direction::Request, false, cx);
            self.requests.state = State::Search;
        }
        for (bytes, meta) in kept {
            self.read_all(Direction::Request, &bytes, meta, cx);
        }
    }
}
