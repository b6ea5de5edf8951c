//! People with browsers: customers of the shop, and the support desk.

use std::net::IpAddr;

use super::record::{Client, Recorder, Session};
use super::world::{END, START, Services, TUESDAY, World, client, money};
use crate::http::{Coding, Framing, Message};
use crate::rng::Rng;
use crate::text::{percent, ulid};
use crate::time::{HOUR, MILLI, MINUTE, SECOND, date, iso};

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
];

/// Who works at the desk, and the last byte of the address of their machine.
const STAFF: [(&str, u8); 5] = [
    ("anna", 31),
    ("boris", 32),
    ("chidi", 35),
    ("dilara", 38),
    ("emil", 44),
];

const CUSTOMERS: [&str; 6] = [
    "customer-1",
    "customer-2",
    "customer-3",
    "customer-4",
    "customer-5",
    "customer-6",
];

/// Lets both groups browse.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    shoppers(out, world, services);
    desk(out, world, services);
}

fn html(title: &str, rows: &[String]) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title><link rel=stylesheet href=/static/app.5f3c1d.css></head><body><header><a href=/>Acme</a></header><main><h1>{title}</h1><ul>{}</ul></main><script src=/static/app.91b2e0.js></script></body></html>",
        rows.concat()
    )
}

fn browse(s: &Session<'_>, method: &str, target: &str, cookie: Option<&str>) -> Message {
    let message = s
        .request(method, target)
        .field("Accept", "text/html,*/*;q=0.8")
        .field("Accept-Encoding", "gzip, br");
    match cookie {
        Some(cookie) => message.field("Cookie", cookie),
        None => message,
    }
}

fn page(s: &Session<'_>, title: &str, rows: &[String], rng: &mut Rng) -> Message {
    s.response(200)
        .content("text/html; charset=utf-8", html(title, rows))
        .coding(*rng.pick(&[Coding::Gzip, Coding::Brotli, Coding::Gzip]))
        .framing(*rng.pick(&[Framing::Length, Framing::Chunked(512)]))
}

/// Style sheet, script, icon: whole for a browser that does not have them, 304 for one that does.
fn assets(s: &mut Session<'_>, known: bool, rng: &mut Rng) {
    for (target, kind, tag) in [
        ("/static/app.5f3c1d.css", "text/css", "5f3c1d"),
        ("/static/app.91b2e0.js", "text/javascript", "91b2e0"),
    ] {
        let request = s.request("GET", target).field("Accept", "*/*");
        let (request, response) = if known {
            (
                request.field("If-None-Match", format!("\"{tag}\"")),
                s.response(304).field("ETag", format!("\"{tag}\"")),
            )
        } else {
            let text = format!(".{tag} {{ margin: 0 auto; padding: 1rem }}\n").repeat(40);
            let response = s
                .response(200)
                .field("ETag", format!("\"{tag}\""))
                .field("Cache-Control", "public, max-age=600")
                .content(kind, text)
                .coding(Coding::Gzip);
            (request, response)
        };
        s.exchange(&request, &response, rng.range(MILLI, 4 * MILLI));
    }
    if !known {
        let request = s.request("GET", "/favicon.ico").field("Accept", "image/*");
        let response = s.response(404).content("text/html", "<h1>Not found</h1>");
        s.exchange(&request, &response, MILLI);
    }
}

fn customer(index: usize, rng: &mut Rng) -> Client {
    let addr = IpAddr::from([198, 51, 100, 10 + 7 * index as u8]);
    client(
        CUSTOMERS[index % CUSTOMERS.len()],
        addr,
        BROWSERS[(index + 1) % 4],
        *rng.pick(&[51, 54, 115]),
        rng.range(9_000, 40_000),
    )
}

