//! What callers do on a day: roles, the tasks of each, and the exchanges of a task.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};
use testdata::rng::Rng;
use testdata::text::jwt;

use super::Worker;
use super::calendar::{Calendar, DAY, START};

const SECOND: u64 = 1_000_000_000;

/// A job that several callers have.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    /// As its tokens say it.
    pub(crate) kind: &'static str,
    /// Services that it calls, the one of its list first.
    pub(crate) services: &'static [&'static str],
    /// What it works on.
    pub(crate) thing: &'static str,
    /// Tasks a day, and the first hour of a day.
    pub(crate) tasks: f64,
    pub(crate) hour: i64,
    /// Hours of a day.
    pub(crate) hours: u64,
    /// It is off when people are.
    pub(crate) office: bool,
    /// Its tasks, and how often each comes.
    pub(crate) plans: &'static [(u64, &'static [Step])],
}

/// A part of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A page of things.
    List(u64),
    /// Some of those that were listed, at least and at most.
    Items(u64, u64),
    /// Some that somebody told it of: nothing on the wire has shown them.
    Told(u64),
    Note,
    Change,
    Search,
    /// Another service, for each of some things.
    Ask(usize, u64),
    Report,
    /// A tool of an MCP server, with the thing.
    Tool(&'static str),
    /// What deploys have brought.
    New,
}

use Step::{Ask, Change, Items, List, New, Note, Report, Search, Told, Tool};

/// The jobs.
pub(crate) const ROLES: [Role; 10] = [
    Role {
        name: "support",
        kind: "ai-agent",
        services: &["tickets", "customers", "orders"],
        thing: "tickets",
        tasks: 5.0,
        hour: 7,
        hours: 9,
        office: true,
        plans: &[
            (6, &[List(15), Items(1, 4), Ask(1, 2), Note, New]),
            (3, &[Told(2), Ask(1, 1), Ask(2, 2), Note, Change]),
            (1, &[Search, Items(2, 6), Note]),
        ],
    },
    Role {
        name: "billing",
        kind: "ai-agent",
        services: &["invoices", "customers", "payments"],
        thing: "invoices",
        tasks: 4.0,
        hour: 6,
        hours: 9,
        office: true,
        plans: &[
            (5, &[List(20), Items(2, 8), Ask(1, 3), Change, New]),
            (2, &[Told(1), Ask(2, 1), Change]),
            (1, &[Search, Items(1, 3), Report]),
        ],
    },
    Role {
        name: "shipping",
        kind: "service",
        services: &["parcels", "orders"],
        thing: "parcels",
        tasks: 9.0,
        hour: 0,
        hours: 24,
        office: false,
        plans: &[
            (7, &[List(25), Items(3, 9), Change]),
            (2, &[Told(3), Ask(1, 2), New]),
        ],
    },
    Role {
        name: "research",
        kind: "ai-agent",
        services: &["documents", "search"],
        thing: "documents",
        tasks: 4.0,
        hour: 8,
        hours: 10,
        office: true,
        plans: &[
            (4, &[Search, Items(3, 10), Search, Items(1, 5), Note]),
            (3, &[List(10), Items(1, 6), Tool("summarise"), New]),
            (2, &[Tool("find"), Told(3), Tool("summarise"), Note]),
        ],
    },
    Role {
        name: "assistant",
        kind: "ai-agent",
        services: &["calendar", "mail"],
        thing: "meetings",
        tasks: 6.0,
        hour: 6,
        hours: 11,
        office: true,
        plans: &[
            (5, &[Tool("list_meetings"), Items(1, 3), Tool("send_mail")]),
            (3, &[List(8), Items(0, 2), Change, Note]),
            (2, &[Told(1), Tool("send_mail"), New]),
        ],
    },
    Role {
        name: "nightly",
        kind: "service",
        services: &["exports", "customers"],
        thing: "records",
        tasks: 2.0,
        hour: 1,
        hours: 2,
        office: false,
        plans: &[(1, &[List(50), Items(20, 30), Report, Change, New])],
    },
    Role {
        name: "sales",
        kind: "ai-agent",
        services: &["leads", "customers"],
        thing: "leads",
        tasks: 5.0,
        hour: 8,
        hours: 9,
        office: true,
        plans: &[
            (5, &[List(12), Items(1, 5), Change, Note]),
            (2, &[Search, Items(1, 4), Ask(1, 2), New]),
            (1, &[Told(4), Note]),
        ],
    },
    Role {
        name: "monitor",
        kind: "service",
        services: &["status", "orders"],
        thing: "checks",
        tasks: 20.0,
        hour: 0,
        hours: 24,
        office: false,
        plans: &[(9, &[List(5)]), (1, &[List(5), Items(1, 2), Note])],
    },
    Role {
        name: "coder",
        kind: "ai-agent",
        services: &["repos", "builds"],
        thing: "changes",
        tasks: 4.0,
        hour: 9,
        hours: 10,
        office: true,
        plans: &[
            (4, &[List(10), Items(2, 9), Note, Ask(1, 3)]),
            (3, &[Told(2), Items(0, 0), Ask(1, 4), Change, Ask(1, 2)]),
            (2, &[Search, Items(1, 8), Change, New]),
        ],
    },
    Role {
        name: "stock",
        kind: "ai-agent",
        services: &["stock", "suppliers"],
        thing: "articles",
        tasks: 5.0,
        hour: 5,
        hours: 12,
        office: true,
        plans: &[
            (6, &[List(30), Items(2, 6), Change]),
            (2, &[Search, Items(1, 3), Ask(1, 2), Change, New]),
            (1, &[Report, Told(2)]),
        ],
    },
];

