//! Personal, health, payment and credential data in a body, found by form and checksum and believed by context.
//!
//! One module knows each family: [`payment`], [`national`], [`contact`], [`health`], [`credentials`]. What is searched for
//! by itself is found by what [`Marks`] know (four digits in a row, sixteen characters of a word) or by a sign (`@`); what
//! has no form of its own is found by its name, see [`fields`]. Each number, word and field is looked at once, however
//! long it is.

mod contact;
#[cfg(test)]
mod corpus;
mod credentials;
mod fields;
mod health;
mod national;
mod payment;
mod regime;

use serde::{Deserialize, Serialize};

use crate::id::Seed;
use crate::marks::Marks;
use crate::privacy::mask;
use fields::Named;
pub use regime::Regime;

/// Bytes of a body searched, here and for ids.
pub(crate) const SEARCHED: usize = 256 * 1024;

/// Distinct values told apart per class and body.
const DISTINCT: usize = 128;

/// Kinds of data, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// Streets and house numbers.
    Address,
    /// Dates of birth.
    BirthDate,
    /// Payment card numbers.
    Card,
    /// Codes of diagnoses (ICD-10).
    Diagnosis,
    /// E-mail addresses.
    Email,
    /// Health records by their format (FHIR, HL7).
    HealthRecord,
    /// Bank account numbers.
    Iban,
    /// JSON web tokens.
    Jwt,
    /// Medicare beneficiary identifiers.
    Mbi,
    /// National provider identifiers of those who treat.
    Npi,
    /// Telephone numbers.
    Phone,
    /// Private keys.
    PrivateKey,
    /// Keys whose form says which provider they are of.
    ProviderKey,
    /// Secrets by the name of their field.
    Secret,
    /// Social security numbers.
    Ssn,
    /// What is on the magnetic stripe of a payment card.
    Track,
}

impl DataClass {
    /// Every class.
    pub const ALL: [Self; 16] = [
        Self::Address,
        Self::BirthDate,
        Self::Card,
        Self::Diagnosis,
        Self::Email,
        Self::HealthRecord,
        Self::Iban,
        Self::Jwt,
        Self::Mbi,
        Self::Npi,
        Self::Phone,
        Self::PrivateKey,
        Self::ProviderKey,
        Self::Secret,
        Self::Ssn,
        Self::Track,
    ];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::BirthDate => "birth_date",
            Self::Card => "card",
            Self::Diagnosis => "diagnosis",
            Self::Email => "email",
            Self::HealthRecord => "health_record",
            Self::Iban => "iban",
            Self::Jwt => "jwt",
            Self::Mbi => "mbi",
            Self::Npi => "npi",
            Self::Phone => "phone",
            Self::PrivateKey => "private_key",
            Self::ProviderKey => "provider_key",
            Self::Secret => "secret",
            Self::Ssn => "ssn",
            Self::Track => "track",
        }
    }

    /// The name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Address => "postal addresses",
            Self::BirthDate => "dates of birth",
            Self::Card => "payment card numbers",
            Self::Diagnosis => "diagnosis codes",
            Self::Email => "e-mail addresses",
            Self::HealthRecord => "health records",
            Self::Iban => "bank account numbers",
            Self::Jwt => "JSON web tokens",
            Self::Mbi => "Medicare beneficiary identifiers",
            Self::Npi => "national provider identifiers",
            Self::Phone => "telephone numbers",
            Self::PrivateKey => "private keys",
            Self::ProviderKey => "keys of known providers",
            Self::Secret => "secrets",
            Self::Ssn => "social security numbers",
            Self::Track => "magnetic stripe data of cards",
        }
    }

    /// How to reach somebody, which many endpoints give out by purpose; it weighs by how much of it there is.
    pub(crate) fn is_contact(self) -> bool {
        matches!(
            self,
            Self::Address | Self::BirthDate | Self::Email | Self::Npi | Self::Phone
        )
    }

    /// Says which person something is about.
    pub(crate) fn names_person(self) -> bool {
        matches!(
            self,
            Self::Address | Self::BirthDate | Self::Email | Self::Mbi | Self::Phone | Self::Ssn
        )
    }
}

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
    hits: [Option<Box<Hits>>; DataClass::ALL.len()],
    /// Numbers with a card's issuer and length that fail its check.
    unlike_cards: u32,
}

