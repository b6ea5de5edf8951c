//! The pcapng format: blocks, of which some describe interfaces and some hold frames.
//!
//! Source: draft-ietf-opsawg-pcapng. Read are any number of sections and interfaces, enhanced, simple and
//! obsolete packet blocks, each interface's own link type, time resolution and time offset, and key logs of TLS in
//! decryption secrets blocks.

use reassembly::{LinkType, Packet, Timestamp};

use super::capture::{Damage, Piece};
use super::pcap_file::MAX_FRAME;
use super::window::Window;

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

/// A decryption secrets block whose content is a key log of TLS: `TLSK`.
const TLS_KEY_LOG: u32 = 0x544c_534b;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// Longest block that is read into memory: a frame with many options. Longer blocks of other types are
/// passed over.
const MAX_BLOCK: u32 = 4 * MAX_FRAME;
/// Interfaces kept of one section; a real capture has a handful.
const MAX_INTERFACES: usize = 65_536;

/// How an interface counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    /// Units of 10^-n seconds.
    Decimal(u8),
    /// Units of 2^-n seconds.
    Binary(u8),
}

impl Resolution {
    fn nanoseconds(self, units: u64) -> u64 {
        let exact = match self {
            Self::Decimal(n @ 0..=9) => u128::from(units) * 10_u128.pow(9 - u32::from(n)),
            // Beyond 10^28 a 64-bit count is less than a nanosecond.
            Self::Decimal(n @ 10..=28) => u128::from(units) / 10_u128.pow(u32::from(n) - 9),
            Self::Decimal(_) => 0,
            Self::Binary(n) => (u128::from(units) * 1_000_000_000)
                .checked_shr(u32::from(n))
                .unwrap_or(0),
        };
        u64::try_from(exact).unwrap_or(u64::MAX)
    }
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    resolution: Resolution,
    offset_seconds: i64,
}

impl Interface {
    fn time(&self, high: u32, low: u32) -> Timestamp {
        let units = u64::from(high) << 32 | u64::from(low);
        let since = i128::from(self.resolution.nanoseconds(units));
        let moved = since + i128::from(self.offset_seconds) * 1_000_000_000;
        Timestamp(u64::try_from(moved.max(0)).unwrap_or(u64::MAX))
    }
}

/// Where the reader is: byte order and interfaces of the current section.
#[derive(Debug, Default)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Time of the last frame; simple packet blocks have none of their own.
    last: Timestamp,
    /// Where the block begins that is being read.
    at: u64,
}

