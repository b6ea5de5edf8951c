//! Pipes and other inputs that may have nothing to read for a while: waiting for them ends when a signal asks to stop.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a signal may go unheard.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// An input that is waited for.
pub(super) struct Stream {
    file: File,
    stop: Arc<AtomicBool>,
}

impl Stream {
    /// Standard input, past the buffer of the library: what lay in it could not be waited for.
    pub(super) fn standard_input(stop: Arc<AtomicBool>) -> io::Result<Self> {
        let file = File::from(rustix::io::dup(rustix::stdio::stdin())?);
        Ok(Self { file, stop })
    }

    /// Opens `path`. A named pipe is opened without waiting for somebody to write into it.
    pub(super) fn open(path: &Path, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let pipe = is_pipe(path)?;
        let mut options = OpenOptions::new();
        options.read(true);
        if pipe {
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        let file = options.open(path)?;
        Ok(Self { file, stop })
    }
}

/// Whether `path` is a named pipe.
pub(super) fn is_pipe(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.file_type().is_fifo())
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut polled = [PollFd::new(&self.file, PollFlags::IN)];
            // Files are always ready. A pipe that nobody has opened for writing yet is not, and is not at its end either.
            match poll(&mut polled, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) if self.stop.load(Ordering::Relaxed) => {
                    return Err(io::Error::other("stopped by a signal"));
                }
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.file.read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}
