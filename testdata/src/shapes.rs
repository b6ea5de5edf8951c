//! A capture of one afternoon of APIs that are built in as many ways as APIs are: what a description of traffic must be able to
//! say, and a comparison with such a description must not trip over.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::http::{Coding, Framing, Message};
use crate::rng::Rng;
use crate::wire::{Capture, Conn, Link, Resolution, Side};

/// Rounds of all calls. What is rare comes in a few of them.
const ROUNDS: u64 = 48;

/// Nanoseconds from one round to the next.
const ROUND: u64 = 20_000_000_000;

/// 2026-03-02 14:00:00 UTC.
const START: u64 = 1_772_460_000_000_000_000;

/// The capture, a pcap file. The same seed gives the same bytes.
#[must_use]
pub fn shapes(seed: u64) -> Vec<u8> {
    let mut day = Day {
        rng: Rng::new(seed),
        capture: Capture::new(Link::Ethernet),
        calls: Vec::new(),
    };
    for round in 0..ROUNDS {
        collection(&mut day, round);
        writes(&mut day, round);
        forms(&mut day, round);
        bodies(&mut day, round);
        paths(&mut day, round);
        credentials(&mut day, round);
        protocols(&mut day, round);
        hosts(&mut day, round);
        day.send(round);
    }
    day.capture.pcap(Resolution::Nanoseconds)
}

struct Day {
    rng: Rng,
    capture: Capture,
    calls: Vec<(String, Message, Message)>,
}

impl Day {
    fn call(&mut self, host: &str, request: Message, response: Message) {
        self.calls
            .push((host.to_owned(), request.field("Host", host), response));
    }

    /// One connection for each call of a host, each from one of a few clients.
    fn send(&mut self, round: u64) {
        let calls = std::mem::take(&mut self.calls);
        for (number, (host, request, response)) in calls.into_iter().enumerate() {
            let number = number as u64;
            let client = SocketAddr::from((
                [10, 60, 0, 1 + (round % 5) as u8],
                20_000 + ((round * 200 + number) % 40_000) as u16,
            ));
            // A server for each host.
            let server = host
                .bytes()
                .fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
            let server = SocketAddr::from(([10, 61, 0, server], 80));
            let mut conn = Conn::new(client, server);
            let at = START + round * ROUND + number * 50_000_000;
            let at = conn.open(&mut self.capture, at);
            let at = conn.send(&mut self.capture, at, Side::Client, &request.encode().bytes());
            let at = conn.send(
                &mut self.capture,
                at + 3_000_000,
                Side::Server,
                &response.encode().bytes(),
            );
            conn.close(&mut self.capture, at, Side::Client);
        }
    }

    fn uuid(&mut self) -> String {
        let hex = self.rng.text("0123456789abcdef", 32);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }
}

const API: &str = "api.shapes.example";

fn get(target: &str) -> Message {
    Message::request("GET", target)
}

fn ok(content: impl Into<Vec<u8>>) -> Message {
    Message::response(200).json(content)
}

