//! An attacker that was there while everything was learned is found all the same: three captures, each with its harmless twin. All are
//! made here, packet by packet, and replayed as a person would.

mod support;

use std::net::SocketAddr;

use serde_json::Value;
use support::{folder, lines, said, tapline};
use testdata::http::Message;
use testdata::rng::Rng;
use testdata::text::jwt;
use testdata::wire::{Capture, Conn, Link, Resolution, Side};

/// 2026-03-09T00:00:00Z, a Monday, in seconds.
const START: u64 = 1_773_014_400;
const SECOND: u64 = 1_000_000_000;

/// The capture that is being made.
struct Office {
    capture: Capture,
    rng: Rng,
    port: u16,
}

/// One task of an agent: a connection on which calls follow each other.
struct Task<'a> {
    office: &'a mut Office,
    conn: Conn,
    now: u64,
    token: String,
}

impl Office {
    fn new(seed: u64) -> Self {
        Self {
            capture: Capture::new(Link::Ethernet),
            rng: Rng::new(seed),
            port: 20_000,
        }
    }

    fn task(&mut self, agent: &str, from: &str, day: u64, second: u64) -> Task<'_> {
        self.port = 20_000 + (self.port - 19_999) % 40_000;
        let client = SocketAddr::new(from.parse().expect("an address"), self.port);
        let mut conn = Conn::new(client, SocketAddr::from(([10, 9, 0, 1], 80)));
        let at = START + day * 86_400 + second;
        let claims = format!(
            r#"{{"iss":"https://id.example","sub":"{agent}","client_id":"{agent}","client_type":"ai-agent","iat":{},"exp":{}}}"#,
            at - 60,
            at + 3600
        );
        let token = jwt(&mut Rng::named(at, agent), r#"{"alg":"ES256"}"#, &claims);
        let now = conn.open(&mut self.capture, at * SECOND);
        Task {
            office: self,
            conn,
            now,
            token,
        }
    }

    /// Five agents at work for a day: each task lists orders, reads some of them and some that it was told of otherwise, and notes something.
    fn day(&mut self, day: u64, agents: &[&str]) {
        for (place, agent) in agents.iter().enumerate() {
            for n in 0..6u64 {
                let second = 8 * 3600 + n * 4800 + place as u64 * 600;
                let address = format!("10.1.0.{}", 10 + place);
                let (told, first) = (self.rng.range(0, 3), self.rng.range(10_000, 90_000));
                let mut task = self.task(agent, &address, day, second);
                let mine = task.list(first, 6);
                for id in &mine[..3] {
                    task.read(*id, 200);
                }
                for id in task.others(told) {
                    task.read(id, 200);
                }
                task.note(mine[0]);
                task.end();
            }
        }
    }
}

