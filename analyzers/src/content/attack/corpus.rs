//! How well attacks are told from what looks like them, on a corpus of the project's own: printed as a table a class.
//!
//! Each attack is sent in several of the codings that servers take off, each harmless value in the places where it is at home. The
//! numbers are floors: a change that loses one is seen.

use reassembly::Timestamp;

use super::Class;
use crate::content::injection_attempt;
use crate::content::inputs::Body;
use crate::testing::Call;

/// How a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Query,
    Twice,
    Unicode,
    Form,
    Json,
    Escaped,
    Field,
    Cookie,
    Tool,
    Part,
    Path,
    Mixed,
    Comments,
    Overlong,
    Wide,
    Entities,
    Encoded,
    Xml,
}

fn percent(text: &[u8]) -> String {
    let mut out = String::new();
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn mixed(text: &str) -> String {
    text.chars()
        .enumerate()
        .map(|(n, c)| {
            if n % 2 == 0 {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// A request that carries the value this way.
fn call(way: Way, value: &str, name: &str) -> Call {
    let query = |text: String| Call::get(format!("/items/find?{name}={text}&page=2"));
    let json = |text: String| {
        Call::new("POST", "/items")
            .field("Content-Type: application/json")
            .body(format!(r#"{{"kind":"a","{name}":{text},"n":3}}"#))
    };
    match way {
        Way::Query => query(percent(value.as_bytes())),
        Way::Twice => query(percent(percent(value.as_bytes()).as_bytes())),
        Way::Unicode => query(
            value
                .chars()
                .map(|c| match c {
                    c if c.is_ascii_alphanumeric() => c.to_string(),
                    c if (c as u32) < 0x1_0000 => format!("%u{:04x}", c as u32),
                    c => percent(c.to_string().as_bytes()),
                })
                .collect(),
        ),
        Way::Form => Call::new("POST", "/items")
            .field("Content-Type: application/x-www-form-urlencoded")
            .body(format!(
                "a=1&{name}={}",
                percent(value.as_bytes()).replace("%20", "+")
            )),
        Way::Json => json(json_text(value)),
        Way::Escaped => json(format!(
            "\"{}\"",
            value
                .chars()
                .map(|c| match c {
                    c if c.is_ascii_alphanumeric() || c == ' ' => c.to_string(),
                    c => c
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .map(|u| format!("\\u{u:04x}"))
                        .collect(),
                })
                .collect::<String>()
        )),
        Way::Field => Call::get("/items/1").field(&format!("X-Search: {value}")),
        Way::Cookie => Call::get("/items/1").field(&format!(
            "Cookie: theme=dark; {name}={}",
            percent(value.as_bytes())
        )),
        Way::Encoded => {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(value);
            Call::get("/items/1").field(&format!("Cookie: theme=dark; {name}={text}"))
        }
        Way::Tool => Call::tool("lookup", &format!(r#"{{"{name}":{}}}"#, json_text(value))),
        Way::Part => Call::new("POST", "/items")
            .field("Content-Type: multipart/form-data; boundary=xyz")
            .body(format!(
                "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--xyz--\r\n"
            )),
        Way::Path => Call::get(format!("/items/{}/view", percent(value.as_bytes()))),
        Way::Mixed => query(percent(mixed(value).as_bytes())),
        Way::Comments => query(percent(value.replace(' ', "/**/").as_bytes())),
        Way::Overlong => query(
            value
                .bytes()
                .map(|b| match b {
                    b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
                    b if b < 0x80 => format!("%c{}%{:02x}", b >> 6, 0x80 | b & 0x3f),
                    b => format!("%{b:02x}"),
                })
                .collect(),
        ),
        Way::Wide => query(percent(
            value
                .chars()
                .map(|c| match c {
                    '!'..='~' if !c.is_ascii_alphanumeric() => {
                        char::from_u32(c as u32 - 0x21 + 0xff01).unwrap()
                    }
                    c => c,
                })
                .collect::<String>()
                .as_bytes(),
        )),
        Way::Entities => query(percent(
            value
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_string()
                    } else {
                        format!("&#x{:x};", c as u32)
                    }
                })
                .collect::<String>()
                .as_bytes(),
        )),
        Way::Xml => Call::new("POST", "/items")
            .field("Content-Type: application/xml")
            .body(value),
    }
}

/// The classes found in a value.
fn classes(way: Way, value: &str, name: &str) -> Vec<Class> {
    let exchange = call(way, value, name).exchange(Timestamp(1_773_043_200_000_000_000).0, 1);
    let request = exchange.request.unwrap();
    let body = if way == Way::Tool { Body::Tools } else { Body::All };
    injection_attempt::classes(&request, body)
}

include!("corpus_data.rs");

#[test]
fn attacks_are_found_and_named_and_harmless_values_are_not() {
    println!(
        "{:<26} {:>5} {:>6} {:>6} {:>7}",
        "class", "sent", "found", "named", "recall"
    );
    let (mut found_all, mut sent_all) = (0, 0);
    let mut poor = Vec::new();
    for (class, name, ways, values) in ATTACKS {
        let (mut sent, mut found, mut named) = (0, 0, 0);
        for (n, value) in values.iter().enumerate() {
            for k in 0..3.min(ways.len()) {
                let way = ways[(n + k) % ways.len()];
                sent += 1;
                let classes = classes(way, value, name);
                if classes.is_empty() {
                    println!("  missed: {way:?} {value}");
                    continue;
                }
                found += 1;
                match classes.contains(class) {
                    true => named += 1,
                    false => println!("  named {classes:?}: {way:?} {value}"),
                }
            }
        }
        let recall = f64::from(named) / f64::from(sent);
        println!(
            "{:<26} {sent:>5} {found:>6} {named:>6} {recall:>7.3}",
            class.name()
        );
        if sent < 40 || recall < 0.95 {
            poor.push(class.name());
        }
        found_all += found;
        sent_all += sent;
    }
    let (mut alarms, mut harmless) = (0, 0);
    for (name, ways, values) in HARMLESS {
        for value in *values {
            for way in *ways {
                harmless += 1;
                let classes = classes(*way, value, name);
                if !classes.is_empty() {
                    alarms += 1;
                    println!("  alarm {classes:?}: {way:?} {value}");
                }
            }
        }
    }
    let values: usize = HARMLESS.iter().map(|(_, _, values)| values.len()).sum();
    let precision = f64::from(found_all) / f64::from(found_all + alarms);
    println!(
        "{found_all} of {sent_all} attacks; {alarms} alarms on {harmless} harmless requests of {values} values; precision {precision:.4}"
    );
    assert!(poor.is_empty(), "{poor:?}");
    assert!(values >= 200 && precision >= 0.99);
    assert_eq!(ATTACKS.len(), Class::ALL.len());
}
