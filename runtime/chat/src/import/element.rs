//! One value of an export, of whatever app: its keys say which. So a file needs no name that tells,
//! and a value that is no conversation costs only itself.

use serde::Deserialize;

use super::any::{Entries, Listed, Time, any};
use super::chatgpt::{self, GptNode};
use super::claude::{self, ClaudeMessage};
use super::librechat::{self, LibreTree};
use super::neutral::Neutral;
use super::open_webui::{self, WebUiChat};

/// The keys of every format, side by side.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Element {
    #[serde(deserialize_with = "any")]
    pub id: Option<String>,
    #[serde(deserialize_with = "any")]
    pub title: Option<String>,

    // ChatGPT
    #[serde(deserialize_with = "any")]
    pub mapping: Entries<GptNode>,
    #[serde(deserialize_with = "any")]
    pub conversation_id: Option<String>,
    #[serde(deserialize_with = "any")]
    pub current_node: Option<String>,
    #[serde(deserialize_with = "any")]
    pub create_time: Time,
    #[serde(deserialize_with = "any")]
    pub update_time: Time,
    #[serde(deserialize_with = "any")]
    pub default_model_slug: Option<String>,
    #[serde(deserialize_with = "any")]
    pub gizmo_id: Option<String>,
    #[serde(deserialize_with = "any")]
    pub conversation_template_id: Option<String>,
    #[serde(deserialize_with = "any")]
    pub is_archived: bool,
    #[serde(deserialize_with = "any")]
    pub is_starred: bool,

    // Claude
    #[serde(deserialize_with = "any")]
    pub chat_messages: Listed<ClaudeMessage>,
    #[serde(deserialize_with = "any")]
    pub uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    pub name: Option<String>,
    #[serde(deserialize_with = "any")]
    pub current_leaf_message_uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    pub project: Option<claude::Project>,

    // LibreChat
    #[serde(rename = "conversationId", deserialize_with = "any")]
    pub conversation_key: Option<String>,
    pub messages: LibreTree,
    #[serde(rename = "messagesTree")]
    pub messages_tree: LibreTree,
    #[serde(deserialize_with = "any")]
    pub options: librechat::Options,
    #[serde(rename = "createdAt", deserialize_with = "any")]
    pub created: Time,
    #[serde(rename = "updatedAt", deserialize_with = "any")]
    pub updated: Time,

    // Open WebUI
    #[serde(deserialize_with = "any")]
    pub chat: Option<WebUiChat>,
    #[serde(deserialize_with = "any")]
    pub archived: bool,
    #[serde(deserialize_with = "any")]
    pub pinned: bool,
    #[serde(deserialize_with = "any")]
    pub folder_id: Option<String>,

    // Claude and Open WebUI
    #[serde(deserialize_with = "any")]
    pub created_at: Time,
    #[serde(deserialize_with = "any")]
    pub updated_at: Time,
    #[serde(deserialize_with = "any")]
    pub model: Option<String>,

    /// The version of our own format, in its first line.
    #[serde(rename = "valechat-export", deserialize_with = "any")]
    pub valechat: Option<f64>,
}

/// What a value turned out to be.
#[derive(Debug)]
pub(super) enum Recognised {
    Conversation(Neutral),
    /// The first line of our own format, with its version.
    ValeChat(f64),
    /// Something else, with its title if it has one.
    Unknown(Option<String>),
}

impl Element {
    /// Reads the value.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        // The splitter bounds the depth, and the one reader that goes down a tree grows its stack.
        deserializer.disable_recursion_limit();
        let element = Self::deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(element)
    }

    /// Tells the format by the keys, and reads it.
    pub(super) fn recognise(mut self) -> Recognised {
        if let Some(version) = self.valechat {
            return Recognised::ValeChat(version);
        }
        if let Some(mapping) = self.mapping.0.take() {
            return Recognised::Conversation(chatgpt::read(self, mapping));
        }
        if let Some(messages) = self.chat_messages.0.take() {
            return Recognised::Conversation(claude::read(self, messages));
        }
        if let Some(chat) = self.chat.take() {
            return Recognised::Conversation(open_webui::read(self, chat));
        }
        let tree = std::mem::take(&mut self.messages_tree);
        let list = std::mem::take(&mut self.messages);
        if self.conversation_key.is_some() && (tree.was_there || list.was_there) {
            let messages = if tree.was_there { tree } else { list };
            return Recognised::Conversation(librechat::read(self, messages));
        }
        Recognised::Unknown(self.title.or(self.name))
    }
}
