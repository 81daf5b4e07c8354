//! `plugin test`: the conformance suite over a plugin's file or its project.

use std::path::{Path, PathBuf};

pub use vale_suite::{
    Check as SuiteCheck, Report as SuiteReport, Section as SuiteSection, Verdict as SuiteVerdict,
};
use vale_suite::{Options, Recordings};

use crate::api::blocking;
use crate::error::{ApiError, ApiErrorKind};
use crate::package;

/// Runs the suite. `recordings`: the folder of recordings; none = `recordings` in the project, or
/// beside the file, where there is one. Needs no host, installs nothing, and asks no server.
///
/// # Errors
/// When the path is no plugin that ValeChat runs, or the recordings cannot be read. What the plugin
/// does wrong is in the report.
pub async fn test_plugin(
    path: &Path,
    recordings: Option<&Path>,
    only: Option<SuiteSection>,
) -> Result<SuiteReport, ApiError> {
    let (path, given) = (path.to_owned(), recordings.map(Path::to_owned));
    let (file, recordings) = blocking(move || {
        let opened = package::open(&path)?;
        Ok((opened.file, read(&path, given)?))
    })
    .await?;
    let options = Options {
        only,
        ..Options::default()
    };
    vale_suite::run(&file, &recordings, &options)
        .await
        .map_err(|error| {
            ApiError::new(
                ApiErrorKind::Failed,
                error.to_string(),
                "Nothing was tested. `valechat doctor` says what is wrong with this machine.",
            )
        })
}

fn read(path: &Path, given: Option<PathBuf>) -> Result<Recordings, ApiError> {
    let folder = match given {
        Some(folder) => folder,
        None => {
            let project = if path.is_dir() {
                Some(path)
            } else {
                path.parent()
            };
            match project.map(|project| project.join("recordings")) {
                Some(usual) if usual.is_dir() => usual,
                _ => return Ok(Recordings::none()),
            }
        }
    };
    Recordings::read(&folder).map_err(|error| {
        ApiError::new(
            ApiErrorKind::Usage,
            error.to_string(),
            "Give the folder of the recordings with --recordings.",
        )
    })
}
