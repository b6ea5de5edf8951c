//! What an operator says of endpoints: a file that lives in git.
//!
//! ```toml
//! [[endpoint]]
//! host = "api.example.com"             # a glob: * stands for any text
//! method = "GET"                       # left out: every method
//! path = "/users/{name}"               # a template: it also says what is a parameter here
//! owner = "team-identity"
//! tier = "confidential"                # public, internal or confidential
//! accept = ["missing_auth"]            # these findings are not raised here …
//! reason = "behind client certificates"
//! until = 2027-06-30                   # … until the end of this day (UTC)
//!
//! [[keep]]                             # this name is no parameter, however many are beside it
//! host = "api.example.com"
//! path = "/users/admin"
//! ```
//!
//! Where several sections suit an endpoint, each fact is that of the one that says most: one host before a glob, then the
//! path from left to right, text before a parameter before `**`, then the method; of two that say the same, the later.

use std::borrow::Cow;

use super::file::{Day, Mistakes, Section, parse, tables};
use super::pattern::{HostGlob, Pattern, canonical};
use crate::finding::Kind;
use crate::privacy::safe_method;
use crate::spec::{PathTemplate, Paths, Problem, TemplateSegment, path_segments};

/// How far an endpoint is meant to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// For everybody.
    Public,
    /// For callers of the own networks.
    Internal,
    /// For few, because of what it carries.
    Confidential,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Public, Self::Internal, Self::Confidential];

    /// The name used in records and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
        }
    }
}

/// One section `[[endpoint]]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Override {
    pub(crate) pattern: Pattern,
    pub(crate) owner: Option<String>,
    pub(crate) tier: Option<Tier>,
    pub(crate) environment: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) accept: Vec<Kind>,
    pub(crate) reason: Option<String>,
    pub(crate) until: Option<Day>,
    /// Line of the file.
    pub(crate) line: u32,
}

/// Templates of the sections that have one host.
#[derive(Debug, Clone, PartialEq)]
struct Templates {
    host: HostGlob,
    paths: Paths,
    /// In the order in which `paths` numbers them.
    texts: Vec<String>,
}

/// A path whose names stay.
#[derive(Debug, Clone, PartialEq)]
struct Keep {
    host: HostGlob,
    segments: Vec<String>,
}

/// Everything that the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Those that say most first; of two alike the later.
    entries: Vec<Override>,
    /// By host, likewise.
    templates: Vec<Templates>,
    keeps: Vec<Keep>,
    /// Kinds of findings that are accepted somewhere, sorted.
    accepted: Vec<Kind>,
}

/// Keys of an endpoint.
const ENDPOINT: &[&str] = &[
    "host",
    "method",
    "path",
    "owner",
    "tier",
    "environment",
    "purpose",
    "accept",
    "reason",
    "until",
];

