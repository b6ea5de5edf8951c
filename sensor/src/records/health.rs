//! The health record: what the sensor saw and lost so far.

use analyzers::finding::Suppressed;
use reassembly::Counters;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::SensorRecord;
use super::time::Rfc3339;
use crate::audit::Head;
use crate::coverage::{Amounts, Coverage, Server};
use crate::source::{Losses, PortLosses};

/// Servers in a record; the others are summed.
const MOST_SERVERS: usize = 50;

#[derive(Serialize)]
struct CapturePart<'a> {
    received: u64,
    kernel_dropped: u64,
    interface_dropped: u64,
    /// Of each, where there are several interfaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<InterfacePart<'a>>,
}

#[derive(Serialize)]
struct InterfacePart<'a> {
    name: &'a str,
    up: bool,
    received: u64,
    kernel_dropped: u64,
    interface_dropped: u64,
}

impl<'a> From<&'a PortLosses> for InterfacePart<'a> {
    fn from(port: &'a PortLosses) -> Self {
        Self {
            name: &port.name,
            up: port.up,
            received: port.drops.received,
            kernel_dropped: port.drops.kernel,
            interface_dropped: port.drops.interface,
        }
    }
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

#[derive(Serialize)]
struct Kinds {
    all: u64,
    decoded: u64,
    opaque: u64,
    one_sided: u64,
    damaged: u64,
}

#[derive(Serialize)]
struct AmountsPart {
    flows: Kinds,
    bytes: Kinds,
}

impl From<&Amounts> for AmountsPart {
    fn from(a: &Amounts) -> Self {
        Self {
            flows: Kinds {
                all: a.all.flows,
                decoded: a.decoded.flows,
                opaque: a.opaque.flows,
                one_sided: a.one_sided.flows,
                damaged: a.damaged.flows,
            },
            bytes: Kinds {
                all: a.all.bytes,
                decoded: a.decoded.bytes,
                opaque: a.opaque.bytes,
                one_sided: a.one_sided.bytes,
                damaged: a.damaged.bytes,
            },
        }
    }
}

#[derive(Serialize)]
struct ServerPart<'a> {
    server: String,
    names: &'a [String],
    #[serde(flatten)]
    amounts: AmountsPart,
}

impl<'a> From<&'a Server> for ServerPart<'a> {
    fn from(server: &'a Server) -> Self {
        Self {
            server: server.address.to_string(),
            names: &server.names,
            amounts: (&server.amounts).into(),
        }
    }
}

#[derive(Serialize)]
struct RestPart {
    servers: u64,
    #[serde(flatten)]
    amounts: AmountsPart,
}

#[derive(Serialize)]
struct OneSidedPart {
    flows: usize,
    one_sided: usize,
    alarm: bool,
    alarms: u64,
}

#[derive(Serialize)]
struct CoveragePart<'a> {
    #[serde(flatten)]
    total: AmountsPart,
    silent_flows: u64,
    servers: Vec<ServerPart<'a>>,
    others: RestPart,
    one_sided: OneSidedPart,
}

impl<'a> From<&'a Coverage> for CoveragePart<'a> {
    fn from(coverage: &'a Coverage) -> Self {
        let (servers, rest, others) = coverage.servers(MOST_SERVERS);
        let one_sided = coverage.one_sided();
        let (flows, seen_once) = one_sided.window();
        Self {
            total: coverage.total().into(),
            silent_flows: coverage.silent(),
            servers: servers.into_iter().map(Into::into).collect(),
            others: RestPart {
                servers: others,
                amounts: (&rest).into(),
            },
            one_sided: OneSidedPart {
                flows,
                one_sided: seen_once,
                alarm: one_sided.alarm(),
                alarms: one_sided.raised(),
            },
        }
    }
}

#[derive(Serialize)]
struct SuppressionPart {
    line: u32,
    what: String,
    owner: String,
    until: String,
    over: bool,
    findings: u64,
    revisions: u64,
}

impl From<&Suppressed> for SuppressionPart {
    fn from(of: &Suppressed) -> Self {
        Self {
            line: of.by.line,
            what: of.by.what.clone(),
            owner: of.by.owner.clone(),
            until: of.by.until.to_string(),
            over: of.is_over,
            findings: of.findings,
            revisions: of.revisions,
        }
    }
}

/// The value on the health topic.
#[derive(Serialize)]
pub(crate) struct HealthRecord<'a> {
    v: u8,
    sensor: SensorRecord<'a>,
    ts: Rfc3339,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<CapturePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<KafkaPart>,
    reassembly: CountersPart<'a>,
    coverage: CoveragePart<'a>,
    analysis: GivenUp<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<SuppressionPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<&'a Head>,
}

