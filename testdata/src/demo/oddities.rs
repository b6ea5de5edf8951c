//! What a mirror port sees besides plain exchanges: tunnels, streams, pipelines, joins in the middle, resets,
//! and segments that it lost. Everything damaged is marked so in the truth.

use std::net::IpAddr;

use super::agents::authorized;
use super::record::{Loss, Recorder, Session};
use super::world::{FINANCE, REFUND, STOCK, Services, TUESDAY, World, client};
use crate::http::Message;
use crate::rng::Rng;
use crate::text::base64;
use crate::time::{HOUR, MILLI, MINUTE, SECOND};
use crate::wire::Side;

/// Adds them to the day.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    let mut rng = Rng::named(world.seed, "oddities");
    websocket(out, services, &mut rng);
    connect(out, services, &mut rng);
    absolute_form(out, services);
    event_stream(out, services, &mut rng);
    pipeline(out, services);
    midstream(out, world, services);
    resets(out, world, services);
    losses(out, world, services);
}

/// A TLS 1.3 handshake as far as it can be read, and some application data.
pub(super) fn tls(s: &mut Session<'_>, name: &str, rng: &mut Rng) {
    let u16 = |n: usize| (n as u16).to_be_bytes();
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend_from_slice(&u16(body.len()));
        extensions.extend_from_slice(body);
    };
    let server_name = [&u16(name.len() + 3)[..], &[0], &u16(name.len()), name.as_bytes()].concat();
    extension(0, &server_name);
    extension(10, &[0, 4, 0, 29, 0, 23]);
    extension(13, &[0, 6, 4, 3, 8, 4, 4, 1]);
    extension(
        16,
        &[
            0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1',
        ],
    );
    extension(43, &[4, 3, 4, 3, 3]);
    let share = [&[0, 36, 0, 29, 0, 32][..], &rng.bytes(32)].concat();
    extension(51, &share);
    let mut hello = vec![3, 3];
    hello.extend_from_slice(&rng.bytes(32));
    hello.push(32);
    hello.extend_from_slice(&rng.bytes(32));
    hello.extend_from_slice(&[0, 6, 0x13, 1, 0x13, 2, 0x13, 3, 1, 0]);
    hello.extend_from_slice(&u16(extensions.len()));
    hello.extend_from_slice(&extensions);
    let handshake = [&[1, 0][..], &u16(hello.len()), &hello].concat();
    let record = |kind: u8, version: u8, body: &[u8]| -> Vec<u8> {
        [&[kind, 3, version][..], &u16(body.len()), body].concat()
    };
    s.raw(Side::Client, &record(22, 1, &handshake));
    let mut answer = vec![2, 0, 0, 118, 3, 3];
    answer.extend_from_slice(&rng.bytes(32));
    answer.push(32);
    answer.extend_from_slice(&rng.bytes(32));
    answer.extend_from_slice(&[0x13, 1, 0, 0, 46, 0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32]);
    answer.extend_from_slice(&rng.bytes(32));
    let flight = [
        record(22, 3, &answer),
        record(20, 3, &[1]),
        record(23, 3, &rng.bytes(380)),
    ]
    .concat();
    s.raw(Side::Server, &flight);
    s.raw(Side::Client, &record(23, 3, &rng.bytes(210)));
    s.raw(Side::Server, &record(23, 3, &rng.bytes(420)));
}

