//! Frame headers (RFC 6455 section 5.2).

use crate::part::Direction;

/// The longest header: two bytes, a length of eight, a masking key of four.
pub(super) const MAX_HEADER: usize = 14;

/// The most that a control frame carries (RFC 6455 section 5.5).
const MAX_CONTROL: u64 = 125;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame header whose frame can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// RSV1: the message is compressed (RFC 7692 section 6).
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) payload: u64,
    /// Bytes of the header itself.
    pub(super) len: usize,
    /// Its mask and the form of its length are as they must be.
    pub(super) proper: bool,
}

/// What the beginning of a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More bytes must be seen, that many in all.
    Short(usize),
    /// No frame begins so.
    Unsound,
    Header(Header),
}

/// Which of the reserved bits may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    /// None.
    Clear,
    /// RSV1 of the first frame of a message (RFC 7692 section 6).
    Deflate,
    /// Any: an extension was negotiated that is not known here.
    Any,
}

/// Reads a header from the bytes at which a frame begins. A header that breaks a rule of form only (the client masks, the
/// server does not, section 5.1; lengths take the fewest bytes, section 5.2) is not [`Header::proper`].
pub(super) fn parse(bytes: &[u8], direction: Direction, reserved: Reserved) -> Parsed {
    let Some(&first) = bytes.first() else {
        return Parsed::Short(2);
    };
    let fin = first & 0x80 != 0;
    let opcode = match first & 0x0f {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        // Reserved for further frames; receivers fail the connection.
        _ => return Parsed::Unsound,
    };
    let starts_message = matches!(opcode, Opcode::Text | Opcode::Binary);
    let allowed = match reserved {
        Reserved::Clear => 0,
        Reserved::Deflate if starts_message => 0x40,
        Reserved::Deflate => 0,
        Reserved::Any => 0x70,
    };
    if first & 0x70 & !allowed != 0 || (opcode.is_control() && !fin) {
        return Parsed::Unsound;
    }
    let Some(&second) = bytes.get(1) else {
        return Parsed::Short(2);
    };
    let short = u64::from(second & 0x7f);
    if opcode.is_control() && short > MAX_CONTROL {
        return Parsed::Unsound;
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let masked = second & 0x80 != 0;
    let len = 2 + extended + if masked { 4 } else { 0 };
    let Some(header) = bytes.get(..len) else {
        return Parsed::Short(len);
    };
    let (length, key) = header[2..].split_at(extended);
    let number = length.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let (payload, fewest) = match extended {
        2 => (number, number > MAX_CONTROL),
        8 => (number, number > 0xffff),
        _ => (short, true),
    };
    if payload >> 63 != 0 {
        return Parsed::Unsound;
    }
    Parsed::Header(Header {
        fin,
        compressed: first & 0x40 != 0 && reserved == Reserved::Deflate,
        opcode,
        mask: key.try_into().ok(),
        payload,
        len,
        proper: fewest && masked == (direction == Direction::ToServer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_rfc() {
        // RFC 6455 section 5.7.
        let header = |bytes: &[u8], direction| match parse(bytes, direction, Reserved::Clear) {
            Parsed::Header(header) => header,
            other => panic!("{other:?}"),
        };
        let hello = header(&[0x81, 0x05, 0x48], Direction::ToClient);
        assert_eq!(
            (hello.fin, hello.opcode, hello.payload, hello.len),
            (true, Opcode::Text, 5, 2)
        );
        assert!(hello.proper && hello.mask.is_none());
        let masked = header(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f], Direction::ToServer);
        assert_eq!(masked.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
        assert!(masked.proper);
        let long = header(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], Direction::ToClient);
        assert_eq!((long.payload, long.len, long.proper), (65_536, 10, true));
    }

    #[test]
    fn what_no_frame_begins_with() {
        let is = |bytes: &[u8], reserved, want| {
            assert_eq!(parse(bytes, Direction::ToClient, reserved), want, "{bytes:?}");
        };
        for first in [0x83, 0x87, 0x8b, 0x8f, 0xc1, 0xa1, 0x91, 0x09] {
            is(&[first, 0], Reserved::Clear, Parsed::Unsound);
        }
        is(&[0xc0, 0], Reserved::Deflate, Parsed::Unsound);
        is(&[0xc9, 0], Reserved::Deflate, Parsed::Unsound);
        is(&[0x89, 126], Reserved::Clear, Parsed::Unsound);
        is(
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
            Reserved::Clear,
            Parsed::Unsound,
        );
        is(&[0x82, 127], Reserved::Clear, Parsed::Short(10));
        let proper = |bytes: &[u8], direction| matches!(parse(bytes, direction, Reserved::Clear), Parsed::Header(h) if h.proper);
        assert!(
            !proper(&[0x81, 126, 0, 125], Direction::ToClient),
            "two bytes for 125"
        );
        assert!(proper(&[0x81, 126, 0, 126], Direction::ToClient));
        assert!(!proper(
            &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            Direction::ToClient
        ));
        assert!(
            !proper(&[0x81, 1], Direction::ToServer),
            "a client that does not mask"
        );
        assert!(
            !proper(&[0x81, 0x81, 0, 0, 0, 0], Direction::ToClient),
            "a server that masks"
        );
    }
}