/// What a record on the health topic is made from.
pub(crate) struct State<'a> {
    /// Of a live capture.
    pub(crate) drops: Option<&'a Losses>,
    /// With Kafka: records confirmed, waiting in the spool, shed.
    pub(crate) published: Option<(u64, u64, u64)>,
    pub(crate) reassembly: &'a Counters,
    pub(crate) coverage: &'a Coverage,
    /// What analysis gave up, by name.
    pub(crate) analysis: &'a [(&'static str, u64)],
    pub(crate) suppressed: &'a [Suppressed],
    /// How far the audit trail goes, when there is one.
    pub(crate) audit: Option<&'a Head>,
}

impl<'a> HealthRecord<'a> {
    /// The record at packet time `ts`.
    pub(crate) fn new(sensor: SensorRecord<'a>, ts: u64, state: &State<'a>) -> Self {
        Self {
            v: super::VERSION,
            sensor,
            ts: Rfc3339(ts),
            capture: state.drops.map(|d| CapturePart {
                received: d.all.received,
                kernel_dropped: d.all.kernel,
                interface_dropped: d.all.interface,
                interfaces: d.each.iter().map(Into::into).collect(),
            }),
            kafka: state.published.map(|(delivered, spooled, shed)| KafkaPart {
                delivered,
                spooled,
                shed,
            }),
            reassembly: CountersPart(state.reassembly),
            coverage: state.coverage.into(),
            analysis: GivenUp(state.analysis),
            suppressions: state.suppressed.iter().map(Into::into).collect(),
            audit: state.audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use analyzers::inventory::declared::Suppressions;
    use reassembly::{App, Flags, Flow, FlowRef, Timestamp};

    use super::*;
    use crate::source::Drops;

    #[test]
    fn a_record_fits_its_schema_and_has_the_servers_with_the_most_bytes() {
        let mut coverage = Coverage::new(20);
        for n in 0..200_u8 {
            let mut flags = Flags::empty();
            flags.insert(if n % 2 == 0 {
                Flags::OPAQUE
            } else {
                Flags::ONE_SIDED
            });
            coverage.flow(&Flow {
                flow: FlowRef {
                    client: ([10, 0, 0, 1], 40_000).into(),
                    server: ([10, 0, 1, n], 80).into(),
                    start: Timestamp(1),
                    vlan: None,
                    vni: None,
                    tls: false,
                },
                end: Timestamp(2),
                packets: 3,
                bytes: (u64::from(n), 0),
                lost: (0, 10),
                data_packets: (1, 0),
                first_data: (None, None),
                turns: 1,
                exchanges: 0,
                conflicts: Vec::new(),
                conflict_count: 0,
                tunnel: None,
                app: if n % 2 == 0 { App::Tls } else { App::Http1 },
                tls: None,
                flags,
            });
        }
        let counters = Counters::default();
        let sensor = SensorRecord {
            name: "s",
            version: "1",
        };
        let text = "[[suppress]]\nkind = \"weak_auth\"\nhost = \"*\"\nowner = \"a\"\nreason = \"b\"\nuntil = 2027-01-31\n";
        let suppressed: Vec<Suppressed> = Suppressions::read(text)
            .unwrap()
            .iter()
            .map(|by| Suppressed {
                by: by.clone(),
                is_over: false,
                findings: 2,
                worst: None,
                revisions: 3,
            })
            .collect();
        let port = |name: &str, received| PortLosses {
            name: name.to_owned(),
            drops: Drops {
                received,
                kernel: 1,
                interface: 2,
            },
            up: received > 0,
        };
        let drops = Losses {
            all: Drops {
                received: 7,
                kernel: 2,
                interface: 4,
            },
            each: vec![port("eth1", 7), port("eth2", 0)],
        };
        let record = HealthRecord::new(
            sensor,
            5,
            &State {
                drops: Some(&drops),
                published: None,
                reassembly: &counters,
                coverage: &coverage,
                analysis: &[],
                suppressed: &suppressed,
                audit: None,
            },
        );
        let record = serde_json::to_value(&record).unwrap();
        let schema = serde_json::from_str(include_str!("../../schemas/health.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        if let Err(error) = validator.validate(&record) {
            panic!("{error} at {}", error.instance_path());
        }
        let of = |at: usize, name: &str| record["capture"]["interfaces"][at][name].clone();
        assert_eq!(of(0, "name"), "eth1");
        assert_eq!((of(0, "up"), of(1, "up")), (true.into(), false.into()));
        assert_eq!((of(0, "received"), of(1, "received")), (7.into(), 0.into()));
        assert_eq!(record["suppressions"][0]["what"], "weak_auth at *");
        let part = &record["coverage"];
        assert_eq!(part["servers"].as_array().map(Vec::len), Some(MOST_SERVERS));
        assert_eq!(part["servers"][0]["server"], "10.0.1.199:80");
        assert_eq!(part["others"]["servers"], 200 - MOST_SERVERS);
        assert_eq!(part["flows"]["all"], 200);
        assert_eq!(part["bytes"]["all"], 200 * 199 / 2 + 2000);
        assert_eq!(part["bytes"]["one_sided"], 1000);
        assert_eq!(part["one_sided"]["alarm"], true);
        assert_eq!(part["one_sided"]["one_sided"], 100);
    }
}