/// The desk's live updates: an upgrade, then frames of WebSocket.
fn websocket(out: &mut Recorder, services: &Services, rng: &mut Rng) {
    let addr = IpAddr::from([10, 20, 4, 31]);
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
    let who = client("anna", addr, browser, 127, 900);
    let mut s = out.session(&who, &services.desk, TUESDAY + 9 * HOUR + 12 * MINUTE);
    let request = s
        .request("GET", "/live")
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", base64(&rng.bytes(16)))
        .field("Cookie", format!("desk_session={}", rng.hex(32)));
    let response = Message::response(101)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Accept", base64(&rng.bytes(20)));
    s.exchange(&request, &response, 4 * MILLI);
    for n in 0..6_u8 {
        s.pause(20 * SECOND);
        let text = format!(r#"{{"event":"ticket","open":{n}}}"#);
        let mut frame = vec![0x81, text.len() as u8];
        frame.extend_from_slice(text.as_bytes());
        s.raw(Side::Server, &frame);
        // A pong, masked as clients must (RFC 6455 section 5.3).
        s.raw(Side::Client, &[&[0x8a, 0x80][..], &rng.bytes(4)].concat());
    }
    s.close();
}

/// A tunnel through the proxy, and what goes through it.
fn connect(out: &mut Recorder, services: &Services, rng: &mut Rng) {
    let mut s = out.session(
        &FINANCE.client(),
        &services.proxy,
        TUESDAY + 8 * HOUR + 41 * MINUTE,
    );
    let request = Message::request("CONNECT", "rates.partner.example:8443")
        .field("Host", "rates.partner.example:8443")
        .field("User-Agent", "ledgerlane-sdk/0.9 go/1.25");
    let response = Message::response(200)
        .start_line("HTTP/1.1 200 Connection established")
        .bodiless();
    s.connect(&request, &response, 30 * MILLI);
    tls(&mut s, "rates.partner.example", rng);
    s.close();
}

/// A request through the proxy in absolute form.
fn absolute_form(out: &mut Recorder, services: &Services) {
    let who = client(
        "emil",
        IpAddr::from([10, 20, 4, 44]),
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        127,
        900,
    );
    let mut s = out.session(&who, &services.proxy, TUESDAY + 10 * HOUR + 3 * MINUTE);
    let request = Message::request("GET", "http://news.partner.example/today")
        .field("Host", "news.partner.example")
        .field("Accept", "text/html")
        .field("Proxy-Connection", "keep-alive");
    let response = s
        .response(200)
        .content("text/html", "<h1>Port reopens after the storm</h1>");
    s.exchange(&request, &response, 120 * MILLI);
    s.close();
}

/// Progress of a stock count, as server-sent events over half a minute.
fn event_stream(out: &mut Recorder, services: &Services, rng: &mut Rng) {
    let who = client(
        "chidi",
        IpAddr::from([10, 20, 4, 35]),
        "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        63,
        900,
    );
    let mut s = out.session(&who, &services.desk, TUESDAY + 9 * HOUR + 48 * MINUTE);
    let request = s
        .request("GET", "/api/stockcount/events")
        .field("Accept", "text/event-stream")
        .field("Cookie", format!("desk_session={}", rng.hex(32)));
    let head = s
        .response(200)
        .field("Content-Type", "text/event-stream")
        .field("Cache-Control", "no-cache");
    let events: Vec<String> = (1..=12)
        .map(|n| format!("id: {n}\ndata: {{\"counted\":{}}}\n\n", n * 34))
        .collect();
    s.streamed(&request, &head, &events, 2500 * MILLI);
    s.close();
}

/// A program that asks four things in one go.
fn pipeline(out: &mut Recorder, services: &Services) {
    let who = client(
        "old-monitor",
        IpAddr::from([10, 20, 1, 9]),
        "check_http/1.4.14",
        63,
        700,
    );
    let mut s = out.session(&who, &services.desk, TUESDAY + 6 * HOUR + 31 * MINUTE);
    let pairs: Vec<(Message, Message)> = ["/status", "/status/db", "/status/mail", "/status"]
        .iter()
        .map(|target| {
            let response = s.response(200).content("text/plain", format!("{target} up\n"));
            (s.request("GET", target), response)
        })
        .collect();
    s.pipeline(&pairs, 2 * MILLI);
    s.close();
}

/// Connections that were there before the capture: one joined between two exchanges, one in a response.
fn midstream(out: &mut Recorder, world: &World, services: &Services) {
    let at = super::world::START + 40 * SECOND;
    for (agent, service, late) in [
        (&STOCK, &services.orders, false),
        (&REFUND, &services.orders, true),
    ] {
        let who = agent.client();
        let conn = out.connection(&who, service);
        let mut s = out.resume(&who, service, conn, at);
        s.flag("midstream");
        if late {
            s.tail_of_response(b"ency\":\"EUR\",\"items\":[{\"product\":318,\"qty\":2}]}");
            s.pause(SECOND);
        }
        let token = world.agent_token(agent, at);
        for order in world.latest_orders(at, 3) {
            let target = if late {
                format!("/v1/orders/{}", order.id)
            } else {
                format!("/v1/products/{}/stock", order.product)
            };
            let request = authorized(&s, "GET", &target, &token);
            let body = if late {
                order.full(at)
            } else {
                format!(r#"{{"product":{},"level":21}}"#, order.product)
            };
            let response = s.response(200).json(body);
            s.exchange(&request, &response, 9 * MILLI);
            s.keep_alive_probe(b'\n');
        }
        if late {
            s.abandon()
        } else {
            s.close()
        };
    }
}

/// One reset after everything was said, one in the middle of a page.
fn resets(out: &mut Recorder, world: &World, services: &Services) {
    let who = client(
        "customer-2",
        IpAddr::from([198, 51, 100, 17]),
        "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        54,
        14_000,
    );
    let cookie = format!("sid={}", Rng::named(world.seed, "reset").hex(24));
    let mut s = out.session(&who, &services.shop, TUESDAY + 15 * HOUR + 21 * MINUTE);
    let request = s.request("GET", "/products/333").field("Cookie", cookie.as_str());
    let response = s.response(200).content("text/html", "<h1>Lamp 333</h1>");
    s.exchange(&request, &response, 11 * MILLI);
    s.reset();
    let mut s = out.session(&who, &services.shop, TUESDAY + 15 * HOUR + 22 * MINUTE);
    let request = s
        .request("GET", "/catalogue.pdf")
        .field("Cookie", cookie.as_str());
    let response = s
        .response(200)
        .content("application/pdf", "%PDF-1.7 ".repeat(900));
    s.cut_off(&request, &response, 9 * MILLI, 4 * 1460);
}

/// Four places where the mirror lost a segment; the connection goes on afterwards.
fn losses(out: &mut Recorder, world: &World, services: &Services) {
    let losses = [
        Loss::Response(1),
        Loss::Request(1),
        Loss::Response(2),
        Loss::Request(0),
    ];
    for (i, loss) in losses.into_iter().enumerate() {
        let at = TUESDAY + (8 + i as u64) * HOUR + 54 * MINUTE;
        let token = world.agent_token(&REFUND, at);
        let mut s = out.session(&REFUND.client(), &services.orders, at);
        for (n, order) in world.latest_orders(at, 4).into_iter().enumerate() {
            let request = authorized(&s, "GET", &format!("/v1/orders/{}", order.id), &token);
            let response = s
                .response(200)
                .json(order.full(at))
                .field("X-Trace", "0".repeat(300));
            let loss = if n == 1 { loss } else { Loss::None };
            s.lossy_exchange(&request, &response, 11 * MILLI, loss);
            s.pause(SECOND);
        }
        s.close();
    }
}
