//! The fields of one header block, gathered into a head (RFC 9113 section 8).

use crate::exchange::{Ambiguities, FieldSpan, Head};

use super::hpack::Field;

/// Fields kept of one head.
const MAX_FIELDS: usize = 256;

/// Fields that speak of a connection, which HTTP/2 has no use for (RFC 9113 section 8.2.2). Behind a proxy that passes
/// them on as HTTP/1 they cut messages elsewhere.
const OF_CONNECTIONS: [&str; 5] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
];

/// A part of the text of a head.
type Span = (u32, u32);

/// The fields of a block, as they come.
#[derive(Debug, Default)]
pub(super) struct Fields {
    head: Head,
    method: Option<Span>,
    path: Option<Span>,
    scheme: Option<Span>,
    authority: Option<Span>,
    protocol: Option<Span>,
    pub(super) status: Option<u16>,
    pub(super) ambiguities: Ambiguities,
    /// Fields of which name or value was not known.
    pub(super) unknown: u32,
    /// Fields were left out at a limit.
    pub(super) cut: bool,
    /// One of them is a pseudo-field, or may be, so that what the head begins may not be known.
    pub(super) cut_start: bool,
    any: bool,
}

/// A request's fields.
#[derive(Debug)]
pub(super) struct RequestFields {
    pub(super) head: Head,
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) host: String,
    /// The request opens a WebSocket (RFC 8441).
    pub(super) websocket: bool,
}

