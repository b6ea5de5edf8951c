//! What should be found: each planted once, with a name in the truth. The token without an end, incident
//! (c), is in `machines.rs`, for it is there all day.

use std::net::IpAddr;

use super::agents::authorized;
use super::record::Recorder;
use super::world::{FINANCE, Order, REFUND, STOCK, Services, TUESDAY, World, client, money};
use crate::http::Coding;
use crate::rng::Rng;
use crate::text::card;
use crate::time::{HOUR, MILLI, MINUTE, SECOND, date};

/// Plants them.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    shadow_endpoint(out, world, services);
    enumeration(out, world, services);
    stolen_token(out, world, services);
    cards(out, world, services);
}

/// (a) Somebody left a debug endpoint on the orders API; it asks for no credential and gives out a lot.
fn shadow_endpoint(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "shadow");
    let who = client(
        "workstation-77",
        IpAddr::from([10, 20, 8, 77]),
        "python-requests/2.32.3",
        63,
        800,
    );
    let mut s = out.session(&who, &services.orders, TUESDAY + 11 * HOUR + 42 * MINUTE);
    s.incident(Some("shadow_endpoint"));
    for offset in [0, 20, 40] {
        let target = format!("/internal/debug/export?table=orders&offset={offset}");
        let request = s.request("GET", &target).field("Accept", "*/*");
        let rows: Vec<String> = (0..20)
            .map(|n| {
                format!(
                    r#"{{"order":{},"customer":{},"total":"{}"}}"#,
                    10_200 + offset + n,
                    rng.range(2_000, 9_000),
                    money(rng.range(900, 24_000))
                )
            })
            .collect();
        let response = s.response(200).json(format!("[{}]", rows.join(",")));
        s.exchange(&request, &response, 60 * MILLI);
        s.pause(4 * SECOND);
    }
    s.close();
}

/// (b) The refund agent walks through order numbers, one after the other, that no list gave it.
fn enumeration(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "enumeration");
    let at = TUESDAY + 14 * HOUR + 8 * MINUTE;
    let token = world.agent_token(&REFUND, at);
    let mut s = out.session(&REFUND.client(), &services.orders, at);
    s.incident(Some("order_enumeration"));
    for id in 10_200..10_296 {
        let known: Option<&Order> = world.orders.iter().find(|o| o.id == id);
        let request = authorized(&s, "GET", &format!("/v1/orders/{id}"), &token);
        let response = match known {
            Some(order) if rng.chance(45) => s.response(200).json(order.full(at)),
            Some(_) => s.response(403).json(r#"{"error":"not your order"}"#),
            None => s.response(404).json(r#"{"error":"no such order"}"#),
        };
        s.exchange(&request, &response, rng.range(4 * MILLI, 20 * MILLI));
        s.pause(rng.range(900, 2600) * MILLI);
    }
    s.close();
}

/// (d) The stock agent's token is used from another network, by other software, while the agent works on.
fn stolen_token(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "stolen");
    let thief = client(
        "token-thief",
        IpAddr::from([10, 77, 5, 23]),
        "curl/8.14.1",
        61,
        5_200,
    );
    for minute in (15..60).step_by(5) {
        let at = TUESDAY + 10 * HOUR + minute * MINUTE;
        let token = world.agent_token(&STOCK, at);
        for (own, who) in [(true, STOCK.client()), (false, thief.clone())] {
            if own && minute % 10 == 0 {
                continue;
            }
            let shift = if own { 0 } else { 70 * SECOND };
            let mut s = out.session(&who, &services.orders, at + shift);
            s.incident((!own).then_some("token_in_two_places"));
            for _ in 0..2 {
                let product = rng.range(301, 342);
                let target = format!("/v1/products/{product}/stock");
                let request = authorized(&s, "GET", &target, &token);
                let body = format!(r#"{{"product":{product},"level":{}}}"#, rng.range(11, 60));
                let response = s.response(200).json(body);
                s.exchange(&request, &response, 9 * MILLI);
                s.pause(2 * SECOND);
            }
            s.close();
        }
    }
}

/// (e) The payments API gives out whole card numbers in its export, every evening.
fn cards(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "cards");
    for evening in [TUESDAY - 6 * HOUR, TUESDAY + 18 * HOUR] {
        let at = evening + 34 * MINUTE;
        let token = world.agent_token(&FINANCE, at);
        let mut s = out.session(&FINANCE.client(), &services.payments, at);
        s.incident(Some("card_numbers"));
        for page in 1..=3 {
            let target = format!("/v1/payments/export?date={}&page={page}", date(at));
            let request = authorized(&s, "GET", &target, &token);
            let rows: Vec<String> = world
                .latest_payments(at, 24)
                .iter()
                .skip((page - 1) * 8)
                .take(8)
                .map(|p| {
                    let prefix = *rng.pick(&["4539", "5312", "4916", "5425"]);
                    format!(
                        r#"{{"id":"{}","amount":"{}","pan":"{}","expires":"{:02}/{}"}}"#,
                        p.id,
                        money(p.cents),
                        card(&mut rng, prefix, 16),
                        p.order % 12 + 1,
                        27 + p.order % 4
                    )
                })
                .collect();
            let coding = if page == 2 { Coding::Gzip } else { Coding::Identity };
            let response = s
                .response(200)
                .json(format!(r#"{{"data":[{}]}}"#, rows.join(",")))
                .coding(coding);
            s.exchange(&request, &response, 80 * MILLI);
            s.pause(2 * SECOND);
        }
        s.close();
    }
}
