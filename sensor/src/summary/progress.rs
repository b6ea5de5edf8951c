//! A progress bar on standard error, when that is a terminal.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::page::may_style;
use crate::message;
use crate::source::file::Progress;

/// A bar that follows reading from a thread of its own, so that reading need not think of it.
pub(crate) struct Bar(Option<(ProgressBar, Arc<AtomicBool>, JoinHandle<()>)>);

impl Bar {
    /// Shows a bar, when somebody can see it.
    pub(crate) fn start(total: Option<u64>, progress: &Progress) -> Self {
        if !std::io::stderr().is_terminal() || !may_style() {
            return Self(None);
        }
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        message::above(&bar);
        let done = Arc::new(AtomicBool::new(false));
        let (moving, over, progress) = (bar.clone(), Arc::clone(&done), progress.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                moving.set_position(progress.bytes());
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        Self(Some((bar, done, thread)))
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Self(Some((bar, done, thread))) = self {
            done.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            let _ = thread.join();
            bar.finish_and_clear();
        }
    }
}
