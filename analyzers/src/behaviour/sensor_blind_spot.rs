//! # `sensor_blind_spot`: what is not seen is not looked at
//!
//! Reports, once a day for each server and reason:
//! - `gaps`: of a server whose HTTP is read, a twentieth or more of the bytes of ten minutes is missing and never came: the mirror,
//!   a switch or this sensor lost them, or frames came cut off, which is said;
//! - `one_direction`: of half of its connections or more only one direction is mirrored;
//! - `unreadable`: twenty connections in a row of three clients or more are encrypted from their beginning, without an exchange between them, at a
//!   server of which fifty were read before;
//!
//! and, once a day for the sensor, any of these of more than four servers (told one by one they would say the same of one mirror), and
//! `forgotten`: a tenth or more of the callers that it knew made way for others since the day began, so that
//! what is usual for them is learned anew.
//!
//! Source: ATT&CK T1562 (Impair Defenses): who cannot be seen needs not hide. RFC 9293 section 3.4 for what
//! an acknowledgment proves.
//!
//! Blind to: frames that were lost in both directions with their acknowledgments; servers that were never read; connections that do not end,
//! which are counted when they do; a hundred bytes among millions.
//!
//! Quiet when: fewer than twenty connections ended in the ten minutes; nothing was sent in them (scans, floods of SYNs).

use std::net::{IpAddr, SocketAddr};

use reassembly::{App, Exchange, Flags, Flow, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::analyzer::exchange_id;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{bytes, many, percent, sentence};
use crate::finding::{Finding, Kind, Resource, Severity};
use crate::id::Id;
use crate::privacy::safe_host;
use crate::store::{Row, Store};

/// Seconds that are looked at together.
const SLOT: u64 = 600;
/// Connections that tell something.
const LEAST: u32 = 20;
/// Shares that matter: of bytes lost, of connections seen in one direction, of callers forgotten.
const LOST: f64 = 0.05;
const HALF: f64 = 0.5;
const FORGOTTEN: f64 = 0.1;
/// Connections read before those that cannot be.
const READ: u32 = 50;
/// Connections that cannot be read of one client that count, for one that knocks with the wrong protocol is a scan; and clients told apart.
const OF_CLIENT: u8 = 7;
const CLIENTS: usize = 8;
/// Callers of which a tenth matters.
const CALLERS: u64 = 200;
/// Servers kept.
const SERVERS: usize = 4096;
/// Servers of which the same is told one by one in a day: of more, it is no server that matters.
const ALONE: u32 = 4;
/// What may be so of a server.
const REASONS: [&str; 3] = ["gaps", "one_direction", "unreadable"];

/// What was seen of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The name that it was asked for by, fit to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Box<str>>,
    /// Connections that could be read, and of the last ones those that could not, one after the other.
    read: u32,
    dark: u32,
    /// Hashes of the clients of these with their connections, a few.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::store::tight"
    )]
    clients: Vec<(u32, u8)>,
    /// Ten minutes of packet time by their number, and what ended in them.
    slot: u64,
    flows: u32,
    one_sided: u32,
    bytes: u64,
    lost: u64,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// The day for which each of [`REASONS`] was told last.
    told: [u32; REASONS.len()],
}

impl Row for Seen {
    fn worth(&self) -> (bool, Timestamp) {
        (self.read > 0, self.last)
    }
}

/// What was seen of all servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) rows: Store<Seen>,
    /// The day, and callers that had made way when it began.
    day: (u64, u64),
    /// Whether there may be a server with connections that could not be read; not known after a restart.
    dark: Option<bool>,
    /// Of each of [`REASONS`] the day, and servers of which it was told on it; counted when there is reason to.
    spread: [Option<(u32, u32)>; REASONS.len()],
}

/// Whether one direction of a flow was acknowledged and nothing of it was seen. Where nobody answers, nothing is acknowledged.
fn is_half(flow: &Flow) -> bool {
    let unseen = |bytes: u64, lost: u64| bytes == 0 && lost > 0;
    flow.flags.contains(Flags::ONE_SIDED)
        && (unseen(flow.bytes.0, flow.lost.0) || unseen(flow.bytes.1, flow.lost.1))
}

