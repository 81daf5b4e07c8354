//! How often a child of a supervisor is started again.

use std::time::{Duration, Instant};

use crate::backoff::BackoffConfig;
use crate::config::{is_within, seconds};

/// Restart intensity: so many restarts within such a time, after growing waits.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartConfig {
    /// Restarts within the window. 5: a crash that comes with every message is found out within
    /// seconds, one that comes now and then is not. OTP's 1 in 5 s is for servers that somebody
    /// watches.
    pub max_restarts: u32,
    /// The window. One minute: all five waits of a child that crashes at once fit into it, twenty
    /// times over.
    pub window: Duration,
    /// The waits. From 0.05 s to 2 s, with half of it jitter: the first crash of a good actor should
    /// not be felt, and siblings that crashed together should not come back together. Jan's MCP
    /// servers wait from 1 s to 30 s, but those are processes.
    pub backoff: BackoffConfig,
    /// How long a life must last for the waits to begin anew. Ten seconds: longer than a message
    /// waits for a restarted actor, so that what crashed it has been tried again.
    pub stable_after: Duration,
}

impl Default for RestartConfig {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window: Duration::from_secs(60),
            backoff: BackoffConfig {
                first_s: 0.05,
                factor: 2.0,
                max_s: 2.0,
                jitter: 0.5,
            },
            stable_after: Duration::from_secs(10),
        }
    }
}

/// What follows the end of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Another life.
    Restart {
        /// After this wait.
        after: Duration,
    },
    /// Too often: the supervisor decides.
    Escalate,
}

/// Counts a child's restarts.
#[derive(Debug, Clone)]
pub struct Restarts {
    config: RestartConfig,
    recent: Vec<Instant>,
    in_a_row: u32,
}

impl Restarts {
    /// None so far.
    #[must_use]
    pub fn new(config: RestartConfig) -> Self {
        Self {
            config,
            recent: Vec::new(),
            in_a_row: 0,
        }
    }

    /// A life ended. `random` in `[0, 1)` jitters the wait.
    pub fn on_exit(&mut self, now: Instant, random: f64) -> RestartDecision {
        let window = self.config.window;
        self.recent.retain(|at| is_within(*at, now, window));
        let limit = usize::try_from(self.config.max_restarts).unwrap_or(usize::MAX);
        if self.recent.len() >= limit {
            return RestartDecision::Escalate;
        }
        self.recent.push(now);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let after = self.config.backoff.delay(self.in_a_row, random);
        RestartDecision::Restart { after }
    }

    /// A life has lasted for long enough.
    pub fn on_stable(&mut self) {
        self.in_a_row = 0;
    }
}

impl RestartConfig {
    /// The longest wait before a restart.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        seconds(self.backoff.max_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_within_a_minute_and_then_the_supervisor_decides() {
        let now = Instant::now();
        let mut restarts = Restarts::new(RestartConfig::default());
        let mut waits = Vec::new();
        for _ in 0..5 {
            match restarts.on_exit(now, 0.0) {
                RestartDecision::Restart { after } => waits.push(after.as_millis()),
                RestartDecision::Escalate => panic!("too early"),
            }
        }
        assert_eq!(waits, [50, 100, 200, 400, 800]);
        assert_eq!(restarts.on_exit(now, 0.0), RestartDecision::Escalate);
        let later = now + Duration::from_secs(61);
        restarts.on_stable();
        let after = Duration::from_millis(50);
        assert_eq!(
            restarts.on_exit(later, 0.0),
            RestartDecision::Restart { after }
        );
    }

    #[test]
    fn a_life_that_lasted_begins_the_waits_anew_but_forgets_no_restart() {
        let now = Instant::now();
        let mut restarts = Restarts::new(RestartConfig::default());
        let after = Duration::from_millis(50);
        for _ in 0..5 {
            assert_eq!(
                restarts.on_exit(now, 0.0),
                RestartDecision::Restart { after }
            );
            restarts.on_stable();
        }
        assert_eq!(restarts.on_exit(now, 0.0), RestartDecision::Escalate);
    }

    #[test]
    fn a_clock_that_went_back_does_not_use_up_the_restarts() {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let mut restarts = Restarts::new(RestartConfig::default());
        while restarts.on_exit(now, 0.0) != RestartDecision::Escalate {}
        let back = now - Duration::from_secs(18_000);
        assert_ne!(restarts.on_exit(back, 0.0), RestartDecision::Escalate);
    }

    #[test]
    fn the_readme_gives_the_defaults() {
        let config = RestartConfig::default();
        let (window, stable) = (config.window.as_secs(), config.stable_after.as_secs());
        for row in [
            format!("| `max_restarts` | {} |", config.max_restarts),
            format!("| `window` | {window} s |"),
            format!(
                "| `backoff` | {} s × {} → {} s |",
                config.backoff.first_s, config.backoff.factor, config.backoff.max_s
            ),
            format!("| `stable_after` | {stable} s |"),
        ] {
            assert!(include_str!("../README.md").contains(&row), "{row}");
        }
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_restarts_than_allowed(
            gaps in proptest::collection::vec(0..30_u64, 0..200),
        ) {
            let config = RestartConfig::default();
            let (mut now, mut restarts) = (Instant::now(), Restarts::new(config.clone()));
            let mut done: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                if let RestartDecision::Restart { after } = restarts.on_exit(now, 0.5) {
                    prop_assert!(after <= config.longest_wait());
                    done.push(now);
                }
                let recent = done.iter().filter(|at| now - **at <= config.window).count();
                prop_assert!(recent <= 5);
            }
        }
    }
}
