//! What a caller reached since it began: objects, records, bytes, services and endpoints, for every finding about what callers do.
//!
//! ```text
//! exchange ─▶ Contribution ─▶ Reach of the unit of work ──copied when a finding is told of it──▶ Reach of the finding
//!                      └────────── counted to the findings told of the unit ──────────────────────────▲
//! ```
//!
//! What began is the unit of work in which a finding was told: from its first call, or from the first one after half an hour of
//! silence. A finding that comes back in another unit takes that one's reach besides its own. Distinct things are counted exactly up
//! to [`EXACT`] of each sort, and estimated beyond (HyperLogLog, Flajolet et al. 2007, with 256 registers: within 6.5 percent two times
//! out of three). They follow from what was seen alone, in whatever order.
//!
//! Source: requirement that every finding about behaviour tells how far it reached; OWASP ASI02:2026, API4:2023.

use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::activity::Activity;
use crate::finding::BlastRadius;
use crate::id::{Id, Seed};

/// Units of one principal whose reach is kept; of others the one that was quiet for longest makes way.
const UNITS: usize = 8;

/// Time without a call after which a unit begins anew.
const OVER: Duration = Duration::from_secs(30 * 60);

/// Distinct things of one sort that are counted one by one.
const EXACT: usize = 256;

/// Findings told of one unit that go on being counted to.
const TOLD: usize = 16;

/// Bytes of an answer in which records are counted.
const SEARCHED: usize = 256 << 10;

/// How many different things there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Distinct {
    /// All of them, sorted, by a part of their hashes.
    Few(Vec<u32>),
    /// The longest runs of zeros seen in each of 256 registers.
    Many(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// Spreads the bits of a part of a hash, so that registers and runs depend on all of them (the finaliser of `MurmurHash3`).
fn spread(value: u32) -> u32 {
    let mut x = value;
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

fn register(all: &mut [u8], value: u32) {
    let bits = spread(value);
    let run = ((bits | 0xff).leading_zeros() + 1) as u8;
    if let Some(longest) = all.get_mut((bits & 0xff) as usize) {
        *longest = (*longest).max(run);
    }
}

impl Distinct {
    /// Whether that may have changed anything: it does not where the value was counted before.
    fn add(&mut self, value: u32) -> bool {
        match self {
            Self::Few(all) => {
                let Err(at) = all.binary_search(&value) else {
                    return false;
                };
                if all.len() < EXACT {
                    all.insert(at, value);
                    return true;
                }
                let mut registers = vec![0; 256];
                all.iter()
                    .chain([&value])
                    .for_each(|value| register(&mut registers, *value));
                *self = Self::Many(registers);
            }
            Self::Many(registers) => register(registers, value),
        }
        true
    }

    fn merge(&mut self, other: &Self) {
        match other {
            Self::Few(all) => all.iter().for_each(|value| {
                self.add(*value);
            }),
            Self::Many(registers) => {
                let mut own = match self {
                    Self::Many(own) => std::mem::take(own),
                    Self::Few(all) => {
                        let mut own = vec![0; 256];
                        all.iter().for_each(|value| register(&mut own, *value));
                        own
                    }
                };
                own.iter_mut()
                    .zip(registers)
                    .for_each(|(own, other)| *own = (*own).max(*other));
                *self = Self::Many(own);
            }
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Few(all) => all.len() as u64,
            Self::Many(registers) => {
                let sum: f64 = registers.iter().map(|run| 0.5f64.powi(i32::from(*run))).sum();
                let (count, free) = (
                    registers.len() as f64,
                    registers.iter().filter(|run| **run == 0).count(),
                );
                let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
                let estimate = match free > 0 && raw <= 2.5 * count {
                    true => count * (count / free as f64).ln(),
                    false => raw,
                };
                // There were more than are counted one by one.
                (estimate.round() as u64).max(EXACT as u64 + 1)
            }
        }
    }
}

/// What one exchange adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contribution {
    ts: Timestamp,
    object: Option<u32>,
    service: u32,
    endpoint: u32,
    records: u64,
    bytes: u64,
}

impl Contribution {
    /// Packet time of the exchange.
    pub(crate) fn ts(&self) -> Timestamp {
        self.ts
    }

    /// Of an exchange. `object`: the object that it names and was given; `text`: its answer, when that is text.
    pub(crate) fn of(activity: &Activity<'_>, object: Option<u64>, text: Option<&[u8]>, seed: Seed) -> Self {
        let part = |hash: u64| (hash >> 7) as u32;
        let host = activity.request.host.as_bytes();
        let service = match host.is_empty() {
            true => seed.hash(activity.exchange.flow.server.to_string().as_bytes()),
            false => seed.hash(host),
        };
        let answered = activity
            .exchange
            .response
            .as_ref()
            .filter(|_| activity.accepted());
        Self {
            ts: activity.ts,
            object: object.map(part),
            service: part(service),
            endpoint: activity.endpoint.map_or_else(
                || part(seed.hash(activity.request.method().as_bytes()) ^ service),
                |e| part(e.id.short()),
            ),
            records: match (answered, text) {
                (Some(_), Some(text)) => records(text),
                (Some(response), None) => u64::from(response.message.content_bytes > 0),
                (None, _) => 0,
            },
            bytes: answered.map_or(0, |response| response.message.content_bytes),
        }
    }
}

/// Records in a text: objects that are elements of a list in JSON, also of JSON within a string; else the text is one.
fn records(text: &[u8]) -> u64 {
    let text = &text[..text.len().min(SEARCHED)];
    if text.trim_ascii().is_empty() {
        return 0;
    }
    let element = |at: usize| {
        let before = text[..at].iter().rev().find(|b| !b.is_ascii_whitespace());
        matches!(before, Some(b'[' | b','))
    };
    let count = memchr::memchr_iter(b'{', text).filter(|at| element(*at)).count() as u64;
    match count {
        0 => u64::from(!matches!(text.trim_ascii(), b"[]" | b"{}" | b"null")),
        count => count,
    }
}

/// What was reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// Packet time of the first call, nanoseconds since 1970.
    since: u64,
    objects: Distinct,
    services: Distinct,
    endpoints: Distinct,
    records: u64,
    bytes: u64,
    /// What was counted last, which need not be looked for again.
    #[serde(skip)]
    latest: Latest,
}

