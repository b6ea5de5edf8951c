//! How files of an operator name hosts and paths: globs, and templates with parameters.

use crate::spec::{PathTemplate, Piece, TemplateSegment};

/// Bytes of a pattern; no host or path of an API needs more.
pub(crate) const LONGEST: usize = 1024;

/// A host as a glob: a star stands for any text, dots included. One without a port means every port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostGlob {
    text: String,
    has_port: bool,
}

impl std::fmt::Display for HostGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl HostGlob {
    /// The glob of a text, or what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Err("is empty; write a host such as \"api.example.com\", or \"*\" for all".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        if text.contains("://") {
            return Err("holds a scheme; write the host alone, such as \"api.example.com\"".to_owned());
        }
        if text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(
                "is no host; write e.g. \"api.example.com\" or \"*.example.com\", and the path as `path`"
                    .to_owned(),
            );
        }
        let text = text.strip_suffix('.').unwrap_or(&text);
        // Exchanges have hosts without a default port.
        let bare = text.strip_suffix(":443").or_else(|| text.strip_suffix(":80"));
        let text = bare.unwrap_or(text).to_owned();
        Ok(Self {
            has_port: port(&text).is_some(),
            text,
        })
    }

    /// Every host.
    pub(crate) fn any() -> Self {
        Self {
            text: "*".to_owned(),
            has_port: false,
        }
    }

    /// Whether a host is meant: in lower case, with its port unless that is the default one.
    pub(crate) fn matches(&self, host: &str) -> bool {
        let host = match port(host) {
            Some(at) if !self.has_port => &host[..at],
            _ => host,
        };
        glob(&self.text, host)
    }

    /// How much it says: one host before many, more text before less.
    pub(crate) fn weight(&self) -> (bool, usize) {
        (!self.text.contains('*'), self.text.len())
    }
}

/// Where the port of a host begins.
fn port(host: &str) -> Option<usize> {
    let at = host.rfind(':')?;
    let digits = &host[at + 1..];
    let is_port = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'*');
    // Within brackets it is part of an address (RFC 3986 section 3.2.2).
    (is_port && (!host.starts_with('[') || host[..at].ends_with(']'))).then_some(at)
}

/// Whether a text suits a pattern in which stars stand for any text, none included. Goes back to the last star alone, so
/// that it takes no more steps than the product of the lengths.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// One segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// All that follows, nothing included.
    Rest,
    /// A segment whatever it is.
    Any,
    /// A segment with stars in it.
    Glob(String),
    /// This one.
    Text(String),
}

/// Which endpoints are meant: host, method, and the segments of their templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) host: HostGlob,
    /// In capitals; nothing for every method.
    pub(crate) method: Option<String>,
    segments: Vec<Segment>,
    /// Of an RPC, behind `#`.
    operation: Option<String>,
    /// It also means what lies below.
    below: bool,
}

impl Pattern {
    /// A pattern. `path` is a template or a glob: `{name}` and `*` stand for a segment, `{name...}` and `**` for the rest.
    /// Without a path, everything on the host is meant. `below`: so is what lies below the path.
    pub(crate) fn new(host: HostGlob, method: Option<String>, path: Option<&str>, below: bool) -> Self {
        let (path, operation) = match path {
            Some(path) => match path.split_once('#') {
                Some((path, operation)) => (path, Some(operation.to_owned())),
                None => (path, None),
            },
            None => ("/**", None),
        };
        let mut segments: Vec<Segment> = Vec::new();
        for part in template_segments(path) {
            let segment = segment(part);
            let last = segment == Segment::Rest;
            segments.push(segment);
            if last {
                break;
            }
        }
        Self {
            host,
            method,
            segments,
            operation,
            below,
        }
    }

