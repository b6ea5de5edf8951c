//! Frames of a decrypted Initial packet (RFC 9000 section 12.4).
//!
//! Knows the few that may stand in one and where each ends; gives out what CRYPTO frames carry.

use super::packet::Cursor;

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const ACK_ECN: u8 = 0x03;
const CRYPTO: u8 = 0x06;

/// CRYPTO frames of one packet that are taken. Clients that cut a hello up on purpose send about ten.
const MAX_CRYPTO: usize = 64;

/// Ranges of one acknowledgment that are read over.
const MAX_RANGES: u64 = 256;

/// Gives each piece of the handshake to `take`, with its place. Stops at the first frame that may not stand there.
pub(super) fn crypto(payload: &[u8], mut take: impl FnMut(u64, &[u8])) {
    let mut at = Cursor(payload);
    let mut pieces = 0;
    while pieces < MAX_CRYPTO {
        match frame(&mut at) {
            Some(Some((offset, bytes))) => {
                pieces += 1;
                take(offset, bytes);
            }
            Some(None) => {}
            None => return,
        }
    }
}

/// One frame, with what it carries of the handshake.
fn frame<'a>(at: &mut Cursor<'a>) -> Option<Option<(u64, &'a [u8])>> {
    match at.u8()? {
        PADDING | PING => {}
        kind @ (ACK | ACK_ECN) => {
            at.number()?;
            at.number()?;
            let ranges = at.number()?;
            at.number()?;
            if ranges > MAX_RANGES {
                return None;
            }
            for _ in 0..ranges * 2 {
                at.number()?;
            }
            if kind == ACK_ECN {
                for _ in 0..3 {
                    at.number()?;
                }
            }
        }
        CRYPTO => {
            let offset = at.number()?;
            let len = usize::try_from(at.number()?).ok()?;
            return Some(Some((offset, at.bytes(len)?)));
        }
        _ => return None,
    }
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_given_out_up_to_what_may_not_stand_there() {
        let payload = [
            &[PADDING, PING][..],
            &[CRYPTO, 0x40, 5, 2, b'a', b'b'],
            &[ACK, 7, 0, 1, 2, 3, 4],
            &[ACK_ECN, 7, 0, 0, 2, 1, 1, 1],
            &[CRYPTO, 0, 1, b'c'],
            // STREAM.
            &[0x08, 0, 1],
            &[CRYPTO, 0, 1, b'd'],
        ]
        .concat();
        let mut seen = Vec::new();
        crypto(&payload, |offset, bytes| seen.push((offset, bytes.to_vec())));
        assert_eq!(seen, [(5, b"ab".to_vec()), (0, b"c".to_vec())]);
        for end in 0..payload.len() {
            crypto(&payload[..end], |_, _| {});
        }
    }
}
