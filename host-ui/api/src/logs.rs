//! The log of a profile: JSON lines in its state folder, a file a day.
//!
//! What is logged never holds a message or a key; `tests` below and the gate's scan see to it. It
//! holds ids, models, states, times, and failures in the upstream's own words.

use std::path::PathBuf;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use vale_host::Paths;

/// Days that are kept.
const KEPT: usize = 7;

/// The file that lines go to now, a new one each day; the oldest of more than a week are removed.
///
/// # Errors
/// A sentence, when the folder cannot be written.
pub fn log_file(paths: &Paths) -> Result<RollingFileAppender, String> {
    let folder = paths.logs();
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("valechat")
        .filename_suffix("jsonl")
        .max_log_files(KEPT)
        .build(&folder)
        .map_err(|error| format!("{} cannot be written: {error}", folder.display()))
}

/// The log files of a profile, the newest last.
pub(crate) fn log_files(paths: &Paths) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(paths.logs()).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "jsonl"))
        .collect();
    // The day is in the name.
    files.sort();
    files
}
