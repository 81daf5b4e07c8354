//! Waits that grow, with jitter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{check_ratio, check_seconds, seconds};

/// How waits grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffConfig {
    /// The first wait, seconds. 0.5: what the OpenAI and Anthropic SDKs and LiteLLM wait; shorter
    /// hits a server again before it has recovered, longer is felt by a person.
    pub first_s: f64,
    /// What each wait is multiplied by. 2: as all of them do.
    pub factor: f64,
    /// The longest wait, seconds. 8: as the SDKs; a person who waits longer is better told.
    pub max_s: f64,
    /// The part of a wait that jitter may take away, 0 to 1. 0.25: as the SDKs; it spreads clients
    /// that failed together.
    pub jitter: f64,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            first_s: 0.5,
            factor: 2.0,
            max_s: 8.0,
            jitter: 0.25,
        }
    }
}

impl BackoffConfig {
    /// The wait before repeat number `repeat` (from 1). `random` in `[0, 1)` takes up to the
    /// jitter's part of it away.
    #[must_use]
    pub fn delay(&self, repeat: u32, random: f64) -> Duration {
        let steps = i32::try_from(repeat.saturating_sub(1).min(64)).unwrap_or(64);
        let grown = (self.first_s * self.factor.powi(steps)).min(self.max_s);
        let random = if random.is_finite() {
            random.clamp(0.0, 1.0)
        } else {
            0.0
        };
        seconds(grown * (1.0 - self.jitter * random))
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        check_seconds(&format!("{name}.first_s"), self.first_s)?;
        check_seconds(&format!("{name}.max_s"), self.max_s)?;
        check_ratio(&format!("{name}.jitter"), self.jitter)?;
        if !(1.0..=100.0).contains(&self.factor) {
            return Err(format!("{name}.factor must be from 1 to 100"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = BackoffConfig::default();
        let waits: Vec<_> = (1..=6)
            .map(|n| backoff.delay(n, 0.0).as_secs_f64())
            .collect();
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]);
        assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(375));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_longest_nor_shorter_than_jitter_allows(
            repeat in any::<u32>(), random in -1.0..2.0_f64, first_s in 0.01..60.0_f64,
            factor in 1.0..100.0_f64, max_s in 0.01..600.0_f64, jitter in 0.0..=1.0_f64,
        ) {
            let backoff = BackoffConfig { first_s, factor, max_s, jitter };
            let wait = backoff.delay(repeat, random).as_secs_f64();
            // A duration has whole nanoseconds.
            let shortest = first_s.min(max_s) * (1.0 - jitter) - 1e-9;
            prop_assert!(wait <= max_s + 1e-9 && wait >= shortest);
            prop_assert!(backoff.delay(repeat.saturating_add(1), 0.0) >= backoff.delay(repeat, 0.0));
        }
    }
}
