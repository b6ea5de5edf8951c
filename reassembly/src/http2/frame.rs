//! Frames: what the nine bytes before each say (RFC 9113 sections 4.1 and 6), and whether they can be such bytes.

use crate::http1::connection::Direction;

/// Length of a frame's header.
pub(super) const HEADER: usize = 9;

/// Largest payload unless the receiver allows more (RFC 9113 section 4.2).
pub(super) const LARGEST: u32 = 1 << 14;

/// Types of frames.
pub(super) mod kind {
    pub(in crate::http2) const DATA: u8 = 0;
    pub(in crate::http2) const HEADERS: u8 = 1;
    pub(in crate::http2) const PRIORITY: u8 = 2;
    pub(in crate::http2) const RST_STREAM: u8 = 3;
    pub(in crate::http2) const SETTINGS: u8 = 4;
    pub(in crate::http2) const PUSH_PROMISE: u8 = 5;
    pub(in crate::http2) const PING: u8 = 6;
    pub(in crate::http2) const GOAWAY: u8 = 7;
    pub(in crate::http2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::http2) const CONTINUATION: u8 = 9;
    /// RFC 7838, RFC 8336 and RFC 9218: types that servers and browsers send.
    pub(in crate::http2) const EXTENSIONS: [u8; 3] = [0xa, 0xc, 0x10];
}

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Length of the payload.
    pub(super) len: u32,
    pub(super) kind: u8,
    flags: u8,
    /// The reserved bit, which senders leave unset.
    reserved: bool,
    pub(super) stream: u32,
}

impl Frame {
    pub(super) fn read(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        let stream = u32::from_be_bytes(stream);
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            reserved: stream >> 31 != 0,
            stream: stream & (u32::MAX >> 1),
        }
    }

    /// The header at the beginning of `bytes`, if they hold one.
    pub(super) fn first_of(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|header| Self::read(*header))
    }

    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(self) -> bool {
        self.flags & END_HEADERS != 0
    }

    pub(super) fn is_padded(self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS | kind::PUSH_PROMISE) && self.flags & PADDED != 0
    }

    /// Bytes before what the frame is for: length of the padding, priority, number of the promised stream.
    pub(super) fn prefix(self) -> usize {
        let priority = self.kind == kind::HEADERS && self.flags & PRIORITY != 0;
        let promise = self.kind == kind::PUSH_PROMISE;
        usize::from(self.is_padded()) + if priority { 5 } else { 0 } + if promise { 4 } else { 0 }
    }

    /// Whether a sender that keeps to RFC 9113 section 6 sends such a header in this direction. Bytes that are no header
    /// pass for one about once in ten thousand million times.
    pub(super) fn is_sound(self, direction: Direction, largest: u32) -> bool {
        let flags = |known: u8| self.flags & !known == 0;
        // Streams that servers begin are promised first, and promises are refused by nearly all clients.
        let of_stream = self.stream % 2 == 1;
        !self.reserved
            && self.len <= largest
            && match self.kind {
                kind::DATA => of_stream && flags(END_STREAM | PADDED),
                kind::HEADERS => {
                    of_stream && self.len > 0 && flags(END_STREAM | END_HEADERS | PADDED | PRIORITY)
                }
                kind::PRIORITY => of_stream && self.len == 5 && flags(0),
                kind::RST_STREAM => self.stream != 0 && self.len == 4 && flags(0),
                kind::SETTINGS => {
                    self.stream == 0
                        && flags(ACK)
                        && self.len.is_multiple_of(6)
                        && (self.flags & ACK == 0 || self.len == 0)
                        && self.len <= 6 * 64
                }
                kind::PUSH_PROMISE => {
                    direction == Direction::Response
                        && of_stream
                        && self.len > 4
                        && flags(END_HEADERS | PADDED)
                }
                kind::PING => self.stream == 0 && self.len == 8 && flags(ACK),
                kind::GOAWAY => self.stream == 0 && self.len >= 8 && flags(0),
                kind::WINDOW_UPDATE => self.len == 4 && flags(0),
                kind::CONTINUATION => of_stream && flags(END_HEADERS),
                extension => {
                    kind::EXTENSIONS.contains(&extension) && flags(0) && self.len <= 4096 && self.len > 0
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_from_the_wire() {
        let settings = Frame::read([0, 0, 18, 4, 0, 0, 0, 0, 0]);
        assert!(settings.is_sound(Direction::Request, LARGEST));
        assert_eq!((settings.len, settings.stream), (18, 0));
        let headers = Frame::read([0, 0, 30, 1, 0x25, 0, 0, 0, 3]);
        assert!(headers.ends_stream() && headers.ends_headers() && !headers.is_padded());
        assert_eq!((headers.prefix(), headers.stream), (5, 3));
        assert!(headers.is_sound(Direction::Request, LARGEST));
        let promise = Frame::read([0, 0, 30, 5, 0x4, 0, 0, 0, 3]);
        assert!(
            promise.is_sound(Direction::Response, LARGEST) && !promise.is_sound(Direction::Request, LARGEST)
        );
    }

    #[test]
    fn text_and_zeros_are_no_headers() {
        let text = b"GET /index.html HTTP/1.1\r\nHost: a.example\r\n\r\n{\"id\": 17}";
        let zeros = [0; 64];
        for bytes in [&text[..], &zeros] {
            for window in bytes.windows(HEADER) {
                let frame = Frame::first_of(window).unwrap();
                assert!(!frame.is_sound(Direction::Response, LARGEST), "{frame:?}");
            }
        }
    }
}
