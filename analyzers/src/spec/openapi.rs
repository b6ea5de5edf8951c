//! OpenAPI 3.0, 3.1 and 3.2 documents (OpenAPI Specification, sections OpenAPI Object to Security Requirement Object).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::document::{Cursor, Field, Is, NodeId};
use super::model::{
    Body, Media, Operation, Parameter, Place, Response, SecurityScheme, Spec, Style, media_type,
};
use super::parts::{self, METHODS, is_extension};
use super::problem::{clip, shown};
use super::reader::Reader;
use super::schema_reader::SchemaReader;
use super::servers::{Server, Variable, resolve};

/// Fields of a Path Item Object that are no methods.
const OTHER_FIELDS: [&str; 6] = [
    "$ref",
    "summary",
    "description",
    "servers",
    "parameters",
    "additionalOperations",
];

/// Operations of methods that have no field of their own (OpenAPI 3.2), and how documents of older versions spell that.
const ADDITIONAL: [&str; 2] = ["additionalOperations", "x-oai-additionalOperations"];

/// Reads a document into a specification.
pub(crate) struct OpenApi<'r, 'd> {
    pub(crate) spec: Spec,
    reader: &'r mut Reader<'d>,
    schemas: SchemaReader<'d>,
    root: Cursor<'d>,
    tag_owners: BTreeMap<&'d str, String>,
    /// Indices of servers by the list they are in.
    servers: BTreeMap<NodeId, Vec<usize>>,
    /// Responses are required before 3.1.
    needs_responses: bool,
}

