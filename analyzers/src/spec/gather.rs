//! Operations put together from requests: those of a Postman collection, those seen in an archive.
//!
//! Values of such requests are secrets, so nothing of a value is kept but its type, and no name that could be a value.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Cursor, Is};
use super::model::{
    Body, Media, Operation, Parameter, Place, Requirement, Response, Security, Spec, StatusPattern, Style,
};
use super::problem::{Location, Problems};
use super::schema::{Additional, Schema, SchemaId, Schemas, Types};
use super::servers::{Server, Target};
use super::template::PathTemplate;
use super::{Limits, json};
use crate::privacy::is_plain_name;

/// Text of one example that is looked at.
pub(crate) const EXAMPLE_BYTES: usize = 256 << 10;
/// Values of one example.
const EXAMPLE_VALUES: usize = 20_000;
/// Levels of an example.
const EXAMPLE_DEPTH: usize = 24;
/// Properties of one object; one with more is a map.
const PROPERTIES: usize = 256;

/// What values at one place were like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    types: Types,
    objects: u64,
    properties: BTreeMap<String, (u64, Sample)>,
    /// Values under names that are no names of properties.
    others: Option<Box<Sample>>,
    items: Option<Box<Sample>>,
}

impl Sample {
    /// Adds a text that holds JSON; false if it does not.
    pub(crate) fn add_json(&mut self, text: &str) -> bool {
        if text.len() > EXAMPLE_BYTES || text.trim().is_empty() {
            return false;
        }
        let limits = Limits {
            nodes: EXAMPLE_VALUES,
            depth: EXAMPLE_DEPTH,
            ..Limits::default()
        };
        let (document, clean) = json::read(text.into(), &limits, &mut Problems::new(0));
        match document.root() {
            Some(root) if clean => self.add(root),
            _ => return false,
        }
        true
    }

    fn add(&mut self, value: Cursor<'_>) {
        let one = match value.is() {
            Is::Null => Types::NULL,
            Is::Bool => Types::BOOLEAN,
            Is::Number if value.number().is_some_and(|n| n.contains(['.', 'e', 'E'])) => Types::NUMBER,
            Is::Number => Types::INTEGER,
            Is::Text => Types::STRING,
            Is::List => Types::ARRAY,
            Is::Map => Types::OBJECT,
        };
        self.types = self.types | one;
        for item in value.items() {
            self.items.get_or_insert_default().add(item);
        }
        if value.is() != Is::Map {
            return;
        }
        self.objects += 1;
        for field in value.fields() {
            let known = self.properties.contains_key(field.key);
            if known || is_plain_name(field.key) && self.properties.len() < PROPERTIES {
                let (count, below) = self.properties.entry(field.key.to_owned()).or_default();
                *count += 1;
                below.add(field.value);
            } else {
                self.others.get_or_insert_default().add(field.value);
            }
        }
    }

    /// Adds the field of a form.
    pub(crate) fn add_field(&mut self, name: &str) {
        self.types = self.types | Types::OBJECT;
        if is_plain_name(name) && self.properties.len() < PROPERTIES {
            let (count, below) = self.properties.entry(name.to_owned()).or_default();
            *count += 1;
            below.types = below.types | Types::STRING;
        } else {
            self.others.get_or_insert_default().types = Types::STRING;
        }
    }

    fn schema(&self, always: bool, schemas: &mut Schemas) -> SchemaId {
        let mut schema = Schema {
            types: self.types,
            ..Schema::default()
        };
        for (name, (count, below)) in &self.properties {
            let id = below.schema(always, schemas);
            schema.properties.insert(name.clone(), id);
            if always && *count >= self.objects.max(1) {
                schema.required.insert(name.clone());
            }
        }
        if let Some(others) = &self.others {
            schema.additional = Additional::Schema(others.schema(always, schemas));
        }
        schema.items = self
            .items
            .iter()
            .map(|items| items.schema(always, schemas))
            .collect();
        schemas.push(schema)
    }
}

