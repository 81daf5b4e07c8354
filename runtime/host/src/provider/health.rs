//! How a provider is: breakers, retry budget, places, and what the person must see to.
//!
//! Shared by the actor's lives and by every turn; it outlives a crash, so that a crash gives
//! nobody a fresh budget. Every decision is one of `vale-policy`'s; here they meet the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vale_policy::PolicyConfig;
use vale_policy::breaker::{Breaker, Outcome, Permit, Refusal, RefusalReason, State};
use vale_policy::retry::{AttemptFacts, Decision, RetryBudget, decide};
use vale_types::{Error, ErrorKind, Failure, ModelRef, ProviderId};

use super::backend::Backend;
use crate::supervise::{BreakerReport, Bus, HostEvent, Vitals, VitalsSource};

/// See the module.
pub(crate) struct Health {
    id: ProviderId,
    policy: PolicyConfig,
    bus: Bus,
    backend: Arc<dyn Backend>,
    state: Mutex<Kept>,
}

struct Kept {
    breakers: BTreeMap<String, Breaker>,
    budget: RetryBudget,
    /// What the person must see to, and the changes of keys known when it was noted.
    attention: Option<(String, u64)>,
    last_error: Option<String>,
    attempts: u64,
    first_attempts: u64,
    failures: u64,
    pub(super) places: super::place::Places,
}

