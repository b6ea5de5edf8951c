//! Postman collections 2.0 and 2.1 (the JSON schemas at `schema.postman.com/collection/json/v2.0.0` and `v2.1.0`).
//!
//! A request of a collection declares an operation by example. Its URL comes as a text or in parts; variables stand
//! anywhere. A variable at the beginning is where the API is served, one in the path is a parameter, as `:name` is.

use super::document::{Cursor, Is};
use super::gather::{Answer, EXAMPLE_BYTES, Gather, Request, Sample, header, method, requirement};
use super::har;
use super::model::{Place, Security, SecurityScheme, Spec, media_type};
use super::postman_url::{self, Scope};
use super::problem::clip;
use super::reader::Reader;
use crate::privacy::is_plain_name;

/// Folders in folders.
const FOLDERS: usize = 48;

struct Postman<'r, 'd> {
    spec: Spec,
    reader: &'r mut Reader<'d>,
    gather: Gather,
}

/// What a folder hands down.
#[derive(Clone, Default)]
struct Above {
    folders: Vec<String>,
    security: Option<Security>,
    scope: Scope,
}

/// Reads a collection.
pub(crate) fn read<'d>(root: Cursor<'d>, spec: Spec, reader: &mut Reader<'d>) -> Spec {
    let mut this = Postman {
        spec,
        reader,
        gather: Gather::default(),
    };
    if let Some(info) = root.get("info") {
        this.spec.title = this.reader.text(info, "name").map(|n| clip(n, 256));
        let version = info.get("version").filter(|v| v.is() != Is::Map);
        this.spec.version = version
            .and_then(|v| this.reader.as_text(v, "version"))
            .map(|v| clip(v, 64));
    }
    if root.get("item").is_none() {
        this.reader
            .problems
            .at(root, || "`item` is missing; it holds the requests".to_owned());
    }
    let above = this.below(root, &Above::default());
    this.items(root, &above, 0);
    let Postman { mut spec, gather, .. } = this;
    gather.finish(&mut spec, false);
    spec
}

