//! To whom the objects of a host were shown: an object that answers have shown to one caller alone is that caller's. Callers of one person
//! count as one.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::Id;

/// Objects of a host that are remembered: how many at first, and at most. A bucket has four places.
const SMALLEST: usize = 64;
const LARGEST: usize = 4096;
const WAYS: usize = 4;

/// Callers of a host that objects are remembered of.
const CALLERS: usize = 512;

/// Pairs of callers that share objects.
const PAIRS: usize = 256;

/// Templates of a host, and objects of one answer that are remembered.
const TEMPLATES: usize = 128;
const OF_AN_ANSWER: usize = 256;

/// Shown to more than one.
const SEVERAL: u16 = u16::MAX;

/// Bytes of a place as it is stored.
const BYTES: usize = 6;

/// An object and to whom it was shown. A tag of zero is an empty place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    tag: u32,
    who: u16,
}

/// Places in buckets, what was seen last first in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places(Vec<Place>);

/// How the objects of one template are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, u32)", into = "(u32, u32, u32, u32)")]
pub(crate) struct Read {
    /// Reads of objects by the only one that they were shown to, and by others.
    pub(crate) own: u32,
    pub(crate) foreign: u32,
    /// The last day since 1970 on which a read by another one was told, and on how many days that was so.
    told: u32,
    days: u32,
}

impl From<(u32, u32, u32, u32)> for Read {
    fn from((own, foreign, told, days): (u32, u32, u32, u32)) -> Self {
        Self {
            own,
            foreign,
            told,
            days,
        }
    }
}

impl From<Read> for (u32, u32, u32, u32) {
    fn from(read: Read) -> Self {
        (read.own, read.foreign, read.told, read.days)
    }
}

/// What one object is to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Shown to nobody, to several, or forgotten.
    Anybody,
    /// Shown to this caller alone.
    Own,
    /// Shown to another one alone; and whether other objects were shown to both.
    Of(Id, bool),
}

/// The objects of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owners {
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    places: Places,
    used: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    callers: Vec<Id>,
    /// Two callers, and how many objects were shown to both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shared: Vec<(u16, u16, u16)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    read: BTreeMap<Id, Read>,
}

fn tag(object: u64) -> u32 {
    (object >> 11) as u32 | 1
}

impl Places {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bucket(&mut self, tag: u32) -> &mut [Place] {
        let buckets = self.0.len() / WAYS;
        let at = (tag >> 1) as usize & buckets.wrapping_sub(1);
        &mut self.0[at * WAYS..(at + 1) * WAYS]
    }

    /// Whether showing an object once more changes nothing: it stands at the front of its bucket, as this caller's or that of several.
    fn is_settled(&self, tag: u32, who: u16) -> bool {
        let at = (tag >> 1) as usize & (self.0.len() / WAYS).wrapping_sub(1);
        (self.0.get(at * WAYS))
            .is_some_and(|place| place.tag == tag && (place.who == who || place.who == SEVERAL))
    }

    /// Puts an object at the front of its bucket. Gives to whom it was shown before.
    fn put(&mut self, tag: u32, who: u16) -> Option<u16> {
        let bucket = self.bucket(tag);
        let known = bucket.iter().position(|place| place.tag == tag);
        let at = known.unwrap_or(WAYS - 1);
        let before = known.map(|at| bucket[at].who);
        let who = match known {
            Some(at) if bucket[at].who != who => SEVERAL,
            _ => who,
        };
        for at in (0..at).rev() {
            bucket[at + 1] = bucket[at];
        }
        bucket[0] = Place { tag, who };
        before
    }

    fn who(&self, tag: u32) -> Option<u16> {
        if self.is_empty() {
            return None;
        }
        let at = (tag >> 1) as usize & (self.0.len() / WAYS - 1);
        let bucket = &self.0[at * WAYS..(at + 1) * WAYS];
        bucket
            .iter()
            .find(|place| place.tag == tag)
            .map(|place| place.who)
    }

