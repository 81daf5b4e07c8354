//! One turn: from a request to one end, over as many attempts as policy allows.
//!
//! The turn owns the attempt loop (design.md §6, §7): route, place, breaker, call; then, as long
//! as nothing was shown, retry or fall back. After the first content event there is no second
//! attempt: what follows is the answer or its failure.

mod attempt;
mod convert;
mod route;
mod step;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::Span;
use uuid::Uuid;
use vale_policy::breaker::Outcome;
use vale_policy::fallback::may_fall_back;
use vale_policy::retry::{AttemptFacts, Decision};
use vale_sandbox::Step;
use vale_types::{Event, Failure, Finish, ModelRef, Request};

use crate::core::{Active, Core};
use attempt::{Running, Started};
pub(crate) use convert::convert;
pub use step::{AttemptNote, AttemptRecord, Loss, RetryNote, SwitchNote, TurnStep};

/// An answer under way. Dropping it cancels it.
pub struct Turn {
    core: Core,
    request: Request,
    /// Who may answer, in the person's order. The first was asked for.
    chain: Vec<ModelRef>,
    /// Which of them is asked now.
    at: usize,
    model: ModelRef,
    /// Those that have failed or were passed over.
    tried: Vec<usize>,
    /// Attempts at the model that is asked now.
    tries: u32,
    /// Repeats of requests that were sent and gave no status.
    unanswered_repeats: u32,
    /// Waits for a pause that a provider asked for.
    pauses: u32,
    content_seen: bool,
    /// What came before the first content; shown with it.
    held: Vec<Event>,
    ready: VecDeque<TurnStep>,
    phase: Phase,
    records: Vec<AttemptRecord>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    span: Span,
    _active: Active,
}

enum Phase {
    /// Who is asked next is to be found.
    Route,
    Starting(BoxFuture<'static, Started>),
    Streaming(Box<Running>),
    /// Then the same model is asked again.
    Waiting(Pin<Box<Sleep>>),
    Over,
}

impl Turn {
    /// A turn that asks `model`, and after it those of `fallbacks`.
    pub(crate) fn new(
        core: Core,
        model: ModelRef,
        fallbacks: Vec<ModelRef>,
        request: Request,
        active: Active,
    ) -> Self {
        let id = Uuid::now_v7();
        let mut chain = vec![model.clone()];
        chain.extend(fallbacks.into_iter().filter(|fallback| *fallback != model));
        Self {
            cancelled: Box::pin(core.cancelled()),
            span: tracing::info_span!("turn", %id, %model),
            core,
            request,
            chain,
            model,
            at: 0,
            tried: Vec::new(),
            tries: 0,
            unanswered_repeats: 0,
            pauses: 0,
            content_seen: false,
            held: Vec::new(),
            ready: VecDeque::new(),
            phase: Phase::Route,
            records: Vec::new(),
            _active: active,
        }
    }

    /// Who is asked now.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The attempts so far; the last one may be under way, and then has no outcome.
    #[must_use]
    pub fn attempts(&self) -> &[AttemptRecord] {
        &self.records
    }

