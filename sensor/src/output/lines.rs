//! JSON Lines: one record a line, to a file or to standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
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
    /// Opens `path`; `-` is standard output.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (name, sink) = if path.as_os_str() == "-" {
            (
                "standard output".into(),
                Sink::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())),
            )
        } else {
            let file = File::create(path)?;
            (
                path.display().to_string(),
                Sink::File(BufWriter::with_capacity(BUFFER, file)),
            )
        };
        Ok(Self { name, sink, lost: 0 })
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

    /// Whether nothing more can be written here.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.sink, Sink::Closed | Sink::Failed)
    }

    /// Whether records were lost to an error.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.sink, Sink::Failed)
    }
}

/// A mistake in the choice of outputs, found before any of them is touched.
pub(crate) fn check_paths(outputs: &[(&str, &Path)], inputs: &[PathBuf]) -> Result<(), String> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        for (other, earlier) in &outputs[..i] {
            if same(path, earlier) {
                let name = path.display();
                return Err(format!(
                    "{other} and {option} both write to {name}; give each its own"
                ));
            }
        }
        if inputs
            .iter()
            .any(|input| path.as_os_str() != "-" && same(path, input))
        {
            return Err(format!(
                "{option} would overwrite the capture {}; choose another place",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Whether two paths are one place where lines would mix. Devices such as /dev/null take any number of writers.
fn same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(x), Ok(y)) if x.is_file() && y.is_file() => x.dev() == y.dev() && x.ino() == y.ino(),
        (Ok(x), _) if !x.is_file() && a.as_os_str() != "-" => false,
        _ => settled(a) == settled(b),
    }
}

/// The path with its folder resolved, for a file that need not exist yet.
fn settled(path: &Path) -> PathBuf {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    folder
        .canonicalize()
        .map_or_else(|_| path.to_owned(), |folder| folder.join(name))
}
