//! Coverage: of what every server sent and was sent, how much could be read.
//!
//! Knows flow records and nothing else. A byte is decoded, opaque (TLS and other protocols), of a direction that was not
//! mirrored, or lost to a gap: together these are all bytes that are known to have been sent.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use reassembly::{App, Exchange, Flags, Flow};

/// Servers kept; those with the fewest bytes make way, and are summed.
const MOST_SERVERS: usize = 1000;
/// Names kept of a server.
const MOST_NAMES: usize = 4;

/// TCP flows on which the share of one-sided ones is taken, the last ones to end.
const WINDOW: usize = 500;
/// Fewer of them tell nothing.
const LEAST: usize = 50;

/// Flows, and bytes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amount {
    pub(crate) flows: u64,
    pub(crate) bytes: u64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.flows += other.flows;
        self.bytes += other.bytes;
    }
}

/// What became of flows and their bytes. Bytes are in one of the four kinds; a flow may be in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts {
    /// Flows with payload, and bytes known to have been sent.
    pub(crate) all: Amount,
    /// Read as HTTP.
    pub(crate) decoded: Amount,
    /// Encrypted, or another protocol.
    pub(crate) opaque: Amount,
    /// Seen in one direction; the bytes are those of the other one that were acknowledged.
    pub(crate) one_sided: Amount,
    /// With gaps; the bytes are those never seen of a direction that is mirrored.
    pub(crate) damaged: Amount,
}

impl Amounts {
    /// Of one flow; none when nobody sent anything in it, as in a scan.
    fn of(flow: &Flow) -> Option<Self> {
        let seen = flow.bytes.0 + flow.bytes.1;
        let all = seen + flow.lost.0 + flow.lost.1;
        if all == 0 {
            return None;
        }
        let amount = |is: bool, bytes: u64| Amount {
            flows: u64::from(is),
            bytes,
        };
        let opaque = flow.flags.contains(Flags::OPAQUE);
        let one_sided = flow.flags.contains(Flags::ONE_SIDED);
        let unseen = if one_sided { unseen(flow) } else { 0 };
        let lost = flow.lost.0 + flow.lost.1 - unseen;
        let damaged = lost > 0 || flow.flags.contains(Flags::TRUNCATED);
        let decoded = matches!(flow.app, App::Http1 | App::Http2) && !opaque;
        Some(Self {
            all: amount(true, all),
            decoded: amount(decoded, if decoded { seen } else { 0 }),
            opaque: amount(opaque, if decoded { 0 } else { seen }),
            one_sided: amount(one_sided, unseen),
            damaged: amount(damaged, lost),
        })
    }

    fn add(&mut self, other: &Self) {
        self.all.add(other.all);
        self.decoded.add(other.decoded);
        self.opaque.add(other.opaque);
        self.one_sided.add(other.one_sided);
        self.damaged.add(other.damaged);
    }

    /// Bytes that were not decoded.
    pub(crate) fn missed(&self) -> u64 {
        self.all.bytes - self.decoded.bytes
    }

    /// Whether there is something that was not decoded.
    pub(crate) fn is_partial(&self) -> bool {
        self.missed() > 0 || self.opaque.flows + self.one_sided.flows + self.damaged.flows > 0
    }
}

/// Bytes of the direction of which nothing was seen, as far as the other one acknowledged them.
fn unseen(flow: &Flow) -> u64 {
    if flow.bytes.1 == 0 && flow.data_packets.1 == 0 {
        flow.lost.1
    } else {
        flow.lost.0
    }
}

/// A server, and what became of its flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Names it was asked for by, masked where they look like secrets, in the order in which they were seen.
    pub(crate) names: Vec<String>,
    pub(crate) amounts: Amounts,
}

/// Coverage so far.
#[derive(Debug)]
pub(crate) struct Coverage {
    servers: BTreeMap<SocketAddr, Server>,
    total: Amounts,
    /// Flows in which nobody sent anything.
    silent: u64,
    rest: Amounts,
    /// Servers summed in `rest`; one that came back is counted again.
    rest_servers: u64,
    one_sided: OneSided,
}

impl Coverage {
    /// With the share of one-sided flows, in percent, that is worth an alarm; zero for none.
    pub(crate) fn new(alarm_percent: u64) -> Self {
        Self {
            servers: BTreeMap::new(),
            total: Amounts::default(),
            silent: 0,
            rest: Amounts::default(),
            rest_servers: 0,
            one_sided: OneSided::new(alarm_percent),
        }
    }

