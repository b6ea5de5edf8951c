//! HTTP/1 messages as bytes, with the lengths a reader of them should find.

use std::io::Write;

/// How a body is content-coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// deflate, in the zlib format (RFC 1950).
    Deflate,
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// The token of the Content-Encoding field.
    #[must_use]
    pub fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The coded form of `content`.
    #[must_use]
    pub fn encode(self, content: &[u8]) -> Vec<u8> {
        // Writing to memory cannot fail, so these branches only fall back to what was given.
        let plain = || content.to_vec();
        match self {
            Self::Identity => plain(),
            Self::Gzip => {
                // No name, no time, unknown system (RFC 1952 section 2.3).
                let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
                out.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
                out.extend_from_slice(&crc32(content).to_le_bytes());
                out.extend_from_slice(&(content.len() as u32).to_le_bytes());
                out
            }
            Self::Deflate => miniz_oxide::deflate::compress_to_vec_zlib(content, 6),
            Self::Brotli => {
                let mut out = Vec::new();
                {
                    let mut writer = brotli::CompressorWriter::new(&mut out, 4096, 5, 18);
                    if writer.write_all(content).is_err() {
                        return plain();
                    }
                }
                out
            }
            Self::Zstd => zstd::encode_all(content, 3).unwrap_or_else(|_| plain()),
        }
    }
}

/// The checksum of gzip (RFC 1952 section 8), bit by bit: bodies here are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg())
        })
    })
}

/// How a message says where its body ends (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Content-Length, when there is a body.
    Length,
    /// Chunks of this many bytes.
    Chunked(usize),
    /// The end of the connection.
    Close,
}

/// A request or a response on its way to the wire.
#[derive(Debug, Clone)]
pub struct Message {
    start: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
    coding: Coding,
    framing: Framing,
    trailers: Vec<(String, String)>,
    /// No body on the wire, though fields may speak of one (HEAD, 304).
    bodiless: bool,
    /// Content-Length even when the body is empty.
    state_empty: bool,
}

/// A message as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Start line, fields, and the empty line.
    pub head: Vec<u8>,
    /// The body with its transfer-coding.
    pub body: Vec<u8>,
    /// Body bytes without the transfer-coding.
    pub body_bytes: u64,
    /// Body bytes without the content-coding too.
    pub content_bytes: u64,
}

impl Encoded {
    /// Head and body.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.body].concat()
    }
}

impl Message {
    fn new(start: String) -> Self {
        Self {
            start,
            fields: Vec::new(),
            content: Vec::new(),
            coding: Coding::Identity,
            framing: Framing::Length,
            trailers: Vec::new(),
            bodiless: false,
            state_empty: false,
        }
    }

    /// A request of HTTP/1.1.
    #[must_use]
    pub fn request(method: &str, target: &str) -> Self {
        Self::new(format!("{method} {target} HTTP/1.1"))
    }

    /// A response of HTTP/1.1.
    #[must_use]
    pub fn response(status: u16) -> Self {
        let mut message = Self::new(format!("HTTP/1.1 {status} {}", reason(status)));
        message.state_empty = status >= 200 && status != 204 && status != 304;
        message.bodiless = !message.state_empty;
        message
    }

    /// Puts another start line in place.
    #[must_use]
    pub fn start_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.start);
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the content and its type.
    #[must_use]
    pub fn content(mut self, kind: &str, content: impl Into<Vec<u8>>) -> Self {
        self.content = content.into();
        self.field("Content-Type", kind)
    }

    /// Sets a JSON content.
    #[must_use]
    pub fn json(self, content: impl Into<Vec<u8>>) -> Self {
        self.content("application/json", content)
    }

    /// Sets the content-coding.
    #[must_use]
    pub fn coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// Sets how the end of the body is told.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Adds a trailer, which a chunked body alone can carry.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves the body out and keeps the fields, as the answer to HEAD does.
    #[must_use]
    pub fn bodiless(mut self) -> Self {
        self.bodiless = true;
        self
    }

    /// The message as bytes, with Content-Encoding, Content-Length or Transfer-Encoding as they must be.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let coded = self.coding.encode(&self.content);
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(token) = self.coding.token() {
            head.push_str(&format!("Content-Encoding: {token}\r\n"));
        }
        let mut body = Vec::new();
        match self.framing {
            Framing::Length if coded.is_empty() && !self.state_empty => {}
            Framing::Length => {
                head.push_str(&format!("Content-Length: {}\r\n", coded.len()));
                body.clone_from(&coded);
            }
            Framing::Close => body.clone_from(&coded),
            Framing::Chunked(size) => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                for chunk in coded.chunks(size.max(1)) {
                    body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    body.extend_from_slice(chunk);
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(b"0\r\n");
                for (name, value) in &self.trailers {
                    body.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                body.extend_from_slice(b"\r\n");
            }
        }
        head.push_str("\r\n");
        let (body_bytes, content_bytes) = if self.bodiless {
            body.clear();
            (0, 0)
        } else {
            (coded.len() as u64, self.content.len() as u64)
        };
        Encoded {
            head: head.into_bytes(),
            body,
            body_bytes,
            content_bytes,
        }
    }
}

/// The usual reason phrase.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_checksum_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn lengths_are_those_of_the_bytes() {
        let text = b"tell it again ".repeat(20);
        for coding in [
            Coding::Identity,
            Coding::Gzip,
            Coding::Deflate,
            Coding::Brotli,
            Coding::Zstd,
        ] {
            let message = Message::response(200)
                .content("text/plain", text.as_slice())
                .coding(coding);
            let plain = message.clone().encode();
            assert_eq!(plain.content_bytes, 280, "{coding:?}");
            assert_eq!(plain.body.len() as u64, plain.body_bytes, "{coding:?}");
            assert_eq!(coding == Coding::Identity, plain.body_bytes == 280, "{coding:?}");
            let chunked = message.framing(Framing::Chunked(16)).encode();
            assert_eq!(chunked.body_bytes, plain.body_bytes, "{coding:?}");
            assert!(chunked.body.ends_with(b"\r\n0\r\n\r\n"), "{coding:?}");
        }
    }

    #[test]
    fn a_head_answer_has_no_body_but_says_its_length() {
        let encoded = Message::response(200)
            .content("text/html", "<p>hello</p>")
            .bodiless()
            .encode();
        assert!(encoded.body.is_empty());
        assert!(
            String::from_utf8_lossy(&encoded.head).contains("Content-Length: 12\r\n"),
            "{encoded:?}"
        );
    }
}
