//! What differs between two moments: new and gone, facts that came and went, endpoints that nobody calls any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::state::{ACCESS, About, Facts, SINGLE, State};
use super::subject::{covers, rank};
use crate::records::Rfc3339;
use crate::records::time::NANOS_PER_DAY;

/// Calls to be expected before their absence tells something: with chance alone, fewer than one in a hundred such
/// endpoints stay silent (Poisson: e⁻⁵).
const EXPECTED_CALLS: u64 = 5;
/// The shortest silence that is told: longer than a weekend.
const SILENCE: u64 = 3 * NANOS_PER_DAY;
/// Days of silence after which a call is worth telling.
const LONG_SILENCE: u64 = 7;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happened {
    /// It was not there before.
    New,
    /// It is there no more.
    Gone,
    /// Its template took the place of others, or others that of its own.
    Renamed,
    /// An endpoint that is there is not called any more.
    Silent,
    /// An endpoint is called again after days of silence.
    Back,
    /// A fact of it differs.
    Changed,
}

impl Happened {
    /// The name used in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Renamed => "renamed",
            Self::Silent => "silent",
            Self::Back => "back",
            Self::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) about: About,
    pub(crate) happened: Happened,
    pub(crate) id: String,
    /// What it is called.
    pub(crate) names: BTreeMap<String, String>,
    /// Of a change the name of the fact; else empty.
    pub(crate) fact: String,
    /// Words that came: of what is new, templates that took over, or of the fact.
    pub(crate) added: Vec<String>,
    /// Words that went.
    pub(crate) removed: Vec<String>,
    /// The facts of what is new.
    pub(crate) facts: Option<Facts>,
    /// Numbers that explain it.
    pub(crate) numbers: Map<String, Value>,
}

impl Change {
    fn new(about: About, happened: Happened, id: &str, of: &Facts) -> Self {
        Self {
            about,
            happened,
            id: id.to_owned(),
            names: of.names.clone(),
            fact: String::new(),
            added: Vec::new(),
            removed: Vec::new(),
            facts: None,
            numbers: Map::new(),
        }
    }

    /// A name; empty when there is none of this sort.
    pub(crate) fn name(&self, sort: &str) -> &str {
        self.names.get(sort).map_or("", String::as_str)
    }

    /// One line of `tapline diff --json`.
    pub(crate) fn record(&self) -> Value {
        let mut record = json!({
            "v": crate::records::VERSION,
            "about": self.about.name(),
            "change": self.happened.name(),
            "id": self.id,
        });
        for (sort, name) in &self.names {
            record[sort] = name.as_str().into();
        }
        if !self.fact.is_empty() {
            record["fact"] = self.fact.as_str().into();
        }
        let lists = matches!(self.happened, Happened::Changed | Happened::Renamed);
        if lists {
            record["added"] = self.added.clone().into();
            record["removed"] = self.removed.clone().into();
        }
        if let Some(facts) = &self.facts {
            record["facts"] = json!(facts.facts);
        }
        if !self.numbers.is_empty() {
            record["numbers"] = Value::Object(self.numbers.clone());
        }
        record
    }
}

/// The stretch between the two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Nanoseconds since 1970: what came from here on is in it.
    pub(crate) from: u64,
    /// The last exchange in it.
    pub(crate) to: u64,
}

/// Everything that differs between `before` and `after`, in the order of what it is about, then of names.
pub(crate) fn between(before: &State, after: &State, window: Window) -> Vec<Change> {
    let mut found = Vec::new();
    endpoints(before, after, window, &mut found);
    for about in [About::Principal, About::Finding] {
        let (old, new) = (before.about(about), after.about(about));
        for (id, facts) in new {
            match old.get(id) {
                None => found.push(arrival(about, id, facts)),
                Some(was) => differences(about, id, was, facts, &mut found),
            }
        }
    }
    let place = |c: &Change| {
        let severity = c
            .facts
            .as_ref()
            .and_then(|f| f.fact("severity").next().and_then(rank));
        (
            c.about,
            c.happened,
            std::cmp::Reverse(severity),
            c.name("host").to_owned(),
            c.name("template").to_owned(),
            c.name("method").to_owned(),
            c.name("kind").to_owned(),
            c.name("name").to_owned(),
            c.id.clone(),
            c.fact.clone(),
        )
    };
    found.sort_by_cached_key(place);
    found
}

fn arrival(about: About, id: &str, facts: &Facts) -> Change {
    let mut change = Change::new(about, Happened::New, id, facts);
    if let Some(calls) = facts.calls {
        change.numbers.insert("exchanges".into(), calls.count.into());
        let first = Rfc3339(calls.first).to_string();
        change.numbers.insert("first_seen".into(), first.into());
    }
    change.facts = Some(facts.clone());
    change
}

