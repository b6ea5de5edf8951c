//! # `alert_storm`: more findings than anybody reads
//!
//! New findings of medium and high severity have a budget in each window of packet time (`findings.storm_window`, a day): of each of the two
//! severities `findings.storm_caller` (20) about one caller, and `findings.storm_kind` (250) of one kind. What comes beyond it is kept,
//! counted here by kind and caller, and not told by itself: `tapline findings --held` lists it. It is told after all when it grows worse
//! and there is room among those, or when it is seen again in a window with room. Told when the first one is held back, each time
//! their number has doubled, and at the end of the run. As severe as the worst of what it holds.
//!
//! Critical findings are always told, and so are those of low severity and the revisions of what was told before; a flood of one severity
//! takes no room from the other.
//!
//! Source: budgets of alerts per principal and tenant, as in the practice of security operations; OWASP API10:2019 (insufficient monitoring).
//!
//! Blind to: which of the findings held back matters most; who fills a budget to hide behind it is told of here, by name.
//!
//! Quiet when: budgets are not used up; they are zero, which is no budget.

use std::collections::BTreeMap;

use reassembly::Timestamp;
use serde_json::{Map, Value, json};

use super::words::{many, sentence, span};
use super::{Finding, Severity};
use crate::id::Id;
use crate::settings::Settings;

/// Callers whose budgets are counted in one window; of those that come when there is no room only the budget of kinds holds.
const CALLERS: usize = 8192;

/// Callers that are named in one storm; the rest are counted together.
const NAMED: usize = 20;

/// Whose budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Caller,
    Kind,
}

/// What was told of in the current window.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    window: u64,
    caller: u32,
    kind: u32,
    /// Number of the window, and new findings in it by caller or kind, and severity.
    current: Option<u64>,
    callers: BTreeMap<(Id, Severity), u32>,
    kinds: BTreeMap<(super::Kind, Severity), u32>,
}

impl Budgets {
    pub(super) fn new(settings: &Settings) -> Self {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            window: settings.storm_window.as_nanos().try_into().unwrap_or(u64::MAX),
            caller: count(settings.storm_caller),
            kind: count(settings.storm_kind),
            ..Self::default()
        }
    }

    /// Whether a severity has a budget.
    pub(super) fn limits(&self, severity: Severity) -> bool {
        matches!(severity, Severity::Medium | Severity::High) && self.window > 0
    }

    /// The number of the window of a time.
    pub(super) fn window(&self, ts: Timestamp) -> u64 {
        ts.0 / self.window.max(1)
    }

    /// Seconds of a window.
    pub(super) fn seconds(&self) -> u64 {
        self.window / 1_000_000_000
    }

    /// The budget that was used up.
    pub(super) fn most(&self, over: Over) -> u32 {
        match over {
            Over::Caller => self.caller,
            Over::Kind => self.kind,
        }
    }

    /// Whether the counts are not those of the window of this time. After a restart they are to be made from what was told.
    pub(super) fn is_new(&mut self, ts: Timestamp) -> bool {
        let window = self.window(ts);
        if self.current.is_some_and(|current| window <= current) {
            return false;
        }
        self.current = Some(window);
        self.callers.clear();
        self.kinds.clear();
        true
    }

    /// Counts a finding that was told.
    pub(super) fn count(&mut self, caller: Option<Id>, kind: super::Kind, severity: Severity) {
        *self.kinds.entry((kind, severity)).or_default() += 1;
        if let Some(caller) = caller
            && (self.callers.len() < CALLERS || self.callers.contains_key(&(caller, severity)))
        {
            *self.callers.entry((caller, severity)).or_default() += 1;
        }
    }

    /// Whose budget a finding that is to be told would go beyond.
    pub(super) fn beyond(&self, caller: Option<Id>, kind: super::Kind, severity: Severity) -> Option<Over> {
        let told = caller.and_then(|caller| self.callers.get(&(caller, severity)));
        if self.caller > 0 && told.is_some_and(|told| *told >= self.caller) {
            return Some(Over::Caller);
        }
        let told = self.kinds.get(&(kind, severity));
        (self.kind > 0 && told.is_some_and(|told| *told >= self.kind)).then_some(Over::Kind)
    }
}

/// Counts one more under `name` in an object of counts; beyond those that are named it is one of the others.
fn add(counts: &mut Map<String, Value>, name: &str) {
    let room = counts.len() < NAMED || counts.contains_key(name);
    let name = if room { name } else { "others" };
    let count = counts.get(name).and_then(Value::as_u64).unwrap_or(0);
    counts.insert(name.to_owned(), (count + 1).into());
}

