//! How often a child of a supervisor is started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::BackoffConfig;
use crate::config::seconds;

/// Restart intensity: so many restarts within such a time, after growing waits.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartConfig {
    /// Restarts within the window. 5: a crash that comes with every message is found out within
    /// seconds, one that comes now and then is not.
    pub max_restarts: u32,
    /// The window. One minute.
    pub window: Duration,
    /// The waits. From 0.05 s: the first crash of a good actor should not be felt.
    pub backoff: BackoffConfig,
    /// How long a life must last for the waits to begin anew. Ten seconds.
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
    recent: VecDeque<Instant>,
    in_a_row: u32,
}

impl Restarts {
    /// None so far.
    #[must_use]
    pub fn new(config: RestartConfig) -> Self {
        Self {
            config,
            recent: VecDeque::new(),
            in_a_row: 0,
        }
    }

    /// A life ended. `random` in `[0, 1)` jitters the wait.
    pub fn on_exit(&mut self, now: Instant, random: f64) -> RestartDecision {
        let window = self.config.window;
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > window;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
        let limit = usize::try_from(self.config.max_restarts).unwrap_or(usize::MAX);
        if self.recent.len() >= limit {
            return RestartDecision::Escalate;
        }
        self.recent.push_back(now);
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
