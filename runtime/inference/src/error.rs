//! What can go wrong with a model file, before or while it runs.

use std::path::PathBuf;

/// A model file that cannot be used, or a computation over it that failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is missing or may not be read.
    #[error("The model file {} cannot be read ({source}). Check the path and its permissions.", path.display())]
    Unreadable {
        /// The path that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no GGUF, or its header or tensors contradict themselves.
    #[error(
        "{} is not a usable GGUF model: {what}. Download the file again or choose another one.",
        path.display()
    )]
    Corrupt {
        /// The path that was asked for.
        path: PathBuf,
        /// What was found, without a full stop.
        what: String,
    },
    /// The file is sound, but needs something that this engine does not have.
    #[error("This model cannot run here: {what}")]
    Unsupported {
        /// A sentence with what is supported instead.
        what: String,
    },
    /// The arithmetic failed: a bug here or in candle, or memory ran out.
    #[error("The model stopped with an internal error: {what}")]
    Compute {
        /// What the engine reported.
        what: String,
    },
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute {
            what: error.to_string(),
        }
    }
}

/// The text of a panic payload, for the log and for [`ModelError::Compute`].
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
