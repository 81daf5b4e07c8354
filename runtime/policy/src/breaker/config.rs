//! The breaker's settings.

use serde::{Deserialize, Serialize};

use crate::config::{check_count, check_ratio, check_seconds};

/// When a model is not asked for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row that open it. 5: IronClaw's; LiteLLM's three a minute trips on one
    /// hiccup with its retries.
    pub consecutive_failures: u32,
    /// The part of failures within the window that opens it, 0 to 1. 0.5: LiteLLM's; it catches
    /// what fails every other time and so never in a row.
    pub failure_ratio: f64,
    /// Calls within the window below which the ratio says nothing. 10: between LiteLLM's 5 and
    /// Helicone's 20; a person sends a few a minute.
    pub min_calls: u32,
    /// The window, seconds. 60: as LiteLLM and Helicone.
    pub window_s: f64,
    /// How long it stays open the first time, seconds. 30: IronClaw's and Portkey's least; five
    /// seconds (LiteLLM) hammers what is down.
    pub open_for_s: f64,
    /// The longest that it stays open, seconds: each failed probe doubles the time. 300: a
    /// provider that has been down for an hour is found well within five minutes.
    pub max_open_for_s: f64,
    /// How long a model rests after a 429 that names no wait, seconds, doubled by each in a row.
    /// 5: most limits are per minute, and a person would try again about then.
    pub rate_limit_pause_s: f64,
    /// The longest pause after a 429 that is kept, whatever the server asks for, seconds. 900: a
    /// wait of hours is better told than kept.
    pub max_rate_limit_pause_s: f64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio: 0.5,
            min_calls: 10,
            window_s: 60.0,
            open_for_s: 30.0,
            max_open_for_s: 300.0,
            rate_limit_pause_s: 5.0,
            max_rate_limit_pause_s: 900.0,
        }
    }
}

impl BreakerConfig {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_count("breaker.consecutive_failures", self.consecutive_failures)?;
        check_count("breaker.min_calls", self.min_calls)?;
        check_ratio("breaker.failure_ratio", self.failure_ratio)?;
        for (key, value) in [
            ("window_s", self.window_s),
            ("open_for_s", self.open_for_s),
            ("max_open_for_s", self.max_open_for_s),
            ("rate_limit_pause_s", self.rate_limit_pause_s),
            ("max_rate_limit_pause_s", self.max_rate_limit_pause_s),
        ] {
            check_seconds(&format!("breaker.{key}"), value)?;
        }
        if self.max_open_for_s < self.open_for_s {
            return Err(
                "breaker.max_open_for_s must not be less than breaker.open_for_s".to_owned(),
            );
        }
        Ok(())
    }
}
