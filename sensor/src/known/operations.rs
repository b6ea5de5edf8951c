//! Declared operations as records: what specifications promise, whether or not anybody calls it yet. A pipeline that holds
//! them against a policy needs no traffic.

use std::collections::BTreeMap;

use analyzers::id::Id;
use analyzers::inventory::Declared;
use analyzers::spec::{Operation, Spec};
use serde_json::{Value, json};

use super::{Known, Source};

/// Every operation of every specification, in their order. `hosts` are those that were given for each file, else empty.
pub(crate) fn of(declared: &Declared, hosts: &[Vec<String>], traffic: Option<&Source>) -> Vec<Known> {
    let seen = traffic.map(seen);
    let mut out = Vec::new();
    for (number, spec) in declared.specs.specs().iter().enumerate() {
        let given = hosts.get(number).map_or(&[][..], Vec::as_slice);
        for operation in &spec.operations {
            let record = record(declared, spec, operation, given, seen.as_ref());
            out.push(Known {
                json: record.to_string().into_bytes(),
                value: record,
                line: None,
                called_by: Vec::new(),
                uses: Vec::new(),
            });
        }
    }
    out
}

/// Calls of endpoints by the place where they are declared.
type Seen = BTreeMap<(String, u64), u64>;

fn seen(source: &Source) -> Seen {
    let mut found = Seen::new();
    for endpoint in source.endpoints() {
        if let Some(place) = super::facts::declared_at(&endpoint) {
            *found.entry((place.file, place.line)).or_default() += endpoint.count("exchanges");
        }
    }
    found
}

fn record(
    declared: &Declared,
    spec: &Spec,
    operation: &Operation,
    given: &[String],
    seen: Option<&Seen>,
) -> Value {
    let servers = operation.servers.iter().filter_map(|s| spec.servers.get(*s));
    let targets: Vec<_> = servers.flat_map(|server| &server.targets).collect();
    let mut hosts: Vec<String> = if given.is_empty() {
        let own = targets.iter().filter_map(|t| t.host.as_ref());
        own.map(|host| host.as_str().to_owned()).collect()
    } else {
        given.to_vec()
    };
    hosts.sort();
    hosts.dedup();
    let base = targets.first().map_or("", |t| t.base.as_str());
    let host = hosts.first().cloned().unwrap_or_default();
    let template = format!("{base}{}", operation.path);
    let said = declared.facts(&host, &operation.method, &template);
    let line = u64::from(operation.at.line);
    let id = Id::of(&[
        b"operation",
        host.as_bytes(),
        operation.method.as_bytes(),
        template.as_bytes(),
    ]);
    let mut record = json!({
        "v": crate::records::VERSION,
        "id": id.to_string(),
        "host": host,
        "hosts": hosts,
        "method": operation.method,
        "template": template,
        "deprecated": operation.deprecated,
        "tags": operation.tags,
        "declared": {"specification": spec.name, "line": line},
    });
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            record[name] = value.into();
        }
    };
    put("operation", operation.id.as_deref());
    put("summary", operation.summary.as_deref());
    let owner = said
        .owner
        .map(|(owner, _)| owner)
        .or_else(|| spec.owner_of(operation));
    put("owner", owner);
    put("tier", said.tier.map(|tier| tier.name()));
    put("environment", said.environment);
    put("purpose", said.purpose);
    if let Some(security) = &operation.security {
        record["authenticated"] = security.is_required().into();
    }
    if let Some(seen) = seen {
        let calls = seen.get(&(spec.name.clone(), line)).copied().unwrap_or(0);
        record["seen"] = (calls > 0).into();
        record["exchanges"] = calls.into();
    }
    record
}
