//! Causes: what is joined, what is not, and how much of planted trees of calls is found.

use std::collections::BTreeMap;

use super::{Cause, EdgeView};
use crate::testing::{Call, Scene, agent_token, jwt};
use crate::{Kind, Severity};

const TRACE: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "traceparent: 00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01";

/// An agent calls a tool of the server at 10.9.9.1.
fn asked() -> Call {
    Call::tool("remove_order", r#"{"order_id":"ord-7719"}"#)
        .bearer(&agent_token("helper", 0))
        .host("tools.example")
        .at("10.9.9.1")
}

/// That server calls another one.
fn done() -> Call {
    Call::new("DELETE", "/orders/ord-7719")
        .host("orders.example")
        .from("10.9.9.1")
        .at("10.9.9.2")
        .field("X-Api-Key: 0123456789abcdef")
}

fn edges(scene: &mut Scene) -> Vec<EdgeView> {
    scene.analyzer.finish();
    scene.principals().into_iter().flat_map(|p| p.reaches).collect()
}

fn causes(scene: &mut Scene) -> Vec<(Cause, u64, f64)> {
    let all = edges(scene);
    all.iter()
        .flat_map(|e| e.causes.iter().map(|(c, n)| (*c, *n, e.confidence)))
        .collect()
}

#[test]
fn a_tool_call_has_its_server_call_another() {
    let mut scene = Scene::new();
    scene.nested(&asked().field(TRACE), &[done().field(TRACE)]);
    let edges = edges(&mut scene);
    assert_eq!(edges.len(), 1);
    let (edge, principals, endpoints) = (&edges[0], scene.principals(), scene.endpoints());
    let name = |id: &str| {
        principals
            .iter()
            .find(|p| p.id == id)
            .and_then(|p| p.name.clone())
    };
    let place = |id: &str| {
        endpoints
            .iter()
            .find(|e| e.id == id)
            .map(|e| format!("{}{}", e.host, e.template))
    };
    assert_eq!(name(&edge.from).as_deref(), Some("helper"));
    assert_eq!(
        place(&edge.through).as_deref(),
        Some("tools.example/mcp#tools/call:remove_order")
    );
    assert_eq!(place(&edge.to).as_deref(), Some("orders.example/orders/{slug}"));
    assert_ne!(edge.from, edge.by);
    assert_eq!(
        (edge.causes.as_slice(), edge.confidence),
        ([(Cause::Trace, 1)].as_slice(), 0.97)
    );
}

#[test]
fn each_sort_of_cause_is_told_with_how_sure_it_is() {
    let token = agent_token("helper", 0);
    let plain = |target: &str| {
        Call::get(target)
            .host("orders.example")
            .from("10.9.9.1")
            .at("10.9.9.2")
    };
    let one = |outer: Call, inner: Call| {
        let mut scene = Scene::new();
        scene.nested(&outer, &[inner]);
        causes(&mut scene)
    };
    assert_eq!(one(asked(), done()), [(Cause::Value, 1, 0.85)], "the order's id");
    assert_eq!(
        one(asked(), plain("/rates").bearer(&token)),
        [(Cause::Credential, 1, 0.9)]
    );
    assert_eq!(one(asked(), plain("/rates")), [(Cause::Time, 1, 0.6)]);
    // Two traces are two stories, whatever else they share.
    assert_eq!(one(asked().field(TRACE), done().field(OTHER)), []);
    // Another machine's call.
    assert_eq!(one(asked(), done().from("10.9.9.77")), []);
}

#[test]
fn behind_translated_addresses_a_trace_is_enough_and_a_value_is_not() {
    let mut scene = Scene::new();
    scene.nested(&asked().field(TRACE), &[done().field(TRACE).from("172.16.0.9")]);
    assert_eq!(causes(&mut scene), [(Cause::Trace, 1, 0.8)]);
    // Calls of one program in one trace are sisters.
    let mut scene = Scene::new();
    scene.nested(&asked().field(TRACE), &[done().field(TRACE).from("10.0.0.5")]);
    assert_eq!(causes(&mut scene), []);
}

#[test]
fn what_is_done_after_the_answer_belongs_to_the_call_before_it_by_its_trace_only() {
    for (field, want) in [
        (TRACE, vec![(Cause::Trace, 1, 0.8)]),
        (OTHER, vec![]),
        ("X-A: 1", vec![]),
    ] {
        let mut scene = Scene::new();
        scene.send(&asked().field(TRACE));
        scene.send(&done().field(field));
        scene.wait(120);
        scene.send(&Call::get("/later"));
        assert_eq!(causes(&mut scene), want, "{field}");
    }
}

#[test]
fn time_is_as_sure_as_there_are_few_it_can_belong_to() {
    let mut scene = Scene::new();
    let plain = Call::get("/rates")
        .host("orders.example")
        .from("10.9.9.1")
        .at("10.9.9.2");
    let start = scene.now;
    let step = 1_000_000;
    // Three calls are going on when the server sends one.
    scene.observe(plain.lasting(step).exchange(start + 10 * step, 1));
    for n in 0..3 {
        let outer = Call::get(format!("/work{n}"))
            .at("10.9.9.1")
            .bearer(&agent_token(&format!("a{n}"), 0));
        scene.observe(
            outer
                .lasting((20 + n) * step)
                .exchange(start + n * step, 2 + n as u32),
        );
    }
    let found = causes(&mut scene);
    assert_eq!(found, [(Cause::Time, 1, 0.2)]);
}

#[test]
fn a_value_that_two_callers_gave_is_shared_between_them() {
    let mut scene = Scene::new();
    let start = scene.now;
    let step = 1_000_000;
    scene.observe(done().lasting(step).exchange(start + 10 * step, 1));
    for n in 0..2 {
        let outer = Call::tool("remove_order", r#"{"order_id":"ord-7719"}"#)
            .host("tools.example")
            .at("10.9.9.1")
            .bearer(&agent_token(&format!("a{n}"), 0));
        scene.observe(
            outer
                .lasting((20 + n) * step)
                .exchange(start + n * step, 2 + n as u32),
        );
    }
    // One that was busy as well and knows nothing of the order does not count.
    let other = Call::get("/idle").at("10.9.9.1").bearer(&agent_token("b", 0));
    scene.observe(other.lasting(30 * step).exchange(start + 2 * step, 9));
    assert_eq!(causes(&mut scene), [(Cause::Value, 1, 0.42)]);
}

#[test]
fn a_refused_caller_that_has_it_done_is_found_once() {
    let agent = agent_token("helper", 0);
    let direct = |method| {
        Call::new(method, "/orders/ord-7719")
            .host("orders.example")
            .at("10.9.9.2")
            .bearer(&agent)
    };
    let play = |refusal: Call, outer: Call, inner: Call| {
        let mut scene = Scene::new();
        // The endpoint is known from others.
        scene.send(&done().from("10.9.9.50"));
        scene.send(&refusal);
        scene.nested(&outer, std::slice::from_ref(&inner));
        scene.nested(&outer, &[inner]);
        scene.analyzer.finish();
        scene.found(Kind::ConfusedDeputy)
    };
    let traced = || (asked().field(TRACE), done().field(TRACE));
    let (outer, inner) = traced();
    let found = play(direct("DELETE").status(403), outer, inner);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].severity, found[0].count), (Severity::High, 2));
    assert_eq!(
        found[0].evidence.len(),
        4,
        "the refusal, what was done, and both calls: {:?}",
        found[0].evidence
    );
    assert_eq!(
        play(direct("DELETE").status(403), asked(), done()),
        [],
        "several may have said the same value"
    );

    let quiet = |what: &str, refusal: Call, outer: Call, inner: Call| {
        assert_eq!(play(refusal, outer, inner), [], "{what}");
    };
    let (outer, inner) = traced();
    quiet("it was let in itself", direct("DELETE"), outer, inner);
    let (outer, inner) = traced();
    quiet(
        "something else was refused",
        direct("PUT").status(403),
        outer,
        inner,
    );
    let (outer, inner) = traced();
    let another = direct("DELETE").to("/orders/ord-1000").status(403);
    quiet("another order was refused", another, outer, inner);
    let (outer, inner) = traced();
    quiet(
        "who it is was not known",
        direct("DELETE").status(401),
        outer,
        inner,
    );
    let (outer, inner) = traced();
    quiet(
        "the deputy was refused too",
        direct("DELETE").status(403),
        outer,
        inner.status(403),
    );
    let (outer, _) = traced();
    let other = done().from("10.9.9.77").field(OTHER);
    quiet(
        "another machine did it",
        direct("DELETE").status(403),
        outer,
        other,
    );
    let (outer, _) = traced();
    let own = direct("DELETE").from("10.9.9.1").field(TRACE);
    quiet(
        "the credential is the caller's own",
        direct("DELETE").status(403),
        outer,
        own,
    );
    let (outer, _) = traced();
    let delegated =
        jwt(r#"{"iss":"https://auth.example","sub":"helper","act":{"sub":"tools"},"client_id":"tools"}"#);
    let named = Call::new("DELETE", "/orders/ord-7719")
        .host("orders.example")
        .from("10.9.9.1")
        .at("10.9.9.2")
        .bearer(&delegated)
        .field(TRACE);
    quiet(
        "the deputy names for whom it acts",
        direct("DELETE").status(403),
        outer,
        named,
    );
    let (outer, inner) = traced();
    let often = direct("DELETE").status(403).answer_field("Retry-After: 60");
    quiet("it asked too often", often, outer, inner);
    // What is named in query and body is the same, or it is something else.
    let (outer, inner) = traced();
    let searched = |call: Call, of: &str| call.to(&format!("/tenants?tenant={of}"));
    let refused = searched(direct("DELETE"), "A1234567").status(403);
    quiet(
        "another tenant was refused",
        refused.clone(),
        outer.clone(),
        searched(inner.clone(), "B7654321"),
    );
    assert_eq!(play(refused, outer, searched(inner, "A1234567")).len(), 1);
    // Nothing but the time joins them.
    let listed = |call: Call| call.to("/orders");
    let refused = listed(direct("DELETE")).status(403);
    quiet(
        "time alone accuses nobody",
        refused,
        Call::get("/run").at("10.9.9.1").bearer(&agent),
        listed(done()),
    );
}