fn shoppers(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "shop");
    let mut at = START + 3 * MINUTE;
    let mut visit: usize = 0;
    while at < END - 20 * MINUTE {
        let hour = at / HOUR % 24;
        if !(6..22).contains(&hour) {
            at += 40 * MINUTE;
            continue;
        }
        let index = visit % CUSTOMERS.len();
        let known = visit >= CUSTOMERS.len();
        visit += 1;
        let who = customer(index, &mut rng);
        let cookie = format!("sid={}", rng.hex(24));
        let mut s = out.session(&who, &services.shop, at);
        let request = browse(&s, "GET", "/", None);
        let response = page(&s, "Acme: lamps and lights", &[], &mut rng)
            .field("Set-Cookie", format!("{cookie}; Path=/; HttpOnly; SameSite=Lax"));
        s.exchange(&request, &response, 12 * MILLI);
        assets(&mut s, known, &mut rng);
        let cookie = cookie.as_str();
        for _ in 0..rng.range(2, 6) {
            s.pause(rng.range(4, 40) * SECOND);
            let product = rng.range(301, 342);
            if rng.chance(30) {
                let word = *rng.pick(&["desk lamp", "shade", "led strip", "candle"]);
                let target = format!("/search?q={}&page={}", percent(word), rng.range(1, 3));
                let request = browse(&s, "GET", &target, Some(cookie));
                let rows: Vec<String> = (0..6)
                    .map(|i| format!("<li><a href=/products/{}>{word}</a></li>", 301 + i))
                    .collect();
                let response = page(&s, "Search", &rows, &mut rng);
                s.exchange(&request, &response, 20 * MILLI);
            } else {
                let request = browse(&s, "GET", &format!("/products/{product}"), Some(cookie));
                let row = format!("<li>{} EUR</li>", money(product * 13));
                let response = page(&s, &format!("Lamp {product}"), &[row], &mut rng);
                s.exchange(&request, &response, 15 * MILLI);
            }
            if rng.chance(25) {
                let request = s.request("POST", "/cart").field("Cookie", cookie).content(
                    "application/x-www-form-urlencoded",
                    format!("product={product}&qty=1"),
                );
                let response = s.response(303).field("Location", "/cart");
                s.exchange(&request, &response, 9 * MILLI);
                let request = browse(&s, "GET", "/cart", Some(cookie));
                let response = page(&s, "Your cart", &[], &mut rng);
                s.exchange(&request, &response, 9 * MILLI);
            }
        }
        // A mistyped or outdated link, as people follow them.
        if rng.chance(20) {
            let target = *rng.pick(&["/sale-2025", "/product/311", "/impressum.htm"]);
            let request = browse(&s, "GET", target, Some(cookie));
            let response = s.response(404).content("text/html", "<h1>Not found</h1>");
            s.exchange(&request, &response, 3 * MILLI);
        }
        let now = s.server_closes(15 * SECOND);
        if rng.chance(35) {
            own_orders(out, world, services, &who, now, &mut rng);
        }
        at += rng.range(20 * MINUTE, 64 * MINUTE);
    }
}

