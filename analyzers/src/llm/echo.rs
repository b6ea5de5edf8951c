//! Whether an answer repeats the system prompt: shingles of eight words, hashed with the key, of the prompt at hand.
//!
//! Words are runs of ASCII letters and digits without regard to case; escapes and punctuation part them, other letters
//! are passed over on both sides. So prompts in scripts without spaces have no shingles, and nothing is said of them.

use std::collections::BTreeSet;

use crate::id::{HashTable, Seed};

/// Words of a shingle.
const WORDS: usize = 8;

/// Shingles kept of a prompt.
const SHINGLES: usize = 8192;

/// The shingles of a system prompt that nothing else in the conversation has.
#[derive(Debug)]
pub(super) struct Prompt {
    shingles: HashTable<u64, ()>,
    seed: Seed,
}

impl Prompt {
    /// `None` when it is too short to be recognised.
    pub(super) fn new(instructions: &[&[u8]], said: &[&[u8]], seed: Seed) -> Option<Self> {
        let mut shingles = HashTable::default();
        let mut words = Words::new(seed);
        for text in instructions {
            words.read(text, &mut |shingle| {
                if shingles.len() < SHINGLES {
                    shingles.insert(shingle, ());
                }
            });
            words.end(&mut |shingle| {
                shingles.insert(shingle, ());
            });
        }
        if shingles.is_empty() {
            return None;
        }
        // What somebody else said too, an answer may well repeat.
        let mut words = Words::new(seed);
        for text in said {
            let mut drop = |shingle| {
                shingles.remove(&shingle);
            };
            words.read(text, &mut drop);
            words.end(&mut drop);
        }
        (!shingles.is_empty()).then_some(Self { shingles, seed })
    }
}

/// An answer as it comes, compared.
#[derive(Debug)]
pub(super) struct Echo<'a> {
    prompt: &'a Prompt,
    words: Words,
    found: BTreeSet<u64>,
}

impl<'a> Echo<'a> {
    pub(super) fn new(prompt: &'a Prompt) -> Self {
        Self {
            prompt,
            words: Words::new(prompt.seed),
            found: BTreeSet::new(),
        }
    }

    /// The next piece of the answer; a word may go on in the next.
    pub(super) fn read(&mut self, text: &[u8]) {
        let Self { prompt, words, found } = self;
        words.read(text, &mut |shingle| {
            if prompt.shingles.contains_key(&shingle) {
                found.insert(shingle);
            }
        });
    }

    /// Shingles of the prompt found, and all of them.
    pub(super) fn found(mut self) -> (u32, u32) {
        let Self { prompt, words, found } = &mut self;
        words.end(&mut |shingle| {
            if prompt.shingles.contains_key(&shingle) {
                found.insert(shingle);
            }
        });
        (found.len() as u32, prompt.shingles.len() as u32)
    }
}

/// Text to words to shingles.
#[derive(Debug)]
struct Words {
    seed: Seed,
    /// Hash of the word being read.
    word: Option<u64>,
    last: [u64; WORDS],
    count: usize,
}

impl Words {
    fn new(seed: Seed) -> Self {
        Self {
            seed,
            word: None,
            last: [0; WORDS],
            count: 0,
        }
    }

    fn read(&mut self, text: &[u8], take: &mut dyn FnMut(u64)) {
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            at += 1;
            match byte {
                b'\\' => {
                    // A letter that is written as an escape is passed over, as it is where it is written out.
                    let letter = text.get(at) == Some(&b'u') && text.get(at + 1..at + 3) != Some(b"00");
                    at += if text.get(at) == Some(&b'u') { 5 } else { 1 };
                    if !letter {
                        self.end(take);
                    }
                }
                _ if byte.is_ascii_alphanumeric() => {
                    // FNV-1a; the key comes in with the shingle.
                    let hash =
                        self.word.unwrap_or(0xcbf2_9ce4_8422_2325) ^ u64::from(byte.to_ascii_lowercase());
                    self.word = Some(hash.wrapping_mul(0x0100_0000_01b3));
                }
                0x80.. => {}
                _ => self.end(take),
            }
        }
    }

    fn end(&mut self, take: &mut dyn FnMut(u64)) {
        let Some(word) = self.word.take() else { return };
        self.last.rotate_left(1);
        self.last[WORDS - 1] = word;
        self.count += 1;
        if self.count >= WORDS {
            let mut bytes = [0; WORDS * 8];
            for (place, word) in bytes.chunks_exact_mut(8).zip(self.last) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            take(self.seed.hash(&bytes));
        }
    }
}
