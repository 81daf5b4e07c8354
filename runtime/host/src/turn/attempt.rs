//! One attempt: a place, the breaker's leave, the call, and the watch over its times.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use tokio::time::{Instant, Sleep};
use tracing::{Instrument as _, Span};
use uuid::Uuid;
use vale_policy::timeouts::{Expired, Watch};
use vale_sandbox::Step;
use vale_types::{
    Error, ErrorKind, Event, Failure, ModelRef, NetworkFailure, NetworkKind, Request, Usage,
};

use super::step::AttemptRecord;
use super::{now, outcome};
use crate::core::Provider;
use crate::provider::{Answer, Attempt, Health, Pass, Place};

/// An attempt that has started, or why it did not.
pub(super) type Started = Result<Box<Running>, Failure>;

/// A call whose answer is under way.
pub(super) struct Running {
    answer: Answer,
    pass: Option<Pass>,
    _place: Place,
    health: Arc<Health>,
    watch: Watch,
    timer: Pin<Box<Sleep>>,
    begun: Instant,
    record: AttemptRecord,
    span: Span,
}

/// What is kept of an attempt that is about to begin; `number` counts from 1.
pub(super) fn record(model: ModelRef, number: u32) -> AttemptRecord {
    AttemptRecord {
        id: Uuid::now_v7(),
        model,
        number,
        began: SystemTime::now(),
        first_content_s: None,
        seconds: 0.0,
        usage: None,
        request_sent: None,
        request_id: None,
        outcome: None,
    }
}

/// Waits for a place, asks the breaker, and starts the call.
pub(super) fn start(
    provider: Provider,
    record: AttemptRecord,
    request: Request,
    turn: &Span,
) -> impl Future<Output = Started> + Send + 'static {
    let (id, model, number) = (record.id, record.model.clone(), record.number);
    let span = tracing::info_span!(parent: turn, "attempt", %id, %model, number);
    let inner = span.clone();
    async move {
        // Kept whole until the call has begun: a provider that is replaced meanwhile ends after.
        let Provider { child, health, .. } = &provider;
        let health = Arc::clone(health);
        let place = Place::take(&health).await?;
        let pass = health.admit(&model.model)?;
        let begun = Instant::now();
        let attempt = Attempt {
            request,
            span: inner.clone(),
        };
        let first_event = health.policy().timeouts.first_event();
        let started = tokio::time::timeout(first_event, child.call(attempt)).await;
        let started = match started {
            Ok(started) => started.and_then(|started| started),
            // A question to the person that nobody answers, or a model file that does not load.
            Err(_) => Err(unprepared(first_event)),
        };
        let answer = match started {
            Ok(answer) => answer,
            Err(failure) => {
                health.note(&failure);
                pass.record(outcome(&Err(failure.clone())));
                return Err(failure);
            }
        };
        let watch = Watch::new(health.policy().timeouts.clone(), now());
        let timer = tokio::time::sleep_until(watch.deadline().into());
        Ok(Box::new(Running {
            answer,
            pass: Some(pass),
            _place: place,
            health,
            watch,
            timer: Box::pin(timer),
            begun,
            record,
            span: inner,
        }))
    }
    .instrument(span)
}

impl Running {
    /// The next step of the answer, or its timeout.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, Failure>> {
        loop {
            if let Poll::Ready(step) = self.answer.poll_next_unpin(cx) {
                return Poll::Ready(match step {
                    Some(Step::Events(events)) => {
                        self.saw(&events);
                        Ok(Step::Events(events))
                    }
                    Some(end) => Ok(end),
                    None => Err(Failure::host("the call ended without a word")),
                });
            }
            std::task::ready!(self.timer.as_mut().poll(cx));
            if let Some(expired) = self.watch.expired(now()) {
                return Poll::Ready(Err(self.timed_out(expired)));
            }
            // Something came in the meantime: the deadline has moved.
            let deadline = self.watch.deadline();
            self.timer.as_mut().reset(deadline.into());
        }
    }

    fn saw(&mut self, events: &[Event]) {
        let has_content = events.iter().any(Event::is_content);
        self.watch.on_event(now());
        self.record.request_sent = Some(true);
        if has_content && self.record.first_content_s.is_none() {
            self.record.first_content_s = Some(self.begun.elapsed().as_secs_f64());
            if let Some(pass) = &mut self.pass {
                pass.saw_content();
            }
        }
        let usage = events.iter().rev().find_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        });
        if let Some(usage) = usage {
            self.record.usage = Some(usage.clone());
        }
    }

    fn timed_out(&self, expired: Expired) -> Failure {
        let config = &self.health.policy().timeouts;
        let s = |wait: Duration| wait.as_secs_f64();
        let what = match expired {
            Expired::FirstEvent => format!(
                "nothing came for {} s (timeouts.first_event_s)",
                s(config.first_event())
            ),
            Expired::Idle => format!(
                "nothing more came for {} s (timeouts.idle_s)",
                s(config.idle())
            ),
            Expired::Total => format!(
                "the answer took longer than {} s (timeouts.total_s)",
                s(config.total())
            ),
        };
        let kind = NetworkFailure {
            kind: NetworkKind::Timeout,
            request_sent: true,
        };
        Error::new(ErrorKind::Network(kind), what).into()
    }

    /// What is kept of an attempt that somebody ends before its end.
    pub(super) fn broken_off(self) -> AttemptRecord {
        let mut record = self.record.clone();
        record.seconds = self.begun.elapsed().as_secs_f64();
        record
    }

    /// The attempt is over: tells the breaker, and gives what is kept of it.
    pub(super) fn end(mut self, end: Result<(), Failure>, usage: Option<&Usage>) -> AttemptRecord {
        let _entered = self.span.enter();
        match &end {
            Ok(()) => self.health.well(),
            Err(failure) => {
                self.health.note(failure);
                let (sent, id) = told(failure);
                self.record.request_sent = sent.or(self.record.request_sent);
                self.record.request_id = id;
            }
        }
        if let Some(pass) = self.pass.take() {
            pass.record(outcome(&end));
        }
        if let Some(usage) = usage {
            self.record.usage = Some(usage.clone());
        }
        self.record.seconds = self.begun.elapsed().as_secs_f64();
        tracing::info!(
            seconds = self.record.seconds,
            first_content_s = self.record.first_content_s,
            ok = end.is_ok(),
            "attempt ended"
        );
        self.record.outcome = Some(end);
        self.record.clone()
    }
}

/// The call did not begin.
fn unprepared(waited: Duration) -> Failure {
    let kind = NetworkFailure {
        kind: NetworkKind::Timeout,
        request_sent: false,
    };
    let what = format!(
        "it was not ready to ask within {} s (timeouts.first_event_s)",
        waited.as_secs_f64()
    );
    Error::new(ErrorKind::Network(kind), what).into()
}

/// Whether a failed request was seen upstream, and its id there.
pub(super) fn told(failure: &Failure) -> (Option<bool>, Option<String>) {
    match failure {
        Failure::Error(error) => {
            let sent = match &error.kind {
                ErrorKind::Network(network) => Some(network.request_sent),
                _ => error.http_status.map(|_| true),
            };
            (sent, error.provider_request_id.clone())
        }
        Failure::Fault(_) => (None, None),
    }
}
