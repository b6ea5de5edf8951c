//! The health record: what the sensor saw and lost so far.

use reassembly::Counters;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::SensorRecord;
use super::time::Rfc3339;
use crate::source::Drops;

#[derive(Serialize)]
struct CapturePart {
    received: u64,
    kernel_dropped: u64,
    interface_dropped: u64,
}

#[derive(Serialize)]
struct KafkaPart {
    delivered: u64,
    spooled: u64,
    shed: u64,
}

struct CountersPart<'a>(&'a Counters);

impl Serialize for CountersPart<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, _, value) in self.0.named() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

struct GivenUp<'a>(&'a [(&'static str, u64)]);

impl Serialize for GivenUp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The value on the health topic.
#[derive(Serialize)]
pub(crate) struct HealthRecord<'a> {
    v: u8,
    sensor: SensorRecord<'a>,
    ts: Rfc3339,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<CapturePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<KafkaPart>,
    reassembly: CountersPart<'a>,
    analysis: GivenUp<'a>,
}

impl<'a> HealthRecord<'a> {
    /// The record at packet time `ts`; `drops` only for a live capture, `published` only with Kafka: confirmed,
    /// waiting in the spool, shed.
    pub(crate) fn new(
        sensor: SensorRecord<'a>,
        ts: u64,
        drops: Option<Drops>,
        published: Option<(u64, u64, u64)>,
        reassembly: &'a Counters,
        analysis: &'a [(&'static str, u64)],
    ) -> Self {
        Self {
            v: super::VERSION,
            sensor,
            ts: Rfc3339(ts),
            capture: drops.map(|d| CapturePart {
                received: d.received,
                kernel_dropped: d.kernel,
                interface_dropped: d.interface,
            }),
            kafka: published.map(|(delivered, spooled, shed)| KafkaPart {
                delivered,
                spooled,
                shed,
            }),
            reassembly: CountersPart(reassembly),
            analysis: GivenUp(analysis),
        }
    }
}
