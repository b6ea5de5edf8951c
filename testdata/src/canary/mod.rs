//! A capture with a secret planted wherever one can be, and the list of what was planted.
//!
//! Every secret has a *core* of its own: a dozen random characters that nothing else in the capture has.
//! A reader's outputs must hold no core, in no spelling: [`Planted::forms`] lists the secret as sent, its core,
//! and what encodings make of it. [`Canary::leaks`] looks for all of them at once.

mod agents;
mod plant;

use std::collections::{BTreeMap, HashMap};

use crate::rng::Rng;
use crate::text::{base64, base64url, card, jwt, percent};
use crate::wire::Resolution;

/// A secret and where it was planted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// Where, in words.
    pub place: String,
    /// Strings of which none may be found in any output, whatever the case of its letters.
    pub forms: Vec<String>,
}

/// A capture full of secrets.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The capture, a pcap file.
    pub pcap: Vec<u8>,
    /// What was planted.
    pub planted: Vec<Planted>,
}

/// A form found where it must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// Where the secret had been planted.
    pub place: String,
    /// The form that was found.
    pub form: String,
    /// The bytes around it, as text.
    pub around: String,
}

impl Canary {
    /// Every secret found in `output`, each at its first place.
    #[must_use]
    pub fn leaks(&self, output: &[u8]) -> Vec<Leak> {
        // Forms by their first bytes, so that one pass over the output looks for all of them.
        let mut starts: HashMap<[u8; START], Vec<(usize, &str)>> = HashMap::new();
        for (number, planted) in self.planted.iter().enumerate() {
            for form in &planted.forms {
                let lower = form.to_ascii_lowercase();
                if let Some(start) = lower.as_bytes().first_chunk() {
                    starts.entry(*start).or_default().push((number, form));
                }
            }
        }
        let mut leaks: BTreeMap<usize, Leak> = BTreeMap::new();
        let lower = output.to_ascii_lowercase();
        for (at, window) in lower.windows(START).enumerate() {
            let candidates = window.first_chunk().and_then(|start| starts.get(start));
            for &(number, form) in candidates.into_iter().flatten() {
                let there = output.get(at..at + form.len());
                if there.is_some_and(|bytes| bytes.eq_ignore_ascii_case(form.as_bytes())) {
                    leaks.entry(number).or_insert_with(|| {
                        let end = (at + form.len() + 30).min(output.len());
                        Leak {
                            place: self.planted[number].place.clone(),
                            form: form.to_owned(),
                            around: String::from_utf8_lossy(&output[at.saturating_sub(60)..end]).into_owned(),
                        }
                    });
                }
            }
        }
        leaks.into_values().collect()
    }
}

/// Bytes by which forms are looked up; none is shorter.
const START: usize = 8;

/// Makes secrets and keeps the list.
#[derive(Debug)]
struct Planter {
    rng: Rng,
    planted: Vec<Planted>,
}

impl Planter {
    fn keep(&mut self, place: impl Into<String>, forms: Vec<String>) {
        let mut forms: Vec<String> = forms.into_iter().filter(|f| f.len() >= START).collect();
        forms.sort();
        forms.dedup();
        self.planted.push(Planted {
            place: place.into(),
            forms,
        });
    }

    /// A core: letters of both cases and digits, never a word.
    fn core(&mut self) -> String {
        let head = self.rng.text("BDFGHJKLMNPQRTVWXZ", 2);
        let tail = self.rng.text("bcdfghjkmnpqrtvwxz23456789", 10);
        format!("{head}7{tail}")
    }

    /// A secret with no structure.
    fn secret(&mut self, place: impl Into<String>) -> String {
        let core = self.core();
        let mut forms = vec![core.clone()];
        forms.extend(base64_of_any_place(&core));
        self.keep(place, forms);
        core
    }

    /// A secret that is the name of a host, of one label.
    fn core_of(&mut self, place: impl Into<String>) -> String {
        self.secret(place).to_lowercase()
    }

    /// A secret of one alphabet, with what providers put before theirs.
    fn drawn(&mut self, place: impl Into<String>, before: &str, alphabet: &str, length: usize) -> String {
        let drawn = self.rng.text(alphabet, length);
        // Half of it is as bad as all of it.
        let half = length / 2;
        self.keep(
            place,
            vec![
                drawn.clone(),
                drawn[..half].to_owned(),
                drawn[length - half..].to_owned(),
            ],
        );
        format!("{before}{drawn}")
    }

    /// A password as people make them.
    fn password(&mut self, place: impl Into<String>) -> String {
        let season = ["Summer", "Winter", "Autumn", "Monday"][self.rng.range(0, 4) as usize];
        let password = format!("{season}{}", self.rng.range(1000, 9999));
        self.keep(place, vec![password.clone()]);
        password + "!"
    }

    /// A personal e-mail address.
    fn email(&mut self, place: impl Into<String>) -> String {
        let core = self.core().to_lowercase();
        let address = format!("ana.{core}@mail.canary.example");
        let mut forms = vec![core.clone(), percent(&address)];
        forms.extend(base64_of_any_place(&core));
        self.keep(place, forms);
        address
    }

    /// A card number that holds its check digit; ten digits of it in a row are a leak.
    fn card(&mut self, place: impl Into<String>) -> String {
        let number = card(&mut self.rng, "4929", 16);
        let mut forms: Vec<String> = (0..=6).map(|at| number[at..at + 10].to_owned()).collect();
        forms.push(grouped(&number, '-'));
        forms.push(grouped(&number, ' '));
        forms.push(percent(&grouped(&number, ' ')));
        forms.extend(base64_of_any_place(&number));
        self.keep(place, forms);
        number
    }

