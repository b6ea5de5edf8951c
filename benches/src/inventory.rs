//! Exchanges for the inventory: ordinary ones of many endpoints on many hosts, and those that an attacker may send to
//! make what is kept of them grow.
//!
//! All are made by number, the same every time; nobody has to hold them.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};

/// 2026-03-09T08:00:00Z, in nanoseconds.
const START: u64 = 1_773_043_200_000_000_000;

/// Nanoseconds between exchanges: a million take a day and some hours.
const STEP: u64 = 100_000_000;

/// Callers of ordinary traffic.
const CALLERS: u64 = 200;

/// Words that names of fields, resources and values are made of.
const WORDS: [&str; 64] = [
    "account", "amount", "author", "balance", "billing", "brand", "carrier", "category", "city", "color",
    "comment", "contract", "country", "cover", "currency", "customer", "delivery", "depth", "device",
    "discount", "draft", "event", "grade", "group", "height", "history", "image", "invoice", "item", "label",
    "language", "level", "limit", "location", "market", "member", "note", "number", "offer", "option",
    "order", "owner", "parcel", "payment", "phase", "price", "product", "quota", "rating", "reason",
    "region", "report", "review", "score", "season", "shipment", "source", "status", "stock", "store",
    "team", "ticket", "total", "vendor",
];

/// States that a field may have: an enumeration.
const STATES: [&str; 5] = ["open", "paid", "shipped", "closed", "cancelled"];

/// A number that looks like chance, and is the same every time (Steele et al., "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
fn mix(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn word(of: u64) -> &'static str {
    WORDS[(mix(of) % WORDS.len() as u64) as usize]
}

/// A name of words, as programs write it: `parcelVendorScore`. The same number gives the same name; there are 262,144.
fn name(of: u64) -> String {
    let h = mix(of);
    let part = |at: u64| WORDS[(h >> at & 63) as usize];
    let mut out = part(0).to_owned();
    for at in [6, 12] {
        let (first, rest) = part(at).split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}

/// An exchange, sent as the `n`th.
struct Parts<'a> {
    n: u64,
    client: u64,
    /// Nanoseconds until the answer.
    wait: u64,
    request: &'a str,
    body: String,
    response: &'a str,
    answer: String,
}

fn exchange(parts: Parts<'_>) -> Exchange {
    let at = START + parts.n * STEP;
    let client = Ipv4Addr::from(0x0a00_0000 | (parts.client % 0xff_ffff) as u32);
    let port = 20_000 + (parts.n % 40_000) as u16;
    ExchangeBuilder::new(Timestamp(at))
        .between(
            SocketAddr::new(IpAddr::V4(client), port),
            SocketAddr::from(([10, 250, 0, 1], 80)),
        )
        .in_flow(Timestamp(at - 1), 0)
        .waited(parts.wait)
        .request(parts.request, parts.body)
        .response(parts.response, parts.answer)
        .build()
}

/// The members of an object: 15 to 40 fields in all, some of them in objects and lists of their own. `kind` says which,
/// `of` what they hold.
fn object(kind: u64, of: u64) -> String {
    let fields = 15 + mix(kind) % 26;
    let mut out = format!("{{\"id\":{}", of % 100_000);
    let put = |out: &mut String, at: u64| {
        let h = mix(of ^ at << 40);
        let key = format!(
            "{}{}",
            word(kind ^ at),
            ["", "Id", "At", "Name"][(mix(kind + at) % 4) as usize]
        );
        let _ = match mix(kind ^ at) % 8 {
            0 => write!(out, "\"{key}\":{}", h % 10_000),
            1 => write!(out, "\"{key}\":{}.{:02}", h % 900, h % 100),
            2 => write!(out, "\"{key}\":\"{}\"", STATES[(h % 5) as usize]),
            3 => write!(
                out,
                "\"{key}\":\"2026-0{}-1{}T1{}:20:00Z\"",
                1 + h % 9,
                h % 9,
                h % 7
            ),
            4 => write!(out, "\"{key}\":{}", ["true", "false"][(h % 2) as usize]),
            5 => write!(out, "\"{key}\":\"{:08x}-9dc0-41d1-b245-5ffdce74fad2\"", h as u32),
            // Now and then there is none.
            6 if h.is_multiple_of(4) => write!(out, "\"{key}\":null"),
            6 => write!(out, "\"{key}\":\"{} {} {}\"", word(h), word(h + 1), h % 1000),
            _ => write!(out, "\"{key}\":[\"{}\",\"{}\"]", word(h), word(h + 1)),
        };
    };
    let mut at = 0;
    while at < fields {
        out.push(',');
        // Every sixth begins an object of three; every ninth a list of such.
        if at % 6 == 5 && at + 4 <= fields {
            let list = at % 9 == 8;
            let _ = write!(
                out,
                "\"{}\":{}",
                word(kind ^ at ^ 77),
                if list { "[{" } else { "{" }
            );
            for inner in 1..4 {
                if inner > 1 {
                    out.push(',');
                }
                put(&mut out, at + inner);
            }
            out.push_str(if list { "}]" } else { "}" });
            at += 4;
        } else {
            put(&mut out, at);
            at += 1;
        }
    }
    out.push('}');
    out
}

