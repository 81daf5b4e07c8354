//! A conversation without its messages, and folders.

use serde::{Deserialize, Serialize};

use super::{Extra, is_false};
use crate::word::word;
use crate::{ConversationId, FolderId, MessageId};

word!(
    /// Where a title comes from. A typed one is never replaced by itself.
    TitleSource {
        /// There is none yet.
        None = "none",
        /// The person wrote it.
        Typed = "typed",
        /// A model or the first words made it.
        Automatic = "automatic",
        /// It came with an import.
        Imported = "imported",
    }
);

/// A model of a provider, by the names they had when this was written. They need not exist any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelName {
    /// The provider's id; of an import, the app's name or empty.
    pub provider: String,
    /// The model, as the provider names it.
    pub model: String,
}

/// What something was called where it came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    /// The app, such as `chatgpt`.
    pub app: String,
    /// The id there.
    pub id: String,
}

word!(
    /// How much a model is asked to think.
    ThinkingMode {
        /// As the provider does when not asked.
        Default = "default",
        /// Not at all.
        Off = "off",
        /// In the provider's own words: [`Thinking::effort`].
        Effort = "effort",
        /// At most so many tokens: [`Thinking::tokens`].
        Budget = "budget",
    }
);

/// A wish about thinking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thinking {
    /// The kind of wish.
    pub mode: ThinkingMode,
    /// The provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
}

/// What is asked of the model in every turn of a conversation; `None` = as the provider does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The longest answer, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// How much to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

impl Settings {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its name.
    pub id: ConversationId,
    /// Its title; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where the title comes from.
    #[serde(default = "no_title")]
    pub title_source: TitleSource,
    /// When it began.
    pub created_ms: u64,
    /// When a message last came or changed; renaming and moving do not count.
    pub updated_ms: u64,
    /// The folder that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderId>,
    /// Whether it stays at the top of the list.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// Whether it is out of the list, and still found.
    #[serde(default, skip_serializing_if = "is_false")]
    pub archived: bool,
    /// When the person deleted it. It can be brought back until it is purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<u64>,
    /// The model that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Instructions for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// What else is asked of the model.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The end of the branch that is shown; `None` while there is no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_leaf: Option<MessageId>,
    /// The conversation that this was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ConversationId>,
    /// What it was called where it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRef>,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}

fn no_title() -> TitleSource {
    TitleSource::None
}

impl Conversation {
    /// A conversation that begins now, with nothing in it.
    #[must_use]
    pub fn new(id: ConversationId, now_ms: u64) -> Self {
        Self {
            id,
            title: String::new(),
            title_source: TitleSource::None,
            created_ms: now_ms,
            updated_ms: now_ms,
            folder: None,
            pinned: false,
            archived: false,
            deleted_ms: None,
            model: None,
            system_prompt: None,
            settings: Settings::default(),
            active_leaf: None,
            forked_from: None,
            source: None,
            extras: Vec::new(),
        }
    }
}

/// A folder of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its name for us.
    pub id: FolderId,
    /// Its name for people.
    pub name: String,
    /// The folder that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FolderId>,
    /// When it was made.
    pub created_ms: u64,
    /// Its place among its siblings: low is first.
    #[serde(default)]
    pub position: i64,
    /// What there is no field for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
}