    /// Takes a flow that is over.
    pub(crate) fn flow(&mut self, flow: &Flow) -> Option<Alarm> {
        let Some(amounts) = Amounts::of(flow) else {
            self.silent += 1;
            return None;
        };
        self.total.add(&amounts);
        let server = self.server(flow.flow.server);
        server.amounts.add(&amounts);
        if let Some(name) = flow.tls.as_ref().and_then(|tls| tls.sni.as_deref()) {
            learn_name(server, name);
        }
        self.sort_out(MOST_SERVERS);
        self.one_sided.flow(flow)
    }

    /// Takes the name of a server from the first exchange of a flow; those after it seldom have another.
    pub(crate) fn exchange(&mut self, exchange: &Exchange) {
        if exchange.index != 0 {
            return;
        }
        if let Some(request) = &exchange.request
            && !request.host.is_empty()
        {
            learn_name(self.server(exchange.flow.server), &request.host);
            self.sort_out(MOST_SERVERS);
        }
    }

    fn server(&mut self, address: SocketAddr) -> &mut Server {
        self.servers.entry(address).or_insert_with(|| Server {
            address,
            names: Vec::new(),
            amounts: Amounts::default(),
        })
    }

    /// Sums the servers with the fewest bytes when there are twice as many as `most`, so that it costs little.
    fn sort_out(&mut self, most: usize) {
        if self.servers.len() < 2 * most {
            return;
        }
        for server in self
            .by_bytes()
            .into_iter()
            .skip(most)
            .map(|s| s.address)
            .collect::<Vec<_>>()
        {
            if let Some(gone) = self.servers.remove(&server) {
                self.rest.add(&gone.amounts);
                self.rest_servers += u64::from(gone.amounts.all.flows > 0);
            }
        }
    }

    fn by_bytes(&self) -> Vec<&Server> {
        let mut all: Vec<&Server> = self.servers.values().collect();
        all.sort_by_key(|s| (std::cmp::Reverse(s.amounts.all.bytes), s.address));
        all
    }

    /// Of all servers.
    pub(crate) fn total(&self) -> &Amounts {
        &self.total
    }

    /// Flows in which nobody sent anything.
    pub(crate) fn silent(&self) -> u64 {
        self.silent
    }

    /// The servers with the most bytes, and the sum of the others with their number.
    pub(crate) fn servers(&self, most: usize) -> (Vec<&Server>, Amounts, u64) {
        let mut shown = self.by_bytes();
        shown.retain(|s| s.amounts.all.flows > 0);
        let others = shown.split_off(most.min(shown.len()));
        let (mut rest, mut count) = (self.rest, self.rest_servers);
        for server in others {
            rest.add(&server.amounts);
            count += 1;
        }
        (shown, rest, count)
    }

    /// The servers of which most could not be read, and how many there are of which something could not.
    pub(crate) fn missed(&self, most: usize) -> (Vec<&Server>, u64) {
        let mut all = self.by_bytes();
        all.retain(|s| s.amounts.is_partial());
        let count = all.len() as u64;
        all.sort_by_key(|s| std::cmp::Reverse(s.amounts.missed()));
        all.truncate(most);
        (all, count)
    }

    /// How many flows are seen in one direction only.
    pub(crate) fn one_sided(&self) -> &OneSided {
        &self.one_sided
    }
}

fn learn_name(server: &mut Server, name: &str) {
    if server.names.len() >= MOST_NAMES {
        return;
    }
    let name = analyzers::privacy::safe_host(name);
    if !server.names.iter().any(|known| *known == name) {
        server.names.push(name.into_owned());
    }
}

/// That the share of one-sided flows is high, or no longer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Of so many flows, so many are one-sided.
    Raised {
        flows: usize,
        one_sided: usize,
    },
    Cleared {
        flows: usize,
        one_sided: usize,
    },
}

/// The share of TCP flows seen in one direction only, among the last ones to end.
///
/// Quiet about scans: a flow counts as seen in both directions when both sent a packet and somebody sent payload, and as
/// one-sided when the direction that was seen acknowledges payload of the other, which nobody can who got no answer.
#[derive(Debug)]
pub(crate) struct OneSided {
    percent: usize,
    last: VecDeque<bool>,
    count: usize,
    alarm: bool,
    raised: u64,
    /// Flows and one-sided ones when the alarm was raised, with the highest share.
    worst: (usize, usize),
}

impl OneSided {
    fn new(percent: u64) -> Self {
        Self {
            percent: usize::try_from(percent).unwrap_or(usize::MAX),
            last: VecDeque::new(),
            count: 0,
            alarm: false,
            raised: 0,
            worst: (0, 0),
        }
    }

