//! The circuit breaker of one model: closed → open → half-open with exactly one probe.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use vale_types::{Error, ErrorKind, Failure};

use crate::config::{is_within, seconds};

mod config;

pub use config::BreakerConfig;

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

/// Leave for one call. Must be given back with [`Breaker::record`], whatever happens: the place of
/// a probe that is lost stays taken until [`Breaker::reset`].
#[must_use = "give it back with `Breaker::record`"]
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
    Open(Hold),
    Paused(Hold),
    HalfOpen {
        probing: bool,
        /// It comes from a pause that the server asked for, and not from failures.
        from_pause: bool,
    },
}

/// A time without calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hold {
    until: Instant,
    length: Duration,
}

impl Hold {
    fn new(now: Instant, length: Duration) -> Self {
        let until = now + length;
        Self { until, length }
    }

    /// Whether calls still wait. By a clock that went back by more than the hold is long, it lies
    /// in the future as a whole: nobody knows how long it has lasted, and a probe finds out.
    fn lasts(&self, now: Instant) -> bool {
        let left = self.until.saturating_duration_since(now);
        !left.is_zero() && left <= self.length.saturating_mul(2)
    }
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
    ///
    /// # Examples
    /// ```
    /// use std::time::Instant;
    /// use vale_policy::breaker::{Breaker, BreakerConfig, Outcome};
    ///
    /// let (mut breaker, now) = (Breaker::new(BreakerConfig::default()), Instant::now());
    /// let permit = breaker.admit(now).expect("a new one is closed");
    /// breaker.record(permit, Outcome::Success, now);
    /// ```
    pub fn admit(&mut self, now: Instant) -> Result<Permit, Refusal> {
        match self.phase {
            Phase::Open(hold) if hold.lasts(now) => Err(Refusal {
                until: Some(hold.until),
                why: RefusalReason::Open,
            }),
            Phase::Paused(hold) if hold.lasts(now) => Err(Refusal {
                until: Some(hold.until),
                why: RefusalReason::RateLimited,
            }),
            Phase::HalfOpen { probing: true, .. } => Err(Refusal {
                until: None,
                why: RefusalReason::ProbeInFlight,
            }),
            Phase::Closed => Ok(self.permit(false)),
            Phase::Open(_) | Phase::Paused(_) => {
                // A pause that interrupted a probe does not undo why there was one.
                let from_pause = matches!(self.phase, Phase::Paused(_)) && self.opened == 0;
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
                if self.is_too_much(now) || (phase != Phase::Closed && !from_pause) {
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
        self.enter(Phase::Paused(Hold::new(now, wait)));
    }

    fn open(&mut self, now: Instant) {
        let grown = self.config.open_for_s * f64::from(2_u32.pow(self.opened.min(16)));
        let wait = seconds(grown.min(self.config.max_open_for_s));
        self.opened = self.opened.saturating_add(1);
        self.window.clear();
        self.enter(Phase::Open(Hold::new(now, wait)));
    }

    fn is_too_much(&self, now: Instant) -> bool {
        let (calls, failures) = self.counts(now);
        let enough = u32::try_from(calls).unwrap_or(u32::MAX) >= self.config.min_calls;
        #[expect(clippy::cast_precision_loss, reason = "a window of a thousand")]
        let ratio = failures as f64 / calls.max(1) as f64;
        self.consecutive >= self.config.consecutive_failures
            || (enough && ratio >= self.config.failure_ratio && failures > 0)
    }

    /// Calls within the window, and failures among them.
    fn counts(&self, now: Instant) -> (usize, usize) {
        let window = seconds(self.config.window_s);
        let recent = self.window.iter();
        let recent = recent.filter(|(at, _)| is_within(*at, now, window));
        recent.fold((0, 0), |(calls, failures), (_, failed)| {
            (calls + 1, failures + usize::from(*failed))
        })
    }

    fn remember(&mut self, now: Instant, failed: bool) {
        let window = seconds(self.config.window_s);
        let is_old = |at: Instant| !is_within(at, now, window);
        while self.window.front().is_some_and(|(at, _)| is_old(*at))
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
            Phase::Open(hold) if hold.lasts(now) => (State::Open, Some(hold.until), false),
            Phase::Paused(hold) if hold.lasts(now) => (State::RateLimited, Some(hold.until), false),
            // Over, and nobody has come yet.
            Phase::Open(_) | Phase::Paused(_) => (State::HalfOpen, None, false),
            Phase::HalfOpen { probing, .. } => (State::HalfOpen, None, probing),
        };
        let (calls_in_window, failures_in_window) = self.counts(now);
        Snapshot {
            state,
            until,
            probe_in_flight: probing,
            consecutive_failures: self.consecutive,
            calls_in_window,
            failures_in_window,
            times_opened: self.opened,
        }
    }
}

#[cfg(test)]
mod tests;
