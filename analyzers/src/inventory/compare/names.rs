//! Names of parameters in a request that its operation does not declare: of the query, of fields that are not standard,
//! and of forms.
//!
//! Names come from whoever calls, so they pass the rules of privacy: what is no plain name is not told, only counted as
//! `(hidden)`.

use reassembly::Request;

use crate::privacy::{is_plain_name, segment};
use crate::spec::{Declared, Place, SecurityScheme, media};

/// Names looked at in one request.
const MOST: usize = 64;

/// Bytes of a form looked at.
const FORM: usize = 16 * 1024;

/// Names in a query that belong to whoever measures or caches, and to no API.
const FOREIGN: [&str; 12] = [
    "_",
    "fbclid",
    "gclid",
    "msclkid",
    "utm_campaign",
    "utm_content",
    "utm_id",
    "utm_medium",
    "utm_source",
    "utm_term",
    "cachebuster",
    "nocache",
];

/// Fields beside those of HTTP itself that clients, proxies and tracers add to any request.
const CARRIED: [&str; 14] = [
    "x-amz",
    "x-amzn",
    "x-b3",
    "x-client",
    "x-cloud",
    "x-correlation",
    "x-datadog",
    "x-envoy",
    "x-forwarded",
    "x-goog",
    "x-ot",
    "x-real",
    "x-request",
    "x-trace",
];

/// Names that an operation does not declare, each once.
pub(crate) fn undeclared(found: &Declared<'_>, request: &Request) -> Vec<(&'static str, String)> {
    let mut out: Vec<(&'static str, String)> = Vec::new();
    let mut add = |place: &'static str, name: &str| {
        let shown = if is_plain_name(name) { name } else { "(hidden)" };
        if !out.iter().any(|(p, n)| *p == place && n == shown) {
            out.push((place, shown.to_owned()));
        }
    };
    let (spec, operation) = (found.spec, found.operation);
    let is_declared = |place: Place, name: &str| {
        operation.parameter(&spec.schemas, place, name).is_some() || is_credential(found, place, name)
    };
    if let Some((_, query)) = request.target().split_once('?') {
        let query = query.split('#').next().unwrap_or("");
        for pair in query.split('&').filter(|p| !p.is_empty()).take(MOST) {
            let name = decoded(pair);
            if !FOREIGN.contains(&name.as_str()) && !is_declared(Place::Query, &name) {
                add("query", &name);
            }
        }
    }
    for (name, _) in request.message.head.fields().take(MOST) {
        if is_own_field(name) && !is_declared(Place::Header, name) {
            add("header", &name.to_ascii_lowercase());
        }
    }
    let message = &request.message;
    let is_form = message.field("content-type").is_some_and(|t| {
        t.split(';')
            .next()
            .unwrap_or("")
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if is_form
        && let Some(body) = &operation.body
        && let Some(schema) = media(&body.content, "application/x-www-form-urlencoded").and_then(|m| m.schema)
    {
        let shape = spec.schemas.shape(&[schema]);
        if !shape.is_free_object() && !shape.partial && !shape.properties.is_empty() {
            let bytes = &message.body[..message.body.len().min(FORM)];
            let text = String::from_utf8_lossy(bytes);
            for pair in text.split('&').filter(|p| !p.is_empty()).take(MOST) {
                let name = decoded(pair);
                let base = name.split('[').next().unwrap_or("");
                if !shape.properties.contains_key(name.as_str()) && !shape.properties.contains_key(base) {
                    add("form", &name);
                }
            }
        }
    }
    out
}

fn decoded(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or("");
    segment::decode(&name.replace('+', " ")).into_owned()
}

/// Whether a name carries a credential that the document knows of.
fn is_credential(found: &Declared<'_>, wanted: Place, wanted_name: &str) -> bool {
    found.spec.security_schemes.values().any(|scheme| match scheme {
        SecurityScheme::ApiKey { place, name } => *place == wanted && name.eq_ignore_ascii_case(wanted_name),
        _ => false,
    })
}

/// Whether a field is one that an API may have made up: it begins with `x-`, as most do, and nobody on the way adds it.
fn is_own_field(name: &str) -> bool {
    let starts = |with: &str| {
        name.get(..with.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(with))
    };
    starts("x-") && !CARRIED.into_iter().any(starts) && !name.eq_ignore_ascii_case("x-requested-with")
}
