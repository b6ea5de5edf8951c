//! Finding frames again: where bytes were lost, or in a flow that was joined midway.

use crate::http1::connection::Direction;

use super::frame::{Frame, HEADER};

/// Frames in a row that are believed. Bytes that are none pass for one in ten thousand million tries, and then would
/// have to be followed by another.
const BELIEVED: usize = 2;

/// Where in `buf` frames begin: two in a row that a sender could send. Places before `scanned` were ruled out; it is
/// moved on.
pub(super) fn frames(buf: &[u8], scanned: &mut usize, direction: Direction, largest: u32) -> Option<usize> {
    while *scanned + HEADER <= buf.len() {
        let mut at = *scanned;
        let mut found = 0;
        while found < BELIEVED {
            match buf.get(at..).and_then(Frame::first_of) {
                Some(frame) if frame.is_sound(direction, largest) => {
                    at += HEADER + frame.len as usize;
                    found += 1;
                }
                Some(_) => break,
                // What follows will tell.
                None => return None,
            }
        }
        if found == BELIEVED {
            return Some(*scanned);
        }
        *scanned += 1;
    }
    None
}

/// Whether a flow that was joined midway carries frames: the bytes of a packet are some, and end where one does, or
/// there are several.
pub(crate) fn looks_like(bytes: &[u8], direction: Direction) -> bool {
    let (mut at, mut found) = (0, 0);
    while let Some(frame) = bytes.get(at..).and_then(Frame::first_of) {
        if !frame.is_sound(direction, super::frame::LARGEST) {
            return false;
        }
        at += HEADER + frame.len as usize;
        found += 1;
    }
    found >= BELIEVED || (found == 1 && at == bytes.len())
}
