//! JSON Lines: one record a line, to a file or to standard output.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::message;

const BUFFER: usize = 256 << 10;

enum Sink {
    File(BufWriter<File>),
    Stdout(BufWriter<io::Stdout>),
    /// The reader went away, as `head` does: nothing more is wanted.
    Closed,
    /// The sink gave an error; it was reported, and records are counted as lost.
    Failed,
}

/// One output of lines.
pub(crate) struct Lines {
    name: String,
    sink: Sink,
    lost: u64,
}

impl Lines {
    /// Opens `path`; `-` is standard output. What a file holds stays until [`Self::begin`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (name, sink) = if path.as_os_str() == "-" {
            (
                "standard output".into(),
                Sink::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())),
            )
        } else {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            (
                path.display().to_string(),
                Sink::File(BufWriter::with_capacity(BUFFER, file)),
            )
        };
        Ok(Self { name, sink, lost: 0 })
    }

    /// Empties the file, now that nothing stands in the way of filling it again.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match &self.sink {
            // Devices and pipes have nothing that could be taken away.
            Sink::File(out) if out.get_ref().metadata()?.is_file() => out.get_ref().set_len(0),
            _ => Ok(()),
        }
    }

    /// Writes one record and the newline after it.
    pub(crate) fn line(&mut self, record: &[u8]) {
        let result = match &mut self.sink {
            Sink::File(out) => out.write_all(record).and_then(|()| out.write_all(b"\n")),
            Sink::Stdout(out) => out.write_all(record).and_then(|()| out.write_all(b"\n")),
            Sink::Closed => Ok(()),
            Sink::Failed => {
                self.lost += 1;
                Ok(())
            }
        };
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) {
        let result = match &mut self.sink {
            Sink::File(out) => out.flush(),
            Sink::Stdout(out) => out.flush(),
            Sink::Closed | Sink::Failed => Ok(()),
        };
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let sink = if error.kind() == io::ErrorKind::BrokenPipe {
            Sink::Closed
        } else {
            Sink::Failed
        };
        if matches!(sink, Sink::Failed) {
            let advice = match error.kind() {
                io::ErrorKind::StorageFull => "; free some space or choose another place",
                io::ErrorKind::FileTooLarge => "; raise the limit (ulimit -f) or choose another place",
                _ => "",
            };
            message::error(&format!(
                "cannot write to {}: {error}{advice}; it is incomplete, everything else goes on",
                self.name
            ));
        }
        // What is buffered cannot be written either, and dropping the writer would try once more.
        match std::mem::replace(&mut self.sink, sink) {
            Sink::File(out) => drop(out.into_parts()),
            Sink::Stdout(out) => drop(out.into_parts()),
            Sink::Closed | Sink::Failed => {}
        }
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing more can be written here.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.sink, Sink::Closed | Sink::Failed)
    }

    /// Whether records were lost to an error.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.sink, Sink::Failed)
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
