//! How a command ends: the codes that `--help` promises.

use std::io;

use vale_api::{ApiError, ApiErrorKind};

/// Cancelled by Ctrl-C: 128 + SIGINT, as shells count.
pub(crate) const CANCELLED: u8 = 130;

/// Why a command stops early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed, and the person has not been told yet.
    Error(Box<ApiError>),
    /// It failed or was cancelled, and the person has been told.
    Told(u8),
    /// Nobody reads stdout any more (`| head`): no failure.
    NoReader,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::NoReader;
        }
        ApiError::new(
            ApiErrorKind::Failed,
            format!("The output could not be written: {error}."),
            "Check the disk or the program that reads it.",
        )
        .into()
    }
}

/// The exit code of a kind of failure.
pub(crate) fn code(kind: ApiErrorKind) -> u8 {
    match kind {
        ApiErrorKind::Failed => 1,
        ApiErrorKind::Usage => 2,
        ApiErrorKind::Settings => 3,
        ApiErrorKind::Key => 4,
        ApiErrorKind::Network => 5,
        ApiErrorKind::Plugin => 6,
        ApiErrorKind::Cancelled => CANCELLED,
    }
}
