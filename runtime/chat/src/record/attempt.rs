//! Records of an answer that comes.

use serde::{Deserialize, Serialize};

use crate::model::{
    Attempt, AttemptError, Finish, Message, ModelName, Outcome, Part, State, Usage,
};
use crate::word::word;
use crate::{AttemptId, ConversationId, MessageId};

/// An attempt to have a message answered began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptBegan {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The answer.
    pub message: MessageId,
    /// The answer as it begins, with the first attempt. What it holds already (the text that it
    /// continues) is not sent again in pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<Message>,
    /// The attempt.
    pub attempt: Attempt,
}

word!(
    /// What a piece of an answer is part of.
    Channel {
        /// The answer.
        Text = "text",
        /// The thinking before it.
        Thinking = "thinking",
    }
);

/// A piece of an answer came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextDelta {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The answer.
    pub message: MessageId,
    /// What it is part of.
    pub channel: Channel,
    /// Where it begins: the bytes of this channel that came before it, over all attempts.
    pub offset: u64,
    /// The piece.
    pub text: String,
}

/// An attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The answer.
    pub message: MessageId,
    /// The attempt.
    pub attempt: AttemptId,
    /// When.
    pub at_ms: u64,
    /// How.
    pub outcome: Outcome,
    /// Whether the request left for the provider; `None` = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sent: Option<bool>,
    /// The provider's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The provider's own usage object, JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_json: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// An answer ended, whole or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageEnded {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The answer.
    pub message: MessageId,
    /// When.
    pub at_ms: u64,
    /// All of its content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How it ended.
    pub state: State,
    /// Why it ended, as the model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// What it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Who answered in the end; `None` = as it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
}
