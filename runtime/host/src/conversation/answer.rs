//! An answer of a conversation, from its first attempt to its end, with every step on the disk before what
//! follows from it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vale_chat::model::{
    AttemptError, AttemptReason, Finish, ModelName, Outcome, Part, State, Usage,
};
use vale_chat::ops::answer::{self, AttemptEnd, Ending};
use vale_chat::record::{Channel, TextDelta};
use vale_chat::{AttemptId, MessageId, Record};
use vale_types::{Collector, Event, Failure};

use super::error::ConversationError;
use super::open::Open;
use super::request::HandedOver;
use crate::turn::{AttemptRecord, Turn, TurnStep};

/// An answer under way, for whoever shows it. Dropping it does not stop the answer.
#[derive(Debug)]
pub struct Answering {
    /// The answer.
    pub message: MessageId,
    /// What it answers, when that is new.
    pub question: Option<MessageId>,
    pub(crate) steps: mpsc::UnboundedReceiver<TurnStep>,
}

impl Answering {
    /// The next step; none after the end. What was told is on the disk, or will be within a quarter of a
    /// second.
    pub async fn next(&mut self) -> Option<TurnStep> {
        self.steps.recv().await
    }
}

/// Drives a turn to its end.
pub(crate) struct Driver {
    pub(crate) open: Arc<Open>,
    pub(crate) answer: MessageId,
    /// The attempt that was journalled with the beginning.
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) turn: Turn,
    pub(crate) stop: CancellationToken,
    pub(crate) steps: mpsc::UnboundedSender<TurnStep>,
    /// What the answer began with, when it goes on with another one.
    pub(crate) begun_with: Vec<Part>,
    /// Files of the request, as long as it may be repeated.
    pub(crate) _files: HandedOver,
}

/// What came so far.
#[derive(Default)]
struct Heard {
    collector: Collector,
    /// Bytes of text and of thinking that were journalled.
    offsets: (u64, u64),
    usage: Option<vale_types::Usage>,
    /// Attempts that ended were journalled up to here.
    told: usize,
}

