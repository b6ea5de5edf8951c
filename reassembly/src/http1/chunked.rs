//! Chunked bodies (RFC 9112 section 7.1): one step at a time.

use crate::exchange::Ambiguities;

/// Bytes of a chunk-size line or of the trailers that are looked at before the body is given up.
const MAX_LINE: u32 = 16 << 10;

/// Place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// In a chunk size.
    Size { value: u64, digits: u8 },
    /// Behind a chunk size, up to the end of the line: extensions, or white space.
    Extension { value: u64, len: u32, cr: bool },
    /// In the data of a chunk.
    Data { left: u64 },
    /// Behind the data of a chunk.
    DataEnd { cr: bool },
    /// In the trailers. `line` counts the bytes of the current line.
    Trailer { line: u32, len: u32, cr: bool },
    /// Behind the last byte.
    Done,
    /// The rest cannot be framed.
    Broken,
}

/// What one step gave.
pub(crate) struct Step<'a> {
    pub(crate) state: Chunked,
    /// Bytes of the input that were used.
    pub(crate) used: usize,
    /// Those of them that are body.
    pub(crate) data: &'a [u8],
    pub(crate) ambiguities: Ambiguities,
}

impl Chunked {
    /// Before the first chunk.
    pub(crate) const START: Self = Self::Size { value: 0, digits: 0 };

    /// One step over `input`, which is not empty.
    pub(crate) fn step(self, input: &[u8]) -> Step<'_> {
        let mut odd = Ambiguities::empty();
        let mut mark = |a| odd.insert(a);
        let state = match (self, input[0]) {
            (Self::Data { left }, _) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let left = left - take as u64;
                let state = if left == 0 {
                    Self::DataEnd { cr: false }
                } else {
                    Self::Data { left }
                };
                return Step {
                    state,
                    used: take,
                    data: &input[..take],
                    ambiguities: odd,
                };
            }
            (Self::Done | Self::Broken, _) => {
                return Step {
                    state: self,
                    used: 0,
                    data: &[],
                    ambiguities: odd,
                };
            }
            (
                Self::Size {
                    value,
                    digits: digits @ 0..=15,
                },
                b,
            ) if b.is_ascii_hexdigit() => Self::Size {
                value: (value << 4) | u64::from(hex(b)),
                digits: digits + 1,
            },
            // More digits than a u64 holds: leading zeros are harmless, anything else overflows in somebody.
            (Self::Size { value, digits }, b) if b.is_ascii_hexdigit() => {
                mark(Ambiguities::CHUNK_MALFORMED);
                if value >> 60 == 0 && digits < 64 {
                    Self::Size {
                        value: (value << 4) | u64::from(hex(b)),
                        digits: digits + 1,
                    }
                } else {
                    Self::Broken
                }
            }
            (Self::Size { value, digits: 1.. }, b'\r') => Self::Extension {
                value,
                len: 0,
                cr: true,
            },
            (Self::Size { value, digits: 1.. }, b'\n') => {
                mark(Ambiguities::CHUNK_MALFORMED);
                Self::begin(value)
            }
            (Self::Size { value, digits: 1.. }, b';') => Self::Extension {
                value,
                len: 1,
                cr: false,
            },
            (Self::Size { value, digits: 1.. }, b' ' | b'\t') => {
                mark(Ambiguities::CHUNK_MALFORMED);
                Self::Extension {
                    value,
                    len: 1,
                    cr: false,
                }
            }
            // Leading white space or an empty line: tolerated by many, allowed by nobody.
            (Self::Size { digits: 0, .. }, b' ' | b'\t' | b'\r' | b'\n') => {
                mark(Ambiguities::CHUNK_MALFORMED);
                self
            }
            (Self::Extension { value, .. }, b'\n') if matches!(self, Self::Extension { cr: true, .. }) => {
                Self::begin(value)
            }
            (Self::Extension { value, .. }, b'\n') => {
                mark(Ambiguities::CHUNK_MALFORMED);
                Self::begin(value)
            }
            (Self::Extension { value, len, cr }, b) if len < MAX_LINE => {
                if cr {
                    mark(Ambiguities::CHUNK_MALFORMED);
                }
                Self::Extension {
                    value,
                    len: len + 1,
                    cr: b == b'\r',
                }
            }
            (Self::DataEnd { cr: false }, b'\r') => Self::DataEnd { cr: true },
            (Self::DataEnd { cr: true }, b'\n') => Self::START,
            (Self::DataEnd { cr: false }, b'\n') => {
                mark(Ambiguities::CHUNK_MALFORMED);
                Self::START
            }
            (
                Self::Trailer {
                    line: 0, cr: true, ..
                },
                b'\n',
            ) => Self::Done,
            (
                Self::Trailer {
                    line: 0, cr: false, ..
                },
                b'\n',
            ) => {
                mark(Ambiguities::CHUNK_MALFORMED);
                Self::Done
            }
            (Self::Trailer { len, .. }, b'\n') => Self::Trailer {
                line: 0,
                len: len + 1,
                cr: false,
            },
            (Self::Trailer { line, len, .. }, b'\r') if len < MAX_LINE => Self::Trailer {
                line,
                len: len + 1,
                cr: true,
            },
            (Self::Trailer { line, len, .. }, _) if len < MAX_LINE => Self::Trailer {
                line: line + 1,
                len: len + 1,
                cr: false,
            },
            _ => {
                mark(Ambiguities::CHUNK_MALFORMED);
                return Step {
                    state: Self::Broken,
                    used: 0,
                    data: &[],
                    ambiguities: odd,
                };
            }
        };
        Step {
            state,
            used: 1,
            data: &[],
            ambiguities: odd,
        }
    }

    fn begin(size: u64) -> Self {
        if size == 0 {
            Self::Trailer {
                line: 0,
                len: 0,
                cr: false,
            }
        } else {
            Self::Data { left: size }
        }
    }
}

