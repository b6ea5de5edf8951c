//! The value everything after reassembly speaks of: one HTTP request and its response.
//!
//! An [`Exchange`] owns its bytes, so it can cross threads and outlive the packets it came from. What
//! was damaged or missing on the wire is said in [`Exchange::flags`]; nothing is filled in by guess.

use std::net::SocketAddr;
use std::ops::Range;

use crate::time::Timestamp;

/// The TCP flow an exchange was seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowRef {
    /// The side that sends requests.
    pub client: SocketAddr,
    /// The side that answers.
    pub server: SocketAddr,
    /// Capture time of the flow's first packet.
    pub start: Timestamp,
    /// Innermost VLAN id, when the frames were tagged.
    pub vlan: Option<u16>,
    /// VXLAN or GENEVE network identifier, when the flow came through a tunnel.
    pub vni: Option<u32>,
    /// Whether the flow is TLS; what it carries was decrypted then.
    pub tls: bool,
}

/// What was spoken in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/0.9 or HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 (RFC 9113).
    Http2,
    /// gRPC over HTTP/2, or gRPC-Web over it.
    Grpc,
    /// An exchange that opened a WebSocket (RFC 6455; over HTTP/2, RFC 8441).
    WebSocket,
}

impl Protocol {
    /// The name used in records: `http/1.0`, `http/1.1`, `http/2`, `grpc`, `websocket`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http10 => "http/1.0",
            Self::Http11 => "http/1.1",
            Self::Http2 => "http/2",
            Self::Grpc => "grpc",
            Self::WebSocket => "websocket",
        }
    }
}

/// A set of small named facts, kept as bits. `T` is one of the `u16` constants beside it.
macro_rules! flag_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $flag:ident = $bit:expr, $text:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
        pub struct $name(u32);

        impl $name {
            $($(#[$fdoc])* pub const $flag: Self = Self(1 << $bit);)*

            /// The empty set.
            #[must_use]
            pub const fn empty() -> Self { Self(0) }
            /// Whether every flag of `other` is set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool { self.0 & other.0 == other.0 }
            /// Whether any flag of `other` is set.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool { self.0 & other.0 != 0 }
            /// Whether no flag is set.
            #[must_use]
            pub const fn is_empty(self) -> bool { self.0 == 0 }
            /// Sets every flag of `other`.
            pub fn insert(&mut self, other: Self) { self.0 |= other.0; }
            /// The names of the set flags, in the order of declaration.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                const ALL: &[($name, &str)] = &[$(($name::$flag, $text)),*];
                ALL.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, text)| *text)
            }
        }
    };
}

flag_set! {
    /// What was missing or damaged.
    Flags {
        /// Bytes of the exchange, or bytes that its fields refer to, were never seen; or the other half may be among bytes
        /// that were seen and could not be read.
        GAP = 0, "gap";
        /// Frames of the exchange were cut off by the capture, its flow ended before it did, or a limit of ours was reached.
        TRUNCATED = 1, "truncated";
        /// Only one direction of the flow was captured.
        ONE_SIDED = 2, "one_sided";
        /// The capture began after the flow did.
        MIDSTREAM = 3, "midstream";
        /// No response was seen.
        NO_RESPONSE = 4, "no_response";
        /// No request was seen.
        NO_REQUEST = 5, "no_request";
        /// A body could not be read (unknown or broken content-coding, or over the decompression limit).
        OPAQUE = 6, "opaque";
        /// Receivers differ in how they read these bytes; [`Exchange::ambiguities`] says where.
        AMBIGUOUS = 7, "ambiguous";
        /// A retransmission carried bytes that differ from the first copy.
        CONFLICT = 8, "conflict";
        /// Segments had urgent data, which receivers may read in line or apart (RFC 6093); it was read in line.
        URGENT = 9, "urgent";
    }
}

