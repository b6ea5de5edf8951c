//! The records that leave the sensor, as types of their own: renaming a field of the analysis cannot change what
//! a consumer reads. Fields keep their order; what is not known is left out.

pub(crate) mod a2a;
pub(crate) mod exchange;
pub(crate) mod flow;
pub(crate) mod part;

pub(crate) mod endpoint;
pub(crate) mod finding;
pub(crate) mod health;
pub(crate) mod mcp;
pub(crate) mod principal;

mod json;
mod llm;
pub(crate) mod time;

pub(crate) use time::Rfc3339;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Version of every record format.
pub(crate) const VERSION: u8 = 1;

/// Who made a record.
#[derive(Debug, serde::Serialize)]
pub(crate) struct SensorRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

/// Pairs written as one object, in their order.
pub(crate) struct Pairs<'a, V>(pub(crate) &'a [(String, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Answers by class of their status.
#[derive(Debug, serde::Serialize)]
pub(crate) struct StatusRecord {
    #[serde(rename = "1xx")]
    informational: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
    none: u64,
}

impl StatusRecord {
    /// Counts of 1xx … 5xx, and of exchanges without an answer.
    pub(crate) fn new(classes: [u64; 5], none: u64) -> Self {
        let [informational, success, redirection, client_error, server_error] = classes;
        Self {
            informational,
            success,
            redirection,
            client_error,
            server_error,
            none,
        }
    }
}

/// The JSON object of a record, without newline.
pub(crate) fn to_json(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    // Records hold nothing that JSON cannot say, and a Vec takes every byte.
    serde_json::to_writer(&mut bytes, record)
        .expect("a record is made of strings, numbers, lists and objects");
    bytes
}
