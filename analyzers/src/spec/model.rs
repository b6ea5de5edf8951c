//! What a specification declares, whatever it was written in.

use std::collections::BTreeMap;

use super::date::Sunset;
use super::problem::{Location, Problem};
use super::schema::{SchemaId, Schemas};
use super::servers::Server;
use super::template::PathTemplate;

/// What a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Kind {
    /// OpenAPI 2.0, formerly Swagger.
    Swagger20,
    /// OpenAPI 3.0.
    OpenApi30,
    /// OpenAPI 3.1.
    OpenApi31,
    /// OpenAPI 3.2.
    OpenApi32,
    /// Postman collection 2.0.
    Postman20,
    /// Postman collection 2.1.
    Postman21,
    /// HTTP Archive 1.2 (or 1.1): what was seen, not what was declared.
    Har12,
    /// None of them; it declares nothing.
    #[default]
    Unknown,
}

impl Kind {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Swagger20 => "OpenAPI 2.0",
            Self::OpenApi30 => "OpenAPI 3.0",
            Self::OpenApi31 => "OpenAPI 3.1",
            Self::OpenApi32 => "OpenAPI 3.2",
            Self::Postman20 => "Postman collection 2.0",
            Self::Postman21 => "Postman collection 2.1",
            Self::Har12 => "HAR 1.2",
            Self::Unknown => "unknown",
        }
    }
}

/// One specification: the operations that it declares and what was wrong with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec {
    /// Name of the document, for messages: what the caller gave.
    pub name: String,
    /// What it is written in.
    pub kind: Kind,
    /// Title of the API.
    pub title: Option<String>,
    /// Version of the API, not of the specification language.
    pub version: Option<String>,
    /// Owner of the whole API (`x-owner` of the document or of its `info`).
    pub owner: Option<String>,
    /// Whom to ask (`info.contact`).
    pub contact: Option<Contact>,
    /// Servers that operations refer to. There is always at least one for each operation.
    pub servers: Vec<Server>,
    /// Operations in the order of the document.
    pub operations: Vec<Operation>,
    /// Schemas that operations refer to.
    pub schemas: Schemas,
    /// Security schemes by name.
    pub security_schemes: BTreeMap<String, SecurityScheme>,
    /// What was passed over because it is no operation of this API, and what could not be used.
    pub counts: Counts,
    /// What is wrong with the document, in the order of its text.
    pub problems: Vec<Problem>,
    /// Problems beyond the limit.
    pub problems_dropped: u64,
}

/// Parts of a document that make no operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations of webhooks: requests that the API sends.
    pub webhooks: u64,
    /// Operations of callbacks, likewise.
    pub callbacks: u64,
    /// References to other documents, each counted once.
    pub external_references: u64,
    /// Operations beyond the limit.
    pub operations_dropped: u64,
    /// Schemas beyond the limit.
    pub schemas_dropped: u64,
    /// Requests of a collection or entries of an archive, before those of one operation were put together.
    pub requests: u64,
    /// Requests or entries of which no operation could be made.
    pub requests_dropped: u64,
}

/// Whom to ask about an API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// A person or a team.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their page.
    pub url: Option<String>,
}

impl Contact {
    /// The first that is there of name, address and page.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        [&self.name, &self.email, &self.url]
            .into_iter()
            .find_map(|field| field.as_deref())
    }
}

/// A declared operation: a method on a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Method in capitals.
    pub method: String,
    /// Path below the server's base path.
    pub path: PathTemplate,
    /// Indices into [`Spec::servers`].
    pub servers: Vec<usize>,
    /// `operationId`, or the name of a Postman request.
    pub id: Option<String>,
    /// One line about it.
    pub summary: Option<String>,
    /// Its tags, or the folders of a collection.
    pub tags: Vec<String>,
    /// Owner, if it has one that is not the one of the whole API.
    pub owner: Option<String>,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// When it goes away (`x-sunset`).
    pub sunset: Option<Sunset>,
    /// A response declares the header `Sunset` (RFC 8594).
    pub declares_sunset: bool,
    /// Parameters but for those in a body.
    pub parameters: Vec<Parameter>,
    /// What a request carries.
    pub body: Option<Body>,
    /// Responses by status.
    pub responses: Vec<Response>,
    /// What a caller must prove; `None` when the document does not say.
    pub security: Option<Security>,
    /// Requests of a collection, or entries of an archive, that it stands for; 1 in OpenAPI.
    pub requests: u64,
    /// Where it is declared.
    pub at: Location,
    /// The same as a JSON pointer.
    pub pointer: String,
}

impl Operation {
    /// The response declared for a status: exactly, else by its class, else the default (OpenAPI, Responses Object).
    #[must_use]
    pub fn response(&self, status: u16) -> Option<&Response> {
        let of = |wanted: StatusPattern| self.responses.iter().find(|r| r.status == wanted);
        of(StatusPattern::Exact(status))
            .or_else(|| of(StatusPattern::Class((status / 100) as u8)))
            .or_else(|| of(StatusPattern::Default))
    }

