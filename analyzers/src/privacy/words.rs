//! Whether letters are words, or only letters.
//!
//! A route is made of words, a secret of letters drawn at random, and the two differ in which letters follow
//! one another. [`LIKELY`] says of each pair how much likelier it is in words than by chance; summed over a
//! text, that is the logarithm of the odds that it is wording. Words here are those of English, German,
//! French, Spanish, Italian, Dutch, Polish, Portuguese and of program sources, so `getUserById` and
//! `geschaeftsvorfaelle` pass and `xqzvbnkt` does not. Five letters say too little to be judged by themselves;
//! `tests` measures how often longer ones are judged wrongly.

/// Pairs of letters: a row for the letter before, a column for the letter. `m` is as likely in words as by chance,
/// each letter of the alphabet further is a factor of the square root of two; `a` and `s` are the ends of the scale.
const LIKELY: [[u8; 26]; 27] = [
    *b"omonnmllmhjmnmlognpnlklgei", // the start
    *b"imonfjlgmgipnpemdpopllhgih", // a
    *b"qmjhqggfpifqhgpgaomioedame", // b
    *b"qglgpfhqodnmhgqhdmkomgdcjj", // c
    *b"piilsiifqffliipidnmimhjeii", // d
    *b"mjmokkkglghnmqhkgrqnijikgi", // e
    *b"phjkppierbeohipibommncfcid", // f
    *b"pgghsglmobenjmoicpnjnefchd", // g
    *b"rhgirfffqaflkjqhdmknmciakd", // h
    *b"njomplmbehhnmrokflpogldgal", // i
    *b"sfkkrjgdmcmfklpjafnhphjabj", // j
    *b"pjijrhhiqfjnhlpiamommfjaid", // k
    *b"qiilrhhhqaipihpjbglmmhebnd", // l
    *b"qmhhrgfdqafimhqpcgmimdcbjb", // m
    *b"ohnppkqhpejiglngehoqkjfbig", // n
    *b"jknmjjlfjejonrlmdqomnkngfh", // o
    *b"phkiqiglobfohhpnaqmmmggdia", // p
    *b"hhgjiffbiaaoghgigijjseeaaa", // q
    *b"qjklrhjfpbjjlkpjdlnnligajj", // r
    *b"nhohqhimpckkkimnhhprmhibjj", // s
    *b"pgjhrhfmqefkihoiapnmmehflg", // t
    *b"mmmlnllfnihonqimappoffggbh", // u
    *b"rfhgshgeqabiigoidjihhgbdda", // v
    *b"rhjjqhelqaikinoibmnjjdeene", // w
    *b"ojokplhkpadklhlqgjkqkjgljd", // x
    *b"mmokmjkgmjknpolpalqnhgmedl", // y
    *b"rhkisfhepdjjjlohbghjnekanm", // z
];

/// The row of the table for what begins a word.
const START: usize = 0;

/// What a capital that begins a word inside a text (`getUser`) costs: letters at random have many of them.
const HUMP: i32 = 3;

/// What a sign costs that joins no words (`a:b`); those that do are free.
const SIGN: i32 = 9;

/// Parts up to this length are judged only together with the others.
const SHORT: i32 = 5;

/// Words of routes that are no words.
const KNOWN: [&str; 24] = [
    "xmlrpc",
    "jsonrpc",
    "jsonrpcs",
    "phpmyadmin",
    "rabbitmq",
    "graphql",
    "graphqlws",
    "mysql",
    "mssql",
    "kubectl",
    "etcdserverpb",
    "rhythm",
    "rhythms",
    "webhook",
    "webhooks",
    "setWebhook",
    "youtube",
    "thumbnails",
    "toXml",
    "toJson",
    "fetchXml",
    "getJwks",
    "openxmlformats",
    "xhtml",
];

#[derive(Default, Clone, Copy)]
struct Sum {
    odds: i32,
    letters: i32,
}

impl Sum {
    /// What a text of this length must reach. The longer it is, the surer words are of a good sum.
    fn is_words(self) -> bool {
        self.letters <= SHORT || self.odds >= self.letters * 3 / 2 - 16
    }

    /// The same of several parts, of which short ones have not been judged.
    fn are_words(self, signs: bool) -> bool {
        let least = self.letters * 3 / 2;
        if signs {
            self.odds >= least - 16
        } else {
            self.letters <= SHORT || self.odds >= least - 22
        }
    }
}

/// Whether a text is one word in lower case: what [`are_words`] says of most texts, in less time.
#[must_use]
pub(super) fn is_word(text: &[u8]) -> bool {
    let mut word = Sum::default();
    let mut row = START;
    for byte in text {
        let letter = usize::from(byte.wrapping_sub(b'a'));
        let Some(likely) = LIKELY[row].get(letter) else {
            return false;
        };
        word.odds += i32::from(*likely);
        row = letter + 1;
    }
    word.letters = text.len() as i32;
    word.odds -= i32::from(b'm') * word.letters;
    (1..=64).contains(&text.len()) && word.is_words()
}

