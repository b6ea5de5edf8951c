//! Header blocks of HPACK: fields written by a small encoder read back, also for one who joins midway and knows nothing
//! of what was inserted before; any bytes at all are read within bounds, and the same however the block is cut.

use arbitrary::Arbitrary;

use crate::memory::Account;

// The decoder is private to `reassembly`, which has no need to show it to anybody else.
#[path = "../../reassembly/src/http2/hpack/mod.rs"]
#[allow(dead_code, reason = "what `reassembly` uses beside this")]
mod hpack;

#[path = "../../testdata/src/http2.rs"]
#[allow(dead_code, reason = "what tests use beside this")]
mod http2;

use hpack::{Decoder, Field};
use http2::integer;

/// Blocks in the order sent, each with the cuts in which it comes.
#[derive(Debug, Arbitrary)]
pub struct Input {
    blocks: Vec<Block>,
    /// The block with which one joins who was not there before.
    join: u8,
}

#[derive(Debug, Arbitrary)]
struct Block {
    parts: Vec<Part>,
    cuts: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Part {
    /// A field as an encoder writes it that refers to the table where it can; `how` chooses among what it may do.
    Field { how: u8, name: u8, value: u8 },
    /// A field of a text of its own.
    Text { how: u8, name: Vec<u8>, value: Vec<u8> },
    /// An entry of the table, whatever it is.
    Index { from_oldest: u8 },
    /// An entry behind the oldest.
    Beyond { by: u8 },
    /// The size of the table, where a block begins.
    Size { by_64: u8 },
    /// Anything.
    Bytes(Vec<u8>),
}

/// Name, value; unknown ones are absent. Whether its sender wants it in no table.
type Seen = (Option<Vec<u8>>, Option<Vec<u8>>, bool);

/// A table as RFC 7541 section 2.3 has it, kept whole; the oldest first. Written for this, without a look at the decoder.
struct Encoder {
    table: Vec<(Vec<u8>, Vec<u8>)>,
    room: usize,
}

/// The first names of the fixed table that the encoder refers to (RFC 7541 appendix A), and their numbers.
const FIXED: [(usize, &[u8], &[u8]); 5] = [
    (2, b":method", b"GET"),
    (4, b":path", b"/"),
    (8, b":status", b"200"),
    (31, b"content-type", b""),
    (61, b"www-authenticate", b""),
];

/// Codes of a few bytes (RFC 7541 appendix B): bits and their number.
const HUFFMAN: [(u8, u32, u32); 8] = [
    (b'0', 0x0, 5),
    (b'a', 0x3, 5),
    (b'e', 0x5, 5),
    (b'x', 0x79, 7),
    (b'/', 0x18, 6),
    (b'-', 0x16, 6),
    (0, 0x1ff8, 13),
    (b'\n', 0x3fff_fffc, 30),
];

impl Encoder {
    fn new() -> Self {
        Self {
            table: Vec::new(),
            room: 4096,
        }
    }

    fn evict(&mut self, most: usize) {
        let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len() + 32;
        while self.table.iter().map(size).sum::<usize>() > most {
            self.table.remove(0);
        }
    }

    fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + 32;
        self.evict(self.room.saturating_sub(size));
        if size <= self.room {
            self.table.push((name.to_vec(), value.to_vec()));
        }
    }

    /// The number of an entry of the table, by its place from the oldest.
    fn number(&self, place: usize) -> usize {
        61 + self.table.len() - place
    }

