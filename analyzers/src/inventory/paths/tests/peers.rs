//! What the rules of others make of the same calls, as they were described by those who read their sources.
//!
//! They are here to be measured against, so they are kept to what was described, and where that leaves room, to what is better
//! for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Scanner;

/// Rules that make templates of calls.
pub(super) trait Rules {
    fn observe(&mut self, method: &str, path: &str, status: u16, body: &[u8]);
    fn templates(&self) -> BTreeSet<(String, String)>;
}

/// Speculator, the part of APIClarity that makes templates: digits, UUIDs, and segments of eight characters or more with more
/// than two digits are parameters. Nothing else ever is. Every answered call counts.
#[derive(Default)]
pub(super) struct ApiClarity {
    seen: BTreeSet<(String, String)>,
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

impl Rules for ApiClarity {
    fn observe(&mut self, method: &str, path: &str, status: u16, _: &[u8]) {
        if status == 404 {
            // A person reviews what is made a specification of: no one approves what is not there.
            return;
        }
        let template = path.split('/').fold(String::new(), |mut out, segment| {
            let digits = segment.bytes().filter(u8::is_ascii_digit).count();
            let number = !segment.is_empty() && digits == segment.len();
            let mixed = segment.len() >= 8 && digits > 2;
            if !out.is_empty() || segment.is_empty() {
                out.push('/');
            }
            out.push_str(if number || is_uuid(segment) || mixed {
                "{}"
            } else {
                segment
            });
            out
        });
        self.seen.insert((method.to_owned(), template.replace("//", "/")));
    }

    fn templates(&self) -> BTreeSet<(String, String)> {
        self.seen.clone()
    }
}

/// Akto's runtime: typed segments at once unless they are English words, then pairs of paths that differ in one string are merged
/// when ten alike have come, with names of fields within a fifth of each other.
#[derive(Default)]
pub(super) struct Akto {
    /// By method and number of segments: templates with the fields of answers by status.
    urls: BTreeMap<(String, usize), Vec<Url>>,
}

#[derive(Clone)]
struct Url {
    tokens: Vec<String>,
    fields: BTreeSet<String>,
    statuses: BTreeSet<u16>,
}

impl Akto {
    fn english(token: &str) -> bool {
        // Their dictionary is a filter over 370,000 words, of which letters alone with a vowel are a fair likeness; names of
        // people and cities are in it too.
        let parts = token.split(['-', '_', '.']).filter(|p| !p.is_empty());
        let mut any = false;
        for part in parts {
            any = true;
            let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
            if !letters || !part.bytes().any(|b| b"aeiouyAEIOUY".contains(&b)) {
                return false;
            }
        }
        any
    }

    fn token(token: &str) -> String {
        let digits = token.bytes().filter(u8::is_ascii_digit).count();
        let letters = token.bytes().filter(u8::is_ascii_alphabetic).count();
        let hex24 = token.len() == 24 && token.bytes().all(|b| b.is_ascii_hexdigit());
        if Self::english(token) {
            token.to_owned()
        } else if token.parse::<f64>().is_ok() {
            "INTEGER".to_owned()
        } else if hex24 {
            "OBJECT_ID".to_owned()
        } else if is_uuid(token) || token.len() >= 6 && digits >= 3 && letters >= 1 {
            "STRING".to_owned()
        } else {
            token.to_owned()
        }
    }

    fn within_a_fifth(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
        let allowed = a.len().min(b.len()) / 5;
        a.symmetric_difference(b).count() <= allowed
    }

    /// The template that covers both, when there may be one.
    fn merged(a: &Url, b: &Url) -> Option<Vec<String>> {
        let mut strings = 0;
        let mut out = Vec::with_capacity(a.tokens.len());
        for (x, y) in a.tokens.iter().zip(&b.tokens) {
            if x.eq_ignore_ascii_case(y) {
                out.push(x.clone());
            } else if Self::english(x) || Self::english(y) {
                // As described: differing words are passed over rather than compared.
                out.push(x.clone());
            } else {
                strings += 1;
                out.push("STRING".to_owned());
            }
        }
        let alike = a.statuses == b.statuses && Self::within_a_fifth(&a.fields, &b.fields);
        (strings == 1 && alike).then_some(out)
    }
}

impl Rules for Akto {
    fn observe(&mut self, method: &str, path: &str, status: u16, body: &[u8]) {
        if !(200..300).contains(&status) {
            return;
        }
        let tokens: Vec<String> = path
            .split('/')
            .filter(|t| !t.is_empty())
            .map(Self::token)
            .collect();
        let mut fields = BTreeSet::new();
        let mut scanner = Scanner::new(body);
        while scanner.next().is_some() {
            fields.insert(String::from_utf8_lossy(scanner.key()).into_owned());
        }
        let urls = self.urls.entry((method.to_owned(), tokens.len())).or_default();
        if let Some(known) = urls.iter_mut().find(|u| {
            u.tokens
                .iter()
                .zip(&tokens)
                .all(|(a, b)| a == b || a == "STRING" && !Self::english(b))
        }) {
            known.fields.extend(fields);
            known.statuses.insert(status);
            return;
        }
        let new = Url {
            tokens,
            fields,
            statuses: BTreeSet::from([status]),
        };
        let alike: Vec<Vec<String>> = urls.iter().filter_map(|u| Self::merged(u, &new)).collect();
        urls.push(new);
        // Votes of all templates together decide, and the first template is taken.
        if alike.len() >= 10 {
            let template = alike[0].clone();
            urls.retain(|u| {
                !u.tokens
                    .iter()
                    .zip(&template)
                    .all(|(a, b)| a == b || b == "STRING" && !Self::english(a))
            });
            urls.push(Url {
                tokens: template,
                fields: BTreeSet::new(),
                statuses: BTreeSet::from([status]),
            });
        }
    }

    fn templates(&self) -> BTreeSet<(String, String)> {
        let template = |url: &Url| {
            url.tokens.iter().fold(String::new(), |mut out, token| {
                out.push('/');
                out.push_str(if matches!(token.as_str(), "INTEGER" | "OBJECT_ID" | "STRING") {
                    "{}"
                } else {
                    token
                });
                out
            })
        };
        self.urls
            .iter()
            .flat_map(|((method, _), urls)| urls.iter().map(|u| (method.clone(), template(u))))
            .collect()
    }
}
