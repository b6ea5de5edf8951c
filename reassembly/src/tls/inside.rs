//! TLS that begins inside another protocol: after STARTTLS (SMTP, IMAP, POP3, XMPP, LDAP, FTP), after the request for
//! it of MySQL, PostgreSQL and RDP, or in a tunnel (SOCKS, HTTP CONNECT).
//!
//! Knows what a hello looks like, and none of those protocols: a client hello is told by its whole structure, wherever it
//! begins and however it is cut into segments. Each direction is searched only at its beginning and only a few
//! likenesses are followed, so that a flow of other content costs little.

use super::Tls;
use super::hello::{
    CLIENT_HELLO, Hellos, MAX_HELLO, MAX_RECORD, SERVER_HELLO, Side, Transport, is_client_hello,
};

/// Bytes of a direction that are searched. What comes before TLS is short: a greeting, capabilities, a request.
const SEARCHED: usize = 64 << 10;

/// Likenesses that are followed in one flow.
const TRIES: u8 = 8;

/// Bytes that a server may send after a hello without answering it: the rest of a line that was under way, or an alert.
const UNANSWERED: u64 = 512;

const RECORD_HANDSHAKE: u8 = 22;

/// A record header, a message header and a version: enough to tell a likeness.
const START: usize = 11;

/// What a direction is read for.
#[derive(Debug)]
enum State {
    /// The beginning of a hello.
    Search,
    /// A hello, of which the beginning was seen.
    Hello(Box<Side>),
    /// The rest of a record that held no hello.
    Skip(usize),
    /// What follows the client's hello, of which this many bytes were seen: another record of TLS, or it was no hello.
    Next(u8),
    /// Nothing more.
    Over,
}

/// One direction.
#[derive(Debug)]
struct End {
    state: State,
    /// The last bytes searched, too few to tell a likeness.
    tail: [u8; START - 1],
    tail_len: usize,
    /// Bytes that may still be searched.
    left: usize,
}

impl Default for End {
    fn default() -> Self {
        Self {
            state: State::Search,
            tail: [0; START - 1],
            tail_len: 0,
            left: SEARCHED,
        }
    }
}

/// A flow of another protocol, watched for TLS.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    ends: [End; 2],
    tries: u8,
    hellos: Hellos,
    /// The end that said hello.
    client: Option<usize>,
    /// Bytes of the other end since then.
    since: u64,
    /// Whether bytes of the other end were lost since then.
    lost: bool,
}

impl Inside {
    /// Takes the next bytes of one end of the flow.
    pub(crate) fn data(&mut self, side: usize, mut bytes: &[u8]) {
        if self.client.is_some_and(|client| client != side) {
            self.since += bytes.len() as u64;
        }
        while !bytes.is_empty() {
            let end = &mut self.ends[side];
            match &mut end.state {
                State::Over => return,
                State::Search => {
                    let kind = if self.client.is_none() {
                        CLIENT_HELLO
                    } else {
                        SERVER_HELLO
                    };
                    if let Some(before) = end.search(&mut bytes, kind) {
                        let mut hello = Box::<Side>::default();
                        hello.take(&mut before.as_slice());
                        end.state = State::Hello(hello);
                    }
                }
                State::Hello(hello) => {
                    let message = hello.take(&mut bytes);
                    let (done, followed, rest) = (hello.done, hello.followed, hello.record);
                    match message {
                        Some(message) if message[0] == SERVER_HELLO => {
                            end.state = State::Over;
                            self.hellos.message(&message, Transport::Tcp);
                        }
                        Some(message) if !followed && self.client.is_none() && is_client_hello(&message) => {
                            self.found(side, &message);
                        }
                        Some(_) => self.failed(side, rest),
                        None if done => self.failed(side, 0),
                        None => {}
                    }
                }
                State::Skip(left) => {
                    let skip = bytes.len().min(*left);
                    *left -= skip;
                    bytes = &bytes[skip..];
                    if *left == 0 {
                        end.state = State::Search;
                    }
                }
                State::Next(seen) => {
                    // Content types 20 to 24 and a version (RFC 8446 section 5.1, RFC 6520).
                    let fits = match seen {
                        0 => (20..=24).contains(&bytes[0]),
                        _ => bytes[0] == 3,
                    };
                    bytes = &bytes[1..];
                    if !fits {
                        self.client = None;
                        self.hellos = Hellos::default();
                        self.failed(side, 0);
                    } else if *seen == 0 {
                        *seen = 1;
                    } else {
                        end.state = State::Over;
                    }
                }
            }
        }
    }

