//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length follow one another in the order of their symbols, and come after those of
//! shorter lengths. So the lengths alone say everything.

use super::Malformed;

/// Length in bits of the code of each byte; the last is that of EOS, which no text may hold.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];

const LONGEST: usize = 30;
const EOS: u16 = 256;

/// The code turned round, for reading.
struct Codes {
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// Per length: the first code, how many there are, and where their symbols begin.
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [u16; LONGEST + 1],
    /// For each eight bits that hold a whole code: its length and its symbol; else length zero.
    short: [(u8, u8); 256],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes = Codes {
        symbols: [0; 257],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        start: [0; LONGEST + 1],
        short: [(0, 0); 256],
    };
    let (mut length, mut code, mut place) = (1, 0u32, 0);
    while length <= LONGEST {
        code <<= 1;
        codes.first[length] = code;
        codes.start[length] = place as u16;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                codes.symbols[place] = symbol as u16;
                place += 1;
                codes.count[length] += 1;
                if length <= 8 {
                    let from = (code << (8 - length)) as usize;
                    let mut fill = 0;
                    while fill < 1 << (8 - length) {
                        codes.short[from + fill] = (length as u8, symbol as u8);
                        fill += 1;
                    }
                }
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    codes
}

/// The first code of `window`, which begins at its highest bit: length and symbol.
fn next(window: u32) -> (u32, u16) {
    let (length, symbol) = CODES.short[(window >> 24) as usize];
    if length > 0 {
        return (u32::from(length), u16::from(symbol));
    }
    for length in 9..=LONGEST {
        let place = (window >> (32 - length)).wrapping_sub(CODES.first[length]);
        if place < CODES.count[length] {
            let symbol = CODES.symbols[CODES.start[length] as usize + place as usize];
            return (length as u32, symbol);
        }
    }
    // The code is complete: all ones is EOS.
    (LONGEST as u32, EOS)
}

/// Appends what `coded` stands for.
///
/// # Errors
///
/// When it holds EOS, or ends in anything but fewer than eight ones.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut bits, mut count) = (0u64, 0u32);
    let mut rest = coded.iter();
    loop {
        while count <= 48 {
            let Some(byte) = rest.next() else { break };
            bits = bits << 8 | u64::from(*byte);
            count += 8;
        }
        let window = if count >= 32 {
            (bits >> (count - 32)) as u32
        } else {
            // Ones behind the end, as a sender pads.
            ((bits << (32 - count)) as u32) | u32::MAX.checked_shr(count).unwrap_or(0)
        };
        let (length, symbol) = next(window);
        if length > count {
            return if count < 8 && window == u32::MAX {
                Ok(())
            } else {
                Err(Malformed)
            };
        }
        if symbol == EOS {
            return Err(Malformed);
        }
        out.push(symbol as u8);
        count -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(hex: &str) -> Result<String, Malformed> {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        let mut out = Vec::new();
        decode(&bytes, &mut out)?;
        Ok(out.iter().map(|b| *b as char).collect())
    }

    /// The examples of RFC 7541 appendix C.
    #[test]
    fn examples_of_the_rfc() {
        for (hex, want) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            ("6402", "302"),
            ("9bd9ab", "gzip"),
            ("", ""),
        ] {
            assert_eq!(text(hex).as_deref(), Ok(want), "{hex}");
        }
    }

    #[test]
    fn every_symbol_reads_back() {
        for byte in 0..=255u8 {
            let length = usize::from(LENGTHS[usize::from(byte)]);
            let place = CODES.symbols.iter().position(|s| *s == u16::from(byte)).unwrap();
            let code = CODES.first[length] + (place - CODES.start[length] as usize) as u32;
            // The code once, then ones.
            let bits = u64::from(code) << (64 - length) | u64::MAX >> length;
            let bytes = bits.to_be_bytes();
            let mut out = Vec::new();
            decode(&bytes[..length.div_ceil(8)], &mut out).unwrap();
            assert_eq!(out, [byte]);
        }
    }

    #[test]
    fn padding_is_ones_and_short() {
        for hex in [
            "ff",
            "ffffffff",
            "f1e3c2e5f23a6ba0ab90f4ffff",
            "f1e3c2e5f23a6ba0ab90f4fe",
            "00ffff",
        ] {
            assert_eq!(text(hex), Err(Malformed), "{hex}");
        }
    }
}
