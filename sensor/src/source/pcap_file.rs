//! The classic pcap format: a file header, then records of a header and a frame.
//!
//! Source: draft-ietf-opsawg-pcap. Read are both byte orders, micro- and nanosecond times, and the variant with
//! longer record headers that old Linux systems wrote.

use reassembly::{LinkType, Packet, Timestamp};

use super::capture::Damage;
use super::window::Window;

/// Longest frame taken for real; libpcap allows no more either. A longer one means that the file is damaged
/// and that what follows cannot be found.
pub(super) const MAX_FRAME: u32 = 262_144;

const FILE_HEADER: usize = 24;

/// What the file header says of the records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    big_endian: bool,
    /// Nanoseconds in a unit of the sub-second field.
    unit_ns: u64,
    record_header: usize,
    link: LinkType,
    longest: u32,
}

impl Header {
    /// Whether a file that begins with these four bytes is of this format.
    pub(super) fn recognises(magic: [u8; 4]) -> bool {
        Self::from_magic(magic).is_some()
    }

    fn from_magic(magic: [u8; 4]) -> Option<Self> {
        let (big_endian, value) = match u32::from_be_bytes(magic) {
            value @ (0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34) => (true, value),
            value => (false, value.swap_bytes()),
        };
        let (unit_ns, record_header) = match value {
            0xa1b2_c3d4 => (1000, 16),
            0xa1b2_3c4d => (1, 16),
            0xa1b2_cd34 => (1000, 24),
            _ => return None,
        };
        Some(Self {
            big_endian,
            unit_ns,
            record_header,
            link: LinkType(0),
            longest: MAX_FRAME,
        })
    }

    /// Reads the file header; the caller has seen that [`Self::recognises`] it.
    pub(super) fn read(window: &mut Window) -> Result<Self, Damage> {
        if !window.need(FILE_HEADER)? {
            return Err(Damage::Cut {
                what: "the file header",
                end: window.end(),
            });
        }
        let bytes = window.take(FILE_HEADER);
        let magic = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let mut header = Self::from_magic(magic).ok_or(Damage::NotACapture)?;
        // The upper bits of the link type field tell of frame check sequences.
        header.link = LinkType(header.u32(bytes, 20) & 0xffff);
        let snaplen = header.u32(bytes, 16);
        if (MAX_FRAME..=16 * MAX_FRAME).contains(&snaplen) {
            header.longest = snaplen;
        }
        Ok(header)
    }

    #[inline]
    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        }
    }

    /// The next frame, numbered `frame`; `None` at the end of the file.
    #[inline]
    pub(super) fn next<'w>(&self, window: &'w mut Window, frame: u64) -> Result<Option<Packet<'w>>, Damage> {
        if !window.need(self.record_header)? {
            if window.bytes().is_empty() {
                return Ok(None);
            }
            return Err(Damage::Cut {
                what: "a record header",
                end: window.end(),
            });
        }
        let head = &window.bytes()[..self.record_header];
        let seconds = self.u32(head, 0);
        let fraction = self.u32(head, 4);
        let captured = self.u32(head, 8);
        let wire_len = self.u32(head, 12);
        if captured > self.longest {
            return Err(Damage::Absurd {
                what: "a frame",
                length: captured,
                limit: self.longest,
            });
        }
        let length = self.record_header + captured as usize;
        if !window.need(length)? {
            return Err(Damage::Cut {
                what: "a frame",
                end: window.end(),
            });
        }
        let data = &window.take(length)[self.record_header..];
        Ok(Some(Packet {
            ts: Timestamp(u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit_ns),
            link: self.link,
            data,
            wire_len,
            frame,
        }))
    }
}