impl Found {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DataClass, &Hits)> {
        DataClass::ALL
            .into_iter()
            .zip(&self.hits)
            .filter_map(|(class, hits)| Some((class, hits.as_deref()?)))
    }

    /// Whether some of this class was found.
    pub(crate) fn has(&self, class: DataClass) -> bool {
        self.hits[class as usize].is_some()
    }

    fn add(&mut self, class: DataClass, value: &[u8], strong: bool, seed: Seed) {
        let hits = self.hits[class as usize].get_or_insert_default();
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
        DataClass::Address | DataClass::BirthDate | DataClass::PrivateKey => "********".to_owned(),
        // Passwords are short.
        DataClass::Secret if value.len() < 16 => "********".to_owned(),
        _ => mask(&text),
    }
}

/// Searches a body of this media type, of which `marks` are.
pub(crate) fn search(body: &[u8], marks: &Marks, media: Option<&str>, seed: Seed) -> Found {
    let body = &body[..body.len().min(SEARCHED)];
    let mut found = Found::default();
    if let Some(form) = fields::form(body) {
        let mut marks = Marks::default();
        marks.read(&form);
        look(&form, &marks, seed, &mut found);
    } else {
        look(body, marks, seed, &mut found);
    }
    health::record(body, media, seed, &mut found);
    for class in [DataClass::Card, DataClass::Ssn] {
        // Without a name or grouping to speak for it, a number is believed in company only, and a card not among
        // many that are like cards and none.
        let alone = found.unlike_cards;
        let slot = &mut found.hits[class as usize];
        if slot.as_ref().is_some_and(|h| {
            let chance = class == DataClass::Card && alone >= h.values.len() as u32;
            h.strong == 0 && (h.values.len() < 3 || chance)
        }) {
            *slot = None;
        }
    }
    found
}

fn look(body: &[u8], marks: &Marks, seed: Seed, found: &mut Found) {
    fields::each(body, |kind, value, at| match kind {
        Named::Address => contact::address(value, seed, found),
        Named::BirthDate => contact::birth_date(value, seed, found),
        Named::Card => payment::card(value, seed, found),
        Named::Code if health::is_diagnosis(value) && health::is_near(body, at, b"icd") => {
            health::diagnosis(value, seed, found);
        }
        Named::Diagnosis => health::diagnosis(value, seed, found),
        Named::Mbi => health::mbi(value, seed, found),
        Named::Npi => health::npi(value, seed, found),
        Named::Value if value.len() == 10 && health::is_near(body, at, b"us-npi") => {
            health::npi(value, seed, found);
        }
        Named::Phone => contact::phone(value, seed, found),
        Named::Resource => health::resource(value, seed, found),
        Named::Password => credentials::secret(value, true, seed, found),
        Named::Secret => credentials::secret(value, false, seed, found),
        Named::Ssn => national::named(value, seed, found),
        Named::Code | Named::Value => {}
    });
    contact::emails(body, seed, found);
    payment::numbers(body, marks, seed, found);
    credentials::search(body, marks, seed, found);
}

