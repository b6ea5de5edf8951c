//! Shapes learned from whole exchanges.

use proptest::prelude::*;
use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Flags, Protocol, Timestamp};

use super::body::EARLY;
use super::drift::Learning;
use super::*;
use crate::id::{Id, Seed};
use crate::identity::signals::Signals;
use crate::identity::{Resolver, Scheme};
use crate::inventory::face::Face;
use crate::inventory::sensitive::Carried;
use crate::testing::{Call, START, Scene};
use crate::{Finding, Kind, Settings};

/// A shape that has seen these exchanges; each has the id of its place.
fn shape_of<'a>(exchanges: impl IntoIterator<Item = (u64, &'a Exchange)>) -> Shape {
    let mut shape = Shape::default();
    for (n, exchange) in exchanges {
        observe(&mut shape, exchange, n);
    }
    shape
}

fn observe(shape: &mut Shape, exchange: &Exchange, n: u64) {
    observe_with_face(shape, &mut Face::default(), exchange, n);
}

fn observe_with_face(shape: &mut Shape, face: &mut Face, exchange: &Exchange, n: u64) {
    let settings = Settings::default();
    let request = exchange.request.as_ref().unwrap();
    let signals = Signals::gather(request, &settings);
    let identity = Resolver::new(&settings).resolve(
        &signals,
        exchange.flow.client.ip(),
        crate::keys::Moment::of(exchange),
        &settings,
    );
    let names = super::body::Names::new(Seed::new(&settings.hash_key));
    let seen = Seen {
        names: &names,
        crowded: false,
        exchange,
        exchange_id: Id::of(&[b"exchange", &n.to_le_bytes()]),
        identity: &identity,
        scheme: Scheme::None,
        ts: exchange.ts(),
        check: None,
        carried: &Carried::default(),
        learn: Learning {
            seed: Seed::new(&settings.hash_key),
            exchanges: 200,
            period: 86_400,
        },
    };
    shape.observe(&seen, exchange.status(), 3, face);
}

fn answer(body: &str) -> Exchange {
    Call::get("/x").answer(body).exchange(START * 1_000_000_000, 1)
}

/// Fields of successful answers, one in a line: path, types, presence.
fn fields(shape: &Shape) -> Vec<String> {
    lines(shape.view().response(2))
}

fn lines(body: Option<&BodyView>) -> Vec<String> {
    let line = |field: &FieldView| {
        let types: Vec<_> = field
            .types
            .iter()
            .map(|(t, n)| format!("{} {n}", t.name()))
            .collect();
        format!(
            "{} {} of {} ({})",
            field.path(),
            field.presence.seen,
            field.presence.of,
            types.join(", ")
        )
    };
    body.map(|body| body.fields.iter().map(line).collect())
        .unwrap_or_default()
}

fn of_answers(bodies: &[&str]) -> Vec<String> {
    let exchanges: Vec<_> = bodies.iter().map(|body| answer(body)).collect();
    fields(&shape_of((0..).zip(&exchanges)))
}

#[test]
fn fields_are_counted_by_exchange() {
    let bodies = [
        r#"{"id":1,"name":"a","tags":["x"],"owner":{"id":7}}"#,
        r#"{"id":"1","name":null,"tags":[],"owner":null}"#,
        r#"{"id":2.5,"items":[{"sku":"a","n":1},{"sku":"b"}]}"#,
    ];
    assert_eq!(
        of_answers(&bodies),
        [
            " 3 of 3 (object 3)",
            "id 3 of 3 (integer 1, number 1, string 1)",
            "items 1 of 3 (array 1)",
            "items[] 1 of 1 (object 1)",
            "items[].n 1 of 1 (integer 1)",
            "items[].sku 1 of 1 (string 1)",
            "name 2 of 3 (null 1, string 1)",
            "owner 2 of 3 (null 1, object 1)",
            "owner.id 1 of 1 (integer 1)",
            "tags 2 of 3 (array 2)",
            "tags[] 1 of 2 (string 1)",
        ]
    );
}

