//! OpenAPI 2.0 documents, formerly Swagger (OpenAPI Specification 2.0, sections Swagger Object to Security Requirement
//! Object).
//!
//! A body is a parameter here, and so is each field of a form: both become a [`Body`] by media type, as later editions
//! have it.

use std::collections::BTreeMap;

use super::document::{Cursor, Field, Is, NodeId};
use super::model::{
    Body, Media, Operation, Parameter, Place, Response, SecurityScheme, Spec, Style, media_type,
};
use super::parts::{self, METHODS, is_extension};
use super::problem::{Location, clip, shown};
use super::reader::Reader;
use super::schema::SchemaId;
use super::schema_reader::SchemaReader;
use super::servers::{Server, resolve};

struct Swagger<'r, 'd> {
    spec: Spec,
    reader: &'r mut Reader<'d>,
    schemas: SchemaReader<'d>,
    root: Cursor<'d>,
    tag_owners: BTreeMap<&'d str, String>,
}

/// Reads a document of 2.0.
pub(crate) fn read<'d>(root: Cursor<'d>, spec: Spec, reader: &mut Reader<'d>) -> Spec {
    let tag_owners = parts::tag_owners(root, reader);
    let mut this = Swagger {
        spec,
        reader,
        schemas: SchemaReader::default(),
        root,
        tag_owners,
    };
    this.document();
    let Swagger {
        mut spec,
        reader,
        schemas,
        ..
    } = this;
    spec.schemas = schemas.schemas;
    spec.counts.schemas_dropped = schemas.dropped;
    parts::check(&spec, reader);
    spec
}

/// Parameters of an operation, told apart by where they go.
#[derive(Default)]
struct Declared {
    parameters: Vec<Parameter>,
    body: Option<(bool, Option<SchemaId>, Location)>,
    form: Vec<(String, bool, Option<SchemaId>)>,
    form_at: Location,
    has_file: bool,
    /// Names and places that are there already, and the list they are in.
    known: BTreeMap<(String, String), NodeId>,
}