/// The clock that decisions are made by: tokio's, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Health {
    pub(crate) fn new(
        id: ProviderId,
        policy: PolicyConfig,
        bus: Bus,
        backend: Arc<dyn Backend>,
    ) -> Arc<Self> {
        let state = Kept {
            breakers: BTreeMap::new(),
            budget: RetryBudget::new(policy.budget.clone(), now()),
            attention: None,
            last_error: None,
            attempts: 0,
            first_attempts: 0,
            failures: 0,
            places: super::place::Places::new(policy.limits.clone()),
        };
        Arc::new(Self {
            id,
            policy,
            bus,
            backend,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn policy(&self) -> &PolicyConfig {
        &self.policy
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with_places<T>(&self, work: impl FnOnce(&mut super::place::Places) -> T) -> T {
        work(&mut self.kept().places)
    }

    /// Lets an attempt at a model through, or says why not.
    pub(crate) fn admit(self: &Arc<Self>, model: &str) -> Result<Pass, Failure> {
        let now = now();
        let (admitted, told) = {
            let mut kept = self.kept();
            let breaker = kept
                .breakers
                .entry(model.to_owned())
                .or_insert_with(|| Breaker::new(self.policy.breaker.clone()));
            let before = breaker.snapshot(now).state;
            let admitted = breaker.admit(now);
            let after = breaker.snapshot(now).state;
            if admitted.is_ok() {
                kept.attempts = kept.attempts.saturating_add(1);
            }
            (admitted, (before != after).then_some(after))
        };
        if let Some(state) = told {
            self.tell(model, state);
        }
        match admitted {
            Ok(permit) => Ok(Pass {
                health: Arc::clone(self),
                model: model.to_owned(),
                permit: Some(permit),
                healthy: false,
            }),
            Err(refusal) => Err(Failure::resting(self.words(model, refusal, now))),
        }
    }

    /// Why a model would not be asked now; none = it would.
    pub(crate) fn refusal(&self, model: &str) -> Option<Refusal> {
        let now = now();
        let kept = self.kept();
        let snapshot = kept.breakers.get(model)?.snapshot(now);
        let why = match snapshot.state {
            State::Closed => return None,
            State::Open => RefusalReason::Open,
            State::HalfOpen if snapshot.probe_in_flight => RefusalReason::ProbeInFlight,
            State::HalfOpen => return None,
            State::RateLimited => RefusalReason::RateLimited,
        };
        Some(Refusal {
            until: snapshot.until,
            why,
        })
    }

    fn words(&self, model: &str, refusal: Refusal, now: Instant) -> String {
        let wait = refusal
            .until
            .map(|until| until.saturating_duration_since(now))
            .filter(|wait| !wait.is_zero());
        let wait = wait.map_or_else(String::new, |wait| {
            format!("; it is tried again in {} s", wait.as_secs_f64().ceil())
        });
        match refusal.why {
            RefusalReason::Open => {
                let last = self.kept().last_error.clone();
                let last = last.map_or_else(String::new, |error| {
                    format!(", the last time with: {error}")
                });
                format!("{model} failed too often in a row{last}{wait}")
            }
            RefusalReason::ProbeInFlight => {
                format!("{model} is being tried by another request after its failures{wait}")
            }
            RefusalReason::RateLimited => format!("{model} asked for a pause{wait}"),
        }
    }

    /// Counts a turn's first attempt, which feeds the budget of retries.
    pub(crate) fn first_attempt(&self) {
        let mut kept = self.kept();
        kept.first_attempts = kept.first_attempts.saturating_add(1);
        kept.budget.deposit(now());
    }

    /// Whether a failed attempt is repeated.
    pub(crate) fn decide(&self, facts: &AttemptFacts<'_>, random: f64) -> Decision {
        let mut kept = self.kept();
        decide(&self.policy.retry, &mut kept.budget, facts, now(), random)
    }

    /// Remembers a failure, and whether the person must see to it.
    pub(crate) fn note(&self, failure: &Failure) {
        let attention = needs_person(failure).then(|| failure.explain(self.id.as_str()));
        let attention = attention.map(|words| format!("{} {}", words.sentence, words.next_step));
        let is_news = {
            let mut kept = self.kept();
            kept.failures = kept.failures.saturating_add(1);
            kept.last_error = Some(failure.to_string());
            let before = kept.attention.as_ref().map(|(words, _)| words);
            let is_news = attention.is_some() && before != attention.as_ref();
            if let Some(words) = &attention {
                kept.attention = Some((words.clone(), self.backend.key_changes()));
            }
            is_news
        };
        if is_news {
            self.attend(attention);
        }
    }

    /// A call went well: nothing to see to.
    pub(crate) fn well(&self) {
        if self.kept().attention.take().is_some() {
            self.attend(None);
        }
    }

    /// What the person must see to. A key that was set since may have mended it: that is tried.
    pub(crate) fn attention(&self) -> Option<String> {
        let changes = self.backend.key_changes();
        let kept = self.kept();
        let noted = kept.attention.as_ref();
        noted
            .filter(|(_, then)| *then == changes)
            .map(|(words, _)| words.clone())
    }

    fn attend(&self, what: Option<String>) {
        self.bus.tell(HostEvent::Attention {
            provider: self.id.to_string(),
            what,
        });
    }

    fn tell(&self, model: &str, state: State) {
        let model = ModelRef {
            provider: self.id.clone(),
            model: model.to_owned(),
        };
        tracing::info!(%model, state = state.as_str(), "breaker");
        self.bus.tell(HostEvent::Breaker {
            model,
            state: state.as_str().to_owned(),
        });
    }

    /// Leave for what goes on anyway; not counted as an attempt.
    fn permit(&self, model: &str) -> Option<Permit> {
        let now = now();
        let mut kept = self.kept();
        kept.breakers.get_mut(model)?.admit(now).ok()
    }

    fn record(&self, model: &str, permit: Permit, outcome: Outcome) {
        let now = now();
        let told = {
            let mut kept = self.kept();
            let Some(breaker) = kept.breakers.get_mut(model) else {
                return;
            };
            let before = breaker.snapshot(now).state;
            breaker.record(permit, outcome, now);
            let after = breaker.snapshot(now).state;
            (before != after).then_some(after)
        };
        if let Some(state) = told {
            self.tell(model, state);
        }
    }
}

impl VitalsSource for Health {
    fn vitals(&self) -> Vitals {
        let now = now();
        let used = self.backend.used();
        let attention = self.attention();
        let kept = self.kept();
        let breakers = kept.breakers.iter().map(|(model, breaker)| {
            let snapshot = breaker.snapshot(now);
            BreakerReport {
                model: model.clone(),
                state: snapshot.state.as_str().to_owned(),
                opens_in_s: snapshot
                    .until
                    .map(|until| until.saturating_duration_since(now))
                    .filter(|wait| *wait > Duration::ZERO)
                    .map(|wait| wait.as_secs_f64()),
                consecutive_failures: snapshot.consecutive_failures,
                times_opened: snapshot.times_opened,
            }
        });
        Vitals {
            in_flight: kept.places.taken(),
            queued: kept.places.queued(),
            breakers: breakers
                .filter(|report| {
                    report.state != State::Closed.as_str()
                        || report.consecutive_failures > 0
                        || report.times_opened > 0
                })
                .collect(),
            attention,
            last_error: kept.last_error.clone(),
            cpu_s: used.map(|(cpu, _)| cpu),
            memory: used.map(|(_, memory)| memory),
            process: None,
            attempts: kept.attempts,
            first_attempts: kept.first_attempts,
            failures: kept.failures,
        }
    }

    fn reset(&self) {
        let now = now();
        let mut kept = self.kept();
        for breaker in kept.breakers.values_mut() {
            breaker.reset(now);
        }
        kept.budget = RetryBudget::new(self.policy.budget.clone(), now);
        kept.attention = None;
        kept.last_error = None;
    }
}

/// Whether only the person can mend it.
fn needs_person(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Error(Error {
            kind: ErrorKind::Auth(_),
            ..
        })
    )
}

/// A breaker's leave for one attempt. Dropped without a word, it says nothing of the provider's
/// health, or, once content has come, that it was well.
pub(crate) struct Pass {
    health: Arc<Health>,
    model: String,
    permit: Option<Permit>,
    healthy: bool,
}

impl Pass {
    /// Content has come. A probe has then told what it was to tell, and the others need not wait
    /// for the end of its answer.
    pub(crate) fn saw_content(&mut self) {
        self.healthy = true;
        if let Some(permit) = self.permit.take_if(|permit| permit.is_probe()) {
            self.health.record(&self.model, permit, Outcome::Success);
            self.permit = self.health.permit(&self.model);
        }
    }

    /// How the attempt ended.
    pub(crate) fn record(mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            self.health.record(&self.model, permit, outcome);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let outcome = if self.healthy {
                Outcome::Success
            } else {
                Outcome::Neutral
            };
            self.health.record(&self.model, permit, outcome);
        }
    }
}
