//! What OpenAPI 2.0 and 3.x have in common: what is said of the whole API, of owners, security, statuses.

use std::collections::BTreeMap;

use super::date::Sunset;
use super::document::{Cursor, Field, Is};
use super::model::{Contact, Operation, Requirement, Security, Spec, StatusPattern};
use super::problem::{clip, shown};
use super::reader::Reader;
use super::template::PathTemplate;

/// Methods of a Path Item Object (OpenAPI 3.2 added `query`).
pub(crate) const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// Title, version, owner and contact of the API (Info Object).
pub(crate) fn info<'d>(root: Cursor<'d>, spec: &mut Spec, reader: &mut Reader<'d>) {
    let Some(info) = root.get("info").filter(|i| i.is() == Is::Map) else {
        reader.problems.at(root, || {
            "`info` is missing; it must hold a title and a version".to_owned()
        });
        return;
    };
    spec.title = reader.text(info, "title").map(|t| clip(t, 256));
    if spec.title.is_none() {
        reader
            .problems
            .at(info, || "`title` is missing; name the API".to_owned());
    }
    // A version without quotes is a number to YAML, which is as good as a text here.
    spec.version = info
        .get("version")
        .and_then(|v| v.text().or(v.number()))
        .map(|v| clip(v, 64));
    spec.owner = owner(info, reader).or_else(|| owner(root, reader));
    if let Some(contact) = info.get("contact") {
        let contact = match contact.is() {
            Is::Map => Contact {
                name: reader.text(contact, "name").map(|t| clip(t, 128)),
                email: reader.text(contact, "email").map(|t| clip(t, 128)),
                url: reader.text(contact, "url").map(|t| clip(t, 256)),
            },
            _ => {
                reader.expected(contact, "contact", "an object with name, email and url");
                Contact {
                    name: contact.text().map(|t| clip(t, 128)),
                    ..Contact::default()
                }
            }
        };
        spec.contact = Some(contact).filter(|c| c.shown().is_some());
    }
}

/// `x-owner`: a text, or an object with a name.
pub(crate) fn owner<'d>(of: Cursor<'d>, reader: &mut Reader<'d>) -> Option<String> {
    let value = of.get("x-owner")?;
    let text = match value.is() {
        Is::Map => ["name", "team", "email"]
            .iter()
            .find_map(|key| value.get(key)?.text()),
        _ => reader.as_text(value, "x-owner"),
    };
    text.map(|t| clip(t, 128)).filter(|t| !t.is_empty())
}

/// Owners by tag (`x-owner` of a Tag Object).
pub(crate) fn tag_owners<'d>(root: Cursor<'d>, reader: &mut Reader<'d>) -> BTreeMap<&'d str, String> {
    let mut out = BTreeMap::new();
    for tag in reader.list(root, "tags") {
        if tag.is() == Is::Map
            && let Some(name) = reader.text(tag, "name")
            && let Some(owner) = owner(tag, reader)
        {
            out.insert(name, owner);
        }
    }
    out
}

/// What is said in the same words of an operation in both editions.
pub(crate) fn common<'d>(
    field: &Field<'d>,
    path_item: Cursor<'d>,
    tag_owners: &BTreeMap<&'d str, String>,
    reader: &mut Reader<'d>,
) -> Operation {
    let at = field.value;
    let tags = reader.texts(at, "tags");
    let by_tag = || tags.iter().find_map(|t| tag_owners.get(t).cloned());
    let sunset = |reader: &mut Reader<'d>, of: Cursor<'d>| reader.text(of, "x-sunset").map(Sunset::parse);
    let sunset = sunset(reader, at).or_else(|| sunset(reader, path_item));
    if let Some(wrong) = sunset.as_ref().filter(|s| s.unix_seconds.is_none()) {
        let (text, place) = (shown(&wrong.text), at.get("x-sunset").unwrap_or(path_item));
        reader
            .problems
            .at(place, || format!("`{text}` is no date; write it like 2026-12-31"));
    }
    Operation {
        method: field.key.to_ascii_uppercase(),
        path: PathTemplate::default(),
        servers: Vec::new(),
        id: reader.text(at, "operationId").map(|t| clip(t, 256)),
        summary: reader.text(at, "summary").map(|t| clip(t, 256)),
        owner: owner(at, reader)
            .or_else(|| owner(path_item, reader))
            .or_else(by_tag),
        tags: tags.iter().map(|t| clip(t, 128)).collect(),
        deprecated: reader.flag(at, "deprecated"),
        sunset,
        declares_sunset: false,
        parameters: Vec::new(),
        body: None,
        responses: Vec::new(),
        security: None,
        requests: 1,
        at: field.at,
        pointer: at.pointer(),
    }
}

