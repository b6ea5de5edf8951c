//! JSON written straight into a byte buffer, for the one record that is written hundreds of thousands of times
//! a second.

use std::io::Write as _;
use std::net::SocketAddr;

/// A number.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A string in quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text.as_bytes());
    out.push(b'"');
}

/// The inside of a string: RFC 8259 section 7 asks for escapes of the quote, the backslash and control
/// characters, and leaves all else as it is.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// `"ip:port"`, an IPv6 address in brackets.
pub(crate) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    out.push(b'"');
    match address {
        SocketAddr::V4(v4) => {
            for (i, octet) in v4.ip().octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                number(out, u64::from(octet));
            }
            out.push(b':');
            number(out, u64::from(v4.port()));
        }
        // A Vec takes every byte.
        SocketAddr::V6(v6) => drop(write!(out, "[{}]:{}", v6.ip(), v6.port())),
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{address, number, string};

    #[test]
    fn strings_read_back_as_they_were() {
        let every: String = (0..0x250)
            .filter_map(char::from_u32)
            .chain("日本😀".chars())
            .collect();
        for text in ["", "plain", "a\"b\\c", &every] {
            let mut out = Vec::new();
            string(&mut out, text);
            let back: String = serde_json::from_slice(&out).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn numbers_and_addresses_have_their_usual_form() {
        let mut out = Vec::new();
        for value in [0, 7, 10, u64::MAX] {
            number(&mut out, value);
            out.push(b' ');
        }
        address(&mut out, "10.0.200.3:80".parse().unwrap());
        address(&mut out, "[2001:db8::1]:65535".parse().unwrap());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0 7 10 18446744073709551615 \"10.0.200.3:80\"\"[2001:db8::1]:65535\""
        );
    }
}
