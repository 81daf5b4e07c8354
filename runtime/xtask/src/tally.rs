//! Counts of tests: read from libtest's own lines and from the log in which tests note what they skipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What the tests said.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    /// Failed tests, and failed steps that have no tests.
    failed: u64,
    /// Everything that did not run, with its reason.
    skipped: Vec<String>,
}

impl Tally {
    /// Takes one line of a `cargo test`'s output.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result:") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
        } else if let Some((name, reason)) = ignored(line) {
            self.skipped.push(format!("test {name}: {reason}"));
        }
    }

    /// A test noted that it could not do its work: it counts as skipped and not as passed.
    pub(crate) fn test_skipped_itself(&mut self, reason: &str) {
        self.passed = self.passed.saturating_sub(1);
        self.skipped.push(reason.to_owned());
    }

    /// A step was left out.
    pub(crate) fn step_skipped(&mut self, step: &str, reason: &str) {
        self.skipped.push(format!("step {step}: {reason}"));
    }

    /// A step failed; where none of its tests said so, the step itself counts.
    pub(crate) fn step_failed(&mut self, failed_before: u64) {
        if self.failed == failed_before {
            self.failed += 1;
        }
    }

    /// Failures so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// A line for each thing that did not run.
    pub(crate) fn skipped_lines(&self) -> impl Iterator<Item = String> {
        self.skipped.iter().map(|skip| format!("skipped: {skip}"))
    }

    /// The last line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        )
    }
}

/// `… 5 passed; 0 failed; …` → 5.
fn count(counts: &str, what: &str) -> u64 {
    counts
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(what))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// `test a::b ... ignored, takes long` → (`a::b`, `takes long`).
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let reason = outcome
        .strip_prefix("ignored")?
        .trim_start_matches([',', ' ']);
    Some((name, if reason.is_empty() { "ignored" } else { reason }))
}

/// The file in which a test that cannot do its work notes why, a line a test: `VALECHAT_SKIP_LOG`.
#[derive(Debug)]
pub(crate) struct SkipLog {
    path: PathBuf,
    seen: usize,
}

impl SkipLog {
    /// An empty log in `folder`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(format!("skipped-{}.log", std::process::id()));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, b""))
            .with_context(|| format!("{} could not be written", path.display()))?;
        Ok(Self { path, seen: 0 })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what was noted since the last call to `tally`.
    pub(crate) fn read_into(&mut self, tally: &mut Tally) {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for line in lines.iter().skip(self.seen) {
            let reason = line.trim();
            tally.test_skipped_itself(reason.strip_prefix("SKIPPED:").map_or(reason, str::trim));
        }
        self.seen = lines.len();
    }
}

impl Drop for SkipLog {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_libtest_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a::passes ... ok",
            "test a::slow ... ignored, takes an hour",
            "test a::odd ... ignored",
            "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s",
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.23s",
        ] {
            tally.read_line(line);
        }
        assert_eq!(tally.summary(), "17 passed, 3 failed, 2 skipped");
        let lines: Vec<_> = tally.skipped_lines().collect();
        assert_eq!(
            lines,
            [
                "skipped: test a::slow: takes an hour",
                "skipped: test a::odd: ignored"
            ]
        );
    }

    #[test]
    fn a_failed_step_without_tests_counts_once_and_one_with_tests_does_not() {
        let mut tally = Tally::default();
        tally.step_failed(0);
        assert_eq!(tally.failed(), 1);
        tally.read_line("test result: FAILED. 0 passed; 2 failed; 0 ignored");
        tally.step_failed(1);
        assert_eq!(tally.failed(), 3);
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SkipLog::create(dir.path()).unwrap();
        let mut tally = Tally::default();
        tally.read_line("test result: ok. 4 passed; 0 failed; 0 ignored");
        std::fs::write(log.path(), "SKIPPED: no keyring here\n\n").unwrap();
        log.read_into(&mut tally);
        log.read_into(&mut tally);
        assert_eq!(tally.summary(), "3 passed, 0 failed, 1 skipped");
        std::fs::write(log.path(), "SKIPPED: no keyring here\n\nno aimock\n").unwrap();
        log.read_into(&mut tally);
        assert_eq!(
            tally.skipped_lines().collect::<Vec<_>>(),
            ["skipped: no keyring here", "skipped: no aimock"]
        );
        let path = log.path().to_owned();
        drop(log);
        assert!(!path.exists());
    }
}