flag_set! {
    /// Places where RFC 9112 lets receivers differ, or where a sender broke it. The names say which
    /// rule; the reading taken is the first one RFC 9112 section 6.3 gives.
    Ambiguities {
        /// Both Content-Length and Transfer-Encoding (RFC 9112 section 6.1; smuggling, section 11.2).
        LENGTH_AND_CODING = 0, "length_and_transfer_coding";
        /// Content-Length given more than once with different values.
        LENGTHS_DIFFER = 1, "content_lengths_differ";
        /// Content-Length that is not a plain decimal number (sign, space, hex, overflow).
        LENGTH_MALFORMED = 2, "content_length_malformed";
        /// Transfer-Encoding in a form that some receivers do not recognise as chunked.
        CODING_MALFORMED = 3, "transfer_coding_malformed";
        /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 section 6.1).
        CODING_IN_HTTP10 = 4, "transfer_coding_in_http10";
        /// A chunk size that is not plain hexadecimal followed by CRLF.
        CHUNK_MALFORMED = 5, "chunk_malformed";
        /// A line of the head that is not `name: value`, or has bytes no header may hold.
        HEADER_MALFORMED = 6, "header_malformed";
        /// Space between a field name and its colon (RFC 9112 section 5.1).
        SPACE_BEFORE_COLON = 7, "space_before_colon";
        /// A field continued on the next line (RFC 9112 section 5.2).
        FOLDED = 8, "folded_header";
        /// Lines of the head ended by a bare LF (RFC 9112 section 2.2).
        BARE_LF = 9, "bare_lf";
        /// A CR that is not followed by LF.
        BARE_CR = 10, "bare_cr";
        /// A NUL byte in the head.
        NUL = 11, "nul";
        /// A start line that departs from the grammar.
        START_LINE = 12, "start_line_malformed";
        /// More than one Host field, or a Host that differs from an absolute-form target.
        HOST_DIFFERS = 13, "host_differs";
        /// The response began before the server can have had the whole request.
        EARLY_RESPONSE = 14, "early_response";
        /// The content-coding named is not the one used.
        CONTENT_CODING = 15, "content_coding_malformed";
        /// Fewer or more body bytes than Content-Length says, in HTTP/2 (RFC 9113 section 8.1.1).
        LENGTH_DIFFERS = 16, "content_length_differs";
        /// A field of HTTP/1 connections in HTTP/2 (RFC 9113 section 8.2.2).
        CONNECTION_FIELD = 17, "connection_field";
        /// A pseudo-field that is malformed, misplaced, unknown or sent twice (RFC 9113 section 8.3).
        PSEUDO_FIELD = 18, "pseudo_field_malformed";
        /// A 101 for which the client did not ask (RFC 9110 section 15.2.2): it was read as a final response, with its body.
        UNASKED_SWITCH = 20, "unasked_switch";
        /// A line end inside a field of HTTP/2, which begins another field in HTTP/1 (RFC 9113 section 8.2.1).
        LINE_IN_FIELD = 19, "line_end_in_field";
    }
}

/// A field of a head: where its name and its value lie in the text of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpan {
    pub(crate) name: (u32, u32),
    pub(crate) value: (u32, u32),
}

impl FieldSpan {
    /// Of no field.
    pub(crate) const EMPTY: Self = Self {
        name: (0, 0),
        value: (0, 0),
    };
}

/// A message's start line and fields, as text in one allocation.
///
/// Bytes that are not UTF-8 are read as ISO-8859-1, as RFC 9110 section 5.5 says of old senders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    pub(crate) text: String,
    pub(crate) fields: Vec<FieldSpan>,
    /// Lengths, below 64, that no name has: most of the names asked for are not there.
    absent: u64,
}

impl Head {
    /// The head with these fields, which lie in `text`.
    pub(crate) fn new(text: String, fields: Vec<FieldSpan>) -> Self {
        let present = |f: &FieldSpan| 1_u64.checked_shl(f.name.1 - f.name.0).unwrap_or(0);
        let absent = !fields.iter().fold(0, |all, f| all | present(f));
        Self { text, fields, absent }
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.text.capacity() + self.fields.capacity() * size_of::<FieldSpan>()
    }