/// Ordinary traffic of so many hosts with so many endpoints each.
#[derive(Debug, Clone, Copy)]
pub struct Apis {
    /// Hosts.
    pub hosts: u64,
    /// Endpoints of each.
    pub each: u64,
}

impl Apis {
    /// Endpoints of all.
    #[must_use]
    pub fn endpoints(self) -> u64 {
        self.hosts * self.each
    }

    /// A call of an endpoint, sent as the `n`th exchange of all. Of four endpoints one lists a collection, one adds to it,
    /// one reads a member and one changes what belongs to it.
    #[must_use]
    pub fn call(self, endpoint: u64, n: u64) -> Exchange {
        let (host, own) = (endpoint / self.each, endpoint % self.each);
        let kind = (host << 32) + own / 4;
        let h = mix(endpoint << 32 ^ n);
        let resource = format!("{}s/{}", word(kind), name(kind));
        let (method, path, takes, gives) = match own % 4 {
            0 => {
                let status = STATES[(h % 5) as usize];
                let path = format!(
                    "/api/v1/{resource}?page={}&status={status}&sort={}&limit=20",
                    h % 40,
                    word(h % 3)
                );
                ("GET", path, false, 2)
            }
            1 => ("POST", format!("/api/v1/{resource}"), true, 1),
            2 => (
                "GET",
                format!("/api/v1/{resource}/{}?expand={}", 1000 + h % 9000, word(h % 4)),
                false,
                1,
            ),
            _ => (
                "PUT",
                format!(
                    "/api/v1/{resource}/{:08x}-9dc0-41d1-b245-5ffdce74fad2/{}",
                    h as u32,
                    word(kind + 9)
                ),
                true,
                1,
            ),
        };
        let caller = mix(h ^ host) % CALLERS;
        let mut request = format!(
            "{method} {path} HTTP/1.1\nHost: svc-{host}.internal.example\nUser-Agent: python-requests/2.32\n\
             Accept: application/json\nAuthorization: Bearer token-of-caller-{caller}\nX-Request-Id: {h:016x}\nX-Tenant: t{}\n",
            h % 30
        );
        if takes {
            request.push_str("Content-Type: application/json\n");
        }
        let answer = match gives {
            2 => {
                let items: Vec<String> = (0..1 + h % 4).map(|at| object(kind, h + at)).collect();
                format!(
                    "{{\"data\":[{}],\"page\":1,\"total\":{}}}",
                    items.join(","),
                    h % 500
                )
            }
            _ => object(kind, h),
        };
        exchange(Parts {
            n,
            client: caller,
            wait: 1_000_000 + mix(h) % 40_000_000,
            request: &request,
            body: if takes {
                object(kind ^ 1 << 20, h)
            } else {
                String::new()
            },
            response: "HTTP/1.1 200 OK\nContent-Type: application/json\nCache-Control: no-store\n",
            answer,
        })
    }
}

/// What is made to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostile {
    /// Every body has 40 names that were not there before, and so has every query.
    Fields,
    /// The same in answers of every class of status and in every form that is read.
    Forms,
    /// Every path has a segment more that was not there before, and is answered.
    Paths,
    /// Every path is one of its own, eight names deep.
    Deep,
    /// Every exchange is for another host.
    Hosts,
    /// Every exchange is of one of 2,000 callers, of another size and time, and carries data of another person.
    Values,
}

