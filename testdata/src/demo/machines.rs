//! Programs that are no agents: the nightly batch, the ERP integration, and what watches the services.

use std::net::IpAddr;

use super::agents::authorized;
use super::record::{Recorder, Session};
use super::world::{END, START, Services, TUESDAY, World, client};
use crate::http::{Coding, Framing, Message};
use crate::rng::Rng;
use crate::time::{HOUR, MILLI, MINUTE, SECOND, date, iso};

/// Runs them.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    batch(out, world, services);
    integration(out, world, services);
    watch(out, services);
    sign_on(out, world, services);
}

/// At two in the morning: every order of the day, page by page, then one by one, then the settlement.
fn batch(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "batch");
    let key = format!("ak_{}", rng.hex(32));
    let who = client(
        "nightly-batch",
        IpAddr::from([10, 30, 9, 5]),
        "Java-http-client/21.0.8",
        63,
        380,
    );
    let call = |s: &Session<'_>, method: &str, target: &str| -> Message {
        s.request(method, target)
            .field("Accept", "application/json")
            .field("X-Api-Key", key.as_str())
    };
    let at = TUESDAY + 2 * HOUR + rng.range(0, 20 * SECOND);
    let all = world.latest_orders(at, 100);
    let mut s = out.session(&who, &services.orders, at);
    for (number, part) in all.chunks(20).enumerate() {
        let target = format!("/v1/orders?status=all&limit=20&offset={}", number * 20);
        let request = call(&s, "GET", &target);
        let items: Vec<String> = part.iter().map(|o| o.brief(at)).collect();
        let response = s
            .response(200)
            .json(format!(r#"{{"data":[{}],"next":null}}"#, items.join(",")))
            .coding(Coding::Gzip);
        s.exchange(&request, &response, 25 * MILLI);
    }
    for order in &all {
        let request = call(&s, "GET", &format!("/v1/orders/{}", order.id));
        let response = s.response(200).json(order.full(at));
        s.exchange(&request, &response, rng.range(3 * MILLI, 12 * MILLI));
    }
    let at = s.close() + SECOND;
    let mut s = out.session(&who, &services.payments, at);
    let day = date(TUESDAY - HOUR);
    let request = call(&s, "POST", &format!("/v1/settlements/{day}"))
        .json(format!(r#"{{"orders":{},"currency":"EUR"}}"#, all.len()));
    let response = s
        .response(202)
        .field("Location", format!("/v1/settlements/{day}"))
        .json(r#"{"state":"running"}"#);
    s.exchange(&request, &response, 45 * MILLI);
    for state in ["running", "running", "done"] {
        s.pause(10 * SECOND);
        let request = call(&s, "GET", &format!("/v1/settlements/{day}"));
        let response = s.response(200).json(format!(r#"{{"state":"{state}"}}"#));
        s.exchange(&request, &response, 8 * MILLI);
    }
    s.close();
}

/// Every twenty-four minutes: what is new, and the stock that the warehouse counted. Planted incident (c): its
/// token has no end.
fn integration(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "erp");
    let token = world.integration_token();
    let who = client(
        "erp-sync",
        IpAddr::from([10, 40, 2, 8]),
        "Apache-HttpClient/5.5 (Java/17.0.16)",
        62,
        2_100,
    );
    let mut at = START + 4 * MINUTE;
    while at < END - 5 * MINUTE {
        let mut s = out.session(&who, &services.orders, at);
        s.incident(Some("token_without_exp"));
        let target = format!("/v1/orders?updated_since={}&limit=20", iso(at - 24 * MINUTE));
        let request = authorized(&s, "GET", &target, &token);
        let new = world.latest_orders(at, 1);
        let items: Vec<String> = new.iter().map(|o| o.brief(at)).collect();
        let response = s
            .response(200)
            .json(format!(r#"{{"data":[{}],"next":null}}"#, items.join(",")));
        s.exchange(&request, &response, 13 * MILLI);
        if rng.chance(70) {
            let target = format!("/v1/products/{}/stock", rng.range(301, 342));
            let request =
                authorized(&s, "PUT", &target, &token).json(format!(r#"{{"counted":{}}}"#, rng.range(0, 90)));
            let response = s.response(204);
            s.exchange(&request, &response, 9 * MILLI);
        }
        s.close();
        at += 24 * MINUTE + rng.range(0, 3 * SECOND);
    }
}

/// Health checks: the load balancer's, an old monitor that speaks HTTP/1.0, and one that asks for heads.
fn watch(out: &mut Recorder, services: &Services) {
    let balancer = client(
        "load-balancer",
        IpAddr::from([10, 10, 0, 4]),
        "lb-health/2",
        64,
        120,
    );
    let monitor = client(
        "old-monitor",
        IpAddr::from([10, 20, 1, 9]),
        "check_http/1.4.14",
        63,
        700,
    );
    let mut at = START + MINUTE;
    let mut round = 0_u64;
    while at < END - 5 * MINUTE {
        let service = [&services.orders, &services.payments][usize::from(round % 2 == 1)];
        let mut s = out.session(&balancer, service, at);
        let request = s.request("GET", "/healthz");
        let response = s.response(200).json(r#"{"status":"ok"}"#);
        s.exchange(&request, &response, MILLI);
        s.close();
        if round.is_multiple_of(2) {
            let mut s = out.session(&monitor, &services.desk, at + 20 * SECOND);
            let request = s
                .request("GET", "/status")
                .start_line("GET /status HTTP/1.0")
                .field("Connection", "close");
            let response = s
                .response(200)
                .start_line("HTTP/1.0 200 OK")
                .content("text/plain", "desk up\nqueue 0\n")
                .framing(Framing::Close);
            s.exchange(&request, &response, 2 * MILLI);
            s.pause(0);
            s.server_closes(0);
        } else {
            let mut s = out.session(&monitor, &services.shop, at + 30 * SECOND);
            let request = s.request("HEAD", "/");
            let response = s
                .response(200)
                .content("text/html; charset=utf-8", "x".repeat(2291))
                .bodiless();
            s.exchange(&request, &response, 2 * MILLI);
            s.close();
        }
        round += 1;
        at += 40 * MINUTE;
    }
}

/// Displays in the shops ask for prices: from Tuesday at six new ones, in the second version and with a key, and one that nobody
/// took along, without. Planted incident (f): the first version still answers it.
pub(super) fn displays(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "displays");
    let new = client(
        "shop-display",
        IpAddr::from([10, 50, 3, 11]),
        "label-gateway/4.2",
        62,
        900,
    );
    let old = client(
        "old-display",
        IpAddr::from([10, 50, 3, 12]),
        "label-gateway/1.8",
        62,
        950,
    );
    let key = format!("dk_{}", rng.hex(32));
    let mut at = START + 7 * MINUTE;
    let mut round = 0_u64;
    while at < END - 10 * MINUTE {
        let is_old = round % 3 == 2;
        if !is_old && at < TUESDAY + 6 * HOUR {
            round += 1;
            at += 70 * MINUTE;
            continue;
        }
        let mut s = out.session(if is_old { &old } else { &new }, &services.payments, at);
        s.incident(is_old.then_some("forgotten_version"));
        for _ in 0..2 {
            let product = rng.range(301, 342);
            let price = format!("{}.90", rng.range(12, 90));
            let (version, more) = if is_old {
                (1, "")
            } else {
                (2, r#","unit":"piece""#)
            };
            let mut request = s
                .request("GET", &format!("/v{version}/prices/{product}"))
                .field("Accept", "application/json");
            if !is_old {
                request = request.field("Authorization", format!("Bearer {key}"));
            }
            let response = s.response(200).json(format!(
                r#"{{"product":{product},"price":"{price}","currency":"EUR"{more}}}"#
            ));
            s.exchange(&request, &response, 4 * MILLI);
        }
        s.close();
        round += 1;
        at += 70 * MINUTE + rng.range(0, 30 * SECOND);
    }
}

/// Agents fetch their tokens over TLS: the capture has the hello and bytes that nobody can read.
fn sign_on(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "tls");
    for (i, agent) in [&super::world::REFUND, &super::world::FINANCE]
        .into_iter()
        .enumerate()
    {
        let mut at = START + (4 + 18 * i as u64) * MINUTE;
        while at < END - HOUR {
            let mut s = out.session(&agent.client(), &services.id, at);
            super::oddities::tls(&mut s, "id.acme.example", &mut rng);
            s.close();
            at += 6 * HOUR;
        }
    }
}
