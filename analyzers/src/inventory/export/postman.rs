//! A Postman collection 2.1.

use serde_json::{Value, json};

use super::group::{Group, by_host, parts};
use super::openapi::main_type;
use super::schema::{example, scalar};
use super::{Options, confidence};
use crate::inventory::EndpointView;
use crate::inventory::shape::{Form, ParameterPlace, ParameterView, Side};

/// Writes a collection with a folder for each host and a request for each endpoint. Values are of no one: they stand for the type
/// that was seen. Each call of an RPC protocol is a request of its own.
#[must_use]
pub fn postman(views: &[EndpointView], options: &Options) -> Value {
    let mut folders = Vec::new();
    for (host, groups) in by_host(views) {
        let items: Vec<Value> = groups
            .iter()
            .flat_map(|group| {
                group
                    .views
                    .iter()
                    .map(move |view| item(host, group, view, options))
            })
            .collect();
        folders.push(json!({"name": host, "item": items}));
    }
    json!({
        "info": {
            "name": "Observed APIs",
            "description": "Written from observed traffic.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "item": folders,
    })
}

fn item(host: &str, group: &Group<'_>, view: &EndpointView, options: &Options) -> Value {
    let (_, call) = parts(&view.template);
    let path = group.path.path.replace('{', ":").replace('}', "");
    // A variable is a whole segment; where it is a part of one, Postman has its own braces.
    let whole = |segment: &str| {
        segment
            .strip_prefix('{')
            .and_then(|s| s.strip_suffix('}'))
            .is_some_and(|s| !s.contains(['{', '}']))
    };
    let segments: Vec<String> = group
        .path
        .path
        .split('/')
        .skip(1)
        .map(|segment| match segment {
            segment if whole(segment) => format!(":{}", &segment[1..segment.len() - 1]),
            segment => segment.replace('{', "{{").replace('}', "}}"),
        })
        .collect();
    let of = |place: ParameterPlace| {
        view.shape
            .parameters
            .iter()
            .filter(move |p| p.place == place && p.name != "{key}")
    };
    let query: Vec<Value> = of(ParameterPlace::Query)
        .map(|p| json!({"key": p.name, "value": value(p), "disabled": !p.presence.is_required(), "description": described(p)}))
        .collect();
    let mut headers: Vec<Value> = of(ParameterPlace::Header)
        .map(|p| json!({"key": p.name, "value": "", "disabled": !p.presence.is_required(), "description": described(p)}))
        .collect();
    let variables: Vec<Value> = group
        .path
        .parameters
        .iter()
        .filter(|(name, _)| {
            segments
                .iter()
                .any(|segment| segment.strip_prefix(':') == Some(name))
        })
        .map(|(name, kind)| json!({"key": name, "value": "", "description": kind}))
        .collect();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port))
            if !name.ends_with(':')
                && !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            (name, Some(port))
        }
        _ => (host, None),
    };
    let mut url = json!({
        "raw": format!("{}://{host}/{}", options.scheme, segments.join("/")),
        "protocol": options.scheme,
        "host": name.split('.').collect::<Vec<_>>(),
        "path": segments,
    });
    if let Some(port) = port {
        url["port"] = json!(port);
    }
    for (key, list) in [("query", &query), ("variable", &variables)] {
        if !list.is_empty() {
            url[key] = json!(list);
        }
    }
    let mut request = json!({"method": group.method, "url": url});
    if let Some((body, kind)) = body(view) {
        request["body"] = body;
        headers.insert(0, json!({"key": "Content-Type", "value": kind}));
    }
    request["header"] = json!(headers);
    if let Some(auth) = auth(view) {
        request["auth"] = auth;
    }
    request["description"] = json!(format!(
        "Seen in {} exchanges, confidence {}.",
        view.exchanges,
        confidence(view)
    ));
    let title = match call {
        Some(call) => format!("{} {path} {call}", group.method),
        None => format!("{} {path}", group.method),
    };
    json!({"name": title, "request": request, "response": []})
}

fn described(parameter: &ParameterView) -> String {
    let types: Vec<&str> = parameter.types.iter().map(|(kind, _)| kind.name()).collect();
    format!(
        "{}, in {} of {} requests",
        types.join(" or "),
        parameter.presence.seen,
        parameter.presence.of
    )
}

/// A value that stands for those of a parameter.
fn value(parameter: &ParameterView) -> String {
    match scalar(main_type(&parameter.types), &parameter.values) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn body(view: &EndpointView) -> Option<(Value, String)> {
    let bodies = view.shape.bodies.iter().filter(|body| body.side == Side::Request);
    let body = bodies.max_by_key(|body| body.exchanges)?;
    let pairs = || {
        body.fields
            .iter()
            .filter(|field| field.steps.len() == 1)
            .map(|field| {
                let file = field
                    .values
                    .format
                    .is_some_and(|format| format.name() == "binary");
                let text = match scalar(main_type(&field.types), &field.values) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (field.path(), file, text)
            })
    };
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    Some(match body.form {
        Form::Json => (
            json!({"mode": "raw", "raw": text(&example(body)), "options": {"raw": {"language": "json"}}}),
            "application/json".to_owned(),
        ),
        Form::Urlencoded => {
            let list: Vec<Value> = pairs()
                .map(|(key, _, value)| json!({"key": key, "value": value}))
                .collect();
            (
                json!({"mode": "urlencoded", "urlencoded": list}),
                "application/x-www-form-urlencoded".to_owned(),
            )
        }
        Form::Multipart => {
            let list: Vec<Value> = pairs()
                .map(|(key, file, value)| match file {
                    true => json!({"key": key, "type": "file", "src": ""}),
                    false => json!({"key": key, "type": "text", "value": value}),
                })
                .collect();
            (
                json!({"mode": "formdata", "formdata": list}),
                "multipart/form-data".to_owned(),
            )
        }
        _ => return None,
    })
}

/// How most callers showed who they are.
fn auth(view: &EndpointView) -> Option<Value> {
    let most = view
        .auth
        .iter()
        .filter(|(name, _)| name != "none")
        .max_by_key(|(_, count)| *count)?;
    let pair = |key: &str, value: &str| json!({"key": key, "value": value, "type": "string"});
    Some(match most.0.as_str() {
        "jwt" | "bearer" => json!({"type": "bearer", "bearer": [pair("token", "{{token}}")]}),
        "basic" => {
            json!({"type": "basic", "basic": [pair("username", "{{user}}"), pair("password", "{{password}}")]})
        }
        "digest" => {
            json!({"type": "digest", "digest": [pair("username", "{{user}}"), pair("password", "{{password}}")]})
        }
        "sigv4" => {
            json!({"type": "awsv4", "awsv4": [pair("accessKey", "{{access_key}}"), pair("secretKey", "{{secret_key}}")]})
        }
        "api_key" => {
            json!({"type": "apikey", "apikey": [pair("key", "x-api-key"), pair("value", "{{api_key}}"), pair("in", "header")]})
        }
        _ => return None,
    })
}