fn problem(status: u16) -> Message {
    let content = format!(r#"{{"type":"about:blank","status":{status},"detail":null}}"#);
    Message::response(status).content("application/problem+json", content)
}

/// Lists and single things: optional fields, unions, maps, empty lists, parameters of every style.
fn collection(day: &mut Day, round: u64) {
    let mut target = "/v1/items?limit=20".to_owned();
    let _ = match round % 6 {
        0 => write!(target, "&cursor={}", day.rng.text("abcdef0123456789", 24)),
        1 => write!(target, "&tags=red&tags=blue"),
        2 => write!(target, "&filter[status]=open&filter[owner]={round}"),
        3 => write!(target, "&ids[]=1&ids[]=2"),
        4 => write!(target, "&sort=-price&exact=true&q=a%20b"),
        _ => Ok(()),
    };
    let mut items = Vec::new();
    for n in 0..round % 4 {
        let price = if n.is_multiple_of(2) {
            "12".to_owned()
        } else {
            format!("{n}.5")
        };
        let note = ["null", "\"late\"", "17", "true"][((round + n) % 4) as usize];
        let extra = match round % 5 {
            0 => r#","discount":{"kind":"percent","value":10}"#,
            1 => r#","discount":null"#,
            2 => r#","parent":{"id":1,"parent":{"id":2,"parent":null}}"#,
            _ => "",
        };
        let (a, b) = (day.uuid(), day.uuid());
        items.push(format!(
            r#"{{"id":{},"key":"{a}","price":{price},"note":{note},"tags":[{}],"stock":{{"{b}":{n},"{a}":2}},"made":"2026-03-0{}T10:00:00Z","live":{}{extra}}}"#,
            round * 10 + n,
            if n == 0 { "" } else { r#""a","b""# },
            1 + n,
            n.is_multiple_of(2),
        ));
    }
    let next = if round.is_multiple_of(3) {
        "null".to_owned()
    } else {
        format!("\"{}\"", day.rng.text("abcdef", 20))
    };
    let list = format!(r#"{{"items":[{}],"next":{next}}}"#, items.join(","));
    day.call(API, get(&target), ok(list));
    let target = format!("/v1/items/{}", 1000 + round);
    let answer = match round % 8 {
        0 => problem(404),
        1 => Message::response(304).field("ETag", "\"a\""),
        2 => problem(503),
        _ => ok(format!(r#"{{"id":{},"name":"thing"}}"#, 1000 + round))
            .coding([Coding::Gzip, Coding::Brotli, Coding::Identity][(round % 3) as usize]),
    };
    day.call(API, get(&target).field("X-Tenant", "north"), answer);
    day.call(
        API,
        Message::request("HEAD", &target),
        Message::response(200)
            .field("Content-Type", "application/json")
            .bodiless(),
    );
}

/// Requests that change something, with the answers they get.
fn writes(day: &mut Day, round: u64) {
    let bad = round % 7 == 3;
    let body = match round % 4 {
        0 => r#"{"name":"thing","price":12}"#,
        1 => r#"{"name":"thing","price":1.25,"tags":["a"],"size":{"w":1,"h":null}}"#,
        2 => r#"{"name":"thing","price":"12 EUR","tags":[]}"#,
        _ => r#"{"name":null,"price":3,"size":{"w":1.5}}"#,
    };
    let made = if bad {
        problem(422)
    } else {
        Message::response(201)
            .field("Location", format!("/v1/items/{}", 1000 + round))
            .json(format!(r#"{{"id":{}}}"#, 1000 + round))
    };
    day.call(
        API,
        Message::request("POST", "/v1/items")
            .field("Idempotency-Key", day_key(round))
            .json(body),
        made,
    );
    let target = format!("/v1/items/{}", 1000 + round);
    day.call(
        API,
        Message::request("PUT", &target).json(body),
        Message::response(if round.is_multiple_of(9) { 200 } else { 204 }),
    );
    let patch = format!(r#"[{{"op":"replace","path":"/price","value":{round}}}]"#);
    day.call(
        API,
        Message::request("PATCH", &target).content("application/json-patch+json", patch),
        ok(format!(r#"{{"id":{round},"price":{round}}}"#)),
    );
    day.call(
        API,
        Message::request("DELETE", &target),
        if round % 10 == 9 {
            problem(409)
        } else {
            Message::response(204)
        },
    );
    let status = if round.is_multiple_of(2) { 202 } else { 303 };
    day.call(
        API,
        Message::request("POST", &format!("/v1/items/{}:archive", 1000 + round)),
        Message::response(status).field("Location", "/v1/jobs/1"),
    );
}

fn day_key(round: u64) -> String {
    format!("key-{round}-{}", round * 7919)
}

/// Bodies that are no JSON: forms, parts, tables, bytes.
fn forms(day: &mut Day, round: u64) {
    let form = match round % 3 {
        0 => "name=a+b&tags=x&tags=y".to_owned(),
        1 => format!("name=ab&address[city]=Ulm&address[zip]={}", 89000 + round),
        _ => "name=ab&agree=on&lines[0]=1&lines[1]=2".to_owned(),
    };
    day.call(
        API,
        Message::request("POST", "/v1/signup").content("application/x-www-form-urlencoded", form),
        Message::response(303).field("Location", "/v1/welcome"),
    );
    day.call(
        API,
        Message::request("POST", "/v1/search")
            .content("application/x-www-form-urlencoded", format!("q=a&page={round}")),
        ok(r#"{"hits":[]}"#),
    );
    let file = if round.is_multiple_of(2) {
        "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n"
    } else {
        ""
    };
    let parts = format!(
        "{file}--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nround {round}\r\n--edge--\r\n"
    );
    day.call(
        API,
        Message::request("POST", "/v1/uploads").content("multipart/form-data; boundary=edge", parts),
        Message::response(201).json(format!(r#"{{"file":{round}}}"#)),
    );
    day.call(
        API,
        get(&format!("/v1/exports/2026-03-{:02}.csv", 1 + round % 28)),
        Message::response(200).content("text/csv; charset=utf-8", format!("a,b\r\n{round},2\r\n")),
    );
    day.call(
        API,
        Message::request("PUT", &format!("/v1/blobs/{}", day_key(round)))
            .content("application/octet-stream", vec![0, 159, round as u8]),
        Message::response(200).content("text/plain", "stored"),
    );
    day.call(
        API,
        Message::request("POST", "/v1/feed").content("application/xml", format!("<a n=\"{round}\"/>")),
        Message::response(200)
            .content("application/xml", "<b/>")
            .framing(Framing::Chunked(3)),
    );
}

/// JSON whose top, names or depth are not the usual ones.
fn bodies(day: &mut Day, round: u64) {
    for (path, content) in [
        (
            "/v1/odd/list",
            format!("[1,\"a\",null,{{}},[{round}],{{\"a\":{round}}}]"),
        ),
        ("/v1/odd/text", "\"word\"".to_owned()),
        (
            "/v1/odd/number",
            ["1", "1.5", "null"][(round % 3) as usize].to_owned(),
        ),
        ("/v1/odd/none", "{}".to_owned()),
        (
            "/v1/odd/empty",
            if round.is_multiple_of(2) {
                "[]"
            } else {
                "[{\"a\":1}]"
            }
            .to_owned(),
        ),
        (
            "/v1/odd/either",
            if round.is_multiple_of(2) {
                "{\"a\":1}"
            } else {
                "[1]"
            }
            .to_owned(),
        ),
        (
            "/v1/odd/names",
            format!(
                r##"{{"$ref":"#/x","type":"t","properties":{{"a":1}},"required":["x"],"a/b":1,"a~b":2,"x-y":3,"":4,"with space":5,"ключ":{round},"{{id}}":6,"items":{{}},"additionalProperties":false}}"##
            ),
        ),
        (
            "/v1/odd/deep",
            format!("{}{round}{}", "{\"d\":[".repeat(20), "]}".repeat(20)),
        ),
        ("/v1/odd/wide", {
            let fields: Vec<String> = (0..60)
                .map(|n| format!("\"field_{}\":{n}", (round * 60 + n) % 900))
                .collect();
            format!("{{{}}}", fields.join(","))
        }),
        (
            "/v1/odd/big",
            "{\"a\":123456789012345678901234567890,\"b\":1e400,\"c\":-0.0}".to_owned(),
        ),
    ] {
        day.call(API, get(path), ok(content));
    }
    day.call(
        API,
        get("/v1/odd/vendor"),
        Message::response(200).content(
            "application/vnd.api+json",
            format!(r#"{{"data":{{"id":"{round}"}}}}"#),
        ),
    );
    // As many names of parameters as one likes.
    day.call(
        API,
        get(&format!(
            "/v1/odd/any?opt_{}={round}&opt_{}=1&fixed=1",
            round * 3,
            round * 3 + 1
        )),
        ok("{}"),
    );
    let keys: Vec<String> = (0..4).map(|n| format!("opt_{}_{n}=1", round)).collect();
    day.call(API, get(&format!("/v1/odd/more?{}", keys.join("&"))), ok("{}"));
    let key = day.uuid();
    day.call(API, get(&format!("/v1/odd/hidden?{key}={round}")), ok("{}"));
    // The answer breaks off within its content.
    day.call(
        API,
        get("/v1/odd/cut"),
        Message::response(200).content("application/json", "{\"a\":1,\"b\":[1,2"),
    );
}

/// Paths of all makes.
fn paths(day: &mut Day, round: u64) {
    let uuid = day.uuid();
    for target in [
        "/".to_owned(),
        "/v1/".to_owned(),
        format!("/v1/people/{uuid}/devices/{round}"),
        format!("/v1/people/{uuid}/devices/{round}/"),
        "/v1/people/me".to_owned(),
        format!("/v1/reports/2026-03-{:02}", 1 + round % 28),
        format!("/v1/map/48.{}/9.{}", 100 + round, 500 + round),
        format!("/v1/colour;shade={round}/list"),
        "/v1/white%20space/x".to_owned(),
        "/v1/%7Bbrace%7D/x".to_owned(),
        format!("/v1/mail/user{round}%40example.com"),
        format!("/v1//double/{round}"),
        format!("/v1/tree/a/b{round}/c/d.txt"),
        format!("/de-DE/v1/shops/{round}"),
        format!("/assets/app.{}.js", &uuid[..8]),
        format!("/v1/orders({round})/lines"),
        format!("/v1/range/{round}-{}", round + 10),
    ] {
        day.call(API, get(&target), ok(format!(r#"{{"at":{round}}}"#)));
    }
    day.call(API, get(&format!("/v1/nothing/{round}")), problem(404));
    day.call(
        API,
        Message::request("OPTIONS", "/v1/items"),
        Message::response(204).field("Access-Control-Allow-Methods", "GET"),
    );
    day.call(
        API,
        Message::request("QUERY", "/v1/items").json(r#"{"q":1}"#),
        ok(r#"{"items":[]}"#),
    );
    day.call(
        API,
        Message::request("PROPFIND", &format!("/v1/folders/{round}")),
        Message::response(207).content("application/xml", "<multistatus/>"),
    );
}

/// Ways to show who calls, several at one endpoint.
fn credentials(day: &mut Day, round: u64) {
    let token = format!("opaque-{}", day.rng.text("abcdefghijklmnop", 30));
    let host = "keys.shapes.example";
    let body = || ok(r#"{"fine":true}"#);
    let call = match round % 6 {
        0 => get("/v1/guarded").field("X-Api-Key", token),
        1 => get("/v1/guarded").field("Api-Key", token),
        2 => get(&format!("/v1/guarded?api_key={token}")),
        3 => get(&format!("/v1/guarded?access_token={token}")),
        4 => get("/v1/guarded").field("Authorization", format!("Bearer {token}")),
        _ => get("/v1/guarded").field("Cookie", format!("session={token}; theme=dark")),
    };
    day.call(host, call, body());
    let call = get("/v1/both")
        .field("Authorization", "Basic dXNlcjpwYXNz")
        .field("X-Api-Key", "k-1234567890abcdef");
    day.call(host, call, body());
    day.call(
        host,
        get("/v1/both"),
        Message::response(401).field("WWW-Authenticate", "Basic realm=\"x\""),
    );
}

/// Protocols that have one path for everything.
fn protocols(day: &mut Day, round: u64) {
    let host = "rpc.shapes.example";
    let query = match round % 3 {
        0 => r#"{"query":"query Orders { orders { id } }","operationName":"Orders"}"#,
        1 => {
            r#"{"query":"mutation Pay($id: ID!) { pay(id: $id) { ok } }","operationName":"Pay","variables":{"id":"7"}}"#
        }
        _ => r#"{"query":"{ me { name } }"}"#,
    };
    let answer = match round % 3 {
        0 => r#"{"data":{"orders":[{"id":"1"}]}}"#,
        1 => r#"{"data":{"pay":{"ok":true}}}"#,
        _ => r#"{"data":null,"errors":[{"message":"no"}]}"#,
    };
    day.call(host, Message::request("POST", "/graphql").json(query), ok(answer));
    let (method, params, result) = match round % 2 {
        0 => ("sum", "[1,2]".to_owned(), "3".to_owned()),
        _ => (
            "user.get",
            format!(r#"{{"id":{round}}}"#),
            r#"{"name":"x"}"#.to_owned(),
        ),
    };
    day.call(
        host,
        Message::request("POST", "/rpc").json(format!(
            r#"{{"jsonrpc":"2.0","id":{round},"method":"{method}","params":{params}}}"#
        )),
        ok(format!(r#"{{"jsonrpc":"2.0","id":{round},"result":{result}}}"#)),
    );
    let soap = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><GetPrice/></soap:Body></soap:Envelope>";
    day.call(
        host,
        Message::request("POST", "/soap")
            .field("SOAPAction", "\"urn:GetPrice\"")
            .content("text/xml", soap),
        Message::response(200).content("text/xml", soap),
    );
    day.call(
        host,
        get("/events"),
        Message::response(200).content(
            "text/event-stream",
            "event: tick\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\n",
        ),
    );
}

/// Names of hosts that a document has to spell, some of which are told only by what they are.
fn hosts(day: &mut Day, round: u64) {
    let card = "4539578763621486";
    for host in [
        "ports.shapes.example:8080".to_owned(),
        "[2001:db8::7]:9000".to_owned(),
        "10.61.0.9".to_owned(),
        "MiXed.Shapes.Example".to_owned(),
        "under_score.shapes.example".to_owned(),
        format!("{card}.shapes.example"),
        format!("{card}.{card}.shapes.example"),
        card.to_owned(),
    ] {
        day.call(&host, get(&format!("/v2/things/{round}")), ok(r#"{"a":1}"#));
    }
}