/// What holds for everybody today.
#[derive(Debug, Clone, Copy)]
pub(super) struct Today<'a> {
    pub(super) day: u64,
    pub(super) calendar: Calendar,
    pub(super) deployed: &'a BTreeMap<&'static str, u64>,
    pub(super) grown: &'a BTreeMap<&'static str, f64>,
    pub(super) outage: Option<(&'static str, u64)>,
}

/// One task while it is being done.
struct Task<'a> {
    worker: &'a Worker,
    today: &'a Today<'a>,
    rng: &'a mut Rng,
    sent: &'a mut Vec<Exchange>,
    token: String,
    now: u64,
    start: u64,
    port: u16,
    index: u32,
    /// What was listed.
    listed: Vec<u64>,
}

/// The day of one caller. Gives how many tasks it had.
pub(super) fn day(
    worker: &Worker,
    today: &Today<'_>,
    backfill: bool,
    rng: &mut Rng,
    sent: &mut Vec<Exchange>,
) -> u64 {
    let role = worker.role;
    let end = today.calendar.is_month_end(today.day);
    let mut mean = worker.tasks * today.calendar.season(today.day);
    if end
        && role
            .plans
            .iter()
            .any(|(_, plan)| plan.iter().any(|s| matches!(s, Report)))
    {
        mean *= 1.6;
    }
    let tasks = poisson(mean, rng).max(1);
    let all: u64 = role.plans.iter().map(|(weight, _)| weight).sum();
    for n in 0..tasks {
        let slot = role.hours * 3600 / tasks.max(1);
        let second = n * slot + rng.range(0, slot.max(1) * 3 / 4);
        let at = START + today.day * DAY;
        let at = (at as i64 + (worker.hour * 3600 + second as i64) * SECOND as i64) as u64;
        let mut pick = rng.range(0, all);
        let plan = role.plans.iter().find(|(weight, _)| {
            let here = pick < *weight;
            pick = pick.wrapping_sub(*weight);
            here
        });
        let plan = plan.map_or(role.plans[0].1, |(_, plan)| plan);
        let mut task = Task::new(worker, today, rng, sent, (at, n));
        plan.iter().for_each(|step| task.step(*step));
        if end && n == 0 {
            task.step(Report);
        }
    }
    if backfill {
        // Approved, and done by the list: page by page, and each of them.
        let at = START + today.day * DAY + (worker.hour.max(0) as u64 * 3600 + 1800) * SECOND;
        let mut task = Task::new(worker, today, rng, sent, (at, tasks));
        for _ in 0..8 {
            task.step(List(25));
            task.step(Items(20, 25));
        }
    }
    tasks
}

/// A count of things that come by themselves.
fn poisson(mean: f64, rng: &mut Rng) -> u64 {
    let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0);
    loop {
        product *= (rng.range(0, 1 << 20) as f64 + 0.5) / f64::from(1 << 20);
        if product < limit || count > 500 {
            return count;
        }
        count += 1;
    }
}

