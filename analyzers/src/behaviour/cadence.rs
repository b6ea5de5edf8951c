//! The rhythm of a caller: whether a person sets it, call by call, or a program that nobody waits for.
//!
//! A copilot answers to somebody: its calls come in short bursts, the pauses between them are of all lengths, and it sleeps when its
//! user does. What runs by itself works through, at any hour, or wakes at equal times. The score is 1 for a rhythm that a person sets
//! and 0 for one that nobody does; between 0.4 and 0.6 nothing is said. It needs a day of calls, unless the pauses are equal.
//!
//! Blind to: an agent that runs in business hours only, with pauses of all lengths; one that was told to look like a person.

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

/// Gap that parts one burst from the next.
const GAP_NS: u64 = 10_000_000_000;
/// Pauses longer than this are nights and breaks, and say nothing of the length of a thought.
const PAUSE_NS: u64 = 3_600_000_000_000;
/// Pauses needed to say anything.
const PAUSES: u32 = 12;
const HOUR_S: u64 = 3600;

/// Who sets the rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person, call by call.
    Copilot,
    /// Nobody.
    Autonomous,
}

impl Mode {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Copilot => "copilot",
            Self::Autonomous => "autonomous",
        }
    }
}

/// What is kept of the times of a caller's calls: of fixed size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cadence {
    /// Time of the last call, nanoseconds since 1970.
    last: u64,
    first: u64,
    calls: u64,
    bursts: u64,
    /// Pauses up to an hour, with the sums of their logarithms and of the squares of these.
    pauses: u32,
    sum: f64,
    squares: f64,
    /// Bursts by hour of the day (UTC).
    hours: [u32; 24],
}

impl Cadence {
    /// Counts a call.
    pub(crate) fn push(&mut self, ts: Timestamp) {
        let now = ts.0;
        self.calls += 1;
        // Calls may overlap and come to an end in another order than they began.
        let gap = now.saturating_sub(self.last);
        if self.last != 0 && gap < GAP_NS {
            self.last = self.last.max(now);
            return;
        }
        if self.last == 0 {
            self.first = now;
        } else if gap <= PAUSE_NS {
            let length = (gap as f64 / 1e9).ln();
            self.pauses = self.pauses.saturating_add(1);
            self.sum += length;
            self.squares += length * length;
        }
        self.bursts += 1;
        let hour = (ts.seconds() / HOUR_S % 24) as usize;
        self.hours[hour] = self.hours[hour].saturating_add(1);
        self.last = now;
    }

    /// 1 when a person sets the rhythm, 0 when nobody does; nothing while too little was seen.
    pub(crate) fn score(&self) -> Option<f64> {
        if self.pauses < PAUSES {
            return None;
        }
        let n = f64::from(self.pauses);
        let mean = self.sum / n;
        let spread = (self.squares / n - mean * mean).max(0.0).sqrt();
        let mut score: f64 = 0.5;
        // Logarithms of pauses that people make spread by about 1, those of a timer by next to nothing.
        score += match spread {
            s if s < 0.35 => -0.35,
            s if s < 0.6 => -0.05,
            _ => 0.1,
        };
        let day = self.last.saturating_sub(self.first) / 1_000_000_000 >= 20 * HOUR_S;
        if day && self.bursts >= 24 {
            score += match self.rest() {
                8.. => 0.25,
                6..8 => 0.1,
                4..6 => -0.1,
                _ => -0.35,
            };
        } else if spread >= 0.35 {
            return None;
        }
        let length = self.calls as f64 / self.bursts as f64;
        score += match length {
            l if l > 40.0 => -0.2,
            l if l < 12.0 => 0.05,
            _ => 0.0,
        };
        Some(score.clamp(0.0, 1.0))
    }

    /// Who sets the rhythm, when that can be told.
    pub(crate) fn mode(&self) -> Option<Mode> {
        match self.score()? {
            s if s >= 0.6 => Some(Mode::Copilot),
            s if s <= 0.4 => Some(Mode::Autonomous),
            _ => None,
        }
    }