impl<'d> Postman<'_, 'd> {
    /// What holds below a folder, or the collection.
    fn below(&mut self, at: Cursor<'d>, above: &Above) -> Above {
        let mut out = above.clone();
        for variable in self.reader.list(at, "variable") {
            let name = variable
                .get("key")
                .or_else(|| variable.get("id"))
                .and_then(Cursor::text);
            let Some(name) = name else {
                self.reader
                    .problems
                    .at(variable, || "`key` is missing; name the variable".to_owned());
                continue;
            };
            let value = variable.get("value").and_then(|v| v.text().or(v.number()));
            if variable.get("disabled").and_then(Cursor::bool) != Some(true)
                && let Some(value) = value
            {
                out.scope.define(name, value);
            }
        }
        if let Some(auth) = self.auth(at) {
            out.security = Some(auth);
        }
        out
    }

    fn items(&mut self, of: Cursor<'d>, above: &Above, depth: usize) {
        for item in self.reader.list(of, "item") {
            if item.is() != Is::Map {
                self.reader.expected(item, "item", "an object");
            } else if item.get("item").is_some() {
                if depth >= FOLDERS {
                    self.reader.problems.at(item, || {
                        format!("folders nested deeper than {FOLDERS}; this one is left out")
                    });
                    continue;
                }
                let mut below = self.below(item, above);
                below
                    .folders
                    .extend(self.reader.text(item, "name").map(|n| clip(n, 128)));
                self.items(item, &below, depth + 1);
            } else {
                self.item(item, above);
            }
        }
    }

    fn item(&mut self, item: Cursor<'d>, above: &Above) {
        self.spec.counts.requests += 1;
        let Some(of) = item
            .get("request")
            .filter(|r| matches!(r.is(), Is::Map | Is::Text))
        else {
            self.reader.problems.at(item, || {
                "neither `request` nor `item` is there; an item is a request or a folder".to_owned()
            });
            self.spec.counts.requests_dropped += 1;
            return;
        };
        let request = self.request(item, of, above);
        let taken = request.is_some_and(|r| self.gather.add(r, &mut self.spec, &self.reader.limits));
        if !taken {
            self.spec.counts.requests_dropped += 1;
        }
    }

    fn request(&mut self, item: Cursor<'d>, of: Cursor<'d>, above: &Above) -> Option<Request> {
        // "A request represents an HTTP request. If a string, the string is assumed to be the request URL and the
        // method is assumed to be 'GET'."
        let url = if of.is() == Is::Text {
            Some(of)
        } else {
            of.get("url")
        };
        let text = of.get("method").map_or(Some("GET"), Cursor::text);
        let Some(method) = text.and_then(method) else {
            let place = of.get("method").unwrap_or(of);
            self.reader
                .problems
                .at(place, || "no method; write one like GET".to_owned());
            return None;
        };
        let Some(url) = url else {
            self.reader
                .problems
                .at(of, || "`url` is missing; a request must have one".to_owned());
            return None;
        };
        let found = postman_url::read(url, &above.scope, self.reader)?;
        let mut request = Request {
            method,
            path: found.path,
            url: found.url,
            targets: found.targets,
            id: self.reader.text(item, "name").map(|n| clip(n, 256)),
            tags: above.folders.clone(),
            at: item.get("name").map_or(item.at(), |n| n.key_at()),
            pointer: item.pointer(),
            ..Request::default()
        };
        let mut names: Vec<(Place, String)> = found.query.into_iter().map(|n| (Place::Query, n)).collect();
        let headers = of.get("header").filter(|h| h.is() == Is::List);
        let headers = headers.filter(|h| self.reader.spend(*h, h.items().len()));
        for pair in headers.into_iter().flat_map(Cursor::items) {
            let name = pair.get("key").and_then(Cursor::text);
            names.extend(name.and_then(header).map(|name| (Place::Header, name)));
        }
        names.sort();
        names.dedup();
        request.names = names;
        request.body = of.get("body").and_then(|body| self.body(body, of));
        request.security = self.auth(of).or_else(|| above.security.clone());
        for response in self.reader.list(item, "response") {
            request.responses.extend(self.answer(response));
        }
        Some(request)
    }

    /// A body by its mode.
    fn body(&mut self, body: Cursor<'d>, of: Cursor<'d>) -> Option<(String, Sample)> {
        if body.is() == Is::Null || body.get("disabled").and_then(Cursor::bool) == Some(true) {
            return None;
        }
        let mut sample = Sample::default();
        let declared = content_type(of.get("header"));
        let mode = self.reader.text(body, "mode")?;
        let media_type = match mode {
            "raw" => {
                let text = body.get("raw").and_then(Cursor::text).unwrap_or("");
                let language = body
                    .get("options")
                    .and_then(|o| o.get("raw")?.get("language")?.text());
                let guessed = match language {
                    Some("json") => "application/json",
                    Some("xml") => "application/xml",
                    Some("html") => "text/html",
                    Some("javascript") => "application/javascript",
                    // Variables without quotes make it other than JSON, but show what is meant.
                    _ if text.trim_start().starts_with(['{', '[']) => "application/json",
                    _ => "text/plain",
                };
                let media_type = declared.unwrap_or_else(|| guessed.to_owned());
                if text.len() <= EXAMPLE_BYTES {
                    har::content(&media_type, &without_variables(text), &mut sample, self.reader);
                }
                media_type
            }
            "urlencoded" | "formdata" => {
                for field in self.reader.list(body, mode) {
                    if let Some(name) = field.get("key").and_then(Cursor::text) {
                        sample.add_field(name);
                    }
                }
                match mode {
                    "urlencoded" => "application/x-www-form-urlencoded".to_owned(),
                    _ => "multipart/form-data".to_owned(),
                }
            }
            "graphql" => "application/json".to_owned(),
            "file" | "binary" => declared.unwrap_or_else(|| "application/octet-stream".to_owned()),
            _ => {
                let place = body.get("mode").unwrap_or(body);
                self.reader.problems.at(place, || {
                    "no mode of a body; write raw, urlencoded, formdata, file or graphql".to_owned()
                });
                return None;
            }
        };
        Some((media_type, sample))
    }

    /// A response kept as an example.
    fn answer(&mut self, response: Cursor<'d>) -> Option<Answer> {
        let code = response.get("code")?;
        let number = code.number().or(code.text()).and_then(|text| text.parse().ok());
        let Some(status @ 100..=599) = number else {
            self.reader
                .problems
                .at(code, || "no status; write a number from 100 to 599".to_owned());
            return None;
        };
        let mut answer = Answer {
            status,
            at: code.at(),
            ..Answer::default()
        };
        let headers = response.get("header").filter(|h| h.is() == Is::List);
        let headers = headers.filter(|h| self.reader.spend(*h, h.items().len()));
        let names = headers.into_iter().flat_map(Cursor::items);
        answer.headers = names
            .filter_map(|pair| header(pair.get("key")?.text()?))
            .collect();
        let text = response.get("body").and_then(Cursor::text).unwrap_or("");
        let preview = response.get("_postman_previewlanguage").and_then(Cursor::text);
        let guessed = (preview == Some("json")).then(|| "application/json".to_owned());
        if let Some(media_type) = content_type(response.get("header")).or(guessed) {
            let mut sample = Sample::default();
            har::content(&media_type, text, &mut sample, self.reader);
            answer.content = Some((media_type, sample));
        }
        Some(answer)
    }

    /// What `auth` asks for; `None` where it is inherited.
    fn auth(&mut self, of: Cursor<'d>) -> Option<Security> {
        let auth = of.get("auth").filter(|a| a.is() != Is::Null)?;
        if auth.is() != Is::Map {
            self.reader.expected(auth, "auth", "an object with a `type`");
            return None;
        }
        let kind = self.reader.text(auth, "type")?;
        let scheme = match kind {
            "noauth" => return Some(Security::default()),
            "inherit" => return None,
            "basic" | "bearer" | "digest" | "hawk" | "ntlm" => SecurityScheme::Http {
                scheme: kind.to_owned(),
                format: None,
            },
            "jwt" => SecurityScheme::Http {
                scheme: "bearer".to_owned(),
                format: Some("JWT".to_owned()),
            },
            "oauth2" => SecurityScheme::OAuth2,
            "apikey" => {
                let place = attribute(auth, "apikey", "in");
                let name = attribute(auth, "apikey", "key").filter(|name| is_plain_name(name));
                SecurityScheme::ApiKey {
                    place: if place == Some("query") {
                        Place::Query
                    } else {
                        Place::Header
                    },
                    name: name.unwrap_or("X-API-Key").to_owned(),
                }
            }
            "awsv4" | "oauth1" | "edgegrid" | "asap" => SecurityScheme::Other(kind.to_owned()),
            _ => {
                let place = auth.get("type").unwrap_or(auth);
                self.reader.problems.at(place, || {
                    "no kind of auth; write noauth, basic, bearer, apikey, oauth2 or another one that Postman has"
                        .to_owned()
                });
                return None;
            }
        };
        let name = match &scheme {
            SecurityScheme::ApiKey { name, .. } => format!("apikey {name}"),
            _ => kind.to_owned(),
        };
        let security = Security {
            any_of: vec![vec![requirement(&name)]],
        };
        self.spec.security_schemes.insert(name, scheme);
        Some(security)
    }
}

