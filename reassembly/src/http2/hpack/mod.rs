//! HPACK (RFC 7541): the fields of header blocks, also for one who was not there from the beginning.
//!
//! Sender and receiver of a direction keep a table of fields sent lately, and refer to it by number, the newest first. A
//! sensor that joins midway, or has lost a part, does not know the table as it was. But numbers are counted from the
//! newest field: those inserted since are known by theirs, and whatever lies behind them is unknown and given out as
//! such until it has been pushed out. Nothing is guessed.
//!
//! For the same reason the size of the table need not be known exactly: one that is kept longer than the sender keeps it
//! is never referred to, and one given up earlier is unknown.

mod fixed;
mod huffman;

use std::collections::VecDeque;

use fixed::FIXED;

/// What a field takes in the table beside its bytes (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;

/// Size of the table before its sender says otherwise.
const DEFAULT_SIZE: usize = 4096;

/// Largest table kept, whatever its sender says.
const LARGEST: usize = 64 << 10;

/// Bytes that break RFC 7541; the block and the table are lost with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A field of a block. What was referred to and is not known is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Its sender wants it in no table, on no hop: it is a secret (RFC 7541 section 7.1.3).
    pub(crate) sensitive: bool,
}

/// A field in the table: both texts in one allocation.
#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    /// Length of the name; absent when the name is unknown.
    name: Option<u32>,
}

impl Entry {
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }

    fn name(&self) -> Option<&[u8]> {
        self.name.and_then(|len| self.text.get(..len as usize))
    }

    fn value(&self) -> Option<&[u8]> {
        self.text.get(self.name.unwrap_or(0) as usize..)
    }
}

