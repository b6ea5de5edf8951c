//! The fields that conditions may name: those of the records, as their JSON Schemas have them, and a few that follow from
//! them.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::known::state::About;
use crate::known::subject::SEVERITIES;
use analyzers::condition::Sort;
use analyzers::nearest;

/// Fields that no record has: they follow from others, or from what else is known.
fn derived(about: About) -> Value {
    let number = |text: &str| json!({"type": "number", "description": text});
    let mut fields = json!({
        "days_since_first_seen": number("Days from the first exchange to the last one that is known."),
        "days_since_last_seen": number("Days from the last exchange to the last one that is known."),
    });
    match about {
        About::Endpoint => {
            let names = json!({"type": "array", "items": {"type": "string"}});
            fields["path"] = json!({"type": "string"});
            fields["classes"] = names.clone();
            fields["findings"] = names.clone();
            fields["worst_finding"] = json!({"type": "string", "enum": SEVERITIES});
            fields["accepted"] = json!({"type": "boolean"});
            fields["changed"] = names;
        }
        About::Principal | About::Finding => {}
        About::Operation => return operation(),
    }
    fields
}

/// Fields of declared operations, which leave in no record of their own.
fn operation() -> Value {
    let text = json!({"type": "string"});
    let flag = json!({"type": "boolean"});
    let names = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "id": text, "host": text, "hosts": names, "method": text, "template": text, "path": text, "operation": text,
        "summary": text, "tags": names, "owner": text, "environment": text, "purpose": text,
        "tier": {"type": "string", "enum": ["public", "internal", "confidential"]},
        "deprecated": flag, "authenticated": flag, "seen": flag, "exchanges": {"type": "integer"},
        "declared": {"type": "object", "properties": {"specification": text, "line": {"type": "integer"}}},
    })
}

/// Fields that take a file of accepted endpoints to be known.
pub(super) const OF_BASELINE: [&str; 2] = ["accepted", "changed"];

fn schema(about: About) -> &'static Value {
    static SCHEMAS: OnceLock<[Value; 4]> = OnceLock::new();
    let all = SCHEMAS.get_or_init(|| {
        let texts = [
            (About::Endpoint, include_str!("../../schemas/inventory.json")),
            (About::Principal, include_str!("../../schemas/agents.json")),
            (About::Finding, include_str!("../../schemas/finding.json")),
            (About::Operation, "{\"properties\": {}}"),
        ];
        texts.map(|(about, text)| {
            // The schemas are our own, and tests read them.
            let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
            if let (Some(own), Value::Object(more)) = (schema["properties"].as_object_mut(), derived(about)) {
                own.extend(more);
            }
            schema
        })
    });
    match about {
        About::Endpoint => &all[0],
        About::Principal => &all[1],
        About::Finding => &all[2],
        About::Operation => &all[3],
    }
}

/// Follows references within the schema.
fn resolved<'s>(root: &'s Value, mut at: &'s Value) -> &'s Value {
    for _ in 0..8 {
        let Some(pointer) = at["$ref"].as_str().and_then(|r| r.strip_prefix('#')) else {
            break;
        };
        match root.pointer(pointer) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// What a path of names leads to, or what is wrong with it.
///
/// # Errors
///
/// What would be right.
pub(super) fn look_up(about: About, path: &[String]) -> Result<Sort, String> {
    let root = schema(about);
    let mut at = root;
    for (depth, name) in path.iter().enumerate() {
        at = resolved(root, at);
        while at["type"] == "array" {
            at = resolved(root, &at["items"]);
        }
        let known = at["properties"].as_object();
        if let Some(next) = known.and_then(|known| known.get(name)) {
            at = next;
            continue;
        }
        if at["additionalProperties"].is_object() {
            at = &at["additionalProperties"];
            continue;
        }
        let full = path[..=depth].join(".");
        let names: Vec<&str> = known
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        if names.is_empty() {
            return Err(format!(
                "`{}` has no fields in it, so there is no `{full}`",
                path[..depth].join(".")
            ));
        }
        let of = about.name();
        return Err(match nearest(name, names.iter().copied()) {
            Some(near) => {
                let near = [&path[..depth], &[near.to_owned()]].concat().join(".");
                format!("records of {of}s have no field `{full}`; did you mean `{near}`?")
            }
            None => format!(
                "records of {of}s have no field `{full}`; there are {}",
                names.join(", ")
            ),
        });
    }
    Ok(sort(root, resolved(root, at)))
}

fn sort(root: &Value, at: &Value) -> Sort {
    if let Some(words) = at["enum"].as_array() {
        return Sort::Text(
            words
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        );
    }
    let of = |name: &str| match &at["type"] {
        Value::String(own) => own == name,
        Value::Array(several) => several.iter().any(|s| s == name),
        _ => false,
    };
    if of("string") {
        Sort::Text(Vec::new())
    } else if of("integer") || of("number") {
        Sort::Number
    } else if of("boolean") {
        Sort::Flag
    } else if of("array") {
        match sort(root, resolved(root, &at["items"])) {
            Sort::Text(_) => Sort::Names,
            _ => Sort::Any,
        }
    } else if of("object") && at["additionalProperties"].is_object() {
        Sort::Names
    } else if at["format"] == "date-time" {
        Sort::Text(Vec::new())
    } else {
        Sort::Any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_records() {
        let check = |about: About, path: &str, wanted: Result<Sort, &str>| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            match (look_up(about, &path), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{path:?}"),
                (Err(said), Err(wanted)) => assert!(said.contains(wanted), "{path:?}: {said}"),
                (got, wanted) => panic!("{path:?}: {got:?}, wanted {wanted:?}"),
            }
        };
        let text = || Ok(Sort::Text(vec![]));
        check(About::Endpoint, "host", text());
        check(About::Endpoint, "first_seen", text());
        check(About::Endpoint, "agents", Ok(Sort::Number));
        check(About::Endpoint, "auth", Ok(Sort::Names));
        check(About::Endpoint, "auth.none", Ok(Sort::Number));
        check(About::Endpoint, "status.5xx", Ok(Sort::Number));
        check(About::Endpoint, "latency_us.p99", Ok(Sort::Number));
        check(About::Endpoint, "findings", Ok(Sort::Names));
        check(About::Finding, "resource.host", text());
        check(About::Finding, "evidence.status", Ok(Sort::Number));
        check(About::Endpoint, "hots", Err("did you mean `host`?"));
        check(
            About::Endpoint,
            "latency_us.p98",
            Err("did you mean `latency_us.p9"),
        );
        check(About::Endpoint, "host.name", Err("has no fields in it"));
        check(
            About::Principal,
            "template",
            Err("records of principals have no field `template`"),
        );
        assert!(
            matches!(look_up(About::Finding, &["severity".into()]), Ok(Sort::Text(words)) if words.len() == 5)
        );
    }
}