    /// Makes twice as many places.
    fn grow(&mut self) {
        let size = (self.0.len() * 2).clamp(SMALLEST, LARGEST);
        let before = std::mem::replace(&mut self.0, vec![Place::default(); size]);
        // From behind, so that what was first in its bucket is first again.
        for place in before.into_iter().rev().filter(|place| place.tag != 0) {
            self.put(place.tag, place.who);
        }
    }
}

impl Owners {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.callers.is_empty() && self.read.is_empty()
    }

    /// Takes the objects that an answer showed to a caller, but for the one that was asked for: nobody comes to own what it guessed.
    pub(crate) fn show(&mut self, objects: &[u64], asked: Option<u64>, who: Id) {
        if objects.is_empty() {
            return;
        }
        let known = self.callers.iter().position(|caller| *caller == who);
        let Some(who) = known.or_else(|| {
            let room = self.callers.len() < CALLERS;
            room.then(|| {
                self.callers.reserve_exact(1);
                self.callers.push(who);
                self.callers.len() - 1
            })
        }) else {
            return;
        };
        let who = who as u16;
        let objects = objects.iter().filter(|object| Some(**object) != asked);
        let objects = objects.take(OF_AN_ANSWER);
        // Each is somewhere else in a large table, and mostly all are as they were: so they are looked at first, one not waiting for
        // the other.
        if !self.is_full() {
            let settled = |all, object: &u64| all & self.places.is_settled(tag(*object), who);
            if objects.clone().fold(true, settled) {
                return;
            }
        }
        for object in objects {
            if self.is_full() {
                self.places.grow();
            }
            match self.places.put(tag(*object), who) {
                None => self.used = (self.used + 1).min(LARGEST as u32),
                Some(before) if before != who && before != SEVERAL => {
                    self.share(before.min(who), before.max(who))
                }
                _ => {}
            }
        }
    }

    /// Whether there have to be more places before the next object.
    fn is_full(&self) -> bool {
        self.places.0.len() < LARGEST && self.used as usize * 4 >= self.places.0.len() * 3
    }

    /// Counts an object that was shown to two.
    fn share(&mut self, one: u16, two: u16) {
        let room = self.shared.len() < PAIRS;
        match self.shared.iter_mut().find(|(a, b, _)| (*a, *b) == (one, two)) {
            Some((_, _, count)) => *count = count.saturating_add(1),
            None if room => self.shared.push((one, two, 1)),
            None => {}
        }
    }

    /// Whether two callers were shown the same objects, more than once or twice.
    fn share_much(&self, one: u16, two: u16) -> bool {
        const MUCH: u16 = 3;
        let pair = (one.min(two), one.max(two));
        let shared = self.shared.iter().find(|(a, b, _)| (*a, *b) == pair);
        shared.is_some_and(|(_, _, count)| *count >= MUCH)
    }

    /// Whose an object is, as this caller sees it.
    pub(crate) fn whose(&self, object: u64, who: Id) -> Whose {
        let Some(known) = self.places.who(tag(object)).filter(|known| *known != SEVERAL) else {
            return Whose::Anybody;
        };
        match self.callers.get(usize::from(known)) {
            Some(owner) if *owner == who => Whose::Own,
            Some(owner) => {
                let reader = self.callers.iter().position(|caller| *caller == who);
                let team = reader.is_some_and(|reader| self.share_much(known, reader as u16));
                Whose::Of(*owner, team)
            }
            None => Whose::Anybody,
        }
    }

    /// How the objects of a template are read; nothing when there is no room for another template.
    pub(crate) fn read(&mut self, template: Id) -> Option<&mut Read> {
        if self.read.len() >= TEMPLATES && !self.read.contains_key(&template) {
            return None;
        }
        Some(self.read.entry(template).or_default())
    }
}

impl Read {
    /// How many there were.
    pub(crate) fn made(&self) -> u32 {
        self.own.saturating_add(self.foreign)
    }

