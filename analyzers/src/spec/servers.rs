//! Where an API is served: hosts and base paths.
//!
//! OpenAPI 3.x Server Object and Server Variable Object; OpenAPI 2.0 `schemes`, `host` and `basePath`; the URLs of a
//! collection or an archive. A variable with an enumeration stands for each of its values. One without has its default,
//! which the author calls the value to use when no other is given, but within a host name, where it names a tenant or a
//! region, any label may stand for it.

use super::problem::{Location, clip};

/// Combinations of values of variables that are worked out for one server.
const COMBINATIONS: usize = 64;

/// Bytes of a URL.
const LONGEST: usize = 4096;

/// A server as declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Server {
    /// URL as declared, with its variables, without user and password; empty when none is declared.
    pub url: String,
    /// What it may be once variables are resolved.
    pub targets: Vec<Target>,
    /// Where it is declared.
    pub at: Location,
}

/// A host and what its paths begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Target {
    /// `http`, `https` or another one, in lower case.
    pub scheme: Option<String>,
    /// The host. `None` for a relative server: the document does not know where it is served.
    pub host: Option<HostPattern>,
    /// Path before the paths of operations, without a slash at its end.
    pub base: String,
}

/// A host in lower case, with its port unless that is the default one. A star stands for what a variable may hold within
/// a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(String);

impl HostPattern {
    /// A pattern as it is written in a configuration: `api.example.com`, `*.example.com:8443`. A default port is left
    /// out, as exchanges have it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let bare = text.strip_suffix(":443").or(text.strip_suffix(":80"));
        Self(bare.map_or(text.clone(), str::to_owned))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for one host alone.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a host is meant: in lower case, with its port unless that is the default one.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.is_exact() {
            return self.0 == host;
        }
        let (mut pattern, mut labels) = (self.0.split('.'), host.split('.'));
        loop {
            match (pattern.next(), labels.next()) {
                (None, None) => return true,
                (Some(pattern), Some(label)) if glob(pattern, label) => {}
                _ => return false,
            }
        }
    }
}

/// Whether a label suits a pattern in which stars stand for one character or more.
fn glob(pattern: &str, label: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let Some(mut label) = label.strip_prefix(first) else {
        return false;
    };
    let mut rest = rest;
    while let Some((part, after)) = rest.split_once('*') {
        // A star holds something, so what follows it begins behind the first character.
        let Some(from) = label.char_indices().nth(1).map(|(at, _)| at) else {
            return false;
        };
        let Some(at) = label[from..].find(part) else {
            return false;
        };
        label = &label[from + at + part.len()..];
        rest = after;
    }
    label.strip_suffix(rest).is_some_and(|held| !held.is_empty())
}

/// A variable of a server URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) default: Option<String>,
    pub(crate) values: Vec<String>,
}

/// What came of a server URL, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) url: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) problems: Vec<String>,
}

/// A star that is no character of a URL, for what may be anything.
const OPEN: char = '\u{1}';

/// Works out a server URL.
pub(crate) fn resolve(url: &str, variables: &[Variable]) -> Resolved {
    let mut out = Resolved {
        url: shown_url(url),
        ..Resolved::default()
    };
    let mut urls = vec![String::new()];
    let mut rest = url;
    if url.len() > LONGEST {
        out.problems.push(format!(
            "a URL of more than {LONGEST} bytes; the rest of it is left out"
        ));
        rest = &url[..url.floor_char_boundary(LONGEST)];
    }
    while let Some((before, after)) = rest.split_once('{') {
        for url in &mut urls {
            url.push_str(before);
        }
        let Some((name, after)) = after.split_once('}') else {
            out.problems
                .push("a brace in the URL is not closed; write `}` behind the name".to_owned());
            rest = "";
            break;
        };
        rest = after;
        let values = values(name, variables, &mut out.problems);
        if urls.len() * values.len() > COMBINATIONS {
            out.problems.push(format!(
                "more than {COMBINATIONS} combinations of values; only the first value of `{}` is used",
                clip(name, 64)
            ));
            urls.iter_mut().for_each(|url| url.push_str(&values[0]));
            continue;
        }
        urls = values
            .iter()
            .flat_map(|value| urls.iter().map(move |url| format!("{url}{value}")))
            .collect();
    }
    for mut url in urls {
        url.push_str(rest);
        match target(&url) {
            Ok(target) if !out.targets.contains(&target) => out.targets.push(target),
            Ok(_) => {}
            Err(problem) if !out.problems.contains(&problem) => out.problems.push(problem),
            Err(_) => {}
        }
    }
    out
}

