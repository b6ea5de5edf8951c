//! A record's headers: CloudEvents 1.0 in binary mode, and three of our own to route by.

use rdkafka::message::{Header, OwnedHeaders};

use crate::output::record::{Record, Topic};
use crate::records::time::Rfc3339;

/// The CloudEvents id: unique for the source, and the same whenever the same capture is replayed.
///
/// A finding's is its id and revision. Records of state have no revision; their packet time and a
/// checksum of the value take its place.
pub(super) fn event_id(record: &Record) -> String {
    #[derive(serde::Deserialize)]
    struct Revised {
        revision: u64,
    }
    let value = record.value.as_deref().unwrap_or_default();
    if record.topic == Topic::Findings
        && let Ok(Revised { revision }) = serde_json::from_slice(value)
    {
        return format!("{}.{revision}", record.key);
    }
    format!("{}.{}.{:08x}", record.key, record.time_ns, crc32fast::hash(value))
}

fn event_type(topic: Topic) -> &'static str {
    match topic {
        Topic::Findings => "tapline.finding.v1",
        Topic::Inventory => "tapline.endpoint.v1",
        Topic::Agents => "tapline.principal.v1",
        Topic::Health => "tapline.health.v1",
    }
}

/// Name and value of every header, in the order they are sent.
pub(super) fn pairs(record: &Record, sensor: &str) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_type", event_type(record.topic).to_owned()),
        ("ce_source", format!("urn:tapline:sensor:{}", urn_part(sensor))),
        ("ce_id", event_id(record)),
        ("ce_time", Rfc3339(record.time_ns).to_string()),
        ("ce_subject", record.subject.clone()),
    ];
    // A tombstone has no data, so there is no type of it to state.
    if record.value.is_some() {
        pairs.push(("content-type", "application/json".to_owned()));
    }
    if let Some(severity) = record.severity {
        pairs.push(("severity", severity.name().to_owned()));
    }
    if let Some(kind) = &record.kind {
        pairs.push(("kind", kind.clone()));
    }
    if let Some(kind) = record.principal_kind {
        pairs.push(("principal_kind", kind.to_owned()));
    }
    // Attributes must not be empty (CloudEvents 1.0, section 3.1).
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
}

pub(super) fn headers(record: &Record, sensor: &str) -> OwnedHeaders {
    let pairs = pairs(record, sensor);
    let empty = OwnedHeaders::new_with_capacity(pairs.len());
    pairs.iter().fold(empty, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value.as_str()),
        })
    })
}

/// A name fit for the last part of a URN (RFC 8141): anything unusual percent-encoded.
fn urn_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use analyzers::Severity;

    fn finding() -> Record {
        Record {
            topic: Topic::Findings,
            key: "f1".to_owned(),
            value: Some(br#"{"v":1,"id":"f1","revision":3}"#.to_vec()),
            severity: Some(Severity::High),
            kind: Some("bola_enumeration".to_owned()),
            principal_kind: Some("ai_agent"),
            time_ns: 1_709_164_800_000_000_001,
            subject: "GET api.example /orders/{id}".to_owned(),
        }
    }

    #[test]
    fn a_finding_carries_what_the_contract_says() {
        assert_eq!(
            pairs(&finding(), "edge 1"),
            [
                ("ce_specversion", "1.0"),
                ("ce_type", "tapline.finding.v1"),
                ("ce_source", "urn:tapline:sensor:edge%201"),
                ("ce_id", "f1.3"),
                ("ce_time", "2024-02-29T00:00:00.000000001Z"),
                ("ce_subject", "GET api.example /orders/{id}"),
                ("content-type", "application/json"),
                ("severity", "high"),
                ("kind", "bola_enumeration"),
                ("principal_kind", "ai_agent"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn a_tombstone_has_an_id_and_no_content_type() {
        let record = Record {
            topic: Topic::Agents,
            value: None,
            ..finding()
        };
        let pairs = pairs(&record, "s");
        assert!(pairs.iter().all(|(name, _)| *name != "content-type"));
        assert!(pairs.contains(&("ce_id", "f1.1709164800000000001.00000000".to_owned())));
    }
}
