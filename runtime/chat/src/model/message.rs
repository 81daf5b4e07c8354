//! A message and the attempts to get it.

use serde::{Deserialize, Serialize};

use super::{Extra, ModelName, Part, SourceRef, Usage};
use crate::word::word;
use crate::{AttemptId, GroupId, MessageId};

word!(
    /// Who speaks.
    Role {
        /// Instructions.
        System = "system",
        /// Instructions of the application, where the provider tells them apart.
        Developer = "developer",
        /// The person.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// A tool's result.
        Tool = "tool",
    }
);

word!(
    /// How far a message is.
    State {
        /// It is being written.
        Streaming = "streaming",
        /// It is whole.
        Complete = "complete",
        /// The app ended while it was written; what had come is there.
        Interrupted = "interrupted",
        /// The provider or the way to it failed; what had come is there.
        Failed = "failed",
        /// The person stopped it; what had come is there.
        Cancelled = "cancelled",
    }
);

word!(
    /// Why an answer ended.
    Finish {
        /// The model was done.
        Stop = "stop",
        /// The token limit was reached.
        MaxTokens = "max-tokens",
        /// The model waits for tool results.
        ToolCalls = "tool-calls",
        /// The provider's filter cut in.
        ContentFilter = "content-filter",
        /// The model refused.
        Refusal = "refusal",
        /// Somebody cancelled.
        Cancelled = "cancelled",
        /// The provider paused a long turn.
        Paused = "paused",
    }
);

word!(
    /// Why an attempt was made.
    AttemptReason {
        /// Nothing was tried before.
        First = "first",
        /// The same model once more.
        Repeat = "repeat",
        /// Another model, because the one before failed.
        Fallback = "fallback",
    }
);

word!(
    /// How an attempt ended.
    Outcome {
        /// With a whole answer.
        Complete = "complete",
        /// With an error.
        Failed = "failed",
        /// The person stopped it.
        Cancelled = "cancelled",
        /// The app ended meanwhile.
        Interrupted = "interrupted",
    }
);

/// What went wrong in an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptError {
    /// The kind of failure, in the contract's word, such as `rate-limited`.
    pub kind: String,
    /// The sentence that the person saw.
    pub sentence: String,
}

/// One attempt to have a message answered by one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its name.
    pub id: AttemptId,
    /// Who was asked.
    pub model: ModelName,
    /// Why.
    pub reason: AttemptReason,
    /// Whether the request left for the provider, so that it may be billed; `None` = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sent: Option<bool>,
    /// The provider's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The provider's own usage object, JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_json: Option<String>,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// How it ended; `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

impl Attempt {
    /// An attempt that begins now.
    #[must_use]
    pub fn new(id: AttemptId, model: ModelName, reason: AttemptReason, started_ms: u64) -> Self {
        Self {
            id,
            model,
            reason,
            request_sent: None,
            request_id: None,
            usage_json: None,
            started_ms,
            ended_ms: None,
            outcome: None,
            error: None,
            extras: Vec::new(),
        }
    }
}

/// One version of one turn. It is never changed once it has ended: an edited or repeated turn is
/// another message with the same parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The message that it follows; `None` = the beginning of the conversation (the virtual root).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// When it was written, or began to be.
    pub created_ms: u64,
    /// How far it is.
    pub state: State,
    /// The answers that it is compared with: siblings of the same group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The answer whose text it begins with and goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<MessageId>,
    /// The message whose content the person changed to get this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<MessageId>,
    /// The message of another conversation that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<MessageId>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Why the answer ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// What it took. In a copy this is the original's: money is counted by attempt, never from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The attempts to get it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// What it was called where it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRef>,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

impl Message {
    /// A whole message.
    #[must_use]
    pub fn new(
        id: MessageId,
        parent: Option<MessageId>,
        role: Role,
        parts: Vec<Part>,
        created_ms: u64,
    ) -> Self {
        Self {
            id,
            parent,
            role,
            parts,
            created_ms,
            state: State::Complete,
            group: None,
            continues: None,
            edits: None,
            copied_from: None,
            model: None,
            finish: None,
            usage: None,
            attempts: Vec::new(),
            source: None,
            extras: Vec::new(),
        }
    }

    /// Its text parts, one after the other, without thinking and tools.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}
