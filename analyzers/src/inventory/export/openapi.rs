//! A document of OpenAPI 3.1 for each host.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::group::{Group, by_host, is_writable, parts};
use super::names::{operation, pieces};
use super::schema::{of_values, presence, schema};
use super::{Options, confidence, rfc3339};
use crate::inventory::EndpointView;
use crate::inventory::shape::{BodyView, FieldType, Form, ParameterPlace, ParameterView, Side};

/// Writes a document of OpenAPI 3.1 for each host, by host.
///
/// Endpoints whose paths differ in nothing but the type of a parameter are one operation, and so are the operations of an RPC
/// protocol below one path: `x-tapline-endpoints` and `x-tapline-operations` name them. Methods that OpenAPI 3.1 has no place for
/// stand where 3.2 has one, as an extension. Tunnels are left out, and counted in `x-tapline-left-out` of the document.
#[must_use]
pub fn openapi(views: &[EndpointView], options: &Options) -> BTreeMap<String, Value> {
    let mut documents: BTreeMap<String, Value> = by_host(views)
        .into_iter()
        .map(|(host, groups)| (host.to_owned(), document(host, &groups, options)))
        .collect();
    for view in views.iter().filter(|view| !is_writable(view)) {
        if let Some(document) = documents.get_mut(&view.host) {
            let left_out = document["info"]["x-tapline-left-out"].as_u64().unwrap_or(0);
            document["info"]["x-tapline-left-out"] = json!(left_out + 1);
        }
    }
    documents
}

