//! URLs of Postman requests: where the API is served, and the template of the path.

use std::collections::BTreeMap;

use super::document::{Cursor, Is};
use super::problem::clip;
use super::reader::Reader;
use super::servers::{Target, Variable, resolve};
use super::template::PathTemplate;
use crate::privacy::is_plain_name;
use crate::privacy::segment::{self, Segment};

/// Variables in the values of variables.
const NESTED: usize = 8;
/// Bytes of a URL.
const LONGEST: usize = 8192;
/// Variables of one collection.
const VARIABLES: usize = 1024;

/// The variables that hold at a request. Their values may be secrets: they are looked at and never kept.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    values: BTreeMap<String, String>,
}

impl Scope {
    pub(crate) fn define(&mut self, name: &str, value: &str) {
        if self.values.len() < VARIABLES && name.len() <= 256 && value.len() <= 2048 {
            self.values.insert(name.to_owned(), value.to_owned());
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name.trim())
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }
}

/// What a URL says.
pub(crate) struct Url {
    pub(crate) url: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) path: PathTemplate,
    pub(crate) query: Vec<String>,
}

/// Reads a URL, which is a text or an object of parts.
pub(crate) fn read<'d>(at: Cursor<'d>, scope: &Scope, reader: &mut Reader<'d>) -> Option<Url> {
    let text = match at.is() {
        Is::Text => at.text().unwrap_or("").to_owned(),
        Is::Map => from_parts(at, reader)?,
        _ => {
            reader.expected(at, "url", "a string or an object");
            return None;
        }
    };
    let text = text.trim();
    if text.len() > LONGEST {
        reader.problems.at(at, || {
            format!("a URL of more than {LONGEST} bytes; it is left out")
        });
        return None;
    }
    let bare = text.split('#').next().unwrap_or("");
    let (before, raw_query) = bare.split_once('?').unwrap_or((bare, ""));
    let mut query = Vec::new();
    let list = at.get("query").filter(|q| q.is() == Is::List);
    match list.filter(|list| reader.spend(*list, list.items().len())) {
        // A disabled parameter is declared all the same: it is one that need not be there.
        Some(list) => query.extend(list.items().filter_map(|p| p.get("key")?.text())),
        None => query.extend(
            raw_query
                .split('&')
                .map(|pair| pair.split('=').next().unwrap_or("")),
        ),
    }
    let query = query.into_iter().map(|name| segment::decode(name).into_owned());
    let query = query.filter(|name| is_plain_name(name)).collect();
    let split = split(before, scope);
    if split.authority.is_none() && split.path.is_empty() {
        reader
            .problems
            .at(at, || "the URL is empty; write where the request goes".to_owned());
        return None;
    }
    let (url, targets) = served(&split, at, scope, reader);
    let path = split.path;
    let mut template = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let before = template.rsplit('/').next().unwrap_or("").to_owned();
        template.push('/');
        template.push_str(&segment_of(part, &before, scope));
    }
    if path.len() > 1 && path.ends_with('/') || template.is_empty() {
        template.push('/');
    }
    Some(Url {
        url,
        targets,
        path: PathTemplate::parse(&template).0,
        query,
    })
}

/// The parts of a URL as one text. `raw` is what people see and edit, but exports without it are valid.
fn from_parts<'d>(at: Cursor<'d>, reader: &mut Reader<'d>) -> Option<String> {
    let joined = |of: Option<Cursor<'d>>, sign: &str| -> Option<String> {
        let of = of?;
        let parts = of.items().map(|part| {
            // "The complete path of the current url, broken down into segments", each a text or an object.
            let value = part.get("value").unwrap_or(part);
            value.text().or(value.number()).unwrap_or("").to_owned()
        });
        match of.is() {
            Is::List => Some(parts.collect::<Vec<_>>().join(sign)),
            _ => of.text().map(str::to_owned),
        }
    };
    let Some(host) = joined(at.get("host"), ".").filter(|h| !h.is_empty()) else {
        let raw = at.get("raw").and_then(Cursor::text);
        if raw.is_none() {
            reader.problems.at(at, || {
                "neither `raw` nor `host` is there; write where the request goes".to_owned()
            });
        }
        return raw.map(str::to_owned);
    };
    let mut out = String::new();
    if let Some(protocol) = at.get("protocol").and_then(Cursor::text)
        && !host.contains("://")
    {
        out.push_str(protocol.trim_end_matches("://"));
        out.push_str("://");
    }
    out.push_str(&host);
    if let Some(port) = at
        .get("port")
        .and_then(|p| p.text().or(p.number()))
        .filter(|p| !p.is_empty())
    {
        out.push(':');
        out.push_str(port);
    }
    if let Some(path) = joined(at.get("path"), "/") {
        if !path.starts_with('/') {
            out.push('/');
        }
        out.push_str(&path);
    }
    Some(out)
}

/// A URL taken apart.
struct Split {
    /// Scheme and host, with variables that have no value; nothing for a path alone.
    authority: Option<String>,
    /// Path in the value of the variable that the URL begins with.
    base: String,
    /// The path behind it.
    path: String,
}