impl Overrides {
    /// Reads the file's text. With mistakes nothing of it is to be used.
    ///
    /// # Errors
    ///
    /// Every mistake, with its place and what would be right.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let mut mistakes = Mistakes::new(text);
        let root = parse(text, &mut mistakes);
        let mut out = Self::default();
        let mut templates: Vec<(PathTemplate, HostGlob, Option<String>)> = Vec::new();
        let mut lines = Lines::of(text);
        for (name, at, table) in tables(root.get_ref(), &["endpoint", "keep"], &mut mistakes) {
            match name {
                "endpoint" => {
                    let mut section = Section::new((name, at, table), ENDPOINT, &mut mistakes);
                    let line = lines.at(at);
                    let Some((entry, template)) = endpoint(&mut section, line) else {
                        continue;
                    };
                    if let Some(template) = template {
                        templates.push((template, entry.pattern.host.clone(), entry.pattern.method.clone()));
                    }
                    out.entries.push(entry);
                }
                _ => {
                    let mut section = Section::new((name, at, table), &["host", "path"], &mut mistakes);
                    out.keeps.extend(keep(&mut section));
                }
            }
        }
        let mistakes = mistakes.finish();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // A stable sort of the turned list: of two that say the same, the later comes first.
        out.entries.reverse();
        out.entries
            .sort_by_cached_key(|entry| std::cmp::Reverse(entry.pattern.weight()));
        out.accepted = out
            .entries
            .iter()
            .flat_map(|entry| entry.accept.iter().copied())
            .collect();
        out.accepted.sort_unstable();
        out.accepted.dedup();
        for (template, host, method) in templates.into_iter().rev() {
            out.add_template(&template, host, method.as_deref().unwrap_or(""));
        }
        out.templates
            .sort_by_key(|of_host| std::cmp::Reverse(of_host.host.weight()));
        Ok(out)
    }

    fn add_template(&mut self, template: &PathTemplate, host: HostGlob, method: &str) {
        let at = self.templates.iter().position(|known| known.host == host);
        let at = at.unwrap_or_else(|| {
            self.templates.push(Templates {
                host,
                paths: Paths::default(),
                texts: Vec::new(),
            });
            self.templates.len() - 1
        });
        let of_host = &mut self.templates[at];
        of_host.paths.insert(template, method, of_host.texts.len());
        of_host.texts.push(canonical("", template));
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.keeps.is_empty()
    }

    /// Sections about endpoints, and names that stay.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.keeps.len())
    }

    /// The template given to a path, as it is written but in the one form that endpoints have.
    pub(crate) fn template(&self, host: &str, method: &str, path: &[Cow<'_, str>]) -> Option<&str> {
        // One with the method on a glob says more than one with another method on the very host.
        let mut near = None;
        for of_host in self.templates.iter().filter(|t| t.host.matches(host)) {
            let Some((number, exact)) = of_host.paths.nearest(method, path) else {
                continue;
            };
            if exact {
                return of_host.texts.get(number).map(String::as_str);
            }
            near = near.or(of_host.texts.get(number));
        }
        near.map(String::as_str)
    }

    /// How many of the first segments of a path stay as they are.
    pub(crate) fn kept(&self, host: &str, path: &[Cow<'_, str>]) -> usize {
        let suits = |keep: &&Keep| {
            keep.segments.len() <= path.len()
                && keep.segments.iter().zip(path).all(|(own, part)| own == part)
                && keep.host.matches(host)
        };
        self.keeps
            .iter()
            .filter(suits)
            .map(|keep| keep.segments.len())
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn has_keeps(&self) -> bool {
        !self.keeps.is_empty()
    }

    pub(crate) fn has_templates(&self) -> bool {
        !self.templates.is_empty()
    }

    /// Sections that mean an endpoint, those that say most first.
    pub(crate) fn of<'a, 'b>(
        &'a self,
        host: &'b str,
        method: &'b str,
        template: &'b str,
    ) -> impl Iterator<Item = &'a Override> + use<'a, 'b> {
        self.entries
            .iter()
            .filter(move |entry| entry.pattern.matches(host, method, template))
    }

    /// Whether findings of a kind are accepted anywhere.
    pub(crate) fn accepts(&self, kind: Kind) -> bool {
        self.accepted.contains(&kind)
    }
}

fn endpoint(section: &mut Section<'_, '_, '_>, line: u32) -> Option<(Override, Option<PathTemplate>)> {
    let host = host(section);
    let method = section.text("method").and_then(|(at, text)| {
        let known = safe_method(text);
        if known == text {
            return Some(known.to_owned());
        }
        section.wrong(
            at,
            "method",
            "is no method in capitals such as \"GET\"; leave it out for all",
        );
        None
    });
    let path = path(section);
    let tier = section.text("tier").and_then(|(at, text)| {
        let tier = Tier::ALL.into_iter().find(|tier| tier.name() == text);
        if tier.is_none() {
            section.wrong(at, "tier", "must be \"public\", \"internal\" or \"confidential\"");
        }
        tier
    });
    let accept = kinds(section, "accept");
    let text = |section: &mut Section<'_, '_, '_>, key| section.text(key).map(|(_, text)| text.to_owned());
    let owner = text(section, "owner");
    let environment = text(section, "environment");
    let purpose = text(section, "purpose");
    let reason = text(section, "reason");
    let until = section.day("until").map(|(_, day)| day);
    if section.has("accept") {
        if !section.has("reason") {
            let at = section.place("accept");
            section.wrong(
                at,
                "accept",
                "takes a `reason`: whoever reads this next year asks why",
            );
        }
    } else {
        for key in ["reason", "until"] {
            if section.has(key) {
                let at = section.place(key);
                section.wrong(
                    at,
                    key,
                    "belongs to `accept`, which is not there; write accept = [\"missing_auth\"] or remove it",
                );
            }
        }
    }
    let says = ["path", "owner", "tier", "environment", "purpose", "accept"];
    if !says.iter().any(|key| section.has(key)) {
        let (at, name) = (section.at, section.name);
        section.mistakes.push(
            at,
            format!("{name} says nothing; write owner, tier, environment, purpose, accept or path"),
        );
    }
    // Where globs stand for whole subtrees, nothing is said about which names are parameters.
    let template = path.as_ref().and_then(|(text, template)| {
        let globs = text.split('/').any(|part| part.contains('*'));
        (!globs && !text.contains('#')).then(|| template.clone())
    });
    let entry = Override {
        pattern: Pattern::new(host?, method, path.as_ref().map(|(text, _)| text.as_str()), false),
        owner,
        tier,
        environment,
        purpose,
        accept,
        reason,
        until,
        line,
    };
    Some((entry, template))
}

/// The host; `*` where none is given.
pub(crate) fn host(section: &mut Section<'_, '_, '_>) -> Option<HostGlob> {
    if !section.has("host") {
        return Some(HostGlob::any());
    }
    let (at, text) = section.text("host")?;
    match HostGlob::parse(text) {
        Ok(host) => Some(host),
        Err(what) => {
            section.wrong(at, "host", &what);
            None
        }
    }
}

/// A path with what it is as a template.
pub(super) fn path(section: &mut Section<'_, '_, '_>) -> Option<(String, PathTemplate)> {
    let (at, text) = section.text("path")?;
    let bare = text.split('#').next().unwrap_or("");
    let (template, problems) = PathTemplate::parse(bare);
    for problem in &problems {
        section.wrong(at, "path", &format!("\"{text}\": {problem}"));
    }
    let rest = template
        .segments()
        .iter()
        .position(|segment| matches!(segment, TemplateSegment::Rest(_)));
    if rest.is_some_and(|at| at + 1 < template.segments().len()) {
        section.wrong(
            at,
            "path",
            "has something behind what stands for the rest; write `**` or `{name...}` at its end only",
        );
        return None;
    }
    problems.is_empty().then(|| (text.to_owned(), template))
}

fn keep(section: &mut Section<'_, '_, '_>) -> Option<Keep> {
    let host = host(section);
    if !section.has("path") {
        let (at, name) = (section.at, section.name);
        section.mistakes.push(
            at,
            format!("{name} has no path; write the path whose names stay, such as \"/users/admin\""),
        );
        return None;
    }
    let (at, text) = section.text("path")?;
    if !text.starts_with('/') || text.contains(['{', '}', '*', '?', '#']) {
        section.wrong(
            at,
            "path",
            "must be a path as it is called, such as \"/users/admin\", without parameters and stars",
        );
        return None;
    }
    let (segments, _) = path_segments(text);
    Some(Keep {
        host: host?,
        segments: segments.into_iter().map(Cow::into_owned).collect(),
    })
}

/// Kinds of findings by name.
pub(super) fn kinds(section: &mut Section<'_, '_, '_>, key: &'static str) -> Vec<Kind> {
    let mut out = Vec::new();
    for (at, name) in section.texts(key) {
        match Kind::all().find(|kind| kind.name() == name) {
            Some(kind) => out.push(kind),
            None => {
                let near = crate::nearest(name, Kind::all().map(Kind::name));
                let near = near.map_or_else(
                    || "docs/findings.md lists them".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                section.wrong(at, key, &format!("names no kind of finding; {near}"));
            }
        }
    }
    out
}

/// Lines of places that come in order.
pub(super) struct Lines<'t> {
    text: &'t str,
    done: usize,
    line: u32,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            text,
            done: 0,
            line: 1,
        }
    }

    pub(super) fn at(&mut self, at: usize) -> u32 {
        let at = at.clamp(self.done, self.text.len());
        let more = self.text.as_bytes()[self.done..at]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        self.done = at;
        self.line += more as u32;
        self.line
    }
}