    fn flow(&mut self, flow: &Flow) -> Option<Alarm> {
        if matches!(flow.app, App::Quic | App::Dtls) {
            return None;
        }
        let one_sided = flow.flags.contains(Flags::ONE_SIDED);
        if one_sided && unseen(flow) == 0 {
            return None;
        }
        if self.last.len() == WINDOW {
            self.count -= usize::from(self.last.pop_front() == Some(true));
        }
        self.last.push_back(one_sided);
        self.count += usize::from(one_sided);
        let (flows, one_sided) = (self.last.len(), self.count);
        if self.percent == 0 || flows < LEAST {
            return None;
        }
        // Half the share ends it, so that it does not flicker.
        if !self.alarm && one_sided * 100 >= flows * self.percent {
            self.alarm = true;
            self.raised += 1;
            self.worst = (flows, one_sided);
            return Some(Alarm::Raised { flows, one_sided });
        }
        if self.alarm {
            if one_sided * self.worst.0 > self.worst.1 * flows {
                self.worst = (flows, one_sided);
            }
            if one_sided * 200 < flows * self.percent {
                self.alarm = false;
                return Some(Alarm::Cleared { flows, one_sided });
            }
        }
        None
    }

    /// Flows looked at, and those of them that are one-sided.
    pub(crate) fn window(&self) -> (usize, usize) {
        (self.last.len(), self.count)
    }

    /// Whether the share is high.
    pub(crate) fn alarm(&self) -> bool {
        self.alarm
    }

    /// How often it became high.
    pub(crate) fn raised(&self) -> u64 {
        self.raised
    }

    /// Flows and one-sided ones where the share was highest.
    pub(crate) fn worst(&self) -> (usize, usize) {
        self.worst
    }
}

/// The share in words.
pub(crate) fn share(flows: usize, one_sided: usize) -> String {
    format!(
        "{one_sided} of {flows} TCP flows with data ({} %)",
        one_sided * 100 / flows.max(1)
    )
}

#[cfg(test)]
mod tests {
    use reassembly::build::ExchangeBuilder;
    use reassembly::{FlowRef, Timestamp};

    use super::*;

    fn flow(server: u16, app: App, bytes: (u64, u64), lost: (u64, u64), flags: &[Flags]) -> Flow {
        let mut all = Flags::empty();
        flags.iter().for_each(|f| all.insert(*f));
        Flow {
            flow: FlowRef {
                client: ([10, 0, 0, 1], 40_000).into(),
                server: ([10, 0, 0, 2], server).into(),
                start: Timestamp(0),
                vlan: None,
                vni: None,
                tls: false,
            },
            end: Timestamp(1),
            packets: 9,
            bytes,
            lost,
            data_packets: (bytes.0.min(1), bytes.1.min(1)),
            first_data: (None, None),
            turns: 1,
            exchanges: 1,
            conflicts: Vec::new(),
            conflict_count: 0,
            tunnel: None,
            app,
            tls: None,
            flags: all,
        }
    }

    #[test]
    fn every_byte_is_in_one_kind() {
        let mut coverage = Coverage::new(0);
        for flow in [
            flow(80, App::Http1, (100, 900), (0, 0), &[]),
            flow(80, App::Http1, (100, 400), (0, 60), &[Flags::GAP]),
            flow(80, App::Http1, (100, 0), (0, 700), &[Flags::ONE_SIDED]),
            flow(80, App::Http1, (0, 50), (30, 5), &[Flags::ONE_SIDED, Flags::GAP]),
            flow(443, App::Tls, (500, 4000), (0, 0), &[Flags::OPAQUE]),
            flow(443, App::Unknown, (0, 0), (0, 0), &[Flags::ONE_SIDED]),
        ] {
            coverage.flow(&flow);
        }
        let total = *coverage.total();
        let amount = |flows, bytes| Amount { flows, bytes };
        assert_eq!(total.decoded, amount(4, 1650));
        assert_eq!(total.opaque, amount(1, 4500));
        assert_eq!(total.one_sided, amount(2, 730));
        assert_eq!(total.damaged, amount(2, 65));
        assert_eq!(total.all, amount(5, 1650 + 4500 + 730 + 65));
        assert_eq!(coverage.silent(), 1);
        let (servers, rest, others) = coverage.servers(1);
        assert_eq!(servers[0].address.port(), 443);
        assert_eq!((rest.all, others), (amount(4, 2445), 1));
        let (missed, count) = coverage.missed(1);
        assert_eq!((missed[0].address.port(), count), (443, 2));
    }