/// A list of Security Requirement Objects, if there is one.
pub(crate) fn security<'d>(of: Cursor<'d>, spec: &Spec, reader: &mut Reader<'d>) -> Option<Security> {
    let value = of.get("security")?;
    if value.is() == Is::Null {
        return None;
    }
    // One object in place of a list of one.
    let alternatives = if value.is() == Is::Map {
        reader.expected(value, "security", "a list of objects");
        vec![value]
    } else {
        reader.list(of, "security")
    };
    let mut out = Security::default();
    for alternative in alternatives {
        let mut all = Vec::new();
        let schemes = if alternative.is() == Is::Text {
            // `- apiKey` where `- apiKey: []` is meant.
            reader.expected(
                alternative,
                "security",
                "an object: the name of a scheme and a list of scopes",
            );
            all.extend(alternative.text().map(|name| Requirement {
                scheme: clip(name, 128),
                scopes: Vec::new(),
            }));
            Vec::new()
        } else {
            reader.as_object(alternative, "security")
        };
        for field in schemes {
            let scopes: Vec<Cursor<'d>> = match field.value.is() {
                Is::List if reader.spend(field.value, field.value.items().len()) => {
                    field.value.items().collect()
                }
                Is::List => Vec::new(),
                Is::Null => Vec::new(),
                _ => {
                    reader.expected(field.value, field.key, "a list of scopes");
                    Vec::new()
                }
            };
            if !spec.security_schemes.contains_key(&clip(field.key, 128)) {
                let name = shown(field.key);
                reader.problems.at_key(field.value, || {
                    format!("security scheme `{name}` is not defined; define it or correct the name")
                });
            }
            all.push(Requirement {
                scheme: clip(field.key, 128),
                scopes: scopes
                    .iter()
                    .filter_map(|s| s.text())
                    .map(|s| clip(s, 256))
                    .collect(),
            });
        }
        out.any_of.push(all);
    }
    Some(out)
}

/// The key of a response (OpenAPI, Responses Object).
pub(crate) fn status<'d>(field: &Field<'d>, reader: &mut Reader<'d>) -> Option<StatusPattern> {
    let text = field.key.trim();
    let bytes = text.as_bytes();
    let found = match bytes {
        b"default" => Some(StatusPattern::Default),
        [class @ b'1'..=b'5', b'X', b'X'] => return Some(StatusPattern::Class(class - b'0')),
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
            let class = class - b'0';
            reader.problems.at_key(field.value, || {
                format!("`{text}` is no range of statuses; write `{class}XX`")
            });
            return Some(StatusPattern::Class(class));
        }
        [b'1'..=b'5', b, c] if b.is_ascii_digit() && c.is_ascii_digit() => {
            text.parse().ok().map(StatusPattern::Exact)
        }
        _ => None,
    };
    if found.is_none() {
        let key = shown(text);
        reader.problems.at_key(field.value, || {
            format!("`{key}` is no status; write a number from 100 to 599, a range like `2XX`, or `default`")
        });
    }
    found
}

/// The template of a key of `paths`; what is wrong with it is told at the key.
pub(crate) fn path<'d>(field: &Field<'d>, reader: &mut Reader<'d>) -> PathTemplate {
    let (path, problems) = PathTemplate::parse(field.key);
    for problem in problems {
        reader.problems.at_key(field.value, || problem);
    }
    path
}

/// Whether a key is an extension, which may be anything.
pub(crate) fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

/// Tells of operations that no router could tell apart and of path parameters that do not fit the path.
pub(crate) fn check<'d>(spec: &Spec, reader: &mut Reader<'d>) {
    let mut seen: BTreeMap<(&str, String, &[usize]), &Operation> = BTreeMap::new();
    let mut ids: BTreeMap<&str, &Operation> = BTreeMap::new();
    for operation in &spec.operations {
        let key = (
            operation.method.as_str(),
            operation.path.hierarchy(),
            operation.servers.as_slice(),
        );
        if let Some(first) = seen.get(&key) {
            let (line, method) = (first.at.line, &operation.method);
            reader.problems.push(operation.at, || operation.pointer.clone(), || {
                format!("the same {method} and path as on line {line}, but for names; requests are counted there")
            });
        } else {
            seen.insert(key, operation);
        }
        if let Some(id) = &operation.id
            && let Some(first) = ids.insert(id, operation)
        {
            let line = first.at.line;
            reader.problems.push(
                operation.at,
                || operation.pointer.clone(),
                || {
                    format!(
                        "operationId `{}` is there already, on line {line}; it must be unique",
                        shown(id)
                    )
                },
            );
        }
        for parameter in &operation.parameters {
            let of_path = parameter.place == super::model::Place::Path;
            if of_path && !operation.path.parameters().any(|name| name == parameter.name) {
                let name = shown(&parameter.name);
                reader.problems.push(parameter.at, || operation.pointer.clone(), || {
                    format!("path parameter `{name}` is not in the path; write `{{{name}}}` there or remove it")
                });
            }
        }
    }
}
