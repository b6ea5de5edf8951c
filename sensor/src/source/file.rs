//! Capture files, one after the other: finding and opening them, and how far reading has come.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::capture::{Capture, FileError};
use super::stream::{Stream, is_pipe};
use crate::signals::Stop;

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
        Some(self.open_one(path))
    }

    /// Opens `path` (`-` is standard input) and tells its format.
    fn open_one(&self, path: &Path) -> Result<Capture, FileError> {
        let name = name_of(path);
        let stream = if path.as_os_str() == "-" {
            Stream::standard_input(self.stop.flag())
        } else {
            Stream::open(path, self.stop.flag())
        };
        let inner = stream.map_err(|cause| FileError::Open {
            name: name.clone(),
            cause,
        })?;
        let progress = self.progress.clone();
        let reader = Box::new(Counted { inner, progress });
        Capture::from_reader(name, empty_hint(path), reader, self.read_size)
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