/// Object, service and endpoint that were counted last. Nothing that two reaches differ in.
#[derive(Debug, Clone, Copy, Default)]
struct Latest(Option<u32>, Option<u32>, Option<u32>);

impl PartialEq for Latest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What of a call was not counted before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh {
    object: bool,
    service: bool,
    endpoint: bool,
}

impl Reach {
    fn new(ts: Timestamp) -> Self {
        Self {
            since: ts.0,
            ..Self::default()
        }
    }

    /// Counts a call. Gives what of it was new.
    fn count(&mut self, of: &Contribution) -> Fresh {
        let latest = Latest(of.object.or(self.latest.0), Some(of.service), Some(of.endpoint));
        let before = std::mem::replace(&mut self.latest, latest);
        let may_be = Fresh {
            object: latest.0 != before.0,
            service: latest.1 != before.1,
            endpoint: latest.2 != before.2,
        };
        self.count_fresh(of, may_be)
    }

    /// Counts a call of which some is known to be counted already.
    fn count_fresh(&mut self, of: &Contribution, fresh: Fresh) -> Fresh {
        self.since = self.since.min(of.ts.0);
        self.records = self.records.saturating_add(of.records);
        self.bytes = self.bytes.saturating_add(of.bytes);
        let object = of.object.filter(|_| fresh.object);
        Fresh {
            object: object.is_some_and(|object| self.objects.add(object)),
            service: fresh.service && self.services.add(of.service),
            endpoint: fresh.endpoint && self.endpoints.add(of.endpoint),
        }
    }

    /// Counts a call of a unit that this was told of.
    pub(crate) fn count_of_unit(&mut self, of: &Contribution, fresh: Fresh) {
        self.count_fresh(of, fresh);
    }

    /// Takes over what another unit reached.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.since = self.since.min(other.since);
        self.objects.merge(&other.objects);
        self.services.merge(&other.services);
        self.endpoints.merge(&other.endpoints);
        self.records = self.records.saturating_add(other.records);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// In numbers.
    pub(crate) fn numbers(&self) -> BlastRadius {
        BlastRadius {
            since: self.since,
            objects: self.objects.count(),
            records: self.records,
            bytes: self.bytes,
            services: self.services.count(),
            endpoints: self.endpoints.count(),
        }
    }
}

/// The reach of one unit of work, and the findings that were told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OfUnit {
    id: Id,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    pub(crate) reach: Reach,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<Id>,
}