/// The decoder of one direction.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Newest first.
    table: VecDeque<Entry>,
    size: usize,
    largest: usize,
    /// The table holds all that its sender's does.
    whole: bool,
    /// No field of the block was read yet: here alone the table may change its size (RFC 7541 section 4.2).
    begins: bool,
    /// Fields given out with something unknown.
    pub(crate) unknown: u64,
    /// Bytes of the longest field that is read, as it lies in a block; longer ones are passed over.
    pub(crate) longest: usize,
    /// Fields passed over.
    pub(crate) passed: u64,
    /// Room for texts.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// `whole` tells that nothing was sent before.
    pub(crate) fn new(whole: bool) -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            largest: if whole { DEFAULT_SIZE } else { LARGEST },
            whole,
            begins: true,
            unknown: 0,
            longest: usize::MAX,
            passed: 0,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// A part of a block was lost: what it inserted, and with it the number of every field before, is unknown.
    pub(crate) fn lost(&mut self) {
        self.table.clear();
        self.size = 0;
        self.largest = LARGEST;
        self.whole = false;
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.size + self.table.capacity() * size_of::<Entry>() + self.name.capacity() + self.value.capacity()
    }

    /// The next bytes begin a block.
    pub(crate) fn begin(&mut self) {
        self.begins = true;
    }

    /// Reads the fields that are whole in `block`, and says how many bytes they took; what is left has to be given again,
    /// with what follows it.
    ///
    /// # Errors
    ///
    /// When the bytes are no block.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>),
    ) -> Result<usize, Malformed> {
        let mut rest = Reader { bytes: block, at: 0 };
        loop {
            let from = rest.at;
            match self.field(&mut rest, &mut each) {
                Ok(true) => {}
                Ok(false) => return Ok(rest.at),
                Err(Stop::Short) => return Ok(from),
                Err(Stop::Malformed) => {
                    self.lost();
                    return Err(Malformed);
                }
            }
        }
    }

    /// One representation (RFC 7541 section 6); false at the end.
    fn field(&mut self, rest: &mut Reader<'_>, each: &mut impl FnMut(Field<'_>)) -> Result<bool, Stop> {
        let Some(&first) = rest.bytes.get(rest.at) else {
            return Ok(false);
        };
        if first & 0xe0 == 0x20 {
            let size = rest.number(5)?;
            if !self.begins {
                return Err(Stop::Malformed);
            }
            self.resize(size);
            return Ok(true);
        }
        if first & 0x80 != 0 {
            let index = rest.number(7)?;
            self.begins = false;
            return self.indexed(index, each).map(|()| true);
        }
        let (from, there) = (rest.at, rest.bytes.len() - rest.at);
        if there > self.longest {
            // Among many fields that come at once there may be a long one.
            match Extent::of(&rest.bytes[from..=from + self.longest]) {
                Some(Extent { len, .. }) if len <= self.longest => {}
                Some(Extent { len, .. }) if len <= there => {
                    self.pass(&rest.bytes[from..]);
                    rest.at += len;
                    return Ok(true);
                }
                Some(_) | None => return Err(Stop::Short),
            }
        }
        let (bits, insert) = if first & 0x40 != 0 { (6, true) } else { (4, false) };
        let index = rest.number(bits)?;
        // Both texts are there before anything is worked on: a field that comes in pieces is looked at again and again.
        let coded_name = if index == 0 { Some(rest.text()?) } else { None };
        let coded_value = rest.text()?;
        self.begins = false;
        self.name.clear();
        self.value.clear();
        let known = match coded_name {
            Some(coded) => {
                coded.decode(&mut self.name)?;
                true
            }
            None => self.name_of(index)?,
        };
        coded_value.decode(&mut self.value)?;
        self.unknown += u64::from(!known);
        each(Field {
            name: known.then_some(&self.name[..]),
            value: Some(&self.value),
            sensitive: first & 0xf0 == 0x10,
        });
        if insert {
            self.insert(known);
        }
        Ok(true)
    }

    fn indexed(&mut self, index: usize, each: &mut impl FnMut(Field<'_>)) -> Result<(), Stop> {
        let (name, value) = match index.checked_sub(1) {
            None => return Err(Stop::Malformed),
            Some(place) if place < FIXED.len() => {
                let (name, value) = FIXED[place];
                (Some(name.as_bytes()), Some(value.as_bytes()))
            }
            Some(place) => match self.table.get(place - FIXED.len()) {
                Some(entry) => (entry.name(), entry.value()),
                None if self.whole => return Err(Stop::Malformed),
                None => (None, None),
            },
        };
        self.unknown += u64::from(name.is_none());
        each(Field {
            name,
            value,
            sensitive: false,
        });
        Ok(())
    }

    /// Puts the name with this number into `name`; false when it is unknown.
    fn name_of(&mut self, index: usize) -> Result<bool, Stop> {
        let place = index - 1;
        let name = match FIXED.get(place) {
            Some((name, _)) => Some(name.as_bytes()),
            None => match self.table.get(place - FIXED.len()) {
                Some(entry) => entry.name(),
                None if self.whole => return Err(Stop::Malformed),
                None => None,
            },
        };
        if let Some(name) = name {
            self.name.extend_from_slice(name);
        }
        Ok(name.is_some())
    }

    /// Inserts the field in `name` and `value` (RFC 7541 section 4.4).
    fn insert(&mut self, known: bool) {
        let size = self.name.len() + self.value.len() + OVERHEAD;
        self.evict(self.largest.saturating_sub(size));
        if size > self.largest {
            return;
        }
        let mut text = Vec::with_capacity(self.name.len() + self.value.len());
        text.extend_from_slice(&self.name);
        text.extend_from_slice(&self.value);
        self.table.push_front(Entry {
            text: text.into_boxed_slice(),
            name: known.then_some(self.name.len() as u32),
        });
        self.size += size;
    }

    /// Passes over the field that `begun` begins, which is longer than is read: does to the table what it does, and tells how
    /// long it is. Nothing where its lengths are too far behind for that.
    pub(crate) fn pass(&mut self, begun: &[u8]) -> Option<usize> {
        // So that the answer does not depend on how much there is of it.
        let begun = begun.get(..=self.longest).unwrap_or(begun);
        let Extent { len, least, insert } = Extent::of(begun)?;
        self.begins = false;
        self.passed += 1;
        if insert && self.whole && least > self.largest {
            // One that has no room in the table empties it (RFC 7541 section 4.4).
            self.evict(0);
        } else if insert {
            self.lost();
        }
        Some(len)
    }

    fn resize(&mut self, size: usize) {
        // A larger one than is kept has fields that are not known.
        self.whole &= size <= LARGEST;
        self.largest = size.min(LARGEST);
        self.evict(self.largest);
    }

    fn evict(&mut self, most: usize) {
        while self.size > most {
            let Some(oldest) = self.table.pop_back() else {
                break;
            };
            self.size -= oldest.size();
        }
    }
}

/// How long a field with texts is, without reading it.
struct Extent {
    /// Bytes of the block.
    len: usize,
    /// What it takes in the table at least.
    least: usize,
    insert: bool,
}

