//! # `shadow_endpoint`: an endpoint that no specification of its host declares
//!
//! Reports an endpoint that did what was asked (1xx, 2xx, 304, or a redirect of what changes state) on a host that a
//! specification speaks of, and whose path, or whose method on a declared path, no specification declares: after three such
//! calls, or at the end of the input after one. Worse when it hands out payment, health or secret data (high), changes
//! state, belongs to an operator (`admin`, `internal`), hands out other personal data or is called by AI agents (medium); of
//! health checks, logins and documentation it is for the record.
//!
//! Source: OWASP API Security Top 10 2023, API9; field.md R03.
//!
//! Blind to: pages and their parts (HTML, style sheets, scripts, images, fonts), unless they are data with another media
//! type; hosts of which no specification speaks, which the summary lists; what is only ever refused. A specification that
//! names no host is held against a host once three of its operations, or all that it has, were called there.
//!
//! Quiet when: the answer is a refusal (404, 405, 401 …), a redirect of a GET, the request is OPTIONS, CONNECT or TRACE, or
//! HEAD where GET is declared, or the path is one of a static file.

use serde_json::{Value, json};

use super::undocumented::expected_text;
use super::{Check, Verdict, short_name};
use crate::behaviour::{is_public_route, privileged};
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Resource, Severity};
use crate::id::Id;
use crate::inventory::declared::Declared;
use crate::inventory::endpoint::Endpoint;
use crate::settings::Settings;
use crate::spec::{Lookup, Spec};

/// Successful calls before an endpoint is told while traffic goes on; at its end, one is enough. Values in a path are only
/// known to be values after a few of them, and each would be told as an endpoint.
const CALLS: u64 = 3;

/// What is told of an endpoint.
struct Told<'a> {
    spec: &'a Spec,
    /// Methods that are declared for its path.
    methods: Vec<&'a str>,
    severity: Severity,
}

/// What the specifications say about an endpoint that they do not declare.
fn judged<'a>(endpoint: &Endpoint, declared: &'a Declared) -> Option<Told<'a>> {
    if endpoint.is_static || !endpoint.proven {
        return None;
    }
    let path = path_of(endpoint);
    let specs = &declared.specs;
    let (spec, methods) = match specs.lookup(&endpoint.method, &endpoint.host, path) {
        Lookup::Operation(_) => return None,
        Lookup::OtherMethods(others) => {
            let head = endpoint.method == "HEAD" && others.iter().any(|o| o.operation.method == "GET");
            if head {
                return None;
            }
            let methods = others.iter().map(|o| o.operation.method.as_str()).collect();
            (others.first()?.spec, methods)
        }
        Lookup::OtherPaths(number) => (specs.specs().get(number)?, Vec::new()),
        // A document that names no host, which is meant here.
        Lookup::Nothing => (
            specs.specs().iter().find(|s| {
                s.servers
                    .iter()
                    .all(|s| s.targets.iter().all(|t| t.host.is_none()))
            })?,
            Vec::new(),
        ),
    };
    let changes = changes_state(endpoint);
    let sensitive = endpoint
        .data
        .response
        .iter()
        .any(|(class, data)| !class.is_contact() && data.is_claimed(*class));
    let severity = if sensitive {
        Severity::High
    } else if is_public_route(&endpoint.template) {
        Severity::Info
    } else if changes
        || privileged(&endpoint.template)
        || !endpoint.data.response.is_empty()
        || endpoint.agent_count() > 0
    {
        Severity::Medium
    } else {
        Severity::Low
    };
    Some(Told {
        spec,
        methods,
        severity,
    })
}

/// The path of an endpoint; operations of an RPC lie behind one.
fn path_of(endpoint: &Endpoint) -> &str {
    endpoint.template.split('#').next().unwrap_or("")
}

/// The id of the endpoint that the path would be: it is the same for all operations of an RPC.
fn path_id(endpoint: &Endpoint) -> Id {
    match endpoint.template.contains('#') {
        true => endpoint.scope().endpoint(&endpoint.method, path_of(endpoint)),
        false => endpoint.id,
    }
}

