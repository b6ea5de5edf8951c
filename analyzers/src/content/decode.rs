//! The forms in which programs may come to see one value that was sent.
//!
//! Between the wire and the interpreter stand a server, a framework and often a gateway, and each may take one layer of coding
//! off: `%27`, `%u0027` (IIS), `%2527` (decoded twice), `+`, overlong UTF-8 (RFC 3629 section 10: older decoders accept it),
//! fullwidth letters (best fit of Windows code pages), entities of HTML, escapes of JSON and JavaScript. A value is therefore
//! looked at as it was sent and after each further layer, a few times at most.

/// Layers taken off one value.
const LAYERS: usize = 3;

/// All forms of one value, from the least decoded on, each once. Buffers are used again for the next value.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    all: Vec<Vec<u8>>,
    count: usize,
}

impl Forms {
    /// The forms of a value; `plus` when `+` stands for a space in it.
    pub(crate) fn read(&mut self, raw: &[u8], plus: bool) -> &[Vec<u8>] {
        self.count = 0;
        let mut now = match self.all.first_mut() {
            Some(room) => std::mem::take(room),
            None => Vec::new(),
        };
        now.clear();
        now.reserve(raw.len());
        match raw.iter().any(|b| *b == b'%' || plus && *b == b'+') {
            true => percent(raw, plus, &mut now),
            false => now.extend_from_slice(raw),
        }
        // What the server itself takes off is the first form; what it leaves is for those behind it.
        self.push(folded(now));
        for _ in 1..=LAYERS {
            let last = &self.all[self.count - 1];
            if !is_coded(last) {
                break;
            }
            let mut next = Vec::with_capacity(last.len());
            percent(last, false, &mut next);
            let next = folded(escapes(&entities(&next)));
            if next == *last {
                break;
            }
            self.push(next);
        }
        &self.all[..self.count]
    }

    fn push(&mut self, form: Vec<u8>) {
        match self.all.get_mut(self.count) {
            Some(place) => *place = form,
            None => self.all.push(form),
        }
        self.count += 1;
    }
}

/// Whether a further layer may be on it.
fn is_coded(text: &[u8]) -> bool {
    let hex = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    text.iter().enumerate().any(|(at, byte)| match byte {
        b'%' => hex(at + 1) && hex(at + 2) || text.get(at + 1).is_some_and(|b| matches!(b, b'u' | b'U')),
        b'&' => text
            .get(at + 1)
            .is_some_and(|b| *b == b'#' || b.is_ascii_alphabetic()),
        b'\\' => text
            .get(at + 1)
            .is_some_and(|b| matches!(b, b'u' | b'x' | b'U' | b'X')),
        _ => false,
    })
}

fn hex(bytes: Option<&[u8]>) -> Option<u32> {
    bytes?
        .iter()
        .try_fold(0, |value, b| Some(value * 16 + char::from(*b).to_digit(16)?))
}

/// Takes `%41`, `%u0041` and, when asked, `+` off.
fn percent(text: &[u8], plus: bool, out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'%' => {
                if let Some(value) = hex(text.get(at + 1..at + 3)) {
                    out.push(value as u8);
                    at += 3;
                    continue;
                }
                if matches!(text.get(at + 1), Some(b'u' | b'U'))
                    && let Some(value) = hex(text.get(at + 2..at + 6))
                {
                    put(value, out);
                    at += 6;
                    continue;
                }
                out.push(b'%');
            }
            b'+' if plus => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
}