#[test]
fn who_was_let_in_since_is_not_refused_any_more() {
    let agent = agent_token("helper", 0);
    let direct = Call::new("DELETE", "/orders/ord-7719")
        .host("orders.example")
        .at("10.9.9.2")
        .bearer(&agent);
    let mut scene = Scene::new();
    scene.send(&direct.clone().status(403));
    scene.send(&direct);
    scene.nested(&asked().field(TRACE), &[done().field(TRACE)]);
    assert_eq!(scene.found(Kind::ConfusedDeputy), []);
    // And a day later it is forgotten.
    let mut scene = Scene::new();
    scene.send(&direct.clone().status(403));
    scene.wait(86_401);
    scene.nested(&asked().field(TRACE), &[done().field(TRACE)]);
    assert_eq!(scene.found(Kind::ConfusedDeputy), []);
}

/// Numbers that only seem random (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }
}

/// Services that call each other for agents, with a truth of who caused what.
struct World {
    chance: Chance,
    traced: bool,
    calls: Vec<(u64, u64, Call)>,
    /// Ends of planted edges: who called what of which service, and what that service called.
    planted: BTreeMap<(String, String), u64>,
}

const SERVICES: u64 = 8;

impl World {
    /// A call of a service and what that calls in turn; gives how long it took.
    fn call(&mut self, start: u64, from: (String, String), service: u64, trace: u128, depth: usize) -> u64 {
        let ms = 1_000_000;
        let work = self.chance.below(6);
        let mut call = Call::get(format!("/work{work}"))
            .host(&format!("s{service}.example"))
            .at(&format!("10.1.0.{service}"))
            .from(&from.1)
            .field(&from.0);
        if self.traced {
            call = call.field(&format!(
                "traceparent: 00-{trace:032x}-{:016x}-01",
                self.chance.below(u64::MAX)
            ));
        }
        let mut now = start + self.chance.between(1, 4) * ms;
        let inner = if depth < 3 { self.chance.below(3) } else { 0 };
        for _ in 0..inner {
            let next = (service + self.chance.between(1, SERVICES)) % SERVICES;
            let own = (
                format!("X-Api-Key: key-of-service-{service}-0123456789"),
                format!("10.1.0.{service}"),
            );
            let before = self.calls.len();
            now += self.call(now, own, next, trace, depth + 1) + self.chance.between(1, 3) * ms;
            // The last one pushed is the call itself.
            let to = self
                .calls
                .last()
                .map(|(_, _, call)| format!("{call:?}"))
                .unwrap_or_default();
            assert!(self.calls.len() > before);
            let through = format!("s{service}.example/work{work}");
            let host = to
                .split("host: \"")
                .nth(1)
                .and_then(|t| t.split('"').next())
                .unwrap_or_default()
                .to_owned();
            let target = to
                .split("target: \"")
                .nth(1)
                .and_then(|t| t.split('"').next())
                .unwrap_or_default()
                .to_owned();
            *self
                .planted
                .entry((through, format!("{host}{target}")))
                .or_default() += 1;
        }
        now += self.chance.between(1, 4) * ms;
        self.calls.push((start, now - start, call));
        now - start
    }
}

