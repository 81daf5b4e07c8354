//! The circuit breaker of one model: closed → open → half-open with exactly one probe.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vale_types::{Error, ErrorKind, Failure};

use crate::config::{check_count, check_ratio, check_seconds, seconds};

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

/// What an attempt says of its provider's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is well.
    Success,
    /// It is ill.
    Failure,
    /// It asks for a pause, perhaps for a named one.
    RateLimited {
        /// The wait that the server asks for.
        retry_after: Option<Duration>,
    },
    /// Nothing: cancelled, a bad request, a refused key.
    Neutral,
}

impl Outcome {
    /// What this failure says.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        if let Failure::Error(Error {
            kind: ErrorKind::RateLimited(_),
            ..
        }) = failure
        {
            return Self::RateLimited {
                retry_after: failure.retry_after(),
            };
        }
        if failure.counts_for_breaker() {
            Self::Failure
        } else {
            Self::Neutral
        }
    }
}

/// How a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// One call goes through, to see.
    HalfOpen,
    /// No call goes through, because the server asked for a pause.
    RateLimited,
}

impl State {
    /// Its name: `closed`, `open`, `half-open`, `rate-limited`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::RateLimited => "rate-limited",
        }
    }
}

/// Why a call does not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// It failed too often.
    Open,
    /// Another call is trying it.
    ProbeInFlight,
    /// The server asked for a pause.
    RateLimited,
}

/// A call does not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// When it is tried again; none = when the probe has ended.
    pub until: Option<Instant>,
    /// Why.
    pub why: RefusalReason,
}

/// Leave for one call. Must be given back with [`Breaker::record`], whatever happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    generation: u64,
    is_probe: bool,
}

impl Permit {
    /// Whether it is the one call that tries a model that failed.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }
}

