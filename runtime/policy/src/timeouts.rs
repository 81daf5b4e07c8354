//! How long an answer may take: to its first event, between events, in all.
//!
//! An event of any kind ends the wait for the first one and is a sign of life after that. A start
//! or a ping is enough: what a person waits for is content, but a server that says it works is not
//! dead, and a limit on silence that content alone could lift would end long reasoning.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::{check_seconds, seconds};

/// How long an answer may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// From the call to its first event of any kind, seconds. 480: a local server is silent while it
    /// loads a model. Ollama itself gives up a load only after five minutes without progress
    /// (`OLLAMA_LOAD_TIMEOUT`), and aborts it when the client leaves: a shorter limit here begins
    /// the same load again and again. 70 GB from a disk of 150 MB/s take 470 s. Below the 600 s of
    /// the SDKs and of a plugin's usual `wall_s`, so that the server is named and not the plugin.
    pub first_event_s: f64,
    /// From one event to the next, pings included, seconds. 120: an answer that has begun comes
    /// steadily or is pinged; a slow local model may need a minute for one tool call that it sends
    /// whole.
    pub idle_s: f64,
    /// In all, seconds. 3600: long reasoning takes tens of minutes, more than TensorZero's 15; what
    /// neither ends nor falls silent still holds a place and money.
    pub total_s: f64,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            first_event_s: 480.0,
            idle_s: 120.0,
            total_s: 3600.0,
        }
    }
}

impl TimeoutConfig {
    /// See `first_event_s`.
    #[must_use]
    pub fn first_event(&self) -> Duration {
        seconds(self.first_event_s)
    }

    /// See `idle_s`.
    #[must_use]
    pub fn idle(&self) -> Duration {
        seconds(self.idle_s)
    }

    /// See `total_s`.
    #[must_use]
    pub fn total(&self) -> Duration {
        seconds(self.total_s)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        check_seconds("timeouts.first_event_s", self.first_event_s)?;
        check_seconds("timeouts.idle_s", self.idle_s)?;
        check_seconds("timeouts.total_s", self.total_s)
    }
}

/// Which wait was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// For the first event.
    FirstEvent,
    /// For the next event.
    Idle,
    /// For the end.
    Total,
}

/// Watches one answer.
#[derive(Debug, Clone)]
pub struct Watch {
    config: TimeoutConfig,
    begun: Instant,
    last: Option<Instant>,
}

impl Watch {
    /// The call begins.
    #[must_use]
    pub fn new(config: TimeoutConfig, now: Instant) -> Self {
        Self {
            config,
            begun: now,
            last: None,
        }
    }

    /// Something came; a ping or a start is a sign of life too.
    pub fn on_event(&mut self, now: Instant) {
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// When to look again.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let next = match self.last {
            None => self.begun + self.config.first_event(),
            Some(last) => last + self.config.idle(),
        };
        next.min(self.begun + self.config.total())
    }

    /// Which wait is over now.
    #[must_use]
    pub fn expired(&self, now: Instant) -> Option<Expired> {
        if now < self.deadline() {
            return None;
        }
        Some(if now >= self.begun + self.config.total() {
            Expired::Total
        } else if self.last.is_none() {
            Expired::FirstEvent
        } else {
            Expired::Idle
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_wait_has_its_own_limit() {
        let now = Instant::now();
        let mut watch = Watch::new(TimeoutConfig::default(), now);
        assert_eq!(watch.expired(now + SECOND * 479), None);
        assert_eq!(watch.expired(now + SECOND * 480), Some(Expired::FirstEvent));
        watch.on_event(now + SECOND * 100);
        assert_eq!(watch.expired(now + SECOND * 219), None);
        assert_eq!(watch.expired(now + SECOND * 220), Some(Expired::Idle));
        for event in 0..36 {
            watch.on_event(now + SECOND * 100 * event);
        }
        assert_eq!(watch.expired(now + SECOND * 3599), None);
        assert_eq!(watch.expired(now + SECOND * 3600), Some(Expired::Total));
    }

    #[test]
    fn a_model_that_ollama_still_loads_is_not_given_up() {
        let ollama_gives_up_after = SECOND * 300;
        let now = Instant::now();
        let watch = Watch::new(TimeoutConfig::default(), now);
        assert_eq!(
            watch.expired(now + ollama_gives_up_after + SECOND * 60),
            None
        );
        assert!(
            TimeoutConfig::default().first_event() < SECOND * 600,
            "a plugin's `wall_s`"
        );
    }

    proptest! {
        /// Whatever the clock does, seconds or hours, forward or back.
        #[test]
        fn it_never_ends_an_answer_early_by_any_clock(
            steps in proptest::collection::vec((any::<bool>(), -20_000..20_000_i32), 0..60),
        ) {
            let begun = Instant::now() + SECOND * 2_000_000;
            let config = TimeoutConfig::default();
            let (mut now, mut watch) = (begun, Watch::new(config.clone(), begun));
            let mut last = None;
            for (is_event, step) in steps {
                let by = SECOND * step.unsigned_abs();
                now = if step < 0 { now - by } else { now + by };
                if is_event {
                    watch.on_event(now);
                    last = Some(now);
                }
                match watch.expired(now) {
                    Some(Expired::FirstEvent) => {
                        prop_assert!(last.is_none() && now >= begun + config.first_event());
                    }
                    Some(Expired::Idle) => {
                        prop_assert!(last.is_some_and(|last| now >= last + config.idle()));
                    }
                    Some(Expired::Total) => prop_assert!(now >= begun + config.total()),
                    None => prop_assert!(now < watch.deadline()),
                }
            }
        }

        #[test]
        fn it_never_ends_what_is_alive_and_never_lets_silence_go_on(
            events in proptest::collection::vec(prop_oneof![4 => 0..130_u32, 1 => 0..600_u32], 0..50),
        ) {
            let begun = Instant::now();
            let config = TimeoutConfig::default();
            let (mut now, mut watch) = (begun, Watch::new(config.clone(), begun));
            let mut last = None;
            for gap in events {
                now += SECOND * gap;
                let limit = if last.is_none() { config.first_event() } else { config.idle() };
                let silent = now - last.unwrap_or(begun);
                let is_over = silent >= limit || now - begun >= config.total();
                prop_assert_eq!(watch.expired(now).is_some(), is_over);
                if is_over {
                    break;
                }
                watch.on_event(now);
                last = Some(now);
            }
        }
    }
}