    /// The parameters at a place.
    pub fn parameters_in(&self, place: Place) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |p| p.place == place)
    }

    /// The parameter that a name in a request belongs to. Names of headers do not tell case apart, and one parameter
    /// may have many names in a query: `filter[status]` belongs to `filter` when it is a deep object, and every
    /// property of an object that is exploded is a name (OpenAPI, Style Values).
    #[must_use]
    pub fn parameter<'a>(&'a self, schemas: &Schemas, place: Place, name: &str) -> Option<&'a Parameter> {
        let same = |p: &&Parameter| match place {
            Place::Header => p.name.eq_ignore_ascii_case(name),
            _ => p.name == name || p.name.strip_suffix("[]") == Some(name),
        };
        let exact = self.parameters_in(place).find(same);
        exact.or_else(|| {
            self.parameters_in(place).find(|p| match p.style {
                Style::DeepObject => name
                    .strip_prefix(p.name.as_str())
                    .is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']')),
                Style::Exploded => {
                    let list = name.strip_suffix("[]").is_some_and(|name| name == p.name);
                    let shape = p
                        .schema
                        .filter(|_| place != Place::Header)
                        .map(|s| schemas.shape(&[s]));
                    list || shape.is_some_and(|s| s.properties.contains_key(name) || s.is_free_object())
                }
                Style::Plain => false,
            })
        })
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
    /// In a cookie.
    Cookie,
}

impl Place {
    /// Its name in OpenAPI.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// What names in a request belong to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Style {
    /// Its own name alone.
    #[default]
    Plain,
    /// Its own name; of an object, the names of its properties.
    Exploded,
    /// Its own name with names in brackets.
    DeepObject,
}

/// A parameter, or a header of a response.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name as declared.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Must be there.
    pub required: bool,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// What names belong to it.
    pub style: Style,
    /// What it holds.
    pub schema: Option<SchemaId>,
    /// Where it is declared.
    pub at: Location,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// Must be there.
    pub required: bool,
    /// What it may be, by media type.
    pub content: Vec<Media>,
    /// Where it is declared.
    pub at: Location,
}

/// One form of content.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Media type in lower case without parameters; may be a range (`application/*`).
    pub media_type: String,
    /// What it holds.
    pub schema: Option<SchemaId>,
    /// Where it is declared.
    pub at: Location,
}

/// The form of content that a `Content-Type` belongs to: the exact type, else `application/*`, else `*/*` (OpenAPI,
/// Media Type: "the most specific key applies").
#[must_use]
pub fn media<'a>(content: &'a [Media], content_type: &str) -> Option<&'a Media> {
    let wanted = media_type(content_type);
    let range = |of: &str| content.iter().find(|m| m.media_type == of);
    let group = wanted.split('/').next().unwrap_or("");
    range(&wanted)
        .or_else(|| range(&format!("{group}/*")))
        .or_else(|| range("*/*"))
}

/// A media type in lower case without parameters.
pub(crate) fn media_type(text: &str) -> String {
    let bare = text.split(';').next().unwrap_or("").trim();
    bare.chars().take(127).collect::<String>().to_ascii_lowercase()
}

/// Which statuses a response is declared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusPattern {
    /// One status.
    Exact(u16),
    /// All of a class: `2XX` is 2.
    Class(u8),
    /// All that are not declared otherwise.
    Default,
}

impl std::fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}XX"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Which statuses it is for.
    pub status: StatusPattern,
    /// What it may carry.
    pub content: Vec<Media>,
    /// Its headers.
    pub headers: Vec<Parameter>,
    /// Where it is declared.
    pub at: Location,
}

/// What a caller must prove: one of the alternatives (OpenAPI, Security Requirement Object: a logical OR between the
/// objects of the list, AND within one).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// The alternatives. None: nothing is asked for. An empty one: a caller may also prove nothing.
    pub any_of: Vec<Vec<Requirement>>,
}

impl Security {
    /// Whether a request without a credential departs from what is declared.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self.any_of.is_empty() && self.any_of.iter().all(|all| !all.is_empty())
    }
}

/// A scheme that must be satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Name in [`Spec::security_schemes`].
    pub scheme: String,
    /// Scopes or roles.
    pub scopes: Vec<String>,
}

/// How callers prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityScheme {
    /// A key in a header, a query parameter or a cookie.
    ApiKey {
        /// Where it stands.
        place: Place,
        /// Name of the header, parameter or cookie.
        name: String,
    },
    /// A scheme of the header `Authorization`: `basic`, `bearer`, `digest` and others, in lower case.
    Http {
        /// The scheme.
        scheme: String,
        /// A hint like `JWT`.
        format: Option<String>,
    },
    /// OAuth 2, which comes as a bearer token.
    OAuth2,
    /// OpenID Connect, likewise.
    OpenIdConnect,
    /// A certificate of the client.
    MutualTls,
    /// Another one, by its name (Postman: `hawk`, `awsv4`, `ntlm` …).
    Other(String),
}

impl Spec {
    /// The owner of an operation: its own, else the one of the API, else whom the API names to be asked.
    #[must_use]
    pub fn owner_of<'a>(&'a self, operation: &'a Operation) -> Option<&'a str> {
        let contact = || self.contact.as_ref().and_then(Contact::shown);
        operation
            .owner
            .as_deref()
            .or(self.owner.as_deref())
            .or_else(contact)
    }
}
