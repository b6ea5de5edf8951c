//! Specifications: what was declared, to be held against what is seen.
//!
//! ```text
//! bytes ─▶ text ─▶ json, yaml ─▶ document ─▶ openapi, swagger, postman, har ─▶ Spec ─▶ Index
//!                                every value    lenient walks over one tree     plain   host, path
//!                                has its line                                   model   ─▶ operation
//! ```
//!
//! OpenAPI 2.0, 3.0, 3.1 and 3.2 in JSON and YAML, Postman collections 2.0 and 2.1, HTTP Archives 1.2. Documents in use
//! violate their own rules, so nothing is loaded into types that must fit: every walk takes what it can use, and each
//! departure is a [`Problem`] with line, column and JSON pointer that says what would be right.
//!
//! Nothing is fetched: a reference to another document is reported. Nothing is expanded: references, aliases and schemas
//! that contain themselves are numbers that lead to the same place. [`Limits`] bound the work on a document of any bytes.

mod problem;
mod text;

mod document;
mod json;
mod yaml;

mod reader;
mod schema;
mod schema_reader;
mod servers;
mod template;

mod date;
mod model;
mod parts;

mod openapi;
mod swagger;

mod gather;
mod har;
mod postman;
mod postman_url;

mod paths;

mod index;

pub use date::Sunset;
pub use index::{Declared, Index, Lookup};
pub use model::{
    Body, Contact, Counts, Kind, Media, Operation, Parameter, Place, Requirement, Response, Security,
    SecurityScheme, Spec, StatusPattern, Style, media,
};
pub use problem::{Location, Problem};
pub use schema::{Additional, Schema, SchemaId, Schemas, Shape, Types};
pub use servers::{HostPattern, Server, Target};
pub use template::{PathTemplate, Piece, TemplateSegment};

pub(crate) use paths::Paths;
pub(crate) use template::segments as path_segments;

pub(crate) use document::{Document, Is};

use document::Cursor;
use problem::{Problems, shown};
use reader::Reader;

/// Ceilings on what one document may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes read of a document; what is behind them is left out. Large specifications in public have 13 MB, and 73 MB with
    /// every reference replaced by what it names.
    pub bytes: usize,
    /// Values of a document, at about 50 bytes each while it is read.
    pub nodes: usize,
    /// Levels of values in each other.
    pub depth: usize,
    /// Operations.
    pub operations: usize,
    /// Schemas.
    pub schemas: usize,
    /// Problems that are told; more are counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 128 << 20,
            nodes: 4_000_000,
            depth: 128,
            operations: 50_000,
            schemas: 400_000,
            problems: 200,
        }
    }
}

/// Reads a document of any kind. `name` is what messages call it; its ending helps where the text does not say whether
/// it is JSON or YAML.
///
/// There is no error: a document that cannot be read at all is a [`Spec`] without operations and with a [`Problem`].
#[must_use]
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Spec {
    let mut problems = Problems::new(limits.problems);
    let bytes_limit = limits.bytes.min(1 << 30);
    let text = text::decode(bytes, bytes_limit, &mut problems);
    let document = tree(name, text, limits, &mut problems);
    let mut reader = Reader::new(&document, problems, limits.clone());
    let mut spec = match document.root() {
        Some(root) => of_kind(root, &mut reader),
        None => {
            if reader.problems.is_empty() {
                let at = Location { line: 1, column: 1 };
                reader
                    .problems
                    .push(at, String::new, || "the document is empty".to_owned());
            }
            Spec::default()
        }
    };
    if matches!(
        spec.kind,
        Kind::Postman20 | Kind::Postman21 | Kind::Har12 | Kind::Unknown
    ) {
        reader.problems.hide_names();
    }
    spec.name = name.to_owned();
    spec.counts.external_references = reader.external;
    (spec.problems, spec.problems_dropped) = reader.problems.finish();
    spec
}

/// The tree of a text. One that begins as JSON is JSON; where it is not, and its name says YAML, it is a flow mapping of
/// YAML (section 7.4), which may have no quotes.
fn tree(name: &str, text: std::borrow::Cow<'_, str>, limits: &Limits, problems: &mut Problems) -> Document {
    let ending = |wanted: &str| {
        let at = name.len().checked_sub(wanted.len());
        at.and_then(|at| name.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(wanted))
    };
    let commented = text.trim_start().starts_with('/') && (ending(".json") || ending(".har"));
    if !yaml::looks_like_json(&text) && !commented {
        return yaml::read(text, limits, problems);
    }
    let mut of_json = problems.fresh();
    let (document, clean) = json::read(text.clone(), limits, &mut of_json);
    if clean || !(ending(".yaml") || ending(".yml")) {
        problems.extend(of_json);
        return document;
    }
    let read = document.len();
    drop(document);
    let mut of_yaml = problems.fresh();
    let document = yaml::read(text.clone(), limits, &mut of_yaml);
    if of_yaml.is_empty() || document.len() >= read {
        problems.extend(of_yaml);
        return document;
    }
    // It is neither, and rather JSON.
    json::read(text, limits, problems).0
}

