//! The course of one answer: it begins, is attempted again, ends.

use super::{OpError, Plan, Stamp, began, chosen, idle, not_deleted, visible};
use crate::model::{
    Attempt, AttemptError, AttemptReason, Finish, Message, ModelName, Outcome, Part, Role, State,
    Usage,
};
use crate::record::{AttemptBegan, AttemptEnded, MessageEnded, Record};
use crate::tree::Tree;
use crate::{AttemptId, MessageId};

/// An answer to a message begins, with its first attempt.
///
/// # Errors
/// An answer is being written already, or the message is hidden or not there.
pub fn begin(
    tree: &Tree,
    question: MessageId,
    model: ModelName,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    let parent = visible(tree, question)?.id;
    let id = stamp.message();
    let answer = Message::new(id, Some(parent), Role::Assistant, Vec::new(), stamp.now_ms);
    Ok(Plan {
        records: vec![
            began(tree, answer, model, stamp),
            chosen(tree, Some(id), stamp),
        ],
        messages: vec![id],
    })
}

/// The message, if it is being written.
fn open(tree: &Tree, id: MessageId) -> Result<&Message, OpError> {
    let message = tree.message(id).ok_or(OpError::NotHere(id))?;
    if message.state == State::Streaming {
        Ok(message)
    } else {
        Err(OpError::NotStreaming)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// Which.
    pub attempt: AttemptId,
    /// How.
    pub outcome: Outcome,
    /// Whether the request left for the provider; `None` = not known.
    pub request_sent: Option<bool>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The provider's own usage object, JSON.
    pub usage_json: Option<String>,
    /// What went wrong.
    pub error: Option<AttemptError>,
}

fn attempt_ended(tree: &Tree, message: MessageId, end: AttemptEnd, now_ms: u64) -> Record {
    Record::from(AttemptEnded {
        conversation: tree.conversation().id,
        message,
        attempt: end.attempt,
        at_ms: now_ms,
        outcome: end.outcome,
        request_sent: end.request_sent,
        request_id: end.request_id,
        usage_json: end.usage_json,
        error: end.error,
    })
}

/// An attempt ended and another will follow: the answer goes on.
///
/// # Errors
/// The answer has ended, or the attempt is none of its open ones.
pub fn attempt_over(
    tree: &Tree,
    answer: MessageId,
    end: AttemptEnd,
    stamp: &Stamp<'_>,
) -> Result<Plan, OpError> {
    let mut attempts = open(tree, answer)?.attempts.iter();
    if !attempts.any(|attempt| attempt.id == end.attempt && attempt.outcome.is_none()) {
        return Err(OpError::NotStreaming);
    }
    Ok(Plan {
        records: vec![attempt_ended(tree, answer, end, stamp.now_ms)],
        messages: Vec::new(),
    })
}

/// The next attempt for an answer that goes on.
///
/// # Errors
/// The answer has ended, or an attempt for it has not.
pub fn attempt(
    tree: &Tree,
    answer: MessageId,
    model: ModelName,
    reason: AttemptReason,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    not_deleted(tree)?;
    let mut attempts = open(tree, answer)?.attempts.iter();
    if attempts.any(|attempt| attempt.outcome.is_none()) {
        return Err(OpError::AttemptOpen);
    }
    Ok(Plan {
        records: vec![Record::from(AttemptBegan {
            conversation: tree.conversation().id,
            message: answer,
            placeholder: None,
            attempt: Attempt::new(stamp.attempt(), model, reason, stamp.now_ms),
        })],
        messages: Vec::new(),
    })
}

/// What an answer is in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// All of its content; what it began with, too.
    pub parts: Vec<Part>,
    /// How it ended.
    pub state: State,
    /// Why, as the model says.
    pub finish: Option<Finish>,
    /// What it took.
    pub usage: Option<Usage>,
    /// Who answered in the end; `None` = as it began.
    pub model: Option<ModelName>,
}

/// An answer ended, with its last attempt if that has not.
///
/// # Errors
/// The answer has ended before, or would not end.
pub fn end(
    tree: &Tree,
    answer: MessageId,
    last: Option<AttemptEnd>,
    ending: Ending,
    stamp: &Stamp<'_>,
) -> Result<Plan, OpError> {
    open(tree, answer)?;
    if ending.state == State::Streaming {
        return Err(OpError::Streaming);
    }
    let mut records = Vec::new();
    records.extend(last.map(|last| attempt_ended(tree, answer, last, stamp.now_ms)));
    records.push(Record::from(MessageEnded {
        conversation: tree.conversation().id,
        message: answer,
        at_ms: stamp.now_ms,
        parts: ending.parts,
        state: ending.state,
        finish: ending.finish,
        usage: ending.usage,
        model: ending.model,
    }));
    Ok(Plan {
        records,
        messages: Vec::new(),
    })
}
