//! # `schema_drift`, against a specification: an operation takes or gives what is not declared
//!
//! Holds what was learned of an endpoint's JSON bodies against the schemas of its operation: types that are not declared,
//! required properties that are missing, properties that are not declared. What is learned of the endpoint without a
//! specification is told beside it, by [`drift`](crate::inventory::shape::drift).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Check, is_contract, short_name};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Filing, Running, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Resource, Severity};
use crate::inventory::endpoint::Endpoint;
use crate::inventory::shape::{BodyView, FieldType, Form, ShapeView, Side, Step};
use crate::settings::Settings;
use crate::spec::{Media, Operation, Schema, SchemaId, Schemas, Spec, StatusPattern, Types};

/// Exchanges that must show a departure.
const SHOWN: u64 = 3;

/// Objects that must lack a property which was never seen.
const LACKING: u64 = 10;

/// Departures told of one endpoint.
const TOLD: usize = 40;

/// Exchanges between two comparisons of an endpoint that is called often.
const EVERY: u64 = 64;

/// Values looked at in one body to see whether it shows a departure.
const LOOKED_AT: usize = 20_000;

/// One departure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Departure {
    side: Side,
    /// The way to it; of a missing property, with its name.
    steps: Vec<Step>,
    path: String,
    what: What,
    /// What is declared, and what was seen.
    before: String,
    after: String,
    exchanges: u64,
}

/// What departs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Values of a type that is not declared.
    Retyped(Types),
    /// A required property that is not there.
    Missing,
    /// A property that is not declared: forbidden, or only not mentioned.
    Added { forbidden: bool },
}

impl Departure {
    /// Whether clients made from the specification may break by it, or requests that they do not make are taken.
    fn is_breaking(&self) -> bool {
        match self.what {
            What::Retyped(_) | What::Missing => true,
            What::Added { forbidden } => forbidden && self.side != Side::Request,
        }
    }

    fn json(&self) -> Value {
        json!({
            "path": self.path,
            "in": self.side.name(),
            "change": match self.what {
                What::Retyped(_) => "retyped",
                What::Missing => "removed",
                What::Added { .. } => "added",
            },
            "before": self.before,
            "after": self.after,
            "breaking": self.is_breaking(),
            "exchanges": self.exchanges,
        })
    }
}

/// Where the bodies of an endpoint depart from what its operation declares.
pub(crate) fn departures(spec: &Spec, operation: &Operation, shape: &ShapeView) -> Vec<Departure> {
    let mut out = Vec::new();
    for body in shape.bodies.iter().filter(|body| body.form == Form::Json) {
        let ids = declared(operation, body.side, shape);
        if !ids.is_empty() {
            of_body(&spec.schemas, ids, body, &mut out);
        }
    }
    out.sort_by_key(|d| !d.is_breaking());
    out.truncate(TOLD);
    out
}

/// The schemas that bodies may have: of all statuses of a class that were seen, since their bodies are learned together.
fn declared(operation: &Operation, side: Side, shape: &ShapeView) -> Vec<SchemaId> {
    let of = |content: &[Media]| -> Option<Vec<SchemaId>> {
        let json = content
            .iter()
            .filter(|m| m.media_type.contains("json") || m.media_type.ends_with("/*"));
        // A form without a schema says that anything may come.
        json.map(|media| media.schema).collect()
    };
    match side {
        Side::Request => operation
            .body
            .as_ref()
            .and_then(|b| of(&b.content))
            .unwrap_or_default(),
        Side::Response(class) => {
            let mut ids = Vec::new();
            let seen = shape.statuses.iter().map(|(status, _)| *status);
            for status in seen.filter(|status| status / 100 == u16::from(class)) {
                let Some(response) = operation.response(status) else {
                    continue;
                };
                // What is said of all other statuses is too little to hold an answer against.
                if response.status == StatusPattern::Default && class == 2 && operation.responses.len() > 1 {
                    return Vec::new();
                }
                match of(&response.content) {
                    Some(more) => ids.extend(more),
                    None => return Vec::new(),
                }
            }
            ids.sort_unstable();
            ids.dedup();
            ids
        }
    }
}

