//! What a machine is made of, as far as it shows: the version of its program, the models it asks, the tools it offers to them, and the
//! system prompt. When one of them changes its ways may change, and that explains what it does then.

use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::Seed;

/// How long a change explains other ways.
const WATCHED: Duration = Duration::from_secs(3 * 86_400);

/// Calls from which on a part is known, and values beyond which it has none that could change.
const KNOWN: u32 = 30;
const VALUES: usize = 6;

/// Length of a value as it is shown.
const SHOWN: usize = 200;

/// A part that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    Version,
    Model,
    Tools,
    Prompt,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Version => "program",
            Self::Model => "model",
            Self::Tools => "tools",
            Self::Prompt => "system_prompt",
        }
    }
}

/// One part, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    part: Part,
    calls: u32,
    /// Every value by hash; of the latest also what it is.
    values: Vec<u32>,
    latest: String,
}

/// All parts of a machine. Part of its row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epochs {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Known>,
    /// Seeded hash of the latest User-Agent, so that it is read once.
    #[serde(default)]
    agent: u64,
    /// When the latest change was, and how many there were.
    #[serde(with = "crate::store::nanos")]
    since: Timestamp,
    count: u32,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) part: Part,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) calls: u32,
}

impl Epochs {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a User-Agent is another one than that of the call before.
    pub(crate) fn is_other_agent(&mut self, agent: &str, seed: Seed) -> bool {
        let hash = seed.hash(agent.as_bytes());
        std::mem::replace(&mut self.agent, hash) != hash
    }

    /// Counts a call with the value of a part that the call before had.
    pub(crate) fn again(&mut self, part: Part) {
        if let Some(known) = self.parts.iter_mut().find(|known| known.part == part) {
            known.calls = known.calls.saturating_add(1);
        }
    }

    /// Whether a program of this name is the one that is known; the first one always is.
    pub(crate) fn program_is(&self, name: &str) -> bool {
        let known = self.parts.iter().find(|known| known.part == Part::Version);
        known.is_none_or(|known| {
            let before = known.latest.rsplit_once(' ');
            before.is_some_and(|(before, _)| before == name)
        })
    }

    /// Whether something changed lately, and how long ago.
    pub(crate) fn changed(&self, now: Timestamp) -> Option<Duration> {
        let ago = now.since(self.since);
        (self.count > 0 && ago <= WATCHED).then_some(ago)
    }

    /// Takes what a call shows of a part. A value that was never seen is a change, when the part is known and had few values.
    pub(crate) fn see(&mut self, part: Part, value: &str, seed: Seed, now: Timestamp) -> Option<Change> {
        let hash = seed.hash(value.as_bytes()) as u32;
        let at = self.parts.iter().position(|known| known.part == part);
        let Some(known) = at.map(|at| &mut self.parts[at]) else {
            self.parts.push(Known {
                part,
                calls: 1,
                values: vec![hash],
                latest: shown(value),
            });
            return None;
        };
        known.calls = known.calls.saturating_add(1);
        if known.values.contains(&hash) || known.values.len() > VALUES {
            return None;
        }
        known.values.push(hash);
        let before = std::mem::replace(&mut known.latest, shown(value));
        if known.calls <= KNOWN || known.values.len() > VALUES {
            return None;
        }
        let change = Change {
            part,
            before,
            after: known.latest.clone(),
            calls: known.calls,
        };
        // From now on this is what it is made of; what it was is forgotten but for coming back.
        known.calls = 0;
        self.since = now;
        self.count = self.count.saturating_add(1);
        Some(change)
    }
}

fn shown(value: &str) -> String {
    let end = (0..=SHOWN.min(value.len()))
        .rev()
        .find(|end| value.is_char_boundary(*end))
        .unwrap_or(0);
    value[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn seed() -> Seed {
        Seed::new(&Settings::default().hash_key)
    }

    #[test]
    fn another_version_is_a_change_and_many_values_are_none() {
        let mut epochs = Epochs::default();
        let at = |n: u64| Timestamp(n * 1_000_000_000);
        for n in 0..40 {
            assert_eq!(epochs.see(Part::Version, "bot 1.4", seed(), at(n)), None);
        }
        let change = epochs.see(Part::Version, "bot 1.5", seed(), at(50)).unwrap();
        assert_eq!((&*change.before, &*change.after), ("bot 1.4", "bot 1.5"));
        assert!(epochs.changed(at(60)).is_some() && epochs.changed(at(400_000)).is_none());
        assert_eq!(
            epochs.see(Part::Version, "bot 1.4", seed(), at(70)),
            None,
            "it was there before"
        );
        for n in 0..400 {
            let told = epochs.see(Part::Prompt, &format!("it is day {}", n / 5), seed(), at(n));
            assert_eq!(told, None);
        }
    }
}
