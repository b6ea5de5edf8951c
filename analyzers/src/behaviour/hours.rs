//! In which hours of the day something is at work, and on how many days. Hours are UTC: agents follow those who run them, and what
//! counts is only that tomorrow is like today.

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Days on which something must have been at work in an hour that was unusual, until that is its way.
const HABIT: u8 = 3;

/// Days after which counts are halved.
const FADE: u16 = 60;

/// The hours of one principal, or of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hours {
    /// Days since 1970 of the latest call, and the hours of that day with a call, a bit each.
    day: u32,
    today: u32,
    /// Those of today's hours that were not usual when they began.
    strange: u32,
    /// Days with a call in each hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<u8>,
    /// Days with a call in each hour that was not usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<u8>,
    /// Of several: who alone was seen in each hour, or [`SEVERAL`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    who: Vec<u32>,
    /// Days with any call.
    days: u16,
}

/// More than one was seen in that hour.
const SEVERAL: u32 = u32::MAX;

fn day_and_hour(ts: Timestamp) -> (u32, usize) {
    let seconds = ts.seconds();
    ((seconds / 86_400) as u32, (seconds / 3600 % 24) as usize)
}

/// The hour before, the hour itself, and the one after.
fn around(hour: usize) -> [usize; 3] {
    [(hour + 23) % 24, hour, (hour + 1) % 24]
}

impl Hours {
    /// Days with any call.
    pub(crate) fn days(&self) -> u16 {
        self.days
    }

    /// Days with a call in each hour of the day that was usual.
    pub(crate) fn by_hour(&self) -> [u8; 24] {
        let mut all = [0; 24];
        all.iter_mut()
            .zip(&self.seen)
            .for_each(|(all, seen)| *all = *seen);
        all
    }

    /// Whether there was ever a call on a day before in that hour, or in one beside it.
    pub(crate) fn knows(&self, ts: Timestamp) -> bool {
        let (_, hour) = day_and_hour(ts);
        around(hour)
            .iter()
            .any(|h| self.seen.get(*h).is_some_and(|n| *n > 0))
    }

    /// Whether more than one was ever at work in that hour, or in one beside it.
    pub(crate) fn knows_several(&self, ts: Timestamp) -> bool {
        let (_, hour) = day_and_hour(ts);
        around(hour).iter().any(|h| self.who.get(*h) == Some(&SEVERAL))
    }

    /// Whether there was ever more than one in any hour.
    pub(crate) fn are_of_several(&self) -> bool {
        self.who.contains(&SEVERAL)
    }

    /// Takes a call. `strange` says that the hour is not usual: then it becomes so when it comes back on other days.
    pub(crate) fn count(&mut self, ts: Timestamp, strange: bool) {
        let (day, hour) = day_and_hour(ts);
        if day > self.day {
            self.turn();
            self.day = day;
        }
        let bit = 1 << hour;
        if self.today & bit == 0 && strange {
            self.strange |= bit;
        }
        self.today |= bit;
    }

    /// The same of several, of whom this is one.
    pub(crate) fn count_of(&mut self, who: Id, ts: Timestamp) {
        let (_, hour) = day_and_hour(ts);
        if self.who.is_empty() {
            self.who = vec![0; 24];
        }
        let mark = (who.short() as u32).clamp(1, SEVERAL - 1);
        match self.who.get_mut(hour) {
            Some(0) => self.who[hour] = mark,
            Some(known) if *known != mark => *known = SEVERAL,
            _ => {}
        }
    }

    fn turn(&mut self) {
        if self.today == 0 {
            return;
        }
        if self.seen.is_empty() {
            self.seen = vec![0; 24];
        }
        for hour in 0..24 {
            if self.today >> hour & 1 == 0 {
                continue;
            }
            if self.strange >> hour & 1 == 0 {
                self.seen[hour] = self.seen[hour].saturating_add(1);
                continue;
            }
            if self.held.is_empty() {
                self.held = vec![0; 24];
            }
            self.held[hour] += 1;
            if self.held[hour] >= HABIT {
                self.seen[hour] = self.seen[hour].saturating_add(HABIT);
                self.held[hour] = 0;
            }
        }
        self.days = self.days.saturating_add(1);
        if self.days.is_multiple_of(FADE) {
            self.seen.iter_mut().for_each(|n| *n /= 2);
        }
        (self.today, self.strange) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u64, hour: u64) -> Timestamp {
        Timestamp((20_000 * 86_400 + day * 86_400 + hour * 3600 + 60) * 1_000_000_000)
    }

    #[test]
    fn an_hour_is_known_from_the_next_day_on_and_so_are_those_beside_it() {
        let mut hours = Hours::default();
        hours.count(at(0, 9), false);
        assert!(!hours.knows(at(0, 9)));
        hours.count(at(1, 9), false);
        assert!(hours.knows(at(1, 8)) && hours.knows(at(1, 10)));
        assert!(!hours.knows(at(1, 11)) && !hours.knows(at(1, 2)));
        assert_eq!(hours.days(), 1);
    }

    #[test]
    fn a_strange_hour_becomes_usual_on_its_third_day() {
        let mut hours = Hours::default();
        for day in 0..5 {
            hours.count(at(day, 9), false);
            let strange = !hours.knows(at(day, 2));
            hours.count(at(day, 2), strange);
            assert_eq!(strange, day < 3, "day {day}");
        }
    }

    #[test]
    fn one_alone_is_not_several() {
        let mut hours = Hours::default();
        let (a, b) = (Id::of(&[b"a"]), Id::of(&[b"b"]));
        hours.count_of(a, at(0, 2));
        hours.count_of(a, at(1, 2));
        assert!(!hours.knows_several(at(2, 2)));
        hours.count_of(b, at(2, 3));
        assert!(!hours.knows_several(at(2, 2)));
        hours.count_of(b, at(2, 2));
        assert!(hours.knows_several(at(3, 1)));
    }
}