fn of_body(schemas: &Schemas, root: Vec<SchemaId>, body: &BodyView, out: &mut Vec<Departure>) {
    // Fields come after what they are in.
    let mut known: BTreeMap<&[Step], Vec<SchemaId>> = BTreeMap::new();
    let is_map = |steps: &[Step]| {
        body.fields.iter().any(|f| {
            f.steps.len() == steps.len() + 1
                && f.steps.starts_with(steps)
                && f.steps.last() == Some(&Step::Key)
        })
    };
    for field in &body.fields {
        let ids = match field.steps.split_last() {
            None => root.clone(),
            Some((last, above)) => {
                let Some(parents) = known.get(above) else { continue };
                let parent = schemas.shape(parents);
                let found = match last {
                    Step::Name(name) => parent.properties.get(name.as_str()).cloned(),
                    Step::Element => Some(parent.items.clone()),
                    _ => Some(Vec::new()),
                };
                match found {
                    Some(ids) if !ids.is_empty() => ids,
                    Some(_) => parent.additional.clone(),
                    None if !parent.additional.is_empty() => parent.additional.clone(),
                    None => {
                        let described = !parent.properties.is_empty() && !parent.open && !parent.partial;
                        let told =
                            (described || parent.closed) && field.presence.seen >= SHOWN && !is_map(above);
                        if told {
                            out.push(Departure {
                                side: body.side,
                                steps: field.steps.clone(),
                                path: field.path(),
                                what: What::Added {
                                    forbidden: parent.closed,
                                },
                                before: if parent.closed {
                                    "forbidden"
                                } else {
                                    "not declared"
                                }
                                .to_owned(),
                                after: names(field.types.iter().map(|(t, _)| *t)),
                                exchanges: field.presence.seen,
                            });
                        }
                        continue;
                    }
                }
            }
        };
        if ids.is_empty() {
            continue;
        }
        let shape = schemas.shape(&ids);
        if !shape.partial {
            let other: Vec<_> = field
                .types
                .iter()
                .filter(|(kind, count)| *count >= SHOWN && !shape.types.allows(types(*kind)))
                .collect();
            if !other.is_empty() {
                out.push(Departure {
                    side: body.side,
                    steps: field.steps.clone(),
                    path: field.path(),
                    what: What::Retyped(other.iter().fold(Types::default(), |all, (t, _)| all | types(*t))),
                    before: shape.types.names().collect::<Vec<_>>().join(" or "),
                    after: names(other.iter().map(|(t, _)| *t)),
                    exchanges: other.iter().map(|(_, count)| *count).max().unwrap_or(0),
                });
            }
            if !is_map(&field.steps) {
                missing(schemas, &shape, field, body, out);
            }
        }
        known.insert(&field.steps, ids);
    }
}

/// Required properties that an object lacks.
fn missing(
    schemas: &Schemas,
    shape: &crate::spec::Shape<'_>,
    object: &crate::inventory::shape::FieldView,
    body: &BodyView,
    out: &mut Vec<Departure>,
) {
    let objects = object
        .types
        .iter()
        .find(|(kind, _)| *kind == FieldType::Object)
        .map_or(0, |(_, count)| count.saturating_sub(body.cut));
    if objects < SHOWN {
        return;
    }
    for name in &shape.required {
        // Required, and only the other way (OpenAPI, readOnly and writeOnly).
        let one_way = |schema: &Schema| match body.side {
            Side::Request => schema.read_only,
            Side::Response(_) => schema.write_only,
        };
        let property = shape.properties.get(name);
        if property.is_some_and(|ids| ids.iter().filter_map(|id| schemas.get(*id)).any(one_way)) {
            continue;
        }
        let mut steps = object.steps.clone();
        steps.push(Step::Name((*name).to_owned()));
        let seen = body.fields.iter().find(|field| field.steps == steps);
        let (lacking, enough) = match seen {
            Some(field) => (field.presence.of.saturating_sub(field.presence.every), SHOWN),
            None => (objects, LACKING),
        };
        if lacking >= enough {
            let path = match object.path() {
                above if above.is_empty() => (*name).to_owned(),
                above => format!("{above}.{name}"),
            };
            out.push(Departure {
                side: body.side,
                steps,
                path,
                what: What::Missing,
                before: "required".to_owned(),
                after: "missing".to_owned(),
                exchanges: lacking,
            });
        }
    }
}

fn types(kind: FieldType) -> Types {
    Types::named(kind.name()).unwrap_or(Types::ANY)
}

fn names(kinds: impl Iterator<Item = FieldType>) -> String {
    kinds.map(FieldType::name).collect::<Vec<_>>().join(" or ")
}

/// Whether a body shows a departure.
fn shows(value: &Value, steps: &[Step], what: What, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    let Some((step, below)) = steps.split_first() else {
        return match what {
            What::Retyped(kinds) => {
                let own = match value {
                    Value::Null => Types::NULL,
                    Value::Bool(_) => Types::BOOLEAN,
                    Value::Number(n) if n.is_f64() => Types::NUMBER,
                    Value::Number(_) => Types::INTEGER,
                    Value::String(_) => Types::STRING,
                    Value::Array(_) => Types::ARRAY,
                    Value::Object(_) => Types::OBJECT,
                };
                kinds.names().any(|name| Types::named(name) == Some(own))
            }
            What::Missing => false,
            What::Added { .. } => true,
        };
    };
    match (step, value) {
        (Step::Name(name), Value::Object(map)) => match map.get(name) {
            Some(inner) => shows(inner, below, what, left),
            None => what == What::Missing && below.is_empty(),
        },
        (Step::Key, Value::Object(map)) => map.values().any(|inner| shows(inner, below, what, left)),
        (Step::Element, Value::Array(list)) => list.iter().any(|inner| shows(inner, below, what, left)),
        _ => false,
    }
}