fn endpoints(before: &State, after: &State, window: Window, found: &mut Vec<Change>) {
    let (old, new) = (before.about(About::Endpoint), after.about(About::Endpoint));
    let gone: BTreeMap<&String, &Facts> = old.iter().filter(|(id, _)| !new.contains_key(*id)).collect();
    let come: BTreeMap<&String, &Facts> = new.iter().filter(|(id, _)| !old.contains_key(*id)).collect();
    // A template that covers others has taken their place; one that is covered has been split off.
    let mut told: BTreeSet<&String> = BTreeSet::new();
    for (id, facts) in &come {
        let of_same = |other: &&Facts| {
            ["host", "method"]
                .iter()
                .all(|sort| other.name(sort) == facts.name(sort))
                && (covers(facts.name("template"), other.name("template")).is_some()
                    || covers(other.name("template"), facts.name("template")).is_some())
        };
        let from: Vec<(&String, &Facts)> = gone
            .iter()
            .filter(|(_, other)| of_same(other))
            .map(|(id, other)| (*id, *other))
            .collect();
        if from.is_empty() {
            continue;
        }
        let mut change = Change::new(About::Endpoint, Happened::Renamed, id, facts);
        change.added = vec![facts.name("template").to_owned()];
        change.removed = from.iter().map(|(_, f)| f.name("template").to_owned()).collect();
        change.removed.sort();
        told.insert(id);
        told.extend(from.into_iter().map(|(id, _)| id));
        found.push(change);
    }
    for (id, facts) in &come {
        if !told.contains(id) {
            found.push(arrival(About::Endpoint, id, facts));
        }
    }
    for (id, facts) in &gone {
        if !told.contains(id) {
            found.push(Change::new(About::Endpoint, Happened::Gone, id, facts));
        }
    }
    for (id, facts) in new {
        let Some(was) = old.get(id) else { continue };
        differences(About::Endpoint, id, was, facts, found);
        if let Some(numbers) = silence(facts, window) {
            let mut change = Change::new(About::Endpoint, Happened::Silent, id, facts);
            change.numbers = numbers;
            found.push(change);
        } else if let Some(days) = back(was, facts, window) {
            let mut change = Change::new(About::Endpoint, Happened::Back, id, facts);
            change.numbers.insert("silent_days".into(), days.into());
            found.push(change);
        }
    }
}

/// Facts that came and went.
fn differences(about: About, id: &str, was: &Facts, is: &Facts, found: &mut Vec<Change>) {
    let names: BTreeSet<&String> = was.facts.keys().chain(is.facts.keys()).collect();
    let none = BTreeSet::new();
    for name in names.into_iter().filter(|name| *name != ACCESS) {
        let old = was.facts.get(name).unwrap_or(&none);
        let new = is.facts.get(name).unwrap_or(&none);
        let added: Vec<String> = new.difference(old).cloned().collect();
        let removed: Vec<String> = old.difference(new).cloned().collect();
        if added.is_empty() && removed.is_empty() {
            continue;
        }
        let mut change = Change::new(about, Happened::Changed, id, is);
        change.fact = name.clone();
        change.added = added;
        change.removed = removed;
        found.push(change);
    }
}

