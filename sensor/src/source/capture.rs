//! One capture, read from whatever gives its bytes: decompressing, telling the format, saying what is wrong.

use std::io::{self, Read};

use reassembly::Packet;

use super::pcap_file::Header;
use super::pcapng::{SECTION, Section};
use super::window::Window;

/// What is wrong with the bytes of a capture.
#[derive(Debug)]
pub(super) enum Damage {
    /// The stream ends inside of something, after so many bytes.
    Cut { what: &'static str, end: u64 },
    /// A length that no capture has.
    Absurd {
        what: &'static str,
        length: u32,
        limit: u32,
    },
    /// A length that breaks the format.
    BadLength { what: &'static str, length: u32 },
    /// Something that breaks the format.
    Malformed { what: &'static str },
    /// Not a capture at all.
    NotACapture,
    /// The bytes could not be had.
    Read(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Why a capture file could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It could not be opened.
    #[error("cannot open {name}: {cause}{}", hint(.cause, .name))]
    Open { name: String, cause: io::Error },
    /// It has no bytes.
    #[error("{name} is empty: it has no bytes, not even a file header; {hint}")]
    Empty { name: String, hint: String },
    /// It is something else.
    #[error(
        "{name} is not a capture: it begins with {begins}; tapline reads pcap and pcapng, also packed with gzip or zstd"
    )]
    NotACapture { name: String, begins: String },
    /// It stops in the middle.
    #[error(
        "{name} is cut off at byte {end}, inside {what} that begins at byte {offset}; {} before it",
        frames_in_words(.frames)
    )]
    Cut {
        name: String,
        what: &'static str,
        offset: u64,
        end: u64,
        frames: u64,
    },
    /// Its compressed data stops in the middle.
    #[error(
        "{name} is cut off inside its compressed data; {} before the cut",
        frames_in_words(.frames)
    )]
    CutPacked { name: String, frames: u64 },
    /// It cannot be followed any further.
    #[error("{name} is damaged at byte {offset}: {what}; {} before it", frames_in_words(.frames))]
    Damaged {
        name: String,
        what: String,
        offset: u64,
        frames: u64,
    },
    /// The system gave an error.
    #[error("cannot read {name} after byte {offset}: {cause}; {} before it", frames_in_words(.frames))]
    Read {
        name: String,
        cause: io::Error,
        offset: u64,
        frames: u64,
    },
}

fn frames_in_words(frames: &u64) -> String {
    match frames {
        0 => "no frame was read".into(),
        1 => "1 frame was read".into(),
        n => format!("{n} frames were read"),
    }
}

fn hint(cause: &io::Error, name: &str) -> String {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("; see ls -l {name}, or run as a user who may read it")
        }
        io::ErrorKind::NotFound => "; check the path".into(),
        _ => String::new(),
    }
}

