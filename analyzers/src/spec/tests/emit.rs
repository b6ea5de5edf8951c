//! Documents of each kind about an API, with the peculiarities that such documents have.

use serde_json::{Map, Value, json};

use super::apis::{Api, Line};

/// Writes OpenAPI 3.x.
pub(super) fn open_api(api: &Api, version: &str) -> Value {
    let mut paths = Map::new();
    let new = version.starts_with("3.1");
    for line in &api.operations {
        let item = paths.entry(line.path.clone()).or_insert_with(|| json!({}));
        if item.get("parameters").is_none() && !line.parameters().is_empty() {
            // Those of the path belong to all of its operations.
            let parameters: Vec<Value> = line.parameters().iter().map(|name| json!({
                "name": name, "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Id"},
            })).collect();
            item["parameters"] = json!(parameters);
        }
        let mut operation = json!({
            "operationId": id(line),
            "tags": [tag(line)],
            "responses": responses(line, new),
        });
        let mut parameters: Vec<Value> = line.query.iter().map(|name| json!({
            "name": name, "in": "query", "schema": {"type": if new { json!(["string", "null"]) } else { json!("string") }},
        })).collect();
        parameters.extend(line.headers.iter().map(|name| {
            json!({
                "name": name, "in": "header", "required": true, "schema": {"type": "string"},
            })
        }));
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some((kind, fields)) = &line.body {
            let media = if kind == "form" {
                "application/x-www-form-urlencoded"
            } else {
                "application/json"
            };
            operation["requestBody"] =
                json!({"required": true, "content": {media: {"schema": object(fields)}}});
        }
        if line.deprecated {
            operation["deprecated"] = json!(true);
        }
        item[line.method.to_lowercase()] = operation;
    }
    let mut out = json!({
        "openapi": version,
        "info": {"title": api.name, "version": "1.2.0", "contact": {"email": "owner@example.com"}},
        "servers": [
            {"url": format!("https://{{stage}}{}{}", api.host, api.base),
             "variables": {"stage": {"default": "", "enum": ["", "sandbox."]}}},
        ],
        "paths": paths,
        "components": {
            "schemas": {
                "Id": {"type": "string", "maxLength": 64},
                "Base": {"type": "object", "required": ["id"], "properties": {"id": {"$ref": "#/components/schemas/Id"}}},
                "Thing": {"allOf": [
                    {"$ref": "#/components/schemas/Base"},
                    {"type": "object", "properties": {
                        "parent": {"$ref": "#/components/schemas/Thing"},
                        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    }},
                ]},
            },
            "responses": {"Problem": {"description": "wrong", "content": {"application/problem+json": {"schema": {"type": "object"}}}}},
        },
    });
    let scheme = match api.auth {
        "apikey" => json!({"type": "apiKey", "in": "header", "name": "X-API-Key"}),
        "" => Value::Null,
        auth => json!({"type": "http", "scheme": auth}),
    };
    if !scheme.is_null() {
        out["components"]["securitySchemes"] = json!({"main": scheme});
        out["security"] = json!([{"main": []}]);
    }
    if new {
        let hook = json!({"post": {"requestBody": {"content": {"application/json": {}}}, "responses": {"200": {"description": "ok"}}}});
        out["webhooks"] = json!({"changed": hook, "removed": hook});
    }
    out
}

fn responses(line: &Line, new: bool) -> Value {
    let mut out = Map::new();
    for status in &line.statuses {
        let response = match status {
            400.. => json!({"$ref": "#/components/responses/Problem"}),
            200 | 201 => {
                json!({"description": "done", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}})
            }
            _ if new => {
                json!({"description": "nothing", "headers": {"ETag": {"schema": {"type": "string"}}}})
            }
            _ => json!({"description": "nothing"}),
        };
        out.insert(status.to_string(), response);
    }
    Value::Object(out)
}

fn object(fields: &[String]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|f| (f.clone(), json!({"type": "string"})))
        .collect();
    json!({"type": "object", "required": [fields[0]], "properties": properties})
}

fn id(line: &Line) -> String {
    let path: String = line
        .path
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    format!("{}{path}", line.method.to_lowercase())
}

fn tag(line: &Line) -> String {
    line.path.split('/').nth(1).unwrap_or("").to_owned()
}

