//! Files that the operator names, read: regular ones alone. A pipe that nobody writes into, or a device, would hold up whoever reads it
//! for good, above all a capture that reads its configuration anew.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc::O_NONBLOCK;

/// Opens a file to read it.
///
/// # Errors
///
/// When it cannot be opened, or is something else than a file; `/dev/null` is as good as an empty one.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe waits for somebody who writes, unless it is told not to.
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || path == Path::new("/dev/null") {
        return Ok(file);
    }
    let what = match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_dir() => "a folder",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}, and only a regular file is read here"),
    ))
}

/// Its bytes.
///
/// # Errors
///
/// As for [`open`], or when it cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Its text.
///
/// # Errors
///
/// As for [`read`], or when it is not UTF-8.
pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_at_once_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::write(&file, "text").unwrap();
        assert_eq!(read(&file).unwrap(), b"text");
        assert_eq!(read_to_string(Path::new("/dev/null")).unwrap(), "");
        for (path, what) in [
            (pipe.as_path(), "a pipe"),
            (dir.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
