//! What is kept of an exchange that a finding may come to rest on.
//!
//! Many are kept, of walks that never become a finding, and few are ever shown. So they are kept as numbers, and
//! become the text of an [`Evidence`] when a finding is given out.

use std::net::{IpAddr, SocketAddr};

use reassembly::{Exchange, FlowRef, Request};
use serde::{Deserialize, Deserializer, Serialize};

use super::Evidence;
use crate::id::Id;
use crate::privacy::{redact_target, safe_method};

/// What stands for the method where there is only a hello.
const HELLO: &str = "TLS";
/// What stands for it where there is a connection, and no more is said of it.
const CONNECTION: &str = "TCP";

/// An exchange, as small as it can be kept. It is stored in the form of the evidence that it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Evidence")]
pub(crate) struct Trace {
    pub(crate) exchange: Id,
    pub(crate) ts: u64,
    /// Request first and last, response first and last; zero when not from a file.
    pub(crate) frames: [u64; 4],
    pub(crate) method: &'static str,
    /// Redacted.
    pub(crate) target: Box<str>,
    pub(crate) client: (IpAddr, u16),
    pub(crate) server: (IpAddr, u16),
    pub(crate) index: u32,
    pub(crate) status: Option<u16>,
}

impl Trace {
    pub(crate) fn new(exchange: &Exchange, request: &Request, id: Id) -> Self {
        let response = exchange.response.as_ref().map_or((0, 0), |r| r.message.frames);
        let frames = request.message.frames;
        let flow = &exchange.flow;
        Self {
            exchange: id,
            ts: exchange.ts().0,
            frames: [frames.0, frames.1, response.0, response.1],
            method: safe_method(request.method()),
            target: redact_target(request.target()).into(),
            client: (flow.client.ip(), flow.client.port()),
            server: (flow.server.ip(), flow.server.port()),
            index: exchange.index,
            status: exchange.status(),
        }
    }

    /// Of a flow that is encrypted: its hello takes the place of a request. `host` is fit to be shown.
    pub(crate) fn of_flow(flow: &FlowRef, id: Id, host: &str) -> Self {
        Self {
            method: HELLO,
            ..Self::of_connection(flow, id, host)
        }
    }

    /// Of a flow as a whole. `host` is fit to be shown.
    pub(crate) fn of_connection(flow: &FlowRef, id: Id, host: &str) -> Self {
        Self {
            exchange: id,
            ts: flow.start.0,
            frames: [0; 4],
            method: CONNECTION,
            target: host.into(),
            client: (flow.client.ip(), flow.client.port()),
            server: (flow.server.ip(), flow.server.port()),
            index: 0,
            status: None,
        }
    }

    /// Of an exchange whose request was seen.
    pub(crate) fn of(exchange: &Exchange, id: Id) -> Option<Self> {
        Some(Self::new(exchange, exchange.request.as_ref()?, id))
    }
}

impl From<Trace> for Evidence {
    fn from(trace: Trace) -> Self {
        Self::from(&trace)
    }
}

impl From<&Trace> for Evidence {
    fn from(trace: &Trace) -> Self {
        let text = |(ip, port)| SocketAddr::new(ip, port).to_string();
        Self {
            exchange: trace.exchange.to_string(),
            ts: trace.ts,
            client: text(trace.client),
            server: text(trace.server),
            index: trace.index,
            frames: match trace.frames {
                [0, 0, 0, 0] => Vec::new(),
                frames => frames.to_vec(),
            },
            method: trace.method.to_owned(),
            target: trace.target.to_string(),
            status: trace.status,
        }
    }
}

impl TryFrom<Evidence> for Trace {
    type Error = &'static str;

    fn try_from(evidence: Evidence) -> Result<Self, Self::Error> {
        let address = |text: &str| -> Result<_, Self::Error> {
            let address: SocketAddr = text.parse().map_err(|_| "evidence with no address and port")?;
            Ok((address.ip(), address.port()))
        };
        let frames = match evidence.frames.as_slice() {
            [] => [0; 4],
            frames => frames
                .try_into()
                .map_err(|_| "evidence with other than four frames")?,
        };
        Ok(Self {
            exchange: Id::parse(&evidence.exchange).ok_or("evidence with no id of an exchange")?,
            ts: evidence.ts,
            frames,
            method: match evidence.method.as_str() {
                HELLO => HELLO,
                CONNECTION => CONNECTION,
                method => safe_method(method),
            },
            target: evidence.target.into(),
            client: address(&evidence.client)?,
            server: address(&evidence.server)?,
            index: evidence.index,
            status: evidence.status,
        })
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Evidence::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_comes_back_from_its_evidence() {
        for (frames, client) in [([0; 4], "192.0.2.1:4000"), ([5, 6, 7, 9], "[2001:db8::1]:4000")] {
            let client: SocketAddr = client.parse().unwrap();
            let trace = Trace {
                exchange: Id::of(&[b"x"]),
                ts: 7,
                frames,
                method: "GET",
                target: "/orders/7?page=*".into(),
                client: (client.ip(), client.port()),
                server: (client.ip(), 80),
                index: 3,
                status: Some(200),
            };
            let evidence = Evidence::from(&trace);
            assert_eq!(evidence.client, client.to_string());
            assert_eq!(Trace::try_from(evidence), Ok(trace.clone()));
            let json = serde_json::to_string(&trace).unwrap();
            assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), trace);
        }
    }
}