/// Share of calls between services that were given their cause rightly, share of causes told that are right, and for each sort of cause how
/// sure it was said to be and how often it was right.
fn measured(traced: bool, rate_ms: u64) -> (f64, f64) {
    let mut world = World {
        chance: Chance(7),
        traced,
        calls: Vec::new(),
        planted: BTreeMap::new(),
    };
    let ms = 1_000_000;
    let mut start = 1_773_043_200_000 * ms;
    for n in 0..600_u32 {
        start += world.chance.between(1, 2 * rate_ms) * ms;
        let agent = n % 5;
        let from = (
            format!("X-Api-Key: key-of-agent-{agent}-0123456789"),
            format!("10.0.0.{}", 10 + agent),
        );
        let service = world.chance.below(SERVICES);
        world.call(start, from, service, u128::from(n) + 1, 0);
    }
    // In the order in which they are complete.
    world.calls.sort_by_key(|(start, took, _)| start + took);
    let mut scene = Scene::new();
    for (n, (start, took, call)) in world.calls.iter().enumerate() {
        scene.observe(call.lasting(*took).exchange(*start, n as u32));
    }
    let edges = edges(&mut scene);
    let places: BTreeMap<String, String> = scene
        .endpoints()
        .into_iter()
        .map(|e| (e.id.clone(), format!("{}{}", e.host, e.template)))
        .collect();
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    for edge in &edges {
        *found
            .entry((places[&edge.through].clone(), places[&edge.to].clone()))
            .or_default() += edge.exchanges;
    }
    let right: u64 = found
        .iter()
        .map(|(ends, n)| (*n).min(world.planted.get(ends).copied().unwrap_or(0)))
        .sum();
    let (planted, told): (u64, u64) = (world.planted.values().sum(), found.values().sum());
    let sure: f64 = edges
        .iter()
        .map(|e| e.confidence * e.exchanges as f64)
        .sum::<f64>()
        / told.max(1) as f64;
    println!(
        "{} calls, one begun every {rate_ms} ms: {planted} caused by others, {right} found ({:.1} %), {} told wrongly, said to be {sure:.2} sure",
        if traced { "traced" } else { "untraced" },
        100.0 * right as f64 / planted as f64,
        told - right,
    );
    (right as f64 / planted as f64, right as f64 / told.max(1) as f64)
}

