//! What can go wrong, in sentences for the person.

use std::path::PathBuf;

/// Why the index could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Another process, or another part of this one, has the index open.
    #[error(
        "The search index in {} is in use by another ValeChat. Close that one, or use another data folder.",
        folder.display()
    )]
    Locked {
        /// The index's folder.
        folder: PathBuf,
    },
    /// The disk refused.
    #[error("The search index in {} could not be {action}: {source}. Check the disk and its free space.", folder.display())]
    Io {
        /// The index's folder.
        folder: PathBuf,
        /// What was tried: "opened", "written".
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the index holds makes no sense. It is derived: condemn it and open it again.
    #[error("The search index is damaged and has to be built anew: {0}.")]
    Damaged(String),
    /// The index could not be written to. What was committed stays; drop the writer and open another.
    #[error("The search index could not be updated: {0}. It will be tried again.")]
    Write(String),
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it cannot be read".to_owned())
}

/// Runs what reads the index's files. tantivy trusts what it reads and may panic over damage.
pub(crate) fn guarded<T>(
    work: impl FnOnce() -> Result<T, tantivy::TantivyError>,
) -> Result<T, SearchError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(SearchError::Damaged(error.to_string())),
        Err(panic) => Err(SearchError::Damaged(panic_text(panic.as_ref()))),
    }
}
