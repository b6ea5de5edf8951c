//! Capture files in pcap and pcapng, packed or not, sound or of any bytes: the same frames and the same complaint however
//! many bytes are read at once, what was written is read, and memory follows from the longest frame a capture may have.

use std::io::{self, Read, Write};

use arbitrary::Arbitrary;

use crate::memory::Account;

// The reader is a part of the binary, which no other crate can use.
#[path = "../../sensor/src/source"]
#[allow(dead_code, reason = "what the binary uses beside this")]
mod source {
    pub(crate) mod capture;
    mod pcap_file;
    mod pcapng;
    mod window;
}

use source::capture::{Capture, Piece};

/// A file and how it is read.
#[derive(Debug, Arbitrary)]
pub struct Input {
    format: Format,
    packing: Packing,
    /// Bytes read at once, and how many the system gives of them.
    read_size: u16,
    given: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Format {
    Pcap {
        magic: u8,
        snaplen: u32,
        link: u8,
        records: Vec<Record>,
    },
    Pcapng {
        sections: Vec<Section>,
    },
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Record {
    /// Whole.
    Frame {
        ts: u32,
        fraction: u32,
        more: u8,
        data: Vec<u8>,
    },
    /// Anything.
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Section {
    big_endian: bool,
    blocks: Vec<Block>,
}

#[derive(Debug, Arbitrary)]
enum Block {
    Interface {
        link: u8,
        snaplen: u32,
        options: Vec<u8>,
    },
    /// Of a kind that holds a frame.
    Frame {
        kind: u8,
        interface: u8,
        high: u32,
        low: u32,
        more: u8,
        data: Vec<u8>,
    },
    Secrets {
        kind: u8,
        log: Vec<u8>,
    },
    /// Any other, with its lengths right.
    Other {
        kind: u8,
        body: Vec<u8>,
    },
    /// Anything.
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Packing {
    None,
    Gzip,
    Zstd,
    /// Packed with gzip, or not, and cut off.
    Cut {
        gzip: bool,
        at: u16,
    },
    /// Packed, and changed.
    Changed {
        zstd: bool,
        at: u16,
        to: u8,
    },
}

/// A frame: time, link type, length on the wire, number, bytes. Or a key log.
type Seen = (u64, u32, u32, u64, Vec<u8>);

/// Gives as few bytes at once as it is told.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    given: Vec<u8>,
    turn: usize,
}

impl Read for Dribble {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self
            .given
            .get(self.turn % self.given.len().max(1))
            .map_or(usize::MAX, |n| usize::from(*n).max(1));
        self.turn += 1;
        let len = into.len().min(most).min(self.bytes.len() - self.at);
        into[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Format {
    /// The file, and what is in it while all of it was written whole.
    fn bytes(&self) -> (Vec<u8>, Option<Vec<Seen>>) {
        match self {
            Self::Bytes(bytes) => (bytes.clone(), None),
            Self::Pcap {
                magic,
                snaplen,
                link,
                records,
            } => {
                let kinds = [0xa1b2_c3d4_u32, 0xa1b2_3c4d, 0xa1b2_cd34];
                let (kind, big) = (usize::from(magic >> 1) % 3, magic & 1 == 1);
                let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
                let mut out = word(kinds[kind]).to_vec();
                out.extend([0; 12]);
                out.extend(word(*snaplen));
                out.extend(word(u32::from(*link)));
                let mut seen = Some(Vec::new());
                for record in records {
                    match record {
                        Record::Bytes(any) => {
                            seen = None;
                            out.extend(any);
                        }
                        Record::Frame {
                            ts,
                            fraction,
                            more,
                            data,
                        } => {
                            let wire = data.len() as u32 + u32::from(*more);
                            for n in [*ts, *fraction, data.len() as u32, wire] {
                                out.extend(word(n));
                            }
                            out.extend(&[0; 8][..if kind == 2 { 8 } else { 0 }]);
                            out.extend(data);
                            if let Some(seen) = &mut seen {
                                let unit = if kind == 1 { 1 } else { 1000 };
                                let ns = u64::from(*ts) * 1_000_000_000 + u64::from(*fraction) * unit;
                                seen.push((ns, u32::from(*link), wire, seen.len() as u64 + 1, data.clone()));
                            }
                        }
                    }
                }
                (out, seen)
            }
            Self::Pcapng { sections } => (sections.iter().flat_map(Section::bytes).collect(), None),
        }
    }
}

impl Section {
    fn bytes(&self) -> Vec<u8> {
        let word = |n: u32| {
            if self.big_endian {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let short = |n: u16| {
            if self.big_endian {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let block = |kind: u32, body: &[u8]| {
            let padded = body.len().next_multiple_of(4);
            let len = word(padded as u32 + 12);
            [&word(kind)[..], &len, body, &[0; 3][..padded - body.len()], &len].concat()
        };
        let mut out = block(
            0x0a0d_0d0a,
            &[&word(0x1a2b_3c4d)[..], &[1, 0, 0, 0], &[0xff; 8]].concat(),
        );
        for one in &self.blocks {
            out.extend(match one {
                Block::Bytes(any) => any.clone(),
                Block::Other { kind, body } => block(u32::from(*kind), body),
                Block::Interface {
                    link,
                    snaplen,
                    options,
                } => block(
                    1,
                    &[&short(u16::from(*link))[..], &[0; 2], &word(*snaplen), options].concat(),
                ),
                Block::Secrets { kind, log } => {
                    let kind = if *kind < 0xf0 {
                        0x544c_534b
                    } else {
                        u32::from(*kind)
                    };
                    block(10, &[&word(kind)[..], &word(log.len() as u32), log].concat())
                }
                Block::Frame {
                    kind,
                    interface,
                    high,
                    low,
                    more,
                    data,
                } => {
                    let (len, wire) = (
                        word(data.len() as u32),
                        word(data.len() as u32 + u32::from(*more)),
                    );
                    let place = if *interface < 0xf0 {
                        0
                    } else {
                        u32::from(*interface - 0xf0)
                    };
                    match kind % 3 {
                        0 => block(3, &[&wire[..], data].concat()),
                        1 => {
                            let head = [&short(place as u16)[..], &[0; 2]].concat();
                            block(
                                2,
                                &[&head[..], &word(*high), &word(*low), &len, &wire, data].concat(),
                            )
                        }
                        _ => block(
                            6,
                            &[&word(place)[..], &word(*high), &word(*low), &len, &wire, data].concat(),
                        ),
                    }
                }
            });
        }
        out
    }
}

impl Packing {
    fn apply(&self, bytes: Vec<u8>) -> Vec<u8> {
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        match self {
            Self::None => bytes,
            Self::Gzip => gzip(&bytes),
            Self::Zstd => zstd::encode_all(&bytes[..], 1).unwrap(),
            Self::Cut { gzip: packed, at } => {
                let mut whole = if *packed { gzip(&bytes) } else { bytes };
                whole.truncate(usize::from(*at));
                whole
            }
            Self::Changed { zstd, at, to } => {
                let mut whole = if *zstd {
                    zstd::encode_all(&bytes[..], 1).unwrap()
                } else {
                    gzip(&bytes)
                };
                let len = whole.len();
                whole[usize::from(*at) % len] = *to;
                whole
            }
        }
    }
}

/// What is in a file, and how it ends.
fn read(file: &[u8], read_size: usize, given: &[u8]) -> (Vec<Seen>, Option<String>) {
    let mut account = Account::default();
    let bounded = |account: &mut Account| {
        // Tables of the unpackers, interfaces by the bytes that describe them, and a frame that is begun.
        let most = (512 << 10) + 8 * file.len() + 4 * read_size;
        let (peak, large) = (account.peak(), account.large);
        assert!(peak <= most + (1 << 20), "{peak} bytes taken, and {most} allowed");
        assert!(large <= 16 << 20, "{large} bytes in large blocks");
    };
    let opened = account.charge(|| {
        let reader = Dribble {
            bytes: file.to_vec(),
            at: 0,
            given: given.to_vec(),
            turn: 0,
        };
        Capture::from_reader("f".into(), "hint".into(), Box::new(reader), read_size)
    });
    bounded(&mut account);
    let mut capture = match opened {
        Ok(capture) => capture,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let mut seen = Vec::new();
    loop {
        let next = account.charge(|| capture.next());
        let error = match next {
            Ok(Some(Piece::Packet(p))) => {
                seen.push((p.ts.0, p.link.0, p.wire_len, p.frame, p.data.to_vec()));
                None
            }
            Ok(Some(Piece::KeyLog(log))) => {
                seen.push((0, 0, 0, 0, log.to_vec()));
                None
            }
            Ok(None) => return (seen, None),
            Err(error) => Some(error.to_string()),
        };
        bounded(&mut account);
        if error.is_some() {
            return (seen, error);
        }
    }
}

/// The target.
pub fn check(input: &Input) {
    let (bytes, written) = input.format.bytes();
    let file = input.packing.apply(bytes);
    let whole = read(&file, 1 << 16, &[]);
    assert_eq!(whole, read(&file, 1 << 16, &[]), "the same file gave two answers");
    let pieces = read(&file, usize::from(input.read_size), &input.given);
    if matches!(input.packing, Packing::Changed { .. }) {
        // What an unpacker makes of damaged bytes before it finds out depends on how many it has.
        let both = whole.0.len().min(pieces.0.len());
        assert_eq!(
            whole.0[..both],
            pieces.0[..both],
            "the answer depends on how much is read at once"
        );
    } else {
        assert_eq!(whole, pieces, "the answer depends on how much is read at once");
    }
    if let Some(written) = written
        && matches!(input.packing, Packing::None | Packing::Gzip | Packing::Zstd)
    {
        assert_eq!(whole, (written, None), "what was written reads otherwise");
    }
}
