//! A policy file: TOML with a `[[rule]]` for each rule. All that is wrong with it is told at once, with line and column.

use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::condition::{self, Condition};
use super::fields::OF_BASELINE;
use crate::config::place;
use crate::known::state::About;
use crate::known::subject::{SEVERITIES, rank};
use analyzers::nearest;

/// Everything that must be.
#[derive(Debug)]
pub(crate) struct Policy {
    /// The file as it was named.
    pub(crate) file: String,
    pub(crate) rules: Vec<Rule>,
}

/// One thing that must be.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) help: String,
    pub(crate) severity: &'static str,
    pub(crate) about: About,
    /// Which records are meant; without it all.
    pub(super) on: Option<Condition>,
    /// What they must be, or must not be.
    pub(super) condition: Condition,
    pub(super) forbidden: bool,
    /// The condition as it was written, with `must` or `must_not` before it.
    pub(crate) wording: String,
    /// Line and column of the rule, from 1.
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Whether a condition asks what was accepted.
    pub(crate) wants_baseline: bool,
}

/// What is wrong with a policy.
#[derive(Debug)]
pub(crate) struct Mistakes {
    file: String,
    unreadable: Option<String>,
    /// Line, column and what is wrong.
    found: Vec<(usize, usize, String)>,
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = &self.unreadable {
            return write!(f, "cannot read the policy {}: {cause}", self.file);
        }
        let count = self.found.len();
        write!(
            f,
            "{count} mistake{} in {}",
            if count == 1 { "" } else { "s" },
            self.file
        )?;
        for (line, column, what) in &self.found {
            write!(f, "\n  {}:{line}:{column}: {what}", self.file)?;
        }
        Ok(())
    }
}

const KEYS: [&str; 8] = [
    "id", "title", "help", "severity", "about", "where", "must", "must_not",
];

impl Rule {
    /// Whether it is about some records only.
    pub(crate) fn has_where(&self) -> bool {
        self.on.is_some()
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub(crate) fn load(path: &Path) -> Result<Self, Mistakes> {
        let file = path.display().to_string();
        let unreadable = |cause: String| Mistakes {
            file: file.clone(),
            unreadable: Some(cause),
            found: Vec::new(),
        };
        let text = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        let text = String::from_utf8(text).map_err(|e| {
            unreadable(format!(
                "it is not UTF-8 at byte {}",
                e.utf8_error().valid_up_to()
            ))
        })?;
        Self::read(&file, &text)
    }

    /// Reads the text of a policy.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Mistakes> {
        let mut reader = Reader {
            text,
            found: Vec::new(),
        };
        let rules = reader.file();
        if !reader.found.is_empty() {
            let mut found: Vec<(usize, usize, String)> = reader
                .found
                .into_iter()
                .map(|(at, what)| {
                    let (line, column) = place(text, at);
                    (line, column, what)
                })
                .collect();
            found.sort();
            found.dedup();
            return Err(Mistakes {
                file: file.to_owned(),
                unreadable: None,
                found,
            });
        }
        Ok(Self {
            file: file.to_owned(),
            rules,
        })
    }
}

struct Reader<'t> {
    text: &'t str,
    found: Vec<(usize, String)>,
}

type Item<'v> = Spanned<DeValue<'v>>;