    /// Hours in a row, around the clock, in which next to nothing is begun.
    fn rest(&self) -> usize {
        let few = (self.bursts / 50) as u32;
        let quiet = |hour: usize| self.hours[hour % 24] <= few;
        (0..24)
            .map(|start| (start..start + 24).take_while(|h| quiet(*h)).count())
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator: the same numbers on every machine.
    struct Rng(u64);

    impl Rng {
        fn unit(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
        }
    }

    fn seen(times: impl Iterator<Item = f64>) -> Cadence {
        let mut cadence = Cadence::default();
        for time in times {
            cadence.push(Timestamp(1_773_014_400_000_000_000 + (time * 1e9) as u64));
        }
        cadence
    }

    /// Somebody at work, with an assistant: bursts of a few calls, pauses of about a minute, in some hours of the day.
    fn assisted(seed: u64) -> Cadence {
        let mut rng = Rng(seed * 2_654_435_761 + 1);
        let begin = 5.0 + 6.0 * rng.unit();
        let hours = 6.0 + 4.0 * rng.unit();
        let mut times = Vec::new();
        for day in 0..4 {
            let mut now = f64::from(day) * 86_400.0 + begin * 3600.0;
            let end = now + hours * 3600.0;
            while now < end {
                for _ in 0..1 + (rng.unit() * 6.0) as u32 {
                    times.push(now);
                    now += 0.3 + 2.0 * rng.unit();
                }
                now += 10.0 + (4.5 + 1.1 * rng.normal()).exp();
            }
        }
        seen(times.into_iter())
    }

    /// What runs by itself: a timer, or a queue that is worked off as it fills, at all hours.
    fn unattended(seed: u64) -> Cadence {
        let mut rng = Rng(seed * 2_654_435_761 + 7);
        let timer = seed.is_multiple_of(2);
        let every = 60.0 + 1500.0 * rng.unit();
        let calls = 1 + (rng.unit() * 30.0) as u32;
        let (mut now, mut times) = (0.0, Vec::new());
        while now < 4.0 * 86_400.0 {
            for _ in 0..calls {
                times.push(now);
                now += 0.2 + 1.5 * rng.unit();
            }
            now += match timer {
                true => every * (0.97 + 0.06 * rng.unit()),
                false => 10.0 - every * (1.0 - rng.unit()).ln(),
            };
        }
        seen(times.into_iter())
    }

    /// The chance that an assisted caller has a higher score than one that runs by itself (R64 asks for 0.95).
    #[test]
    fn who_sets_the_rhythm_is_told_apart() {
        let scores = |make: fn(u64) -> Cadence| {
            (1..=200)
                .map(|seed| make(seed).score().unwrap_or(0.5))
                .collect::<Vec<_>>()
        };
        let (people, machines) = (scores(assisted), scores(unattended));
        let mut right = 0.0;
        for person in &people {
            for machine in &machines {
                right += match person.partial_cmp(machine) {
                    Some(std::cmp::Ordering::Greater) => 1.0,
                    Some(std::cmp::Ordering::Equal) => 0.5,
                    _ => 0.0,
                };
            }
        }
        let auc = right / (people.len() * machines.len()) as f64;
        println!(
            "copilot against autonomous: AUC {auc:.3} over {} callers each",
            people.len()
        );
        assert!(auc >= 0.95, "{auc}");
        assert_eq!(assisted(3).mode(), Some(Mode::Copilot));
        assert_eq!(unattended(4).mode(), Some(Mode::Autonomous));
    }

    #[test]
    fn nothing_is_said_of_a_few_calls() {
        assert_eq!(seen([0.0, 60.0, 120.0].into_iter()).mode(), None);
        // Half an hour of somebody's work is too little, that of a timer is not.
        assert_eq!(
            seen((0..30).map(|n| f64::from(n * n % 17) * 3.0 + f64::from(n) * 60.0)).mode(),
            None
        );
        assert_eq!(
            seen((0..30).map(|n| f64::from(n) * 60.0)).mode(),
            Some(Mode::Autonomous)
        );
    }

    /// The blind spot: an agent that runs in office hours with pauses of all lengths looks like its user.
    #[test]
    fn an_agent_with_office_hours_looks_assisted() {
        let mut rng = Rng(11);
        let mut times = Vec::new();
        for day in 0..3 {
            let mut now = f64::from(day) * 86_400.0 + 8.0 * 3600.0;
            while now < f64::from(day) * 86_400.0 + 17.0 * 3600.0 {
                times.push(now);
                now += 10.0 - 300.0 * (1.0 - rng.unit()).ln();
            }
        }
        assert_eq!(seen(times.into_iter()).mode(), Some(Mode::Copilot));
    }
}