impl Task<'_> {
    fn call(&mut self, request: Message, status: u16, answer: String) {
        let request = request
            .field("Host", "orders.example")
            .field("User-Agent", "order-agent/1.4")
            .field("Authorization", format!("Bearer {}", self.token));
        let capture = &mut self.office.capture;
        self.now += SECOND;
        let sent = self
            .conn
            .send(capture, self.now, Side::Client, &request.encode().bytes());
        let answer = Message::response(status).json(answer).encode().bytes();
        self.now = self.conn.send(capture, sent + 8_000_000, Side::Server, &answer);
    }

    /// Orders of which nobody can tell the next one.
    fn others(&mut self, count: u64) -> Vec<u64> {
        (0..count)
            .map(|_| self.office.rng.range(100_000, 999_999))
            .collect()
    }

    fn list(&mut self, first: u64, count: u64) -> Vec<u64> {
        let ids: Vec<u64> = (0..count).map(|n| first + n * 7).collect();
        let rows: Vec<_> = ids
            .iter()
            .map(|id| format!(r#"{{"order_id":{id},"state":"open"}}"#))
            .collect();
        let request = Message::request("GET", &format!("/v1/orders?limit={count}"));
        self.call(request, 200, format!(r#"{{"orders":[{}]}}"#, rows.join(",")));
        ids
    }

    fn read(&mut self, id: u64, status: u16) {
        let answer = match status {
            200 => format!(
                r#"{{"order_id":{id},"state":"open","lines":[{{"sku":"A{}","count":2}}]}}"#,
                id % 97
            ),
            _ => r#"{"error":"no such order"}"#.to_owned(),
        };
        self.call(
            Message::request("GET", &format!("/v1/orders/{id}")),
            status,
            answer,
        );
    }

    fn note(&mut self, id: u64) {
        let request = Message::request("POST", &format!("/v1/orders/{id}/notes")).json(r#"{"text":"seen"}"#);
        self.call(request, 201, r#"{"ok":true}"#.to_owned());
    }

    fn end(mut self) {
        self.conn
            .close(&mut self.office.capture, self.now + SECOND, Side::Client);
    }
}

/// Replays what was made. Gives kind, severity, name of the principal and day of what was told of medium severity or more.
fn findings(name: &str, office: &Office) -> Vec<(String, String, String, u64)> {
    let folder = folder(name);
    let (capture, out) = (folder.join("capture.pcap"), folder.join("findings.jsonl"));
    std::fs::write(&capture, office.capture.pcap(Resolution::Nanoseconds)).expect("the capture is written");
    let run = tapline(&[
        "replay".as_ref(),
        capture.as_os_str(),
        "--findings".as_ref(),
        out.as_os_str(),
    ]);
    assert!(run.status.success(), "{}", said(&run));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for record in lines(&out) {
        let severity = text(&record["severity"]);
        if !["medium", "high", "critical"].contains(&severity.as_str()) || record["principal"].is_null() {
            continue;
        }
        let at = time_of(&text(&record["detected_at"]));
        all.push((
            text(&record["kind"]),
            severity,
            text(&record["principal"]["name"]),
            (at - START) / 86_400,
        ));
    }
    all
}

/// Seconds since 1970 of a time as records have it.
fn time_of(text: &str) -> u64 {
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().expect("a number");
    let (day, month) = (number(8, 10), number(5, 7));
    // 2026 is no leap year; 20454 days lie before it.
    let before: u64 = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month as usize - 1];
    (20_454 + before + day - 1) * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19)
}

const AGENTS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// An agent that walks through orders from its first call on; one in three is refused. It never was any other way.
#[test]
fn an_attacker_that_never_was_any_other_way_is_found() {
    for attacked in [true, false] {
        let mut office = Office::new(1);
        for day in 0..12 {
            office.day(day, &AGENTS);
            for n in 0..5u64 {
                let agent = if attacked { "intruder" } else { "f" };
                let mut task = office.task(agent, "10.1.0.77", day, 9 * 3600 + n * 5000);
                let wanted = if attacked { 18 } else { 2 };
                let mine = task.list(20_000 + day * 100 + n, 6);
                for (at, id) in task.others(wanted).into_iter().enumerate() {
                    // Answers that are refused are spread so thin that no run of them is a walk by itself.
                    task.read(id, if attacked && at % 5 == 4 { 403 } else { 200 });
                }
                task.note(mine[0]);
                task.end();
            }
        }
        let found = findings(&format!("learning-first-{attacked}"), &office);
        let of_it = found.iter().filter(|f| f.2 == "intruder").count();
        assert_eq!(of_it > 0, attacked, "{found:?}");
        assert_eq!(found.len() - of_it, 0, "nobody else is told of: {found:?}");
        assert!(
            !attacked || found.iter().any(|f| f.3 >= 2 && f.2 == "intruder"),
            "found after the first two days: {found:?}"
        );
    }
}

/// A stolen token: besides the agent's own tasks somebody guesses orders with it, every night while everything is learned, and after.
#[test]
fn a_token_that_was_stolen_before_is_found_afterwards() {
    for attacked in [true, false] {
        let mut office = Office::new(2);
        for day in 0..12 {
            if attacked {
                let mut task = office.task("c", "10.1.0.12", day, 3 * 3600);
                for (at, id) in task.others(25).into_iter().enumerate() {
                    task.read(id, if at % 2 == 1 { 404 } else { 200 });
                }
                task.end();
            }
            office.day(day, &AGENTS);
        }
        let found = findings(&format!("learning-stolen-{attacked}"), &office);
        assert_eq!(
            found.iter().any(|f| f.2 == "c" && f.3 >= 8),
            attacked,
            "{found:?}"
        );
        assert!(found.iter().all(|f| f.2 == "c"), "{found:?}");
    }
}

/// Each day a few more orders than the day before, none of which is far from what is usual by then.
#[test]
fn a_baseline_that_is_moved_a_little_each_day_is_told() {
    for attacked in [true, false] {
        let mut office = Office::new(3);
        for day in 0..40 {
            office.day(day, &AGENTS[..3]);
            for n in 0..6u64 {
                let mut task = office.task("mover", "10.1.0.40", day, 9 * 3600 + n * 4000);
                let mut many = 2.0 + (task.office.rng.range(0, 2) as f64 - 1.0) / 2.0;
                if attacked {
                    many *= 1.06f64.powi(day as i32);
                }
                task.list(20_000 + day * 100 + n, 6);
                let orders = task.others(many.round() as u64);
                orders.into_iter().for_each(|id| task.read(id, 200));
                task.end();
            }
        }
        let found = findings(&format!("learning-moved-{attacked}"), &office);
        let moved = found
            .iter()
            .filter(|f| f.0 == "baseline_poison_suspected" && f.2 == "mover");
        assert_eq!(moved.count() > 0, attacked, "{found:?}");
        assert!(attacked || found.is_empty(), "{found:?}");
    }
}