impl Reader<'_> {
    fn wrong(&mut self, at: usize, what: impl Into<String>) {
        self.found.push((at, what.into()));
    }

    fn file(&mut self) -> Vec<Rule> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |s| s.start);
            let what = error.message().trim().replace('\n', ", ");
            self.wrong(at, format!("is not TOML here: {what}"));
        }
        let mut rules: Vec<Rule> = Vec::new();
        let mut any = false;
        for (name, value) in root.get_ref() {
            let at = name.span().start;
            if name.get_ref() != "rule" {
                self.wrong(
                    at,
                    format!(
                        "`{}` is not known here; a policy is made of [[rule]]",
                        name.get_ref()
                    ),
                );
                continue;
            }
            any = true;
            let DeValue::Array(list) = value.get_ref() else {
                self.wrong(at, "`rule` is a list; write [[rule]] with two brackets");
                continue;
            };
            for item in list.iter() {
                let Some(rule) = self.rule(item) else { continue };
                if let Some(other) = rules.iter().find(|other| other.id == rule.id) {
                    let what = format!("another rule is called `{}` too, in line {}", rule.id, other.line);
                    self.wrong(item.span().start, what);
                }
                rules.push(rule);
            }
        }
        if !any && errors.is_empty() {
            self.wrong(
                0,
                "there is no rule; write [[rule]] and below it id = \"…\" and must = '…'",
            );
        }
        rules
    }

    fn rule(&mut self, item: &Item<'_>) -> Option<Rule> {
        let at = item.span().start;
        let sound = self.found.len();
        let DeValue::Table(table) = item.get_ref() else {
            self.wrong(at, "a rule is a section; write [[rule]] and its keys below");
            return None;
        };
        let mut texts: Vec<(&str, &Item<'_>, &str)> = Vec::new();
        for (name, value) in table {
            let key = name.get_ref().as_ref();
            if !KEYS.contains(&key) {
                let near = nearest(key, KEYS.iter().copied())
                    .map_or(format!("there are {}", KEYS.join(", ")), |n| {
                        format!("did you mean `{n}`?")
                    });
                self.wrong(name.span().start, format!("a rule has no `{key}`; {near}"));
                continue;
            }
            match value.get_ref() {
                DeValue::String(text) => texts.push((key, value, text.as_ref())),
                _ => self.wrong(value.span().start, format!("`{key}` must be a text")),
            }
        }
        let get = |wanted: &str| texts.iter().find(|(key, ..)| *key == wanted).copied();
        let text = |wanted: &str| get(wanted).map(|(_, _, text)| text.trim().to_owned());
        let about = match get("about") {
            None => About::Endpoint,
            Some((_, item, word)) => match About::ALL.into_iter().find(|a| a.name() == word) {
                Some(about) => about,
                None => {
                    let what = format!("`about` is \"{word}\"; it must be endpoint, principal or finding");
                    self.wrong(item.span().start, what);
                    return None;
                }
            },
        };
        let severity = match get("severity") {
            None => "medium",
            Some((_, item, word)) => match rank(word) {
                Some(place) => SEVERITIES[place],
                None => {
                    let what = format!("`severity` is \"{word}\"; it must be {}", SEVERITIES.join(", "));
                    self.wrong(item.span().start, what);
                    "medium"
                }
            },
        };
        let id = match get("id") {
            Some((_, item, id)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
                if id.is_empty() || id.len() > 100 || !id.chars().all(plain) {
                    let what = "`id` must be 1 to 100 letters, digits, dashes, dots, underscores or slashes";
                    self.wrong(item.span().start, what);
                }
                id.to_owned()
            }
            None => {
                self.wrong(
                    at,
                    "this rule has no `id`; give it one that stays, such as \"owned\"",
                );
                String::new()
            }
        };
        let on = match get("where") {
            Some((_, item, text)) => Some(self.condition(about, item, text)?),
            None => None,
        };
        let (forbidden, item, words) = match (get("must"), get("must_not")) {
            (Some((_, item, words)), None) => (false, item, words),
            (None, Some((_, item, words))) => (true, item, words),
            (Some(_), Some((_, item, _))) => {
                self.wrong(
                    item.span().start,
                    "a rule has `must` or `must_not`, not both; write two rules",
                );
                return None;
            }
            (None, None) => {
                self.wrong(at, "this rule has neither `must` nor `must_not`");
                return None;
            }
        };
        let condition = self.condition(about, item, words)?;
        if self.found.len() > sound {
            return None;
        }
        let (line, column) = place(self.text, at);
        let wants_baseline = on
            .iter()
            .chain([&condition])
            .flat_map(Condition::fields)
            .any(|path| OF_BASELINE.contains(&path[0].as_str()) && about == About::Endpoint);
        let verb = if forbidden { "must not" } else { "must" };
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let wording = format!("{verb} {words}");
        Some(Rule {
            title: text("title").unwrap_or_else(|| wording.clone()),
            help: text("help").unwrap_or_default(),
            id,
            severity,
            about,
            on,
            condition,
            forbidden,
            wording,
            line,
            column,
            wants_baseline,
        })
    }

    fn condition(&mut self, about: About, item: &Item<'_>, text: &str) -> Option<Condition> {
        match condition::read(about, text) {
            Ok(condition) => Some(condition),
            Err(wrong) => {
                let at = self.within(item, text, wrong.at);
                self.wrong(at, wrong.what);
                None
            }
        }
    }

    /// The byte of the file where byte `at` of a text stands. Where a text has escapes, that of its beginning.
    fn within(&self, item: &Item<'_>, text: &str, at: usize) -> usize {
        let span = item.span();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        for quotes in ["'''", "\"\"\"", "'", "\""] {
            let Some(inner) = raw.strip_prefix(quotes) else {
                continue;
            };
            // A line break right behind three quotes is no part of the text.
            let cut = inner.len() - inner.trim_start_matches('\r').trim_start_matches('\n').len();
            for skipped in [0, cut] {
                let begins = quotes.len() + skipped;
                if raw[begins..].starts_with(text) {
                    return span.start + begins + at;
                }
            }
        }
        span.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        match Policy::read("policy.toml", text) {
            Ok(_) => "no mistakes".to_owned(),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        insta::assert_snapshot!(mistakes(
            r#"
name = "ours"

[[rule]]
id = "owned"
must = 'hots = "x"'

[[rule]]
id = "two words"
severity = "grave"
muts = 'agents = 0'

[[rule]]
id = "both"
must = 'agents = 0'
must_not = 'agents = 0'

[[rule]]
must = '''
agents = 0
and callers < "many"
'''

[[rule]]
id = "callers"
about = "principal"
where = "kind = \"robot\""
must = "template = 'x'"

[[rule]]
id = "of-what"
about = "endpoints"
must = 'agents = 0'

[[rule]]
id = "number"
must = 7
"#
        ));
    }

    #[test]
    fn what_is_no_policy_is_told() {
        insta::assert_snapshot!(mistakes("# nothing\n"));
        insta::assert_snapshot!(mistakes("[rule]\nid = \"a\"\n"));
        insta::assert_snapshot!(mistakes("[[rule]\nid = \"a\"\nmust = 'agents = 0'\n"));
    }

    /// Whatever stands in a policy, it is read or told, and a mistake has a place in the file.
    #[test]
    fn no_text_is_too_odd() {
        const PARTS: [&str; 26] = [
            "agents",
            "host",
            "auth.none",
            "status.5xx",
            " = ",
            " != ",
            " >= ",
            "0",
            "-1.5",
            "'x'",
            "\"y",
            "(",
            ")",
            "[",
            "]",
            ",",
            ".",
            " and ",
            " or ",
            " not ",
            " in ",
            " has ",
            " matches ",
            " exists ",
            "é\u{2028}",
            "999999999999999999999",
        ];
        let mut seed = 7_u64;
        let mut next = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let (mut good, mut bad) = (0, 0);
        for _ in 0..20_000 {
            let condition: String = (0..next(9)).map(|_| PARTS[next(PARTS.len())]).collect();
            let quotes = ["'''\n", "'''", "\"\"\""][next(3)];
            let text = format!(
                "[[rule]]\nid = \"a\"\nmust = {quotes}{condition}{}\n",
                quotes.trim_end()
            );
            match Policy::read("p", &text) {
                Ok(_) => good += 1,
                Err(mistakes) => {
                    bad += 1;
                    let lines = text.lines().count() + 1;
                    assert!(
                        mistakes.found.iter().all(|(line, ..)| (1..=lines).contains(line)),
                        "{text}"
                    );
                }
            }
        }
        assert!(good > 50 && bad > 50, "{good} {bad}");
    }

    #[test]
    fn names_are_told_apart() {
        let rule = "[[rule]]\nid = \"a\"\nmust = 'agents = 0'\n";
        assert_eq!(mistakes(rule), "no mistakes");
        let twice = mistakes(&rule.repeat(2));
        assert!(
            twice.contains("policy.toml:4:1: another rule is called `a` too, in line 1"),
            "{twice}"
        );
    }
}