/// Where the API is served, and the path below. Variables at the beginning are replaced by their values; one without a
/// value is a place that the document does not know.
fn split(text: &str, scope: &Scope) -> Split {
    let mut text = text.to_owned();
    // Length of what stands behind the variable.
    let mut behind = None;
    for _ in 0..NESTED {
        let Some((name, rest)) = text.strip_prefix("{{").and_then(|t| t.split_once("}}")) else {
            break;
        };
        match scope.get(name) {
            Some(value) => {
                behind.get_or_insert(rest.len());
                text = format!("{value}{rest}");
            }
            // `{{host}}:{{port}}/…` and `{{scheme}}://{{host}}/…` go on below.
            None if rest.starts_with('/') || rest.is_empty() => {
                return Split {
                    authority: Some(format!("{{{{{name}}}}}")),
                    base: String::new(),
                    path: rest.to_owned(),
                };
            }
            None => break,
        }
    }
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find('/').map_or(text.len(), |at| start + at);
    let base_end = behind.map_or(end, |behind| text.len() - behind).max(end);
    let base = text[end..base_end].trim_end_matches('/');
    // A value may be the address of a hook, which is a secret: then it is a path like another.
    let shown = |part: &str| {
        let kind = segment::classify(&segment::decode(part), "");
        kind == Segment::Slug || !kind.is_private()
    };
    let plain = !base.contains('{') && base.split('/').filter(|part| !part.is_empty()).all(shown);
    let base = if plain { base } else { "" };
    Split {
        authority: (end > 0).then(|| text[..end].to_owned()),
        base: base.to_owned(),
        path: text[end + base.len()..].to_owned(),
    }
}

/// The servers that an authority stands for.
fn served<'d>(
    split: &Split,
    at: Cursor<'d>,
    scope: &Scope,
    reader: &mut Reader<'d>,
) -> (String, Vec<Target>) {
    let nowhere = || resolve(if split.base.is_empty() { "/" } else { &split.base }, &[]).targets;
    let Some(authority) = split.authority.as_deref() else {
        return (String::new(), nowhere());
    };
    let mut url = String::new();
    let mut variables: Vec<Variable> = Vec::new();
    let mut rest = authority;
    let mut unknown = None;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        url.push_str(before);
        url.push_str(&format!("{{{name}}}"));
        if !variables.iter().any(|v| v.name == name) {
            let default = scope.get(name).filter(|v| !v.contains(['{', '/']));
            if default.is_none() {
                unknown = Some(name);
            }
            variables.push(Variable {
                name: name.to_owned(),
                default: Some(default.unwrap_or("").to_owned()),
                values: Vec::new(),
            });
        }
        rest = behind;
    }
    url.push_str(rest);
    if !url.contains("://") {
        url.insert_str(0, "//");
    }
    url.push_str(&split.base);
    let resolved = resolve(&url, &variables);
    let mut targets = resolved.targets;
    targets.retain(|target| target.host.is_some());
    let shown_url = resolved.url.trim_start_matches("//").to_owned();
    if targets.is_empty() {
        let name = unknown.filter(|name| is_plain_name(name));
        let message = match name {
            Some(name) => format!(
                "variable `{name}` has no value in the collection, so the host is not known; give it one, or bind the collection to a host"
            ),
            None => "the URL names no host; write one like https://host/path".to_owned(),
        };
        // All requests begin with the same variable.
        if name.is_none() || reader.once(&message) {
            reader.problems.at(at, || message);
        }
        return (shown_url, nowhere());
    }
    (shown_url, targets)
}

/// Whether a text between two braces is a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let name = name.trim();
    (1..=128).contains(&name.len()) && name.chars().all(|c| c.is_alphanumeric() || "_-.$: ".contains(c))
}

/// One segment of a path as a template has it.
fn segment_of(part: &str, before: &str, scope: &Scope) -> String {
    if let Some(name) = part.strip_prefix(':').filter(|name| !name.is_empty()) {
        return match name.split_once([':', '.']) {
            // `:id:cancel`, `:name.json`.
            Some((name, rest)) if !name.is_empty() => {
                let sign = &part[1 + name.len()..2 + name.len()];
                format!("{{{}}}{sign}{}", parameter(name), clip(rest, 64))
            }
            _ => format!("{{{}}}", parameter(name)),
        };
    }
    if part.contains("{{") {
        let mut out = String::new();
        let mut rest = part;
        while let Some((text, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                break;
            };
            out.push_str(&literal(text, before));
            match scope.get(name).filter(|value| is_route(name, value)) {
                Some(value) => out.push_str(value.trim_matches('/')),
                None => out.push_str(&format!("{{{}}}", parameter(name))),
            }
            rest = behind;
        }
        out.push_str(&rest.replace(['{', '}'], ""));
        return out;
    }
    literal(part, before)
}

/// Whether the value of a variable is part of the route: a version, or what its name says is a base path.
fn is_route(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let named = ["base", "version", "prefix", "root", "context"]
        .iter()
        .any(|word| name.contains(word));
    let plain = value.len() <= 128
        && value
            .split('/')
            .filter(|part| !part.is_empty())
            .all(|part| segment::classify(part, "") == Segment::Literal);
    plain
        && (named
            || value
                .strip_prefix('v')
                .is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit())))
}

/// The name of a parameter without what has a meaning in templates.
fn parameter(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| c.is_alphanumeric() || "_-.$".contains(*c))
        .collect();
    if name.is_empty() {
        "param".to_owned()
    } else {
        clip(&name, 64)
    }
}

/// A text that the author wrote into a path. Most are words of the route; ids and secrets left over from trying the
/// request out become their kinds.
fn literal(text: &str, before: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let decoded = segment::decode(text);
    let digits = decoded.bytes().filter(u8::is_ascii_digit).count();
    match segment::classify(&decoded, before) {
        Segment::Literal => decoded.replace(['{', '}'], ""),
        Segment::Slug if digits <= 2 && decoded.len() <= 40 => decoded.replace(['{', '}'], ""),
        kind => kind.placeholder().to_owned(),
    }
}
