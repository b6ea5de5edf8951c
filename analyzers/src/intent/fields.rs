//! What conditions may ask of a call, and the record that they are held against.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::action::{Deed, Parameters, SEARCHED};
use crate::behaviour::Activity;
use crate::condition::{Condition, Sort, Vocabulary};
use crate::inventory::sensitive::Found;
use crate::nearest;
use crate::privacy::segment;

/// Pairs of a query or a form that are read.
const PAIRS: usize = 256;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The name of a field, and what its values are.
type Field = (&'static str, fn() -> Sort);

/// The names of all fields, with what they are.
const FIELDS: [Field; 25] = [
    ("answer.bytes", number),
    ("answer.classes", names),
    ("answer.status", number),
    ("caller.kind", || {
        words(&["ai_agent", "service", "human", "unknown"])
    }),
    ("caller.name", text),
    ("date", text),
    ("hour", number),
    ("minute", number),
    ("model", text),
    ("operation", text),
    ("prompt", text),
    ("request.bytes", number),
    ("request.classes", names),
    ("request.content_type", text),
    ("request.host", text),
    ("request.method", text),
    ("resource", text),
    ("scopes", names),
    ("skill", text),
    ("task.calls", number),
    ("tokens.input", number),
    ("tokens.output", number),
    ("tool", text),
    ("url.classes", names),
    ("weekday", || words(&WEEKDAYS)),
];

/// Beginnings of fields whose names are those of the call.
const OPEN: [&str; 2] = ["args", "path"];

fn number() -> Sort {
    Sort::Number
}

fn names() -> Sort {
    Sort::Names
}

fn text() -> Sort {
    Sort::Text(Vec::new())
}

fn words(all: &[&str]) -> Sort {
    Sort::Text(all.iter().map(|w| (*w).to_owned()).collect())
}

/// The fields of calls.
#[derive(Debug)]
pub(super) struct Fields;

impl Vocabulary for Fields {
    fn look_up(&self, path: &[String]) -> Result<Sort, String> {
        let name = path.join(".");
        if OPEN.contains(&path[0].as_str()) {
            return match path.len() {
                1 => Err(format!(
                    "`{name}` is no single value; write which one: `{name}.amount`"
                )),
                _ => Ok(Sort::Open),
            };
        }
        // A class by its name is there or not.
        let parent = path[..path.len() - 1].join(".");
        let known = |wanted: &str| FIELDS.iter().find(|(name, _)| *name == wanted);
        if let Some((_, sort)) = known(&name) {
            return Ok(sort());
        }
        if known(&parent).is_some_and(|(_, sort)| sort() == Sort::Names) {
            return Err(format!(
                "`{parent}` is a set of names; write `{parent} has \"{}\"`",
                path[path.len() - 1]
            ));
        }
        let all = FIELDS.iter().map(|(name, _)| *name);
        match nearest(&name, all.clone()) {
            Some(near) => Err(format!("there is no field `{name}`; did you mean `{near}`?")),
            None => {
                let all: Vec<&str> = all.collect();
                Err(format!(
                    "there is no field `{name}`; there are args.NAME, path.NAME, {}",
                    all.join(", ")
                ))
            }
        }
    }

    fn example(&self) -> &'static str {
        "args.amount <= 1000"
    }
}

/// Which parts of a call a condition cannot do without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) arguments: bool,
    pub(super) answer: bool,
}

/// What a condition needs.
pub(super) fn needs(condition: &Condition) -> Needs {
    let fields = condition.fields();
    let begins = |name: &str| fields.iter().any(|path| path[0] == name);
    Needs {
        arguments: begins("args"),
        answer: begins("answer") || begins("tokens"),
    }
}