#[test]
fn of_traced_calls_nearly_every_cause_is_right_and_of_others_it_is_said_how_sure_it_is() {
    for rate in [200, 5] {
        let (recall, precision) = measured(true, rate);
        assert!(recall >= 0.99 && precision >= 0.99, "{recall} {precision}");
    }
    let (recall, precision) = measured(false, 200);
    assert!(recall >= 0.9 && precision >= 0.9, "{recall} {precision}");
    let (_, crowded) = measured(false, 5);
    assert!(
        crowded < precision,
        "what is sure when few are busy is not when many are"
    );
}

#[test]
fn a_refusal_is_known_again_when_templates_have_been_learned() {
    let agent = agent_token("helper", 0);
    let mut scene = Scene::new();
    for n in 0..20 {
        let call = Call::get(format!("/orders/ord-77{n:02}"))
            .host("orders.example")
            .from("10.9.9.1")
            .at("10.9.9.2");
        scene.send(&call.field("X-Api-Key: 0123456789abcdef"));
    }
    let direct = Call::new("DELETE", "/orders/ord-7719")
        .host("orders.example")
        .at("10.9.9.2")
        .bearer(&agent);
    scene.send(&direct.status(403));
    scene.nested(&asked().field(TRACE), &[done().field(TRACE)]);
    assert_eq!(scene.found(Kind::ConfusedDeputy).len(), 1);
}
