//! Who answers for which endpoints: a map from hosts and paths to owners.
//!
//! ```toml
//! [[owner]]
//! host = "*.example.com"
//! path = "/payments"          # and what lies below
//! owner = "team-payments"
//! ```
//!
//! or, in a file whose name does not end in `.toml`, a line for each as `CODEOWNERS` has them:
//!
//! ```text
//! *.example.com/payments  @team-payments
//! /admin/                 @platform        # on every host
//! ```
//!
//! The last that suits counts, so that what holds in general stands first.

use super::file::{ENTRIES, Mistakes, Section, parse, tables};
use super::overrides::host;
use super::pattern::{HostGlob, LONGEST, Pattern};
use crate::spec::Problem;

/// One line of the map.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    pattern: Pattern,
    owner: String,
}

/// The map.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Owners(Vec<Line>);

impl Owners {
    /// Reads the map's text. `name` is that of the file: one that ends in `.toml` is TOML, any other one has lines of a
    /// pattern and its owners.
    ///
    /// # Errors
    ///
    /// Every mistake, with its place and what would be right.
    pub fn read(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut mistakes = Mistakes::new(text);
        let lines = if name.to_ascii_lowercase().ends_with(".toml") {
            of_toml(text, &mut mistakes)
        } else {
            of_lines(text, &mut mistakes)
        };
        match mistakes.finish() {
            found if found.is_empty() => Ok(Self(lines)),
            found => Err(found),
        }
    }

    /// The owner of an endpoint.
    pub(crate) fn of(&self, host: &str, method: &str, template: &str) -> Option<&str> {
        let suits = |line: &&Line| line.pattern.matches(host, method, template);
        self.0.iter().rev().find(suits).map(|line| line.owner.as_str())
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of its lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn of_toml(text: &str, mistakes: &mut Mistakes<'_>) -> Vec<Line> {
    let root = parse(text, mistakes);
    let mut out = Vec::new();
    for (name, at, table) in tables(root.get_ref(), &["owner"], mistakes) {
        let mut section = Section::new((name, at, table), &["host", "path", "owner"], mistakes);
        let host = host(&mut section);
        let path = section.text("path");
        if let Some((at, text)) = path
            && !text.starts_with('/')
        {
            section.wrong(at, "path", "must begin with a slash");
        }
        if !section.has("owner") {
            section
                .mistakes
                .push(at, "owner.owner is missing; write who it is");
        }
        let owner = section.text("owner");
        if let (Some(host), Some((_, owner))) = (host, owner) {
            out.push(Line {
                pattern: Pattern::new(host, None, path.map(|(_, text)| text), true),
                owner: owner.to_owned(),
            });
        }
    }
    out
}

fn of_lines(text: &str, mistakes: &mut Mistakes<'_>) -> Vec<Line> {
    let mut out = Vec::new();
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let at = start;
        start += raw.len();
        // A `#` within a word belongs to it: RPC operations have one.
        let bare = match raw.find(" #").or_else(|| raw.find("\t#")) {
            Some(comment) => &raw[..comment],
            None => raw,
        };
        let bare = bare.trim().trim_start_matches('\u{feff}');
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        if out.len() >= ENTRIES {
            mistakes.push(at, format!("more than {ENTRIES} lines; use globs"));
            break;
        }
        if bare.len() > LONGEST || bare.chars().any(|c| c.is_control() && c != '\t') {
            mistakes.push(at, format!("is no line of a pattern and its owners: longer than {LONGEST} bytes, or with control characters"));
            continue;
        }
        let mut words = bare.split_whitespace();
        let pattern = words.next().unwrap_or("");
        let owner = words.collect::<Vec<_>>().join(" ");
        if owner.is_empty() {
            mistakes.push(at, "has no owner; write it behind the pattern, such as `api.example.com/payments @team-payments`");
            continue;
        }
        let (host, path) = match pattern.find('/') {
            Some(0) => (Ok(HostGlob::any()), Some(pattern)),
            Some(_) if pattern.contains("://") => (HostGlob::parse(pattern), None),
            Some(slash) => (HostGlob::parse(&pattern[..slash]), Some(&pattern[slash..])),
            None => (HostGlob::parse(pattern), None),
        };
        match host {
            Ok(host) => out.push(Line {
                pattern: Pattern::new(host, None, path, true),
                owner,
            }),
            Err(what) => mistakes.push(at, format!("the host of the pattern {what}")),
        }
    }
    out
}
