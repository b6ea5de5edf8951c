//! JSON Lines: one record a line, to a file or to standard output.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::message;

/// Bytes of records that are handed on together. While a file cannot be written as many wait, and what comes then is lost.
const BUFFER: usize = 256 << 10;
/// How often it is tried again to write a file that could not be.
const AGAIN: Duration = Duration::from_secs(1);

enum Sink {
    File(File),
    Stdout(io::Stdout),
    /// The reader went away, as `head` does: nothing more is wanted.
    Closed,
    /// The sink gave an error; it was reported, and records are counted as lost.
    Failed,
}

/// One output of lines.
pub(crate) struct Lines {
    name: String,
    sink: Sink,
    /// Whole records that are not handed on yet.
    buffer: Vec<u8>,
    /// A regular file, from which what is not whole can be taken back, as it cannot from a pipe or a device.
    regular: bool,
    /// When a file could not be written last; what waits is tried again.
    waits: Option<Instant>,
    /// Records that are missing.
    lost: u64,
    /// Of these, those that were told.
    told: u64,
}

impl Lines {
    /// Opens `path`; `-` is standard output. What a file holds stays until [`Self::begin`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (name, sink) = if path.as_os_str() == "-" {
            ("standard output".into(), Sink::Stdout(io::stdout()))
        } else {
            // Always at its end, also behind somebody who emptied it meanwhile (`copytruncate` of logrotate).
            let file = File::options().append(true).create(true).open(path)?;
            (path.display().to_string(), Sink::File(file))
        };
        Ok(Self {
            name,
            sink,
            buffer: Vec::with_capacity(BUFFER),
            regular: false,
            waits: None,
            lost: 0,
            told: 0,
        })
    }

    /// Empties the file, now that nothing stands in the way of filling it again.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match &self.sink {
            // Devices and pipes have nothing that could be taken away.
            Sink::File(file) if file.metadata()?.is_file() => {
                self.regular = true;
                file.set_len(0)
            }
            _ => Ok(()),
        }
    }

    /// Writes one record and the newline after it.
    pub(crate) fn line(&mut self, record: &[u8]) {
        match &self.sink {
            Sink::Closed => return,
            Sink::Failed => {
                self.lost += 1;
                return;
            }
            Sink::File(_) | Sink::Stdout(_) => {}
        }
        if self.waits.is_some() && self.buffer.len() + record.len() >= BUFFER {
            self.try_again();
            if self.waits.is_some() {
                self.lost += 1;
                return;
            }
        }
        self.buffer.extend_from_slice(record);
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER && self.waits.is_none() {
            self.hand_on();
        }
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) {
        match self.waits {
            Some(_) => self.try_again(),
            None => self.hand_on(),
        }
    }

    /// The last of it: what cannot be written now is lost, and how much that is in all is told.
    pub(crate) fn end(&mut self) {
        self.hand_on();
        if self.waits.is_some() {
            self.lost += self.buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.buffer.clear();
        }
        if self.lost > self.told {
            self.told = self.lost;
            message::error(&format!("{} lacks {}", self.name, records(self.lost)));
        }
    }

    fn try_again(&mut self) {
        if self.waits.is_some_and(|last| last.elapsed() >= AGAIN) {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let (written, result) = match &mut self.sink {
            Sink::File(file) => write(file, &self.buffer),
            Sink::Stdout(out) => {
                let (written, result) = write(out, &self.buffer);
                (written, result.and_then(|()| out.flush()))
            }
            Sink::Closed | Sink::Failed => (0, Ok(())),
        };
        match result {
            Ok(()) => {
                self.buffer.clear();
                if self.waits.take().is_some() {
                    let missing = match self.lost - self.told {
                        0 => "nothing is missing in it".to_owned(),
                        lost => format!("{} are missing in it", records(lost)),
                    };
                    self.told = self.lost;
                    message::warn(&format!("{} can be written again; {missing}", self.name));
                }
            }
            Err(error) => self.fail(written, &error),
        }
    }

    /// `written`: bytes of the buffer that are in the file all the same.
    fn fail(&mut self, written: usize, error: &io::Error) {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull => "; free some space or choose another place",
            io::ErrorKind::FileTooLarge => "; raise the limit (ulimit -f) or choose another place",
            _ => "",
        };
        if self.regular
            && let Sink::File(file) = &mut self.sink
        {
            // The records that are there stay, and the file goes on at the beginning of a line.
            let kept = self.buffer[..written]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            self.buffer.drain(..kept);
            let torn = (written - kept) as u64;
            let back = file
                .metadata()
                .and_then(|now| file.set_len(now.len().saturating_sub(torn)));
            if back.is_ok() {
                if self.waits.replace(Instant::now()).is_none() {
                    message::error(&format!(
                        "cannot write to {}: {error}{advice}; it goes on when it can be written again, and everything else goes on",
                        self.name
                    ));
                }
                return;
            }
        }
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.sink = Sink::Closed;
        } else {
            self.sink = Sink::Failed;
            self.lost += self.buffer[written..]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count() as u64;
            message::error(&format!(
                "cannot write to {}: {error}{advice}; it is incomplete, everything else goes on",
                self.name
            ));
        }
        self.waits = None;
        self.buffer = Vec::new();
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing more can be written here.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.sink, Sink::Closed | Sink::Failed)
    }

    /// Whether it cannot be written now.
    pub(crate) fn fails(&self) -> bool {
        matches!(self.sink, Sink::Failed) || self.waits.is_some()
    }

    /// Whether records were lost to an error, or may be.
    pub(crate) fn failed(&self) -> bool {
        self.fails() || self.lost > 0
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.hand_on();
    }
}