/// An attribute of an auth helper: a list of keys and values in 2.1, an object in 2.0.
fn attribute<'d>(auth: Cursor<'d>, kind: &str, name: &str) -> Option<&'d str> {
    let of = auth.get(kind)?;
    let in_list = of
        .items()
        .find(|pair| pair.get("key").and_then(Cursor::text) == Some(name));
    match in_list {
        Some(pair) => pair.get("value")?.text(),
        None => of.get(name)?.text(),
    }
}

/// The media type that the headers name.
fn content_type(headers: Option<Cursor<'_>>) -> Option<String> {
    let headers = headers?;
    let pair = headers.items().find(|pair| {
        let name = pair.get("key").and_then(Cursor::text);
        name.is_some_and(|name| name.trim().eq_ignore_ascii_case("content-type"))
    })?;
    let found = media_type(pair.get("value")?.text()?);
    (found.contains('/') && !found.contains('{')).then_some(found)
}

/// A text with strings for its variables: `{"id": {{id}}, "name": "{{name}}"}` is JSON then.
fn without_variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut within_quotes = false;
    while let Some((before, after)) = rest.split_once("{{") {
        within_quotes ^= before.matches('"').count() % 2 == 1;
        out.push_str(before);
        // A name is short, so what is not closed soon is an object in an object.
        let name = after
            .char_indices()
            .take(130)
            .find(|(at, _)| after[*at..].starts_with("}}"));
        match name.filter(|(at, _)| postman_url::is_variable(&after[..*at])) {
            Some((at, _)) => {
                out.push_str(if within_quotes { "x" } else { "\"x\"" });
                rest = &after[at + 2..];
            }
            None => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