    /// Writes a field, in one of the ways in which it may be.
    fn field(&mut self, how: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Seen {
        let seen = |sensitive| (Some(name.to_vec()), Some(value.to_vec()), sensitive);
        let refers = how & 8 == 0;
        let whole = self
            .table
            .iter()
            .rposition(|(n, v)| n == name && v == value)
            .map(|at| self.number(at));
        let fixed = FIXED
            .iter()
            .find(|(_, n, v)| *n == name && *v == value)
            .map(|(number, ..)| *number);
        if let Some(number) = whole.or(fixed).filter(|_| refers) {
            integer(0x80, 7, number, out);
            return seen(false);
        }
        let named = self
            .table
            .iter()
            .rposition(|(n, _)| n == name)
            .map(|at| self.number(at));
        let fixed = FIXED
            .iter()
            .find(|(_, n, _)| *n == name)
            .map(|(number, ..)| *number);
        let name_at = named.or(fixed).filter(|_| refers).unwrap_or(0);
        let (first, bits) = [(0x40, 6), (0x40, 6), (0x00, 4), (0x10, 4)][usize::from(how & 3)];
        integer(first, bits, name_at, out);
        if name_at == 0 {
            text(name, how & 4 != 0, out);
        }
        text(value, how & 16 != 0, out);
        if first == 0x40 {
            self.insert(name, value);
        }
        seen(first == 0x10)
    }
}

/// RFC 7541 section 5.2; in Huffman code where the small table here has all of it.
fn text(bytes: &[u8], huffman: bool, out: &mut Vec<u8>) {
    let codes: Option<Vec<_>> = bytes
        .iter()
        .map(|b| HUFFMAN.iter().find(|(of, ..)| of == b))
        .collect();
    let Some(codes) = codes.filter(|_| huffman) else {
        integer(0, 7, bytes.len(), out);
        out.extend(bytes);
        return;
    };
    let mut bits: Vec<bool> = Vec::new();
    for (_, code, len) in codes {
        bits.extend((0..*len).rev().map(|bit| code >> bit & 1 == 1));
    }
    while bits.len() % 8 != 0 {
        bits.push(true);
    }
    integer(0x80, 7, bits.len() / 8, out);
    out.extend(
        bits.chunks(8)
            .map(|byte| byte.iter().fold(0, |n, bit| n << 1 | u8::from(*bit))),
    );
}

/// What a block must be read as by one who was there from the beginning.
enum Wanted {
    Fields(Vec<Seen>),
    Refused,
    /// Something came that no encoder writes.
    Anything,
}

/// Blocks as bytes, with what is in them.
fn blocks(input: &Input) -> Vec<(Vec<u8>, Wanted)> {
    let names: [&[u8]; 6] = [
        b":method",
        b":path",
        b":status",
        b"content-type",
        b"www-authenticate",
        b"a",
    ];
    let values: [&[u8]; 5] = [b"GET", b"/", b"200", b"", b"a-0/xe"];
    let mut encoder = Encoder::new();
    let (mut out, mut sound) = (Vec::new(), true);
    for block in &input.blocks {
        let (mut bytes, mut fields, mut refused) = (Vec::new(), Vec::new(), false);
        for (number, part) in block.parts.iter().enumerate() {
            match part {
                Part::Field { how, name, value } => {
                    let (name, value) = (names[usize::from(*name) % 6], values[usize::from(*value) % 5]);
                    fields.push(encoder.field(*how, name, value, &mut bytes));
                }
                Part::Text { how, name, value } => fields.push(encoder.field(*how, name, value, &mut bytes)),
                Part::Index { from_oldest } if !encoder.table.is_empty() => {
                    let place = usize::from(*from_oldest) % encoder.table.len();
                    let (name, value) = encoder.table[place].clone();
                    integer(0x80, 7, encoder.number(place), &mut bytes);
                    fields.push((Some(name), Some(value), false));
                }
                Part::Size { by_64 } if number == 0 => {
                    encoder.room = usize::from(*by_64) * 64;
                    encoder.evict(encoder.room);
                    integer(0x20, 5, encoder.room, &mut bytes);
                }
                Part::Beyond { by } => {
                    let number = 62 + encoder.table.len() + usize::from(*by);
                    integer(0x80, 7, number, &mut bytes);
                    // Nothing before it was wrong.
                    refused |= sound;
                    sound = false;
                }
                Part::Index { .. } | Part::Size { .. } => {}
                Part::Bytes(any) => {
                    sound = false;
                    bytes.extend(any);
                }
            }
        }
        out.push((
            bytes,
            match (sound, refused) {
                (true, _) => Wanted::Fields(fields),
                (false, true) => Wanted::Refused,
                (false, false) => Wanted::Anything,
            },
        ));
    }
    out
}

/// Reads blocks; `None` for one that cannot be read.
fn read(blocks: &[(&[u8], &[u8])], whole: bool) -> Vec<Option<Vec<Seen>>> {
    let mut account = Account::default();
    let mut decoder = Decoder::new(whole);
    let mut answers = Vec::new();
    for (block, cuts) in blocks {
        decoder.begin();
        let (mut seen, mut unknown, before) = (Vec::new(), 0, decoder.unknown);
        let (mut at, mut held, mut broken) = (0, 0, false);
        let mut cuts = cuts.iter().cycle();
        while at < block.len() && !broken {
            at = cuts.next().map_or(block.len(), |len| {
                (at + usize::from(*len).max(1)).min(block.len())
            });
            // Kept apart from what the decoder takes.
            let mut fields: Vec<Seen> = Vec::with_capacity(at - held);
            let result = account.charge(|| {
                decoder.decode(
                    &block[held..at],
                    |Field {
                         name,
                         value,
                         sensitive,
                     }| {
                        fields.push((name.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec), sensitive));
                    },
                )
            });
            let copied = |seen: &[Seen]| {
                seen.iter()
                    .flat_map(|(n, v, _)| [n, v])
                    .flatten()
                    .map(Vec::capacity)
                    .sum::<usize>()
            };
            account.held -= copied(&fields);
            unknown += fields.iter().filter(|(name, ..)| name.is_none()).count() as u64;
            seen.extend(fields);
            match result {
                Ok(used) => held += used,
                Err(_) => broken = true,
            }
            let (held, most) = (account.held, 1024 + 2 * decoder.weight());
            assert!(held <= most, "{held} bytes held, and {most} allowed");
            // The largest table, its links, and room for two texts that may be as long as the block in Huffman code.
            assert!(
                decoder.weight() <= (64 << 10) * 3 + 8 * block.len() + 1024,
                "{} bytes weighed",
                decoder.weight()
            );
        }
        assert_eq!(
            decoder.unknown - before,
            unknown,
            "what is unknown is not counted"
        );
        broken |= held < block.len();
        if held < block.len() {
            account.charge(|| decoder.lost());
        }
        answers.push((!broken).then_some(seen));
    }
    answers
}