impl<'d> Swagger<'_, 'd> {
    fn document(&mut self) {
        let root = self.root;
        parts::info(root, &mut self.spec, self.reader);
        self.servers();
        for field in self.reader.object(root, "securityDefinitions") {
            if let Some(scheme) = self.security_scheme(field.value) {
                self.spec.security_schemes.insert(clip(field.key, 128), scheme);
            }
        }
        let Some(paths) = root.get("paths") else {
            self.reader
                .problems
                .at(root, || "`paths` is missing; it holds the operations".to_owned());
            return;
        };
        for field in self.reader.as_object(paths, "paths") {
            self.path(&field);
        }
    }

    /// Host, base path and schemes (Swagger Object), as one server a scheme.
    fn servers(&mut self) {
        let host = self.reader.text(self.root, "host").unwrap_or("");
        let base = self.reader.text(self.root, "basePath").unwrap_or("");
        let mut schemes = self.reader.texts(self.root, "schemes");
        if schemes.is_empty() {
            schemes.push("");
        }
        let at = ["host", "basePath"].iter().find_map(|key| self.root.get(key));
        let place = at.unwrap_or(self.root);
        // A whole URL is written there often.
        let bare = match host.split_once("://") {
            Some((_, rest)) => {
                self.reader.problems.at(place, || {
                    "`host` holds no scheme; put it into `schemes`".to_owned()
                });
                rest
            }
            None => host,
        };
        let (bare, below) = bare.find('/').map_or((bare, ""), |at| bare.split_at(at));
        if !below.trim_end_matches('/').is_empty() {
            self.reader.problems.at(place, || {
                "`host` holds no path; put it into `basePath`".to_owned()
            });
        }
        if !base.is_empty() && !base.starts_with('/') {
            let place = self.root.get("basePath").unwrap_or(place);
            self.reader
                .problems
                .at(place, || "`basePath` begins with a slash; write one".to_owned());
        }
        let base = base.trim_matches('/');
        let path = format!(
            "{}{}{base}",
            below.trim_end_matches('/'),
            if base.is_empty() { "" } else { "/" }
        );
        for scheme in schemes.into_iter().take(8) {
            let url = match (bare, scheme) {
                ("", _) => path.clone(),
                (_, "") => format!("//{bare}{path}"),
                _ => format!("{scheme}://{bare}{path}"),
            };
            let resolved = resolve(&url, &[]);
            for problem in resolved.problems {
                self.reader.problems.at(place, || problem);
            }
            if !resolved.targets.is_empty() {
                self.spec.servers.push(Server {
                    url: resolved.url,
                    targets: resolved.targets,
                    at: place.at(),
                });
            }
        }
        if self.spec.servers.is_empty() {
            self.spec.servers.push(Server {
                targets: resolve(&path, &[]).targets,
                at: place.at(),
                ..Server::default()
            });
        }
    }

    fn path(&mut self, field: &Field<'d>) {
        if is_extension(field.key) {
            return;
        }
        let item = field.value;
        if item.is() != Is::Map {
            // An empty one is null in YAML.
            if item.is() != Is::Null {
                self.reader.expected(item, field.key, "an object of methods");
            }
            return;
        }
        let path = parts::path(field, self.reader);
        let target = if item.get("$ref").is_some() {
            self.reader.resolve(item)
        } else {
            Some(item)
        };
        let target = target.unwrap_or(item);
        let both = if target.node == item.node {
            vec![item]
        } else {
            vec![item, target]
        };
        for of in both {
            if !self.reader.spend(of, of.fields().len()) {
                return;
            }
            for method in of.fields() {
                let key = method.key;
                let lower = key.to_ascii_lowercase();
                let is_method = METHODS[..7].contains(&lower.as_str());
                if is_method && lower != key {
                    let found = shown(key);
                    self.reader.problems.at_key(method.value, || {
                        format!("`{found}` must be in lower case; write `{lower}`")
                    });
                }
                if is_method {
                    self.operation(&path, of, &method);
                } else if !matches!(key, "$ref" | "parameters") && !is_extension(key) {
                    let found = shown(key);
                    self.reader.problems.at_key(method.value, || {
                        format!("`{found}` is no method and no field of a path; write get, put, post, delete, options, head or patch")
                    });
                }
            }
        }
    }

    fn operation(&mut self, path: &super::template::PathTemplate, item: Cursor<'d>, field: &Field<'d>) {
        let at = field.value;
        if at.is() != Is::Map {
            self.reader.expected(at, field.key, "an object");
            if at.is() != Is::Null {
                return;
            }
        }
        if self.spec.operations.len() >= self.reader.limits.operations {
            self.spec.counts.operations_dropped += 1;
            let limit = self.reader.limits.operations;
            if self.spec.counts.operations_dropped == 1 {
                self.reader.problems.at_key(at, || {
                    format!("more than {limit} operations; the others are left out")
                });
            }
            return;
        }
        let mut operation = parts::common(field, item, &self.tag_owners, self.reader);
        operation.path = path.clone();
        operation.servers = (0..self.spec.servers.len()).collect();
        let mut declared = Declared::default();
        for of in [at, item] {
            for value in self.reader.list(of, "parameters") {
                self.parameter(value, of, &mut declared);
            }
        }
        self.body(at, declared, &mut operation);
        let missing: Vec<String> = operation
            .path
            .parameters()
            .filter(|name| {
                !operation
                    .parameters
                    .iter()
                    .any(|p| p.place == Place::Path && p.name == **name)
            })
            .map(shown)
            .collect();
        for name in missing.iter().filter(|name| !name.is_empty()) {
            self.reader.problems.at_key(at, || {
                format!("path parameter `{name}` is not declared; add it to `parameters`")
            });
        }
        let produces = self.media_types(at, "produces");
        if at.get("responses").is_none() {
            self.reader
                .problems
                .at_key(at, || "`responses` is missing; declare at least one".to_owned());
        }
        for field in self.reader.object(at, "responses") {
            if !is_extension(field.key) {
                operation.responses.extend(self.response(&field, &produces));
            }
        }
        let mut headers = operation.responses.iter().flat_map(|r| &r.headers);
        operation.declares_sunset = headers.any(|h| h.name.eq_ignore_ascii_case("sunset"));
        operation.security = parts::security(at, &self.spec, self.reader)
            .or_else(|| parts::security(self.root, &self.spec, self.reader));
        self.spec.operations.push(operation);
    }

    /// `consumes` or `produces`, of the operation or else of the document.
    fn media_types(&mut self, at: Cursor<'d>, key: &str) -> Vec<String> {
        let of = if at.get(key).is_some() { at } else { self.root };
        let mut out: Vec<String> = self.reader.texts(of, key).into_iter().map(media_type).collect();
        out.dedup();
        out
    }

    /// One parameter of the list of an operation or of a path; those of the operation come first.
    fn parameter(&mut self, value: Cursor<'d>, list: Cursor<'d>, out: &mut Declared) {
        let Some(at) = self.reader.resolve(value) else {
            return;
        };
        if at.is() != Is::Map {
            self.reader.expected(at, "parameter", "an object");
            return;
        }
        let (name, place) = (self.reader.text(at, "name"), self.reader.text(at, "in"));
        let Some(name) = name.or((place == Some("body")).then_some("body")) else {
            self.reader
                .problems
                .at(at, || "`name` is missing; a parameter must have one".to_owned());
            return;
        };
        let key = (clip(name, 256), place.unwrap_or("").to_owned());
        if let Some(first) = out.known.get(&key) {
            if *first == list.node {
                let name = shown(name);
                let message = || format!("parameter `{name}` is there twice; keep one of them");
                self.reader.problems.at(value, message);
            }
            return;
        }
        out.known.insert(key, list.node);
        let required = self.reader.flag(at, "required");
        let name = clip(name, 256);
        let place = match place {
            Some("body") => {
                let schema = at.get("schema").and_then(|s| self.schemas.read(s, self.reader));
                out.body = Some((required, schema, at.at()));
                return;
            }
            Some("formData") => {
                out.has_file |= at.get("type").and_then(|t| t.text()) == Some("file");
                let typed = self.typed(at);
                let schema = self.schemas.read(typed, self.reader);
                if out.form.is_empty() {
                    out.form_at = at.at();
                }
                out.form.push((name, required, schema));
                return;
            }
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            found => {
                let found = found.map_or("`in` is missing".to_owned(), |f| {
                    format!("`{}` is no place", shown(f))
                });
                self.reader.problems.at(at.get("in").unwrap_or(at), || {
                    format!("{found}; write `in`: query, header, path, formData or body")
                });
                return;
            }
        };
        if place == Place::Path && !required {
            let name = shown(&name);
            self.reader.problems.at(at, || {
                format!("path parameter `{name}` must have `required: true`")
            });
        }
        let multi = self.reader.text(at, "collectionFormat") == Some("multi");
        let typed = self.typed(at);
        let schema = self.schemas.read(typed, self.reader);
        out.parameters.push(Parameter {
            name,
            place,
            required: required || place == Place::Path,
            deprecated: self.reader.flag(at, "x-deprecated"),
            style: if multi { Style::Exploded } else { Style::Plain },
            schema,
            at: at.at(),
        });
    }

    /// Where the type of a parameter stands: with it, or, against the specification, in a schema as 3.x has it.
    fn typed(&mut self, at: Cursor<'d>) -> Cursor<'d> {
        match at.get("schema") {
            Some(schema) => {
                self.reader.problems.at_key(schema, || {
                    "only a body has a `schema` in OpenAPI 2.0; write `type` beside `name`".to_owned()
                });
                schema
            }
            None => at,
        }
    }

    fn body(&mut self, at: Cursor<'d>, declared: Declared, operation: &mut Operation) {
        operation.parameters = declared.parameters;
        let consumes = self.media_types(at, "consumes");
        if let Some((required, schema, at)) = declared.body {
            let types = if consumes.is_empty() {
                vec!["application/json".to_owned()]
            } else {
                consumes
            };
            operation.body = Some(Body {
                required,
                content: media(types, schema, at),
                at,
            });
            if !declared.form.is_empty() {
                self.reader.problems.push(
                    at,
                    || operation.pointer.clone(),
                    || {
                        "a body and fields of a form exclude each other; keep one of them (the body counts)"
                            .to_owned()
                    },
                );
            }
        } else if !declared.form.is_empty() {
            const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];
            let mut types: Vec<String> = consumes
                .into_iter()
                .filter(|c| FORMS.contains(&c.as_str()))
                .collect();
            if types.is_empty() {
                types.push(FORMS[usize::from(declared.has_file)].to_owned());
            }
            let required = declared.form.iter().any(|(_, required, _)| *required);
            let schema = self.schemas.object(declared.form);
            let at = declared.form_at;
            operation.body = Some(Body {
                required,
                content: media(types, Some(schema), at),
                at,
            });
        }
    }

    fn response(&mut self, field: &Field<'d>, produces: &[String]) -> Option<Response> {
        let status = parts::status(field, self.reader)?;
        let mut response = Response {
            status,
            content: Vec::new(),
            headers: Vec::new(),
            at: field.at,
        };
        let Some(at) = self.reader.resolve(field.value) else {
            return Some(response);
        };
        if at.is() != Is::Map {
            self.reader.expected(at, field.key, "an object");
            return Some(response);
        }
        if let Some(schema) = at.get("schema") {
            let id = self.schemas.read(schema, self.reader);
            let types = if produces.is_empty() {
                vec!["application/json".to_owned()]
            } else {
                produces.to_vec()
            };
            response.content = media(types, id, schema.at());
        }
        for field in self.reader.object(at, "headers") {
            let schema = self.schemas.read(field.value, self.reader);
            response.headers.push(Parameter {
                name: clip(field.key, 256),
                place: Place::Header,
                required: false,
                deprecated: false,
                style: Style::Plain,
                schema,
                at: field.at,
            });
        }
        Some(response)
    }

    fn security_scheme(&mut self, value: Cursor<'d>) -> Option<SecurityScheme> {
        let at = self.reader.resolve(value)?;
        if at.is() != Is::Map {
            self.reader.expected(at, "security scheme", "an object");
            return None;
        }
        match self.reader.text(at, "type") {
            Some("basic") => Some(SecurityScheme::Http {
                scheme: "basic".to_owned(),
                format: None,
            }),
            Some("apiKey") => {
                let place = match self.reader.text(at, "in") {
                    Some("query") => Place::Query,
                    _ => Place::Header,
                };
                let name = self.reader.text(at, "name").map(|n| clip(n, 256));
                if name.is_none() {
                    self.reader.problems.at(at, || {
                        "`name` is missing; name the header or the parameter".to_owned()
                    });
                }
                name.map(|name| SecurityScheme::ApiKey { place, name })
            }
            Some("oauth2") => Some(SecurityScheme::OAuth2),
            found => {
                let text = found.map_or("`type` is missing".to_owned(), |f| {
                    format!("`{}` is no type", shown(f))
                });
                self.reader.problems.at(at.get("type").unwrap_or(at), || {
                    format!("{text}; write `type`: basic, apiKey or oauth2")
                });
                Some(SecurityScheme::Other(clip(found.unwrap_or(""), 64)))
            }
        }
    }
}

fn media(types: Vec<String>, schema: Option<SchemaId>, at: Location) -> Vec<Media> {
    types
        .into_iter()
        .map(|media_type| Media {
            media_type,
            schema,
            at,
        })
        .collect()
}
