//! The run of the checks: steps one after the other until one fails, their times, and the closing table.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::say;
use crate::tally::{SkipLog, Tally};

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Toolchain,
    Format,
    Guests,
    GuestTests,
    Model,
    Peers,
    Examples,
    Infer,
    Clippy,
    GuestClippy,
    TestGuestClippy,
    HostBuild,
    Embed,
    HostTests,
    XtaskTests,
    InferTests,
    Docs,
}

impl Step {
    const ALL: [Self; 17] = [
        Self::Toolchain,
        Self::Format,
        Self::Guests,
        Self::GuestTests,
        Self::Model,
        Self::Peers,
        Self::Examples,
        Self::Infer,
        Self::Clippy,
        Self::GuestClippy,
        Self::TestGuestClippy,
        Self::HostBuild,
        Self::Embed,
        Self::HostTests,
        Self::XtaskTests,
        Self::InferTests,
        Self::Docs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Toolchain => "toolchain",
            Self::Format => "format",
            Self::Guests => "guests to components",
            Self::GuestTests => "tests of the plugins, native",
            Self::Model => "model",
            Self::Peers => "peers to test with",
            Self::Examples => "examples to components",
            Self::Infer => "valechat-infer",
            Self::Clippy => "clippy, host",
            Self::GuestClippy => "clippy, plugins",
            Self::TestGuestClippy => "clippy, test guests",
            Self::HostBuild => "host build",
            Self::Embed => "somebody else's host",
            Self::HostTests => "tests of the host",
            Self::XtaskTests => "tests of xtask",
            Self::InferTests => "tests of valechat-infer",
            Self::Docs => "documents",
        }
    }
}

enum End {
    Done,
    Skipped,
    Failed,
}

/// Runs steps until one fails, and remembers how each went.
pub(crate) struct Runner {
    ended: Vec<(Step, Duration, End)>,
    tally: Tally,
    /// The log of tests that skip themselves.
    pub(crate) log: SkipLog,
    started: Instant,
}

impl Runner {
    /// Nothing ran yet; the skip log lies in `folder`.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        Ok(Self {
            ended: Vec::new(),
            tally: Tally::default(),
            log: SkipLog::create(folder)?,
            started: Instant::now(),
        })
    }

    /// `None` when the step fails, which ends the run.
    pub(crate) fn step<T>(
        &mut self,
        step: Step,
        work: impl FnOnce(&mut Tally, &mut SkipLog) -> Result<T>,
    ) -> Option<T> {
        say(&format!(
            "{} (at {})",
            step.name(),
            minutes(self.started.elapsed()).trim_start()
        ));
        let (before, failed_before) = (Instant::now(), self.tally.failed());
        let result = work(&mut self.tally, &mut self.log);
        let took = before.elapsed();
        match result {
            Ok(value) => {
                self.ended.push((step, took, End::Done));
                Some(value)
            }
            Err(error) => {
                say(&format!("{} failed: {error:#}", step.name()));
                self.tally.step_failed(failed_before);
                self.ended.push((step, took, End::Failed));
                None
            }
        }
    }

    pub(crate) fn skip(&mut self, step: Step, reason: &str) {
        self.tally.step_skipped(step.name(), reason);
        self.ended.push((step, Duration::ZERO, End::Skipped));
    }

    /// A check that needs nothing and gives nothing; left out when `reason` says why.
    pub(crate) fn check(
        &mut self,
        step: Step,
        reason: Option<&str>,
        work: impl FnOnce() -> Result<()>,
    ) -> Option<()> {
        match reason {
            Some(reason) => {
                self.skip(step, reason);
                Some(())
            }
            None => self.step(step, |_, _| work()),
        }
    }

    /// The table of steps, what was skipped, and the counts.
    pub(crate) fn report(mut self) -> String {
        let mut lines = Vec::new();
        for step in Step::ALL {
            let end = self.ended.iter().find(|(ended, ..)| *ended == step);
            let outcome = match end {
                Some((_, took, End::Done)) => minutes(*took),
                Some((_, took, End::Failed)) => format!("{}  FAILED", minutes(*took)),
                Some((_, _, End::Skipped)) => "skipped".to_owned(),
                None => {
                    self.tally
                        .step_skipped(step.name(), "not reached after the failure");
                    "not reached".to_owned()
                }
            };
            lines.push(format!("{:<30} {outcome}", step.name()));
        }
        lines.push(format!("{:<30} {}", "all", minutes(self.started.elapsed())));
        lines.extend(self.tally.skipped_lines());
        lines.push(self.tally.summary());
        lines.join("\n")
    }
}

fn minutes(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    format!(
        "{:>3} min {:>2}.{} s",
        tenths / 600,
        tenths / 10 % 60,
        tenths % 10
    )
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failure_is_in_the_table_and_what_comes_after_it_is_not_reached() {
        let dir = tempfile::tempdir().unwrap();
        let mut runner = Runner::new(dir.path()).unwrap();
        assert_eq!(runner.step(Step::Toolchain, |_, _| Ok(7)), Some(7));
        runner
            .check(Step::Format, Some("not now"), || bail!("must not run"))
            .unwrap();
        assert!(
            runner
                .check(Step::Guests, None, || bail!("broken"))
                .is_none()
        );
        let report = runner.report();
        let line = |name: &str| {
            report
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(!line("toolchain").contains("FAILED"));
        assert!(line("format").ends_with("skipped"));
        assert!(line("guests to components").ends_with("FAILED"));
        assert!(line("documents").ends_with("not reached"));
        assert!(report.contains("skipped: step format: not now"));
        // All but the one that passed and the one that failed.
        let skipped = Step::ALL.len() - 2;
        assert!(
            report.ends_with(&format!("0 passed, 1 failed, {skipped} skipped")),
            "{report}"
        );
    }

    #[test]
    fn times_are_easy_to_compare() {
        assert_eq!(minutes(Duration::from_millis(61_250)), "  1 min  1.2 s");
        assert_eq!(minutes(Duration::from_secs(3_599)), " 59 min 59.0 s");
    }
}