    pub(crate) fn count_own(&mut self) {
        self.own = self.own.saturating_add(1);
        if self.own >= 1 << 20 {
            (self.own, self.foreign) = (self.own / 2, self.foreign / 2);
        }
    }

    /// Counts a read by another one. Of those that are told one a day counts: what goes on for long is a way, and is not taught in an hour.
    pub(crate) fn count_foreign(&mut self, told: Option<u32>) {
        if let Some(day) = told {
            if day <= self.told {
                return;
            }
            self.told = day;
            self.days = self.days.saturating_add(1);
        }
        self.foreign = self.foreign.saturating_add(1);
    }

    /// Whether one often reads what was shown to others.
    pub(crate) fn is_of_a_team(&self) -> bool {
        const OFTEN: u32 = 60;
        const DAYS: u32 = 3;
        self.days >= DAYS || self.foreign.saturating_mul(OFTEN) > self.own.saturating_add(OFTEN)
    }

    /// Whether objects are read by those that they were shown to, and practically never by others.
    pub(crate) fn is_kept_apart(&self) -> bool {
        const LEAST: u32 = 30;
        const RARE: u32 = 50;
        self.own >= LEAST && self.foreign.saturating_mul(RARE) <= self.own
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            // Eight bytes each in memory, six as stored.
            return serializer.collect_seq(self.0.iter().map(|_| 0_u64));
        }
        let bytes: Vec<u8> = self
            .0
            .iter()
            .flat_map(|place| {
                let (tag, who) = (place.tag.to_le_bytes(), place.who.to_le_bytes());
                tag.into_iter().chain(who)
            })
            .collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)?;
        let places = bytes.len() / BYTES;
        if !bytes.len().is_multiple_of(BYTES)
            || !places.is_power_of_two()
            || !(SMALLEST..=LARGEST).contains(&places)
        {
            return Err(serde::de::Error::custom("not the size of a table of objects"));
        }
        let place = |six: &[u8]| Place {
            tag: u32::from_le_bytes([six[0], six[1], six[2], six[3]]),
            who: u16::from_le_bytes([six[4], six[5]]),
        };
        Ok(Self(bytes.chunks_exact(BYTES).map(place).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn object(n: u32) -> u64 {
        xxh3_64(&n.to_le_bytes())
    }

    #[test]
    fn an_object_is_of_the_only_one_that_it_was_shown_to() {
        let (a, b) = (Id::of(&[b"a"]), Id::of(&[b"b"]));
        let mut owners = Owners::default();
        owners.show(&[object(1), object(2)], None, a);
        owners.show(&[object(2), object(3), object(1)], Some(object(1)), b);
        assert_eq!(owners.whose(object(1), a), Whose::Own);
        assert_eq!(owners.whose(object(1), b), Whose::Of(a, false));
        assert_eq!(owners.whose(object(2), b), Whose::Anybody);
        assert_eq!(owners.whose(object(4), b), Whose::Anybody);
        owners.show(&[object(2)], None, a);
        assert_eq!(owners.whose(object(2), a), Whose::Anybody, "it stays of several");
    }

    #[test]
    fn it_stays_bounded_remembers_the_latest_and_comes_back_from_the_store() {
        let mut owners = Owners::default();
        for n in 0..50_000u32 {
            owners.show(&[object(n)], None, Id::of(&[&(n % 700).to_le_bytes()]));
        }
        assert!(owners.places.0.len() == LARGEST && owners.callers.len() == CALLERS);
        let who = |n: u32| Id::of(&[&(n % 700).to_le_bytes()]);
        let kept = (49_000..50_000).filter(|n| owners.whose(object(*n), who(*n)) == Whose::Own);
        assert!(kept.count() > 500);
        let json = serde_json::to_string(&owners).unwrap();
        assert_eq!(serde_json::from_str::<Owners>(&json).unwrap(), owners);
    }
}