impl OfUnit {
    /// Counts a call. Gives what of it was new: all else was counted to the findings that were told of the unit too, which
    /// have all that it has.
    pub(crate) fn count(&mut self, of: &Contribution) -> Fresh {
        self.reach.count(of)
    }

    /// Findings that were told of it.
    pub(crate) fn told(&self) -> &[Id] {
        &self.told
    }

    /// Notes that a finding was told of it. False when it was before, or there is no room.
    pub(crate) fn tell(&mut self, finding: Id) -> bool {
        let new = !self.told.contains(&finding) && self.told.len() < TOLD;
        if new {
            self.told.push(finding);
        }
        new
    }
}

/// What one principal reaches, unit by unit. Part of its row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reached {
    units: Vec<OfUnit>,
}

impl Reached {
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Takes out the unit that a call belongs to, for as long as that is looked at; [`Self::put_back`] ends it.
    pub(crate) fn take(&mut self, id: Id, ts: Timestamp) -> OfUnit {
        let new = || OfUnit {
            id,
            last: ts,
            reach: Reach::new(ts),
            told: Vec::new(),
        };
        // What would begin anew is of no more use.
        self.units.retain(|unit| ts.since(unit.last) <= OVER);
        let known = self.units.iter().position(|unit| unit.id == id);
        let mut unit = match known.map(|at| self.units.remove(at)) {
            Some(unit) => unit,
            None => {
                if self.units.len() >= UNITS {
                    self.units.remove(0);
                }
                new()
            }
        };
        unit.last = unit.last.max(ts);
        unit
    }

