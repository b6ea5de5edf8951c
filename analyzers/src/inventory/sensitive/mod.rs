//! Personal, health, payment and credential data in a body, found by form and checksum and believed by context.
//!
//! One module knows each family: [`payment`], [`national`], [`nations`], [`contact`], [`health`], [`credentials`]. What is
//! searched for by itself is found by what [`Marks`] know (four digits in a row, sixteen characters of a word) or by a sign (`@`); what
//! has no form of its own is found by its name, see [`fields`] and [`names`]. Each number, word and field is looked at once,
//! however long it is. [`held`] is what an endpoint keeps of all that was found, by where it was.

mod class;
mod contact;
#[cfg(test)]
mod corpus;
mod credentials;
mod fields;
mod found;
mod health;
mod held;
mod names;
mod national;
mod nations;
mod payment;
mod regime;

use crate::id::Seed;
use crate::marks::Marks;
pub use class::DataClass;
pub(crate) use found::Found;
pub(crate) use held::{Carried, Data, Holdings, VALUES, told};
use names::Named;
pub(crate) use names::Passed;
pub use nations::COUNTRY_CODES;
pub(crate) use nations::Nations;
pub use regime::Regime;

/// Bytes of a body searched, here and for ids.
pub(crate) const SEARCHED: usize = 256 * 1024;

/// What a search goes by beside the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) seed: Seed,
    pub(crate) nations: Nations,
    pub(crate) passed: &'a Passed,
}

/// Searches a body of this media type, of which `marks` are.
pub(crate) fn search(body: &[u8], marks: &Marks, media: Option<&str>, rules: Rules<'_>) -> Found {
    let body = &body[..body.len().min(SEARCHED)];
    let mut found = Found::default();
    if let Some(form) = fields::form(body) {
        let mut marks = Marks::default();
        marks.read(&form);
        look(&form, &marks, rules, &mut found);
    } else {
        look(body, marks, rules, &mut found);
    }
    health::record(body, media, rules.seed, &mut found);
    settle(rules, &mut found);
    found
}

/// Searches the target of a request: path and query.
pub(crate) fn search_target(target: &str, marks: &mut Marks, rules: Rules<'_>) -> Found {
    let target = &target.as_bytes()[..target.len().min(SEARCHED)];
    let mut found = Found::default();
    let decoded;
    let text = if target.iter().any(|b| matches!(b, b'%' | b'+')) {
        decoded = fields::decoded(target);
        &decoded
    } else {
        target
    };
    marks.read(text);
    look(text, marks, rules, &mut found);
    settle(rules, &mut found);
    found
}

/// Takes back what nothing speaks for when all was seen.
fn settle(rules: Rules<'_>, found: &mut Found) {
    for class in [DataClass::Card, DataClass::Itin, DataClass::Ssn] {
        // Without a name or grouping to speak for it, a number is believed in company only, and a card not among
        // many that are like cards and none.
        let alone = found.unlike_cards;
        if found.of(class).is_some_and(|h| {
            let chance = class == DataClass::Card && alone >= h.values.len() as u32;
            h.strong == 0 && (h.values.len() < 3 || chance)
        }) {
            found.forget(class);
        }
    }
    payment::codes(rules.seed, found);
}

fn look(body: &[u8], marks: &Marks, rules: Rules<'_>, found: &mut Found) {
    let Rules {
        seed,
        nations,
        passed,
    } = rules;
    fields::each(body, marks, passed, |kind, value, at| match kind {
        Named::Address => contact::address(value, seed, found),
        Named::BirthDate => contact::birth_date(value, seed, found),
        Named::Card => {
            let _ = payment::card(value, seed, found)
                || nations::named(DataClass::InPan, value, nations, seed, found);
        }
        Named::Clinical => health::clinical(value, seed, found),
        Named::Code => health::code(body, value, at, seed, found),
        Named::Cvv => payment::code(value, found),
        Named::Dea => health::dea(value, seed, found),
        Named::Diagnosis => health::diagnosis(value, seed, found),
        Named::Ip => contact::machine(value, seed, found),
        Named::Mbi => {
            let _ = health::mbi(value, seed, found)
                || nations::named(DataClass::AuMedicare, value, nations, seed, found);
        }
        Named::Mrn => health::record_number(value, seed, found),
        Named::National(class) => {
            nations::named(class, value, nations, seed, found);
        }
        Named::Npi => health::npi(value, seed, found),
        Named::Passport => national::passport(value, seed, found),
        Named::Password => credentials::secret(value, true, seed, found),
        Named::Person => contact::person(value, seed, found),
        Named::Phone => contact::phone(value, seed, found),
        Named::Resource => health::resource(value, seed, found),
        Named::Routing => payment::routing(value, seed, found),
        Named::Secret => credentials::secret(value, false, seed, found),
        Named::Ssn => {
            national::named(value, seed, found);
        }
        Named::Tax => {
            if !national::named(value, seed, found) {
                nations::any(value, nations, seed, found);
            }
        }
        Named::State => nations::any(value, nations, seed, found),
        Named::Value => health::identifier(body, value, at, seed, found),
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
    let firsts = words.iter().fold(0u32, |bits, word| bits | 1 << (word[0] & 31));
    (0..near.len()).any(|place| {
        let begins = firsts >> (near[place] & 31) & 1 == 1;
        begins
            && words
                .iter()
                .filter(|word| near[place..].starts_with(word))
                .any(|word| {
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
    use found::DISTINCT;

    fn find(body: &[u8]) -> Found {
        let mut marks = Marks::default();
        marks.read(body);
        let rules = Rules {
            seed: Seed::new(&[3; 32]),
            nations: Nations::default(),
            passed: &Passed::default(),
        };
        let found = search(body, &marks, None, rules);
        // Once more, with what was passed by remembered.
        let again = search(body, &marks, None, rules);
        let all =
            |found: &Found| -> Vec<_> { found.iter().map(|(c, h)| (c, h.values.len(), h.strong)).collect() };
        assert_eq!(all(&found), all(&again));
        found
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
