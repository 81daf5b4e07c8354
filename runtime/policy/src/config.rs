//! All of it as settings.

use std::time::{Duration, Instant};

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

/// Seconds as a duration, a day at most, so that no clock overflows; what is no number is none.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_SECONDS)).unwrap_or_default()
}

/// Whether two moments are no further apart than `window`, whichever the clock puts first: what
/// lies far ahead of a clock that went back is as old as what lies far behind.
pub(crate) fn is_within(at: Instant, now: Instant, window: Duration) -> bool {
    now.saturating_duration_since(at) <= window && at.saturating_duration_since(now) <= window
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
    use serde_json::Value;

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

    /// Every number of the settings, by its dotted key.
    fn numbers(value: &Value, at: &str, into: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let dot = if at.is_empty() { "" } else { "." };
                    numbers(value, &format!("{at}{dot}{key}"), into);
                }
            }
            leaf => into.push((at.to_owned(), leaf.clone())),
        }
    }

    fn all() -> (Value, Vec<(String, Value)>) {
        let policy = serde_json::to_value(PolicyConfig::default()).unwrap();
        let mut leaves = Vec::new();
        numbers(&policy, "", &mut leaves);
        assert!(leaves.len() > 20);
        (policy, leaves)
    }

    #[test]
    fn no_setting_takes_a_negative_number_or_one_beyond_all_measure() {
        let (policy, leaves) = all();
        for (key, default) in leaves.iter().filter(|(_, default)| default.is_f64()) {
            for wrong in [-1.0, 1e300] {
                let mut policy = policy.clone();
                *policy
                    .pointer_mut(&format!("/{}", key.replace('.', "/")))
                    .unwrap() = wrong.into();
                let policy: PolicyConfig = serde_json::from_value(policy).unwrap();
                let problem = policy.validate().unwrap_err();
                assert!(
                    problem.contains(key.as_str()),
                    "{key} was {default}: {problem}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused_and_stops_no_clock() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(check_seconds("x", wrong).is_err());
            assert!(check_ratio("x", wrong).is_err());
            let mut policy = PolicyConfig::default();
            policy.retry.backoff.factor = wrong;
            assert!(
                policy
                    .validate()
                    .unwrap_err()
                    .contains("retry.backoff.factor")
            );
            policy = PolicyConfig::default();
            policy.budget.max = wrong;
            assert!(policy.validate().unwrap_err().contains("budget.max"));
        }
        assert_eq!(seconds(f64::NAN), Duration::ZERO);
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::INFINITY), Duration::from_secs(86_400));
    }

    #[test]
    fn the_readme_gives_every_setting_with_its_default() {
        for (key, default) in all().1 {
            let default = default.as_f64().unwrap();
            let row = format!("| `{key}` | {default} |");
            assert!(include_str!("../README.md").contains(&row), "{row}");
        }
    }
}