    pub(crate) fn put_back(&mut self, unit: OfUnit) {
        self.units.push(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, Scene, agent_token};
    use crate::{Finding, Kind, Severity};

    fn hash(n: u32) -> u32 {
        (Id::of(&[&n.to_le_bytes()]).short() >> 7) as u32
    }

    #[test]
    fn distinct_things_are_counted_exactly_and_then_estimated_in_little_room() {
        let mut all = Distinct::default();
        for n in 0..EXACT as u32 {
            all.add(hash(n));
            all.add(hash(n));
            assert_eq!(all.count(), u64::from(n) + 1);
        }
        for n in 0..50_000 {
            all.add(hash(n));
            if [300, 1_000, 10_000, 49_999].contains(&n) {
                let (count, n) = (all.count() as f64, f64::from(n));
                assert!((count - n).abs() / n < 0.2, "{count} of {n}");
            }
        }
        let Distinct::Many(registers) = &all else {
            panic!("{all:?}")
        };
        assert_eq!(registers.len(), 256);
    }

    #[test]
    fn a_union_is_the_same_in_whatever_order_it_is_made() {
        let of = |range: std::ops::Range<u32>| {
            let mut all = Distinct::default();
            range.for_each(|n| {
                all.add(hash(n));
            });
            all
        };
        for (a, b) in [
            (of(0..40), of(20..60)),
            (of(0..200), of(100..400)),
            (of(0..900), of(10..30)),
        ] {
            let (mut one, mut other) = (a.clone(), b.clone());
            one.merge(&b);
            other.merge(&a);
            assert_eq!(one.count(), other.count());
        }
        let mut both = of(0..40);
        both.merge(&of(20..60));
        assert_eq!(both.count(), 60);
    }

    #[test]
    fn records_are_the_elements_of_lists() {
        for (text, count) in [
            (r#"[{"id":1},{"id":2}, {"id":3}]"#, 3),
            (r#"{"items":[ {"id":1}, {"id":2} ],"next":{"page":2}}"#, 2),
            (r#"{"id":1,"owner":{"id":2}}"#, 1),
            (
                r#"{"result":{"content":[{"type":"text","text":"[{\"id\":1},{\"id\":2}]"}]}}"#,
                3,
            ),
            ("[]", 0),
            ("  ", 0),
            ("a,b\n1,2\n", 1),
        ] {
            assert_eq!(records(text.as_bytes()), count, "{text}");
        }
        // However long it is, no more than a part of it is searched.
        let long = "[".to_owned() + &"{},".repeat(SEARCHED);
        assert!(records(long.as_bytes()) <= SEARCHED as u64);
    }

    #[test]
    fn units_are_bounded_and_begin_anew_after_a_pause() {
        let at = |seconds: u64| Timestamp(seconds * 1_000_000_000);
        let mut reached = Reached::default();
        for n in 0..100u32 {
            let unit = reached.take(Id::of(&[&n.to_le_bytes()]), at(1000 + u64::from(n)));
            reached.put_back(unit);
        }
        assert_eq!(reached.units.len(), UNITS);
        let id = Id::of(&[b"unit"]);
        let mut unit = reached.take(id, at(2000));
        assert!(unit.tell(Id::of(&[b"finding"])) && !unit.tell(Id::of(&[b"finding"])));
        for n in 0..100u32 {
            unit.tell(Id::of(&[&n.to_le_bytes()]));
        }
        assert_eq!(unit.told().len(), TOLD);
        reached.put_back(unit);
        assert_eq!(reached.take(id, at(2000 + 1800)).reach.since, at(2000).0);
        let mut reached = Reached::default();
        let unit = reached.take(id, at(2000));
        reached.put_back(unit);
        let unit = reached.take(id, at(2000 + 1801));
        assert_eq!((unit.reach.since, unit.told().len()), (at(3801).0, 0));
    }

    fn last(scene: &Scene, kind: Kind) -> Finding {
        scene
            .analyzer
            .findings()
            .filter(|f| f.kind == kind)
            .last()
            .expect("a finding")
    }

    /// An agent that walks through orders.
    fn walk(scene: &mut Scene, from: u64, objects: u64) {
        let token = agent_token("walker", 0);
        for n in 0..objects {
            let id = from + n;
            let answer = format!(r#"{{"order_id":{id}}}"#);
            scene.send(&Call::get(format!("/orders/{id}")).bearer(&token).answer(answer));
        }
    }

    #[test]
    fn a_walk_tells_how_far_it_reached_and_goes_on_being_counted() {
        let mut scene = Scene::new();
        walk(&mut scene, 41_000, 40);
        let found = last(&scene, Kind::BolaEnumeration);
        let reach = found.blast_radius.expect("it is about what a caller does");
        assert_eq!(
            (reach.objects, reach.records, reach.services, reach.endpoints),
            (40, 40, 1, 1)
        );
        assert_eq!(reach.bytes, 40 * r#"{"order_id":41000}"#.len() as u64);
        assert_eq!(reach.since, found.first_seen);
        // What the same task does then is no enumeration, and is reached all the same.
        let token = agent_token("walker", 0);
        let rows: Vec<_> = (0..25).map(|n| format!(r#"{{"name":"{n}"}}"#)).collect();
        let list = format!("[{}]", rows.join(","));
        scene.send(
            &Call::get("/customers")
                .host("crm.example")
                .bearer(&token)
                .answer(list),
        );
        let reach = last(&scene, Kind::BolaEnumeration).blast_radius.unwrap();
        assert_eq!(
            (reach.objects, reach.records, reach.services, reach.endpoints),
            (40, 65, 2, 2)
        );
    }

    #[test]
    fn what_is_refused_is_not_reached() {
        let mut scene = Scene::new();
        let token = agent_token("walker", 0);
        for n in 0..40 {
            scene.send(
                &Call::get(format!("/orders/{}", 41_000 + n))
                    .bearer(&token)
                    .status(404)
                    .answer("gone"),
            );
        }
        let reach = last(&scene, Kind::BolaEnumeration).blast_radius.unwrap();
        assert_eq!(
            (reach.objects, reach.records, reach.bytes, reach.services),
            (0, 0, 0, 1)
        );
    }

    #[test]
    fn another_episode_adds_what_it_reached_and_counts_nothing_twice() {
        let mut scene = Scene::new();
        walk(&mut scene, 41_000, 40);
        scene.wait(2 * 3600);
        walk(&mut scene, 51_000, 50);
        let found = last(&scene, Kind::BolaEnumeration);
        let reach = found.blast_radius.unwrap();
        assert!(found.revision > 1, "{found:?}");
        assert_eq!(
            (reach.objects, reach.records),
            (90, 90),
            "what both reached, once"
        );
        let all = scene.analyzer.findings().filter(|f| f.severity >= Severity::Low);
        for finding in all.filter(|f| f.kind.has_reach()) {
            assert!(finding.blast_radius.is_some(), "{}", finding.kind.name());
        }
    }

    #[test]
    fn how_something_is_set_up_reaches_nothing() {
        let mut scene = Scene::new();
        for _ in 0..3 {
            scene.send(&Call::get("/a").field("X-Api-Key: 0123456789abcdef"));
        }
        let found = last(&scene, Kind::WeakAuth);
        assert_eq!(found.blast_radius, None);
    }
}
