//! All of it as settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::breaker::BreakerConfig;
use crate::concurrency::LimitConfig;
use crate::retry::{BudgetConfig, RetryConfig};
use crate::timeouts::TimeoutConfig;

/// `[policy]`, and `[providers.<id>.policy]` for one provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// When a model is not asked for a while.
    pub breaker: BreakerConfig,
    /// When a failed attempt is repeated.
    pub retry: RetryConfig,
    /// How many repeats a provider gets in all.
    pub budget: BudgetConfig,
    /// How long an answer may take.
    pub timeouts: TimeoutConfig,
    /// How many answers run at once.
    pub limits: LimitConfig,
}

impl PolicyConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        self.breaker.check()?;
        self.retry.check()?;
        self.budget.check()?;
        self.timeouts.check()?;
        self.limits.check()
    }
}

/// The longest duration that a setting may name: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// Seconds as a duration; what is no duration is none.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

pub(crate) fn check_seconds(key: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value <= MAX_SECONDS {
        Ok(())
    } else {
        Err(format!(
            "{key} must be more than 0 and at most {MAX_SECONDS} seconds"
        ))
    }
}

pub(crate) fn check_ratio(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} must be from 0 to 1"))
    }
}

pub(crate) fn check_count(key: &str, value: u32) -> Result<(), String> {
    if value > 0 {
        Ok(())
    } else {
        Err(format!("{key} must be at least 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_a_round_trip() {
        let policy = PolicyConfig::default();
        assert_eq!(policy.validate(), Ok(()));
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<PolicyConfig>(&json).unwrap(), policy);
    }

    #[test]
    fn a_value_that_cannot_work_is_named() {
        for (json, words) in [
            (r#"{"breaker":{"open_for_s":-1}}"#, "breaker.open_for_s"),
            (
                r#"{"breaker":{"open_for_s":90,"max_open_for_s":30}}"#,
                "breaker.max_open_for_s",
            ),
            (
                r#"{"breaker":{"failure_ratio":1.5}}"#,
                "breaker.failure_ratio",
            ),
            (
                r#"{"breaker":{"consecutive_failures":0}}"#,
                "breaker.consecutive_failures",
            ),
            (
                r#"{"retry":{"backoff":{"factor":0.5}}}"#,
                "retry.backoff.factor",
            ),
            (r#"{"timeouts":{"idle_s":0}}"#, "timeouts.idle_s"),
            (r#"{"limits":{"max_in_flight":0}}"#, "limits.max_in_flight"),
            (r#"{"budget":{"ratio":-0.1}}"#, "budget.ratio"),
        ] {
            let policy: PolicyConfig = serde_json::from_str(json).unwrap();
            let problem = policy.validate().unwrap_err();
            assert!(problem.contains(words), "{json}: {problem}");
        }
        assert!(serde_json::from_str::<PolicyConfig>(r#"{"breakers":{}}"#).is_err());
    }
}
