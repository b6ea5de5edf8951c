//! Exit statuses, as contracted.

use std::process::ExitCode;

use crate::message;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Everything was done.
    Done = 0,
    /// A check found violations.
    Violations = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Input unreadable or damaged.
    Input = 3,
    /// An output could not take everything.
    Output = 4,
    /// Stopped by SIGINT before the end of the input, in the way of shells: 128 and the number of the signal.
    Interrupted = 130,
    /// Stopped by SIGTERM before the end of the input.
    Terminated = 143,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    cause: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration.
    pub(crate) fn usage(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            status: Status::Usage,
            cause: cause.into(),
        }
    }

    /// Input that cannot be read.
    pub(crate) fn input(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            status: Status::Input,
            cause: cause.into(),
        }
    }

    /// An output that cannot be written.
    pub(crate) fn output(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            status: Status::Output,
            cause: cause.into(),
        }
    }

    /// Says it and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        message::error(&format!("{:#}", self.cause));
        self.status.into()
    }
}