impl Section {
    #[inline]
    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let raw = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        }
    }

    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let raw = [bytes[at], bytes[at + 1]];
        if self.big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        }
    }

    /// Where the block begins that was read last.
    pub(super) fn block_at(&self) -> u64 {
        self.at
    }

    /// The next frame, numbered `frame`, or a key log; `None` at the end of the file.
    pub(super) fn next<'w>(
        &mut self,
        window: &'w mut Window,
        frame: u64,
    ) -> Result<Option<Piece<'w>>, Damage> {
        // The frame is described first and borrowed last, so that the loop may go on using the window.
        let (link, ts, wire_len, block, from, captured) = loop {
            self.at = window.offset();
            if !window.need(12)? {
                if window.bytes().is_empty() {
                    return Ok(None);
                }
                return Err(Damage::Cut {
                    what: "a block header",
                    end: window.end(),
                });
            }
            let head = &window.bytes()[..12];
            let kind = self.u32(head, 0);
            // The type of a section header reads the same in both byte orders; its body says which one holds.
            if kind == SECTION {
                self.begin(head)?;
            }
            let head = &window.bytes()[..12];
            let length = self.u32(head, 4);
            if length < 12 || !length.is_multiple_of(4) {
                return Err(Damage::BadLength {
                    what: "a block",
                    length,
                });
            }
            if !matches!(
                kind,
                INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET | DECRYPTION_SECRETS
            ) {
                if !window.skip(u64::from(length))? {
                    return Err(Damage::Cut {
                        what: "a block",
                        end: window.end(),
                    });
                }
                continue;
            }
            if length > MAX_BLOCK {
                return Err(Damage::Absurd {
                    what: "a block",
                    length,
                    limit: MAX_BLOCK,
                });
            }
            let block = length as usize;
            if !window.need(block)? {
                return Err(Damage::Cut {
                    what: match kind {
                        INTERFACE | DECRYPTION_SECRETS => "a block",
                        _ => "a frame",
                    },
                    end: window.end(),
                });
            }
            let bytes = &window.bytes()[..block];
            if self.u32(bytes, block - 4) != length {
                return Err(Damage::BadLength {
                    what: "the end of a block",
                    length: self.u32(bytes, block - 4),
                });
            }
            let body = &bytes[8..block - 4];
            if kind == INTERFACE {
                let interface = self.interface(body)?;
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Damage::Malformed {
                        what: "a section has more than 65536 interfaces",
                    });
                }
                self.interfaces.push(interface);
                window.consume(block);
                continue;
            }
            if kind == DECRYPTION_SECRETS {
                let secrets = self.secrets(body)?;
                let Some(length) = secrets else {
                    window.consume(block);
                    continue;
                };
                return Ok(Some(Piece::KeyLog(&window.take(block)[16..16 + length])));
            }
            let (ts, link, wire_len, from, captured) = self.frame(kind, body)?;
            self.last = ts;
            break (link, ts, wire_len, block, from + 8, captured);
        };
        let data = &window.take(block)[from..from + captured];
        Ok(Some(Piece::Packet(Packet {
            ts,
            link,
            data,
            wire_len,
            frame,
        })))
    }

    /// The length of the key log in a decryption secrets block; `None` when it holds secrets of another kind.
    fn secrets(&self, body: &[u8]) -> Result<Option<usize>, Damage> {
        if body.len() < 8 {
            return Err(Damage::Malformed {
                what: "a decryption secrets block is too short",
            });
        }
        let length = self.u32(body, 4) as usize;
        if length > body.len() - 8 {
            return Err(Damage::Malformed {
                what: "secrets are longer than their block",
            });
        }
        Ok((self.u32(body, 0) == TLS_KEY_LOG).then_some(length))
    }

    /// Begins a section: byte order from the header, no interfaces yet.
    fn begin(&mut self, head: &[u8]) -> Result<(), Damage> {
        let raw = [head[8], head[9], head[10], head[11]];
        self.big_endian = match (u32::from_be_bytes(raw), u32::from_le_bytes(raw)) {
            (BYTE_ORDER_MAGIC, _) => true,
            (_, BYTE_ORDER_MAGIC) => false,
            _ => {
                return Err(Damage::Malformed {
                    what: "a section header has no byte order mark",
                });
            }
        };
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&self, body: &[u8]) -> Result<Interface, Damage> {
        if body.len() < 8 {
            return Err(Damage::Malformed {
                what: "an interface block is too short",
            });
        }
        let mut interface = Interface {
            link: LinkType(u32::from(self.u16(body, 0))),
            snaplen: self.u32(body, 4),
            resolution: Resolution::Decimal(6),
            offset_seconds: 0,
        };
        let mut options = &body[8..];
        while options.len() >= 4 {
            let (code, length) = (self.u16(options, 0), usize::from(self.u16(options, 2)));
            let Some(value) = options.get(4..4 + length) else {
                return Err(Damage::Malformed {
                    what: "an interface option runs past its block",
                });
            };
            match (code, value) {
                (0, _) => break,
                (OPTION_TIME_RESOLUTION, [n, ..]) if n & 0x80 == 0 => {
                    interface.resolution = Resolution::Decimal(*n);
                }
                (OPTION_TIME_RESOLUTION, [n, ..]) => interface.resolution = Resolution::Binary(n & 0x7f),
                (OPTION_TIME_OFFSET, value) if value.len() == 8 => {
                    let (a, b) = (self.u32(value, 0), self.u32(value, 4));
                    let (high, low) = if self.big_endian { (a, b) } else { (b, a) };
                    interface.offset_seconds = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        Ok(interface)
    }

    /// Time, link type, length on the wire, and place and length in the body of a packet block's frame.
    fn frame(&self, kind: u32, body: &[u8]) -> Result<(Timestamp, LinkType, u32, usize, usize), Damage> {
        let fixed = if kind == SIMPLE_PACKET { 4 } else { 20 };
        if body.len() < fixed {
            return Err(Damage::Malformed {
                what: "a packet block is too short",
            });
        }
        let number = match kind {
            SIMPLE_PACKET => 0,
            OBSOLETE_PACKET => usize::from(self.u16(body, 0)),
            _ => self.u32(body, 0) as usize,
        };
        let Some(interface) = self.interfaces.get(number) else {
            return Err(Damage::Malformed {
                what: "a packet block names an interface that is not described",
            });
        };
        let (ts, captured, wire_len) = if kind == SIMPLE_PACKET {
            let wire_len = self.u32(body, 0);
            let room = u32::try_from(body.len() - fixed).unwrap_or(u32::MAX);
            let cut = if interface.snaplen == 0 {
                u32::MAX
            } else {
                interface.snaplen
            };
            (self.last, wire_len.min(cut).min(room), wire_len)
        } else {
            let ts = interface.time(self.u32(body, 4), self.u32(body, 8));
            (ts, self.u32(body, 12), self.u32(body, 16))
        };
        if captured > MAX_FRAME {
            return Err(Damage::Absurd {
                what: "a frame",
                length: captured,
                limit: MAX_FRAME,
            });
        }
        let captured = captured as usize;
        if captured > body.len() - fixed {
            return Err(Damage::Malformed {
                what: "a frame is longer than its block",
            });
        }
        Ok((ts, interface.link, wire_len, fixed, captured))
    }
}

#[cfg(test)]
mod tests {
    use super::Resolution;

    #[test]
    fn every_time_resolution_comes_out_in_nanoseconds() {
        let check = |resolution: Resolution, units: u64, want: u64| {
            assert_eq!(resolution.nanoseconds(units), want, "{resolution:?} of {units}");
        };
        check(Resolution::Decimal(6), 1_500_000, 1_500_000_000);
        check(Resolution::Decimal(9), 7, 7);
        check(Resolution::Decimal(0), 3, 3_000_000_000);
        check(Resolution::Decimal(12), 5_000, 5);
        check(Resolution::Decimal(127), u64::MAX, 0);
        check(Resolution::Binary(10), 1024, 1_000_000_000);
        check(Resolution::Binary(127), u64::MAX, 0);
        check(Resolution::Decimal(0), u64::MAX, u64::MAX);
    }
}