    #[test]
    fn names_come_from_the_first_exchange_and_are_masked() {
        let mut coverage = Coverage::new(0);
        let exchange = |index, host: &str| {
            ExchangeBuilder::new(Timestamp(5))
                .between(([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 80).into())
                .in_flow(Timestamp(0), index)
                .request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), b"")
                .build()
        };
        for (index, host) in [
            (0, "a.example"),
            (1, "b.example"),
            (0, "c.example"),
            (0, "a.example"),
        ] {
            coverage.exchange(&exchange(index, host));
        }
        coverage.flow(&flow(80, App::Http1, (1, 1), (0, 0), &[]));
        assert_eq!(coverage.servers(9).0[0].names, ["a.example", "c.example"]);
        for n in 0..20 {
            coverage.exchange(&exchange(0, &format!("x{n}.example")));
        }
        assert_eq!(coverage.servers(9).0[0].names.len(), MOST_NAMES);
        let secret = "sk-live-4242424242424242424242424242.example";
        let mut other = Coverage::new(0);
        other.exchange(&exchange(0, secret));
        other.flow(&flow(80, App::Http1, (1, 1), (0, 0), &[]));
        assert!(!format!("{other:?}").contains("4242424242424242424242424242"));
    }

    #[test]
    fn many_servers_take_bounded_room_and_nothing_is_lost_of_the_sums() {
        let mut coverage = Coverage::new(0);
        for n in 0..20_000_u64 {
            let mut one = flow(80, App::Http1, (n, 1), (0, 0), &[]);
            one.flow.server = ([10, 1, (n >> 8) as u8, n as u8], 80).into();
            coverage.flow(&one);
            assert!(coverage.servers.len() < 2 * MOST_SERVERS);
        }
        let (servers, rest, others) = coverage.servers(MOST_SERVERS);
        assert_eq!(servers[0].amounts.all.bytes, 20_000);
        assert_eq!(servers.len() as u64 + others, 20_000);
        let shown: u64 = servers.iter().map(|s| s.amounts.all.bytes).sum();
        assert_eq!(shown + rest.all.bytes, coverage.total().all.bytes);
        assert_eq!(coverage.total().all.bytes, (1..=20_000).sum::<u64>());
    }

    #[test]
    fn an_alarm_is_raised_once_and_cleared_when_both_directions_are_back() {
        let both = flow(80, App::Http1, (10, 10), (0, 0), &[]);
        let one = flow(80, App::Http1, (10, 0), (0, 10), &[Flags::ONE_SIDED]);
        let mut coverage = Coverage::new(20);
        let mut alarms = Vec::new();
        let mut take = |flow: &Flow, times: usize| {
            for _ in 0..times {
                alarms.extend(coverage.flow(flow));
            }
        };
        take(&both, 2000);
        take(&one, 99);
        take(&both, 1);
        assert_eq!(alarms, []);
        let mut take = |flow: &Flow, times: usize| {
            for _ in 0..times {
                alarms.extend(coverage.flow(flow));
            }
        };
        take(&one, 200);
        take(&both, 2000);
        assert_eq!(
            alarms,
            [
                Alarm::Raised {
                    flows: 500,
                    one_sided: 100
                },
                Alarm::Cleared {
                    flows: 500,
                    one_sided: 49
                }
            ]
        );
        // A few are no sample.
        let mut few = Coverage::new(20);
        for _ in 1..LEAST {
            assert_eq!(few.flow(&one), None);
        }
        assert!(few.flow(&one).is_some());
        let sided = coverage.one_sided();
        assert_eq!((sided.alarm(), sided.raised()), (false, 1));
        assert_eq!(sided.worst(), (500, 299));
        assert_eq!(sided.window(), (500, 0));
    }

    #[test]
    fn scans_and_floods_of_syns_raise_no_alarm() {
        let scans = [
            flow(80, App::Unknown, (0, 0), (0, 0), &[Flags::ONE_SIDED]),
            // Data in a SYN that nobody answers.
            flow(
                80,
                App::Unknown,
                (40, 0),
                (0, 0),
                &[Flags::ONE_SIDED, Flags::OPAQUE],
            ),
            flow(
                443,
                App::Quic,
                (1200, 0),
                (0, 0),
                &[Flags::ONE_SIDED, Flags::OPAQUE],
            ),
        ];
        let mut coverage = Coverage::new(1);
        for _ in 0..1000 {
            for scan in &scans {
                assert_eq!(coverage.flow(scan), None);
            }
        }
        assert_eq!(coverage.one_sided().window(), (0, 0));
        let mut off = Coverage::new(0);
        for _ in 0..1000 {
            assert_eq!(
                off.flow(&flow(80, App::Http1, (10, 0), (0, 10), &[Flags::ONE_SIDED])),
                None
            );
        }
    }
}
