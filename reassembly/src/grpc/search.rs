//! Finds messages again in content of which bytes were lost: a prefix is not much to go by, so they are believed only where a
//! row of them ends with a frame of the sender.

use super::{COMPRESSED, PREFIX};

/// Messages with a payload that have to follow each other, and the last of them end with a frame, before framing is
/// believed again after a loss.
const ROW: u32 = 3;

/// The longest message that is believed in such a row; receivers refuse more than 4 MiB unless told otherwise.
const MAX_IN_ROW: u32 = 16 << 20;

/// The search for framing: from the beginning of a frame of the sender, messages are followed as if they were some.
#[derive(Default)]
pub(super) struct Search {
    /// What is left of the sender's frame.
    frame: u32,
    walk: Walk,
    /// Messages with a payload that followed each other.
    row: u32,
}

#[derive(Default)]
enum Walk {
    /// Waiting for the beginning of a frame.
    #[default]
    Nowhere,
    Prefix {
        buf: [u8; PREFIX],
        len: usize,
    },
    Payload(u32),
}

impl Walk {
    const START: Self = Self::Prefix {
        buf: [0; PREFIX],
        len: 0,
    };
}

impl Search {
    /// A frame of the sender begins.
    pub(super) fn frame(&mut self, len: u32) {
        self.frame = len;
        if matches!(self.walk, Walk::Nowhere) {
            self.walk = Walk::START;
            self.row = 0;
        }
    }

    /// Takes some of `bytes` and tells how many, and whether framing is found behind them.
    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        let used = match &mut self.walk {
            Walk::Nowhere => bytes.len(),
            Walk::Prefix { buf, len } => {
                let take = (PREFIX - *len).min(bytes.len());
                buf[*len..*len + take].copy_from_slice(&bytes[..take]);
                *len += take;
                if *len == PREFIX {
                    let [flags, length @ ..] = *buf;
                    self.walk = match u32::from_be_bytes(length) {
                        _ if flags & !COMPRESSED != 0 => Walk::Nowhere,
                        0 => Walk::START,
                        length if length > MAX_IN_ROW => Walk::Nowhere,
                        length => Walk::Payload(length),
                    };
                }
                take
            }
            Walk::Payload(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u32;
                if *left == 0 {
                    self.row += 1;
                    self.walk = Walk::START;
                }
                take
            }
        };
        self.frame = self.frame.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        let at_start = matches!(self.walk, Walk::Prefix { len: 0, .. });
        (used, at_start && self.frame == 0 && self.row >= ROW)
    }
}