/// The record of one thing that a call does, but for the parameters of its path. Tells also whether its arguments could be read
/// to their end.
pub(super) fn record(activity: &Activity<'_>, deed: &Deed<'_>) -> (Value, bool) {
    let request = activity.request;
    let seconds = activity.ts.seconds();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let name = deed.name.as_deref();
    let of = |protocol: &str, method: &str| {
        name.filter(|_| deed.protocol == Some(protocol) && deed.operation.starts_with(method))
    };
    let (arguments, whole) = arguments(activity, deed);
    let classes = |found: &Found| -> Vec<&str> { found.iter().map(|(class, _)| class.name()).collect() };
    let carried = activity.carried;
    let answer = activity.exchange.response.as_ref();
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    let mut record = json!({
        "request": {
            "method": request.method(),
            "host": activity.host_name(),
            "bytes": request.message.body_bytes,
            "content_type": request.message.field("content-type").unwrap_or(""),
            "classes": classes(&carried.request),
        },
        "url": {"classes": classes(&carried.url)},
        "args": arguments,
        "operation": deed.operation,
        "caller": {"kind": activity.kind.name()},
        "scopes": token.map_or(&[][..], |token| &token.scopes),
        "task": {"calls": activity.unit_calls},
        "hour": of_day / 3600,
        "minute": of_day / 60 % 60,
        // The first of January 1970 was a Thursday.
        "weekday": WEEKDAYS[((days + 3) % 7) as usize],
        "date": date(days),
    });
    let mut put = |field: &str, value: Option<&str>| {
        if let Some(value) = value {
            record[field] = json!(value);
        }
    };
    put("tool", of("mcp", "tools/call"));
    put("prompt", of("mcp", "prompts/get"));
    put("resource", of("mcp", "resources/read"));
    put("skill", of("a2a", ""));
    put("model", of("llm", ""));
    if let Some(name) = activity.name {
        record["caller"]["name"] = json!(name);
    }
    if let Some(answer) = answer {
        record["answer"] = json!({
            "status": activity.status,
            "bytes": answer.message.body_bytes,
            "classes": classes(&carried.response),
        });
    }
    if let Some(llm) = activity.llm {
        record["tokens"] = json!({"input": llm.input_tokens, "output": llm.output_tokens});
    }
    (record, whole)
}

/// Puts the parameters of a path into a record.
pub(super) fn with_path(record: &mut Value, parameters: &Parameters<'_>) {
    let mut map = Map::new();
    for (name, value) in parameters {
        if !name.is_empty() {
            add(&mut map, (*name).to_owned(), Value::String(value.clone()));
        }
    }
    record["path"] = Value::Object(map);
}

/// The day of a number of days since 1970, by Hinnant's `civil_from_days`.
fn date(days: u64) -> String {
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// What a call hands over by name: query, form, JSON, arguments of a tool. What is said twice has both values. Tells also whether
/// all of it was read.
fn arguments(activity: &Activity<'_>, deed: &Deed<'_>) -> (Value, bool) {
    let request = activity.request;
    let message = &request.message;
    let mut out = Map::new();
    let mut whole = !deed.unread;
    if let Some(query) = request.query() {
        whole &= pairs(query, &mut out);
    }
    let body = &message.body[..message.body.len().min(SEARCHED)];
    let all = message.complete && body.len() as u64 >= message.content_bytes;
    if let Some("mcp" | "jsonrpc" | "a2a" | "graphql") = deed.protocol {
        let named = match (deed.protocol, deed.message) {
            // The variables of an operation are its arguments.
            (Some("graphql"), _) => strict(body).and_then(|mut body| match &mut body {
                Value::Object(body) => body.remove("variables"),
                _ => None,
            }),
            (_, Some(params)) => match params.get("arguments") {
                _ if !params.whole => None,
                Some(arguments) => strict(arguments.bytes),
                None => strict(params.bytes),
            },
            _ => Some(Value::Null),
        };
        match named {
            Some(Value::Object(named)) => merge(&mut out, named),
            Some(_) => {}
            None => whole &= deed.protocol == Some("graphql") && all,
        }
        // A message of a batch is judged by itself.
        return (Value::Object(out), whole);
    }
    if message.body_bytes == 0 && body.is_empty() {
        return (Value::Object(out), whole && message.complete);
    }
    let kind = message.field("content-type").unwrap_or("");
    if kind.starts_with("application/x-www-form-urlencoded") {
        whole &= pairs(&String::from_utf8_lossy(body), &mut out);
    } else {
        match strict(body) {
            Some(Value::Object(named)) => merge(&mut out, named),
            Some(list @ Value::Array(_)) => {
                // Members of the objects of a list are told as if they stood by themselves.
                spread(list, &mut out);
            }
            Some(_) => {}
            None => whole = false,
        }
    }
    (Value::Object(out), whole && all)
}

fn spread(value: Value, out: &mut Map<String, Value>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| spread(item, out)),
        Value::Object(map) => merge(out, map),
        _ => {}
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        add(into, name, value);
    }
}