fn hex(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b - b'0',
        b'a'..=b'f' => b - b'a' + 10,
        _ => b.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(parts: &[&[u8]]) -> (Vec<u8>, Chunked, Vec<&'static str>) {
        let (mut state, mut body, mut odd) = (Chunked::START, Vec::new(), Ambiguities::empty());
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() && !matches!(state, Chunked::Done | Chunked::Broken) {
                let step = state.step(rest);
                state = step.state;
                body.extend_from_slice(step.data);
                odd.insert(step.ambiguities);
                rest = &rest[step.used..];
            }
        }
        (body, state, odd.names().collect())
    }

    #[test]
    fn chunked_body_reads_the_same_wherever_it_is_cut() {
        let check = |name: &str, wire: &[u8], body: &[u8], end: Chunked, odd: &[&str]| {
            for cut in 0..=wire.len() {
                let (head, tail) = wire.split_at(cut);
                let got = decode(&[head, tail]);
                assert_eq!(got, (body.to_vec(), end, odd.to_vec()), "{name}, cut at {cut}");
            }
        };
        let bad = &["chunk_malformed"];
        check("one chunk", b"3\r\nabc\r\n0\r\n\r\n", b"abc", Chunked::Done, &[]);
        check(
            "upper-case size",
            b"A\r\n0123456789\r\n0\r\n\r\n",
            b"0123456789",
            Chunked::Done,
            &[],
        );
        check(
            "extension",
            b"3;a=b\r\nabc\r\n0\r\n\r\n",
            b"abc",
            Chunked::Done,
            &[],
        );
        check(
            "trailer",
            b"1\r\na\r\n0\r\nX: y\r\n\r\n",
            b"a",
            Chunked::Done,
            &[],
        );
        check("bare LF", b"1\na\n0\n\n", b"a", Chunked::Done, bad);
        check("hex prefix", b"0x3\r\nabc\r\n", b"", Chunked::Broken, bad);
        check("no digits", b";x\r\n", b"", Chunked::Broken, bad);
        check(
            "past 64 bits",
            b"10000000000000003\r\nabc",
            b"",
            Chunked::Broken,
            bad,
        );
        check("missing end of data", b"1\r\nab", b"a", Chunked::Broken, bad);
    }
}