/// Writes OpenAPI 2.0.
pub(super) fn swagger(api: &Api) -> Value {
    let mut paths = Map::new();
    for line in &api.operations {
        let item = paths.entry(line.path.clone()).or_insert_with(|| json!({}));
        let mut parameters: Vec<Value> = line
            .parameters()
            .iter()
            .map(|name| {
                json!({
                    "name": name, "in": "path", "required": true, "type": "string",
                })
            })
            .collect();
        parameters.extend(
            line.query
                .iter()
                .map(|name| json!({"name": name, "in": "query", "type": "string"})),
        );
        parameters.extend(
            line.headers
                .iter()
                .map(|name| json!({"name": name, "in": "header", "required": true, "type": "string"})),
        );
        let mut operation = json!({"operationId": id(line), "tags": [tag(line)]});
        match &line.body {
            Some((kind, fields)) if kind == "form" => {
                operation["consumes"] = json!(["application/x-www-form-urlencoded"]);
                parameters.extend(fields.iter().map(|name| {
                    json!({"name": name, "in": "formData", "required": name == &fields[0], "type": "string"})
                }));
            }
            Some((_, fields)) => {
                parameters
                    .push(json!({"name": "body", "in": "body", "required": true, "schema": object(fields)}));
            }
            None => {}
        }
        let responses: Map<String, Value> = line
            .statuses
            .iter()
            .map(|status| {
                let with = matches!(status, 200 | 201);
                let response = json!({"description": "x", "schema": {"$ref": "#/definitions/Thing"}});
                (
                    status.to_string(),
                    if with {
                        response
                    } else {
                        json!({"description": "x"})
                    },
                )
            })
            .collect();
        operation["responses"] = Value::Object(responses);
        if line.deprecated {
            operation["deprecated"] = json!(true);
        }
        operation["parameters"] = json!(parameters);
        item[line.method.to_lowercase()] = operation;
    }
    let mut out = json!({
        "swagger": "2.0",
        "info": {"title": api.name, "version": "1.2.0"},
        "host": api.host,
        "basePath": if api.base.is_empty() { "/" } else { api.base },
        "schemes": ["https", "http"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": paths,
        "definitions": {"Thing": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string"}, "parent": {"$ref": "#/definitions/Thing"},
        }}},
    });
    let scheme = match api.auth {
        "apikey" => json!({"type": "apiKey", "in": "header", "name": "X-API-Key"}),
        "basic" => json!({"type": "basic"}),
        "bearer" => {
            json!({"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://login.example.com", "scopes": {"all": "x"}})
        }
        _ => Value::Null,
    };
    if !scheme.is_null() {
        out["securityDefinitions"] = json!({"main": scheme});
        out["security"] = json!([{"main": []}]);
    }
    out
}

/// Writes a Postman collection. In 2.0 URLs are texts and attributes objects, in 2.1 both come in parts.
pub(super) fn postman(api: &Api, version: &str) -> Value {
    let parts = version == "v2.1.0";
    let mut folders: Vec<(String, Vec<Value>)> = Vec::new();
    for (number, line) in api.operations.iter().enumerate() {
        let path: Vec<String> = line
            .path
            .split('/')
            .skip(1)
            .map(|part| {
                let whole = part.starts_with('{') && part.ends_with('}') && part.matches('{').count() == 1;
                match whole {
                    // Both ways are in use.
                    true if number % 2 == 0 => format!(":{}", &part[1..part.len() - 1]),
                    _ => part.replace('{', "{{").replace('}', "}}"),
                }
            })
            .collect();
        let query = line.query.iter().map(|name| format!("{name}=canary-7f3e91"));
        let query = query.collect::<Vec<_>>().join("&");
        let raw = format!(
            "{{{{baseUrl}}}}/{}{}{query}",
            path.join("/"),
            if query.is_empty() { "" } else { "?" }
        );
        let url = if parts {
            let query: Vec<Value> = line
                .query
                .iter()
                .map(
                    |name| json!({"key": name, "value": "canary-7f3e91", "disabled": name == &line.query[0]}),
                )
                .collect();
            json!({"raw": raw, "host": ["{{baseUrl}}"], "path": path, "query": query})
        } else {
            json!(raw)
        };
        let header: Vec<Value> = line
            .headers
            .iter()
            .map(|name| json!({"key": name, "value": "canary-7f3e91"}))
            .collect();
        let mut request = json!({"method": line.method, "header": header, "url": url});
        match &line.body {
            Some((kind, fields)) if kind == "form" => {
                let fields: Vec<Value> = fields
                    .iter()
                    .map(|name| json!({"key": name, "value": "canary-7f3e91", "type": "text"}))
                    .collect();
                request["body"] = json!({"mode": "urlencoded", "urlencoded": fields});
            }
            Some((_, fields)) => {
                let body: Map<String, Value> = fields
                    .iter()
                    .map(|f| (f.clone(), json!("canary-7f3e91")))
                    .collect();
                let raw = Value::Object(body).to_string();
                request["body"] =
                    json!({"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}});
            }
            None => {}
        }
        let responses: Vec<Value> = line.statuses.iter().map(|status| json!({
            "name": "an example", "code": status, "header": [{"key": "Content-Type", "value": "application/json"}],
            "body": "{\"id\": \"canary-7f3e91\"}",
        })).collect();
        let item = json!({"name": id(line), "request": request, "response": responses});
        match folders.iter_mut().find(|(name, _)| *name == tag(line)) {
            Some((_, items)) => items.push(item),
            None => folders.push((tag(line), vec![item])),
        }
    }
    let folders: Vec<Value> = folders
        .into_iter()
        .map(|(name, item)| json!({"name": name, "item": item}))
        .collect();
    let auth = |kind: &str, attributes: Vec<(&str, &str)>| {
        let list: Vec<Value> = attributes
            .iter()
            .map(|(k, v)| json!({"key": k, "value": v}))
            .collect();
        let object: Map<String, Value> = attributes
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)))
            .collect();
        json!({"type": kind, kind: if parts { json!(list) } else { Value::Object(object) }})
    };
    let auth = match api.auth {
        "apikey" => auth("apikey", vec![("key", "X-API-Key"), ("value", "canary-7f3e91")]),
        "" => json!({"type": "noauth"}),
        kind => auth(
            kind,
            vec![("token", "canary-7f3e91"), ("password", "canary-7f3e91")],
        ),
    };
    json!({
        "info": {"name": api.name, "schema": format!("https://schema.getpostman.com/json/collection/{version}/collection.json")},
        "item": folders,
        "auth": auth,
        "variable": [{"key": "baseUrl", "value": format!("https://{}{}", api.host, api.base)}],
    })
}

