//! Signals: which end a run in order, and which must not end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::exit::Status;
use crate::message;

/// With a handler in place, a write over the limit of `ulimit -f` fails as one to a full disk does, and one output
/// that cannot grow does not end the program with all others incomplete.
pub(crate) fn survive_file_size_limit() {
    // Without the handler the program works all the same, up to that limit.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Whether a signal has asked to stop, and which.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Set by SIGINT and SIGTERM; a second one of these ends the process at once.
    pub(crate) fn on_signals() -> Self {
        let stop = Self::default();
        for (signal, status) in [(SIGINT, Status::Interrupted), (SIGTERM, Status::Terminated)] {
            let number = usize::try_from(signal).unwrap_or(0);
            // Handlers run in this order, so the first signal finds the flag still unset.
            let heard = flag::register_conditional_shutdown(signal, status as i32, Arc::clone(&stop.asked))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&stop.signal), number))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.asked)));
            if heard.is_err() {
                message::warn("cannot listen for signals; stopping early will lose what is not yet written");
            }
        }
        stop
    }

    /// Whether to stop.
    #[inline]
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What [`Self::asked`] looks at, for those who wait elsewhere.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Name of the signal, and the exit status of a run that it cut short.
    pub(crate) fn by(&self) -> (&'static str, Status) {
        if self.signal.load(Ordering::Relaxed) == usize::try_from(SIGTERM).unwrap_or(0) {
            ("SIGTERM", Status::Terminated)
        } else {
            ("SIGINT", Status::Interrupted)
        }
    }
}
