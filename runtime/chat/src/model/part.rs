//! The pieces of a message.

use serde::{Deserialize, Serialize};

use super::{Attachment, is_false};
use crate::word::tagged;

/// A named JSON value: room for what there is no field for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// The name.
    pub name: String,
    /// JSON text.
    pub json: String,
}

tagged!(
    /// Where an image, a file or a sound is.
    Media {
        /// With us.
        Stored(Attachment) = "stored",
        /// At an address.
        Url(String) = "url",
        /// A form of the contract that has no case here.
        Other(Extra) = "other",
    }
);

/// A model's wish to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Ties the result to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    #[serde(default)]
    pub arguments_json: String,
    /// Opaque; travels back unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

tagged!(
    /// A piece of a tool's result.
    ResultPart {
        /// Text.
        Text(String) = "text",
        /// An image.
        Image(Media) = "image",
        /// A file.
        File(Media) = "file",
        /// A JSON value.
        Json(String) = "json",
        /// A form of the contract that has no case here.
        Other(Extra) = "other",
    }
);

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that this answers.
    pub call_id: String,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The result.
    #[serde(default)]
    pub content: Vec<ResultPart>,
    /// The tool ran and failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_error: bool,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

/// A block of a model's thinking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinkingBlock {
    /// The provider's id of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text, as far as the provider shows it.
    #[serde(default)]
    pub text: String,
    /// Opaque; travels back unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

tagged!(
    /// A piece of a message.
    Part {
        /// Text.
        Text(String) = "text",
        /// Text that is too long for a record, as a UTF-8 file.
        LongText(Attachment) = "long-text",
        /// An image.
        Image(Media) = "image",
        /// A file.
        File(Media) = "file",
        /// A sound.
        Audio(Media) = "audio",
        /// A model's wish to run a tool.
        ToolCall(ToolCall) = "tool-call",
        /// A tool's answer.
        ToolResult(ToolResult) = "tool-result",
        /// A model's thinking.
        Thinking(ThinkingBlock) = "thinking",
        /// Thinking that the provider sealed.
        RedactedThinking(String) = "redacted-thinking",
        /// A form of the contract that has no case here.
        Other(Extra) = "other",
    }
);

impl Part {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}