/// The tree of a text that is JSON and no specification, and what is wrong with its grammar: without names, which may be values where a
/// text is damaged.
pub(crate) fn json_tree(text: &str) -> (Document, Vec<Problem>) {
    let mut problems = Problems::new(64);
    let (document, _) = json::read(text.into(), &Limits::default(), &mut problems);
    let (mut list, _) = problems.finish();
    for problem in &mut list {
        problem.pointer.clear();
    }
    (document, list)
}

/// Reads a tree as what it says it is.
fn of_kind<'d>(root: Cursor<'d>, reader: &mut Reader<'d>) -> Spec {
    // Postman's API wraps a collection.
    let root = match root.get("collection") {
        Some(inner) if inner.get("info").is_some() && root.get("paths").is_none() => inner,
        _ => root,
    };
    let mut spec = Spec::default();
    if root.is() != Is::Map {
        let is = root.is().name();
        reader.problems.at(root, || {
            format!("the document is {is}; it must be an object, as OpenAPI, Postman and HAR have it")
        });
        return spec;
    }
    for key in ["openapi", "swagger"] {
        if let Some(version) = root.get(key) {
            return open_api(root, key, version, reader);
        }
    }
    if root.get("log").is_some_and(|log| log.is() == Is::Map) {
        spec.kind = Kind::Har12;
        return har::read(root, spec, reader);
    }
    let schema = root.get("info").and_then(|info| info.get("schema")?.text());
    if schema.is_some() || root.get("item").is_some_and(|i| i.is() == Is::List) {
        spec.kind = match schema {
            Some(schema) if schema.contains("/v2.0") => Kind::Postman20,
            Some(schema) if schema.contains("/v2.1") => Kind::Postman21,
            _ => {
                let at = root.get("info").unwrap_or(root);
                reader.problems.at(at, || {
                    "`schema` names no version of the Postman format that is read; it is read as 2.1. Export the collection as v2.1"
                        .to_owned()
                });
                Kind::Postman21
            }
        };
        return postman::read(root, spec, reader);
    }
    if root.get("paths").is_some() {
        reader.problems.at(root, || {
            "`openapi` is missing; write `openapi: 3.0.3` or the version that it is".to_owned()
        });
        spec.kind = Kind::OpenApi30;
        return openapi::read(root, spec, false, reader);
    }
    let other = [
        ("asyncapi", "AsyncAPI, which is not read"),
        (
            "swaggerVersion",
            "Swagger 1.x, which is not read; convert it to OpenAPI 3",
        ),
        (
            "_type",
            "an export of Insomnia, which is not read; export it as OpenAPI or HAR",
        ),
        (
            "requests",
            "a Postman collection 1.0, which is not read; export it as v2.1",
        ),
        (
            "$schema",
            "a JSON schema without an API; write it into `components` of an OpenAPI document",
        ),
    ];
    let found = other.iter().find(|(key, _)| root.get(key).is_some());
    reader.problems.at(root, || match found {
        Some((_, what)) => format!("the document is {what}"),
        None => "neither `openapi`, `swagger`, `info.schema` (Postman) nor `log` (HAR) is there; write which one it is"
            .to_owned(),
    });
    spec
}

fn open_api<'d>(root: Cursor<'d>, key: &str, version: Cursor<'d>, reader: &mut Reader<'d>) -> Spec {
    let text = match version.is() {
        Is::Text => version.text().unwrap_or(""),
        _ => reader.as_text(version, key).unwrap_or(""),
    };
    let mut parts = text.trim().split('.');
    let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let kind = match (major, minor) {
        ("2", _) => Kind::Swagger20,
        ("3", "0") => Kind::OpenApi30,
        ("3", "1") => Kind::OpenApi31,
        ("3", "2") => Kind::OpenApi32,
        _ => {
            let guess = if root.get("swagger").is_some() && major != "3" {
                Kind::Swagger20
            } else {
                Kind::OpenApi31
            };
            let (text, name) = (shown(text), guess.name());
            reader.problems.at(version, || {
                format!("`{text}` is no version that is read; write 2.0, 3.0.x, 3.1.x or 3.2.x. It is read as {name}")
            });
            guess
        }
    };
    let spec = Spec {
        kind,
        ..Spec::default()
    };
    match kind {
        Kind::Swagger20 => swagger::read(root, spec, reader),
        _ => openapi::read(root, spec, kind == Kind::OpenApi30, reader),
    }
}

#[cfg(test)]
mod tests;