/// The target.
pub fn check(input: &Input) {
    let made = blocks(input);
    let whole: Vec<_> = made.iter().map(|(bytes, _)| (&bytes[..], &[][..])).collect();
    let cut: Vec<_> = made
        .iter()
        .zip(&input.blocks)
        .map(|((bytes, _), block)| (&bytes[..], &block.cuts[..]))
        .collect();
    let answer = read(&whole, true);
    assert_eq!(answer, read(&whole, true), "the same blocks gave two answers");
    assert_eq!(answer, read(&cut, true), "the answer depends on the cuts");
    for ((_, wanted), read) in made.iter().zip(&answer) {
        match wanted {
            Wanted::Fields(fields) => {
                assert_eq!(read.as_ref(), Some(fields), "what was written reads otherwise")
            }
            Wanted::Refused => assert_eq!(*read, None, "what is not in the table is read"),
            Wanted::Anything => {}
        }
    }
    // One who joins midway knows less, and nothing else.
    let join = usize::from(input.join).min(made.len());
    let later = read(&whole[join..], false);
    assert_eq!(later, read(&cut[join..], false), "the answer depends on the cuts");
    for ((_, fields), read) in made[join..].iter().zip(&later) {
        let Wanted::Fields(fields) = fields else { break };
        let Some(read) = read else {
            panic!("a sound block is not read midway")
        };
        assert_eq!(read.len(), fields.len(), "a field is missing, or one too many");
        for (found, (name, value, sensitive)) in read.iter().zip(fields) {
            assert!(found.0.is_none() || found.0 == *name, "another name: {found:?}");
            assert!(found.1.is_none() || found.1 == *value, "another value: {found:?}");
            assert_eq!(found.2, *sensitive);
        }
    }
}