/// Reads a document of 3.x.
pub(crate) fn read<'d>(root: Cursor<'d>, spec: Spec, needs_responses: bool, reader: &mut Reader<'d>) -> Spec {
    let tag_owners = parts::tag_owners(root, reader);
    let mut this = OpenApi {
        spec,
        reader,
        schemas: SchemaReader::default(),
        root,
        tag_owners,
        servers: BTreeMap::new(),
        needs_responses,
    };
    this.document();
    let OpenApi {
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

impl<'d> OpenApi<'_, 'd> {
    fn document(&mut self) {
        let root = self.root;
        parts::info(root, &mut self.spec, self.reader);
        let components = root.get("components");
        if let Some(components) = components {
            for field in self.reader.object(components, "securitySchemes") {
                if let Some(scheme) = self.security_scheme(field.value) {
                    self.spec.security_schemes.insert(clip(field.key, 128), scheme);
                }
            }
        }
        match root.get("paths") {
            Some(paths) => {
                for field in self.reader.as_object(paths, "paths") {
                    self.path(&field);
                }
            }
            // 3.1 documents may hold webhooks or components alone.
            None if self.needs_responses || components.is_none() && root.get("webhooks").is_none() => {
                self.reader
                    .problems
                    .at(root, || "`paths` is missing; it holds the operations".to_owned());
            }
            None => {}
        }
        for field in self.reader.object(root, "webhooks") {
            self.spec.counts.webhooks += self.methods_of(field.value);
        }
    }

    /// Operations of a path item that is not one of this API.
    fn methods_of(&mut self, item: Cursor<'d>) -> u64 {
        let item = self.reader.resolve(item);
        let item = item.filter(|item| self.reader.spend(*item, item.fields().len()));
        item.map_or(0, |item| {
            item.fields().filter(|f| METHODS.contains(&f.key)).count() as u64
        })
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
        // Fields beside a `$ref` are not forbidden, only undefined where both have them.
        let both = if target.node == item.node {
            vec![item]
        } else {
            vec![item, target]
        };
        for of in &both {
            if !self.reader.spend(*of, of.fields().len()) {
                return;
            }
            for method in of.fields() {
                let (key, value) = (method.key, method.value);
                if ADDITIONAL.contains(&key) {
                    for method in self.reader.as_object(value, key) {
                        self.operation(&path, *of, &method);
                    }
                } else if METHODS.contains(&key) {
                    self.operation(&path, *of, &method);
                } else if METHODS.contains(&key.to_ascii_lowercase().as_str()) {
                    let lower = key.to_ascii_lowercase();
                    let found = shown(key);
                    self.reader.problems.at_key(value, || {
                        format!("`{found}` must be in lower case; write `{lower}`")
                    });
                    self.operation(&path, *of, &method);
                } else if !OTHER_FIELDS.contains(&key) && !is_extension(key) {
                    let found = shown(key);
                    self.reader.problems.at_key(value, || {
                        format!("`{found}` is no method and no field of a path; write get, put, post, delete, options, head, patch or trace")
                    });
                }
            }
        }
    }

    fn operation(&mut self, path: &super::template::PathTemplate, item: Cursor<'d>, field: &Field<'d>) {
        let at = field.value;
        if at.is() != Is::Map {
            // A method without anything is declared all the same.
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
        operation.servers = self.servers(&[at, item, self.root]);
        operation.parameters = self.parameters(item, at, &operation);
        operation.body = at.get("requestBody").and_then(|body| self.body(body));
        for field in self.reader.object(at, "responses") {
            if !is_extension(field.key) {
                operation.responses.extend(self.response(&field));
            }
        }
        if self.needs_responses && at.get("responses").is_none() {
            self.reader
                .problems
                .at_key(at, || "`responses` is missing; declare at least one".to_owned());
        }
        let headers = operation.responses.iter().flat_map(|r| &r.headers);
        operation.declares_sunset = headers.into_iter().any(|h| h.name.eq_ignore_ascii_case("sunset"));
        operation.security = parts::security(at, &self.spec, self.reader)
            .or_else(|| parts::security(self.root, &self.spec, self.reader));
        for callback in self.reader.object(at, "callbacks") {
            let Some(callback) = self.reader.resolve(callback.value) else {
                continue;
            };
            if !self.reader.spend(callback, callback.fields().len()) {
                return self.spec.operations.push(operation);
            }
            for expression in callback.fields().filter(|f| !is_extension(f.key)) {
                self.spec.counts.callbacks += self.methods_of(expression.value);
            }
        }
        self.spec.operations.push(operation);
    }

    /// Servers of the innermost of these that has some (Operation, Path Item and OpenAPI Object: `servers`).
    fn servers(&mut self, of: &[Cursor<'d>]) -> Vec<usize> {
        let declared = of.iter().find_map(|at| {
            let list = at.get("servers")?;
            (list.is() == Is::List && list.items().len() > 0 || list.is() == Is::Map).then_some(list)
        });
        let Some(list) = declared else {
            // "the default value would be a Server Object with a url value of /"
            let key = self.root.node;
            if let Some(known) = self.servers.get(&key) {
                return known.clone();
            }
            let at = self.root.at();
            let targets = resolve("/", &[]).targets;
            let url = String::new();
            self.spec.servers.push(Server { url, targets, at });
            let made = vec![self.spec.servers.len() - 1];
            self.servers.insert(key, made.clone());
            return made;
        };
        if let Some(known) = self.servers.get(&list.node) {
            return known.clone();
        }
        let items: Vec<Cursor<'d>> = if list.is() == Is::Map {
            self.reader.expected(list, "servers", "a list");
            vec![list]
        } else {
            list.items().take(1024).collect()
        };
        let mut made = Vec::new();
        for item in items {
            if let Some(server) = self.server(item) {
                self.spec.servers.push(server);
                made.push(self.spec.servers.len() - 1);
            }
        }
        if made.is_empty() {
            // All are wrong: the paths are served somewhere all the same.
            let (at, targets) = (list.at(), resolve("/", &[]).targets);
            let url = String::new();
            self.spec.servers.push(Server { url, targets, at });
            made.push(self.spec.servers.len() - 1);
        }
        self.servers.insert(list.node, made.clone());
        made
    }

    fn server(&mut self, item: Cursor<'d>) -> Option<Server> {
        let (url, place) = match item.is() {
            Is::Map => (self.reader.text(item, "url"), item.get("url").unwrap_or(item)),
            _ => {
                self.reader.expected(item, "server", "an object with a `url`");
                (item.text(), item)
            }
        };
        let Some(url) = url else {
            self.reader.problems.at(item, || {
                "`url` is missing; write where the API is served".to_owned()
            });
            return None;
        };
        let mut variables = Vec::new();
        for field in self.reader.object(item, "variables") {
            let values = self.reader.texts(field.value, "enum");
            variables.push(Variable {
                name: field.key.to_owned(),
                default: self.reader.text(field.value, "default").map(|t| clip(t, 256)),
                values: values.into_iter().map(|t| clip(t, 256)).collect(),
            });
        }
        let resolved = resolve(url, &variables);
        for problem in resolved.problems {
            self.reader.problems.at(place, || problem);
        }
        Some(Server {
            url: resolved.url,
            targets: resolved.targets,
            at: place.at(),
        })
    }

    /// Parameters of the path and of the operation, which come before those of the path of the same name and place.
    fn parameters(&mut self, item: Cursor<'d>, at: Cursor<'d>, operation: &Operation) -> Vec<Parameter> {
        let mut out: Vec<Parameter> = Vec::new();
        let mut known: BTreeMap<(Place, String), NodeId> = BTreeMap::new();
        for of in [at, item] {
            for value in self.reader.list(of, "parameters") {
                let Some(parameter) = self.parameter(value) else {
                    continue;
                };
                match known.entry((parameter.place, parameter.name.clone())) {
                    Entry::Vacant(first) => {
                        first.insert(of.node);
                        out.push(parameter);
                    }
                    Entry::Occupied(first) if *first.get() == of.node => {
                        let name = shown(&parameter.name);
                        let message = || format!("parameter `{name}` is there twice; keep one of them");
                        self.reader.problems.at(value, message);
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        let missing = operation
            .path
            .parameters()
            .filter(|name| !known.contains_key(&(Place::Path, (*name).to_owned())));
        let missing: Vec<String> = missing.map(shown).collect();
        for name in missing.iter().filter(|name| !name.is_empty()) {
            self.reader.problems.at_key(at, || {
                format!("path parameter `{name}` is not declared; add it to `parameters`")
            });
        }
        out
    }

    fn parameter(&mut self, value: Cursor<'d>) -> Option<Parameter> {
        let at = self.reader.resolve(value)?;
        if at.is() != Is::Map {
            self.reader.expected(at, "parameter", "an object");
            return None;
        }
        let Some(name) = self.reader.text(at, "name") else {
            self.reader
                .problems
                .at(at, || "`name` is missing; a parameter must have one".to_owned());
            return None;
        };
        let place = match self.reader.text(at, "in") {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            Some("cookie") => Place::Cookie,
            // OpenAPI 3.2: the whole query is one value.
            Some("querystring") => return None,
            Some("body" | "formData") => {
                self.reader.problems.at(at, || {
                    "OpenAPI 3 has no parameters in the body; declare a `requestBody`".to_owned()
                });
                return None;
            }
            found => {
                let found = found.map_or("`in` is missing".to_owned(), |f| {
                    format!("`{}` is no place", shown(f))
                });
                let place = at.get("in").unwrap_or(at);
                self.reader.problems.at(place, || {
                    format!("{found}; write `in`: query, header, path or cookie")
                });
                return None;
            }
        };
        // "If in is header and the name field is Accept, Content-Type or Authorization, the parameter definition SHALL
        // be ignored."
        let ignored = ["accept", "content-type", "authorization"];
        if place == Place::Header && ignored.contains(&name.to_ascii_lowercase().as_str()) {
            return None;
        }
        let required = self.reader.flag(at, "required");
        if place == Place::Path && !required {
            let name = shown(name);
            self.reader.problems.at(at, || {
                format!("path parameter `{name}` must have `required: true`")
            });
        }
        let schema = at.get("schema").or_else(|| {
            // "The map MUST only contain one entry."
            at.get("content")?.fields().next()?.value.get("schema")
        });
        let schema = schema.and_then(|schema| self.schemas.read(schema, self.reader));
        let explode = self.reader.maybe_flag(at, "explode");
        let style = match (self.reader.text(at, "style"), place) {
            (Some("deepObject"), _) => Style::DeepObject,
            (None | Some("form"), Place::Query | Place::Cookie) if explode != Some(false) => Style::Exploded,
            _ => Style::Plain,
        };
        Some(Parameter {
            name: clip(name, 256),
            place,
            required: required || place == Place::Path,
            deprecated: self.reader.flag(at, "deprecated"),
            style,
            schema,
            at: at.at(),
        })
    }

    fn body(&mut self, value: Cursor<'d>) -> Option<Body> {
        let at = self.reader.resolve(value)?;
        if at.is() != Is::Map {
            self.reader.expected(at, "requestBody", "an object");
            return None;
        }
        if at.get("content").is_none() {
            self.reader
                .problems
                .at(at, || "`content` is missing; declare a media type".to_owned());
        }
        Some(Body {
            required: self.reader.flag(at, "required"),
            content: self.content(at),
            at: value.key_at(),
        })
    }

    fn content(&mut self, of: Cursor<'d>) -> Vec<Media> {
        let mut out = Vec::new();
        for field in self.reader.object(of, "content") {
            if is_extension(field.key) {
                continue;
            }
            if !field.key.contains('/') {
                let key = shown(field.key);
                self.reader.problems.at_key(field.value, || {
                    format!("`{key}` is no media type; write one like application/json")
                });
                continue;
            }
            // OpenAPI 3.2 allows references to media types.
            let Some(media) = self.reader.resolve(field.value) else {
                continue;
            };
            out.push(Media {
                media_type: media_type(field.key),
                schema: media
                    .get("schema")
                    .and_then(|s| self.schemas.read(s, self.reader)),
                at: field.at,
            });
        }
        out
    }

    fn response(&mut self, field: &Field<'d>) -> Option<Response> {
        let status = parts::status(field, self.reader)?;
        let mut response = Response {
            status,
            content: Vec::new(),
            headers: Vec::new(),
            at: field.at,
        };
        // A response that cannot be read is declared all the same.
        let Some(at) = self.reader.resolve(field.value) else {
            return Some(response);
        };
        if at.is() != Is::Map {
            self.reader.expected(at, field.key, "an object");
            return Some(response);
        }
        response.content = self.content(at);
        for field in self.reader.object(at, "headers") {
            let Some(header) = self.reader.resolve(field.value) else {
                continue;
            };
            response.headers.push(Parameter {
                name: clip(field.key, 256),
                place: Place::Header,
                required: self.reader.flag(header, "required"),
                deprecated: self.reader.flag(header, "deprecated"),
                style: Style::Plain,
                schema: header
                    .get("schema")
                    .and_then(|s| self.schemas.read(s, self.reader)),
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
        let kind = self.reader.text(at, "type");
        match kind {
            Some("apiKey") => {
                let place = match self.reader.text(at, "in") {
                    Some("query") => Place::Query,
                    Some("cookie") => Place::Cookie,
                    Some("header") => Place::Header,
                    _ => {
                        self.reader.problems.at(at, || {
                            "`in` must be query, header or cookie; header is assumed".to_owned()
                        });
                        Place::Header
                    }
                };
                let name = self.reader.text(at, "name").map(|n| clip(n, 256));
                if name.is_none() {
                    self.reader.problems.at(at, || {
                        "`name` is missing; name the header, parameter or cookie".to_owned()
                    });
                }
                name.map(|name| SecurityScheme::ApiKey { place, name })
            }
            Some("http") => {
                let scheme = self.reader.text(at, "scheme");
                if scheme.is_none() {
                    self.reader.problems.at(at, || {
                        "`scheme` is missing; write basic, bearer or another one".to_owned()
                    });
                }
                Some(SecurityScheme::Http {
                    scheme: clip(scheme.unwrap_or(""), 64).to_ascii_lowercase(),
                    format: self.reader.text(at, "bearerFormat").map(|f| clip(f, 64)),
                })
            }
            Some("oauth2") => Some(SecurityScheme::OAuth2),
            Some("openIdConnect") => Some(SecurityScheme::OpenIdConnect),
            Some("mutualTLS") => Some(SecurityScheme::MutualTls),
            found => {
                let found = found.map_or("`type` is missing".to_owned(), |f| {
                    format!("`{}` is no type", shown(f))
                });
                self.reader.problems.at(at.get("type").unwrap_or(at), || {
                    format!("{found}; write `type`: apiKey, http, oauth2, openIdConnect or mutualTLS")
                });
                Some(SecurityScheme::Other(clip(kind.unwrap_or(""), 64)))
            }
        }
    }
}
