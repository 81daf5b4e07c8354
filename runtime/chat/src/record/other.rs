//! Records of drafts, folders and imports.

use serde::{Deserialize, Serialize};

use super::FolderPatch;
use crate::model::{Attachment, Folder, SourceRef};
use crate::{ConversationId, FolderId};

/// What is being written was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftSaved {
    /// For which conversation; `None` = the one that is not begun yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// When.
    pub at_ms: u64,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// The files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A draft was sent or thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftCleared {
    /// Of which conversation; `None` = the one that is not begun yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// When.
    pub at_ms: u64,
}

/// A folder was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderCreated {
    /// The folder.
    pub folder: Folder,
}

/// A folder was renamed or moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderChanged {
    /// Which.
    pub folder: FolderId,
    /// When.
    pub at_ms: u64,
    /// What.
    #[serde(default)]
    pub patch: FolderPatch,
}

/// A folder was removed. What was in it is in none: whoever reads takes a folder that is not there
/// for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRemoved {
    /// Which.
    pub folder: FolderId,
    /// When.
    pub at_ms: u64,
}

/// A conversation of another app was imported: whoever imports again knows it, and whether it has
/// changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceImported {
    /// What it is called there.
    pub source: SourceRef,
    /// A digest of what was read.
    pub digest: String,
    /// What it is called here.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
}