/// One request, its values gone.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: PathTemplate,
    pub(crate) url: String,
    pub(crate) targets: Vec<Target>,
    pub(crate) id: Option<String>,
    pub(crate) tags: Vec<String>,
    /// Names by place, each once.
    pub(crate) names: Vec<(Place, String)>,
    /// Media type and what was in it.
    pub(crate) body: Option<(String, Sample)>,
    /// Status, media type, content, names of headers.
    pub(crate) responses: Vec<Answer>,
    pub(crate) security: Option<Security>,
    pub(crate) at: Location,
    pub(crate) pointer: String,
}

/// One response.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: Option<(String, Sample)>,
    pub(crate) headers: Vec<String>,
    pub(crate) at: Location,
}

#[derive(Debug)]
struct Gathered {
    operation: Operation,
    names: BTreeMap<(Place, String), u64>,
    bodies: BTreeMap<String, Sample>,
    with_body: u64,
    answers: BTreeMap<u16, Answers>,
}

/// All responses of one status.
#[derive(Debug, Default)]
struct Answers {
    at: Location,
    content: BTreeMap<String, Sample>,
    headers: BTreeSet<String>,
}

/// All operations of a document.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    list: Vec<Gathered>,
    known: BTreeMap<(String, usize, String), usize>,
    servers: BTreeMap<Vec<Target>, usize>,
}

impl Sample {
    fn merge(&mut self, other: Self) {
        self.types = self.types | other.types;
        self.objects += other.objects;
        for (name, (count, below)) in other.properties {
            if self.properties.len() < PROPERTIES || self.properties.contains_key(&name) {
                let (known, sample) = self.properties.entry(name).or_default();
                *known += count;
                sample.merge(below);
            } else {
                self.others.get_or_insert_default().merge(below);
            }
        }
        for (mine, theirs) in [(&mut self.others, other.others), (&mut self.items, other.items)] {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().merge(*theirs);
            }
        }
    }
}

impl Gather {
    /// Adds a request; false when there are too many operations for a new one.
    pub(crate) fn add(&mut self, request: Request, spec: &mut Spec, limits: &Limits) -> bool {
        let server = match self.servers.get(&request.targets) {
            Some(known) => *known,
            None => {
                spec.servers.push(Server {
                    url: request.url.clone(),
                    targets: request.targets.clone(),
                    at: request.at,
                });
                self.servers
                    .insert(request.targets.clone(), spec.servers.len() - 1);
                spec.servers.len() - 1
            }
        };
        let key = (request.method.clone(), server, request.path.hierarchy());
        let number = match self.known.get(&key) {
            Some(known) => *known,
            None if self.list.len() >= limits.operations => return false,
            None => {
                self.known.insert(key, self.list.len());
                self.list.push(Gathered::new(&request, server));
                self.list.len() - 1
            }
        };
        self.list[number].add(request);
        true
    }

    /// Gives the operations to the specification. `always`: what every request had is required.
    pub(crate) fn finish(self, spec: &mut Spec, always: bool) {
        for gathered in self.list {
            let operation = gathered.finish(&mut spec.schemas, always);
            spec.operations.push(operation);
        }
    }
}

impl Gathered {
    fn new(request: &Request, server: usize) -> Self {
        let operation = Operation {
            method: request.method.clone(),
            path: request.path.clone(),
            servers: vec![server],
            id: request.id.clone(),
            summary: None,
            tags: request.tags.clone(),
            owner: None,
            deprecated: false,
            sunset: None,
            declares_sunset: false,
            parameters: Vec::new(),
            body: None,
            responses: Vec::new(),
            security: None,
            requests: 0,
            at: request.at,
            pointer: request.pointer.clone(),
        };
        Self {
            operation,
            names: BTreeMap::new(),
            bodies: BTreeMap::new(),
            with_body: 0,
            answers: BTreeMap::new(),
        }
    }