/// Whether one of these words stands shortly before a value, as its field name or label would.
fn has_context(body: &[u8], at: usize, words: &[&[u8]]) -> bool {
    let mut near = [0u8; 40];
    let from = at.saturating_sub(near.len());
    let near = &mut near[..at - from];
    near.copy_from_slice(&body[from..at]);
    near.make_ascii_lowercase();
    words.iter().any(|word| {
        memchr::memmem::find_iter(near, word).any(|place| {
            // A word of its own, or one begun by a capital: not the `pan` of a company, nor what is discarded, or a part of an id.
            let end = place + word.len();
            let begun = place == 0
                || !near[place - 1].is_ascii_alphanumeric()
                || body[from + place].is_ascii_uppercase();
            let ended = near.get(end).is_none_or(|b| !b.is_ascii_alphanumeric())
                || body[from + end].is_ascii_uppercase()
                || near[end..].starts_with(b"number")
                || near[end..].starts_with(b"s");
            begun && ended
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(body: &[u8]) -> Found {
        let mut marks = Marks::default();
        marks.read(body);
        search(body, &marks, None, Seed::new(&[3; 32]))
    }

    fn classes(text: &str) -> Vec<(&'static str, usize, u32)> {
        find(text.as_bytes())
            .iter()
            .map(|(c, h)| (c.name(), h.values.len(), h.strong))
            .collect()
    }

    #[test]
    fn values_are_found_when_checksum_and_context_hold() {
        for (text, want) in [
            (r#"{"card_number":"4539578763621486"}"#, vec![("card", 1, 1)]),
            (r#"{"x":"4539 5787 6362 1486"}"#, vec![("card", 1, 1)]),
            (r#"{"id":4539578763621486}"#, vec![]),
            (r#"{"card":"4111111111111111"}"#, vec![]),
            (r#"{"card":"4539578763621487"}"#, vec![]),
            (r#"{"ts":1700000000008,"card":1}"#, vec![]),
            (
                r#"{"ids":[4539578763621486,4716108999716531,5425233430109903]}"#,
                vec![("card", 3, 0)],
            ),
            (r#"{"iban":"GB82WEST12345698765432"}"#, vec![("iban", 1, 1)]),
            (r#"{"iban":"DE89 3704 0044 0532 0130 00"}"#, vec![("iban", 1, 1)]),
            (r#"{"iban":"GB82 WEST 1234 5698 7654 32"}"#, vec![("iban", 1, 1)]),
            ("IBAN GB82 WEST 1234 5698 7654 32.", vec![("iban", 1, 1)]),
            (r#"{"iban":"DE88370400440532013000"}"#, vec![]),
            (r#"{"ssn":"536-22-8726"}"#, vec![("ssn", 1, 1)]),
            (r#"{"ssn":536228726}"#, vec![("ssn", 1, 1)]),
            (r#"{"part":"536-22-8726"}"#, vec![]),
            (r#"{"order":536228726}"#, vec![]),
            ("ann@corp.test, bob@corp.test", vec![("email", 2, 2)]),
            ("ann@example.com icon@2x.png @user a@b", vec![]),
            ("0.4539578763621486 x4539578763621486 card", vec![]),
        ] {
            assert_eq!(classes(text), want, "{text}");
        }
    }

    #[test]
    fn samples_are_masked() {
        let found = find(br#"{"card_number":"4539578763621486","m":"ann.lee@corp.test"}"#);
        let samples: Vec<_> = found.iter().filter_map(|(_, h)| h.sample.clone()).collect();
        assert_eq!(samples, ["45************86", "a***@***.test"]);
    }

    #[test]
    fn a_number_is_found_wherever_it_begins() {
        for pad in 0..16 {
            let text = format!("{}\"card\":\"4539578763621486\"", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
            let text = format!("{} ssn 536-22-8726", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
            let text = format!("{} GB82WEST12345698765432 ", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
        }
    }

    #[test]
    fn numbers_without_end_are_looked_at_once() {
        for text in [
            format!(" {}", "1".repeat(SEARCHED)),
            "1-".repeat(SEARCHED / 2),
            "A1111".repeat(SEARCHED / 5),
            format!("{} {}", "1".repeat(SEARCHED / 2), "-1111".repeat(SEARCHED / 10)),
        ] {
            // Were each part of a number looked at again, the first would take 14 seconds in a release build.
            assert_eq!(classes(&text), []);
        }
    }

    #[test]
    fn distinct_values_are_bounded() {
        let text: String = (0..5000).map(|n| format!("u{n}@corp.test ")).collect();
        assert_eq!(classes(&text), [("email", DISTINCT, DISTINCT as u32)]);
    }
}