/// A breaker as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// How it is.
    pub state: State,
    /// When it lets a call through again.
    pub until: Option<Instant>,
    /// Whether the one probe is under way.
    pub probe_in_flight: bool,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Calls within the window.
    pub calls_in_window: usize,
    /// Failures among them.
    pub failures_in_window: usize,
    /// How often it opened since the last success.
    pub times_opened: u32,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Breaker {
    config: BreakerConfig,
    phase: Phase,
    /// Changes with every phase: what began in another one says nothing of this one.
    generation: u64,
    consecutive: u32,
    opened: u32,
    pauses: u32,
    /// When calls ended, and whether they failed; the newest last.
    window: VecDeque<(Instant, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    Paused {
        until: Instant,
    },
    HalfOpen {
        probing: bool,
        /// It comes from a pause that the server asked for, and not from failures.
        from_pause: bool,
    },
}

/// Calls that the window remembers at most; the ratio needs no more.
const MAX_WINDOW: usize = 1000;

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            phase: Phase::Closed,
            generation: 0,
            consecutive: 0,
            opened: 0,
            pauses: 0,
            window: VecDeque::new(),
        }
    }

    /// Lets a call through or says why not.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&mut self, now: Instant) -> Result<Permit, Refusal> {
        match self.phase {
            Phase::Open { until } if now < until => Err(Refusal {
                until: Some(until),
                why: RefusalReason::Open,
            }),
            Phase::Paused { until } if now < until => Err(Refusal {
                until: Some(until),
                why: RefusalReason::RateLimited,
            }),
            Phase::HalfOpen { probing: true, .. } => Err(Refusal {
                until: None,
                why: RefusalReason::ProbeInFlight,
            }),
            Phase::Closed => Ok(self.permit(false)),
            Phase::Open { .. } | Phase::Paused { .. } => {
                let from_pause = matches!(self.phase, Phase::Paused { .. });
                self.enter(Phase::HalfOpen {
                    probing: true,
                    from_pause,
                });
                Ok(self.permit(true))
            }
            Phase::HalfOpen {
                probing: false,
                from_pause,
            } => {
                self.phase = Phase::HalfOpen {
                    probing: true,
                    from_pause,
                };
                Ok(self.permit(true))
            }
        }
    }

    fn permit(&self, is_probe: bool) -> Permit {
        Permit {
            generation: self.generation,
            is_probe,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation = self.generation.wrapping_add(1);
    }

    /// Takes a permit back with how its call ended. A call of an earlier phase changes nothing.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is used once")]
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) {
        if permit.generation != self.generation {
            return;
        }
        match (outcome, self.phase) {
            (Outcome::Neutral, Phase::HalfOpen { from_pause, .. }) => {
                self.phase = Phase::HalfOpen {
                    probing: false,
                    from_pause,
                };
            }
            (Outcome::Neutral, _) => {}
            (Outcome::Success, phase) => {
                self.consecutive = 0;
                self.pauses = 0;
                self.remember(now, false);
                if phase != Phase::Closed {
                    self.window.clear();
                    self.opened = 0;
                    self.enter(Phase::Closed);
                }
            }
            (Outcome::RateLimited { retry_after }, _) => self.pause(retry_after, now),
            (Outcome::Failure, phase) => {
                self.consecutive = self.consecutive.saturating_add(1);
                self.remember(now, true);
                let from_pause = matches!(
                    phase,
                    Phase::HalfOpen {
                        from_pause: true,
                        ..
                    }
                );
                if self.is_too_much() || (phase != Phase::Closed && !from_pause) {
                    self.open(now);
                } else if from_pause {
                    // The pause is over, and one failure is no illness yet.
                    self.enter(Phase::Closed);
                }
            }
        }
    }

    fn pause(&mut self, asked: Option<Duration>, now: Instant) {
        let own = self.config.rate_limit_pause_s * f64::from(2_u32.pow(self.pauses.min(10)));
        self.pauses = self.pauses.saturating_add(1);
        let wait = asked.unwrap_or_else(|| seconds(own));
        let wait = wait.min(seconds(self.config.max_rate_limit_pause_s));
        self.enter(Phase::Paused { until: now + wait });
    }

    fn open(&mut self, now: Instant) {
        let grown = self.config.open_for_s * f64::from(2_u32.pow(self.opened.min(16)));
        let wait = seconds(grown.min(self.config.max_open_for_s));
        self.opened = self.opened.saturating_add(1);
        self.window.clear();
        self.enter(Phase::Open { until: now + wait });
    }

    fn is_too_much(&self) -> bool {
        let failures = self.window.iter().filter(|(_, failed)| *failed).count();
        let calls = self.window.len();
        let enough = u32::try_from(calls).unwrap_or(u32::MAX) >= self.config.min_calls;
        #[expect(clippy::cast_precision_loss, reason = "a window of a thousand")]
        let ratio = failures as f64 / calls.max(1) as f64;
        self.consecutive >= self.config.consecutive_failures
            || (enough && ratio >= self.config.failure_ratio && failures > 0)
    }

    fn remember(&mut self, now: Instant, failed: bool) {
        let window = seconds(self.config.window_s);
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > window;
        while self.window.front().is_some_and(|(at, _)| is_old(at))
            || self.window.len() >= MAX_WINDOW
        {
            self.window.pop_front();
        }
        self.window.push_back((now, failed));
    }

    /// Closes it and forgets everything, as a person wished.
    pub fn reset(&mut self, now: Instant) {
        _ = now;
        *self = Self {
            generation: self.generation.wrapping_add(1),
            ..Self::new(self.config.clone())
        };
    }

    /// How it stands.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let (state, until, probing) = match self.phase {
            Phase::Closed => (State::Closed, None, false),
            Phase::Open { until } if now < until => (State::Open, Some(until), false),
            Phase::Paused { until } if now < until => (State::RateLimited, Some(until), false),
            // Over, and nobody has come yet.
            Phase::Open { .. } | Phase::Paused { .. } => (State::HalfOpen, None, false),
            Phase::HalfOpen { probing, .. } => (State::HalfOpen, None, probing),
        };
        Snapshot {
            state,
            until,
            probe_in_flight: probing,
            consecutive_failures: self.consecutive,
            calls_in_window: self.window.len(),
            failures_in_window: self.window.iter().filter(|(_, failed)| *failed).count(),
            times_opened: self.opened,
        }
    }
}

#[cfg(test)]
mod tests;
