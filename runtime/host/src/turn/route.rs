//! Who is asked: the model that was named, or the next of the person's list.

use std::time::Duration;

use vale_policy::breaker::{Refusal, RefusalReason};
use vale_policy::fallback::{Candidate, Choice, Health as CandidateHealth, choose};
use vale_types::{Failure, ModelRef};

use super::step::{RetryNote, SwitchNote, TurnStep};
use super::{Phase, Turn, now};

/// Pauses that a turn waits for, when nobody else can answer.
const MAX_PAUSES: u32 = 2;

impl Turn {
    /// Begins with the model that was asked for, unless it rests and another can answer.
    pub(super) fn route(&mut self) {
        let model = self.model().clone();
        let refusal = self
            .core
            .health(&model.provider)
            .and_then(|health| health.refusal(&model.model));
        let Some(refusal) = refusal else {
            return self.begin();
        };
        if self.next_ready().is_none() && self.pause(&model, &refusal) {
            return;
        }
        // The breaker says no, and says why.
        self.begin();
    }

    /// Waits for a pause that the provider itself asked for, if it is short enough.
    fn pause(&mut self, model: &ModelRef, refusal: &Refusal) -> bool {
        if refusal.why != RefusalReason::RateLimited || self.pauses >= MAX_PAUSES {
            return false;
        }
        let (Some(until), Some(health)) = (refusal.until, self.core.health(&model.provider)) else {
            return false;
        };
        let after = until.saturating_duration_since(now());
        if after > health.policy().retry.max_wait_for_provider() {
            return false;
        }
        self.pauses = self.pauses.saturating_add(1);
        self.ready.push_back(TurnStep::Retry(RetryNote {
            model: model.clone(),
            failure: Failure::resting(format!("{} asked for a pause", model.model)),
            after_s: after.as_secs_f64(),
            possibly_billed: false,
        }));
        // A moment longer, so that the pause is over by the breaker's clock too.
        let wait = after.saturating_add(Duration::from_millis(1));
        self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(wait)));
        true
    }

    fn candidates(&self) -> Vec<Candidate> {
        let health = |model: &ModelRef| match self.core.health(&model.provider) {
            None => CandidateHealth::Unknown,
            Some(health) => match (health.attention(), health.refusal(&model.model)) {
                (Some(attention), _) => CandidateHealth::NeedsAttention(attention),
                (None, Some(refusal)) => CandidateHealth::Refused(refusal),
                (None, None) => CandidateHealth::Ready,
            },
        };
        let chain = self.chain.iter();
        chain
            .map(|model| Candidate {
                model: model.clone(),
                health: health(model),
            })
            .collect()
    }

    /// The next of the list that would be let through.
    fn next_ready(&self) -> Option<usize> {
        let mut tried = self.tried.clone();
        tried.push(self.at);
        match choose(&self.candidates(), &tried) {
            Choice::Take(index) => Some(index),
            Choice::AllResting { .. } | Choice::Exhausted => None,
        }
    }

    /// Hands over to the next of the list, or ends with the failure.
    pub(super) fn fall_back(&mut self, failure: Failure) {
        let next = self.next_ready();
        self.tried.push(self.at);
        let Some(next) = next else {
            return self.over(Err(failure));
        };
        let Some(to) = self.chain.get(next).cloned() else {
            return self.over(Err(failure));
        };
        let from = std::mem::replace(&mut self.model, to.clone());
        self.at = next;
        self.tries = 0;
        tracing::info!(parent: &self.span, %from, %to, %failure, "falling back");
        self.ready
            .push_back(TurnStep::Switch(SwitchNote { from, to, failure }));
        self.phase = Phase::Route;
    }
}