    /// The fields in the order sent, names as sent, values without surrounding white space.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|f| (self.slice(f.name), self.slice(f.value)))
    }

    /// The first field of this name, compared without regard to case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.named(name).next()
    }

    /// The values of all fields of this name, compared without regard to case.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_absent =
            u32::try_from(name.len()).is_ok_and(|len| self.absent.checked_shr(len).unwrap_or(0) & 1 == 1);
        let fields = if is_absent { &[] } else { &self.fields[..] };
        // Most names differ in length already, and are not looked at.
        fields
            .iter()
            .filter(move |f| {
                (f.name.1 - f.name.0) as usize == name.len()
                    && is_same_name(self.slice(f.name).as_bytes(), name.as_bytes())
            })
            .map(|f| self.slice(f.value))
    }

    pub(crate) fn slice(&self, (from, to): (u32, u32)) -> &str {
        self.text.get(from as usize..to as usize).unwrap_or("")
    }
}

/// Whether a name that was sent is the one asked for, of letters, digits and hyphens and as long, without regard to case.
fn is_same_name(sent: &[u8], asked: &[u8]) -> bool {
    // The bit that tells small letters from capitals, of those bytes that are letters.
    let is_same = |sent: u64, asked: u64| {
        let case = (asked & 0x4040_4040_4040_4040) >> 1;
        sent | case == asked | case
    };
    let long = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let short = |bytes: &[u8; 4]| u64::from(u32::from_ne_bytes(*bytes));
    let ((sent_words, _), (asked_words, _)) = (sent.as_chunks::<8>(), asked.as_chunks::<8>());
    if let (Some(sent_end), Some(asked_end)) = (sent.last_chunk(), asked.last_chunk()) {
        let mut words = sent_words.iter().zip(asked_words);
        return words.all(|(s, a)| is_same(long(s), long(a))) && is_same(long(sent_end), long(asked_end));
    }
    match (
        sent.first_chunk(),
        asked.first_chunk(),
        sent.last_chunk(),
        asked.last_chunk(),
    ) {
        (Some(s), Some(a), Some(sent_end), Some(asked_end)) => {
            is_same(short(s), short(a)) && is_same(short(sent_end), short(asked_end))
        }
        _ => sent.eq_ignore_ascii_case(asked),
    }
}

/// What request and response have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Fields of the head.
    pub head: Head,
    /// Fields behind the body: in HTTP/2 (RFC 9113 section 8.1), and those at the end of a body of gRPC-Web.
    pub trailers: Head,
    /// Capture time of the message's first byte.
    pub first: Timestamp,
    /// Capture time of the message's last byte seen.
    pub last: Timestamp,
    /// Frame numbers (1 is the first of the file) of the first and last packet of the message; zero when
    /// not read from a file.
    pub frames: (u64, u64),
    /// Body bytes after removing the transfer-coding.
    pub body_bytes: u64,
    /// Body bytes after removing the content-coding too; equal to `body_bytes` when there is none or
    /// when it cannot be decoded.
    pub content_bytes: u64,
    /// Whether head and body were seen to their end.
    pub complete: bool,
    /// Whether fields of the head may be missing: lost, beyond a limit, or references of HTTP/2 to what was not seen.
    pub head_cut: bool,
    /// The first decoded body bytes, up to [`crate::Limits::body_capture`].
    pub body: Vec<u8>,
    /// Parts of its body: events of an event stream, messages of gRPC. They are given out by themselves too
    /// ([`crate::Part`]), as far as they are not too many for the bytes they came in. What comes behind an upgrade is not of
    /// a message.
    pub parts: u64,
    /// Content bytes of these parts, without framing and after decompression.
    pub part_bytes: u64,
}

impl Message {
    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.head.weight() + self.trailers.weight() + self.body.capacity()
    }

    /// The first field of this name, compared without regard to case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The media type, lower case, without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        let value = self.field("content-type")?;
        let kind = value.split(';').next().unwrap_or("").trim();
        (!kind.is_empty()).then(|| kind.to_ascii_lowercase())
    }

    /// Whether `body` holds all the content there was.
    #[must_use]
    pub fn body_is_whole(&self) -> bool {
        self.complete && self.body.len() as u64 == self.content_bytes
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub(crate) method: (u32, u32),
    pub(crate) target: (u32, u32),
    /// Minor version of HTTP/1 (`0` or `1`), zero in HTTP/2; `9` stands for a request line without a version.
    pub minor: u8,
    /// Host the request is for: from an absolute-form target, else the Host field; lower case, without
    /// default port. Empty when neither was sent.
    pub host: String,
    /// Fields, body and times.
    pub message: Message,
}