/// The shop's page asks the orders API for the customer's own orders, across origins.
fn own_orders(out: &mut Recorder, world: &World, services: &Services, who: &Client, at: u64, rng: &mut Rng) {
    let token = world.person_token(who.actor, "shop-web", at);
    let mut s = out.session(who, &services.orders, at);
    let origin = "http://shop.acme.example";
    let target = "/v1/me/orders?limit=5";
    let request = s
        .request("OPTIONS", target)
        .field("Origin", origin)
        .field("Access-Control-Request-Method", "GET")
        .field("Access-Control-Request-Headers", "authorization");
    let response = s
        .response(204)
        .field("Access-Control-Allow-Origin", origin)
        .field("Access-Control-Allow-Headers", "authorization");
    s.exchange(&request, &response, 2 * MILLI);
    let request = s
        .request("GET", target)
        .field("Origin", origin)
        .field("Accept", "application/json")
        .field("Authorization", format!("Bearer {token}"));
    let mine = world.latest_orders(at - rng.range(20, 40) * HOUR, 2);
    let items: Vec<String> = mine.iter().map(|o| o.brief(at)).collect();
    let response = s
        .response(200)
        .field("Access-Control-Allow-Origin", origin)
        .json(format!(r#"{{"data":[{}],"next":null}}"#, items.join(",")));
    s.exchange(&request, &response, 14 * MILLI);
    s.close();
}

fn desk(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "desk");
    let mornings = [
        START + 5 * MINUTE,
        TUESDAY + 7 * HOUR,
        TUESDAY + 12 * HOUR + 30 * MINUTE,
    ];
    for (shift, start) in mornings.into_iter().enumerate() {
        for (i, (name, host)) in STAFF.into_iter().enumerate() {
            let mut at = start + rng.range(0, 50 * MINUTE);
            // One of them has a machine with IPv6 alone.
            let six = name == "dilara";
            let addr = if six {
                IpAddr::from([0x2001, 0xdb8, 0x10, 4, 0, 0, 0, u16::from(host)])
            } else {
                IpAddr::from([10, 20, 4, host])
            };
            let ttl = if six { 63 } else { 127 };
            let who = client(name, addr, BROWSERS[i % 4], ttl, 900);
            let service = if six {
                services.desk_v6()
            } else {
                services.desk.clone()
            };
            let cookie = format!("desk_session={}", rng.hex(32));
            let mut s = out.session(&who, &service, at);
            sign_in(&mut s, name, &cookie, shift > 0, &mut rng);
            at = s.server_closes(20 * SECOND);
            for round in 0..rng.range(3, 6) {
                at += rng.range(6 * MINUTE, 34 * MINUTE);
                let mut s = out.session(&who, &service, at);
                work(&mut s, world, &cookie, at, round, &mut rng);
                at = s.server_closes(20 * SECOND);
            }
        }
    }
}

fn sign_in(s: &mut Session<'_>, name: &str, cookie: &str, known: bool, rng: &mut Rng) {
    let request = browse(s, "GET", "/", None);
    let response = s.response(302).field("Location", "/login");
    s.exchange(&request, &response, 2 * MILLI);
    let request = browse(s, "GET", "/login", None);
    let response = page(s, "Sign in", &[], rng);
    s.exchange(&request, &response, 4 * MILLI);
    assets(s, known, rng);
    s.pause(rng.range(5, 20) * SECOND);
    // One in a few mistypes the password first.
    for wrong in [rng.chance(20), false] {
        let request = s.request("POST", "/login").content(
            "application/x-www-form-urlencoded",
            format!("user={name}&password={}&csrf={}", rng.hex(10), rng.hex(16)),
        );
        if wrong {
            let response = s.response(401).content("text/html", "<h1>Please try again</h1>");
            s.exchange(&request, &response, 90 * MILLI);
            s.pause(6 * SECOND);
            continue;
        }
        let response = s
            .response(303)
            .field("Location", "/tickets")
            .field("Set-Cookie", format!("{cookie}; Path=/; HttpOnly"));
        s.exchange(&request, &response, 90 * MILLI);
        break;
    }
    let request = browse(s, "GET", "/tickets", Some(cookie));
    let response = page(s, "Open tickets", &[], rng);
    s.exchange(&request, &response, 11 * MILLI);
}

fn work(s: &mut Session<'_>, world: &World, cookie: &str, at: u64, round: u64, rng: &mut Rng) {
    let tickets = world.latest_tickets(at, 5);
    let request = s
        .request("GET", "/api/tickets?state=open&limit=5")
        .field("Accept", "application/json")
        .field("Cookie", cookie);
    let items: Vec<String> = tickets
        .iter()
        .map(|t| format!(r#"{{"id":"{}","subject":"{}"}}"#, t.id, t.subject))
        .collect();
    let response = s
        .response(200)
        .json(format!(r#"{{"data":[{}]}}"#, items.join(",")))
        .coding(Coding::Gzip);
    s.exchange(&request, &response, 8 * MILLI);
    for ticket in tickets {
        if !rng.chance(55) {
            continue;
        }
        s.pause(rng.range(3, 14) * SECOND);
        let target = format!("/tickets/{}", ticket.id);
        let request = browse(s, "GET", &target, Some(cookie));
        let row = format!(
            "<li>order {} of {}</li><li>opened {}</li>",
            ticket.order,
            date(ticket.at),
            iso(ticket.at)
        );
        let response = page(s, ticket.subject, &[row], rng);
        s.exchange(&request, &response, 10 * MILLI);
        if rng.chance(40) {
            s.pause(rng.range(10, 40) * SECOND);
            let request = s
                .request("POST", &format!("{target}/replies"))
                .field("Cookie", cookie)
                .content(
                    "application/x-www-form-urlencoded",
                    format!(
                        "text={}",
                        percent("We have sent you a new one. Sorry for the trouble!")
                    ),
                );
            let response = s.response(303).field("Location", target.as_str());
            s.exchange(&request, &response, 18 * MILLI);
        }
        if rng.chance(12) {
            upload(s, &target, cookie, rng);
        }
    }
    if round == 0 {
        let request = s.request("HEAD", "/tickets/export.csv").field("Cookie", cookie);
        let response = s.response(200).content("text/csv", "x".repeat(18_240)).bodiless();
        s.exchange(&request, &response, 5 * MILLI);
    }
}

/// A photo attached to a ticket; some browsers ask first whether the server wants it.
fn upload(s: &mut Session<'_>, target: &str, cookie: &str, rng: &mut Rng) {
    let boundary = format!("----WebKitFormBoundary{}", rng.hex(16));
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
    )
    .into_bytes();
    let size = usize::try_from(rng.range(1500, 2600)).unwrap_or(0);
    body.extend_from_slice(&rng.bytes(size));
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let request = s
        .request("POST", &format!("{target}/attachments"))
        .field("Cookie", cookie)
        .content(&format!("multipart/form-data; boundary={boundary}"), body);
    let now = s.now;
    let response = s.response(201).json(format!(r#"{{"id":"{}"}}"#, ulid(rng, now)));
    if rng.chance(50) {
        s.expecting(request, &response, 40 * MILLI);
    } else {
        s.exchange(&request, &response, 40 * MILLI);
    }
}