fn document(host: &str, groups: &[Group<'_>], options: &Options) -> Value {
    let mut schemes = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut paths: Map<String, Value> = Map::new();
    for group in groups {
        let item = paths.entry(group.path.path.clone()).or_insert_with(|| {
            let mut item = Map::new();
            let of_path: Vec<Value> = group
                .path
                .parameters
                .iter()
                .map(|(name, kind)| path_parameter(name, kind))
                .collect();
            if !of_path.is_empty() {
                item.insert("parameters".to_owned(), json!(of_path));
            }
            Value::Object(item)
        });
        let mut id = operation(group.method, &group.path.path);
        while !ids.insert(id.clone()) {
            id.push('_');
        }
        let object = operation_object(group, id, &mut schemes);
        if METHODS.contains(&group.method) {
            item[group.method.to_ascii_lowercase()] = object;
        } else {
            item[ADDITIONAL][group.method] = object;
        }
    }
    let views = || groups.iter().flat_map(|group| group.views.iter());
    let first = views().map(|view| view.first_seen).min().unwrap_or_default();
    let last = views().map(|view| view.last_seen).max().unwrap_or_default();
    let mut out = json!({
        "openapi": "3.1.0",
        "info": {
            "title": host,
            "version": options.version,
            "description": "Written from observed traffic. What was not seen is not here, and what is here may be more than is meant to be.",
            "x-tapline-first-seen": rfc3339(first),
            "x-tapline-last-seen": rfc3339(last),
            "x-tapline-exchanges": groups.iter().map(Group::exchanges).sum::<u64>(),
        },
        "servers": [server(host, options)],
        "paths": paths,
    });
    if !schemes.is_empty() {
        out["components"] = json!({"securitySchemes": schemes});
    }
    out
}

/// Methods that a path item has (OpenAPI 3.1, Path Item Object).
const METHODS: [&str; 8] = [
    "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE",
];

/// Where operations of other methods stand: `additionalOperations` of OpenAPI 3.2, spelled as older versions may have it.
const ADDITIONAL: &str = "x-oai-additionalOperations";

/// The server. What a host is called by is hidden where it may be a value; then only its kind is known, and that is the one value
/// that the variable in its place has.
fn server(host: &str, options: &Options) -> Value {
    let mut url = format!("{}://", options.scheme);
    let mut variables = Map::new();
    for piece in pieces(host) {
        match piece {
            Ok(text) => url.push_str(text),
            Err(kind) => {
                let name = (1..)
                    .map(|n| {
                        if n == 1 {
                            kind.to_owned()
                        } else {
                            format!("{kind}{n}")
                        }
                    })
                    .find(|name| !variables.contains_key(name))
                    .unwrap_or_default();
                let value = format!("{{{kind}}}");
                url.push_str(&format!("{{{name}}}"));
                variables.insert(
                    name,
                    json!({"default": value, "enum": [value], "description": "Hidden: it may be a value."}),
                );
            }
        }
    }
    let mut server = json!({"url": url});
    if !variables.is_empty() {
        server["variables"] = json!(variables);
    }
    server
}

/// A parameter of a path; its kind is that of the segments seen there.
fn path_parameter(name: &str, kind: &str) -> Value {
    let schema = match kind {
        "int" => json!({"type": "integer"}),
        "float" => json!({"type": "number"}),
        "uuid" => json!({"type": "string", "format": "uuid"}),
        "date" => json!({"type": "string", "format": "date"}),
        "datetime" => json!({"type": "string", "format": "date-time"}),
        "email" => json!({"type": "string", "format": "email"}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

fn operation_object(group: &Group<'_>, id: String, schemes: &mut BTreeMap<String, Value>) -> Value {
    let views = &group.views;
    let first = views.iter().map(|view| view.first_seen).min().unwrap_or_default();
    let last = views.iter().map(|view| view.last_seen).max().unwrap_or_default();
    let best = views.iter().map(|view| confidence(view)).fold(0.0, f64::max);
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("operationId", json!(id));
    put("x-tapline-confidence", json!(best));
    put("x-tapline-exchanges", json!(group.exchanges()));
    put("x-tapline-first-seen", json!(rfc3339(first)));
    put("x-tapline-last-seen", json!(rfc3339(last)));
    put(
        "x-tapline-endpoints",
        json!(views.iter().map(|view| &view.id).collect::<Vec<_>>()),
    );
    let calls: Vec<Value> = views
        .iter()
        .filter_map(|view| {
            let (_, call) = parts(&view.template);
            let call = call?;
            Some(json!({"operation": call, "protocol": view.protocol, "exchanges": view.exchanges, "confidence": confidence(view)}))
        })
        .collect();
    if !calls.is_empty() {
        let names: Vec<&str> = views
            .iter()
            .filter_map(|view| parts(&view.template).1)
            .take(20)
            .collect();
        let more = if calls.len() > names.len() { ", …" } else { "" };
        put(
            "description",
            json!(format!(
                "Carries calls of {}: {}{more}.",
                views[0].protocol,
                names.join(", ")
            )),
        );
        put("x-tapline-operations", json!(calls));
    }
    let security = security(views, schemes);
    if let Some(security) = security {
        put("security", security);
    }
    let guards: Vec<(ParameterPlace, String)> = views.iter().flat_map(|view| key_parameters(view)).collect();
    let parameters = parameters(views, &guards);
    if !parameters.is_empty() {
        put("parameters", json!(parameters));
    }
    if let Some(body) = request_body(views) {
        put("requestBody", body);
    }
    put("responses", responses(views));
    Value::Object(out)
}

/// Parameters of all endpoints of an operation. What carries a credential belongs to the security schemes.
fn parameters(views: &[&EndpointView], guards: &[(ParameterPlace, String)]) -> Vec<Value> {
    let mut seen: BTreeMap<(ParameterPlace, &str), &ParameterView> = BTreeMap::new();
    for parameter in views.iter().flat_map(|view| &view.shape.parameters) {
        let known = seen
            .entry((parameter.place, &parameter.name))
            .or_insert(parameter);
        if parameter.presence.seen > known.presence.seen {
            *known = parameter;
        }
    }
    let alone = views.len() == 1;
    let mut out = Vec::new();
    for ((place, name), parameter) in seen {
        if name == "{key}" || guards.iter().any(|(p, n)| *p == place && n == name) {
            continue;
        }
        let mut schema = Value::Object(of_values(&parameter.types, &parameter.values));
        if parameter.repeated > 0 {
            schema = json!({"type": "array", "items": schema});
        }
        let required = alone && parameter.presence.is_constant();
        let mut one = json!({"name": name, "in": place.name(), "schema": schema});
        if required {
            one["required"] = json!(true);
        } else {
            one["x-tapline-presence"] = presence(&parameter.presence);
        }
        out.push(one);
    }
    if has_more(views) {
        out.push(others(&out));
    }
    out
}

/// Whether there are parameters without a name here: hidden ones, and those given up because there were too many.
fn has_more(views: &[&EndpointView]) -> bool {
    let hidden = |p: &ParameterView| p.place == ParameterPlace::Query && p.name == "{key}";
    views
        .iter()
        .any(|view| view.shape.given_up > 0 || view.shape.parameters.iter().any(hidden))
}

/// Parameters of any name, as OpenAPI says it: each property of an object that is exploded is one.
fn others(named: &[Value]) -> Value {
    let taken = |name: &str| named.iter().any(|one| one["name"] == name);
    let name = (1..)
        .map(|n| {
            if n == 1 {
                "other".to_owned()
            } else {
                format!("other{n}")
            }
        })
        .find(|name| !taken(name))
        .unwrap_or_default();
    json!({
        "name": name,
        "in": "query",
        "description": "Parameters of other names: values stand in them, or there were too many.",
        "style": "form",
        "explode": true,
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    })
}

/// Media types that a form is sent as.
fn media_type<'a>(form: Form, types: impl Iterator<Item = &'a (String, u64)>) -> String {
    let fits = |name: &str| match form {
        Form::Json => name.ends_with("json") || name == "text/event-stream",
        Form::Urlencoded => name == "application/x-www-form-urlencoded",
        Form::Multipart => name == "multipart/form-data",
        Form::Protobuf => name.contains("grpc") || name.contains("protobuf"),
        #[expect(unreachable_patterns, reason = "forms may be added")]
        _ => false,
    };
    let best = types
        .filter(|(name, _)| fits(name))
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
    let usual = match form {
        Form::Urlencoded => "application/x-www-form-urlencoded",
        Form::Multipart => "multipart/form-data",
        Form::Protobuf => "application/protobuf",
        _ => "application/json",
    };
    best.map_or_else(|| usual.to_owned(), |(name, _)| name.clone())
}

/// Bodies of one side of all endpoints, by media type.
fn content(
    views: &[&EndpointView],
    side: Side,
    types: fn(&EndpointView) -> &[(String, u64)],
) -> Map<String, Value> {
    let mut by_type: BTreeMap<String, Vec<(u64, Value)>> = BTreeMap::new();
    for view in views {
        for body in view.shape.bodies.iter().filter(|body| body.side == side) {
            let name = media_type(body.form, types(view).iter());
            by_type
                .entry(name)
                .or_default()
                .push((body.exchanges, body_schema(body)));
        }
    }
    let mut out = Map::new();
    for (name, mut schemas) in by_type {
        schemas.sort_by_key(|(exchanges, _)| std::cmp::Reverse(*exchanges));
        let mut different: Vec<Value> = Vec::new();
        for (_, schema) in schemas {
            if !different.contains(&schema) && different.len() < 24 {
                different.push(schema);
            }
        }
        let schema = match different.len() {
            1 => different.swap_remove(0),
            _ => json!({"anyOf": different}),
        };
        out.insert(name, json!({"schema": schema}));
    }
    out
}

fn body_schema(body: &BodyView) -> Value {
    match body.form {
        // Numbers are no names, and the types are guesses: they are told, and nothing is claimed.
        Form::Protobuf => {
            let fields: Map<String, Value> = body
                .fields
                .iter()
                .filter(|field| !field.steps.is_empty())
                .map(|field| {
                    (
                        field.path(),
                        json!(field.types.iter().map(|(t, _)| t.name()).collect::<Vec<_>>()),
                    )
                })
                .collect();
            json!({"type": "string", "contentMediaType": "application/protobuf", "x-tapline-fields": fields})
        }
        _ => schema(body),
    }
}

fn request_body(views: &[&EndpointView]) -> Option<Value> {
    let mut content = content(views, Side::Request, |view| &view.request_types);
    if content.is_empty() {
        // A body in a form that is not read.
        let types = views.iter().flat_map(|view| &view.request_types);
        for (name, _) in types.filter(|(name, _)| name.contains('/')) {
            content.insert(name.clone(), json!({}));
        }
    }
    (!content.is_empty()).then(|| json!({"content": content}))
}

fn responses(views: &[&EndpointView]) -> Value {
    let statuses: BTreeSet<u16> = views
        .iter()
        .flat_map(|view| view.shape.statuses.iter().map(|(status, _)| *status))
        .filter(|status| (100..600).contains(status))
        .collect();
    let mut out = Map::new();
    for status in statuses {
        let class = (status / 100) as u8;
        let mut one = json!({"description": reason(status)});
        let bodiless = matches!(status, 100..=199 | 204 | 205 | 304);
        if !bodiless {
            let mut content = content(views, Side::Response(class), |view| &view.response_types);
            if content.is_empty() && class == 2 {
                let types = views.iter().flat_map(|view| &view.response_types);
                for (name, _) in types.filter(|(name, _)| name.contains('/')) {
                    content.insert(name.clone(), json!({}));
                }
            }
            if !content.is_empty() {
                one["content"] = Value::Object(content);
            }
        }
        let count: u64 = views
            .iter()
            .flat_map(|view| &view.shape.statuses)
            .filter(|(s, _)| *s == status)
            .map(|(_, count)| *count)
            .sum();
        one["x-tapline-exchanges"] = json!(count);
        out.insert(status.to_string(), one);
    }
    if out.is_empty() {
        out.insert(
            "default".to_owned(),
            json!({"description": "No answer was seen."}),
        );
    }
    Value::Object(out)
}

/// What RFC 9110 calls a status.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => match status / 100 {
            1 => "Informational",
            2 => "Successful",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

/// The share of calls without a credential from which on a document says that none is needed.
const OPEN: f64 = 0.05;

/// What callers showed, as alternatives.
fn security(views: &[&EndpointView], schemes: &mut BTreeMap<String, Value>) -> Option<Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (scheme, count) in views.iter().flat_map(|view| &view.auth) {
        *counts.entry(scheme).or_default() += count;
    }
    let all: u64 = counts.values().sum();
    let mut any_of: Vec<Value> = Vec::new();
    for scheme in counts.keys().filter(|scheme| **scheme != "none") {
        for (mut name, object) in scheme_objects(scheme, views) {
            while schemes.get(&name).is_some_and(|known| *known != object) {
                name.push('_');
            }
            any_of.push(json!({&name: []}));
            schemes.entry(name).or_insert(object);
        }
    }
    let open = counts.get("none").copied().unwrap_or(0);
    if all == 0 {
        return None;
    }
    if open as f64 >= OPEN * all as f64 {
        any_of.push(json!({}));
    }
    Some(if any_of == [json!({})] {
        json!([])
    } else {
        json!(any_of)
    })
}

/// Names that parameters with credentials have.
const KEYS: [&str; 14] = [
    "x-api-key",
    "api-key",
    "apikey",
    "x-apikey",
    "api_key",
    "x-auth-token",
    "x-access-token",
    "access_token",
    "token",
    "key",
    "auth",
    "subscription-key",
    "ocp-apim-subscription-key",
    "x-functions-key",
];

/// Parameters of an endpoint that carry its credentials.
fn key_parameters(view: &EndpointView) -> impl Iterator<Item = (ParameterPlace, String)> {
    let shown = |scheme: &str| view.auth.iter().any(|(name, _)| name == scheme);
    let (key, query, cookie) = (
        shown("api_key"),
        shown("query") || shown("signed_url"),
        shown("cookie"),
    );
    view.shape
        .parameters
        .iter()
        .filter(move |parameter| {
            let is_key = KEYS.iter().any(|name| parameter.name.eq_ignore_ascii_case(name));
            match parameter.place {
                ParameterPlace::Header => key && is_key,
                ParameterPlace::Query => query && is_key,
                ParameterPlace::Cookie => cookie && is_session(&parameter.name),
            }
        })
        .map(|parameter| (parameter.place, parameter.name.clone()))
}

fn is_session(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains("sess") || lower.contains("sid") || lower.contains("auth") || lower.contains("token")
}

/// A scheme as documents have it, by name: one for each parameter that carries such a credential.
fn scheme_objects(scheme: &str, views: &[&EndpointView]) -> Vec<(String, Value)> {
    let keys = |wanted: ParameterPlace, usual: &str| {
        let found = views
            .iter()
            .flat_map(|view| key_parameters(view))
            .filter(|(place, _)| *place == wanted);
        let mut names: BTreeSet<String> = found.map(|(_, name)| name).collect();
        if names.is_empty() {
            names.insert(usual.to_owned());
        }
        let of_key = |name: String| {
            (
                format!(
                    "{scheme}_{}",
                    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
                ),
                json!({"type": "apiKey", "in": wanted.name(), "name": name}),
            )
        };
        names.into_iter().map(of_key).collect()
    };
    let one = |name: &str, object: Value| vec![(name.to_owned(), object)];
    match scheme {
        "jwt" => one(
            "jwt",
            json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
        ),
        "bearer" => one("bearer", json!({"type": "http", "scheme": "bearer"})),
        "basic" => one("basic", json!({"type": "http", "scheme": "basic"})),
        "digest" => one("digest", json!({"type": "http", "scheme": "digest"})),
        "sigv4" => one(
            "sigv4",
            json!({"type": "apiKey", "in": "header", "name": "Authorization", "description": "AWS Signature Version 4"}),
        ),
        "api_key" => keys(ParameterPlace::Header, "x-api-key"),
        "query" => keys(ParameterPlace::Query, "access_token"),
        "signed_url" => keys(ParameterPlace::Query, "signature"),
        "cookie" => keys(ParameterPlace::Cookie, "session"),
        // Its name is not known.
        _ => Vec::new(),
    }
}

/// Whether a parameter is best shown with this type (Postman has none).
pub(super) fn main_type(types: &[(FieldType, u64)]) -> FieldType {
    types.first().map_or(FieldType::String, |(kind, _)| *kind)
}