/// Writes an archive: two calls of each operation.
pub(super) fn har(api: &Api) -> Value {
    let mut entries = Vec::new();
    for (number, line) in api.operations.iter().chain(&api.operations).enumerate() {
        let query = line
            .query
            .iter()
            .map(|name| format!("{name}=canary-7f3e91"))
            .collect::<Vec<_>>()
            .join("&");
        let sign = if query.is_empty() { "" } else { "?" };
        let url = format!("https://{}{}{}{sign}{query}", api.host, api.base, line.concrete());
        let pairs = |names: &[String]| -> Vec<Value> {
            names
                .iter()
                .map(|name| json!({"name": name, "value": "canary-7f3e91"}))
                .collect()
        };
        let mut headers = pairs(&line.headers);
        headers.push(json!({"name": "Authorization", "value": "Bearer canary-7f3e91"}));
        headers.push(json!({"name": "User-Agent", "value": "canary-7f3e91"}));
        let mut request = json!({
            "method": line.method, "url": url, "httpVersion": "HTTP/1.1", "headers": headers,
            "queryString": pairs(&line.query), "cookies": [{"name": "sid", "value": "canary-7f3e91"}],
        });
        match &line.body {
            Some((kind, fields)) if kind == "form" => {
                request["postData"] =
                    json!({"mimeType": "application/x-www-form-urlencoded", "params": pairs(fields)});
            }
            Some((_, fields)) => {
                let body: Map<String, Value> = fields
                    .iter()
                    .map(|f| (f.clone(), json!("canary-7f3e91")))
                    .collect();
                request["postData"] = json!({"mimeType": "application/json; charset=utf-8", "text": Value::Object(body).to_string()});
            }
            None => {}
        }
        let status = line.statuses[number / api.operations.len() % line.statuses.len()];
        entries.push(json!({
            "startedDateTime": "2026-01-01T00:00:00Z", "time": 1, "request": request,
            "response": {"status": status, "headers": [], "content": {
                "mimeType": "application/json", "text": "{\"id\": \"canary-7f3e91\", \"mail\": \"canary-7f3e91@example.com\"}",
            }},
        }));
    }
    json!({"log": {"version": "1.2", "creator": {"name": "Browser", "version": "1"}, "entries": entries}})
}

/// A value as block YAML, keys and texts without quotes where YAML allows it.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn plain(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '$')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/$_-.{}".contains(c))
        && !matches!(text, "true" | "false" | "null");
    if word {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                // A status is a number to many authors.
                let number = key.len() == 3 && key.bytes().all(|b| b.is_ascii_digit());
                out.push_str(&format!(
                    "{pad}{}:",
                    if number { key.clone() } else { plain(key) }
                ));
                child(value, indent, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                out.push_str(&format!("{pad}-"));
                child(value, indent, out);
            }
        }
        _ => out.push_str(&format!("{pad}{}\n", scalar(value))),
    }
}

fn child(value: &Value, indent: usize, out: &mut String) {
    let deep = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if deep {
        out.push('\n');
        block(value, indent + 2, out);
    } else {
        out.push_str(&format!(" {}\n", scalar(value)));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}