/// Whether the letters of a text, with anything between them, can be words. Each part is judged, and then all
/// of them together.
#[must_use]
pub(super) fn are_words(text: &[u8]) -> bool {
    let (mut all, mut part) = (Sum::default(), Sum::default());
    let mut row = START;
    let mut last = b' ';
    let mut signs = false;
    for (at, &byte) in text.iter().enumerate() {
        if byte.is_ascii_alphabetic() {
            let hump = byte.is_ascii_uppercase()
                && (last.is_ascii_lowercase()
                    || last.is_ascii_uppercase() && text.get(at + 1).is_some_and(u8::is_ascii_lowercase));
            if hump {
                row = START;
                part.odds -= HUMP;
            }
            let letter = usize::from((byte | 0x20) - b'a');
            part.odds += i32::from(LIKELY[row][letter]) - i32::from(b'm');
            part.letters += 1;
            row = letter + 1;
        } else if part.letters > 0 {
            if !take(&mut all, part, &text[..at]) {
                return false;
            }
            (part, row) = (Sum::default(), START);
        }
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.') {
            all.odds -= SIGN;
            signs = true;
        }
        last = byte;
    }
    if all.letters == 0 {
        return part.is_words() || is_known(&text[text.len() - part.letters as usize..]);
    }
    take(&mut all, part, text) && all.are_words(signs)
}

/// Adds a part to the others, unless it is known or cannot be words.
fn take(all: &mut Sum, part: Sum, text: &[u8]) -> bool {
    if !part.is_words() {
        return is_known(&text[text.len() - part.letters as usize..]);
    }
    // One letter alone (`x-amz-acl`) is as good as another.
    all.odds += if part.letters > 1 { part.odds } else { 0 };
    all.letters += part.letters;
    true
}

fn is_known(part: &[u8]) -> bool {
    KNOWN.iter().any(|w| w.as_bytes().eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::segment::{Segment, classify};

    /// Path words of many APIs: nouns, acronyms, operations, words of other languages, well-known files.
    const WORDS: &str = include_str!("words.txt");

    /// A small generator (splitmix64), so that the rates are the same every time.
    struct Random(u64);

    impl Random {
        fn text(&mut self, alphabet: &str, length: usize) -> String {
            let alphabet = alphabet.as_bytes();
            (0..length)
                .map(|_| {
                    self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = self.0;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    alphabet[((z ^ (z >> 31)) % alphabet.len() as u64) as usize] as char
                })
                .collect()
        }
    }

    #[test]
    fn words_of_routes_are_shown() {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        assert!(words.len() > 1_000);
        let hidden: Vec<&str> = words
            .iter()
            .copied()
            .filter(|w| classify(w, "") != Segment::Literal)
            .collect();
        // Four in a thousand; see which ones before raising it.
        assert!(
            hidden.len() * 1000 <= words.len() * 4,
            "{} of {}: {hidden:?}",
            hidden.len(),
            words.len()
        );
    }

    #[test]
    fn random_strings_are_not() {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const BASE62: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const BASE64URL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        const BASE36: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
        const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const PRINTED: &str =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+,-.:;=?@^_~";
        let mut random = Random(20_261_007);
        let mut wrong = String::new();
        // Alphabet, length, and how many of ten thousand may be taken for words.
        for (name, alphabet, length, most) in [
            ("lower", LOWER, 8, 1_100),
            ("lower", LOWER, 10, 400),
            ("lower", LOWER, 12, 160),
            ("lower", LOWER, 16, 30),
            ("lower", LOWER, 20, 6),
            ("lower", LOWER, 24, 2),
            ("lower", LOWER, 32, 0),
            ("upper", UPPER, 16, 30),
            ("upper", UPPER, 24, 2),
            ("letters", LETTERS, 8, 500),
            ("letters", LETTERS, 12, 50),
            ("letters", LETTERS, 16, 5),
            ("letters", LETTERS, 24, 0),
            ("base62", BASE62, 8, 500),
            ("base62", BASE62, 12, 50),
            ("base62", BASE62, 16, 5),
            ("base62", BASE62, 24, 0),
            ("base62", BASE62, 40, 0),
            ("base64url", BASE64URL, 16, 5),
            ("base64url", BASE64URL, 22, 1),
            ("base64url", BASE64URL, 43, 0),
            ("base36", BASE36, 8, 500),
            ("base36", BASE36, 12, 50),
            ("base36", BASE36, 16, 5),
            ("base36", BASE36, 25, 0),
            ("base32", BASE32, 16, 5),
            ("base32", BASE32, 32, 0),
            ("printed", PRINTED, 8, 150),
            ("printed", PRINTED, 12, 10),
            ("printed", PRINTED, 16, 0),
        ] {
            let shown = (0..10_000)
                .filter(|_| !classify(&random.text(alphabet, length), "").is_private())
                .count();
            if shown > most {
                wrong.push_str(&format!("{name} {length}: {shown} > {most}\n"));
            }
        }
        assert!(wrong.is_empty(), "shown too often:\n{wrong}");
    }

    #[test]
    fn the_signs_between_words_do_not_matter() {
        for words in [
            "getUserById",
            "user_profiles",
            "openid-configuration",
            "com.acme.OrderService",
            "MAKE_PAYMENT",
            "HTTPRoute",
            "geschaeftsvorfaelle",
            "x-amz-acl",
            "",
            "2",
        ] {
            assert!(are_words(words.as_bytes()), "{words}");
        }
        for letters in [
            "xqzvbnkt",
            "xyzzyqwertyuiopasdfghjkl",
            "bPxRfiCYEXAMPLEKEY",
            "xkq-zvb-qpx-jwv",
        ] {
            assert!(!are_words(letters.as_bytes()), "{letters}");
        }
    }
}
