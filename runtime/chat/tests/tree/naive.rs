//! The naive model. It knows operations and what they mean, never records.

use std::collections::BTreeSet;

use vale_chat::MessageId;

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: MessageId,
    pub(crate) parent: Option<MessageId>,
    pub(crate) answer: bool,
    pub(crate) streaming: bool,
    /// An answer that ended early or at the token limit, with text in it.
    pub(crate) unfinished: bool,
    pub(crate) group: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    pub(crate) entries: Vec<Entry>,
    pub(crate) hidden: BTreeSet<MessageId>,
    pub(crate) active: Option<MessageId>,
}

impl Naive {
    pub(crate) fn get(&self, id: MessageId) -> &Entry {
        self.entries.iter().find(|entry| entry.id == id).unwrap()
    }

    pub(crate) fn get_mut(&mut self, id: MessageId) -> &mut Entry {
        self.entries
            .iter_mut()
            .find(|entry| entry.id == id)
            .unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    /// From the first message to this one.
    pub(crate) fn path(&self, id: MessageId) -> Vec<MessageId> {
        let mut path = vec![id];
        while let Some(parent) = self.get(path[0]).parent {
            path.insert(0, parent);
            assert!(path.len() <= self.entries.len(), "a ring");
        }
        path
    }

    pub(crate) fn visible(&self, id: MessageId) -> bool {
        self.path(id).iter().all(|id| !self.hidden.contains(id))
    }

    /// What has the message on its path.
    pub(crate) fn branch(&self, top: MessageId) -> Vec<MessageId> {
        let mut ids = self.ids();
        ids.retain(|id| self.path(*id).contains(&top));
        ids
    }

    pub(crate) fn children(&self, parent: Option<MessageId>) -> Vec<MessageId> {
        let mut ids = self.ids();
        ids.retain(|id| self.get(*id).parent == parent && self.visible(*id));
        ids
    }

    pub(crate) fn leaves(&self) -> Vec<MessageId> {
        let mut ids = self.ids();
        ids.retain(|id| self.visible(*id) && self.children(Some(*id)).is_empty());
        ids
    }

    /// The newest visible end below a message, or of all.
    pub(crate) fn newest(&self, below: Option<MessageId>) -> Option<MessageId> {
        let mut leaves = self.leaves();
        leaves.retain(|leaf| below.is_none_or(|top| self.path(*leaf).contains(&top)));
        leaves.pop()
    }

    pub(crate) fn streams(&self, ids: &[MessageId]) -> bool {
        ids.iter().any(|id| self.get(*id).streaming)
    }

    pub(crate) fn idle(&self) -> bool {
        !self.streams(&self.ids())
    }

    pub(crate) fn compared(&self, id: MessageId) -> Vec<MessageId> {
        let entry = self.get(id);
        let mut ids = self.children(entry.parent);
        ids.retain(|other| entry.group.is_some() && self.get(*other).group == entry.group);
        ids
    }

    pub(crate) fn add(&mut self, id: MessageId, parent: Option<MessageId>, answer: bool) {
        self.entries.push(Entry {
            id,
            parent,
            answer,
            streaming: answer,
            unfinished: false,
            group: None,
        });
        self.active = Some(id);
    }
}