/// Whether a flow is encrypted from its beginning: the client went on after what the server answered to its hello. An answer in clear
/// (400) ends it.
fn is_encrypted(flow: &Flow) -> bool {
    let hello = flow.tls.as_ref().is_some_and(|tls| tls.ja4.is_some());
    flow.app == App::Tls
        && hello
        && flow.turns > 1
        && flow.exchanges == 0
        && !flow.flags.intersects(Flags::MIDSTREAM)
}

fn subject<'a>(parts: &'a [&'a [u8]], flow: &Flow) -> Subject<'a> {
    Subject {
        kind: Kind::SensorBlindSpot,
        parts,
        window: day(flow.end),
    }
}

fn id(server: SocketAddr) -> Id {
    let port = server.port().to_le_bytes();
    match server.ip() {
        IpAddr::V4(ip) => Id::of(&[b"seen", &ip.octets(), &port]),
        IpAddr::V6(ip) => Id::of(&[b"seen", &ip.octets(), &port]),
    }
}

impl Servers {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            rows: Store::new(SERVERS, room),
            day: (0, 0),
            dark: None,
            spread: [None; REASONS.len()],
        }
    }

    /// Takes an exchange that was read: the name of the server from the first of a connection, and that it can be read.
    pub(crate) fn read(&mut self, exchange: &Exchange, host: &str) {
        let rows = &self.rows;
        let dark = *self
            .dark
            .get_or_insert_with(|| rows.count_by(|seen| seen.dark > 0).contains_key(&true));
        if exchange.index > 0 && !dark {
            return;
        }
        let id = id(exchange.flow.server);
        if dark && self.rows.get(id).is_some_and(|seen| seen.dark > 0) {
            self.rows.get_mut(id).into_iter().for_each(Seen::lighten);
        }
        if exchange.index > 0 || host.is_empty() {
            return;
        }
        if self.rows.get(id).is_some_and(|seen| seen.name.is_some()) {
            return;
        }
        let seen = self.rows.entry(id, Seen::default);
        seen.name = Some(safe_host(host).into());
        seen.last = seen.last.max(exchange.ts());
    }

    /// Takes a flow that is over, with the name of the sensor.
    pub(crate) fn observe(&mut self, flow: &Flow, sensor: &str, ledger: &mut Ledger) {
        if flow.data_packets.0 + flow.data_packets.1 == 0 {
            return;
        }
        let opaque = flow.flags.contains(Flags::OPAQUE);
        let read = matches!(flow.app, App::Http1 | App::Http2) && !opaque;
        let id = id(flow.flow.server);
        // Of a server that was never read nothing is missed.
        if !read && self.rows.get(id).is_none() {
            return;
        }
        let seen = self.rows.entry(id, Seen::default);
        seen.count(flow, read);
        self.dark = self.dark.map(|dark| dark || seen.dark > 0);
        let lost = seen.lost as f64 / (seen.bytes + seen.lost).max(1) as f64;
        let one_sided = f64::from(seen.one_sided) / f64::from(seen.flows.max(1));
        let of_many = seen.flows >= LEAST;
        let wrong = [
            (read && flow.lost != (0, 0) && of_many && lost >= LOST).then_some((lost, LOST)),
            (is_half(flow) && of_many && one_sided >= HALF).then_some((one_sided, HALF)),
            (seen.read >= READ && seen.dark >= LEAST).then_some((1.0, HALF)),
        ];
        for (reason, (share, least)) in wrong.iter().enumerate().filter_map(|(at, w)| Some((at, (*w)?))) {
            self.tell(reason, (share, least), (id, flow), sensor, ledger);
        }
    }

    /// Tells a reason of one server, or of many together.
    fn tell(
        &mut self,
        reason: usize,
        (share, least): (f64, f64),
        (id, flow): (Id, &Flow),
        sensor: &str,
        ledger: &mut Ledger,
    ) {
        let today = u32::try_from(day(flow.end)).unwrap_or(u32::MAX);
        let servers = self.spread(reason, today);
        let Some(seen) = self.rows.get_mut(id) else { return };
        let is_new = seen.told[reason] != today;
        seen.told[reason] = today;
        let servers = servers + u32::from(is_new);
        self.spread[reason] = Some((today, servers));
        let name = REASONS[reason];
        let one: [&[u8]; 2] = [name.as_bytes(), &id.to_bytes()];
        let (alone, all) = (subject(&one, flow), [name.as_bytes()]);
        let is_alone = if is_new {
            servers <= ALONE
        } else {
            ledger.knows(alone)
        };
        let (subject, host) = match (is_alone, &seen.name) {
            (false, _) => (subject(&all, flow), sensor.to_owned()),
            (true, Some(name)) => (alone, name.to_string()),
            (true, None) => (alone, flow.flow.server.to_string()),
        };
        let again = ledger.knows(subject);
        let draft = || Draft {
            confidence: 0.95,
            resource: Resource {
                host: Some(host.clone()),
                ..Resource::default()
            },
            observed: vec![
                ("reason", json!(name)),
                ("server", json!(is_alone.then(|| flow.flow.server.to_string()))),
            ],
            expected: vec![("share_below", json!(least))],
            earlier: vec![Trace::of_connection(
                &flow.flow,
                exchange_id(&flow.flow, 0),
                &host,
            )],
            ..Draft::default()
        };
        ledger.state(subject, Severity::Medium, flow.flow.start, draft, |running| {
            let count = running.seen() + u64::from(again);
            running.set_count(count);
            running.observed("share", (share * 1000.0).round() / 1000.0);
            match reason {
                _ if !is_alone => running.observed("servers", servers),
                0 => {
                    running.observed("lost_bytes", seen.lost);
                    running.observed("bytes", seen.bytes);
                    if flow.flags.contains(Flags::TRUNCATED) {
                        running.observed("cut_off", true);
                    }
                }
                1 => running.observed("one_sided", seen.one_sided),
                _ => {
                    running.observed("unreadable", seen.dark);
                    running.observed("read_before", seen.read);
                }
            }
            running.support("connections", seen.flows);
        });
    }

    /// Servers of which a reason was told today. Rows know, also after a restart.
    fn spread(&self, reason: usize, today: u32) -> u32 {
        match self.spread[reason] {
            Some((day, servers)) if day == today => servers,
            Some(_) => 0,
            None => {
                let rows = self.rows.count_by(|seen| seen.told[reason] == today);
                rows.get(&true)
                    .map_or(0, |count| u32::try_from(*count).unwrap_or(u32::MAX))
            }
        }
    }

    /// Looks whether too many callers make way, with those that the sensor knows and those that made way so far.
    pub(crate) fn forgotten(
        &mut self,
        exchange: &Exchange,
        sensor: &str,
        (callers, gone): (u64, u64),
        ledger: &mut Ledger,
    ) {
        let flow = &exchange.flow;
        let today = day(exchange.ts());
        if today > self.day.0 {
            self.day = (today, gone);
        }
        let gone = gone.saturating_sub(self.day.1);
        let share = gone as f64 / callers.max(1) as f64;
        if callers < CALLERS || share < FORGOTTEN {
            return;
        }
        let subject = Subject {
            kind: Kind::SensorBlindSpot,
            parts: &[b"forgotten"],
            window: self.day.0,
        };
        let draft = || Draft {
            confidence: 0.95,
            resource: Resource {
                host: Some(sensor.to_owned()),
                ..Resource::default()
            },
            observed: vec![("reason", json!("forgotten"))],
            expected: vec![("share_of_known_below", json!(FORGOTTEN))],
            earlier: vec![Trace::of_connection(
                flow,
                exchange_id(flow, exchange.index),
                sensor,
            )],
            ..Draft::default()
        };
        ledger.state(subject, Severity::Medium, flow.start, draft, |running| {
            running.set_count(gone);
            running.observed("callers_forgotten", gone);
            running.observed("callers_known", callers);
        });
    }
}

