//! How well children are held, as the helper reports it.

use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long [`probe`] waits. The helper answers within milliseconds on an idle machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What ends a child's descendants. The crate's documentation says what each guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// The kernel, with the child's PID namespace (Linux).
    PidNamespace,
    /// The kernel, with the child's job (Windows).
    JobObject,
    /// The helper, which kills what it can find.
    Reduced,
    /// Nobody.
    None,
}

/// How well children are held, and why not better.
///
/// As text it is one line: `pid-namespace`, `job-object`, `reduced: WHY` or `none: WHY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What ends the descendants.
    pub strength: Strength,
    /// Why it is not stronger, for the person; empty where it is as strong as can be.
    pub why: String,
}

impl Status {
    /// A status with its reason.
    pub fn new(strength: Strength, why: impl Into<String>) -> Self {
        Self {
            strength,
            why: why.into(),
        }
    }

    /// Reads what the helper wrote for one start (see [`Spec::status`](crate::Spec::status)).
    ///
    /// # Errors
    /// The file cannot be read (it is not there before the helper ran), or is not a status.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        text.parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes it for [`Self::read`], which sees all of it or nothing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        std::fs::write(&new, format!("{self}\n"))?;
        std::fs::rename(&new, path)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.strength {
            Strength::PidNamespace => "pid-namespace",
            Strength::JobObject => "job-object",
            Strength::Reduced => "reduced",
            Strength::None => "none",
        })?;
        if self.why.is_empty() {
            return Ok(());
        }
        write!(out, ": {}", self.why.replace('\n', " "))
    }
}

/// It is not a status line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a status of the helper: {0:?}")]
pub struct ParseStatusError(String);

impl FromStr for Status {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let line = text.trim_end();
        let (strength, why) = line.split_once(": ").unwrap_or((line, ""));
        let strength = match strength {
            "pid-namespace" => Strength::PidNamespace,
            "job-object" => Strength::JobObject,
            "reduced" => Strength::Reduced,
            "none" => Strength::None,
            _ => return Err(ParseStatusError(line.to_owned())),
        };
        Ok(Self::new(strength, why))
    }
}

/// How well `helper` can hold children on this machine. It runs the helper once and blocks for
/// some milliseconds, five seconds at most: not for an actor's thread.
///
/// No helper, or one that does not answer, is [`Strength::None`] with the reason.
#[must_use]
pub fn probe(helper: Option<&Path>) -> Status {
    let Some(helper) = helper else {
        return Status::new(Strength::None, "valechat-confine is not installed");
    };
    answer(helper, PROBE_TIMEOUT).unwrap_or_else(|error| {
        Status::new(Strength::None, format!("{}: {error}", helper.display()))
    })
}

fn answer(helper: &Path, timeout: Duration) -> io::Result<Status> {
    let mut child = Command::new(helper)
        .arg("--probe")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + timeout;
    // One line fits into the pipe, so the child never waits for a reader.
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            // A failure means that it ended in the meantime.
            let _ = child.kill();
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    if !status.success() {
        return Err(io::Error::other(format!("the probe ended with {status}")));
    }
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        // A line is short; what is not the helper may say much.
        stdout.take(4096).read_to_string(&mut text)?;
    }
    text.parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_its_text() {
        for status in [
            Status::new(Strength::PidNamespace, ""),
            Status::new(Strength::JobObject, ""),
            Status::new(Strength::Reduced, "unshare: EPERM: not permitted"),
            Status::new(Strength::None, "it is not installed"),
        ] {
            assert_eq!(status.to_string().parse(), Ok(status));
        }
        assert!("strong".parse::<Status>().is_err());
        assert!("".parse::<Status>().is_err());
    }

    #[test]
    fn a_written_status_is_read_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        assert_eq!(
            Status::read(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let status = Status::new(Strength::Reduced, "two\nlines");
        status.write(&path).unwrap();
        assert_eq!(
            Status::read(&path).unwrap(),
            Status::new(Strength::Reduced, "two lines")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_helper_nothing_is_promised() {
        assert_eq!(probe(None).strength, Strength::None);
        let missing = probe(Some(Path::new("/nowhere/valechat-confine")));
        assert_eq!(missing.strength, Strength::None);
        assert!(missing.why.contains("/nowhere"), "{}", missing.why);
    }

    #[cfg(unix)]
    #[test]
    fn a_helper_that_hangs_or_talks_nonsense_promises_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let hangs = script("hangs", "exec sleep 60");
        let error = answer(&hangs, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            probe(Some(&script("lies", "echo best"))).strength,
            Strength::None
        );
        assert_eq!(
            probe(Some(&script("fails", "echo reduced; exit 3"))).strength,
            Strength::None
        );
    }
}