impl Hostile {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Fields,
        Self::Forms,
        Self::Paths,
        Self::Deep,
        Self::Hosts,
        Self::Values,
    ];

    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::Forms => "forms",
            Self::Paths => "paths",
            Self::Deep => "deep",
            Self::Hosts => "hosts",
            Self::Values => "values",
        }
    }

    /// The `n`th exchange, of traffic that is about so many endpoints.
    #[must_use]
    pub fn exchange(self, endpoints: u64, n: u64) -> Exchange {
        let endpoint = n % endpoints;
        let host = match self {
            Self::Hosts => n,
            // One each, or alike as they are they would become one.
            Self::Values => endpoint,
            _ => endpoint / 100,
        };
        let own = name(endpoint << 20);
        let path = match self {
            Self::Fields => format!(
                "/api/{own}/{}?{}={}&{}=x",
                endpoint % 100,
                name(n),
                n % 7,
                name(n ^ 1 << 50)
            ),
            Self::Forms | Self::Values => format!("/api/{own}/{}", endpoint % 100),
            Self::Paths => format!("/api/{}/{}", word(endpoint), name(n)),
            Self::Deep => (0..8).fold(String::new(), |path, at| path + "/" + &name(n << 3 | at)),
            Self::Hosts => format!("/api/{}/{}", word(n), name(n)),
        };
        // Some are parameters by form alone; the others are names.
        let method = if matches!(self, Self::Fields | Self::Forms) {
            "POST"
        } else {
            "GET"
        };
        let forms = [
            "application/json",
            "application/x-www-form-urlencoded",
            "application/x-ndjson",
            "text/event-stream",
        ];
        let turn = n / endpoints;
        let (form, status) = match self {
            Self::Forms => (
                forms[(turn % 4) as usize],
                [200, 302, 404, 500][(turn / 4 % 4) as usize],
            ),
            _ => (forms[0], 200),
        };
        let host = match self {
            Self::Hosts => format!("{}-{host}.{}.example", word(n), word(n + 1)),
            _ => format!("svc-{host}.example"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\nHost: {host}\nUser-Agent: Mozilla/5.0 {}\nContent-Type: {form}\n",
            if self == Self::Values { n % 2000 } else { 0 },
        );
        let response = format!("HTTP/1.1 {status} X\nContent-Type: {form}\n");
        let (answer, wait) = match self {
            Self::Fields | Self::Forms => (fresh(form, n), 5_000_000),
            Self::Values => {
                let h = mix(n);
                let size = 1_usize << (h % 12) | (h >> 20 & 0x3ff) as usize;
                let text = format!(
                    "{{\"email\":\"p{n}@example.com\",\"card_number\":\"{}\",\"iban\":\"{}\",\"text\":\"{}\"}}",
                    card(n),
                    iban(n),
                    "x".repeat(size)
                );
                (text, 1 << (10 + h % 26) | h >> 40)
            }
            _ => (format!("{{\"id\":{n},\"name\":\"n\",\"kind\":\"k\"}}"), 5_000_000),
        };
        exchange(Parts {
            n,
            client: if self == Self::Values { n % 2000 } else { n % 50 },
            wait,
            request: &request,
            body: match self {
                Self::Fields | Self::Forms => fresh(form, n ^ 1 << 40),
                _ => String::new(),
            },
            response: &response,
            answer,
        })
    }
}

/// A body in this form with 40 names of its own, in objects where the form has such.
fn fresh(form: &str, n: u64) -> String {
    let names = (0..40).map(|at| name(n << 6 | at));
    match form {
        "application/x-www-form-urlencoded" => {
            let pairs: Vec<String> = names.map(|name| format!("{name}={}", n % 10)).collect();
            pairs.join("&")
        }
        _ => {
            let mut out = String::new();
            for (at, name) in names.enumerate() {
                out.push_str(match at {
                    0 => "{",
                    _ if at % 10 == 0 => "},",
                    _ => ",",
                });
                // A new object every ten names.
                if at % 10 == 0 {
                    let _ = write!(out, "\"{name}\":{{\"a\":1");
                } else {
                    let _ = write!(out, "\"{name}\":\"{}\"", STATES[at % 5]);
                }
            }
            out.push_str("}}");
            if form == "text/event-stream" {
                format!("data: {out}\n\n")
            } else {
                out
            }
        }
    }
}

/// A number that passes the checks of a payment card (Luhn).
fn card(n: u64) -> String {
    let body = format!("453957{:09}", n % 1_000_000_000);
    let sum: u32 = body.bytes().rev().enumerate().fold(0, |sum, (at, digit)| {
        let digit = u32::from(digit - b'0');
        let twice = digit * 2;
        sum + if at % 2 == 0 {
            twice / 10 + twice % 10
        } else {
            digit
        }
    });
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// An IBAN of Germany with its check digits (ISO 13616).
fn iban(n: u64) -> String {
    let account = format!("37040044{:010}", n % 10_000_000_000);
    // D and E are 13 and 14; the check digits count as zeros.
    let rest = format!("{account}131400")
        .bytes()
        .fold(0_u64, |rest, digit| (rest * 10 + u64::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_sound_and_of_the_size_they_say() {
        for kind in 0..200 {
            let text = object(kind, mix(kind));
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let count = count(&value);
            assert!((10..=70).contains(&count), "{count} fields: {text}");
            for form in ["application/json", "text/event-stream"] {
                let text = fresh(form, kind);
                let _: serde_json::Value =
                    serde_json::from_str(text.trim_start_matches("data: ")).expect("JSON");
            }
        }
        assert_eq!(card(0).len(), 16);
        assert_eq!(iban(532_013_000), "DE89370400440532013000");
    }

    fn count(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(map) => map.values().map(|v| 1 + count(v)).sum(),
            serde_json::Value::Array(list) => list.iter().map(count).sum(),
            _ => 0,
        }
    }
}
