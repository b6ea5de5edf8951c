//! JSON Web Key Sets (RFC 7517 section 5): a file of an operator to keys, with the place of each mistake. Nothing of a key is quoted:
//! such files should hold public keys only, and some hold private ones all the same.

use crate::spec::{Problem, json_tree};

use super::algorithm::{PRIVATE, Public, UNSUPPORTED};

/// Keys read of one file.
const KEYS: usize = 256;

/// Longest name of a key; a longer one is none.
const NAME: usize = 512;

/// A key with its name.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Option<Box<str>>,
    pub(super) public: Public,
    /// Forms of a public key that a forger may take for a shared one.
    pub(super) written: Vec<Box<[u8]>>,
}

/// The keys of one file.
#[derive(Debug, Default)]
pub struct KeySet {
    /// Whose they are; of those of nobody, only names tell.
    pub(super) issuer: Option<Box<str>>,
    pub(super) keys: Vec<Key>,
    /// Nothing of the file was left out.
    whole: bool,
    /// The issuer signs with no other key.
    pub(super) complete: bool,
}

impl KeySet {
    /// Reads a file. `issuer` is whose keys they are; else a member `issuer` beside `keys` tells it, which is no standard.
    ///
    /// The second answer is what is wrong with it; what is not is used.
    ///
    /// # Errors
    ///
    /// When it is no key set, or none of its keys can be used.
    pub fn read(text: &str, issuer: Option<&str>) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let (document, mut problems) = json_tree(text);
        let clean = problems.is_empty();
        let mut tell = |at: (u32, u32), message: String| {
            problems.push(Problem {
                line: at.0,
                column: at.1,
                pointer: String::new(),
                message,
            });
        };
        let root = document.root();
        let place = |at: crate::spec::Location| (at.line, at.column);
        let listed = root.and_then(|root| root.get("keys"));
        let Some(listed) = listed.filter(|keys| keys.is() == crate::spec::Is::List) else {
            let at = root.map_or((1, 1), |root| place(root.at()));
            tell(
                at,
                "this is no JSON Web Key Set: it must be an object with a list `keys` (RFC 7517 section 5)"
                    .into(),
            );
            problems.sort();
            return Err(problems);
        };
        let own = root.and_then(|root| root.get("issuer")?.text());
        let mut set = Self {
            issuer: issuer.or(own).filter(|i| !i.is_empty()).map(Into::into),
            ..Self::default()
        };
        // What cannot be read may have been a key.
        set.whole = clean;
        for (number, key) in listed.items().enumerate() {
            let at = place(key.at());
            if number >= KEYS {
                tell(
                    at,
                    format!("more than {KEYS} keys; this one and those behind it are left out"),
                );
                set.whole = false;
                break;
            }
            let text = |name: &str| key.get(name).and_then(|member| member.text());
            // Keys to encrypt with sign nothing.
            let operations = key.get("key_ops").filter(|ops| ops.is() == crate::spec::Is::List);
            let verifies = operations.is_none_or(|ops| {
                ops.items()
                    .any(|op| op.text().is_some_and(|op| op == "verify" || op == "sign"))
            });
            if text("use").is_some_and(|is_for| is_for == "enc") || !verifies {
                continue;
            }
            if key.is() == crate::spec::Is::Map && PRIVATE.iter().any(|name| key.get(name).is_some()) {
                let message = "this key has its private part (`d` and its like) in it: whoever reads the file can make tokens. \
                               Tapline uses its public part only; take the private one out";
                tell(at, message.into());
            }
            match Public::read(text) {
                Ok(public) => set.keys.push(Key {
                    name: text("kid")
                        .filter(|name| (1..=NAME).contains(&name.len()))
                        .map(Into::into),
                    written: public.written(),
                    public,
                }),
                Err(wrong) => {
                    set.whole = false;
                    let left_out = if wrong == UNSUPPORTED {
                        ""
                    } else {
                        "; the key is left out"
                    };
                    tell(at, format!("{wrong}{left_out}"));
                }
            }
        }
        if set.keys.is_empty() {
            tell(
                place(listed.at()),
                "none of its keys can be used to check a signature".into(),
            );
            problems.sort();
            return Err(problems);
        }
        problems.sort();
        Ok((set, problems))
    }

    /// Whose keys they are, when that was said.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Says that its issuer signs with no other key; whether that can be: not when something of the file was left out, for that may
    /// have signed.
    #[must_use]
    pub fn declare_complete(&mut self) -> bool {
        self.complete = self.whole;
        self.whole
    }
}