/// What a capture file holds.
pub(crate) enum Piece<'a> {
    /// A frame.
    Packet(Packet<'a>),
    /// A key log of TLS, which may open what comes after it.
    KeyLog(&'a [u8]),
}

enum Format {
    Pcap(Header),
    Pcapng(Section),
}

/// One open capture.
pub(crate) struct Capture {
    name: String,
    window: Window,
    format: Format,
    frames: u64,
    packed: bool,
}

impl Capture {
    /// Reads a capture from `reader`, called `name` in messages, and tells its format; `hint` says what to do when it has no
    /// bytes.
    ///
    /// # Errors
    ///
    /// When it is empty or not a capture.
    pub(crate) fn from_reader(
        name: String,
        hint: String,
        reader: Box<dyn Read + Send>,
        read_size: usize,
    ) -> Result<Self, FileError> {
        let mut window = Window::new(reader, read_size);
        match Self::begin(&mut window, read_size) {
            Ok((format, packed)) => Ok(Self {
                name,
                window,
                format,
                frames: 0,
                packed,
            }),
            Err(Damage::NotACapture) if window.bytes().is_empty() => Err(FileError::Empty { name, hint }),
            Err(Damage::NotACapture) => {
                // What it is called does not depend on how much was read so far; what cannot be read is not looked at.
                let _ = window.need(SAMPLE);
                let begins = describe(window.bytes());
                Err(FileError::NotACapture { name, begins })
            }
            Err(damage) => Err(error(&name, damage, window.offset(), 0)),
        }
    }

    fn begin(window: &mut Window, read_size: usize) -> Result<(Format, bool), Damage> {
        let mut magic = first_four(window)?;
        let packed = match magic {
            [0x1f, 0x8b, ..] => 1,
            [0x28, 0xb5, 0x2f, 0xfd] => 2,
            _ => 0,
        };
        if packed != 0 {
            let inner = std::mem::replace(window, Window::new(Box::new(io::empty()), 1)).into_reader();
            let unpacked: Box<dyn Read + Send> = if packed == 1 {
                Box::new(flate2::read::MultiGzDecoder::new(inner))
            } else {
                Box::new(zstd::stream::read::Decoder::new(inner)?)
            };
            *window = Window::new(unpacked, read_size);
            magic = first_four(window)?;
        }
        if Header::recognises(magic) {
            return Ok((Format::Pcap(Header::read(window)?), packed != 0));
        }
        if u32::from_be_bytes(magic) == SECTION {
            return Ok((Format::Pcapng(Section::default()), packed != 0));
        }
        Err(Damage::NotACapture)
    }

    /// What the file is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the file that the frames given out so far take, when it is not packed.
    pub(crate) fn consumed(&self) -> Option<u64> {
        (!self.packed).then(|| self.window.offset())
    }

    /// The next frame or key log; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the rest cannot be read; the frames given out before stand.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Piece<'_>>, FileError> {
        let frame = self.frames + 1;
        let offset = self.window.offset();
        let result = match &mut self.format {
            Format::Pcap(header) => header
                .next(&mut self.window, frame)
                .map(|found| found.map(Piece::Packet)),
            Format::Pcapng(section) => section.next(&mut self.window, frame),
        };
        match result {
            Ok(Some(piece)) => {
                if matches!(piece, Piece::Packet(_)) {
                    self.frames = frame;
                }
                Ok(Some(piece))
            }
            Ok(None) => Ok(None),
            Err(damage) => {
                let offset = match &self.format {
                    Format::Pcap(_) => offset,
                    // Blocks without a frame may have come before the one that is wrong.
                    Format::Pcapng(section) => section.block_at(),
                };
                Err(error(&self.name, damage, offset, frame - 1))
            }
        }
    }
}

/// Bytes that are looked at to say what a file is that is no capture.
const SAMPLE: usize = 64;

fn first_four(window: &mut Window) -> Result<[u8; 4], Damage> {
    if !window.need(4)? {
        return Err(Damage::NotACapture);
    }
    let bytes = window.bytes();
    Ok([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The kind of content in words; the content itself stays unsaid, since it may be private.
fn describe(bytes: &[u8]) -> String {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    if sample
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        return "text".into();
    }
    let head: Vec<String> = sample.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("the bytes {}", head.join(" "))
}

fn error(name: &str, damage: Damage, offset: u64, frames: u64) -> FileError {
    let name = name.to_owned();
    let damaged = |what: String| FileError::Damaged {
        name: name.clone(),
        what,
        offset,
        frames,
    };
    match damage {
        Damage::Cut { what, end } => FileError::Cut {
            name,
            what,
            offset,
            end,
            frames,
        },
        Damage::Absurd { what, length, limit } => {
            damaged(format!("{what} claims {length} bytes, over the limit of {limit}"))
        }
        Damage::BadLength { what, length } => damaged(format!("{what} gives its length as {length} bytes")),
        Damage::Malformed { what } => damaged(what.into()),
        Damage::NotACapture => damaged("the file header is not one of a capture".into()),
        Damage::Read(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            FileError::CutPacked { name, frames }
        }
        Damage::Read(cause) => FileError::Read {
            name,
            cause,
            offset,
            frames,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            (into[0], self.0) = (*first, rest);
            Ok(1)
        }
    }

    #[test]
    fn what_is_no_capture_is_called_the_same_however_it_is_read() {
        let text = |reader: Box<dyn Read + Send>, size| {
            let opened = Capture::from_reader("f".into(), String::new(), reader, size);
            opened.err().map(|e| e.to_string()).unwrap()
        };
        for (file, want) in [
            (&b"GET / HTTP/1.1\r\n"[..], "begins with text"),
            (&b"GET \0\0\0\0"[..], "begins with the bytes 47 45 54 20"),
        ] {
            for size in [1, 3, 1 << 16] {
                assert!(text(Box::new(file), size).contains(want));
                assert!(text(Box::new(Slow(file)), size).contains(want));
            }
        }
    }
}
