//! The work of the four agents over the plain HTTP APIs. Each reads what lists gave it.

use super::record::{Recorder, Session};
use super::world::{Agent, COPILOT, END, FINANCE, Payment, REFUND, START, STOCK, Services, World, money};
use crate::http::{Coding, Framing, Message};
use crate::rng::Rng;
use crate::text::ulid;
use crate::time::{HOUR, MILLI, MINUTE, SECOND, date, iso};

/// A request of an agent, with its token and the fields its software sends.
pub(super) fn authorized(session: &Session<'_>, method: &str, target: &str, token: &str) -> Message {
    session
        .request(method, target)
        .field("Authorization", format!("Bearer {token}"))
}

fn page(items: &[String], next: Option<&str>) -> String {
    let next = next.map_or_else(|| "null".to_owned(), |n| format!("\"{n}\""));
    format!(r#"{{"data":[{}],"next":{next}}}"#, items.join(","))
}

fn think(rng: &mut Rng) -> u64 {
    rng.range(4 * MILLI, 45 * MILLI)
}

/// Runs all four.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    refund(out, world, services);
    stock(out, world, services);
    finance(out, world, services);
    copilot(out, world, services);
}

/// Lists the newest orders, reads some of them, and refunds one now and then; in bursts, day and night.
fn refund(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "refund");
    let mut at = START + 2 * MINUTE;
    while at < END - 10 * MINUTE {
        let token = world.agent_token(&REFUND, at);
        let mut s = out.session(&REFUND.client(), &services.orders, at);
        let request = authorized(&s, "GET", "/v1/orders?status=paid&limit=8", &token);
        let listed = world.latest_orders(at, 8);
        let items: Vec<String> = listed.iter().map(|o| o.brief(at)).collect();
        // For an hour the API is overloaded: the agent backs off and tries again.
        if (at - START) / HOUR == 21 {
            for pause in [1, 2, 4] {
                let busy = s
                    .response(503)
                    .field("Retry-After", pause.to_string())
                    .json(r#"{"error":"overloaded"}"#);
                s.exchange(&request, &busy, think(&mut rng));
                s.pause(pause * SECOND);
            }
        }
        let response = s
            .response(200)
            .json(page(&items, None))
            .coding(if rng.chance(50) {
                Coding::Gzip
            } else {
                Coding::Identity
            });
        s.exchange(&request, &response, think(&mut rng));
        for order in listed {
            if !rng.chance(72) {
                continue;
            }
            s.pause(rng.range(200, 2500) * MILLI);
            let request = authorized(&s, "GET", &format!("/v1/orders/{}", order.id), &token);
            let response = s.response(200).json(order.full(at));
            s.exchange(&request, &response, think(&mut rng));
            if rng.chance(30) {
                s.pause(rng.range(500, 4000) * MILLI);
                let target = format!("/v1/shipments/{}", order.shipment);
                let request = authorized(&s, "GET", &target, &token);
                let body = format!(
                    r#"{{"id":"{}","carrier":"northpost","state":"in_transit"}}"#,
                    order.shipment
                );
                let response = s.response(200).json(body);
                s.exchange(&request, &response, think(&mut rng));
            }
            if rng.chance(12) {
                let id = ulid(&mut rng, s.now);
                let request =
                    authorized(&s, "POST", &format!("/v1/orders/{}/refunds", order.id), &token).json(
                        format!(r#"{{"amount":"{}","reason":"damaged"}}"#, money(order.cents / 2)),
                    );
                let response = s
                    .response(201)
                    .field("Location", format!("/v1/refunds/{id}"))
                    .json(format!(r#"{{"id":"{id}","state":"pending"}}"#));
                s.exchange(&request, &response, think(&mut rng));
            }
        }
        at = s.close() + rng.range(22 * MINUTE, 38 * MINUTE);
    }
}

/// Reads stock levels product by product in one kept-alive connection, and orders more when it runs low.
fn stock(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "stock");
    let mut at = START + 7 * MINUTE;
    while at < END - 10 * MINUTE {
        let token = world.agent_token(&STOCK, at);
        let mut s = out.session(&STOCK.client(), &services.orders, at);
        let first = rng.range(301, 332);
        let ids: Vec<u64> = (first..first + 10).filter(|_| rng.chance(75)).collect();
        let items: Vec<String> = ids.iter().map(|id| format!(r#"{{"product":{id}}}"#)).collect();
        let request = authorized(&s, "GET", "/v1/products?below=20&limit=10", &token);
        let response = s
            .response(200)
            .json(page(&items, None))
            .framing(Framing::Chunked(64));
        s.exchange(&request, &response, think(&mut rng));
        for id in ids {
            s.pause(rng.range(100, 900) * MILLI);
            let level = rng.range(2, 40);
            let target = format!("/v1/products/{id}/stock");
            let request = authorized(&s, "GET", &target, &token);
            let response = s
                .response(200)
                .field("ETag", format!("\"{id}-{level}\""))
                .json(format!(r#"{{"product":{id},"level":{level}}}"#));
            s.exchange(&request, &response, think(&mut rng));
            if level < 10 {
                s.pause(300 * MILLI);
                let request =
                    authorized(&s, "PUT", &target, &token).json(format!(r#"{{"reorder":{}}}"#, 60 - level));
                let response = s.response(204);
                s.exchange(&request, &response, think(&mut rng));
            }
        }
        at = s.server_closes(5 * SECOND) + rng.range(46 * MINUTE, 70 * MINUTE);
    }
}

/// Follows the pages of the payments list, looks some of them up, and reads the report of the day before.
fn finance(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "finance");
    let mut at = START + 12 * MINUTE;
    while at < END - 10 * MINUTE {
        let token = world.agent_token(&FINANCE, at);
        let mut s = out.session(&FINANCE.client(), &services.payments, at);
        let listed: Vec<&Payment> = world.latest_payments(at, 12);
        for (number, part) in listed.chunks(4).enumerate() {
            let target = format!("/v1/payments?from={}&page={}", date(at), number + 1);
            let request = authorized(&s, "GET", &target, &token);
            let items: Vec<String> = part
                .iter()
                .map(|p| format!(r#"{{"id":"{}","amount":"{}"}}"#, p.id, money(p.cents)))
                .collect();
            let next = (number < 2).then_some("more");
            let coding = *rng.pick(&[Coding::Identity, Coding::Gzip, Coding::Zstd]);
            let response = s.response(200).json(page(&items, next)).coding(coding);
            s.exchange(&request, &response, think(&mut rng));
            s.pause(rng.range(300, 1500) * MILLI);
        }
        for payment in listed {
            if rng.chance(45) {
                let target = format!("/v1/payments/{}", payment.id);
                let request = authorized(&s, "GET", &target, &token);
                let response = s.response(200).json(payment.full());
                s.exchange(&request, &response, think(&mut rng));
                s.pause(rng.range(1, 9) * SECOND);
            }
        }
        if rng.chance(60) {
            let day = date(at - 24 * HOUR);
            let request = authorized(&s, "GET", &format!("/v1/reports/daily/{day}"), &token);
            let body = format!(
                r#"{{"date":"{day}","captured":"{}","refunded":"{}","count":{}}}"#,
                money(rng.range(200_000, 900_000)),
                money(rng.range(2_000, 50_000)),
                rng.range(60, 120)
            );
            let response = s.response(200).json(body).coding(Coding::Deflate);
            s.exchange(&request, &response, think(&mut rng));
        }
        at = s.close() + rng.range(48 * MINUTE, 68 * MINUTE);
    }
}

/// Helps the support desk in office hours: slow, a person reads along.
fn copilot(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "copilot");
    let mut at = START + 25 * MINUTE;
    while at < END - HOUR {
        let hour = at / HOUR % 24;
        if !(7..18).contains(&hour) {
            at += HOUR;
            continue;
        }
        let token = world.agent_token(&COPILOT, at);
        let mut s = out.session(&COPILOT.client(), &services.desk, at);
        for ticket in world.latest_tickets(at, 6).into_iter().take(2) {
            let target = format!("/api/tickets/{}", ticket.id);
            let request = authorized(&s, "GET", &target, &token);
            let body = format!(
                r#"{{"id":"{}","subject":"{}","order":{},"opened":"{}","state":"open"}}"#,
                ticket.id,
                ticket.subject,
                ticket.order,
                iso(ticket.at)
            );
            let response = s.response(200).json(body).coding(Coding::Brotli);
            s.exchange(&request, &response, think(&mut rng));
            s.pause(rng.range(8, 50) * SECOND);
            let request = authorized(&s, "POST", &format!("{target}/suggestions"), &token).json(
                format!(
                    r#"{{"text":"Thank you for writing about '{}'. I have looked at your order {} and will get back to you today."}}"#,
                    ticket.subject.to_lowercase(),
                    ticket.order
                ),
            );
            let response = s.response(201).json(r#"{"state":"draft"}"#);
            s.exchange(&request, &response, rng.range(60 * MILLI, 300 * MILLI));
            s.pause(rng.range(5, 20) * SECOND);
        }
        at = s.server_closes(60 * SECOND) + rng.range(12 * MINUTE, 38 * MINUTE);
    }
}

/// Whether an agent works at this moment of a day.
pub(super) fn works(agent: &Agent, at: u64) -> bool {
    agent.id != COPILOT.id || (7..18).contains(&(at / HOUR % 24))
}