    /// A direction, or `both`, begins here: what came before was of the protocol that leads to it.
    pub(crate) fn begin(&mut self, side: usize, both: bool) {
        if both {
            *self = Self::default();
        } else {
            self.ends[side] = End::default();
        }
    }

    fn found(&mut self, side: usize, message: &[u8]) {
        self.hellos.message(message, Transport::Tcp);
        self.client = Some(side);
        (self.since, self.lost) = (0, false);
        self.ends[side].state = State::Next(0);
        self.ends[1 - side] = End::default();
    }

    /// What looked like a hello is none.
    fn failed(&mut self, side: usize, skip: usize) {
        self.tries += 1;
        if self.tries >= TRIES {
            for end in &mut self.ends {
                end.state = State::Over;
            }
            return;
        }
        self.ends[side].tail_len = 0;
        self.ends[side].state = if skip == 0 {
            State::Search
        } else {
            State::Skip(skip)
        };
    }

    /// Bytes of one end were never seen.
    pub(crate) fn gap(&mut self, side: usize) {
        self.lost |= self.client.is_some_and(|client| client != side);
        let end = &mut self.ends[side];
        end.tail_len = 0;
        end.state = match end.state {
            State::Over | State::Next(_) => State::Over,
            _ => State::Search,
        };
    }

    /// The end that said hello.
    pub(crate) fn client(&self) -> Option<usize> {
        self.client
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        let held = |end: &End| match &end.state {
            State::Hello(hello) => size_of::<Side>() + hello.weight(),
            _ => 0,
        };
        self.ends.iter().map(held).sum::<usize>() + self.hellos.weight()
    }

    /// What was told. A hello that the other end went on talking over was one that somebody quoted.
    pub(crate) fn told(&self) -> Option<&Tls> {
        let believed = self.hellos.answered() || self.lost || self.since <= UNANSWERED;
        self.hellos.told().filter(|_| self.client.is_some() && believed)
    }
}

impl End {
    /// Looks for what a hello of that kind begins with. Where it began in bytes searched before, gives them; leaves in
    /// `bytes` what comes after them.
    fn search(&mut self, bytes: &mut &[u8], kind: u8) -> Option<Vec<u8>> {
        let window = &bytes[..bytes.len().min(self.left)];
        let mut joint = [0; 2 * (START - 1)];
        let ahead = window.len().min(START - 1);
        let len = self.tail_len + ahead;
        joint[..self.tail_len].copy_from_slice(&self.tail[..self.tail_len]);
        joint[self.tail_len..len].copy_from_slice(&window[..ahead]);
        for at in 0..self.tail_len {
            if begins_hello(&joint[at..len], kind) {
                return Some(joint[at..self.tail_len].to_vec());
            }
        }
        for at in memchr::memchr_iter(RECORD_HANDSHAKE, window) {
            if begins_hello(&window[at..], kind) {
                self.left -= at;
                *bytes = &bytes[at..];
                return Some(Vec::new());
            }
        }
        self.left -= window.len();
        *bytes = &[];
        if self.left == 0 {
            self.state = State::Over;
        } else if window.len() >= self.tail.len() {
            self.tail_len = self.tail.len();
            self.tail.copy_from_slice(&window[window.len() - self.tail_len..]);
        } else {
            let kept = len.min(self.tail.len());
            self.tail[..kept].copy_from_slice(&joint[len - kept..len]);
            self.tail_len = kept;
        }
        None
    }
}