/// What may stand for a variable: at least one text.
fn values(name: &str, variables: &[Variable], problems: &mut Vec<String>) -> Vec<String> {
    let short = clip(name, 64);
    let Some(variable) = variables.iter().find(|v| v.name == name) else {
        problems.push(format!(
            "variable `{short}` is not defined; add it to `variables` with a default"
        ));
        return vec![OPEN.to_string()];
    };
    let mut values = variable.values.clone();
    match &variable.default {
        Some(default) if values.is_empty() => values.push(format!("{OPEN}{default}{OPEN}")),
        Some(default) if !values.contains(default) => {
            problems.push(format!(
                "the default of `{short}` is not in its enum; add it there"
            ));
            values.push(default.clone());
        }
        Some(_) => {}
        None => {
            problems.push(format!("variable `{short}` has no default; it must have one"));
            if values.is_empty() {
                values.push(OPEN.to_string());
            }
        }
    }
    values
}

/// The parts of a URL whose variables are replaced; open values stand between marks.
fn target(url: &str) -> Result<Target, String> {
    let url = url.trim();
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(plain(scheme).to_ascii_lowercase()), rest),
        None => match url.strip_prefix("//") {
            Some(rest) => (None, rest),
            None => {
                let path = if url.is_empty() || url.starts_with('/') {
                    url.to_owned()
                } else {
                    format!("/{url}")
                };
                return Ok(Target {
                    scheme: None,
                    host: None,
                    base: base(&path)?,
                });
            }
        },
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let authority = authority.rsplit('@').next().unwrap_or("");
    let host = host(authority, scheme.as_deref());
    if host.is_none() && !authority.contains(OPEN) {
        return Err("the URL names no host; write `https://host/path`, or a path alone".to_owned());
    }
    Ok(Target {
        scheme: scheme.filter(|s| !s.is_empty()),
        host,
        base: base(path)?,
    })
}

/// The host, with stars where a label may be anything; nothing where all of it may be.
fn host(authority: &str, scheme: Option<&str>) -> Option<HostPattern> {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains([']', '.']) => (name, plain(port)),
        _ => (authority, String::new()),
    };
    let mut labels = 0;
    let mut starred = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        labels += usize::from(!label.contains(OPEN));
        starred.push(star(label));
    }
    // `{host}`, `{host}.com`: a default says more than a pattern that all hosts suit.
    let name = if labels >= 2 || !name.contains(OPEN) {
        starred.join(".")
    } else {
        plain(name)
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let default = match scheme {
        Some("http" | "ws") => port == "80",
        Some("https" | "wss") => port == "443",
        _ => matches!(port.as_str(), "80" | "443"),
    };
    let port = if default || port.is_empty() {
        String::new()
    } else {
        format!(":{port}")
    };
    Some(HostPattern(format!("{name}{port}").to_ascii_lowercase()))
}

/// A label with a star for each open value in it.
fn star(label: &str) -> String {
    let mut out = String::new();
    for (number, part) in label.split(OPEN).enumerate() {
        // Marks come in pairs around a default, and alone where there is none.
        match (number % 2, label.matches(OPEN).count()) {
            (0, _) => out.push_str(part),
            (_, 1) => {
                out.push('*');
                out.push_str(part);
            }
            _ => out.push('*'),
        }
    }
    out
}

/// A text with defaults for what is open.
fn plain(text: &str) -> String {
    text.chars().filter(|c| *c != OPEN).collect()
}

fn base(path: &str) -> Result<String, String> {
    let path = plain(path);
    let bare = path.split(['?', '#']).next().unwrap_or("");
    let base = bare.trim_end_matches('/').to_owned();
    if bare.len() < path.len() {
        return Err("the URL of a server holds no query and no fragment; remove them".to_owned());
    }
    Ok(base)
}

