//! `doctor --bundle`: one archive to show to somebody who helps, with nothing private in it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vale_host::Paths;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::api::Api;
use crate::doctor::Check;
use crate::error::{ApiError, ApiErrorKind};
use crate::logs::log_files;
use crate::redact;

/// Bytes at the end of each log file that go into the archive.
const LOG_TAIL: u64 = 2 << 20;
/// Log files that go into it, the newest.
const LOG_FILES: usize = 3;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The archive.
    pub path: PathBuf,
    /// Its files, and what each is.
    pub files: Vec<BundleFile>,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleFile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: String,
    /// Its size, bytes.
    pub bytes: usize,
}

/// Writes the archive. `checks`: what `doctor` found.
///
/// # Errors
/// When it cannot be written; nothing is left behind then.
pub async fn bundle(paths: &Paths, to: &Path, checks: &[Check]) -> Result<Bundle, ApiError> {
    let tree = match Api::open(paths.clone(), None).await {
        Ok(api) => {
            let tree = api.status().await.ok();
            api.close().await;
            tree
        }
        Err(_) => None,
    };
    let mut files = vec![
        (
            "doctor.json".to_owned(),
            "what valechat doctor says",
            json(&checks),
        ),
        (
            "status.json".to_owned(),
            "the supervision tree",
            json(&tree),
        ),
        (
            "system.json".to_owned(),
            "version and system",
            json(&system()),
        ),
        (
            "config.toml".to_owned(),
            "your settings; addresses without names, passwords and queries, and other texts by their length",
            settings(paths),
        ),
    ];
    let logs = log_files(paths);
    for path in logs.iter().rev().take(LOG_FILES) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push((
            format!("logs/{name}"),
            "the log; only what ValeChat itself wrote, every other text by its length",
            log(path),
        ));
    }
    let told: Vec<BundleFile> = files
        .iter()
        .map(|(name, what, bytes)| BundleFile {
            name: name.clone(),
            what: (*what).to_owned(),
            bytes: bytes.len(),
        })
        .collect();
    files.insert(
        0,
        (
            "README.json".to_owned(),
            "what this archive holds",
            json(&told),
        ),
    );
    let to = to.to_owned();
    let written = tokio::task::spawn_blocking({
        let to = to.clone();
        move || write(&to, &files)
    });
    match written.await {
        Ok(Ok(())) => Ok(Bundle {
            path: to,
            files: told,
        }),
        Ok(Err(error)) => Err(failed(&to, &error.to_string())),
        Err(error) => Err(failed(&to, &error.to_string())),
    }
}

fn failed(to: &Path, why: &str) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failed,
        format!("{} could not be written: {why}.", to.display()),
        "Name another file, in a folder that you may write to.",
    )
}

fn write(to: &Path, files: &[(String, &str, Vec<u8>)]) -> io::Result<()> {
    // A file that is there is somebody's.
    let file = File::options().write(true).create_new(true).open(to)?;
    let mut archive = ZipWriter::new(file);
    let mut fill = || -> io::Result<()> {
        for (name, _, bytes) in files {
            archive
                .start_file(name.as_str(), SimpleFileOptions::default())
                .map_err(io::Error::other)?;
            archive.write_all(bytes)?;
        }
        Ok(())
    };
    let filled = fill().and_then(|()| {
        let file = archive.finish().map_err(io::Error::other)?;
        file.sync_all()
    });
    if filled.is_err() {
        // Half an archive helps nobody.
        let _ = std::fs::remove_file(to);
    }
    filled
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(value).unwrap_or_default();
    serde_json::to_vec_pretty(&redact::scrubbed(value)).unwrap_or_default()
}

#[derive(Serialize)]
struct System {
    version: &'static str,
    system: &'static str,
    processor: &'static str,
    processors: usize,
    debug_build: bool,
}

fn system() -> System {
    System {
        version: env!("CARGO_PKG_VERSION"),
        system: std::env::consts::OS,
        processor: std::env::consts::ARCH,
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        debug_build: cfg!(debug_assertions),
    }
}

fn settings(paths: &Paths) -> Vec<u8> {
    match std::fs::read_to_string(&paths.config_file) {
        Ok(text) => redact::settings(&text).into_bytes(),
        Err(error) => format!("# not there: {}\n", error.kind()).into_bytes(),
    }
}

/// The end of a log file, line by line.
fn log(path: &Path) -> Vec<u8> {
    let read = || -> io::Result<(String, bool)> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        let from = len.saturating_sub(LOG_TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), from > 0))
    };
    let Ok((text, is_cut)) = read() else {
        return Vec::new();
    };
    // The first line of a tail is half a line.
    let lines = text.lines().skip(usize::from(is_cut));
    let mut out = String::new();
    for line in lines {
        out.push_str(&redact::log_line(line));
        out.push('\n');
    }
    out.into_bytes()
}