/// Takes one more finding into the numbers of a storm.
pub(super) fn hold(observed: &mut Map<String, Value>, held: &Finding) {
    let mut put = |name: &str, of: &str| {
        let counts = observed.entry(name).or_insert_with(|| json!({}));
        if let Value::Object(counts) = counts {
            add(counts, of);
        }
    };
    put("kinds", held.kind.name());
    put("severities", held.severity.name());
    if let Some(caller) = &held.principal {
        put("callers", caller.name.as_deref().unwrap_or(&caller.id));
    }
    let count = observed.get("held").and_then(Value::as_u64).unwrap_or(0);
    observed.insert("held".to_owned(), (count + 1).into());
}

/// Counts in words, the most first.
fn counted(of: Option<&Value>) -> String {
    const SHOWN: usize = 5;
    let mut all: Vec<(&str, u64)> = of
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)))
        .collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let words: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    match all.len().saturating_sub(SHOWN) {
        0 => words.join(", "),
        more => format!("{} and {more} more", words.join(", ")),
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |of: &Map<String, Value>, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or(0);
    let of = match finding.observed_text("budget") {
        "caller" => format!("about {}", finding.who()),
        _ => format!("of the kind {}", finding.observed_text("kind")),
    };
    let callers = match finding.observed.get("callers") {
        Some(callers) if finding.observed_text("budget") != "caller" => {
            format!(" Callers: {}.", counted(Some(callers)))
        }
        _ => String::new(),
    };
    sentence(&format!(
        "Within {}, {} {of} came beyond the budget of {} of each severity and are held back, the first of them at {}: {}.{callers}",
        span(number(&finding.support, "window_s")),
        many(number(&finding.observed, "held"), "new finding", "new findings"),
        number(&finding.expected, "told_at_most"),
        finding.place(),
        counted(finding.observed.get("kinds")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn budgets(caller: u64, kind: u64) -> Budgets {
        Budgets::new(&Settings {
            storm_caller: caller,
            storm_kind: kind,
            ..Settings::default()
        })
    }

    #[test]
    fn however_many_callers_come_no_more_than_the_table_holds_are_counted() {
        let mut all = budgets(1, 0);
        assert!(all.is_new(Timestamp(1)) && !all.is_new(Timestamp(2)));
        for n in 0..(2 * CALLERS as u64) {
            all.count(
                Some(Id::of(&[&n.to_le_bytes()])),
                Kind::RateAnomaly,
                Severity::Medium,
            );
        }
        assert_eq!(all.callers.len(), CALLERS);
        let first = Some(Id::of(&[&0u64.to_le_bytes()]));
        assert_eq!(
            all.beyond(first, Kind::RateAnomaly, Severity::Medium),
            Some(Over::Caller)
        );
        assert!(all.is_new(Timestamp(86_400_000_000_000)));
        assert_eq!(all.beyond(first, Kind::RateAnomaly, Severity::Medium), None);
    }

    #[test]
    fn one_severity_takes_no_room_from_another_and_critical_ones_have_no_budget() {
        let mut all = budgets(2, 3);
        let caller = Some(Id::of(&[b"a"]));
        (0..2).for_each(|_| all.count(caller, Kind::RateAnomaly, Severity::Medium));
        let beyond = |caller, kind, severity| all.beyond(caller, kind, severity);
        assert_eq!(
            beyond(caller, Kind::BolaEnumeration, Severity::Medium),
            Some(Over::Caller)
        );
        assert_eq!(beyond(caller, Kind::BolaEnumeration, Severity::High), None);
        assert_eq!(
            beyond(Some(Id::of(&[b"b"])), Kind::RateAnomaly, Severity::Medium),
            None
        );
        assert!(all.limits(Severity::Medium) && all.limits(Severity::High));
        assert!(!all.limits(Severity::Critical) && !all.limits(Severity::Low));
    }

    #[test]
    fn names_beyond_those_that_fit_are_the_others() {
        let mut counts = Map::new();
        (0..100).for_each(|n| add(&mut counts, &format!("agent-{n:03}")));
        assert_eq!(counts.len(), NAMED + 1);
        assert_eq!(counts["others"], 100 - NAMED as u64);
        assert_eq!(
            counted(Some(&Value::Object(counts))),
            "others 80, agent-000 1, agent-001 1, agent-002 1, agent-003 1 and 16 more"
        );
    }
}
