//! When to commit. A pure value: the time is an argument, counted from any fixed moment.

use std::time::Duration;

const QUIET: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10);
const MOST: usize = 500;
const IDLE: Duration = Duration::from_secs(30);

/// Commits after 2 s of quiet, after 10 s, or at 500 changes, whichever comes first. What is not
/// committed is found all the same, by the scan of [`Recent`](crate::Recent), which these 500 bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitPolicy {
    waiting: Option<Waiting>,
    idle_since: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    first: Duration,
    last: Duration,
    changes: usize,
}

impl CommitPolicy {
    /// Nothing waits; idle since `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            waiting: None,
            idle_since: now,
        }
    }

    /// `changes` were applied.
    pub fn applied(&mut self, changes: usize, now: Duration) {
        if changes == 0 {
            return;
        }
        let waiting = self.waiting.get_or_insert(Waiting {
            first: now,
            last: now,
            changes: 0,
        });
        waiting.last = now;
        waiting.changes = waiting.changes.saturating_add(changes);
    }

    /// All that was applied is committed.
    pub fn committed(&mut self, now: Duration) {
        *self = Self::new(now);
    }

    /// When to commit if nothing more comes; `None` if nothing waits. In the past: now.
    pub fn due(&self) -> Option<Duration> {
        let waiting = self.waiting?;
        if waiting.changes >= MOST {
            return Some(waiting.last);
        }
        let quiet = waiting.last.saturating_add(QUIET);
        Some(quiet.min(waiting.first.saturating_add(LONGEST)))
    }

    /// Whether to commit now.
    pub fn is_due(&self, now: Duration) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// Whether the writer has had nothing to do for 30 s and should be dropped.
    pub fn is_idle(&self, now: Duration) -> bool {
        self.waiting.is_none() && now >= self.idle_since.saturating_add(IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_commit_is_due_after_quiet_or_long_or_many() {
        let mut policy = CommitPolicy::new(at(0.0));
        assert_eq!(policy.due(), None);
        policy.applied(1, at(1.0));
        assert_eq!(policy.due(), Some(at(3.0)));
        policy.applied(1, at(2.5));
        assert_eq!(policy.due(), Some(at(4.5)));
        assert!(!policy.is_due(at(4.4)) && policy.is_due(at(4.5)));
        // Someone who never stops.
        for step in 0..10 {
            policy.applied(1, at(3.0 + f64::from(step)));
        }
        assert_eq!(policy.due(), Some(at(11.0)));
        // A lot at once.
        policy.committed(at(11.0));
        policy.applied(499, at(12.0));
        assert!(!policy.is_due(at(12.0)));
        policy.applied(1, at(12.0));
        assert!(policy.is_due(at(12.0)));
    }

    #[test]
    fn a_writer_with_nothing_to_do_is_idle_after_thirty_seconds() {
        let mut policy = CommitPolicy::new(at(5.0));
        assert!(!policy.is_idle(at(34.0)) && policy.is_idle(at(35.0)));
        policy.applied(1, at(36.0));
        assert!(!policy.is_idle(at(90.0)));
        policy.committed(at(90.0));
        assert!(!policy.is_idle(at(119.0)) && policy.is_idle(at(120.0)));
    }
}