impl Driver {
    /// Runs until the answer has ended, whether or not anybody listens.
    pub(crate) async fn run(mut self) {
        let mut heard = Heard::default();
        let end = loop {
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled() => break None,
                step = self.turn.next() => step,
            };
            match step {
                Some(TurnStep::End(end)) => break Some(end),
                None => break Some(Err(Failure::host("the turn ended without a word"))),
                Some(step) => {
                    if let Err(error) = self.take(&step, &mut heard).await {
                        // What cannot be kept is not shown as if it were.
                        break Some(Err(Failure::host(error.to_string())));
                    }
                    self.tell(step);
                }
            }
        };
        let told = match &end {
            None => Err(Failure::cancelled()),
            Some(end) => end.clone(),
        };
        if let Err(error) = self.end(end, heard).await {
            tracing::error!(answer = %self.answer, %error, "the end of an answer was not kept");
        }
        self.open.over(self.answer);
        self.tell(TurnStep::End(told));
    }

    fn tell(&self, step: TurnStep) {
        // Nobody may be listening.
        drop(self.steps.send(step));
    }

    async fn take(&mut self, step: &TurnStep, heard: &mut Heard) -> Result<(), ConversationError> {
        match step {
            TurnStep::Attempt(note) if note.number > 1 => {
                self.attempts_over(heard).await?;
                let last = self.turn.attempts().iter().rev().nth(1);
                let reason = match last {
                    Some(last) if last.model == note.model => AttemptReason::Repeat,
                    _ => AttemptReason::Fallback,
                };
                let (answer, model) = (self.answer, ModelName::from(note.model.clone()));
                let begun = self.open.change(|tree, stamp| {
                    let plan = answer::attempt(tree, answer, model, reason, stamp)?;
                    let attempt = plan.records.iter().find_map(attempt_of);
                    Ok((plan, attempt))
                });
                self.attempt = begun.await?;
            }
            TurnStep::Events(events) => {
                for event in events {
                    heard.collector.take(event);
                    self.stream(event, heard)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Journals a piece of text.
    fn stream(&self, event: &Event, heard: &mut Heard) -> Result<(), ConversationError> {
        let (channel, text, offset) = match event {
            Event::Text(text) => (Channel::Text, text, &mut heard.offsets.0),
            Event::Thinking(text) => (Channel::Thinking, text, &mut heard.offsets.1),
            Event::Usage(usage) => {
                heard.usage = Some(usage.clone());
                return Ok(());
            }
            _ => return Ok(()),
        };
        if text.is_empty() {
            return Ok(());
        }
        let delta = TextDelta {
            conversation: self.open.id,
            message: self.answer,
            channel,
            offset: *offset,
            text: text.clone(),
        };
        *offset += text.len() as u64;
        self.open.stream(Record::from(delta))
    }

    /// Journals the attempts that ended since it was last asked.
    async fn attempts_over(&mut self, heard: &mut Heard) -> Result<(), ConversationError> {
        let over = self.turn.attempts().len().saturating_sub(1);
        for number in heard.told..over {
            let Some((record, attempt)) = self.turn.attempts().get(number).zip(self.attempt.take())
            else {
                continue;
            };
            let (answer, end) = (self.answer, attempt_end(attempt, record, false));
            let written = self
                .open
                .change(|tree, stamp| Ok((answer::attempt_over(tree, answer, end, stamp)?, ())));
            written.await?;
        }
        heard.told = over;
        Ok(())
    }

    async fn end(
        &mut self,
        end: Option<Result<vale_types::Finish, Failure>>,
        heard: Heard,
    ) -> Result<(), ConversationError> {
        let stopped = end.is_none();
        let (state, finish) = match &end {
            None => (State::Cancelled, None),
            Some(Ok(finish)) => (State::Complete, Some(finish)),
            // The host is shutting down: nobody asked for it.
            Some(Err(failure)) if *failure == Failure::cancelled() => (State::Interrupted, None),
            Some(Err(_)) => (State::Failed, None),
        };
        let usage = finish
            .and_then(|finish| finish.usage.clone())
            .or(heard.usage);
        let mut parts = self.begun_with.clone();
        for part in heard.collector.parts() {
            match (parts.last_mut(), Part::try_from(part.clone())?) {
                (Some(Part::Text(begun)), Part::Text(text)) => begun.push_str(&text),
                (_, part) => parts.push(part),
            }
        }
        let ending = Ending {
            parts,
            state,
            finish: finish.map(|finish| Finish::from(word(&finish.reason))),
            usage: usage.map(Usage::from),
            model: Some(ModelName::from(self.turn.model().clone())),
        };
        let last = self.turn.attempts().last().zip(self.attempt.take());
        let last = last.map(|(record, attempt)| attempt_end(attempt, record, stopped));
        let answer = self.answer;
        let written = self
            .open
            .change(|tree, stamp| Ok((answer::end(tree, answer, last, ending, stamp)?, ())));
        written.await
    }
}

/// The attempt that a record begins.
pub(crate) fn attempt_of(record: &Record) -> Option<AttemptId> {
    match record {
        Record::AttemptBegan(began) => Some(began.attempt.id),
        _ => None,
    }
}

/// The word that a value has where it is written down: its own, or that of its case.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Object(map)) => match map.into_iter().next() {
            Some((case, serde_json::Value::String(word))) if case == "other" => word,
            Some((case, _)) => case,
            None => String::new(),
        },
        _ => String::new(),
    }
}

fn attempt_end(attempt: AttemptId, record: &AttemptRecord, stopped: bool) -> AttemptEnd {
    let error = match &record.outcome {
        Some(Err(failure)) => Some(AttemptError {
            kind: match failure {
                Failure::Error(error) => word(&error.kind),
                Failure::Fault(fault) => word(&fault.class),
            },
            sentence: failure.explain(record.model.provider.as_str()).sentence,
        }),
        _ => None,
    };
    let outcome = match &record.outcome {
        Some(Ok(())) => Outcome::Complete,
        Some(Err(_)) => Outcome::Failed,
        None if stopped => Outcome::Cancelled,
        None => Outcome::Interrupted,
    };
    AttemptEnd {
        attempt,
        outcome,
        request_sent: record.request_sent,
        request_id: record.request_id.clone(),
        usage_json: record
            .usage
            .as_ref()
            .and_then(|usage| usage.raw_json.clone()),
        error,
    }
}