impl Fields {
    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        self.head.weight()
    }

    /// Takes the next field; `most` bytes of text are kept.
    pub(super) fn push(&mut self, field: Field<'_>, most: usize) {
        let (Some(name), Some(value)) = (field.name, field.value) else {
            self.unknown += 1;
            // The name may have been that of any field, a pseudo-field too, but not of one that comes twice.
            return;
        };
        if let Some(pseudo) = name.strip_prefix(b":") {
            self.pseudo(pseudo, value, most);
            return;
        }
        self.any = true;
        if self.head.fields.len() >= MAX_FIELDS || self.head.text.len() + name.len() + value.len() > most {
            self.cut = true;
            return;
        }
        self.judge(name, value);
        let name = self.text(name);
        self.head.text.push_str(": ");
        let value = self.text(value.trim_ascii());
        self.head.text.push_str("\r\n");
        self.head.fields.push(FieldSpan { name, value });
    }

    /// Names are in lower case, and values hold no line ends, which would begin another field in HTTP/1
    /// (RFC 9113 section 8.2.1).
    fn judge(&mut self, name: &[u8], value: &[u8]) {
        let token = |b: &u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && *b != b':';
        if name.is_empty() || !name.iter().all(token) {
            self.ambiguities.insert(Ambiguities::HEADER_MALFORMED);
        }
        for text in [name, value] {
            if memchr::memchr2(b'\r', b'\n', text).is_some() {
                self.ambiguities.insert(Ambiguities::LINE_IN_FIELD);
            }
            if memchr::memchr(0, text).is_some() {
                self.ambiguities.insert(Ambiguities::NUL);
            }
        }
        if OF_CONNECTIONS
            .iter()
            .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
        {
            self.ambiguities.insert(Ambiguities::CONNECTION_FIELD);
        }
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8], most: usize) {
        if self.any || memchr::memchr(0, value).is_some() {
            // They come first (RFC 9113 section 8.3).
            self.ambiguities.insert(Ambiguities::PSEUDO_FIELD);
        }
        if memchr::memchr2(b'\r', b'\n', value).is_some() {
            self.ambiguities.insert(Ambiguities::LINE_IN_FIELD);
        }
        if self.head.text.len() + value.len() > most {
            self.cut = true;
            self.cut_start = true;
            return;
        }
        if name == b"status" {
            let number = match value {
                [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                    [a, b, c].iter().fold(0, |n, b| n * 10 + u16::from(**b - b'0'))
                }
                _ => 0,
            };
            if self.status.is_some() || number == 0 {
                self.ambiguities.insert(Ambiguities::PSEUDO_FIELD);
            }
            self.status.get_or_insert(number);
            return;
        }
        let span = self.text(value);
        self.head.text.push_str("\r\n");
        let slot = match name {
            b"method" => &mut self.method,
            b"path" => &mut self.path,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"protocol" => &mut self.protocol,
            _ => {
                self.ambiguities.insert(Ambiguities::PSEUDO_FIELD);
                return;
            }
        };
        if slot.is_some() {
            self.ambiguities.insert(Ambiguities::PSEUDO_FIELD);
        } else {
            *slot = Some(span);
        }
    }

    /// Bytes that are not UTF-8 are read as ISO-8859-1, as in heads of HTTP/1.
    fn text(&mut self, bytes: &[u8]) -> Span {
        let from = self.head.text.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.head.text.push_str(text),
            Err(_) => self.head.text.extend(bytes.iter().map(|b| char::from(*b))),
        }
        span(from, self.head.text.len())
    }

    /// Whether these are the fields that begin a request, rather than those behind a body.
    pub(super) fn begins_request(&self) -> bool {
        self.method.is_some() || self.path.is_some() || self.scheme.is_some()
    }

    /// The fields without reading of them a start: of a response, or behind a body.
    pub(super) fn into_head(mut self) -> Head {
        self.join_cookies();
        self.head
    }

    /// The request that these fields begin; nothing when its method or target is not known.
    pub(super) fn into_request(mut self) -> Option<(RequestFields, Ambiguities)> {
        self.join_cookies();
        let method = self.method?;
        let connect = self.head.slice(method) == "CONNECT";
        let target = match (self.path, self.authority) {
            (Some(path), _) => path,
            // RFC 9113 section 8.5: CONNECT has neither scheme nor path.
            (None, Some(authority)) if connect => authority,
            // It may have been one of those that were not known.
            (None, _) if self.unknown > 0 || self.cut_start => return None,
            (None, _) => {
                self.ambiguities.insert(Ambiguities::PSEUDO_FIELD);
                (0, 0)
            }
        };
        let websocket = connect && self.protocol.is_some_and(|p| self.head.slice(p) == "websocket");
        let host = self.host();
        let fields = RequestFields {
            method,
            target,
            host,
            websocket,
            head: self.head,
        };
        Some((fields, self.ambiguities))
    }

    /// The host that a request is for: `:authority`, else the field of that name (RFC 9113 section 8.3.1).
    fn host(&mut self) -> String {
        let mut named = self
            .head
            .fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = named.next().map(|(_, value)| value);
        let mut differs = named.any(|(_, value)| Some(value) != host);
        let authority = self.authority.map(|span| self.head.slice(span));
        let authority = authority.map(|a| a.rsplit('@').next().unwrap_or(a));
        if let (Some(authority), Some(host)) = (authority, host) {
            differs |= !authority.eq_ignore_ascii_case(host);
        }
        let mut found = authority.or(host).unwrap_or("").to_ascii_lowercase();
        let scheme = self.scheme.map_or("http", |span| self.head.slice(span));
        let port = if scheme.eq_ignore_ascii_case("https") {
            ":443"
        } else {
            ":80"
        };
        if found.ends_with(port) {
            found.truncate(found.len() - port.len());
        }
        if differs {
            self.ambiguities.insert(Ambiguities::HOST_DIFFERS);
        }
        found
    }

    /// A cookie may come in crumbs, each a field of its own; to everybody behind it is one (RFC 9113 section 8.2.3).
    fn join_cookies(&mut self) {
        let is_cookie =
            |head: &Head, field: &FieldSpan| head.slice(field.name).eq_ignore_ascii_case("cookie");
        let crumbs: Vec<FieldSpan> = self
            .head
            .fields
            .iter()
            .copied()
            .filter(|field| is_cookie(&self.head, field))
            .collect();
        let [first, _, ..] = &crumbs[..] else { return };
        let values: Vec<&str> = crumbs.iter().map(|crumb| self.head.slice(crumb.value)).collect();
        let whole = values.join("; ");
        let value = self.text(whole.as_bytes());
        let first = first.name;
        let head = &mut self.head;
        let text = std::mem::take(&mut head.text);
        head.fields.retain_mut(|field| {
            let name = text
                .get(field.name.0 as usize..field.name.1 as usize)
                .unwrap_or("");
            if field.name == first {
                field.value = value;
            }
            field.name == first || !name.eq_ignore_ascii_case("cookie")
        });
        head.text = text;
    }
}

