//! Whether a failed attempt is repeated.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vale_types::{Error, ErrorKind, Failure};

use crate::backoff::BackoffConfig;
use crate::config::{check_ratio, check_seconds, seconds};

/// When a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Repeats of one request at one model. 2: the SDKs' and LiteLLM's; more makes a person wait
    /// for what will not come.
    pub max_retries: u32,
    /// The longest wait of a server's that is kept, seconds; one that asks for more is not asked
    /// again. 60: Portkey's; the OpenAI SDK gives up at 120, but a person is waiting here.
    pub max_wait_for_provider_s: f64,
    /// The waits where the server names none.
    pub backoff: BackoffConfig,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 2,
            max_wait_for_provider_s: 60.0,
            backoff: BackoffConfig::default(),
        }
    }
}

impl RetryConfig {
    /// See `max_wait_for_provider_s`.
    #[must_use]
    pub fn max_wait_for_provider(&self) -> Duration {
        seconds(self.max_wait_for_provider_s)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        check_seconds(
            "retry.max_wait_for_provider_s",
            self.max_wait_for_provider_s,
        )?;
        self.backoff.check("retry.backoff")
    }
}

/// How many repeats a provider gets in all, so that repeats cannot multiply an outage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// What each first attempt adds, in repeats. 0.2: Finagle's and Linkerd's; load grows by a fifth
    /// at most while a provider is down. None of the chat peers has a budget: there, retries times
    /// fallbacks multiply an outage.
    pub ratio: f64,
    /// What time adds, in repeats a minute. 10: a person who sends little must still get repeats;
    /// those meshes add ten a second, for services.
    pub per_minute: f64,
    /// The most that is saved up. 10: enough for five requests that fail together.
    pub max: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            per_minute: 10.0,
            max: 10.0,
        }
    }
}

impl BudgetConfig {
    /// The most repeats that so many first attempts within such a time can get.
    #[must_use]
    pub fn bound(&self, first_attempts: u64, elapsed: Duration) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a bound, rounded up")]
        let added = self.ratio * first_attempts as f64;
        let bound = self.max + added + self.per_minute * elapsed.as_secs_f64() / 60.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturates"
        )]
        let bound = bound.ceil() as u64;
        bound
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        check_ratio("budget.ratio", self.ratio)?;
        for (key, value) in [("per_minute", self.per_minute), ("max", self.max)] {
            if !(0.0..=1_000_000.0).contains(&value) {
                return Err(format!("budget.{key} must be from 0 to 1000000"));
            }
        }
        Ok(())
    }
}

/// A provider's repeats that are left.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    config: BudgetConfig,
    left: f64,
    filled: Instant,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(config: BudgetConfig, now: Instant) -> Self {
        Self {
            left: config.max,
            config,
            filled: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        // A clock that went back adds nothing.
        let minutes = now.saturating_duration_since(self.filled).as_secs_f64() / 60.0;
        self.filled = self.filled.max(now);
        self.left = (self.left + minutes * self.config.per_minute).min(self.config.max);
    }

    /// A first attempt begins.
    pub fn deposit(&mut self, now: Instant) {
        self.fill(now);
        self.left = (self.left + self.config.ratio).min(self.config.max);
    }

    /// Takes one repeat; false when none is left.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        self.fill(now);
        let is_there = self.left >= 1.0;
        if is_there {
            self.left -= 1.0;
        }
        is_there
    }
}

/// What is known of an attempt that failed.
#[derive(Debug, Clone, Copy)]
pub struct AttemptFacts<'a> {
    /// Counts the attempts at this model, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub failure: &'a Failure,
    /// Whether the person has seen something of the answer.
    pub content_seen: bool,
    /// Repeats of this turn so far whose first try was sent and gave no status.
    pub unanswered_repeats: u32,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The same model is asked again.
    Retry {
        /// After this wait.
        after: Duration,
        /// The failed attempt may be billed: it was sent and gave no status.
        possibly_billed: bool,
    },
    /// It is not.
    GiveUp(GiveUp),
}

/// Why an attempt is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The person has seen something: a second answer would contradict it.
    ContentSeen,
    /// The same request would fail again.
    NotRetryable,
    /// Often enough.
    TooOften,
    /// It was sent and gave no status, for the second time: each may be billed.
    MayBeBilledTwice,
    /// The server asks for a wait that nobody would wait for.
    WaitTooLong,
    /// The provider's budget is used up.
    NoBudget,
}

/// Decides whether an attempt is repeated; a repeat is paid from the budget. `random` in `[0, 1)`
/// jitters the wait.
#[must_use]
pub fn decide(
    config: &RetryConfig,
    budget: &mut RetryBudget,
    facts: &AttemptFacts<'_>,
    now: Instant,
    random: f64,
) -> Decision {
    let give_up = Decision::GiveUp;
    if facts.content_seen {
        return give_up(GiveUp::ContentSeen);
    }
    if !facts.failure.is_retryable() {
        return give_up(GiveUp::NotRetryable);
    }
    if facts.attempt > config.max_retries {
        return give_up(GiveUp::TooOften);
    }
    let possibly_billed = is_unanswered(facts.failure);
    if possibly_billed && facts.unanswered_repeats > 0 {
        return give_up(GiveUp::MayBeBilledTwice);
    }
    let own = config.backoff.delay(facts.attempt, random);
    let after = match facts.failure.retry_after() {
        Some(asked) if asked > config.max_wait_for_provider() => {
            return give_up(GiveUp::WaitTooLong);
        }
        // Never earlier than asked, and jittered, because everybody was told the same.
        Some(asked) => asked.saturating_add(own / 4),
        None => own,
    };
    if !budget.withdraw(now) {
        return give_up(GiveUp::NoBudget);
    }
    Decision::Retry {
        after,
        possibly_billed,
    }
}

/// Whether the upstream may have taken the request, and nothing says what became of it.
fn is_unanswered(failure: &Failure) -> bool {
    match failure {
        Failure::Error(Error {
            kind: ErrorKind::Network(network),
            http_status: None,
            ..
        }) => network.request_sent,
        // It ran out of time somewhere behind the plugin.
        Failure::Fault(_) => true,
        Failure::Error(_) => false,
    }
}

#[cfg(test)]
mod tests;
