//! What a person means: an endpoint by id, by the beginning of it, by method and path, or by its template.

use std::collections::BTreeMap;

use super::{Known, Source};
use analyzers::nearest;

/// Method, host and template in one line, as people speak of an endpoint.
pub(crate) fn name_of(endpoint: &Known) -> String {
    full_name(
        endpoint.text("method"),
        endpoint.text("host"),
        endpoint.text("template"),
    )
}

/// The same from its parts.
pub(crate) fn full_name(method: &str, host: &str, template: &str) -> String {
    let gap = if method.is_empty() { "" } else { " " };
    format!("{method}{gap}{host}{template}")
}

/// How well an endpoint answers to what was asked; the greatest is what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The id begins so.
    IdBegins,
    /// A path of this template; with the number of segments that are the same letter by letter.
    Path(usize),
    /// The template, without the operation that is called below the path.
    Template,
    /// All of it.
    Exact,
}

/// What was asked, in its parts.
struct Asked<'a> {
    whole: &'a str,
    method: Option<String>,
    host: Option<&'a str>,
    path: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn new(text: &'a str) -> Self {
        let whole = text.trim();
        let (method, rest) = match whole.split_once(char::is_whitespace) {
            Some((method, rest)) => (Some(method.to_uppercase()), rest.trim()),
            None => (None, whole),
        };
        let rest = rest
            .strip_prefix("https://")
            .or_else(|| rest.strip_prefix("http://"))
            .unwrap_or(rest);
        let (host, path) = match rest.find('/') {
            Some(0) => (None, Some(rest)),
            Some(at) => (Some(&rest[..at]), Some(&rest[at..])),
            None => (Some(rest), None),
        };
        // What follows a question mark is no part of an endpoint.
        let path = path.map(|p| p.split('?').next().unwrap_or(p));
        Self {
            whole,
            method,
            host,
            path,
        }
    }

    fn fit(&self, endpoint: &Known) -> Option<Fit> {
        let id = endpoint.text("id");
        if id == self.whole {
            return Some(Fit::Exact);
        }
        let hex = self.whole.len() >= 4 && self.whole.bytes().all(|b| b.is_ascii_hexdigit());
        if hex && id.starts_with(&self.whole.to_lowercase()) {
            return Some(Fit::IdBegins);
        }
        if self
            .method
            .as_deref()
            .is_some_and(|m| m != endpoint.text("method"))
        {
            return None;
        }
        let template = endpoint.text("template");
        if let Some(host) = self.host
            && !host.eq_ignore_ascii_case(endpoint.text("host"))
        {
            return None;
        }
        match self.path {
            // A tunnel has a host alone.
            None => (self.host.is_some() && template.is_empty()).then_some(Fit::Exact),
            Some(path) if path == template => Some(Fit::Exact),
            Some(path) if template.split('#').next() == Some(path) => {
                // Who names no method means all that is called there.
                Some(if self.method.is_some() {
                    Fit::Template
                } else {
                    Fit::Exact
                })
            }
            Some(path) => covers(template, path).map(Fit::Path),
        }
    }
}

/// Whether a path is one of a template, and how many segments of it are the same letter by letter.
pub(crate) fn covers(template: &str, path: &str) -> Option<usize> {
    let (template, operation) = parts(template);
    let (path, wanted) = parts(path);
    if wanted.is_some() && wanted != operation {
        return None;
    }
    let mut segments = path.split('/');
    let mut same = 0;
    for pattern in template.split('/') {
        if pattern.starts_with('{') && pattern.ends_with("...}") {
            return Some(same);
        }
        let segment = segments.next()?;
        if pattern == segment {
            same += 1;
        } else if !pattern.contains('{') || segment.is_empty() {
            return None;
        }
    }
    segments.next().is_none().then_some(same)
}

fn parts(template: &str) -> (&str, Option<&str>) {
    match template.split_once('#') {
        Some((path, operation)) => (path, Some(operation)),
        None => (template, None),
    }
}

/// The endpoints that are meant by `text`: one when it is clear, none when there is none of the kind, several when it
/// may be any of them.
pub(crate) fn meant(source: &Source, text: &str) -> Vec<Known> {
    let asked = Asked::new(text);
    let mut best: Option<Fit> = None;
    let mut found = Vec::new();
    for endpoint in source.endpoints() {
        let Some(fit) = asked.fit(&endpoint) else { continue };
        if best.is_none_or(|b| fit > b) {
            best = Some(fit);
            found.clear();
        }
        if best == Some(fit) {
            found.push(endpoint);
        }
    }
    found
}

/// Endpoints that look a little like what was asked, to be offered when there is none.
pub(crate) fn near(source: &Source, text: &str, most: usize) -> Vec<String> {
    let asked = Asked::new(text);
    let words: Vec<String> = asked
        .whole
        .split(['/', ' ', '.', '{', '}', '#', ':'])
        .filter(|w| w.len() >= 3)
        .map(str::to_lowercase)
        .collect();
    let mut found: Vec<(usize, String)> = source
        .endpoints()
        .filter_map(|e| {
            let name = name_of(&e);
            let lower = name.to_lowercase();
            let own: Vec<&str> = lower.split(['/', ' ', '.', '{', '}', '#', ':']).collect();
            let alike =
                |word: &&String| nearest(word, own.iter().copied().filter(|w| w.len() >= 3)).is_some();
            let shared = words.iter().filter(alike).count();
            (shared > 0).then_some((shared, name))
        })
        .collect();
    found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
    found.into_iter().take(most).map(|(_, name)| name).collect()
}

/// Severities, worst last.
pub(crate) const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

/// Place of a severity among them.
pub(crate) fn rank(severity: &str) -> Option<usize> {
    SEVERITIES.iter().position(|s| *s == severity)
}

/// A finding in short, as it is told beside what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Concern {
    pub(crate) rank: usize,
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// Findings that are not over, by the endpoint they are about, the worst first.
pub(crate) fn concerns(source: &Source) -> BTreeMap<String, Vec<Concern>> {
    let mut by_endpoint: BTreeMap<String, Vec<Concern>> = BTreeMap::new();
    for finding in source.findings() {
        if finding.text("status") == "closed" {
            continue;
        }
        if let Some(endpoint) = finding.value["resource"]["endpoint"].as_str() {
            by_endpoint.entry(endpoint.to_owned()).or_default().push(Concern {
                rank: rank(finding.text("severity")).unwrap_or(0),
                kind: finding.text("kind").to_owned(),
                id: finding.text("id").to_owned(),
            });
        }
    }
    for all in by_endpoint.values_mut() {
        all.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.id.cmp(&b.id)));
    }
    by_endpoint
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_path_is_of_the_template_that_has_its_form() {
        for (template, path, wanted) in [
            ("/v1/orders/{int}", "/v1/orders/7", Some(3)),
            ("/v1/orders/{int}", "/v1/orders/", None),
            ("/v1/orders/{int}", "/v1/orders/7/items", None),
            ("/v1/orders", "/v1/orders", Some(3)),
            ("/files/{path...}", "/files/a/b/c", Some(2)),
            ("/mcp#tools/call:search", "/mcp", Some(2)),
            ("/mcp#tools/call:search", "/mcp#tools/list", None),
            ("/reports/{date}.csv", "/reports/2026-10-05.csv", Some(2)),
        ] {
            assert_eq!(covers(template, path), wanted, "{template} {path}");
        }
    }
}