/// Texts are bounded by the limit of heads, far below 4 GiB.
fn span(from: usize, to: usize) -> Span {
    (u32::try_from(from).unwrap_or(0), u32::try_from(to).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.push(
                Field {
                    name: (*name != "?").then_some(name.as_bytes()),
                    value: (*value != "?").then_some(value.as_bytes()),
                    sensitive: false,
                },
                1 << 16,
            );
        }
        fields
    }

    #[test]
    fn a_request_is_what_its_pseudo_fields_say() {
        let (request, ambiguities) = fields(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/a?b=1"),
            (":authority", "user@Shop.Example:443"),
            ("cookie", "a=1"),
            ("accept", "*/*"),
            ("cookie", "b=2"),
        ])
        .into_request()
        .unwrap();
        let slice = |span| request.head.slice(span);
        assert_eq!((slice(request.method), slice(request.target)), ("GET", "/a?b=1"));
        assert_eq!(
            (request.host.as_str(), ambiguities),
            ("shop.example", Ambiguities::empty())
        );
        let read: Vec<_> = request.head.fields().collect();
        assert_eq!(read, [("cookie", "a=1; b=2"), ("accept", "*/*")]);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let request = |list: &[(&str, &str)]| fields(list).into_request();
        assert!(request(&[(":method", "GET"), ("?", "?")]).is_none());
        assert!(request(&[("?", "?"), (":path", "/")]).is_none());
        let (found, _) = request(&[(":method", "GET"), (":path", "/"), ("?", "x")]).unwrap();
        assert_eq!(found.head.fields().count(), 0);
    }

    #[test]
    fn what_another_hop_may_read_otherwise_is_named() {
        let names = |list: &[(&str, &str)]| {
            let all = [&[(":method", "GET"), (":path", "/")], list].concat();
            let (_, ambiguities) = fields(&all).into_request().unwrap();
            ambiguities.names().collect::<Vec<_>>()
        };
        assert_eq!(names(&[("transfer-encoding", "chunked")]), ["connection_field"]);
        assert_eq!(names(&[("x", "a\r\nhost: b")]), ["line_end_in_field"]);
        assert_eq!(names(&[("X-Upper", "a")]), ["header_malformed"]);
        assert_eq!(names(&[("x", "a"), (":path", "/b")]), ["pseudo_field_malformed"]);
        assert_eq!(names(&[("x", "a\0")]), ["nul"]);
        assert_eq!(names(&[(":authority", "a"), ("host", "b")]), ["host_differs"]);
    }

    #[test]
    fn connect_goes_to_an_authority() {
        let (request, _) = fields(&[(":method", "CONNECT"), (":authority", "a.example:443")])
            .into_request()
            .unwrap();
        assert_eq!(request.head.slice(request.target), "a.example:443");
        let (request, _) = fields(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":path", "/chat"),
        ])
        .into_request()
        .unwrap();
        assert!(request.websocket && request.head.slice(request.target) == "/chat");
    }

    #[test]
    fn a_head_is_bounded() {
        let mut fields = Fields::default();
        for _ in 0..10_000 {
            let field = Field {
                name: Some(b"x"),
                value: Some(&[b'y'; 100]),
                sensitive: false,
            };
            fields.push(field, 4096);
        }
        assert!(fields.cut && fields.weight() < 64 << 10);
    }
}