fn changes_state(endpoint: &Endpoint) -> bool {
    matches!(endpoint.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") && endpoint.protocol == "http"
}

fn draft(endpoint: &Endpoint, told: &Told<'_>, status: Option<u16>) -> Draft {
    let reason = if told.methods.is_empty() {
        "other_path"
    } else {
        "other_method"
    };
    Draft {
        confidence: 0.9,
        resource: resource(endpoint),
        observed: vec![
            ("status", json!(status)),
            ("reason", json!(reason)),
            ("changes_state", json!(changes_state(endpoint))),
            (
                "data",
                json!(
                    endpoint
                        .data
                        .response
                        .keys()
                        .map(|c| c.name())
                        .collect::<Vec<_>>()
                ),
            ),
        ],
        expected: vec![
            ("specification", json!(short_name(told.spec))),
            ("operations", json!(told.spec.operations.len())),
            ("methods", json!(told.methods)),
        ],
        earlier: endpoint
            .compared
            .iter()
            .filter_map(|c| c.first.as_deref().cloned())
            .collect(),
        ..Draft::default()
    }
}

/// An endpoint as a resource; what is told of the path of an RPC is told of all its operations.
fn resource(endpoint: &Endpoint) -> Resource {
    Resource {
        endpoint: Some(endpoint.id.to_string()),
        host: Some(endpoint.host.clone()),
        method: Some(endpoint.method.clone()),
        template: Some(path_of(endpoint).to_owned()),
        tool: None,
        object: None,
    }
}

/// Looks at one exchange that is not declared.
pub(crate) fn observe(
    endpoint: &Endpoint,
    status: Option<u16>,
    check: &Check<'_>,
    settings: &Settings,
    filing: &mut Filing,
) {
    if check.verdict == Verdict::Declared || !check.done || check.page {
        return;
    }
    let Some(compared) = endpoint.compared.as_ref().filter(|c| c.undeclared >= CALLS) else {
        return;
    };
    let Some(told) = judged(endpoint, &settings.declared) else {
        return;
    };
    let id = path_id(endpoint).to_string();
    let subject = Subject {
        kind: Kind::ShadowEndpoint,
        parts: &[id.as_bytes()],
        window: 0,
    };
    let (count, callers) = (compared.undeclared, endpoint.caller_count() as u64);
    filing.report(
        subject,
        told.severity,
        || draft(endpoint, &told, status),
        |running| numbers(running, endpoint, count, callers),
    );
}

fn numbers(running: &mut crate::finding::ledger::Running<'_>, endpoint: &Endpoint, count: u64, callers: u64) {
    running.count(count);
    running.observed("calls", count);
    running.observed("callers", callers);
    running.observed("agents", endpoint.agent_count());
    running.observed("open_2xx", endpoint.open_ok);
    running.support("exchanges", endpoint.exchanges);
}

/// Tells an endpoint that was called too seldom to be told before.
pub(crate) fn conclude(endpoint: &Endpoint, settings: &Settings, filing: &mut Filing) {
    let Some(compared) = endpoint.compared.as_ref().filter(|c| c.undeclared > 0) else {
        return;
    };
    let (Some(first), Some(told)) = (compared.first.as_deref(), judged(endpoint, &settings.declared)) else {
        return;
    };
    let id = path_id(endpoint).to_string();
    let subject = Subject {
        kind: Kind::ShadowEndpoint,
        parts: &[id.as_bytes()],
        window: 0,
    };
    let (count, callers) = (compared.undeclared, endpoint.caller_count() as u64);
    let at = reassembly::Timestamp(first.ts);
    filing.state(
        subject,
        told.severity,
        at,
        || draft(endpoint, &told, first.status),
        |running| numbers(running, endpoint, count, callers),
    );
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let spec = expected_text(finding, "specification");
    let operations = finding
        .expected
        .get("operations")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let methods = finding.expected.get("methods").and_then(Value::as_array);
    let methods: Vec<&str> = methods.into_iter().flatten().filter_map(Value::as_str).collect();
    let but = match methods.is_empty() {
        true => format!(
            "{spec}, which declares {} there, does not declare the path",
            many(operations, "operation", "operations")
        ),
        false => format!("{spec} declares the path with {} only", methods.join(", ")),
    };
    let mut weight = Vec::new();
    let classes: Vec<_> = finding
        .observed_list("data")
        .into_iter()
        .map(class_title)
        .collect();
    if !classes.is_empty() {
        weight.push(format!("hands out {}", classes.join(" and ")));
    }
    if finding.observed_flag("changes_state") {
        weight.push("changes state".to_owned());
    }
    let open = finding.observed_number("open_2xx");
    if open > 0 {
        weight.push(format!(
            "answered {} without a credential",
            many(open, "call", "calls")
        ));
    }
    let weight = if weight.is_empty() {
        String::new()
    } else {
        format!(" It {}.", weight.join(", and "))
    };
    sentence(&format!(
        "{} did what {} of {} asked, but {but}.{weight}",
        finding.place(),
        many(finding.count, "call", "calls"),
        many(finding.observed_number("callers"), "caller", "callers"),
    ))
}