/// Looks at an endpoint now and then, and tells departures with an exchange that shows one.
pub(crate) fn observe(activity: &Activity<'_>, endpoint: &Endpoint, check: &Check<'_>, filing: &mut Filing) {
    let due = endpoint.exchanges >= SHOWN
        && (endpoint.exchanges.is_power_of_two()
            || endpoint.exchanges.is_multiple_of(EVERY)
            || endpoint.exchanges < 16);
    let Some(found) = check.found.filter(|found| due && is_contract(found.spec)) else {
        return;
    };
    let all = departures(found.spec, found.operation, &endpoint.shape.view());
    if all.is_empty() {
        return;
    }
    let body = |side: Side| {
        let bytes = match side {
            Side::Request => Some(&activity.request.message.body),
            Side::Response(_) => activity.exchange.response.as_ref().map(|r| &r.message.body),
        };
        bytes.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
    };
    let (request, response) = (body(Side::Request), body(Side::Response(0)));
    let class = activity.status.map_or(0, |status| (status / 100) as u8);
    let mut left = LOOKED_AT;
    let shown = all.iter().any(|departure| {
        let value = match departure.side {
            Side::Request => &request,
            Side::Response(of) if of == class => &response,
            Side::Response(_) => &None,
        };
        value
            .as_ref()
            .is_some_and(|value| shows(value, &departure.steps, departure.what, &mut left))
    });
    if !shown {
        return;
    }
    let id = endpoint.id.to_string();
    let parts: [&[u8]; 2] = [id.as_bytes(), b"declared"];
    let draft = || draft(found.spec, found.operation, activity.resource());
    filing.report(subject(&parts), severity(&all), draft, |running| {
        numbers(running, &all, endpoint);
    });
}

/// Tells what no exchange at hand has shown.
pub(crate) fn conclude(endpoint: &Endpoint, settings: &Settings, filing: &mut Filing) {
    if endpoint.compared.as_ref().is_none_or(|c| c.declared == 0) {
        return;
    }
    let path = endpoint.template.split('#').next().unwrap_or("");
    let found = settings
        .declared
        .specs
        .find(&endpoint.method, &endpoint.host, path);
    let Some(found) = found.filter(|found| is_contract(found.spec)) else {
        return;
    };
    let all = departures(found.spec, found.operation, &endpoint.shape.view());
    if all.is_empty() {
        return;
    }
    let id = endpoint.id.to_string();
    let resource = Resource {
        endpoint: Some(id.clone()),
        host: Some(endpoint.host.clone()),
        method: Some(endpoint.method.clone()),
        template: Some(endpoint.template.clone()),
        ..Resource::default()
    };
    filing.state(
        subject(&[id.as_bytes(), b"declared"]),
        severity(&all),
        endpoint.last,
        || draft(found.spec, found.operation, resource),
        |running| numbers(running, &all, endpoint),
    );
}

fn subject<'a>(parts: &'a [&'a [u8]]) -> Subject<'a> {
    Subject {
        kind: Kind::SchemaDrift,
        parts,
        window: 0,
    }
}

fn severity(all: &[Departure]) -> Severity {
    match all.iter().any(Departure::is_breaking) {
        true => Severity::Medium,
        false => Severity::Info,
    }
}

fn draft(spec: &Spec, operation: &Operation, resource: Resource) -> Draft {
    Draft {
        confidence: 0.85,
        resource,
        observed: vec![("basis", json!("specification"))],
        expected: vec![
            ("changes", json!(0)),
            ("specification", json!(short_name(spec))),
            ("line", json!(operation.at.line)),
        ],
        ..Draft::default()
    }
}

fn numbers(running: &mut Running<'_>, all: &[Departure], endpoint: &Endpoint) {
    let breaking = all.iter().filter(|d| d.is_breaking()).count();
    running.set_count(all.iter().map(|d| d.exchanges).max().unwrap_or(1).max(1));
    running.observed("breaking", breaking as u64);
    running.observed("additive", (all.len() - breaking) as u64);
    running.observed("changes", all.iter().map(Departure::json).collect::<Vec<_>>());
    running.support("exchanges", endpoint.exchanges);
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let empty = Vec::new();
    let changes = finding
        .observed
        .get("changes")
        .and_then(Value::as_array)
        .unwrap_or(&empty);
    let named = |change: &Value| {
        let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let (path, place) = (text("path"), text("in"));
        let subject = match path.is_empty() {
            true => format!("the {place}"),
            false => format!("{path} of the {place}"),
        };
        match text("change").as_str() {
            "retyped" => format!(
                "{subject} is {} where {} is declared",
                text("after"),
                text("before")
            ),
            "removed" => format!("{subject} is required and missing"),
            _ => format!("{subject} is {}", text("before")),
        }
    };
    let shown: Vec<String> = changes.iter().take(3).map(named).collect();
    let rest = changes.len().saturating_sub(shown.len()) as u64;
    let more = match rest {
        0 => String::new(),
        rest => format!("; and {}", many(rest, "other departure", "other departures")),
    };
    let kind = match finding.observed_number("breaking") {
        0 => "additive",
        _ => "breaking",
    };
    sentence(&format!(
        "{} departs from what {} declares ({kind}, seen {}): {}{more}.",
        finding.place(),
        super::undocumented::expected_text(finding, "specification"),
        many(finding.count, "time", "times"),
        shown.join("; "),
    ))
}
