//! A specification as text, without places: what two documents that say the same have in common.

use std::fmt::Write;

use super::*;

/// Levels of a schema that are written.
const DEPTH: usize = 2;

/// The whole specification.
pub(super) fn outline(spec: &Spec) -> String {
    let mut out = String::new();
    let title = spec.title.as_deref().unwrap_or("-");
    writeln!(out, "{} {}", title, spec.version.as_deref().unwrap_or("-")).unwrap();
    for operation in &spec.operations {
        out.push_str(&one(spec, operation));
    }
    out
}

/// One operation.
pub(super) fn one(spec: &Spec, operation: &Operation) -> String {
    let mut out = String::new();
    let bases: Vec<String> = operation
        .servers
        .iter()
        .flat_map(|s| &spec.servers[*s].targets)
        .map(|t| format!("{}{}", t.host.as_ref().map_or("", HostPattern::as_str), t.base))
        .collect();
    write!(
        out,
        "{} {} [{}]",
        operation.method,
        operation.path,
        bases.join(" ")
    )
    .unwrap();
    if operation.deprecated {
        out.push_str(" deprecated");
    }
    if let Some(owner) = spec.owner_of(operation) {
        write!(out, " owner={owner}").unwrap();
    }
    if let Some(security) = &operation.security {
        let all = |all: &Vec<Requirement>| all.iter().map(|r| r.scheme.clone()).collect::<Vec<_>>().join("+");
        let any: Vec<String> = security.any_of.iter().map(all).collect();
        write!(out, " auth={}", any.join("|")).unwrap();
    }
    out.push('\n');
    let mut parameters: Vec<&Parameter> = operation.parameters.iter().collect();
    parameters.sort_by_key(|p| (p.place, p.name.clone()));
    for parameter in parameters {
        let star = if parameter.required { "*" } else { "" };
        let schema = parameter
            .schema
            .map_or(String::new(), |s| format!(": {}", shape(spec, &[s], 0)));
        writeln!(
            out,
            "  {} {}{star}{schema}",
            parameter.place.name(),
            parameter.name
        )
        .unwrap();
    }
    if let Some(body) = &operation.body {
        let star = if body.required { "*" } else { "" };
        for media in &body.content {
            writeln!(out, "  body{star} {}", content(spec, media)).unwrap();
        }
    }
    for response in &operation.responses {
        write!(out, "  {:?}", response.status).unwrap();
        for media in &response.content {
            write!(out, " {}", content(spec, media)).unwrap();
        }
        out.push('\n');
    }
    out
}

fn content(spec: &Spec, media: &Media) -> String {
    let schema = media
        .schema
        .map_or(String::new(), |s| format!(" {}", shape(spec, &[s], 0)));
    format!("{}{schema}", media.media_type)
}

/// What a schema allows, a few levels of it.
pub(super) fn shape(spec: &Spec, ids: &[SchemaId], depth: usize) -> String {
    if depth > DEPTH {
        return "…".to_owned();
    }
    let shape = spec.schemas.shape(ids);
    let mut out = format!("{:?}", shape.types);
    if !shape.items.is_empty() {
        out += &format!("[{}]", self::shape(spec, &shape.items, depth + 1));
    }
    if !shape.properties.is_empty() {
        let properties = shape.properties.iter().map(|(name, ids)| {
            let star = if shape.required.contains(name) { "*" } else { "" };
            format!("{name}{star}: {}", self::shape(spec, ids, depth + 1))
        });
        out += &format!("{{{}}}", properties.collect::<Vec<_>>().join(", "));
    }
    out
}