/// Puts a value beside those of its name.
fn add(to: &mut Map<String, Value>, name: String, value: Value) {
    match to.get_mut(&name) {
        Some(Value::Array(list)) => list.push(value),
        Some(known) => {
            let before = known.take();
            *known = Value::Array(vec![before, value]);
        }
        None => {
            to.insert(name, value);
        }
    }
}

/// Pairs of a query; whether all were read.
fn pairs(text: &str, out: &mut Map<String, Value>) -> bool {
    for (count, pair) in segment::parts(text, b'&').enumerate() {
        if count >= PAIRS {
            return false;
        }
        let (name, value) = segment::once(pair, b'=').unwrap_or((pair, ""));
        if !name.is_empty() {
            let value = segment::decode(&value.replace('+', " ")).into_owned();
            add(out, segment::decode(name).into_owned(), Value::String(value));
        }
    }
    true
}

/// A text of JSON in which a name that comes twice has both values: servers differ in which of them counts (RFC 8259 section 4).
fn strict(text: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Strict>(text).ok().map(|s| s.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
                Ok(Strict(Value::String(value.to_owned())))
            }

            fn visit_string<E>(self, value: String) -> Result<Strict, E> {
                Ok(Strict(Value::String(value)))
            }

            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Strict, A::Error> {
                let mut out = Vec::new();
                while let Some(Strict(value)) = list.next_element()? {
                    out.push(value);
                }
                Ok(Strict(Value::Array(out)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
                let mut out = Map::new();
                while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
                    add(&mut out, name, value);
                }
                Ok(Strict(Value::Object(out)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition;

    #[test]
    fn days_have_their_dates() {
        for (days, wanted) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_779, "2026-11-22"),
        ] {
            assert_eq!(date(days), wanted);
        }
    }

    #[test]
    fn fields_are_those_of_calls() {
        assert!(FIELDS.is_sorted_by_key(|(name, _)| *name));
        for text in [
            "args.amount <= 1000",
            "args.a.b.c = true",
            "path.id matches 'ord-*'",
            "request.host.endsWith('.internal')",
            "hour >= 8 and hour < 18 and weekday not in ['sat', 'sun']",
            "answer.status < 400 and not (answer.classes has 'card')",
            "args.to.endsWith('@acme.example') || tokens.input <= 1e3",
        ] {
            let read = condition::read(&Fields, text);
            // Exponents are no numbers of the language.
            assert_eq!(read.is_ok(), !text.contains("1e3"), "{text}: {read:?}");
        }
        for (text, wanted) in [
            ("args > 5", "write which one: `args.amount`"),
            ("request.hots = 'x'", "did you mean `request.host`?"),
            ("answer.classes.card", "write `answer.classes has \"card\"`"),
            ("weekday = 'monday'", "one of \"mon\""),
            ("amount < 5", "there are args.NAME, path.NAME"),
            ("hour = 'eight'", "`hour` is a number"),
        ] {
            let wrong = condition::read(&Fields, text).expect_err(text);
            assert!(wrong.what.contains(wanted), "{text}: {}", wrong.what);
        }
    }

    #[test]
    fn what_is_said_twice_has_both_values() {
        let value = strict(br#"{"a":1,"a":2,"b":{"c":[3],"c":4}}"#).unwrap();
        assert_eq!(value, json!({"a": [1, 2], "b": {"c": [3, 4]}}));
        assert!(strict(b"{\"a\":1").is_none());
        assert!(strict(&b"[".repeat(100_000)).is_none());
    }
}
