//! A year of a company: agents and services whose habits change as real ones do. Nobody attacks; every finding about a caller is a
//! false one, and [`Company::causes`] says what had changed when it came.
//!
//! All of it follows from the seed. A day is made at a time, in the order in which its exchanges are sent.

mod calendar;
mod work;

use std::collections::BTreeMap;

use reassembly::Exchange;
use testdata::rng::Rng;

use calendar::Calendar;
pub use calendar::{DAY, START};
use work::{ROLES, Role};

/// Something that changed for one caller, or for all callers of its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Another version of the agent's program.
    Version,
    /// A deploy of the API: an operation is new and everybody in the role uses it, or a version gives way to the next.
    Deploy,
    /// Answers have grown.
    Growth,
    /// Working hours moved, also by summer time.
    Hours,
    /// Back after days off.
    Return,
    /// The agent moved to another machine.
    Move,
    /// The end of a month, with its reports.
    MonthEnd,
    /// The weeks before Christmas.
    Season,
    /// Something is caught up with in one go.
    Backfill,
    /// A server failed for a while.
    Outage,
    /// It was not there before.
    Newcomer,
    /// It has another job than before.
    NewJob,
    /// Nothing.
    None,
}

impl Cause {
    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "new version of the agent",
            Self::Deploy => "deploy of the API",
            Self::Growth => "larger answers",
            Self::Hours => "other working hours",
            Self::Return => "back after days off",
            Self::Move => "another machine",
            Self::MonthEnd => "end of a month",
            Self::Season => "season",
            Self::Backfill => "backfill",
            Self::Outage => "outage of a server",
            Self::Newcomer => "newcomer",
            Self::NewJob => "another job",
            Self::None => "nothing changed",
        }
    }

    /// Days for which it explains what is found.
    fn lasts(self) -> u64 {
        match self {
            Self::Outage | Self::Backfill | Self::MonthEnd => 1,
            Self::Return | Self::Move => 2,
            Self::Season => 45,
            Self::Newcomer => 10,
            _ => 7,
        }
    }
}

/// One caller.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) role: &'static Role,
    pub(crate) number: u64,
    /// First and last day.
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// Tasks of an ordinary day.
    pub(crate) tasks: f64,
    /// First hour of its day, UTC.
    pub(crate) hour: i64,
    pub(crate) version: u32,
    pub(crate) machine: u64,
    /// Whether its objects are its own, or those of its role.
    pub(crate) own: bool,
    /// Days on which it is away.
    pub(crate) away: Vec<(u64, u64)>,
    pub(crate) serial: u64,
}

/// The company, day by day.
#[derive(Debug)]
pub struct Company {
    calendar: Calendar,
    workers: Vec<Worker>,
    rng: Rng,
    today: u64,
    days: u64,
    /// What changed, by name of the caller: the day and the cause.
    changes: BTreeMap<String, Vec<(u64, Cause)>>,
    /// What deploys of each service have brought so far.
    pub(crate) deployed: BTreeMap<&'static str, u64>,
    /// Times the bytes of ordinary answers, by service.
    pub(crate) grown: BTreeMap<&'static str, f64>,
    /// The service that fails today, and from which second of the day on.
    pub(crate) outage: Option<(&'static str, u64)>,
}

impl Company {
    /// So many callers for so many days.
    #[must_use]
    pub fn new(callers: u64, days: u64, seed: u64) -> Self {
        let mut rng = Rng::named(seed, "company");
        let workers = (0..callers)
            .map(|n| {
                let role = &ROLES[n as usize % ROLES.len()];
                // One in eight comes in the course of the year, one in sixteen goes.
                let from = if n % 8 == 7 {
                    rng.range(20, days.max(21))
                } else {
                    0
                };
                let until = if n % 16 == 3 {
                    rng.range(days / 2, days)
                } else {
                    days
                };
                let away = rng.range(10, days.max(11));
                Worker {
                    name: format!("{}-{n}", role.name),
                    role,
                    number: n,
                    from,
                    until,
                    tasks: role.tasks * (0.6 + rng.range(0, 90) as f64 / 100.0),
                    hour: role.hour + rng.range(0, 3) as i64,
                    version: 10 + rng.range(0, 5) as u32,
                    machine: 1,
                    own: (n / ROLES.len() as u64).is_multiple_of(2),
                    away: vec![(away, away + rng.range(5, 16))],
                    serial: 0,
                }
            })
            .collect();
        Self {
            calendar: Calendar,
            workers,
            rng,
            today: 0,
            days,
            changes: BTreeMap::new(),
            deployed: BTreeMap::new(),
            grown: BTreeMap::new(),
            outage: None,
        }
    }

    /// What had changed for a caller shortly before a time: the latest first.
    #[must_use]
    pub fn causes(&self, name: &str, at: u64) -> Cause {
        let day = at.saturating_sub(START) / DAY;
        let known = self.changes.get(name).into_iter().flatten().rev();
        let mut near = known.filter(|(since, cause)| (*since..since + cause.lasts()).contains(&day));
        near.next().map_or(Cause::None, |(_, cause)| *cause)
    }

    /// Days on which each caller was at work, of months of thirty days: what alarms are counted against.
    #[must_use]
    pub fn months(&self) -> f64 {
        let days: u64 = self
            .workers
            .iter()
            .map(|w| w.until.min(self.today).saturating_sub(w.from))
            .sum();
        days as f64 / 30.0
    }

    fn note(&mut self, at: usize, cause: Cause) {
        let name = self.workers[at].name.clone();
        self.changes.entry(name).or_default().push((self.today, cause));
    }