impl Seen {
    fn count(&mut self, flow: &Flow, read: bool) {
        let slot = flow.end.seconds() / SLOT;
        if slot > self.slot {
            (self.slot, self.flows, self.one_sided, self.bytes, self.lost) = (slot, 0, 0, 0, 0);
        }
        self.last = self.last.max(flow.end);
        self.flows += 1;
        // What of a direction that is not mirrored was acknowledged says nothing of gaps.
        let one_sided = flow.flags.contains(Flags::ONE_SIDED);
        self.one_sided += u32::from(is_half(flow));
        if read {
            self.read = self.read.saturating_add(1);
            self.lighten();
            self.bytes = self
                .bytes
                .saturating_add(flow.bytes.0.saturating_add(flow.bytes.1));
            if !one_sided {
                self.lost = self.lost.saturating_add(flow.lost.0.saturating_add(flow.lost.1));
            }
        } else if is_encrypted(flow) {
            let client = id(SocketAddr::new(flow.flow.client.ip(), 0)).short() as u32;
            let is_room = self.clients.len() < CLIENTS;
            match self.clients.iter_mut().find(|(known, _)| *known == client) {
                Some((_, count)) if *count >= OF_CLIENT => return,
                Some((_, count)) => *count += 1,
                None if is_room => self.clients.push((client, 1)),
                None => {}
            }
            self.dark = self.dark.saturating_add(1);
        }
    }