/// Names of the facts to which something came, sorted.
pub(crate) fn came(was: &Facts, is: &Facts) -> Vec<String> {
    let new = |name: &String, words: &BTreeSet<String>| {
        let old = was.facts.get(name);
        words.iter().any(|word| old.is_none_or(|old| !old.contains(word)))
    };
    let all = is.facts.iter().filter(|(name, _)| *name != ACCESS);
    all.filter(|(name, words)| new(name, words))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Numbers of a silence that has grown long enough to be told within the window. It is told in that window alone: of
/// windows that follow on one another, in one.
fn silence(now: &Facts, window: Window) -> Option<Map<String, Value>> {
    let calls = now.calls?;
    // What came in one burst is taken to come once a day.
    let known = calls.last.saturating_sub(calls.first).max(NANOS_PER_DAY);
    let between = known / calls.count.saturating_sub(1).max(1);
    let worth_telling = calls
        .last
        .saturating_add(SILENCE.max(between.saturating_mul(EXPECTED_CALLS)));
    if calls.count < 2 || worth_telling <= window.from || worth_telling > window.to {
        return None;
    }
    let expected = window.to.saturating_sub(calls.last) / between.max(1);
    let mut numbers = Map::new();
    numbers.insert("exchanges".into(), calls.count.into());
    numbers.insert("last_seen".into(), Rfc3339(calls.last).to_string().into());
    numbers.insert("expected_calls".into(), expected.into());
    Some(numbers)
}

/// Days of silence before the window, when they were many and are over.
fn back(was: &Facts, now: &Facts, window: Window) -> Option<u64> {
    let quiet = was.quiet?;
    let called = match now.calls {
        Some(calls) => calls.last >= window.from,
        // In the history only those that were not called on the last day say when they were.
        None => now.quiet.is_none(),
    };
    let days = (window.from / NANOS_PER_DAY).saturating_sub(quiet);
    (called && days >= LONG_SILENCE).then_some(days)
}

/// Whether a fact has one value at a time.
pub(crate) fn is_single(fact: &str) -> bool {
    SINGLE.contains(&fact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::state::Calls;

    const DAY: u64 = NANOS_PER_DAY;

    fn endpoint(template: &str, auth: &[&str], calls: Option<(u64, u64, u64)>) -> (String, Facts) {
        let mut facts = Facts::default();
        for (sort, name) in [("host", "a.example"), ("method", "GET"), ("template", template)] {
            facts.names.insert(sort.into(), name.into());
        }
        facts
            .facts
            .insert("auth".into(), auth.iter().map(|a| (*a).to_owned()).collect());
        facts.calls = calls.map(|(count, first, last)| Calls { count, first, last });
        (template.to_owned(), facts)
    }

    fn state(endpoints: Vec<(String, Facts)>) -> State {
        State {
            all: BTreeMap::from([(About::Endpoint, endpoints.into_iter().collect())]),
            last: None,
        }
    }

    fn told(before: Vec<(String, Facts)>, after: Vec<(String, Facts)>, window: Window) -> Vec<String> {
        between(&state(before), &state(after), window)
            .iter()
            .map(|c| {
                let words = format!("{} {} {:?} {:?}", c.name("template"), c.fact, c.added, c.removed);
                format!("{} {words}", c.happened.name())
            })
            .collect()
    }

    const WINDOW: Window = Window {
        from: 100 * DAY,
        to: 101 * DAY,
    };

    #[test]
    fn more_of_the_same_is_no_change() {
        let before = vec![endpoint("/a", &["jwt"], None)];
        let after = vec![endpoint("/a", &["jwt"], Some((500, 90 * DAY, 101 * DAY)))];
        assert!(told(before, after, WINDOW).is_empty());
    }

    #[test]
    fn what_came_and_went_is_told_once() {
        let before = vec![endpoint("/a", &["jwt"], None), endpoint("/gone", &[], None)];
        let after = vec![
            endpoint("/a", &["jwt", "none"], None),
            endpoint("/new", &["jwt"], None),
        ];
        let found = told(before, after, WINDOW);
        assert_eq!(
            found,
            [
                "new /new  [] []",
                "gone /gone  [] []",
                "changed /a auth [\"none\"] []"
            ]
        );
    }

    #[test]
    fn templates_that_become_one_or_are_split_are_no_new_endpoints() {
        let names = || vec![endpoint("/u/anna", &[], None), endpoint("/u/ben", &[], None)];
        let one = || vec![endpoint("/u/{name}", &[], None)];
        assert_eq!(
            told(names(), one(), WINDOW),
            ["renamed /u/{name}  [\"/u/{name}\"] [\"/u/anna\", \"/u/ben\"]"]
        );
        assert_eq!(
            told(one(), names(), WINDOW),
            [
                "renamed /u/anna  [\"/u/anna\"] [\"/u/{name}\"]",
                "renamed /u/ben  [\"/u/ben\"] [\"/u/{name}\"]"
            ]
        );
        // Something else of the same form is one.
        let other = vec![endpoint("/v/{name}", &[], None)];
        assert_eq!(told(one(), other, WINDOW).len(), 2);
    }

    #[test]
    fn silence_is_told_when_calls_were_to_be_expected_and_only_once() {
        let check = |calls: (u64, u64, u64), wanted: [bool; 3]| {
            let told = [98, 99, 100].map(|day| {
                let window = Window {
                    from: day * DAY,
                    to: (day + 1) * DAY - 1,
                };
                let before = vec![endpoint("/a", &[], None)];
                let after = vec![endpoint("/a", &[], Some(calls))];
                !told(before, after, window).is_empty()
            });
            assert_eq!(told, wanted, "{calls:?}");
        };
        // On the third day after the last call.
        check((100, 80 * DAY, 96 * DAY + 5), [false, true, false]);
        // Still called.
        check((100, 80 * DAY, 99 * DAY), [false, false, false]);
        // Every second day: five such calls take ten days.
        check((11, 69 * DAY, 89 * DAY + 5), [false, true, false]);
        check((11, 70 * DAY, 95 * DAY), [false, false, false]);
        // One call is none to be expected, and a burst is no habit.
        check((1, 96 * DAY, 96 * DAY), [false, false, false]);
        check((3, 96 * DAY, 96 * DAY + 9), [false, true, false]);
    }

    #[test]
    fn a_call_after_long_silence_is_told() {
        let mut before = endpoint("/a", &[], None);
        before.1.quiet = Some(90);
        let after = vec![endpoint("/a", &[], Some((9, 80 * DAY, 100 * DAY + 1)))];
        assert_eq!(
            told(vec![before.clone()], after.clone(), WINDOW),
            ["back /a  [] []"]
        );
        before.1.quiet = Some(95);
        assert!(told(vec![before], after, WINDOW).is_empty());
    }
}