#[test]
fn a_field_of_some_elements_is_not_required() {
    let one = answer(r#"{"items":[{"sku":"a","n":1},{"sku":"b"}]}"#);
    let shape = shape_of((0..400).map(|n| (n, &one)));
    let view = shape.view();
    let body = view.response(2).unwrap();
    let field = |path: &str| body.fields.iter().find(|f| f.path() == path).unwrap();
    assert!(field("items[].sku").is_required());
    let n = field("items[].n");
    assert!(
        !n.is_required() && n.presence.low == 0.0 && n.presence.high == 1.0,
        "{n:?}"
    );
    assert_eq!((n.presence.seen, n.presence.of), (400, 400));
}

#[test]
fn required_needs_enough_and_provisional_says_so() {
    let (with, without) = (answer(r#"{"a":1,"b":1}"#), answer(r#"{"a":1}"#));
    let view = |total: u64, lacking: u64| {
        let shape = shape_of((0..total).map(|n| (n, if n < lacking { &without } else { &with })));
        let view = shape.view();
        let b = view.response(2).unwrap().fields[2].clone();
        (b.is_required(), b.presence.is_provisional())
    };
    assert_eq!(view(34, 0), (false, true));
    assert_eq!(view(35, 0), (true, false));
    assert_eq!(view(400, 5), (true, false));
    assert_eq!(view(400, 60), (false, false));
}

#[test]
fn names_that_are_data_make_no_fields() {
    let bodies: Vec<String> = (0..300)
        .map(|n| {
            format!(
                r#"{{"rates":{{"ab{n}f3-9dc0-11d1-b245-{n}":{{"v":{n}}},"user{n}@corp.test":{{"v":null}}}},"ok":true}}"#
            )
        })
        .collect();
    let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
    let found = of_answers(&bodies);
    assert_eq!(
        found,
        [
            " 300 of 300 (object 300)",
            "ok 300 of 300 (boolean 300)",
            "rates 300 of 300 (object 300)",
            "rates.{key} 300 of 300 (object 300)",
            "rates.{key}.v 300 of 300 (null 300, integer 300)",
        ]
    );
}

#[test]
fn plain_names_that_are_data_are_folded_and_common_ones_stay() {
    let names = [
        "ada", "ben", "carl", "dora", "emil", "fred", "gina", "hans", "ida", "jan", "karl", "lena", "mia",
    ];
    let ends = [
        "", "son", "man", "ley", "ton", "ford", "field", "worth", "berg", "well", "hill", "wood",
    ];
    let bodies: Vec<String> = (0..600)
        .map(|n| {
            format!(
                r#"{{"total":{n},"users":{{"{}{}":{{"age":{n}}}}}}}"#,
                names[n % 13],
                ends[n / 13 % 12]
            )
        })
        .collect();
    let exchanges: Vec<_> = bodies.iter().map(|body| answer(body)).collect();
    let found = fields(&shape_of((0..).zip(&exchanges)));
    assert!(
        found.contains(&"total 600 of 600 (integer 600)".to_owned()),
        "{found:?}"
    );
    assert!(
        found.iter().any(|line| line.starts_with("users.{key}.age")),
        "{found:?}"
    );
    assert!(found.len() < 70, "{}", found.len());
}

#[test]
fn a_flood_of_names_does_not_displace_what_is_common() {
    let honest = answer(r#"{"id":1,"status":"open","nested":{"deep":{"er":true}}}"#);
    let flood: Vec<_> = (0..200)
        .map(|n| {
            let junk: Vec<_> = (0..90u32)
                .map(|k| {
                    let a = (b'a' + (k % 26) as u8) as char;
                    let b = (b'a' + (n % 26) as u8) as char;
                    format!(
                        r#""{a}a{b}e{}":{{"x{}":1}}"#,
                        ["ta", "ro", "mi", "ne"][(k / 26) as usize],
                        n / 26
                    )
                })
                .collect();
            answer(&format!("{{{}}}", junk.join(",")))
        })
        .collect();
    let mut shape = Shape::default();
    for n in 0..100 {
        observe(&mut shape, &honest, n);
    }
    for (n, exchange) in (100..).zip(&flood) {
        observe(&mut shape, exchange, n);
    }
    for n in 1000..1100 {
        observe(&mut shape, &honest, n);
    }
    let found = fields(&shape);
    for line in [
        "id 200 of 400 (integer 200)",
        "nested.deep.er 200 of 200 (boolean 200)",
    ] {
        assert!(found.contains(&line.to_owned()), "{line} {found:?}");
    }
    assert!(found.len() <= super::body::FIELDS);
    let json = serde_json::to_vec(&shape).unwrap();
    assert!(json.len() < 120_000, "{}", json.len());
}

#[test]
fn directions_and_classes_of_status_are_apart() {
    let post = |status: u16, body: &str, answer: &str| {
        Call::new("POST", "/x")
            .field("Content-Type: application/json")
            .body(body)
            .status(status)
            .answer(answer)
            .exchange(START * 1_000_000_000, 1)
    };
    let exchanges = [
        post(201, r#"{"a":1}"#, r#"{"id":1}"#),
        post(422, r#"{"evil":1}"#, r#"{"error":"x"}"#),
        post(500, r#"{"worse":1}"#, r#"{"trace":"x"}"#),
    ];
    let view = shape_of((0..).zip(&exchanges)).view();
    let of = |side: Side| lines(view.bodies.iter().find(|b| b.side == side));
    assert_eq!(of(Side::Request), [" 1 of 1 (object 1)", "a 1 of 1 (integer 1)"]);
    assert_eq!(
        of(Side::Response(2)),
        [" 1 of 1 (object 1)", "id 1 of 1 (integer 1)"]
    );
    assert_eq!(
        of(Side::Response(4)),
        [" 1 of 1 (object 1)", "error 1 of 1 (string 1)"]
    );
    assert_eq!(
        of(Side::Response(5)),
        [" 1 of 1 (object 1)", "trace 1 of 1 (string 1)"]
    );
    assert_eq!(view.statuses, [(201, 1), (422, 1), (500, 1)]);
}

#[test]
fn streams_marks_and_relatives_of_json_are_read() {
    let of = |kind: &str, body: &str| {
        let exchange = ExchangeBuilder::new(Timestamp(1))
            .request("GET /x HTTP/1.1\nHost: a\n", "")
            .response(
                &format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"),
                body.as_bytes(),
            )
            .build();
        fields(&shape_of([(0, &exchange)]))
    };
    let one = [" 1 of 1 (object 1)", "a 1 of 1 (integer 1)"];
    assert_eq!(of("application/vnd.x+json; charset=utf-8", r#"{"a":1}"#), one);
    assert_eq!(of("application/json", "\u{feff}{\"a\":1}"), one);
    assert_eq!(of("application/json", ")]}',\n{\"a\":1}"), one);
    assert_eq!(of("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n"), one);
    assert_eq!(
        of(
            "text/event-stream",
            "event: x\ndata: {\"a\":1}\n\ndata: [DONE\ndata: {\"a\":2}\n\n"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        of(
            "text/event-stream",
            "event: x\ndata: {\"a\":1}\n\ndata: done\ndata: {\"a\":2}\n\n"
        ),
        one
    );
    assert_eq!(of("text/plain", r#"{"a":1}"#), one);
    assert_eq!(of("text/html", r#"{"a":1}"#), Vec::<String>::new());
    assert_eq!(of("application/json", r#"{"a":1,"a":2}"#), one);
    assert_eq!(of("application/json", "<html>"), Vec::<String>::new());
}

#[test]
fn parameters_of_query_head_and_cookies_are_learned() {
    let calls: Vec<_> = (0..60)
        .map(|n| {
            let call = Call::get(format!(
                "/x?page={n}&sort={}&tag=a&tag=b&k{n}93841x=1",
                ["asc", "desc"][n % 2]
            ))
            .field("X-Tenant-Mode: 7")
            .field("Cookie: sid=abc; theme=dark");
            let call = if n % 3 == 0 {
                call.field("Idempotency-Key: 7d444840-9dc0-11d1-b245-5ffdce74fad2")
            } else {
                call
            };
            call.exchange(START * 1_000_000_000, n as u32)
        })
        .collect();
    let refused = Call::get("/x?evil=1")
        .status(400)
        .exchange(START * 1_000_000_000, 99);
    let view = shape_of((0..).zip(calls.iter().chain([&refused]))).view();
    let lines: Vec<_> = view
        .parameters
        .iter()
        .map(|p| {
            let types: Vec<_> = p.types.iter().map(|(t, _)| t.name()).collect();
            let format = p.values.format.map_or("", Format::name);
            format!(
                "{} {} {}/{} {} {format}{} x{}{}",
                p.place.name(),
                p.name,
                p.presence.seen,
                p.presence.of,
                types.join("|"),
                p.values.words.join("|"),
                p.repeated,
                if p.presence.is_required() { " required" } else { "" }
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "query page 60/60 integer  x0 required",
            "query sort 60/60 string asc|desc x0 required",
            "query tag 60/60 string a|b x60 required",
            "query {key} 60/60 integer  x0 required",
            "header idempotency-key 20/60 string uuid x0",
            "header x-tenant-mode 60/60 string digits x0 required",
            "cookie sid 60/60 string  x0 required",
            "cookie theme 60/60 string  x0 required",
        ]
    );
}

#[test]
fn forms_and_protocol_buffers_are_learned() {
    let post = |kind: &str, body: &[u8]| {
        ExchangeBuilder::new(Timestamp(1))
            .request(
                &format!("POST /x HTTP/1.1\nHost: a\nContent-Type: {kind}\n"),
                body,
            )
            .response("HTTP/1.1 200 OK\n", "")
            .build()
    };
    let of = |exchange: Exchange| {
        let view = shape_of([(0, &exchange)]).view();
        (view.bodies.first().map(|b| b.form), lines(view.bodies.first()))
    };
    assert_eq!(
        of(post(
            "application/x-www-form-urlencoded",
            b"name=Ann+Lee&age=7&ok=true&zip=01234&a%5Bb%5D=x"
        )),
        (
            Some(Form::Urlencoded),
            [
                " 1 of 1 (object 1)",
                "a[b] 1 of 1 (string 1)",
                "age 1 of 1 (integer 1)",
                "name 1 of 1 (string 1)",
                "ok 1 of 1 (boolean 1)",
                "zip 1 of 1 (string 1)"
            ]
            .map(String::from)
            .to_vec()
        )
    );
    let multipart = "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--XX\r\nContent-Disposition: form-data; name=\"scan\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x01\x02--X\r\n--XX--\r\n";
    let exchange = post("multipart/form-data; boundary=XX", multipart.as_bytes());
    let view = shape_of((0..5).map(|n| (n, &exchange))).view();
    let scan = view.bodies[0].fields.iter().find(|f| f.path() == "scan").unwrap();
    assert_eq!(scan.values.format, Some(Format::Binary));
    assert_eq!(lines(view.bodies.first()).len(), 3);
    // Field 1 = 150, field 2 = "testing", field 3 = { field 1 = 5 }, field 4 fixed.
    let inner = b"\x08\x96\x01\x12\x07testing\x1a\x02\x08\x05\x21\x00\x00\x00\x00\x00\x00\xf0\x3f";
    let mut framed = vec![0, 0, 0, 0, inner.len() as u8];
    framed.extend_from_slice(inner);
    let call = |body: &[u8]| {
        ExchangeBuilder::new(Timestamp(1))
            .request("POST /s.S/M HTTP/2\ncontent-type: application/grpc\n", body)
            .response("HTTP/2 200\ncontent-type: application/grpc\n", "")
            .protocol(Protocol::Grpc)
            .build()
    };
    assert_eq!(
        of(call(&framed)),
        (
            Some(Form::Protobuf),
            [
                " 1 of 1 (object 1)",
                "1 1 of 1 (integer 1)",
                "2 1 of 1 (string 1)",
                "3 1 of 1 (object 1)",
                "3.1 1 of 1 (integer 1)",
                "4 1 of 1 (number 1)"
            ]
            .map(String::from)
            .to_vec()
        )
    );
    framed[4] += 1;
    assert_eq!(of(call(&framed)).0, None);
}

#[test]
fn values_are_told_by_format_words_and_size() {
    let exchanges: Vec<_> = (0..60)
        .map(|n| {
            answer(&format!(
                r#"{{"status":"{}","created":"2026-03-{:02}T08:00:00Z","total":{},"tags":[1,2],"customer_name":"{}"}}"#,
                ["open", "closed", "on_hold"][n % 3],
                n % 28 + 1,
                n * 31,
                ["ann", "bob"][n % 2]
            ))
        })
        .collect();
    let shape = shape_of((0..).zip(&exchanges));
    let check = |view: ShapeView| {
        let body = view.response(2).unwrap().clone();
        let field = |path: &str| {
            body.fields
                .iter()
                .find(|f| f.path() == path)
                .unwrap()
                .values
                .clone()
        };
        assert_eq!(field("status").words, ["closed", "on_hold", "open"]);
        assert!(field("customer_name").words.is_empty());
        assert_eq!(field("created").format, Some(Format::DateTime));
        assert_eq!(field("created").length, Some((20, 20)));
        assert_eq!(field("total").numbers, Some((0.0, 1e4)));
        assert_eq!(field("tags").elements, Some((2, 2)));
    };
    check(shape.view());
    let json = serde_json::to_string(&shape).unwrap();
    assert!(
        !json.contains("ann") && !json.contains("1829") && json.contains("on_hold"),
        "{json}"
    );
    check(serde_json::from_str::<Shape>(&json).unwrap().view());
}

#[test]
fn answers_alike_are_told_by_their_fields() {
    let of = |bodies: &[&str]| {
        let (mut shape, mut face) = (Shape::default(), Face::default());
        for (n, body) in bodies.iter().enumerate() {
            observe_with_face(&mut shape, &mut face, &answer(body), n as u64);
        }
        face
    };
    let user = of(&[r#"{"id":1,"name":"a","mail":"x","of":{"x":[]}}"#]);
    let other = of(&[r#"{"id":2,"mail":null}"#, r#"{"id":3,"mail":"y","name":"b"}"#]);
    let order = of(&[r#"{"id":2,"total":1,"lines":[{"sku":"a"}]}"#]);
    assert_eq!(user, other, "what only holds others is no field of its own");
    let apart = user.likeness(&order).unwrap();
    assert!(apart.shared == 0.2 && apart.fields == 3, "{apart:?}");
    assert_eq!(user.likeness(&of(&[r#"{"id":1}"#])), None);
    // The same in whatever order, also where outlines are remembered and put off.
    let many: Vec<String> = (0..600)
        .map(|n| format!(r#"{{"f{}":{n},"g{}":"x"}}"#, n % 29, n % 7))
        .collect();
    let forth: Vec<&str> = many.iter().map(String::as_str).collect();
    let back: Vec<&str> = forth.iter().rev().copied().collect();
    assert_eq!(of(&forth).likeness(&of(&back)).unwrap().shared, 1.0);
}

/// JSON of any form with few names, so that trees meet.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (0..2000i64).prop_map(Into::into),
        Just(serde_json::json!(2.5)),
        "open|closed|2026-03-09|a\"b|[a-z]{3}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[abcd]{1,2}|[0-9]{6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn exchange_of(body: &str, whole: bool, at: u64) -> Exchange {
    let kind = "Content-Type: application/json\n";
    let mut exchange = ExchangeBuilder::new(Timestamp((START + at) * 1_000_000_000))
        .request(
            &format!("POST /x?a={at} HTTP/1.1\nHost: a\nX-Own: {at}\n{kind}"),
            body.as_bytes(),
        )
        .response(&format!("HTTP/1.1 200 OK\n{kind}"), body.as_bytes())
        .build();
    if !whole {
        exchange.request.as_mut().unwrap().message.complete = false;
        exchange.response.as_mut().unwrap().message.complete = false;
        exchange.flags.insert(Flags::TRUNCATED);
    }
    exchange
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_order_nor_place_matters(
        bodies in proptest::collection::vec((json(), 0usize..60), 1..24),
        repeat in 1u64..14,
        turn in any::<u64>(),
        split in 0usize..300,
    ) {
        let mut exchanges = Vec::new();
        for round in 0..repeat {
            for (n, (body, cut)) in bodies.iter().enumerate() {
                let text = body.to_string();
                // One in three is cut off.
                let whole = n % 3 > 0;
                let text = if whole { text.as_str() } else { text.get(..*cut).unwrap_or(&text) };
                exchanges.push(exchange_of(text, whole, round * 7));
            }
        }
        let numbered: Vec<(u64, &Exchange)> = (0..).zip(&exchanges).collect();
        let want = shape_of(numbered.iter().copied()).view();
        let mut shuffled = numbered.clone();
        shuffled.sort_by_key(|(n, _)| (n ^ turn).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        prop_assert_eq!(&shape_of(shuffled.iter().copied()).view(), &want);
        let (a, b) = shuffled.split_at(split.min(shuffled.len()));
        let mut sum = shape_of(a.iter().copied());
        sum.absorb(shape_of(b.iter().copied()));
        prop_assert_eq!(&sum.view(), &want);
        // Stored in between.
        let half = serde_json::to_vec(&shape_of(a.iter().copied())).unwrap();
        let mut back: Shape = serde_json::from_slice(&half).unwrap();
        b.iter().for_each(|(n, exchange)| observe(&mut back, exchange, *n));
        prop_assert_eq!(&back.view(), &want);
    }

    #[test]
    fn a_cut_body_shows_a_part_of_what_the_whole_one_does(body in json(), at in 0usize..400) {
        let text = body.to_string();
        let cut = text.get(..at).unwrap_or(&text);
        let fields = |text: &str, whole: bool| {
            let exchange = exchange_of(text, whole, 0);
            let view = shape_of([(0, &exchange)]).view();
            let fields = view.response(2).map(|b| b.fields.clone()).unwrap_or_default();
            fields.into_iter().map(|f| (f.steps, f.types.into_iter().map(|(t, _)| t).collect::<Vec<_>>())).collect::<Vec<_>>()
        };
        let whole = fields(&text, true);
        for (steps, types) in fields(cut, false) {
            let known = whole.iter().find(|(s, _)| *s == steps);
            prop_assert!(known.is_some_and(|(_, t)| types.iter().all(|one| t.contains(one))), "{:?} {:?}", steps, types);
        }
        if at < text.len() {
            let exchange = exchange_of(cut, false, 0);
            for field in shape_of([(0, &exchange)]).view().bodies.iter().flat_map(|b| &b.fields) {
                prop_assert_eq!(field.presence.low, 0.0);
            }
        }
    }

    #[test]
    fn any_bytes_are_taken(body in proptest::collection::vec(any::<u8>(), 0..300), kind in 0usize..8, whole in any::<bool>()) {
        let kind = ["application/json", "application/x-ndjson", "text/event-stream", "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a", "application/grpc", "application/x-protobuf", ""][kind];
        let mut exchange = ExchangeBuilder::new(Timestamp(1))
            .request(&format!("POST /x HTTP/1.1\nHost: a\nContent-Type: {kind}\n"), body.clone())
            .response(&format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"), body)
            .build();
        exchange.request.as_mut().unwrap().message.complete = whole;
        let shape = shape_of((0..3).map(|n| (n, &exchange)));
        let json = serde_json::to_vec(&shape).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Shape>(&json).unwrap().view(), shape.view());
    }
}

/// What is remembered of bodies changes no result: with it, and walked anew each time.
#[test]
fn the_memo_changes_nothing() {
    let bodies: Vec<Exchange> = (0..900u64)
        .map(|n| {
            let mut text = format!(r#"{{"id":{n}"#);
            for bit in 0..6 {
                if n >> bit & 1 == 1 {
                    text.push_str(&format!(
                        r#","f{bit}":{{"v":{}}}"#,
                        if n % 5 == 0 { "null" } else { "1" }
                    ));
                }
            }
            text.push('}');
            answer(&text)
        })
        .collect();
    // More outlines than are remembered, and long past the first exchanges.
    assert!(bodies.len() > EARLY as usize * 4);
    let at_once = shape_of((0..).zip(&bodies));
    let mut parts = Shape::default();
    for (n, exchange) in (0..).zip(&bodies) {
        // Taken over one by one nothing is ever remembered.
        parts.absorb(shape_of([(n, exchange)]));
    }
    assert_eq!(at_once.view(), parts.view());
}

const HOUR: u64 = 3600;

/// A learned endpoint: 300 exchanges by three callers over 30 hours.
fn learned() -> Scene {
    let mut scene = Scene::new();
    for n in 0..300u64 {
        scene.wait(360);
        scene.send(&honest(n));
    }
    assert_eq!(drift(&scene), [] as [String; 0]);
    scene
}

fn honest(n: u64) -> Call {
    Call::get("/orders?page=1")
        .from(["10.0.0.5", "10.0.0.6", "10.0.0.7"][(n % 3) as usize])
        .answer(r#"{"id":7,"total":12,"lines":[{"sku":"a"}],"note":null}"#)
}

fn drift(scene: &Scene) -> Vec<String> {
    let found = scene.found(Kind::SchemaDrift);
    let text = |finding: &Finding| format!("{} {}", finding.severity.name(), finding.explanation);
    found.iter().map(text).collect()
}

fn send(scene: &mut Scene, count: u64, call: impl Fn(u64) -> Call) {
    for n in 0..count {
        scene.wait(60);
        scene.send(&call(n));
    }
}

#[test]
fn what_changes_after_learning_is_told_once_with_before_and_after() {
    let mut scene = learned();
    let with = |n: u64, answer: &str| honest(n).answer(answer);
    send(&mut scene, 6, |n| {
        with(
            n,
            r#"{"id":7,"total":12,"lines":[{"sku":"a","lot":{"x":1}}],"note":null}"#,
        )
    });
    let one = drift(&scene);
    assert_eq!(one.len(), 1, "{one:?}");
    insta::assert_snapshot!(one[0], @"info GET api.example/orders changed after it was learned (additive, seen 3 times): lines[].lot of the response 2xx is new (object in 3 exchanges; before in none of 300).");
    // A second change on the same day joins it, and makes it worse.
    send(&mut scene, 6, |n| {
        with(n, r#"{"id":"7","total":12,"lines":[{"sku":"a"}],"note":null}"#)
    });
    let two = drift(&scene);
    assert_eq!(two.len(), 1, "{two:?}");
    insta::assert_snapshot!(two[0], @"medium GET api.example/orders changed after it was learned (breaking, seen 6 times): id of the response 2xx has another type (string in 3 exchanges; before integer); lines[].lot of the response 2xx is new (object in 3 exchanges; before in none of 300).");
    let finding = &scene.found(Kind::SchemaDrift)[0];
    assert_eq!((finding.revision, finding.evidence.len() > 3), (2, true));
    // Told once: on the next day it is as it should be.
    scene.wait(30 * HOUR);
    send(&mut scene, 20, |n| {
        with(
            n,
            r#"{"id":"7","total":12,"lines":[{"sku":"a","lot":{"x":1}}],"note":null}"#,
        )
    });
    assert_eq!(drift(&scene), two);
}

#[test]
fn a_field_that_is_gone_is_told_after_twenty_answers_of_several_callers() {
    let mut scene = learned();
    let without = |n: u64| honest(n).answer(r#"{"id":7,"lines":[{"sku":"a"}],"note":null}"#);
    send(&mut scene, 19, without);
    assert_eq!(drift(&scene), [] as [String; 0]);
    // It comes back, so it was not gone.
    send(&mut scene, 30, honest);
    send(&mut scene, 1, without);
    assert_eq!(drift(&scene), [] as [String; 0]);
    send(&mut scene, 20, without);
    let one = drift(&scene);
    assert_eq!(one.len(), 1, "{one:?}");
    insta::assert_snapshot!(one[0], @"medium GET api.example/orders changed after it was learned (breaking, seen 20 times): total of the response 2xx is gone (in none of the last 20; before integer in 330 exchanges).");
}

#[test]
fn one_caller_that_is_odd_raises_nothing_and_hides_nothing() {
    let mut scene = learned();
    let odd = |n: u64| {
        Call::get(format!(
            "/orders?page=1&debug{}=1",
            ["", "ging", "ger"][(n % 3) as usize]
        ))
        .from("10.66.0.1")
        .answer(r#"{"id":7,"total":12,"lines":[],"note":null,"stack":"x"}"#)
    };
    send(&mut scene, 5, odd);
    assert_eq!(drift(&scene), [] as [String; 0]);
    // What all get from then on is told all the same.
    send(&mut scene, 6, |n| {
        honest(n).answer(r#"{"id":7,"total":12,"lines":[],"note":null,"stack":"x"}"#)
    });
    let one = drift(&scene);
    assert!(one.len() == 1 && one[0].contains("stack"), "{one:?}");
}

#[test]
fn a_parameter_and_a_first_body_are_told() {
    let mut scene = learned();
    send(&mut scene, 4, |n| {
        Call::get("/orders?page=1&include=lines")
            .from(["10.0.0.5", "10.0.0.6"][(n % 2) as usize])
            .answer(r#"{"id":7,"total":12,"lines":[],"note":null}"#)
    });
    send(&mut scene, 4, |n| {
        honest(n).status(503).answer(r#"{"error":"x"}"#)
    });
    let one = drift(&scene);
    assert_eq!(one.len(), 1, "{one:?}");
    insta::assert_snapshot!(one[0], @"info GET api.example/orders changed after it was learned (additive, seen 6 times): include of the query is new (in 3 requests; before in none of 300); the response 5xx has a body for the first time (json in 3 exchanges; before none).");
}

#[test]
fn data_that_differs_by_itself_is_no_drift() {
    let mut scene = learned();
    for answer in [
        r#"{"id":7,"total":12.5,"lines":[{"sku":"a"}],"note":null}"#,
        r#"{"id":7,"total":12,"lines":[],"note":"soon"}"#,
        r#"{"id":7,"total":null,"lines":[{"sku":"a"}],"note":"never"}"#,
    ] {
        send(&mut scene, 12, |n| honest(n).answer(answer));
    }
    assert_eq!(drift(&scene), [] as [String; 0]);
}

#[test]
fn while_an_endpoint_is_learned_nothing_is_told() {
    let mut scene = Scene::new();
    for n in 0..199u64 {
        scene.wait(600);
        let field = ["a", "b", "c", "d", "e"][(n / 40) as usize];
        scene.send(&honest(n).answer(format!(r#"{{"{field}":1}}"#)));
    }
    assert_eq!(drift(&scene), [] as [String; 0]);
}

/// Where all endpoints together have too many fields, each still has some, and those that had them keep theirs.
#[test]
fn fields_of_all_endpoints_together_are_bounded() {
    let settings = Settings {
        max_endpoints: 4,
        ..Settings::default()
    };
    let mut scene = Scene::with(settings);
    let wide = |start: char| {
        let names: Vec<String> = (0..90u8)
            .map(|n| {
                format!(
                    r#""{start}a{}e{}":1"#,
                    (b'a' + n % 26) as char,
                    ["ta", "ro", "mi", "ne"][usize::from(n / 26)]
                )
            })
            .collect();
        format!("{{{}}}", names.join(","))
    };
    for (path, start) in [("/a", 'b'), ("/b", 'c'), ("/c", 'd'), ("/d", 'f')] {
        // Names of one object and body that are new are no more than 64; the others come with the next ones.
        for _ in 0..3 {
            scene.send(&Call::get(path).answer(wide(start)));
        }
    }
    let fields: Vec<usize> = scene
        .endpoints()
        .iter()
        .map(|e| e.shape.bodies.iter().map(|b| b.fields.len()).sum())
        .collect();
    let total: usize = fields.iter().sum();
    assert!(fields[0] > 60 && fields[3] >= 30, "{fields:?}");
    assert!(total <= 4 * 64 + 4 * 40, "{fields:?}");
    let given_up = scene
        .analyzer
        .counters()
        .into_iter()
        .find(|(name, _)| *name == "fields_given_up");
    assert!(given_up.is_some_and(|(_, n)| n > 0), "{given_up:?} {fields:?}");
}
