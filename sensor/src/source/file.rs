//! Capture files, one after the other: opening, decompressing, telling the format, saying what is wrong.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reassembly::Packet;

use super::pcap_file::Header;
use super::pcapng::{SECTION, Section};
use super::stream::{Stream, is_pipe};
use super::window::Window;
use crate::signals::Stop;

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

/// How far reading has come, for a progress bar: bytes as they lie on the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.progress.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
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
    /// Opens `path` (`-` is standard input) and tells its format.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is empty, or is not a capture.
    pub(crate) fn open(
        path: &Path,
        read_size: usize,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Self, FileError> {
        let name = name_of(path);
        let stream = if path.as_os_str() == "-" {
            Stream::standard_input(stop.flag())
        } else {
            Stream::open(path, stop.flag())
        };
        let inner = stream.map_err(|cause| FileError::Open {
            name: name.clone(),
            cause,
        })?;
        let progress = progress.clone();
        let reader = Box::new(Counted { inner, progress });
        Self::from_reader(name, empty_hint(path), reader, read_size)
    }

    /// Reads a capture from `reader`, called `name` in messages; `hint` says what to do when it has no bytes.
    fn from_reader(
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

/// The capture files of a run. The first that can be read is opened at once, so that a run without any input is told
/// before an output is touched; the others when their turn comes.
pub(crate) struct Inputs<'a> {
    rest: &'a [PathBuf],
    read_size: usize,
    progress: Progress,
    stop: &'a Stop,
    /// Files that cannot be opened at all.
    missing: Vec<FileError>,
    /// What was found before the run began, in order.
    opened: VecDeque<Result<Capture, FileError>>,
}

impl<'a> Inputs<'a> {
    /// Opens files until one can be read, when all of them are there.
    pub(crate) fn open(files: &'a [PathBuf], read_size: usize, progress: &Progress, stop: &'a Stop) -> Self {
        let mut inputs = Self {
            rest: files,
            read_size,
            progress: progress.clone(),
            stop,
            missing: files.iter().filter_map(|path| missing(path)).collect(),
            opened: VecDeque::new(),
        };
        if !inputs.missing.is_empty() {
            return inputs;
        }
        while let Some(next) = inputs.open_next() {
            let readable = next.is_ok();
            inputs.opened.push_back(next);
            if readable {
                break;
            }
        }
        inputs
    }

    /// Why nothing can be read, or some of it cannot even be opened, when that is so.
    pub(crate) fn unreadable(&self) -> Option<Vec<String>> {
        if !self.missing.is_empty() {
            return Some(self.missing.iter().map(ToString::to_string).collect());
        }
        let errors = self
            .opened
            .iter()
            .map(|one| one.as_ref().err().map(ToString::to_string));
        errors.collect()
    }

    fn open_next(&mut self) -> Option<Result<Capture, FileError>> {
        let (path, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Capture::open(path, self.read_size, &self.progress, self.stop))
    }
}

impl Iterator for Inputs<'_> {
    type Item = Result<Capture, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.opened.pop_front().or_else(|| self.open_next())
    }
}

/// What is wrong with a file that cannot be opened. Pipes are opened once only, when they are read.
fn missing(path: &Path) -> Option<FileError> {
    if path.as_os_str() == "-" {
        return None;
    }
    let opened = is_pipe(path).and_then(|pipe| if pipe { Ok(()) } else { File::open(path).map(drop) });
    let name = name_of(path);
    opened.err().map(|cause| FileError::Open { name, cause })
}

fn first_four(window: &mut Window) -> Result<[u8; 4], Damage> {
    if !window.need(4)? {
        return Err(Damage::NotACapture);
    }
    let bytes = window.bytes();
    Ok([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The kind of content in words; the content itself stays unsaid, since it may be private.
fn describe(bytes: &[u8]) -> String {
    let sample = &bytes[..bytes.len().min(64)];
    if sample
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        return "text".into();
    }
    let head: Vec<String> = sample.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("the bytes {}", head.join(" "))
}

/// What to do about a capture without a byte.
fn empty_hint(path: &Path) -> String {
    let regular = || std::fs::metadata(path).is_ok_and(|m| m.is_file());
    if path.as_os_str() == "-" {
        "see why the program before the pipe wrote nothing; tcpdump writes there with -w -".into()
    } else if regular() {
        format!("capture again, for one with tcpdump -w {}", path.display())
    } else {
        "give a capture file".into()
    }
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

/// What a path is called in messages.
pub(crate) fn name_of(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// Bytes of all files together, when that is known.
pub(crate) fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    paths
        .iter()
        .map(|path| {
            std::fs::metadata(path)
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|m| m.len())
        })
        .sum()
}