impl Request {
    /// The method as sent.
    #[must_use]
    pub fn method(&self) -> &str {
        self.message.head.slice(self.method)
    }

    /// The request target as sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.message.head.slice(self.target)
    }

    /// The path of the target, without scheme, authority, query and fragment.
    #[must_use]
    pub fn path(&self) -> &str {
        split_target(self.target()).0
    }

    /// The query of the target, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        split_target(self.target()).1
    }
}

/// A final (not 1xx) response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The status code; zero when the status line has no number of three digits.
    pub status: u16,
    /// Minor version of HTTP/1; zero in HTTP/2.
    pub minor: u8,
    /// Interim (1xx) responses that came before it.
    pub interim: u16,
    /// Fields, body and times.
    pub message: Message,
}

/// One HTTP request and its response, or the half of it that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Where it was seen.
    pub flow: FlowRef,
    /// Place in the flow, from 0, in the order in which exchanges began.
    pub index: u32,
    /// What was spoken.
    pub protocol: Protocol,
    /// The request, when it was seen.
    pub request: Option<Request>,
    /// The final response, when it was seen.
    pub response: Option<Response>,
    /// What was missing or damaged.
    pub flags: Flags,
    /// Where receivers may read these bytes differently.
    pub ambiguities: Ambiguities,
    /// Those of them that are in the request.
    pub request_ambiguities: Ambiguities,
    /// Capture time of the packet with which the exchange was known to be over.
    pub completed: Timestamp,
}

impl Exchange {
    /// The request's first byte, or the response's when the request was not seen.
    #[must_use]
    pub fn ts(&self) -> Timestamp {
        match (&self.request, &self.response) {
            (Some(request), _) => request.message.first,
            (None, Some(response)) => response.message.first,
            (None, None) => self.completed,
        }
    }

    /// The status, when a final response was seen.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response
            .as_ref()
            .map(|r| r.status)
            .filter(|status| *status != 0)
    }
}

/// Path and query of a request target in any of the four forms of RFC 9112 section 3.2.
#[must_use]
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    let rest = match authority_range(target) {
        Some(range) => &target[range.end..],
        None => target,
    };
    let rest = rest.split('#').next().unwrap_or("");
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    (
        if path.is_empty() && !target.is_empty() {
            "/"
        } else {
            path
        },
        query,
    )
}

/// Where the authority lies in an absolute-form target (`http://host:port/path`).
#[must_use]
pub fn authority_range(target: &str) -> Option<Range<usize>> {
    if target.starts_with('/') {
        return None; // Origin-form, which nearly all targets are.
    }
    let scheme = target.find("://")?;
    let known = ["http", "https", "ws", "wss"]
        .iter()
        .any(|s| target[..scheme].eq_ignore_ascii_case(s));
    if !known {
        return None;
    }
    let start = scheme + 3;
    let len = target[start..]
        .find(['/', '?', '#'])
        .unwrap_or(target.len() - start);
    Some(start..start + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case_and_nothing_else() {
        let asked = [
            "te",
            "age",
            "host",
            "range",
            "x-a",
            "upgrade",
            "x-a-b-c-d",
            "content-type",
            "content-encoding",
        ];
        for name in asked
            .into_iter()
            .chain(["sec-websocket-extensions", "p3p", "dnt-1234"])
        {
            let plain = name.as_bytes();
            for at in 0..plain.len() {
                for byte in 0..=255_u8 {
                    let mut sent = plain.to_vec();
                    sent[at] = byte;
                    assert_eq!(
                        is_same_name(&sent, plain),
                        sent.eq_ignore_ascii_case(plain),
                        "{sent:?}"
                    );
                }
            }
            assert!(
                is_same_name(name.to_ascii_uppercase().as_bytes(), plain),
                "{name}"
            );
            assert!(
                is_same_name(plain, name.to_ascii_uppercase().as_bytes()),
                "{name}"
            );
        }
    }
}