    /// The next step; after [`TurnStep::End`] there is none. May be dropped at any await point
    /// without losing a step.
    pub async fn next(&mut self) -> Option<TurnStep> {
        std::future::poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<TurnStep>> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Poll::Ready(Some(step));
            }
            let polled = match &mut self.phase {
                Phase::Over => return Poll::Ready(None),
                Phase::Route => {
                    self.route();
                    continue;
                }
                Phase::Starting(starting) => starting.poll_unpin(cx).map(Progress::Started),
                Phase::Waiting(wait) => wait.as_mut().poll(cx).map(|()| Progress::Waited),
                Phase::Streaming(running) => running.poll(cx).map(Progress::Streamed),
            };
            let progress = match polled {
                Poll::Ready(progress) => progress,
                Poll::Pending => {
                    ready!(self.cancelled.as_mut().poll(cx));
                    self.over(Err(Failure::cancelled()));
                    continue;
                }
            };
            match progress {
                Progress::Waited => self.begin(),
                Progress::Started(Ok(running)) => self.phase = Phase::Streaming(running),
                Progress::Started(Err(failure)) => self.not_started(failure),
                Progress::Streamed(Ok(Step::Events(events))) => {
                    if let Some(events) = self.shown(events) {
                        return Poll::Ready(Some(TurnStep::Events(events)));
                    }
                }
                Progress::Streamed(Ok(Step::End(Ok(finish)))) => self.finished(finish),
                Progress::Streamed(Ok(Step::End(Err(failure))) | Err(failure)) => {
                    self.broke_off(failure);
                }
            }
        }
    }

    /// What of a batch may be shown now: nothing before the first content.
    fn shown(&mut self, events: Vec<Event>) -> Option<Vec<Event>> {
        if self.content_seen {
            return Some(events);
        }
        let has_content = events.iter().any(Event::is_content);
        if self.held.is_empty() {
            self.held = events;
        } else {
            self.held.extend(events);
        }
        if !has_content {
            return None;
        }
        self.content_seen = true;
        Some(std::mem::take(&mut self.held))
    }

    /// The answer is whole.
    fn finished(&mut self, finish: Finish) {
        if let Phase::Streaming(running) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.keep(running.end(Ok(()), finish.usage.as_ref()));
        }
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.ready.push_back(TurnStep::Events(held));
        }
        self.over(Ok(finish));
    }

    /// An attempt that had started failed.
    fn broke_off(&mut self, failure: Failure) {
        if let Phase::Streaming(running) = std::mem::replace(&mut self.phase, Phase::Route) {
            self.keep(running.end(Err(failure.clone()), None));
        }
        self.failed(failure);
    }

    /// An attempt failed before it had started.
    fn not_started(&mut self, failure: Failure) {
        if let Some(record) = self.records.last_mut() {
            let (sent, id) = attempt::told(&failure);
            record.request_sent = sent;
            record.request_id = id;
            record.outcome = Some(Err(failure.clone()));
        }
        self.failed(failure);
    }

    /// Completes what is kept of the attempt under way.
    fn keep(&mut self, record: AttemptRecord) {
        if let Some(begun) = self.records.last_mut() {
            *begun = record;
        }
    }

    /// Decides what comes after a failure.
    fn failed(&mut self, failure: Failure) {
        self.phase = Phase::Over;
        if self.content_seen {
            return self.over(Err(failure));
        }
        self.held.clear();
        let model = self.model().clone();
        if let Some(health) = self.core.health(&model.provider) {
            let facts = AttemptFacts {
                attempt: self.tries,
                failure: &failure,
                content_seen: false,
                unanswered_repeats: self.unanswered_repeats,
            };
            let random = self.core.tree().stage().roll();
            if let Decision::Retry {
                after,
                possibly_billed,
            } = health.decide(&facts, random)
            {
                if possibly_billed {
                    self.unanswered_repeats = self.unanswered_repeats.saturating_add(1);
                }
                tracing::info!(parent: &self.span, %model, ?after, %failure, "retrying");
                self.ready.push_back(TurnStep::Retry(RetryNote {
                    model,
                    failure,
                    after_s: after.as_secs_f64(),
                    possibly_billed,
                }));
                self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(after)));
                return;
            }
        }
        if may_fall_back(&failure, false) {
            self.fall_back(failure);
        } else {
            self.over(Err(failure));
        }
    }

    fn over(&mut self, end: Result<Finish, Failure>) {
        if let Phase::Streaming(running) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.keep(running.broken_off());
        }
        if let Err(failure) = &end {
            tracing::info!(parent: &self.span, %failure, "the turn failed");
        }
        self.ready.push_back(TurnStep::End(end));
    }

    /// Asks the model at `at`.
    fn begin(&mut self) {
        let model = self.model().clone();
        self.tries = self.tries.saturating_add(1);
        let number = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let mut request = self.request.clone();
        request.model.clone_from(&model.model);
        let left_out = self.core.convert(&mut request, &model);
        self.ready.push_back(TurnStep::Attempt(AttemptNote {
            model: model.clone(),
            number: number.saturating_add(1),
            left_out,
        }));
        let record = attempt::record(model.clone(), number.saturating_add(1));
        self.records.push(record.clone());
        let Some(provider) = self.core.find(&model.provider) else {
            return self.not_started(self.core.no_provider(&model.provider));
        };
        if self.tries == 1 {
            provider.health.first_attempt();
        }
        let starting = attempt::start(provider, record, request, &self.span);
        self.phase = Phase::Starting(starting.boxed());
    }
}

/// What a poll brought.
enum Progress {
    Waited,
    Started(Started),
    Streamed(Result<Step, Failure>),
}

/// How an attempt's end counts for its breaker.
fn outcome(end: &Result<(), Failure>) -> Outcome {
    match end {
        Ok(()) => Outcome::Success,
        Err(failure) => Outcome::of(failure),
    }
}

/// The policy's clock.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
