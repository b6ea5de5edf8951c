//! gzip bodies small enough to be gathered and unpacked in one go, which takes half the time of unpacking them as they
//! come.
//!
//! Only what is one whole member with nothing behind it is read here, and only where that is certain: everything else is
//! left to the streaming decoder, so that what a body unpacks to never depends on the way it came.

use libdeflater::Decompressor;
use memchr::memmem;

/// Bytes gathered of a body; of a longer one nothing is.
pub(crate) const MOST: usize = 64 << 10;

/// What a gathered body may unpack to.
const UNPACKED: usize = 256 << 10;

/// Checksum and size behind the deflate stream (RFC 1952 section 2.3.1).
const TRAILER: usize = 8;

/// What unpacks gathered bodies, one after the other.
pub(crate) struct Unpacker {
    decompressor: Decompressor,
    out: Vec<u8>,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self {
            decompressor: Decompressor::new(),
            out: Vec::new(),
        }
    }
}

impl Unpacker {
    /// The content of `wire`, if that is one gzip member of no more than `limit` bytes unpacked.
    pub(crate) fn unpack(&mut self, wire: &[u8], limit: u64) -> Option<&[u8]> {
        let (before, trailer) = wire.split_last_chunk::<TRAILER>()?;
        let [c0, c1, c2, c3, size @ ..] = *trailer;
        let size = usize::try_from(u32::from_le_bytes(size)).ok()?;
        if size == 0 || size > UNPACKED || size as u64 > limit {
            return None;
        }
        // The decoder does not tell where the member ends. It ends with this checksum and size, so it ends here if they
        // are nowhere in front.
        if memmem::find(&wire[..wire.len() - 1], trailer).is_some() || before.is_empty() {
            return None;
        }
        if self.out.len() < size {
            self.out.resize(size, 0);
        }
        let out = &mut self.out[..size];
        let made = self.decompressor.gzip_decompress(wire, out).ok()?;
        let sum = u32::from_le_bytes([c0, c1, c2, c3]);
        (made == size && libdeflater::crc32(out) == sum).then_some(&*out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut wire = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        wire.write_all(text).unwrap();
        wire.finish().unwrap()
    }

    #[test]
    fn one_whole_member_is_unpacked_and_nothing_else() {
        let mut unpacker = Unpacker::default();
        let text = b"some text, some text, some other text";
        let wire = gzip(text);
        assert_eq!(unpacker.unpack(&wire, 1000), Some(&text[..]));
        assert_eq!(
            unpacker.unpack(&wire, text.len() as u64 - 1),
            None,
            "over the limit"
        );
        for cut in 0..wire.len() {
            assert_eq!(unpacker.unpack(&wire[..cut], 1000), None, "cut at {cut}");
        }
        let mut padded = wire.clone();
        padded.push(0);
        assert_eq!(unpacker.unpack(&padded, 1000), None, "something behind");
        assert_eq!(
            unpacker.unpack(&[&wire[..], &wire].concat(), 1000),
            None,
            "twice the same"
        );
        let other = gzip(b"another, of another size");
        assert_eq!(unpacker.unpack(&[&wire[..], &other].concat(), 1000), None, "two");
        let mut empty = gzip(b"");
        empty.extend(&wire);
        assert_eq!(unpacker.unpack(&empty, 1000), None, "behind one of nothing");
        let mut wrong = wire.clone();
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        assert_eq!(unpacker.unpack(&wrong, 1000), None, "a wrong checksum");
    }

    #[test]
    fn a_member_of_another_text_with_the_same_trailer_is_no_way_to_hide_it() {
        // Behind the first member, as it were, one whose checksum and size were made the same.
        let first = gzip(b"what is to be seen");
        let mut second = gzip(b"what is to be done");
        let at = second.len() - TRAILER;
        second.splice(at.., first[first.len() - TRAILER..].iter().copied());
        let wire = [first, second].concat();
        assert_eq!(Unpacker::default().unpack(&wire, 1000), None);
    }
}
