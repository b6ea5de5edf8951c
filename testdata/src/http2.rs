//! HTTP/2 as it lies on the wire: frames (RFC 9113 section 4.1), and the integers and texts that header blocks are made of
//! (RFC 7541 section 5). What is done with a table of fields is for each encoder to know.

/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Type of a frame with a piece of a body.
pub const DATA: u8 = 0;
/// Type of a frame with a header block.
pub const HEADERS: u8 = 1;
/// Type of a frame that gives a stream up.
pub const RST_STREAM: u8 = 3;
/// Type of a frame with settings.
pub const SETTINGS: u8 = 4;
/// Type of a frame with a request that the server makes itself.
pub const PUSH_PROMISE: u8 = 5;
/// Type of a frame that asks whether the other side is there.
pub const PING: u8 = 6;
/// Type of a frame that allows the other side to send more.
pub const WINDOW_UPDATE: u8 = 8;
/// Type of a frame with more of a header block.
pub const CONTINUATION: u8 = 9;

/// Flag: the sender has no more for this stream.
pub const END_STREAM: u8 = 1;
/// Flag: the header block ends.
pub const END_HEADERS: u8 = 4;
/// Flag: there is padding.
pub const PADDED: u8 = 8;
/// Flag: there is a priority.
pub const PRIORITY: u8 = 0x20;

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// An integer whose first byte has `bits` for it, below what else that byte tells (RFC 7541 section 5.1).
pub fn integer(first: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(0x80 | (rest % 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}

/// A text as it is (RFC 7541 section 5.2).
pub fn text(bytes: &[u8], out: &mut Vec<u8>) {
    integer(0, 7, bytes.len(), out);
    out.extend(bytes);
}

/// A field with its name. `first` tells what becomes of it: 0x00 stays out of the table, 0x40 goes into it (RFC 7541
/// section 6.2).
#[must_use]
pub fn field(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    text(name, &mut out);
    text(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7541, appendices C.1 and C.2.1.
    #[test]
    fn integers_and_fields_are_those_of_the_rfc() {
        let written = |first, bits, value| {
            let mut out = Vec::new();
            integer(first, bits, value, &mut out);
            out
        };
        assert_eq!(written(0, 5, 10), [10]);
        assert_eq!(written(0, 5, 1337), [31, 154, 10]);
        assert_eq!(written(0, 8, 42), [42]);
        assert_eq!(
            field(0x40, b"custom-key", b"custom-header"),
            b"\x40\x0acustom-key\x0dcustom-header"
        );
        assert_eq!(
            frame(PING, 1, 0, b"12345678"),
            b"\0\0\x08\x06\x01\0\0\0\x0012345678"
        );
    }
}