/// Whether bytes begin with the header of a handshake record, that of a hello, and a version.
fn begins_hello(bytes: &[u8], kind: u8) -> bool {
    let Some(&[RECORD_HANDSHAKE, 3, 0..=4, r1, r0, first, 0, m1, m0, 3, 0..=4]) =
        bytes.first_chunk::<START>()
    else {
        return false;
    };
    let record = usize::from(u16::from_be_bytes([r1, r0]));
    let message = usize::from(u16::from_be_bytes([m1, m0]));
    // Version, random, and at least a byte for each of the lists that follow.
    first == kind && (6..=MAX_RECORD).contains(&record) && (38..=MAX_HELLO - 4).contains(&message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tls::hello::testing;

    /// Who says what.
    type Turn<'a> = (usize, &'a [u8]);

    /// What is told when both ends say these bytes in turn, cut into pieces of `step`.
    fn told(turns: &[Turn<'_>], step: usize) -> Option<(usize, Tls)> {
        let mut inside = Inside::default();
        for (side, bytes) in turns {
            for piece in bytes.chunks(step) {
                inside.data(*side, piece);
                assert!(inside.weight() < 64 << 10);
            }
        }
        Some((inside.client()?, inside.told()?.clone()))
    }

    #[test]
    fn tls_is_found_behind_what_came_before_however_it_is_cut() {
        let hello = testing::records(&testing::example(), 1 << 14);
        let small = testing::records(&testing::example(), 100);
        let answer = testing::records(&testing::answer(), 1 << 14);
        let mysql = [&b"\x20\0\0\x01\x85\xae\x03\0\0\0\0\x01\x21"[..], &[0; 23]].concat();
        let pipelined = [b"STARTTLS\r\n", &hello[..]].concat();
        let after = [&hello[..], b"\x14\x03\x03\0\x01\x01"].concat();
        let before_answer = [b"220 go on\r\n", &answer[..]].concat();
        let cases: [(&str, Vec<Turn<'_>>, usize); 7] = [
            (
                "smtp",
                vec![
                    (1, b"220 a\r\n"),
                    (0, b"STARTTLS\r\n"),
                    (1, b"220 b\r\n"),
                    (0, &hello),
                    (1, &answer),
                ],
                0,
            ),
            (
                "mysql",
                vec![(1, b"J\0\0\0\x0a5.7"), (0, &mysql), (0, &hello), (1, &answer)],
                0,
            ),
            (
                "postgres",
                vec![
                    (0, b"\0\0\0\x08\x04\xd2\x16\x2f"),
                    (1, b"S"),
                    (0, &small),
                    (1, &answer),
                ],
                0,
            ),
            (
                "rdp",
                vec![
                    (0, b"\x03\0\0\x13\x0e\xe0"),
                    (1, b"\x03\0\0\x13\x0e\xd0"),
                    (0, &after),
                    (1, &answer),
                ],
                0,
            ),
            (
                "pipelined",
                vec![(1, b"220 a\r\n"), (0, &pipelined), (1, &before_answer)],
                0,
            ),
            (
                "the other way",
                vec![(0, b"\x16\x03"), (1, &hello), (0, &answer)],
                1,
            ),
            (
                "unanswered",
                vec![(0, b"x"), (0, &hello), (1, b"\x15\x03\x01\0\x02\x02\x28")],
                0,
            ),
        ];
        for (name, turns, client) in cases {
            for step in [1 << 14, 1, 3, 11, 64] {
                let (side, tls) = told(&turns, step).unwrap_or_else(|| panic!("{name} in pieces of {step}"));
                assert_eq!(side, client, "{name}");
                assert_eq!(tls.sni.as_deref(), Some("www.example.com"), "{name}");
                assert_eq!(
                    tls.ja4.as_deref(),
                    Some("t13d1516h2_8daaf6152771_e5627efa2ab1"),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_hello_that_somebody_quotes_is_none() {
        let hello = testing::records(&testing::example(), 1 << 14);
        // A capture that is downloaded: another packet's headers follow.
        let file = [b"\xd4\xc3\xb2\xa1", &hello[..], b"\x01\x02\x03\x04more"].concat();
        // A server that goes on in its own protocol.
        let talk = vec![b'a'; 2000];
        let mut damaged = testing::example();
        damaged[40] = 77;
        let damaged = testing::records(&damaged, 1 << 14);
        let cases: [(&str, Vec<Turn<'_>>); 4] = [
            ("file", vec![(1, &file)]),
            ("talk", vec![(0, b"DATA\r\n"), (0, &hello), (1, &talk)]),
            ("damaged", vec![(0, b"x"), (0, &damaged), (1, b"y")]),
            ("alone", vec![(0, b"\x16\x03\x01"), (1, b"\x16\x03\x01")]),
        ];
        for (name, turns) in cases {
            for step in [1 << 14, 1, 7] {
                assert_eq!(told(&turns, step), None, "{name} in pieces of {step}");
            }
        }
    }

    #[test]
    fn only_the_beginning_is_searched_and_few_likenesses_are_followed() {
        let hello = testing::records(&testing::example(), 1 << 14);
        let (before, far) = (vec![b'x'; SEARCHED - 1], vec![b'x'; SEARCHED]);
        for step in [1 << 14, 13] {
            assert!(told(&[(0, &before), (0, &hello)], step).is_none());
            assert!(told(&[(0, &far), (0, &hello)], step).is_none());
            assert!(told(&[(0, &far[START..]), (0, &hello)], step).is_some());
        }
        let mut likeness = hello.clone();
        likeness[43] = 99;
        let many = likeness.repeat(usize::from(TRIES));
        assert!(told(&[(0, &many), (0, &hello)], 1 << 14).is_none());
        assert!(told(&[(0, &many[likeness.len()..]), (0, &hello)], 1 << 14).is_some());
    }

    #[test]
    fn a_gap_in_a_hello_leaves_nothing_and_one_in_the_answer_the_hello() {
        let hello = testing::records(&testing::example(), 1 << 14);
        let mut inside = Inside::default();
        inside.data(0, b"x");
        inside.data(0, &hello[..50]);
        assert!(inside.weight() > 0);
        inside.gap(0);
        inside.data(0, &hello[50..]);
        assert_eq!((inside.told(), inside.weight()), (None, 0));
        inside.data(0, &hello);
        inside.gap(1);
        inside.data(1, &[7; 5000]);
        assert!(inside.told().is_some());
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(turns in proptest::collection::vec((0_usize..2, 0_u8..6, 1_usize..90), 1..12)) {
            let hello = testing::records(&testing::example(), 120);
            let answer = testing::records(&testing::answer(), 1 << 14);
            let parts: Vec<(usize, Vec<u8>)> = turns
                .iter()
                .map(|(side, what, len)| (*side, match what {
                    0 => hello.clone(),
                    1 => answer.clone(),
                    2 => hello[..*len].to_vec(),
                    3 => b"\x16\x03\x01\x00\x50".to_vec(),
                    4 => b"\x17\x03\x03\x00\x50".to_vec(),
                    _ => vec![0x16; *len],
                }))
                .collect();
            let turns: Vec<(usize, &[u8])> = parts.iter().map(|(side, bytes)| (*side, &bytes[..])).collect();
            let whole = told(&turns, 1 << 14);
            for step in [1, 2, 5, 11, 50] {
                prop_assert_eq!(&told(&turns, step), &whole);
            }
        }
    }
}