    /// Whether an endpoint is meant.
    pub(crate) fn matches(&self, host: &str, method: &str, template: &str) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && self.suits_path(template)
            && self.host.matches(host)
    }

    /// Whether everything on its hosts is meant.
    pub(crate) fn is_whole_host(&self) -> bool {
        self.method.is_none() && self.operation.is_none() && self.segments.first() == Some(&Segment::Rest)
    }

    fn suits_path(&self, template: &str) -> bool {
        let (path, operation) = template.split_once('#').unwrap_or((template, ""));
        if let Some(own) = &self.operation
            && !glob(own, operation)
        {
            return false;
        }
        let mut parts = template_segments(path);
        for segment in &self.segments {
            let suits = match (segment, parts.next()) {
                (Segment::Rest, _) => return true,
                (_, None) => false,
                (Segment::Any, Some(_)) => true,
                (Segment::Glob(glob_text), Some(part)) => glob(glob_text, part),
                (Segment::Text(text), Some(part)) => text == part,
            };
            if !suits {
                return false;
            }
        }
        self.below || parts.next().is_none()
    }

    /// Order from what says least to what says most: the host, then the path from left to right, then the method.
    pub(crate) fn weight(&self) -> impl Ord + use<> {
        let path: Vec<(u8, usize)> = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Rest => (0, 0),
                Segment::Any => (1, 0),
                Segment::Glob(text) => (2, text.len()),
                Segment::Text(_) => (3, 0),
            })
            .collect();
        (
            self.host.weight(),
            path,
            self.operation.as_ref().map(|o| (!o.contains('*'), o.len())),
            self.method.is_some(),
        )
    }
}

/// The segments of a template, of which none is empty.
pub(crate) fn template_segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn segment(part: &str) -> Segment {
    match part {
        "**" => return Segment::Rest,
        "*" => return Segment::Any,
        _ => {}
    }
    let mut text = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        if before.is_empty() && text.is_empty() && behind.is_empty() {
            let rest = inside.ends_with("...") || inside.ends_with('+') || inside.ends_with('*');
            return if rest { Segment::Rest } else { Segment::Any };
        }
        text.push_str(before);
        text.push('*');
        rest = behind;
    }
    text.push_str(rest);
    if text.contains('*') {
        Segment::Glob(text)
    } else {
        Segment::Text(text)
    }
}