/// Appends a character.
fn put(code: u32, out: &mut Vec<u8>) {
    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Brings what some decoders take for ASCII into ASCII: overlong UTF-8, fullwidth forms, letters that best fit makes quotes and
/// slashes of.
fn folded(text: Vec<u8>) -> Vec<u8> {
    if text.is_ascii() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let low = |at: usize| {
        text.get(at)
            .filter(|b| (0x80..0xc0).contains(*b))
            .map(|b| u32::from(b & 0x3f))
    };
    while let Some(byte) = text.get(at) {
        let (code, length) = match byte {
            0xc0 | 0xc1 => (low(at + 1).map(|b| u32::from(byte & 1) << 6 | b), 2),
            // A decoder that does not check what follows takes the low bits as they are (`%c0%2f`).
            0xe0 => (low(at + 1).zip(low(at + 2)).map(|(a, b)| a << 6 | b), 3),
            0xf0 => (
                low(at + 1)
                    .zip(low(at + 2))
                    .zip(low(at + 3))
                    .map(|((a, b), c)| a << 12 | b << 6 | c),
                4,
            ),
            0xc2..=0xdf => (low(at + 1).map(|b| u32::from(byte & 0x1f) << 6 | b), 2),
            0xe1..=0xef => (
                low(at + 1)
                    .zip(low(at + 2))
                    .map(|(a, b)| u32::from(byte & 0xf) << 12 | a << 6 | b),
                3,
            ),
            _ => (None, 1),
        };
        let plain = match code {
            Some(code @ 0..=0x7f) => Some(code as u8),
            Some(code @ 0xff01..=0xff5e) => Some((code - 0xff01) as u8 + b'!'),
            // MODIFIER LETTER APOSTROPHE and PRIME; not the quotation marks that people type.
            Some(0x2b9 | 0x2bc | 0x2c8 | 0x2032) => Some(b'\''),
            Some(0x2215 | 0x2044) => Some(b'/'),
            Some(0x2216) => Some(b'\\'),
            Some(0xa0) => Some(b' '),
            _ => None,
        };
        match plain {
            Some(plain) => {
                out.push(plain);
                at += length;
            }
            None if byte == &0xc0 && text.get(at + 1).is_some_and(|b| matches!(b, b'/' | b'.' | b'\\')) => {
                out.push(text[at + 1]);
                at += 2;
            }
            None => {
                let length = if code.is_some() { length } else { 1 };
                out.extend_from_slice(&text[at..at + length]);
                at += length;
            }
        }
    }
    out
}

/// Takes entities of HTML off.
fn entities(text: &[u8]) -> Vec<u8> {
    const NAMED: [(&[u8], u8); 22] = [
        (b"lt", b'<'),
        (b"gt", b'>'),
        (b"amp", b'&'),
        (b"quot", b'"'),
        (b"apos", b'\''),
        (b"colon", b':'),
        (b"semi", b';'),
        (b"lpar", b'('),
        (b"rpar", b')'),
        (b"newline", b'\n'),
        (b"tab", b'\t'),
        (b"nbsp", b' '),
        (b"sol", b'/'),
        (b"bsol", b'\\'),
        (b"period", b'.'),
        (b"equals", b'='),
        (b"grave", b'`'),
        (b"lcub", b'{'),
        (b"rcub", b'}'),
        (b"dollar", b'$'),
        (b"num", b'#'),
        (b"vert", b'|'),
    ];
    if !text.contains(&b'&') {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'&' {
            out.push(*byte);
            continue;
        }
        let rest = &text[at..text.len().min(at + 12)];
        if let Some(number) = rest.strip_prefix(b"#") {
            let (radix, skip) = match number.first() {
                Some(b'x' | b'X') => (16, 1),
                _ => (10, 0),
            };
            let digits = number[skip..]
                .iter()
                .take_while(|b| char::from(**b).is_digit(radix))
                .count();
            let code = std::str::from_utf8(&number[skip..skip + digits])
                .ok()
                .and_then(|digits| u32::from_str_radix(digits, radix).ok());
            if let Some(code) = code {
                put(code, &mut out);
                at += 1 + skip + digits;
                at += usize::from(text.get(at) == Some(&b';'));
                continue;
            }
        } else if let Some(end) = rest.iter().position(|b| *b == b';')
            && let Some((_, plain)) = NAMED
                .iter()
                .find(|(name, _)| rest[..end].eq_ignore_ascii_case(name))
        {
            out.push(*plain);
            at += end + 1;
            continue;
        }
        out.push(b'&');
    }
    out
}

/// Takes `\u0041` and `\x41` off.
fn escapes(text: &[u8]) -> Vec<u8> {
    if !text.contains(&b'\\') {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let code = match (byte, text.get(at + 1)) {
            (b'\\', Some(b'u' | b'U')) => hex(text.get(at + 2..at + 6)).map(|code| (code, 6)),
            (b'\\', Some(b'x' | b'X')) => hex(text.get(at + 2..at + 4)).map(|code| (code, 4)),
            _ => None,
        };
        match code {
            Some((code, length)) => {
                put(code, &mut out);
                at += length;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// The characters of a string of JSON as it is written, escapes taken off.
pub(crate) fn json(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some(sign) = text.get(at) else { break };
        at += 1;
        match sign {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let Some(first) = hex(text.get(at..at + 4)) else {
                    continue;
                };
                at += 4;
                let second = match text.get(at..at + 2) {
                    Some(b"\\u") if (0xd800..0xdc00).contains(&first) => hex(text.get(at + 2..at + 6)),
                    _ => None,
                };
                match second.filter(|low| (0xdc00..0xe000).contains(low)) {
                    Some(low) => {
                        at += 6;
                        put(0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), &mut out);
                    }
                    None => put(first, &mut out),
                }
            }
            other => out.push(*other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &str) -> String {
        let mut forms = Forms::default();
        let all = forms.read(text.as_bytes(), true);
        String::from_utf8_lossy(&all[all.len() - 1]).into_owned()
    }

    #[test]
    fn every_layer_comes_off() {
        for (sent, meant) in [
            ("a%27+b", "a' b"),
            ("%2527", "'"),
            ("%25252e", "."),
            ("%u0027%uff1c", "'<"),
            ("%c0%ae%c0%ae%c0%af", "../"),
            ("%e0%80%ae", "."),
            ("%f0%80%80%ae", "."),
            ("..%c0%2f", "../"),
            ("＜script＞", "<script>"),
            ("&lt;a&#62;&#x27;&colon;&unknown; &", "<a>':&unknown; &"),
            (r"\u0027\x3c", "'<"),
            ("100%", "100%"),
            ("%zz%1", "%zz%1"),
            ("naïve ’quotes’ 東京", "naïve ’quotes’ 東京"),
        ] {
            assert_eq!(last(sent), meant, "{sent}");
        }
    }

    #[test]
    fn what_has_no_layer_has_one_form() {
        let mut forms = Forms::default();
        for text in ["plain", "a'b", "{{a}}", "100% & more", "a\\b"] {
            assert_eq!(
                forms.read(text.as_bytes(), false),
                [text.as_bytes().to_vec()],
                "{text}"
            );
        }
        assert_eq!(forms.read(b"%2527", false).len(), 2);
        assert_eq!(forms.read(b"%25252525252527", false).len(), 1 + LAYERS);
    }

    #[test]
    fn strings_of_json_are_read() {
        assert_eq!(
            json(br#"a\"\\\/\n\u0041\ud83d\ude00\ud800\"#),
            "a\"\\/\nA😀\u{fffd}".as_bytes()
        );
    }
}