/// A URL without user, password and query.
fn shown_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or("");
    let url = match url.split_once("://") {
        Some((scheme, rest)) => match rest.find('/').map_or((rest, ""), |at| rest.split_at(at)) {
            (authority, path) if authority.contains('@') => {
                format!("{scheme}://{}{path}", authority.rsplit('@').next().unwrap_or(""))
            }
            _ => url.to_owned(),
        },
        None => url.to_owned(),
    };
    clip(&url, 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, default: Option<&str>, values: &[&str]) -> Variable {
        Variable {
            name: name.to_owned(),
            default: default.map(str::to_owned),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        }
    }

    #[test]
    fn urls_become_hosts_and_base_paths() {
        let variables = [
            variable("env", Some("live"), &["live", "sandbox"]),
            variable("tenant", Some("demo"), &[]),
            variable("host", Some("api.example.com"), &[]),
            variable("base", Some("v2/api"), &[]),
            variable("port", Some("8443"), &["443", "8443"]),
        ];
        let cases = [
            ("https://api.example.com/v1/", vec!["api.example.com /v1"]),
            ("HTTPS://API.Example.com:443", vec!["api.example.com "]),
            ("http://api.example.com:8080/x", vec!["api.example.com:8080 /x"]),
            ("//api.example.com/v1", vec!["api.example.com /v1"]),
            ("/v1", vec!["- /v1"]),
            ("v1", vec!["- /v1"]),
            ("/", vec!["- "]),
            ("", vec!["- "]),
            (
                "https://{env}.example.com",
                vec!["live.example.com ", "sandbox.example.com "],
            ),
            (
                "https://{tenant}.example.com/{base}",
                vec!["*.example.com /v2/api"],
            ),
            ("https://api-{tenant}.example.com", vec!["api-*.example.com "]),
            ("https://{host}/v1", vec!["api.example.com /v1"]),
            ("https://{unknown}.example.com", vec!["*.example.com "]),
            (
                "https://example.com:{port}/",
                vec!["example.com ", "example.com:8443 "],
            ),
            ("https://me:secret@example.com/v1", vec!["example.com /v1"]),
            ("https://[2001:db8::1]:8080/", vec!["[2001:db8::1]:8080 "]),
            ("https:///v1", vec![]),
        ];
        for (url, want) in cases {
            let resolved = resolve(url, &variables);
            let got: Vec<_> = resolved
                .targets
                .iter()
                .map(|t| format!("{} {}", t.host.as_ref().map_or("-", |h| h.as_str()), t.base))
                .collect();
            assert_eq!(got, want, "{url}: {:?}", resolved.problems);
            assert!(!resolved.url.contains("secret"));
        }
    }

    #[test]
    fn patterns_stand_for_labels_only() {
        let check = |pattern: &str, host: &str, want: bool| {
            assert_eq!(HostPattern::new(pattern).matches(host), want, "{pattern} {host}");
        };
        check("*.example.com", "a.example.com", true);
        check("*.example.com", "example.com", false);
        check("*.example.com", "a.b.example.com", false);
        check("api-*.example.com", "api-eu.example.com", true);
        check("api-*.example.com", "api-.example.com", false);
        check("a*b*c.example.com", "aXbYc.example.com", true);
        check("a*b*c.example.com", "abc.example.com", false);
        check("*.example.com:8443", "a.example.com:8443", true);
        check("API.example.com", "api.example.com", true);
    }

    #[test]
    fn combinations_of_values_are_bounded() {
        let values: Vec<String> = (0..40).map(|n| format!("v{n}")).collect();
        let variables: Vec<Variable> = ["a", "b", "c"]
            .iter()
            .map(|name| Variable {
                name: (*name).to_owned(),
                default: Some("v0".to_owned()),
                values: values.clone(),
            })
            .collect();
        let resolved = resolve("https://{a}.{b}.{c}.example.com", &variables);
        assert_eq!(resolved.targets.len(), 40);
        assert_eq!(resolved.problems.len(), 2);
    }
}