/// A declared template in the one form that endpoints have: no empty segment, no slash at its end, parameters by their bare
/// names, what holds the rest as `{name...}`. Signs that would make a text another one are escaped.
pub(crate) fn canonical(base: &str, template: &PathTemplate) -> String {
    let mut out = String::with_capacity(base.len() + template.as_str().len() + 4);
    let (segments, _) = crate::spec::path_segments(base);
    for segment in segments {
        out.push('/');
        literal(&segment, &mut out);
    }
    for segment in template.segments() {
        out.push('/');
        match segment {
            TemplateSegment::Literal(text) => literal(text, &mut out),
            TemplateSegment::Parameter(name) => parameter(name, "", &mut out),
            TemplateSegment::Rest(name) => parameter(name, "...", &mut out),
            TemplateSegment::Mixed(pieces) => pieces.iter().for_each(|piece| match piece {
                Piece::Literal(text) => literal(text, &mut out),
                Piece::Parameter(name) => parameter(name, "", &mut out),
            }),
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// A text of a path as it stands in a template.
pub(crate) fn literal(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '/' | '{' | '}' | '#' | '?' | '%' | ' ' => {
                out.push('%');
                out.push_str(&format!("{:02X}", u32::from(c)));
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

fn parameter(name: &str, behind: &str, out: &mut String) {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "_-.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    out.push('{');
    out.push_str(if plain.is_empty() { "param" } else { &plain });
    out.push_str(behind);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_globs_over_dots_and_ports() {
        let check = |pattern: &str, host: &str, want: bool| {
            let glob = HostGlob::parse(pattern).unwrap();
            assert_eq!(glob.matches(host), want, "{pattern} {host}");
        };
        check("api.example.com", "api.example.com", true);
        check("API.example.com.", "api.example.com", true);
        check("api.example.com", "api.example.com:8443", true);
        check("api.example.com:443", "api.example.com", true);
        check("api.example.com:8443", "api.example.com:8443", true);
        check("api.example.com:8443", "api.example.com", false);
        check("api.example.com:*", "api.example.com:8443", true);
        check("*.example.com", "a.b.example.com", true);
        check("*.example.com", "example.com", false);
        check("api-*.example.*", "api-eu.example.org", true);
        check("*", "anything:1", true);
        check("[2001:db8::1]", "[2001:db8::1]:80", true);
        check("[2001:db8::1]", "[2001:db8::2]", false);
        check("10.0.0.7", "10.0.0.7:8080", true);
        for wrong in ["", "  ", "https://a.example", "a.example/x", "a b", "a\u{0}b"] {
            assert!(HostGlob::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_glob_takes_no_more_steps_than_the_product_of_the_lengths() {
        let pattern = format!("{}b", "*a".repeat(500));
        assert!(!glob(&pattern, &"a".repeat(60_000)));
        assert!(glob("a*b*c", "aXbYbZc"));
        assert!(glob("*", ""));
        assert!(!glob("", "a"));
    }

    #[test]
    fn patterns_mean_endpoints() {
        let check = |path: Option<&str>, below: bool, template: &str, want: bool| {
            let pattern = Pattern::new(HostGlob::any(), None, path, below);
            assert_eq!(pattern.matches("h", "GET", template), want, "{path:?} {template}");
        };
        check(Some("/users/{name}"), false, "/users/{int}", true);
        check(Some("/users/{name}"), false, "/users/me", true);
        check(Some("/users/{name}"), false, "/users", false);
        check(Some("/users/{name}"), false, "/users/{int}/x", false);
        check(Some("/users/"), true, "/users/{int}/x", true);
        check(Some("/users"), true, "/usersx", false);
        check(Some("/a/**"), false, "/a", true);
        check(Some("/a/**"), false, "/a/b/c", true);
        check(Some("/a/{rest...}"), false, "/a/b/c", true);
        check(Some("/a/*/c"), false, "/a/{x}/c", true);
        check(Some("/a/report-*"), false, "/a/report-q1", true);
        check(Some("/a/{id}:cancel"), false, "/a/{int}:cancel", true);
        check(Some("/a/{id}:cancel"), false, "/a/{int}", false);
        check(None, false, "/", true);
        check(None, false, "", true);
        check(Some("/"), false, "/", true);
        check(Some("/"), false, "/a", false);
        check(Some("/mcp"), false, "/mcp#tools/call:search", true);
        check(
            Some("/mcp#tools/call:search"),
            false,
            "/mcp#tools/call:search",
            true,
        );
        check(Some("/mcp#tools/*"), false, "/mcp#tools/call:search", true);
        check(Some("/mcp#tools/*"), false, "/mcp#resources/read", false);
        check(Some("/mcp#tools/*"), false, "/mcp", false);
    }

    #[test]
    fn what_says_more_weighs_more() {
        let weight = |host: &str, method: Option<&str>, path: Option<&str>| {
            Pattern::new(
                HostGlob::parse(host).unwrap(),
                method.map(str::to_owned),
                path,
                false,
            )
            .weight()
        };
        let order = [
            weight("*", None, None),
            weight("*", Some("GET"), Some("/a/b")),
            weight("*.example.com", None, None),
            weight("api.example.com", None, None),
            weight("api.example.com", None, Some("/{a}/b")),
            weight("api.example.com", None, Some("/a/**")),
            weight("api.example.com", None, Some("/a/{b}")),
            weight("api.example.com", Some("GET"), Some("/a/{b}")),
            weight("api.example.com", None, Some("/a/b-*")),
            weight("api.example.com", None, Some("/a/b")),
        ];
        for (number, pair) in order.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{number}");
        }
    }

    #[test]
    fn templates_have_one_form() {
        for (base, text, want) in [
            ("", "/", "/"),
            ("/v1", "/users/{userId}", "/v1/users/{userId}"),
            ("/v1/", "/users/{userId}/", "/v1/users/{userId}"),
            ("", "/files/{path+}", "/files/{path...}"),
            ("", "/files/{path...}", "/files/{path...}"),
            ("", "/files/**", "/files/{rest...}"),
            ("", "/a/{id:[0-9]{4}}", "/a/{id}"),
            ("", "/a%20b/{x y}", "/a%20b/{x_y}"),
            ("", "/tasks/{id}:cancel", "/tasks/{id}:cancel"),
            ("", "/{}/x", "/{param}/x"),
            (
                "",
                "/v1/{name=projects/*/locations/*}",
                "/v1/projects/{name}/locations/{name}",
            ),
        ] {
            let (template, _) = PathTemplate::parse(text);
            assert_eq!(canonical(base, &template), want, "{base} {text}");
        }
    }
}
