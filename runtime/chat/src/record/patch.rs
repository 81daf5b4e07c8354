//! Sparse changes: only what changes is stored, so that two changes of different fields never undo
//! each other.

use serde::{Deserialize, Serialize};

use crate::FolderId;
use crate::change::Change;
use crate::model::{Conversation, Extra, Folder, ModelName, Settings, Thinking, TitleSource};

/// A change of what is asked of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SettingsPatch {
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub temperature: Change<f64>,
    /// The longest answer, tokens.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub max_output_tokens: Change<u32>,
    /// How much to think.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub thinking: Change<Thinking>,
    /// What there is no field for; set as a whole.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub extras: Change<Vec<Extra>>,
}

impl SettingsPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does it.
    pub fn apply(&self, settings: &mut Settings) {
        self.temperature.apply(&mut settings.temperature);
        self.max_output_tokens
            .apply(&mut settings.max_output_tokens);
        self.thinking.apply(&mut settings.thinking);
        set_list(&self.extras, &mut settings.extras);
    }
}

fn set_list<T: Clone>(change: &Change<Vec<T>>, list: &mut Vec<T>) {
    match change {
        Change::Keep => {}
        Change::Clear => list.clear(),
        Change::Set(values) => list.clone_from(values),
    }
}

/// A change of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConversationPatch {
    /// The title.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub title: Change<String>,
    /// Where the title comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_source: Option<TitleSource>,
    /// The folder that it is in.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub folder: Change<FolderId>,
    /// Whether it stays at the top of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Whether it is out of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// The model that answers.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub model: Change<ModelName>,
    /// Instructions for the model.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub system_prompt: Change<String>,
    /// What else is asked of the model.
    #[serde(default, skip_serializing_if = "SettingsPatch::is_empty")]
    pub settings: SettingsPatch,
    /// What there is no field for; set as a whole.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub extras: Change<Vec<Extra>>,
}

impl ConversationPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does it.
    pub fn apply(&self, conversation: &mut Conversation) {
        match &self.title {
            Change::Keep => {}
            Change::Clear => {
                conversation.title.clear();
                conversation.title_source = TitleSource::None;
            }
            Change::Set(title) => conversation.title.clone_from(title),
        }
        if let Some(source) = &self.title_source {
            conversation.title_source = source.clone();
        }
        self.folder.apply(&mut conversation.folder);
        conversation.pinned = self.pinned.unwrap_or(conversation.pinned);
        conversation.archived = self.archived.unwrap_or(conversation.archived);
        self.model.apply(&mut conversation.model);
        self.system_prompt.apply(&mut conversation.system_prompt);
        self.settings.apply(&mut conversation.settings);
        set_list(&self.extras, &mut conversation.extras);
    }
}

/// A change of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderPatch {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The folder that it is in.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub parent: Change<FolderId>,
    /// Its place among its siblings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

impl FolderPatch {
    /// Does it.
    pub fn apply(&self, folder: &mut Folder) {
        if let Some(name) = &self.name {
            folder.name.clone_from(name);
        }
        self.parent.apply(&mut folder.parent);
        folder.position = self.position.unwrap_or(folder.position);
    }
}
