//! All conversations folded in memory: what a journal as a whole comes to. The store's view must be
//! equal to it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{Folder, SourceRef};
use crate::record::{DraftSaved, Record, SourceImported};
use crate::tree::{Oddity, Tree};
use crate::{ConversationId, FolderId};

/// Conversations, folders, drafts and what was imported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    conversations: BTreeMap<ConversationId, Tree>,
    folders: BTreeMap<FolderId, Folder>,
    drafts: BTreeMap<Option<ConversationId>, DraftSaved>,
    sources: HashMap<SourceRef, SourceImported>,
    purged: HashSet<ConversationId>,
}

impl Library {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds the next record in. Records of different conversations do not touch each other, so
    /// their order among each other does not matter.
    ///
    /// # Errors
    /// What does not fit; everything is then as it was, and goes on.
    pub fn apply(&mut self, record: &Record) -> Result<(), Oddity> {
        let conversation = record.conversation();
        // What is purged leaves no trace, whatever still speaks of it.
        if conversation.is_some_and(|id| self.purged.contains(&id)) {
            return Ok(());
        }
        match record {
            Record::ConversationCreated(record) => {
                let id = record.conversation.id;
                if self.conversations.contains_key(&id) {
                    return Err(Oddity::BegunTwice(id));
                }
                let tree = Tree::new(record.conversation.clone());
                self.conversations.insert(id, tree);
            }
            Record::ConversationPurged(record) => {
                let id = record.conversation;
                self.conversations.remove(&id);
                self.drafts.remove(&Some(id));
                self.sources.retain(|_, source| source.conversation != id);
                self.purged.insert(id);
            }
            Record::DraftSaved(draft) => {
                self.drafts.insert(draft.conversation, draft.clone());
            }
            Record::DraftCleared(draft) => {
                self.drafts.remove(&draft.conversation);
            }
            Record::SourceImported(source) => {
                self.sources.insert(source.source.clone(), source.clone());
            }
            Record::FolderCreated(record) => {
                let folder = record.folder.clone();
                self.folders.entry(folder.id).or_insert(folder);
            }
            Record::FolderChanged(record) => {
                if let Some(folder) = self.folders.get_mut(&record.folder) {
                    record.patch.apply(folder);
                }
            }
            Record::FolderRemoved(record) => {
                self.folders.remove(&record.folder);
            }
            _ => {
                let tree = conversation.and_then(|id| self.conversations.get_mut(&id));
                return tree.ok_or(Oddity::Elsewhere)?.apply(record);
            }
        }
        Ok(())
    }

    /// After the app ended in the middle of answers: [`Tree::recover`] in every conversation.
    pub fn recover(&mut self, now_ms: u64) -> Vec<Record> {
        let trees = self.conversations.values_mut();
        trees.flat_map(|tree| tree.recover(now_ms)).collect()
    }

    /// A conversation, deleted or not.
    #[must_use]
    pub fn conversation(&self, id: ConversationId) -> Option<&Tree> {
        self.conversations.get(&id)
    }

    /// All conversations, oldest first, deleted ones too.
    pub fn conversations(&self) -> impl Iterator<Item = &Tree> {
        self.conversations.values()
    }

    /// A folder.
    #[must_use]
    pub fn folder(&self, id: FolderId) -> Option<&Folder> {
        self.folders.get(&id)
    }

    /// All folders, oldest first.
    pub fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    /// The folder that a conversation is in: none if it names one that was removed.
    #[must_use]
    pub fn folder_of(&self, id: ConversationId) -> Option<&Folder> {
        let folder = self.conversation(id)?.conversation().folder?;
        self.folder(folder)
    }

    /// What is being written for a conversation (`None` = the one that is not begun).
    #[must_use]
    pub fn draft(&self, of: Option<ConversationId>) -> Option<&DraftSaved> {
        self.drafts.get(&of)
    }

    /// What was imported from there under that id. It is forgotten when the conversation is purged,
    /// so that the person can import it anew.
    #[must_use]
    pub fn imported(&self, source: &SourceRef) -> Option<&SourceImported> {
        self.sources.get(source)
    }
}
