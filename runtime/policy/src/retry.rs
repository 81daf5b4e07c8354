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
    /// What each first attempt adds, in repeats. 0.2: the share that Finagle and the gRPC service
    /// meshes settled on; load grows by a fifth at most while a provider is down.
    pub ratio: f64,
    /// What time adds, in repeats a minute. 10: a person who sends little must still get repeats.
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
        Some(asked) => asked.max(asked.saturating_add(own / 4)),
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
mod tests {
    use proptest::prelude::*;
    use vale_types::{AuthKind, LimitScope, NetworkFailure, NetworkKind, RateLimit};

    use super::*;

    fn error(kind: ErrorKind) -> Failure {
        Error::new(kind, "x").into()
    }

    fn network(request_sent: bool) -> Failure {
        let kind = NetworkKind::Reset;
        error(ErrorKind::Network(NetworkFailure { kind, request_sent }))
    }

    fn limited(ms: u64) -> Failure {
        error(ErrorKind::RateLimited(RateLimit {
            retry_after_ms: Some(ms),
            scope: LimitScope::Requests,
        }))
    }

    fn first(failure: &Failure) -> AttemptFacts<'_> {
        AttemptFacts {
            attempt: 1,
            failure,
            content_seen: false,
            unanswered_repeats: 0,
        }
    }

    fn decided(facts: &AttemptFacts<'_>) -> Decision {
        let now = Instant::now();
        let mut budget = RetryBudget::new(BudgetConfig::default(), now);
        decide(&RetryConfig::default(), &mut budget, facts, now, 0.0)
    }

    #[test]
    fn nothing_is_repeated_after_content_or_where_it_would_fail_again() {
        let well = error(ErrorKind::Internal);
        let seen = AttemptFacts {
            content_seen: true,
            ..first(&well)
        };
        assert_eq!(decided(&seen), Decision::GiveUp(GiveUp::ContentSeen));
        let key = error(ErrorKind::Auth(AuthKind::Invalid));
        assert_eq!(
            decided(&first(&key)),
            Decision::GiveUp(GiveUp::NotRetryable)
        );
    }

    #[test]
    fn two_repeats_with_growing_waits_and_then_no_more() {
        let failure = error(ErrorKind::Overloaded(None));
        let after = |attempt| {
            decided(&AttemptFacts {
                attempt,
                ..first(&failure)
            })
        };
        let retry = |ms| Decision::Retry {
            after: Duration::from_millis(ms),
            possibly_billed: false,
        };
        assert_eq!(after(1), retry(500));
        assert_eq!(after(2), retry(1000));
        assert_eq!(after(3), Decision::GiveUp(GiveUp::TooOften));
    }

    #[test]
    fn what_was_sent_and_gave_no_status_is_repeated_once_and_marked() {
        let sent = network(true);
        assert!(matches!(
            decided(&first(&sent)),
            Decision::Retry {
                possibly_billed: true,
                ..
            }
        ));
        let again = AttemptFacts {
            attempt: 2,
            unanswered_repeats: 1,
            ..first(&sent)
        };
        assert_eq!(decided(&again), Decision::GiveUp(GiveUp::MayBeBilledTwice));
        let unsent = network(false);
        assert!(matches!(
            decided(&first(&unsent)),
            Decision::Retry {
                possibly_billed: false,
                ..
            }
        ));
    }

    #[test]
    fn the_servers_wait_wins_up_to_a_limit() {
        let wait = |failure: &Failure| match decided(&first(failure)) {
            Decision::Retry { after, .. } => after.as_millis(),
            Decision::GiveUp(why) => panic!("{why:?}"),
        };
        assert_eq!(wait(&limited(7000)), 7125);
        assert_eq!(wait(&limited(0)), 125);
        assert_eq!(
            decided(&first(&limited(61_000))),
            Decision::GiveUp(GiveUp::WaitTooLong)
        );
    }

    proptest! {
        /// However failures come, and whatever the clock does.
        #[test]
        fn repeats_never_exceed_the_budget(
            acts in proptest::collection::vec((any::<bool>(), -50..200_i64), 0..300),
        ) {
            let base = Instant::now() + Duration::from_secs(100_000);
            let (mut now, mut latest) = (base, base);
            let config = BudgetConfig::default();
            let mut budget = RetryBudget::new(config.clone(), now);
            let failure = error(ErrorKind::Internal);
            let (mut firsts, mut repeats) = (0, 0);
            for (is_first, ms) in acts {
                let step = Duration::from_millis(ms.unsigned_abs());
                now = if ms < 0 { now - step } else { now + step };
                latest = latest.max(now);
                if is_first {
                    firsts += 1;
                    budget.deposit(now);
                } else if let Decision::Retry { .. } =
                    decide(&RetryConfig::default(), &mut budget, &first(&failure), now, 0.5)
                {
                    repeats += 1;
                }
                prop_assert!(repeats <= config.bound(firsts, latest - base));
            }
        }
    }
}