    fn add(&mut self, request: Request) {
        let operation = &mut self.operation;
        operation.requests += 1;
        for name in request.names {
            if self.names.len() < PROPERTIES {
                *self.names.entry(name).or_default() += 1;
            }
        }
        if let Some((media_type, sample)) = request.body {
            self.with_body += 1;
            self.bodies.entry(media_type).or_default().merge(sample);
        }
        if let Some(security) = request.security {
            let known = &mut operation.security.get_or_insert_default().any_of;
            // A request that proves nothing is an alternative of its own, once another one proves something.
            let alternatives = if security.any_of.is_empty() {
                vec![Vec::new()]
            } else {
                security.any_of
            };
            for alternative in alternatives {
                if !known.contains(&alternative) {
                    known.push(alternative);
                }
            }
        }
        for answer in request.responses {
            let known = self.answers.entry(answer.status).or_insert_with(|| Answers {
                at: answer.at,
                ..Answers::default()
            });
            if let Some((media_type, sample)) = answer.content {
                known.content.entry(media_type).or_default().merge(sample);
            }
            for name in answer.headers {
                if known.headers.len() < PROPERTIES {
                    known.headers.insert(name);
                }
            }
        }
    }

    fn finish(self, schemas: &mut Schemas, always: bool) -> Operation {
        let mut operation = self.operation;
        let (requests, at) = (operation.requests, operation.at);
        let parameter = |place: Place, name: String, required: bool| Parameter {
            name,
            place,
            required,
            deprecated: false,
            style: Style::Plain,
            schema: None,
            at,
        };
        let mut of_path = operation.path.parameters().map(str::to_owned).collect::<Vec<_>>();
        of_path.sort();
        of_path.dedup();
        operation.parameters = of_path
            .into_iter()
            .map(|name| parameter(Place::Path, name, true))
            .collect();
        for ((place, name), count) in self.names {
            operation
                .parameters
                .push(parameter(place, name, always && count >= requests));
        }
        let mut media = |bodies: BTreeMap<String, Sample>, at: Location| -> Vec<Media> {
            let entries = bodies.into_iter().map(|(media_type, sample)| Media {
                media_type,
                schema: (!sample.types.is_any()).then(|| sample.schema(always, schemas)),
                at,
            });
            entries.collect()
        };
        if !self.bodies.is_empty() {
            operation.body = Some(Body {
                required: always && self.with_body >= requests,
                content: media(self.bodies, at),
                at,
            });
        }
        for (status, answers) in self.answers {
            operation.declares_sunset |= answers.headers.contains("sunset");
            let headers = answers.headers.into_iter();
            operation.responses.push(Response {
                status: StatusPattern::Exact(status),
                content: media(answers.content, answers.at),
                headers: headers
                    .map(|name| parameter(Place::Header, name, false))
                    .collect(),
                at: answers.at,
            });
        }
        // Nothing but requests that prove nothing: nothing is asked for.
        if let Some(security) = &mut operation.security
            && security.any_of.iter().all(Vec::is_empty)
        {
            security.any_of.clear();
        }
        operation
    }
}

/// A requirement without scopes.
pub(crate) fn requirement(scheme: &str) -> Requirement {
    Requirement {
        scheme: scheme.to_owned(),
        scopes: Vec::new(),
    }
}

/// A method, if it can be one (RFC 9110 section 9.1: a token; the known ones have letters and dashes).
pub(crate) fn method(text: &str) -> Option<String> {
    let plain = (1..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    plain.then(|| text.to_ascii_uppercase())
}

/// Header fields that clients, proxies and browsers add and no API declares.
const STANDARD: [&str; 44] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dnt",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "host",
    "keep-alive",
    "last-modified",
    "location",
    "origin",
    "postman-token",
    "pragma",
    "priority",
    "proxy-authorization",
    "referer",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
];

/// The name of a header field that says something about an API, in lower case.
pub(crate) fn header(name: &str) -> Option<String> {
    let lower = name.trim().to_ascii_lowercase();
    let browser = lower.starts_with("sec-") || lower.starts_with("access-control-") || lower.starts_with(':');
    (!browser && is_plain_name(&lower) && !STANDARD.contains(&lower.as_str())).then_some(lower)
}
