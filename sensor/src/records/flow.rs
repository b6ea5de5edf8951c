//! The flow record: one TCP flow, or one of QUIC or DTLS, when it is over.

use reassembly::{Conflict, Flow};
use serde::Serialize;

use super::time::Rfc3339;

#[derive(Serialize)]
struct Bytes {
    client: u64,
    server: u64,
}

#[derive(Serialize)]
struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<u64>,
}

/// A retransmission that differs. Of the bytes nothing leaves but hashes, with a key, for they may be few.
#[derive(Serialize)]
struct ConflictRecord {
    from: &'static str,
    ts: Rfc3339,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    offset: u64,
    seq: u32,
    len: u64,
    first: String,
    second: String,
}

impl ConflictRecord {
    fn new(conflict: &Conflict, key: &[u8; 32]) -> Self {
        let hash = |bytes: &[u8]| analyzers::privacy::short_hash(key, "retransmission", bytes);
        Self {
            from: if conflict.from_client { "client" } else { "server" },
            ts: Rfc3339(conflict.ts.0),
            frame: (conflict.frame > 0).then_some(conflict.frame),
            offset: conflict.offset,
            seq: conflict.seq,
            len: conflict.len,
            first: hash(&conflict.first),
            second: hash(&conflict.second),
        }
    }
}

/// One line of `--flows`.
#[derive(Serialize)]
pub(crate) struct FlowRecord {
    v: u8,
    id: String,
    client: String,
    server: String,
    start: Rfc3339,
    end: Rfc3339,
    packets: u64,
    bytes: Bytes,
    lost: Bytes,
    data_packets: Bytes,
    first_data_ns: Times,
    turns: u32,
    exchanges: u32,
    app: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vni: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    conflict_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<ConflictRecord>,
    flags: Vec<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a TLS handshake told.
#[derive(Serialize)]
struct TlsRecord {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<String>,
    ech: bool,
}

impl TlsRecord {
    fn new(tls: &reassembly::Tls) -> Self {
        /// Protocol names that are shown as they are; what else a client writes there is its own.
        const PROTOCOLS: [&str; 9] = [
            "h2",
            "http/1.1",
            "http/1.0",
            "h3",
            "grpc-exp",
            "mqtt",
            "postgresql",
            "imap",
            "smtp",
        ];
        let shown = |name: &&String| PROTOCOLS.contains(&name.as_str());
        Self {
            version: tls.version.name(),
            sni: tls
                .sni
                .as_deref()
                .map(|name| analyzers::privacy::safe_host(name).into_owned()),
            alpn: tls.alpn.as_ref().filter(shown).cloned(),
            ja4: tls.ja4.clone(),
            ech: tls.ech,
        }
    }
}

impl FlowRecord {
    /// The record of `flow`, with hashes made with `key`.
    pub(crate) fn new(flow: &Flow, key: &[u8; 32]) -> Self {
        let after = |at: Option<reassembly::Timestamp>| at.map(|at| at.0.saturating_sub(flow.flow.start.0));
        Self {
            v: super::VERSION,
            id: id(flow),
            client: flow.flow.client.to_string(),
            server: flow.flow.server.to_string(),
            start: Rfc3339(flow.flow.start.0),
            end: Rfc3339(flow.end.0),
            packets: flow.packets,
            bytes: Bytes {
                client: flow.bytes.0,
                server: flow.bytes.1,
            },
            lost: Bytes {
                client: flow.lost.0,
                server: flow.lost.1,
            },
            data_packets: Bytes {
                client: flow.data_packets.0,
                server: flow.data_packets.1,
            },
            first_data_ns: Times {
                client: after(flow.first_data.0),
                server: after(flow.first_data.1),
            },
            turns: flow.turns,
            exchanges: flow.exchanges,
            app: flow.app.name(),
            tls: flow.tls.as_ref().map(TlsRecord::new),
            vlan: flow.flow.vlan,
            vni: flow.flow.vni,
            tunnel: flow.tunnel.map(reassembly::Tunnel::name),
            conflict_count: flow.conflict_count,
            conflicts: flow
                .conflicts
                .iter()
                .map(|c| ConflictRecord::new(c, key))
                .collect(),
            flags: flow.flags.names().collect(),
        }
    }
}

/// A name for the flow that every replay gives again: a hash of its addresses and its start. It only has to tell
/// flows apart, so FNV-1a with 128 bits is enough.
fn id(flow: &Flow) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let text = format!(
        "{} {} {} {:?} {:?}",
        flow.flow.client, flow.flow.server, flow.flow.start.0, flow.flow.vlan, flow.flow.vni
    );
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    }
    format!("fl_{hash:032x}")
}