impl<'a> Task<'a> {
    fn new(
        worker: &'a Worker,
        today: &'a Today<'a>,
        rng: &'a mut Rng,
        sent: &'a mut Vec<Exchange>,
        (at, n): (u64, u64),
    ) -> Self {
        let (name, kind, iat) = (&worker.name, worker.role.kind, at / SECOND - 60);
        let sort = match kind {
            "service" => "",
            _ => r#""client_type":"ai-agent","#,
        };
        let claims = format!(
            r#"{{"iss":"https://id.example","sub":"{name}","client_id":"{name}",{sort}"jti":"{}-{}-{n}","iat":{iat},"exp":{}}}"#,
            worker.number,
            today.day,
            iat + 3600
        );
        let token = jwt(
            &mut Rng::named(worker.number << 32 | today.day << 12 | n, "token"),
            r#"{"alg":"ES256"}"#,
            &claims,
        );
        Self {
            worker,
            today,
            token,
            now: at,
            start: at,
            port: 20_000 + ((worker.number * 977 + today.day * 61 + n) % 40_000) as u16,
            index: 0,
            listed: Vec::new(),
            rng,
            sent,
        }
    }

    fn host(&self, service: usize) -> &'static str {
        let services = self.worker.role.services;
        services[service.min(services.len() - 1)]
    }

    /// A thing of this caller or of its role: a hundred of each day, and thousands in all.
    fn thing(&mut self) -> u64 {
        let role = self
            .worker
            .role
            .name
            .bytes()
            .fold(7u64, |h, b| h * 31 + u64::from(b))
            % 90;
        let whose = if self.worker.own {
            1 + self.worker.number
        } else {
            0
        };
        (role * 1000 + whose) * 100_000 + self.today.day * 60 + self.rng.range(0, 400)
    }

    fn call(&mut self, service: usize, method: &str, target: &str, body: &str, status: u16, answer: String) {
        let host = self.host(service);
        self.now += SECOND + self.rng.range(0, 4000) * 1_000_000;
        let second = self.now.saturating_sub(START + self.today.day * DAY) / SECOND;
        let down = self
            .today
            .outage
            .is_some_and(|(failed, from)| failed == host && (from..from + 1200).contains(&second));
        if down {
            // It backs off, as it should, and gives up.
            for wait in [1, 2, 4, 8, 16] {
                self.exchange(
                    host,
                    method,
                    target,
                    body,
                    503,
                    r#"{"error":"unavailable"}"#.to_owned(),
                );
                self.now += wait * SECOND;
            }
            return;
        }
        self.exchange(host, method, target, body, status, answer);
    }

    fn exchange(&mut self, host: &str, method: &str, target: &str, body: &str, status: u16, answer: String) {
        let worker = self.worker;
        let typed = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\n"
        };
        let head = format!(
            "{method} {target} HTTP/1.1\nHost: {host}.company.example\nUser-Agent: {}/1.{}\nAuthorization: Bearer {}\n{typed}",
            worker.role.name, worker.version, self.token
        );
        let client = Ipv4Addr::from(0x0a14_0000 | (worker.number as u32) << 6 | (worker.machine as u32 & 63));
        let server = host
            .bytes()
            .fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)))
            & 0xffff;
        self.sent.push(
            ExchangeBuilder::new(Timestamp(self.now))
                .between(
                    SocketAddr::new(IpAddr::V4(client), self.port),
                    SocketAddr::from((Ipv4Addr::from(0xac10_0000 | server), 443)),
                )
                .over_tls()
                .in_flow(Timestamp(self.start), self.index)
                .request(&head, body)
                .response(
                    &format!(
                        "HTTP/1.1 {status} X\nContent-Type: application/json\nCache-Control: no-store\nRateLimit-Limit: 600\n"
                    ),
                    answer,
                )
                .waited(20_000_000 + self.rng.range(0, 60) * 1_000_000)
                .build(),
        );
        self.index += 1;
    }

    fn row(&mut self, id: u64, service: usize, bytes: u64) -> String {
        let grown = self.today.grown.get(self.host(service)).copied().unwrap_or(1.0);
        let spread = self.rng.range(60, 160) as f64 / 100.0;
        let text = "word ".repeat(((bytes as f64 * grown * spread) / 5.0) as usize);
        let state = ["open", "done", "waiting"][(id % 3) as usize];
        format!(r#"{{"id":"th-{id:010}","state":"{state}","text":"{text}"}}"#)
    }

    fn step(&mut self, step: Step) {
        let thing = self.worker.role.thing;
        match step {
            List(count) => {
                let ids: Vec<u64> = (0..count).map(|_| self.thing()).collect();
                let rows: Vec<_> = ids.iter().map(|id| self.row(*id, 0, 80)).collect();
                self.listed.extend(&ids);
                let answer = format!(r#"{{"items":[{}],"next":null}}"#, rows.join(","));
                self.call(0, "GET", &format!("/v1/{thing}?limit={count}"), "", 200, answer);
            }
            Search => {
                let ids: Vec<u64> = (0..self.rng.range(3, 12)).map(|_| self.thing()).collect();
                let rows: Vec<_> = ids.iter().map(|id| self.row(*id, 0, 120)).collect();
                self.listed.extend(&ids);
                let word = self.rng.range(0, 500);
                let answer = format!(r#"{{"found":[{}]}}"#, rows.join(","));
                self.call(
                    0,
                    "GET",
                    &format!("/v1/{thing}/search?q=word{word}"),
                    "",
                    200,
                    answer,
                );
            }
            Items(least, most) => {
                for _ in 0..self.rng.range(least, most + 1) {
                    let Some(id) = self
                        .listed
                        .get(self.rng.range(0, self.listed.len() as u64) as usize)
                    else {
                        break;
                    };
                    self.item(*id);
                }
            }
            Told(most) => {
                for _ in 0..self.rng.range(1, most + 1) {
                    let id = self.thing();
                    self.item(id);
                    self.listed.push(id);
                }
            }
            Note => {
                let id = self.latest();
                let target = format!("/v1/{thing}/th-{id:010}/notes");
                self.call(
                    0,
                    "POST",
                    &target,
                    r#"{"text":"seen and done"}"#,
                    201,
                    r#"{"ok":true}"#.to_owned(),
                );
            }
            Change => {
                let id = self.latest();
                let target = format!("/v1/{thing}/th-{id:010}");
                self.call(
                    0,
                    "PATCH",
                    &target,
                    r#"{"state":"done"}"#,
                    200,
                    r#"{"ok":true}"#.to_owned(),
                );
            }
            Ask(service, most) => {
                for _ in 0..self.rng.range(1, most + 1) {
                    let id = self.latest() % 40_000 + 7_000_000;
                    let row = self.row(id, service, 300);
                    let of = self.host(service);
                    self.call(service, "GET", &format!("/v1/{of}/th-{id:010}"), "", 200, row);
                }
            }
            Report => {
                let month = 1 + self.today.day / 31 % 12;
                let rows: Vec<_> = (0..60).map(|n| self.row(n, 0, 400)).collect();
                let answer = format!(r#"{{"rows":[{}]}}"#, rows.join(","));
                self.call(0, "GET", &format!("/v1/reports/2026-{month:02}"), "", 200, answer);
            }
            Tool(name) => {
                let (id, n) = (self.latest(), self.index);
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"name":"{name}","arguments":{{"item_id":"th-{id:010}"}}}}}}"#
                );
                let text = "word ".repeat(self.rng.range(20, 120) as usize);
                let answer = format!(
                    r#"{{"jsonrpc":"2.0","id":{n},"result":{{"content":[{{"type":"text","text":"th-{id:010} {text}"}}]}}}}"#
                );
                self.call(1, "POST", "/mcp", &body, 200, answer);
            }
            New => {
                let count = self.today.deployed.get(self.host(0)).copied().unwrap_or(0);
                if count > 0 {
                    let which = self.rng.range(0, count);
                    let id = self.latest();
                    let row = self.row(id, 0, 200);
                    let target = format!("/v1/{thing}/th-{id:010}/part{which}");
                    self.call(0, "GET", &target, "", 200, row);
                }
            }
        }
    }

    fn item(&mut self, id: u64) {
        let thing = self.worker.role.thing;
        // Now and then it is gone.
        let (status, answer) = match self.rng.range(0, 60) {
            0 => (404, r#"{"error":"gone"}"#.to_owned()),
            _ => (200, self.row(id, 0, 500)),
        };
        self.call(0, "GET", &format!("/v1/{thing}/th-{id:010}"), "", status, answer);
    }

    /// What it was at last.
    fn latest(&mut self) -> u64 {
        match self.listed.last() {
            Some(id) => *id,
            None => self.thing(),
        }
    }
}