    /// A social security number in its usual form.
    fn ssn(&mut self, place: impl Into<String>) -> String {
        let (area, group, serial) = (
            self.rng.range(101, 666),
            self.rng.range(11, 99),
            self.rng.range(1000, 9999),
        );
        let number = format!("{area}-{group}-{serial}");
        self.keep(place, vec![number.clone()]);
        number
    }

    /// A German bank account number with the right check digits.
    fn iban(&mut self, place: impl Into<String>) -> String {
        let account = self.rng.text("123456789", 18);
        // Country letters as numbers (D = 13, E = 14), then two zeros, modulo 97 (ISO 13616).
        let rest = format!("{account}131400")
            .bytes()
            .fold(0_u32, |r, b| (r * 10 + u32::from(b - b'0')) % 97);
        let number = format!("DE{:02}{account}", 98 - rest);
        self.keep(place, vec![number.clone(), account]);
        number
    }

    /// A token with claims that name a person.
    fn jwt(&mut self, place: impl Into<String>, expires: u64) -> String {
        let (mail, name) = (self.core().to_lowercase(), self.core());
        let claims = format!(
            r#"{{"iss":"https://id.canary.example","sub":"ana.{mail}@mail.canary.example","email":"ana.{mail}@mail.canary.example","name":"Ana {name}","client_id":"canary-app","sub_profile":"ai_agent","iat":{},"exp":{expires},"jti":"{}"}}"#,
            expires - 3600,
            self.core(),
        );
        let token = jwt(&mut self.rng, r#"{"alg":"HS256","typ":"at+jwt"}"#, &claims);
        let mut forms: Vec<String> = token.split('.').skip(1).map(str::to_owned).collect();
        if let Some(signature) = forms.last().cloned() {
            // A good part of the signature is as bad as all of it.
            forms.extend(
                (0..signature.len() - 12)
                    .step_by(4)
                    .map(|i| signature[i..i + 12].to_owned()),
            );
        }
        forms.extend([mail.clone(), name.clone()]);
        forms.extend(base64_of_any_place(&mail));
        forms.extend(base64_of_any_place(&name));
        self.keep(place, forms);
        token
    }

    /// Credentials of the Basic scheme, coded.
    fn basic(&mut self, place: impl Into<String>) -> String {
        let (user, password) = (self.core(), self.core());
        let coded = base64(format!("{user}:{password}").as_bytes());
        let mut forms = vec![coded.clone(), user.clone(), password.clone()];
        forms.extend(base64_of_any_place(&password));
        self.keep(place, forms);
        coded
    }
}

fn grouped(number: &str, by: char) -> String {
    let groups: Vec<&str> = (0..4).map(|i| &number[i * 4..i * 4 + 4]).collect();
    groups.join(&by.to_string())
}

/// What base64 makes of `core` inside a longer text, wherever it begins there: the characters that depend on
/// it alone, for each of the three places it can have in a group of three bytes.
fn base64_of_any_place(core: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![b'x'; before];
        bytes.extend_from_slice(core.as_bytes());
        for coded in [base64(&bytes), base64url(&bytes)] {
            let from = (before * 8).div_ceil(6);
            let to = bytes.len() * 8 / 6;
            forms.push(coded[from..to].to_owned());
        }
    }
    forms
}

/// Plants the secrets of this seed.
#[must_use]
pub fn canary(seed: u64) -> Canary {
    let mut planter = Planter {
        rng: Rng::named(seed, "canary"),
        planted: Vec::new(),
    };
    let capture = plant::plant(&mut planter);
    Canary {
        pcap: capture.pcap(Resolution::Microseconds),
        planted: planter.planted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_can_be_found_in_the_capture_by_one_of_its_forms() {
        let canary = canary(1);
        assert!(canary.planted.len() > 70, "{}", canary.planted.len());
        let leaks = canary.leaks(&canary.pcap);
        // What is sent compressed or in another coding is not there in plain.
        let hidden: Vec<&str> = canary
            .planted
            .iter()
            .filter(|p| !leaks.iter().any(|l| l.place == p.place))
            .map(|p| p.place.as_str())
            .collect();
        assert_eq!(hidden, ["gzip response body"]);
    }

    #[test]
    fn coded_and_changed_secrets_are_found_too() {
        let canary = canary(2);
        let core = canary
            .planted
            .iter()
            .find(|p| p.place == "Authorization bearer")
            .expect("planted")
            .forms
            .iter()
            .find(|f| f.len() == 13)
            .expect("core")
            .clone();
        for output in [
            core.to_uppercase(),
            base64(format!("{{\"token\":\"{core}\"}}").as_bytes()),
            base64url(format!("a{core}").as_bytes()),
            format!("Bearer {core}"),
        ] {
            assert_eq!(canary.leaks(output.as_bytes()).len(), 1, "{output}");
        }
        assert!(canary.leaks(&core.as_bytes()[..6]).is_empty());
        assert!(canary.leaks(b"").is_empty());
    }

    #[test]
    fn no_two_places_have_a_form_in_common() {
        let canary = canary(3);
        let mut forms: Vec<&String> = canary.planted.iter().flat_map(|p| &p.forms).collect();
        let all = forms.len();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), all);
        let mut places: Vec<&str> = canary.planted.iter().map(|p| p.place.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), canary.planted.len());
    }
}