/// Writes all of it, and tells how much of it was written where that fails.
fn write(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

fn records(count: u64) -> String {
    match count {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    }
}

/// What a run reads or keeps, which no output may overwrite.
#[derive(Default)]
pub(crate) struct Taken<'a> {
    /// Files, each with what it is.
    pub(crate) files: Vec<(&'static str, &'a Path)>,
    /// Folders that are the sensor's own, with all that is in them.
    pub(crate) folders: Vec<(&'static str, &'a Path)>,
}

/// A mistake in the choice of outputs, found before any of them is touched.
pub(crate) fn check_paths(outputs: &[(&str, &Path)], taken: &Taken<'_>) -> Result<(), String> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        for (other, earlier) in &outputs[..i] {
            if same(path, earlier) {
                let name = path.display();
                return Err(format!(
                    "{other} and {option} both write to {name}; give each its own"
                ));
            }
        }
        if path.as_os_str() == "-" {
            continue;
        }
        let file = taken.files.iter().find(|(_, file)| same(path, file));
        let folder = || taken.folders.iter().find(|(_, folder)| within(path, folder));
        if let Some((what, _)) = file {
            return Err(format!(
                "{option} would overwrite {what} {}; choose another place",
                path.display()
            ));
        }
        if let Some((what, folder)) = folder() {
            return Err(format!(
                "{option} would write to {}, in {what} {}; choose another place",
                path.display(),
                folder.display()
            ));
        }
    }
    Ok(())
}

/// Whether two paths are one place where lines would mix. Devices such as /dev/null take any number of writers.
fn same(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(x), Ok(y)) if x.is_file() && y.is_file() => one_file(&x, &y),
        (Ok(x), _) if !x.is_file() && a.as_os_str() != "-" => false,
        _ => settled(a) == settled(b),
    }
}

fn one_file(a: &Metadata, b: &Metadata) -> bool {
    a.dev() == b.dev() && a.ino() == b.ino()
}

/// Whether `path` lies in `folder`, or is another name of a file in it.
fn within(path: &Path, folder: &Path) -> bool {
    if settled(path).starts_with(settled(folder)) {
        return true;
    }
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() && file.nlink() > 1 => holds(folder, &file, 4),
        _ => false,
    }
}

/// Whether a folder has this file under some name, down to so many folders in it.
fn holds(folder: &Path, file: &Metadata, depth: usize) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => depth > 0 && holds(&entry.path(), file, depth - 1),
        Ok(found) => one_file(&found, file),
        Err(_) => false,
    })
}

/// Where a path leads: links followed and folders resolved, also when the file or some of its folders are not there
/// yet.
fn settled(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // As many links as Linux itself follows.
    for _ in 0..40 {
        let Ok(to) = std::fs::read_link(&path) else { break };
        path.pop();
        path.push(to);
    }
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => settled(folder).join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_somebody_empties_goes_on_at_its_new_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("findings.jsonl");
        fs::write(&path, "of a run before\n").expect("a file");
        let mut lines = Lines::open(&path).expect("a file");
        lines.begin().expect("a file");
        lines.line(b"one");
        lines.flush();
        // As logrotate does with `copytruncate`.
        fs::write(&path, "").expect("a file");
        lines.line(b"two");
        lines.flush();
        assert_eq!(fs::read_to_string(&path).expect("a file"), "two\n");
    }
}