    /// It can be read after all.
    fn lighten(&mut self) {
        self.dark = 0;
        self.clients.clear();
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let host = finding.host();
    let of = |name: &str| finding.observed_number(name);
    let share = finding
        .observed
        .get("share")
        .and_then(serde_json::Value::as_f64)
        .unwrap_or_default();
    let share = percent(share);
    let concerned = many(finding.count, "connection", "connections");
    let servers = of("servers");
    if servers > 0 {
        let what = match finding.observed_text("reason") {
            "gaps" => "much of what is sent is never seen",
            "one_direction" => "only one direction is mirrored",
            _ => "connections can no longer be read",
        };
        return sentence(&format!(
            "of {servers} servers {what}, so that it is the mirror or the sensor {host} itself that is to be looked at ({share} of the \
             last one). Beside those told one by one it concerned {concerned}.",
        ));
    }
    match finding.observed_text("reason") {
        "gaps" => {
            let cut = match finding.observed_flag("cut_off") {
                true => " Frames came cut off: the mirror or the sensor keeps less of them than was sent.",
                false => "",
            };
            sentence(&format!(
                "of what was sent in ten minutes to and by {host}, {share} was never seen: {} beside {} that were.{cut} It \
                 concerned {concerned} since it was noticed.",
                bytes(of("lost_bytes")),
                bytes(of("bytes")),
            ))
        }
        "one_direction" => sentence(&format!(
            "of {share} of the connections to {host} only one direction is mirrored ({} in ten minutes): requests without answers, or answers \
             without requests. It concerned {concerned} since it was noticed.",
            many(of("one_sided"), "connection", "connections"),
        )),
        "unreadable" => sentence(&format!(
            "the last {} to {host} could not be read: they are encrypted. {} were read before. It concerned {concerned} since it was noticed.",
            many(of("unreadable"), "connection", "connections"),
            of("read_before"),
        )),
        _ => sentence(&format!(
            "since the day began {} made way for others in the sensor {host}, which knows {} now: what is usual for them has to be learned anew.",
            many(of("callers_forgotten"), "caller", "callers"),
            of("callers_known"),
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Settings;
    use crate::settings::Room;
    use crate::testing::{Call, Scene, agent_token};

    const GAP: fn(&mut Flow) = |flow| flow.lost = (0, 1000);
    const WHOLE: fn(&mut Flow) = |_| ();
    const HALF_SEEN: fn(&mut Flow) = |flow| {
        flow.flags.insert(Flags::ONE_SIDED);
        (flow.bytes, flow.lost) = ((900, 0), (0, 9000));
    };
    const DARK: fn(&mut Flow) = |flow| {
        flow.app = App::Tls;
        flow.tls = Some(reassembly::Tls {
            ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1".into()),
            ..reassembly::Tls::default()
        });
        flow.turns = 2;
        flow.flags.insert(Flags::OPAQUE);
    };

    /// So many connections to a server, each with an exchange where it can be read.
    fn connections(scene: &mut Scene, server: &str, count: u32, but: fn(&mut Flow)) {
        let call = Call::get("/orders").at(server).host("shop.example");
        for n in 0..count {
            if but as usize != DARK as usize {
                scene.send(&call);
            }
            let from = format!("10.0.7.{}", n % 5);
            scene.ended(&call.clone().from(&from), but);
        }
    }

    fn told(scene: &Scene) -> Vec<(String, String, u64)> {
        let found = scene.found(Kind::SensorBlindSpot);
        let of = |f: &Finding| (f.observed_text("reason").to_owned(), f.host().to_owned(), f.count);
        found.iter().map(of).collect()
    }

    /// Every reason, once each.
    pub(crate) fn blinded(scene: &mut Scene) {
        connections(scene, "10.9.9.1", 60, WHOLE);
        connections(scene, "10.9.9.1", 90, GAP);
        connections(scene, "10.9.9.2", 30, HALF_SEEN);
        connections(scene, "10.9.9.3", 60, WHOLE);
        connections(scene, "10.9.9.3", 25, DARK);
        for server in 4..12 {
            connections(scene, &format!("10.9.9.{server}"), 22, GAP);
        }
        callers(scene, 0..300);
    }

    /// Callers with a call each, and a connection now and then.
    fn callers(scene: &mut Scene, numbers: std::ops::Range<u32>) {
        for n in numbers {
            let call = Call::get("/orders").bearer(&agent_token(&format!("agent-{n}"), 0));
            scene.send(&call);
            scene.ended(&call, WHOLE);
        }
    }

    /// With room for some two hundred callers.
    pub(crate) fn narrow() -> Settings {
        Settings {
            max_principals: 230,
            ..Settings::default()
        }
    }

    #[test]
    fn what_was_lost_of_a_server_that_is_read_is_told_once_a_day() {
        let mut scene = Scene::new();
        connections(&mut scene, "10.9.9.1", 19, GAP);
        assert_eq!(told(&scene), []);
        connections(&mut scene, "10.9.9.1", 60, GAP);
        let found = &scene.found(Kind::SensorBlindSpot)[0];
        assert_eq!(told(&scene).len(), 1);
        assert_eq!(told(&scene)[0].1, "shop.example");
        assert!(found.count > 40 && found.observed["share"] == 0.092, "{found:?}");
        assert_eq!(found.evidence[0].method, "TCP");
        assert!(!found.observed_flag("cut_off"));
        // What is missing because frames were cut off is the mirror's length, which is another mend.
        let mut scene = Scene::new();
        connections(&mut scene, "10.9.9.1", 60, |flow| {
            GAP(flow);
            flow.flags.insert(Flags::TRUNCATED);
        });
        let found = &scene.found(Kind::SensorBlindSpot)[0];
        assert!(found.observed_flag("cut_off") && found.explanation.contains("cut off"));
        // A little is lost everywhere, and of what is never read nothing is missed.
        let mut scene = Scene::new();
        connections(&mut scene, "10.9.9.1", 200, |flow| flow.lost = (0, 300));
        for _ in 0..200 {
            scene.ended(&Call::get("/").at("10.9.9.4"), |flow| {
                DARK(flow);
                flow.lost = (0, 5000);
            });
        }
        assert_eq!(told(&scene), []);
        // Of ten minutes each: what was lost before does not count for ever.
        connections(&mut scene, "10.9.9.1", 19, GAP);
        scene.wait(600);
        connections(&mut scene, "10.9.9.1", 19, GAP);
        assert_eq!(told(&scene), []);
    }

    #[test]
    fn what_is_so_of_many_servers_is_told_of_the_sensor() {
        let play = |restart: bool| {
            let mut scene = Scene::new();
            for server in 0..30 {
                connections(&mut scene, &format!("10.9.9.{server}"), 22, GAP);
                if restart && server == 10 {
                    restarted(&mut scene);
                }
            }
            told(&scene)
        };
        let found = play(false);
        assert_eq!(found.len(), 5);
        let of_sensor: Vec<_> = found.iter().filter(|(_, host, _)| host == "tapline").collect();
        // Two servers are looked at while ten minutes end.
        assert_eq!(of_sensor, [&("gaps".to_owned(), "tapline".to_owned(), 24 * 3)]);
        assert_eq!(play(true), found);
    }

    fn restarted(scene: &mut Scene) {
        let mut other = crate::Analyzer::new(Settings::default());
        for change in scene.analyzer.take_changes() {
            let value = change.value.expect("a row");
            other.restore(change.table, &change.key, &value).expect("ours");
        }
        scene.analyzer = other;
    }

    #[test]
    fn a_direction_that_is_not_mirrored_is_no_gap() {
        let mut scene = Scene::new();
        connections(&mut scene, "10.9.9.1", 30, HALF_SEEN);
        assert_eq!(
            told(&scene),
            [("one_direction".to_owned(), "shop.example".to_owned(), 11)]
        );
        // Some connections are always cut in two by the beginning of a capture.
        let mut scene = Scene::new();
        for _ in 0..30 {
            connections(&mut scene, "10.9.9.1", 1, HALF_SEEN);
            connections(&mut scene, "10.9.9.1", 2, WHOLE);
        }
        assert_eq!(told(&scene), []);
        // Nobody answers: nothing is acknowledged.
        for _ in 0..100 {
            scene.ended(&Call::get("/").at("10.9.9.1"), |flow| {
                HALF_SEEN(flow);
                flow.lost = (0, 0);
            });
        }
        assert_eq!(told(&scene), []);
        // Nobody sent anything: a scan.
        for _ in 0..100 {
            scene.ended(&Call::get("/").at("10.9.9.1"), |flow| {
                HALF_SEEN(flow);
                flow.data_packets = (0, 0);
            });
        }
        assert_eq!(told(&scene), []);
    }

    #[test]
    fn a_server_that_is_encrypted_from_one_day_to_the_next_is_told() {
        let mut scene = Scene::new();
        connections(&mut scene, "10.9.9.1", 60, WHOLE);
        scene.wait(86_400);
        connections(&mut scene, "10.9.9.1", 19, DARK);
        assert_eq!(told(&scene), []);
        connections(&mut scene, "10.9.9.1", 30, DARK);
        assert_eq!(told(&scene).len(), 1);
        assert_eq!(told(&scene)[0].0, "unreadable");
        // One that speaks both is read as before; one that was hardly ever read is not missed.
        let mut scene = Scene::new();
        for _ in 0..20 {
            connections(&mut scene, "10.9.9.1", 10, WHOLE);
            connections(&mut scene, "10.9.9.1", 15, DARK);
        }
        // A flow taken up in the middle, one that is answered in HTTP, a tunnel behind a proxy: none of these is a server that is encrypted.
        for but in [
            |flow: &mut Flow| flow.flags.insert(Flags::MIDSTREAM),
            |flow: &mut Flow| flow.turns = 1,
            |flow: &mut Flow| flow.exchanges = 1,
        ] {
            connections(&mut scene, "10.9.9.1", 1, WHOLE);
            for n in 0..60 {
                let call = Call::get("/").at("10.9.9.1").from(&format!("10.0.7.{n}"));
                scene.ended(&call, |flow| {
                    DARK(flow);
                    but(flow);
                });
            }
        }
        // Somebody knocks with the wrong protocol, and others do while lasting connections go on.
        connections(&mut scene, "10.9.9.1", 1, WHOLE);
        for _ in 0..200 {
            scene.ended(&Call::get("/").at("10.9.9.1").from("10.6.6.6"), DARK);
        }
        assert_eq!(told(&scene), []);
        connections(&mut scene, "10.9.9.1", 1, WHOLE);
        for _ in 0..20 {
            connections(&mut scene, "10.9.9.1", 15, DARK);
            scene.send(&Call::get("/orders").at("10.9.9.1").host("shop.example"));
        }
        connections(&mut scene, "10.9.9.2", 5, WHOLE);
        connections(&mut scene, "10.9.9.2", 100, DARK);
        assert_eq!(told(&scene), []);
    }

    #[test]
    fn callers_that_make_way_for_others_are_told() {
        let mut scene = Scene::with(narrow());
        callers(&mut scene, 0..240);
        assert_eq!(told(&scene), []);
        callers(&mut scene, 240..300);
        assert_eq!(told(&scene).len(), 1);
        assert_eq!(told(&scene)[0].0, "forgotten");
        // By memory as by number.
        let mut scene = Scene::with(Settings {
            room: Room {
                callers: 3 << 20,
                ..Room::default()
            },
            ..Settings::default()
        });
        callers(&mut scene, 0..1500);
        assert_eq!(told(&scene).len(), 1);
    }

    #[test]
    fn what_was_seen_is_kept_over_a_restart() {
        let play = |restart: bool| {
            let mut scene = Scene::new();
            connections(&mut scene, "10.9.9.1", 60, WHOLE);
            connections(&mut scene, "10.9.9.1", 15, DARK);
            if restart {
                restarted(&mut scene);
            }
            connections(&mut scene, "10.9.9.1", 10, DARK);
            told(&scene)
        };
        assert_eq!(play(true), play(false));
        assert_eq!(play(true).len(), 1);
    }
}