    fn note_role(&mut self, service: &str, cause: Cause) {
        for at in 0..self.workers.len() {
            if self.workers[at].role.services.contains(&service) {
                self.note(at, cause);
            }
        }
    }

    /// What changes today.
    fn change(&mut self) {
        let today = self.today;
        self.outage = None;
        let services: Vec<&'static str> = {
            let mut all: Vec<_> = ROLES.iter().flat_map(|role| role.services).copied().collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        for service in services {
            // Every service is deployed anew with something in it every ten weeks or so.
            if today > 20 && self.rng.range(0, 70) == 0 {
                *self.deployed.entry(service).or_default() += 1;
                self.note_role(service, Cause::Deploy);
            }
            if today > 20 && self.rng.range(0, 120) == 0 {
                let factor = 1.1 + self.rng.range(0, 60) as f64 / 100.0;
                *self.grown.entry(service).or_insert(1.0) *= factor;
                self.note_role(service, Cause::Growth);
            }
            if self.rng.range(0, 180) == 0 {
                let second = 9 * 3600 + self.rng.range(0, 6 * 3600);
                self.outage = Some((service, second));
                self.note_role(service, Cause::Outage);
            }
        }
        for at in 0..self.workers.len() {
            let worker = &self.workers[at];
            if !(worker.from..worker.until).contains(&today) {
                continue;
            }
            if worker.from == today && today > 0 {
                self.note(at, Cause::Newcomer);
            }
            if self.workers[at].away.iter().any(|(_, until)| *until == today) {
                self.note(at, Cause::Return);
            }
            if self.calendar.is_after_holidays(today) {
                self.note(at, Cause::Return);
            }
            if self.calendar.is_month_end(today) {
                self.note(at, Cause::MonthEnd);
            }
            if self.calendar.season(today) > 1.2 && self.calendar.season(today.saturating_sub(1)) <= 1.2 {
                self.note(at, Cause::Season);
            }
            if self.calendar.summer_time_turns(today) {
                self.workers[at].hour += if self.calendar.is_summer(today) { -1 } else { 1 };
                self.note(at, Cause::Hours);
            }
            if today > 20 && self.rng.range(0, 60) == 0 {
                self.workers[at].version += 1;
                self.note(at, Cause::Version);
            }
            if today > 20 && self.rng.range(0, 240) == 0 {
                self.workers[at].hour += self.rng.range(0, 7) as i64 - 3;
                self.note(at, Cause::Hours);
            }
            if today > 20 && self.rng.range(0, 200) == 0 {
                self.workers[at].machine += 1;
                self.note(at, Cause::Move);
            }
            if today > 20 && self.rng.range(0, 400) == 0 {
                self.workers[at].tasks *= 1.5;
                self.note(at, Cause::NewJob);
            }
        }
    }

    /// The exchanges of the next day, in the order of their times; nothing when the year is over.
    pub fn day(&mut self) -> Option<Vec<Exchange>> {
        if self.today >= self.days {
            return None;
        }
        self.change();
        let mut sent = Vec::new();
        for at in 0..self.workers.len() {
            let worker = self.workers[at].clone();
            let present = (worker.from..worker.until).contains(&self.today);
            let away = worker
                .away
                .iter()
                .any(|(from, until)| (*from..*until).contains(&self.today));
            if !present || (away && worker.role.office) {
                continue;
            }
            if worker.role.office && self.calendar.is_free(self.today) {
                continue;
            }
            let serial = self.workers[at].serial;
            let mut rng = Rng::named(worker.number << 32 | self.today, "day");
            let backfill = self.today > 20 && rng.range(0, 250) == 0;
            if backfill {
                self.note(at, Cause::Backfill);
            }
            let company = work::Today {
                day: self.today,
                calendar: self.calendar,
                deployed: &self.deployed,
                grown: &self.grown,
                outage: self.outage,
            };
            let made = work::day(&worker, &company, backfill, &mut rng, &mut sent);
            self.workers[at].serial = serial + made;
        }
        self.today += 1;
        sent.sort_by_key(|exchange| (exchange.sent_at(), exchange.flow.client));
        Some(sent)
    }
}

/// When its request was sent.
trait Sent {
    fn sent_at(&self) -> u64;
}

impl Sent for Exchange {
    fn sent_at(&self) -> u64 {
        self.request
            .as_ref()
            .map_or(self.completed.0, |request| request.message.first.0)
    }
}

/// What was told of a caller.
#[derive(Debug, Clone)]
pub struct Told {
    /// The caller.
    pub name: String,
    /// Name of the kind.
    pub kind: String,
    /// Packet time, nanoseconds since 1970.
    pub at: u64,
    /// Id of the finding: what is told again is the same one.
    pub id: String,
    /// In words.
    pub text: String,
}

impl Told {
    /// A finding about a caller, when it is of medium severity or more.
    #[must_use]
    pub fn of(finding: &analyzers::Finding) -> Option<Self> {
        let principal = finding.principal.as_ref()?;
        (finding.severity >= analyzers::Severity::Medium).then(|| Self {
            name: principal.name.clone().unwrap_or_default(),
            kind: finding.kind.name().to_owned(),
            at: finding.detected_at,
            id: finding.id.clone(),
            text: finding.explanation.clone(),
        })
    }

    /// The month of the year of thirty days.
    #[must_use]
    pub fn month(&self) -> u64 {
        self.at.saturating_sub(START) / DAY / 30
    }
}
