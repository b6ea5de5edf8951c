//! Traffic without end: connections that stay open beside short ones, many hosts and callers, the same work for ever.

use std::net::SocketAddr;
use std::time::Duration;

use testdata::rng::Rng;
use testdata::wire::{Capture, Conn, Link, Side};

use super::wire::Sender;

const HOSTS: u64 = 120;
const CALLERS: u64 = 600;
/// Connections that never close, and those that do.
const LASTING: usize = 1200;
const SHORT: usize = 400;

struct Talk {
    conn: Conn,
    host: u64,
    caller: u64,
    open: bool,
    /// Exchanges until it closes; those that last have no end.
    left: Option<u64>,
    /// The last object of the one who walks.
    walked: u64,
}

impl Talk {
    fn new(number: u64, lasts: bool, rng: &mut Rng) -> Self {
        let (host, caller) = (rng.range(0, HOSTS), rng.range(0, CALLERS));
        let client: SocketAddr = (
            [10, 20, (caller >> 8) as u8, caller as u8],
            1024 + (number % 60_000) as u16,
        )
            .into();
        let server: SocketAddr = ([10, 30, 0, host as u8], 8080).into();
        Self {
            conn: Conn::new(client, server).with_rtt(200_000),
            host,
            caller,
            open: false,
            left: (!lasts).then(|| rng.range(1, 12)),
            walked: rng.range(0, CALLERS) * 40,
        }
    }

    /// One exchange. The caller of an API key reads mostly what it has just listed.
    fn exchange(&mut self, rng: &mut Rng) -> Capture {
        let mut capture = Capture::new(Link::Ethernet);
        let mut at = 0;
        if !self.open {
            at = self.conn.open(&mut capture, at);
            self.open = true;
        }
        let kind = ["orders", "customers", "invoices", "events"][(self.host % 4) as usize];
        let number = self.caller * 40 + rng.range(0, 40);
        let record = |number: u64, rng: &mut Rng| {
            format!(
                r#"{{"id":{number},"state":"{}","total":{},"note":"{}"}}"#,
                ["open", "paid", "sent"][(number % 3) as usize],
                rng.range(100, 90_000),
                rng.hex(24)
            )
        };
        // What is to be found: one caller shows its key in the URL, some calls come without any, one walks through what others own.
        let (careless, stranger, walker) = (self.caller == 13, rng.range(0, 5000) == 0, self.caller == 17);
        let (method, path, body, answer) = match rng.range(0, 10) {
            _ if walker => {
                self.walked += 1;
                (
                    "GET",
                    format!("/v1/{kind}/{}", self.walked),
                    String::new(),
                    record(self.walked, rng),
                )
            }
            4..=7 if careless => (
                "GET",
                format!("/v1/{kind}/{number}?api_key=key-of-{:08x}", self.caller),
                String::new(),
                record(number, rng),
            ),
            0..=3 => {
                let list: Vec<String> = (0..12).map(|n| record(self.caller * 40 + n, rng)).collect();
                (
                    "GET",
                    format!("/v1/{kind}?limit=12"),
                    String::new(),
                    format!("[{}]", list.join(",")),
                )
            }
            4..=7 => (
                "GET",
                format!("/v1/{kind}/{number}"),
                String::new(),
                record(number, rng),
            ),
            8 => (
                "PUT",
                format!("/v1/{kind}/{number}"),
                record(number, rng),
                record(number, rng),
            ),
            _ => (
                "POST",
                format!("/v1/{kind}"),
                record(number, rng),
                record(number, rng),
            ),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: svc{}.mesh.example\r\nUser-Agent: worker/2.{}\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            self.caller % 5,
            match stranger {
                true => String::new(),
                false => format!(
                    "Authorization: Bearer key-{:08x}\r\n",
                    self.caller.wrapping_mul(2_654_435_761) as u32
                ),
            },
            body.len()
        );
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        at = self.conn.send(&mut capture, at, Side::Client, request.as_bytes());
        at = self
            .conn
            .send(&mut capture, at, Side::Server, response.as_bytes());
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.conn.close(&mut capture, at + 100_000, Side::Client);
            }
        }
        capture
    }
}

/// Sends such traffic at a rate for so many seconds.
///
/// # Errors
///
/// An interface that cannot be opened, a frame that cannot be sent.
pub fn chat(interface: &str, mbit: &str, seconds: &str) -> Result<(), String> {
    let most = Duration::from_secs(seconds.parse().map_err(|_| format!("{seconds} is no time"))?);
    let mut sender = Sender::open(interface, mbit)?;
    let mut rng = Rng::new(7);
    let mut next = 0;
    let mut talks: Vec<Talk> = Vec::new();
    for at in 0..LASTING + SHORT {
        talks.push(Talk::new(next, at < LASTING, &mut rng));
        next += 1;
    }
    while sender.elapsed() < most {
        let at = rng.range(0, talks.len() as u64) as usize;
        let Some(talk) = talks.get_mut(at) else { continue };
        for frame in talk.exchange(&mut rng).frames() {
            sender.send(&frame.bytes)?;
        }
        if talk.left == Some(0) {
            *talk = Talk::new(next, false, &mut rng);
            next += 1;
        }
    }
    sender.tell();
    Ok(())
}
