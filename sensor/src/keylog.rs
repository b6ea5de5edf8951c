//! Files with secrets of TLS connections (`--keylog`), and what is said about wrong lines in them.
//!
//! Knows files and messages; the format is for `reassembly` to know. No line of such a file is ever shown.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reassembly::KeyLogRead;

use crate::message;

/// Bytes of a key log; one that is longer is a mistake. A line has some 200.
const MAX_BYTES: u64 = 256 << 20;

/// A key log in memory. Deliberately without `Debug`.
pub(crate) struct KeyLog {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
}

/// Reads the files.
///
/// # Errors
///
/// When one of them cannot be read, or is longer than a key log can be.
pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<KeyLog>> {
    files.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> anyhow::Result<KeyLog> {
    use std::io::Read as _;
    let name = path.display().to_string();
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text))
        .with_context(|| format!("cannot read the key log {name}"))?;
    anyhow::ensure!(
        text.len() as u64 <= MAX_BYTES,
        "{name} has more than {MAX_BYTES} bytes, which no key log has; give the file that SSLKEYLOGFILE named"
    );
    Ok(KeyLog { name, text })
}

/// Says which lines are wrong, by their numbers.
pub(crate) fn tell(name: &str, read: &KeyLogRead) {
    for (line, why) in &read.first_wrong {
        message::warn(&format!("{name}:{line}: {why}"));
    }
    let more = read.wrong - read.first_wrong.len();
    if more > 0 {
        message::warn(&format!("{name}: {more} more lines like these"));
    }
    if read.taken == 0 && read.wrong == 0 {
        message::warn(&format!("{name} has no secrets of TLS connections"));
    }
}