impl Extent {
    /// Of the field that these bytes begin; nothing where they do not tell.
    fn of(begun: &[u8]) -> Option<Self> {
        let (bits, insert) = match begun.first()? {
            0x40..=0x7f => (6, true),
            0x00..=0x1f => (4, false),
            // The others have no text.
            _ => return None,
        };
        // No code is longer than 30 bits (RFC 7541 appendix B).
        let least_of = |len: usize, huffman: bool| if huffman { len / 30 * 8 } else { len };
        let mut rest = Reader { bytes: begun, at: 0 };
        let mut least = OVERHEAD;
        if rest.number(bits).ok()? == 0 {
            let name = rest.text().ok()?;
            least += least_of(name.bytes.len(), name.huffman);
        }
        let huffman = rest.bytes.get(rest.at)? & 0x80 != 0;
        let value = rest.number(7).ok()?;
        Some(Self {
            len: rest.at.saturating_add(value),
            least: least + least_of(value, huffman),
            insert,
        })
    }
}

/// Why reading a field ended before its end.
enum Stop {
    /// The block goes on elsewhere.
    Short,
    Malformed,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A text as it lies in a block.
struct Coded<'a> {
    bytes: &'a [u8],
    huffman: bool,
}

impl Coded<'_> {
    fn decode(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        if self.huffman {
            return huffman::decode(self.bytes, out);
        }
        out.extend_from_slice(self.bytes);
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::Short)?;
        self.at += 1;
        Ok(byte)
    }

    /// A number whose first byte has room for it in its last `bits` bits (RFC 7541 section 5.1).
    fn number(&mut self, bits: u32) -> Result<usize, Stop> {
        let most = (1 << bits) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Ok(number);
        }
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number = number.saturating_add(usize::from(byte & 0x7f) << shift);
            if byte & 0x80 == 0 {
                return if number <= u32::MAX as usize {
                    Ok(number)
                } else {
                    Err(Stop::Malformed)
                };
            }
        }
        Err(Stop::Malformed)
    }

    /// A text (RFC 7541 section 5.2).
    fn text(&mut self) -> Result<Coded<'a>, Stop> {
        let huffman = self.bytes.get(self.at).is_some_and(|b| b & 0x80 != 0);
        let len = self.number(7)?;
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|b| b.get(..len))
            .ok_or(Stop::Short)?;
        self.at += len;
        Ok(Coded { bytes, huffman })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
            .collect()
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Result<String, Malformed> {
        let mut text = String::new();
        let part = |part: Option<&[u8]>| part.map_or("?".into(), |p| String::from_utf8_lossy(p).into_owned());
        decoder.begin();
        let used = decoder.decode(block, |field| {
            text.push_str(&format!("{}: {}\n", part(field.name), part(field.value)));
        })?;
        assert_eq!(used, block.len());
        Ok(text)
    }

    #[test]
    fn a_field_that_is_not_read_is_passed_over() {
        let field = |first: u8, huffman: u8, len: usize| {
            let mut out = vec![first, 1, b'x', 0x7f | huffman];
            let mut rest = len - 127;
            while rest >= 128 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
            out
        };
        let known = bytes("400161 0162");
        let refers = bytes("be");
        for (name, first, huffman, len, after) in [
            ("into no table", 0x00, 0, 100_000, Ok("a: b\n")),
            ("never", 0x10, 0x80, 100_000, Ok("a: b\n")),
            // It empties the table, so that a reference to it is one to nothing.
            ("no room for it", 0x40, 0, 100_000, Err(Malformed)),
            (
                "no room for it, in Huffman code",
                0x40,
                0x80,
                100_000,
                Err(Malformed),
            ),
            // It may have gone in, and nobody knows what it is.
            ("room for it", 0x40, 0x80, 10_000, Ok("?: ?\n")),
        ] {
            let mut decoder = Decoder::new(true);
            assert_eq!(read(&mut decoder, &known).as_deref(), Ok("a: b\n"));
            decoder.begin();
            let mut begun = field(first, huffman, len);
            let head = begun.len();
            for short in 0..head {
                let mut other = Decoder::new(true);
                assert_eq!(other.pass(&begun[..short]), None, "{name}, {short} bytes");
            }
            begun.resize(head + 500, b'y');
            assert_eq!(decoder.pass(&begun), Some(head + len), "{name}");
            assert_eq!(read(&mut decoder, &refers).as_deref(), after.as_deref(), "{name}");
        }
        assert_eq!(Decoder::new(true).pass(&[0x82]), None);
        // Among others, in one piece and in two.
        let mut long = field(0x00, 0, 1_000);
        long.resize(long.len() + 1_000, b'y');
        let block = [&known[..], &long, &refers].concat();
        for cut in 0..=block.len() {
            let mut decoder = Decoder::new(true);
            (decoder.longest, decoder.begins) = (600, true);
            let mut seen = Vec::new();
            let mut take = |field: Field<'_>| seen.push(field.name.map(<[u8]>::to_vec));
            let mut at = decoder.decode(&block[..cut], &mut take).unwrap();
            if cut - at > 600 {
                at += decoder.pass(&block[at..cut]).unwrap();
            }
            at += decoder.decode(&block[at..], &mut take).unwrap();
            assert_eq!(at, block.len(), "cut at {cut}");
            assert_eq!(
                (seen, decoder.passed),
                (vec![Some(b"a".to_vec()); 2], 1),
                "cut at {cut}"
            );
        }
    }

    /// RFC 7541 appendices C.3 to C.6: three blocks each, with and without Huffman code, with eviction.
    #[test]
    fn examples_of_the_rfc() {
        let requests = [
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
            ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n",
        ];
        let responses = [
            ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
            ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
            ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n\
             content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
        ];
        let plain = [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ];
        let huffman = [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ];
        let answers = [
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f\
             3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ];
        for (blocks, want, size) in [
            (plain, requests, None),
            (huffman, requests, None),
            (answers, responses, Some(256)),
        ] {
            let mut decoder = Decoder::new(true);
            if let Some(size) = size {
                decoder.resize(size);
            }
            for (block, want) in blocks.iter().zip(want) {
                assert_eq!(read(&mut decoder, &bytes(block)).as_deref(), Ok(want));
            }
            assert_eq!(decoder.unknown, 0);
        }
    }

    /// Joined after the first block of C.3: what it inserted is unknown, what comes later is known by its number.
    #[test]
    fn one_who_joins_midway_knows_what_was_inserted_since() {
        let mut decoder = Decoder::new(false);
        let text = read(&mut decoder, &bytes("828684be58086e6f2d6361636865")).unwrap();
        assert_eq!(
            text,
            ":method: GET\n:scheme: http\n:path: /\n?: ?\ncache-control: no-cache\n"
        );
        assert_eq!(decoder.unknown, 1);
        let text = read(&mut decoder, &bytes("828785be bf")).unwrap();
        assert!(text.ends_with("cache-control: no-cache\n?: ?\n"), "{text}");
        // A name that is unknown, with a value that is not; and the field it makes.
        let text = read(&mut decoder, &bytes("7f00 0161 be bf")).unwrap();
        assert_eq!(text, "?: a\n?: a\ncache-control: no-cache\n");
        decoder.lost();
        assert_eq!(read(&mut decoder, &bytes("be")).unwrap(), "?: ?\n");
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        for hex in [
            "80",              // index 0
            "be",              // beyond a table that is known whole
            "82 3f e11f",      // a size in the middle of a block
            "ff ffffffffff7f", // a number beyond all bounds
            "40 81ff 00",      // Huffman code that is none
        ] {
            assert_eq!(
                read(&mut Decoder::new(true), &bytes(hex)),
                Err(Malformed),
                "{hex}"
            );
        }
    }

    #[test]
    fn a_block_may_come_byte_by_byte() {
        let block = bytes(
            "3f81808001 828684418cf1e3c2e5f23a6ba0ab90f4ff be 408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        );
        let mut whole = Decoder::new(true);
        let want = read(&mut whole, &block).unwrap();
        let mut decoder = Decoder::new(true);
        let (mut held, mut got) = (Vec::new(), String::new());
        for byte in block {
            held.push(byte);
            let used = decoder
                .decode(&held, |f| {
                    let part = |p: Option<&[u8]>| String::from_utf8_lossy(p.unwrap()).into_owned();
                    got.push_str(&format!("{}: {}\n", part(f.name), part(f.value)));
                })
                .unwrap();
            held.drain(..used);
        }
        assert_eq!(got, want);
    }

    #[test]
    fn the_table_stays_within_its_size() {
        let mut decoder = Decoder::new(true);
        for n in 0..2_000u32 {
            let value = format!("{n:0>100}");
            let mut block = vec![0x40, 1, b'x', value.len() as u8];
            block.extend_from_slice(value.as_bytes());
            read(&mut decoder, &block).unwrap();
            assert!(decoder.size <= DEFAULT_SIZE && decoder.weight() < 4 * DEFAULT_SIZE);
        }
        // A field larger than the table empties it.
        let mut block = vec![
            0x40,
            1,
            b'x',
            0x7f,
            0x80 + (5000u32 - 127) as u8 % 128,
            ((5000 - 127) / 128) as u8,
        ];
        block[4] = 0x80 | ((5000 - 127) % 128) as u8;
        block.extend_from_slice(&[b'y'; 5000]);
        read(&mut decoder, &block).unwrap();
        assert_eq!((decoder.size, decoder.table.len()), (0, 0));
    }
}
