//! The header with which a load balancer begins a connection to tell whom it speaks for: the PROXY protocol of HAProxy
//! (`proxy-protocol.txt`, versions 1 and 2). What comes behind it is the connection that it was put in front of.
//!
//! Knows where the header ends; leaves the rest to whom it concerns.

/// The longest header of version 1, with its line end (section 2.1).
const LONGEST_V1: usize = 107;

/// The longest header of version 2 that is waited for. It may have 65,551 bytes; with addresses of either family and
/// everything that senders add (names, checksums, facts about TLS) it has some hundred.
const LONGEST_V2: usize = 4096;

/// What a header of version 2 begins with (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// No such header.
    Other,
    /// It may be one; more of it will tell.
    Short,
    /// A header of so many bytes.
    Header(usize),
}

/// Tells what the first bytes of a client are.
pub(crate) fn begins(bytes: &[u8]) -> Beginning {
    match bytes.first() {
        Some(b'P') => version_1(bytes),
        Some(b'\r') => version_2(bytes),
        _ => Beginning::Other,
    }
}

/// Whether both agree as far as they go.
fn agree(bytes: &[u8], with: &[u8]) -> bool {
    let len = bytes.len().min(with.len());
    bytes[..len] == with[..len]
}

/// `PROXY TCP4 192.0.2.1 198.51.100.2 40000 443` and a line end.
fn version_1(bytes: &[u8]) -> Beginning {
    let families = [&b"PROXY TCP4 "[..], b"PROXY TCP6 ", b"PROXY UNKNOWN"];
    if !families.iter().any(|family| agree(bytes, family)) {
        return Beginning::Other;
    }
    let line = &bytes[..bytes.len().min(LONGEST_V1)];
    match memchr::memchr(b'\n', line) {
        Some(end) if line[..end].ends_with(b"\r") => Beginning::Header(end + 1),
        None if bytes.len() < LONGEST_V1 => Beginning::Short,
        _ => Beginning::Other,
    }
}

/// The signature, version and command, family, and the length of what follows.
fn version_2(bytes: &[u8]) -> Beginning {
    const FIXED: usize = SIGNATURE.len() + 4;
    if !agree(bytes, &SIGNATURE) {
        return Beginning::Other;
    }
    let Some(header) = bytes.first_chunk::<FIXED>() else {
        return Beginning::Short;
    };
    // Version 2 and one of two commands: for itself, or for another.
    if !matches!(header[12], 0x20 | 0x21) {
        return Beginning::Other;
    }
    let end = FIXED + usize::from(u16::from_be_bytes([header[14], header[15]]));
    match bytes.len() {
        _ if end > LONGEST_V2 => Beginning::Other,
        len if len < end => Beginning::Short,
        _ => Beginning::Header(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_versions_are_known_by_any_beginning() {
        let mut v2 = [&SIGNATURE[..], &[0x21, 0x11, 0, 15]].concat();
        v2.extend([192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 1, 0xbb, 4, 0, 0]);
        for header in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"[..],
            b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n",
            b"PROXY UNKNOWN\r\n",
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            &v2,
        ] {
            let whole = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
            for cut in 1..whole.len() {
                let wanted = if cut < header.len() {
                    Beginning::Short
                } else {
                    Beginning::Header(header.len())
                };
                assert_eq!(begins(&whole[..cut]), wanted, "{cut} bytes of {header:?}");
            }
        }
    }

    #[test]
    fn what_is_none_is_told_from_them_soon() {
        for other in [
            &b"POST / HTTP/1.1\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PROXY TCP4 no line end within the longest header\n",
            b"PROXY / HTTP/1.1\r\n",
            b"\r\nGET / HTTP/1.1\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x41\x11\0\x0c",
            b"\x16\x03\x01",
        ] {
            assert_eq!(begins(other), Beginning::Other, "{other:?}");
        }
        let endless = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        assert_eq!(begins(&endless), Beginning::Other);
        let long = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
        assert_eq!(begins(&long), Beginning::Other);
    }
}
