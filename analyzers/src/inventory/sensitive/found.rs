//! What was found in one body.

use super::DataClass;
use super::contact;
use crate::id::Seed;
use crate::privacy::mask;

/// Distinct values told apart per class and body.
pub(super) const DISTINCT: usize = 128;

/// What was found of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    /// Seeded hashes of distinct values, sorted.
    pub(crate) values: Vec<u32>,
    /// Values whose field name, grouping or form speaks for them.
    pub(crate) strong: u32,
    /// One value, masked.
    pub(crate) sample: Option<String>,
}

/// What was found in a body, by [`DataClass`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// By class; most bodies hold two or three.
    hits: Vec<(DataClass, Hits)>,
    /// Numbers with a card's issuer and length that fail its check.
    pub(super) unlike_cards: u32,
    /// Three or four digits under the name of a verification code: nothing without a card beside them.
    pub(super) codes: Vec<[u8; 4]>,
}

impl Found {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DataClass, &Hits)> {
        self.hits.iter().map(|(class, hits)| (*class, hits))
    }

    /// What was found of this class.
    pub(crate) fn of(&self, class: DataClass) -> Option<&Hits> {
        let place = self.hits.binary_search_by_key(&class, |(c, _)| *c).ok()?;
        Some(&self.hits[place].1)
    }

    /// Whether some of this class was found.
    pub(crate) fn has(&self, class: DataClass) -> bool {
        self.of(class).is_some()
    }

    /// Takes back what was found of this class.
    pub(super) fn forget(&mut self, class: DataClass) {
        self.hits.retain(|(c, _)| *c != class);
    }

    pub(super) fn add(&mut self, class: DataClass, value: &[u8], strong: bool, seed: Seed) {
        let place = match self.hits.binary_search_by_key(&class, |(c, _)| *c) {
            Ok(place) => place,
            Err(place) => {
                self.hits.insert(place, (class, Hits::default()));
                place
            }
        };
        let hits = &mut self.hits[place].1;
        let hash = seed.hash(value) as u32;
        if let Err(place) = hits.values.binary_search(&hash)
            && hits.values.len() < DISTINCT
        {
            hits.values.insert(place, hash);
            hits.strong += u32::from(strong);
            if hits.sample.is_none() {
                hits.sample = Some(sample(class, value));
            }
        }
    }
}

/// A value as it may be shown. Of what two characters at each end would tell too much of, none are left.
fn sample(class: DataClass, value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match class {
        DataClass::Email => contact::mask_email(value),
        // These are names of formats, of our own lists.
        DataClass::HealthRecord => text.into_owned(),
        DataClass::Address
        | DataClass::BirthDate
        | DataClass::Cvv
        | DataClass::IpAddress
        | DataClass::PersonName
        | DataClass::PrivateKey => "********".to_owned(),
        // Passwords are short, and so are some record numbers.
        DataClass::Mrn | DataClass::Secret if value.len() < 16 => "********".to_owned(),
        _ => mask(&text),
    }
}
