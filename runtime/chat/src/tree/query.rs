//! What can be asked of the tree.

use super::{Node, Tree};
use crate::MessageId;

/// “2 of 3”.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl Tree {
    /// Whether the message is in this conversation.
    #[must_use]
    pub fn contains(&self, id: MessageId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// What a message hangs below: `None` if it is not there, `Some(None)` below the virtual root.
    #[must_use]
    pub fn parent(&self, id: MessageId) -> Option<Option<MessageId>> {
        self.nodes.get(&id).map(|node| node.up)
    }

    /// Everything that hangs directly below a message (`None` = the virtual root), hidden or not, in
    /// the order in which it came.
    #[must_use]
    pub fn all_children(&self, parent: Option<MessageId>) -> &[MessageId] {
        match parent {
            None => &self.roots,
            Some(id) => self.nodes.get(&id).map_or(&[], |node| &node.children),
        }
    }

    /// The same without what is hidden.
    #[must_use]
    pub fn children(&self, parent: Option<MessageId>) -> Vec<MessageId> {
        if parent.is_some_and(|id| !self.is_visible(id)) {
            return Vec::new();
        }
        self.visible_children(parent, None).collect()
    }

    /// Whether a branch that begins with this message was hidden.
    #[must_use]
    pub fn is_pruned(&self, id: MessageId) -> bool {
        self.pruned.contains(&id)
    }

    /// Whether the message is there and on no hidden branch.
    #[must_use]
    pub fn is_visible(&self, id: MessageId) -> bool {
        self.nodes.get(&id).is_some_and(|node| !node.hidden)
    }

    /// A message, what it hangs below, and so on: the path from its end, for whoever shows its last
    /// messages only.
    pub fn upward(&self, from: Option<MessageId>) -> impl Iterator<Item = MessageId> {
        let from = from.filter(|id| self.contains(*id));
        std::iter::successors(from, |id| self.parent(*id).flatten())
    }

    fn visible_children(
        &self,
        parent: Option<MessageId>,
        also: Option<MessageId>,
    ) -> impl Iterator<Item = MessageId> {
        let children = self.all_children(parent).iter().copied();
        children.filter(move |id| !self.is_pruned(*id) && also != Some(*id))
    }

    /// The messages from the first of the conversation to this one; empty if it is not there.
    #[must_use]
    pub fn path(&self, to: MessageId) -> Vec<MessageId> {
        let mut path: Vec<MessageId> = self.upward(Some(to)).collect();
        path.reverse();
        path
    }

    /// How many messages the path to this one has.
    #[must_use]
    pub fn depth(&self, id: MessageId) -> usize {
        self.upward(Some(id)).count()
    }

    /// The visible versions of a turn, the message itself among them, in the order in which they
    /// came.
    #[must_use]
    pub fn siblings(&self, id: MessageId) -> Vec<MessageId> {
        let parent = self.parent(id);
        parent.map_or_else(Vec::new, |parent| self.children(parent))
    }

    /// Which version this is; `None` if it is hidden or not there.
    #[must_use]
    pub fn position(&self, id: MessageId) -> Option<Position> {
        let siblings = self.siblings(id);
        let index = siblings.iter().position(|sibling| *sibling == id)?;
        Some(Position {
            index: index.saturating_add(1),
            count: siblings.len(),
        })
    }

    /// The visible answers that this one is compared with, itself among them; empty if it is not.
    #[must_use]
    pub fn compared(&self, id: MessageId) -> Vec<MessageId> {
        let group = self.message(id).and_then(|message| message.group);
        let Some(group) = group else {
            return Vec::new();
        };
        let mut siblings = self.siblings(id);
        siblings.retain(|id| self.message(*id).and_then(|message| message.group) == Some(group));
        siblings
    }

    /// What is visible below a message, and itself; from the virtual root, everything visible.
    fn visible_nodes(&self, top: Option<MessageId>, also: Option<MessageId>) -> Vec<&Node> {
        let mut nodes: Vec<&Node> = Vec::new();
        let mut stack: Vec<MessageId> = match top {
            Some(id) => vec![id],
            None => self.visible_children(None, also).collect(),
        };
        while let Some(id) = stack.pop() {
            nodes.extend(self.nodes.get(&id));
            stack.extend(self.visible_children(Some(id), also));
        }
        nodes
    }

    /// A message and all that follows it, hidden or not.
    #[must_use]
    pub fn branch(&self, top: MessageId) -> Vec<MessageId> {
        let mut found = Vec::new();
        let mut stack: Vec<MessageId> = vec![top];
        stack.retain(|id| self.contains(*id));
        while let Some(id) = stack.pop() {
            found.push(id);
            stack.extend(self.all_children(Some(id)).iter().rev());
        }
        found
    }

    /// The visible ends of branches, in the order in which they came.
    #[must_use]
    pub fn leaves(&self) -> Vec<MessageId> {
        let mut nodes = self.visible_nodes(None, None);
        nodes.retain(|node| self.is_leaf(node, None));
        nodes.sort_unstable_by_key(|node| node.ord);
        nodes.into_iter().map(|node| node.message.id).collect()
    }

    fn is_leaf(&self, node: &Node, also: Option<MessageId>) -> bool {
        let mut children = self.visible_children(Some(node.message.id), also);
        children.next().is_none()
    }

    /// The end of the branch that is shown: the one that was chosen. If that is hidden or gone, the
    /// newest end of what it hung below; if something followed it since, the newest end of that.
    /// `None` if nothing is visible.
    #[must_use]
    pub fn active_leaf(&self) -> Option<MessageId> {
        self.end_of(self.conversation.active_leaf, None)
    }

    /// What showing `from` comes to, if the branch that begins with `also` were hidden too.
    pub(crate) fn end_of(
        &self,
        from: Option<MessageId>,
        also: Option<MessageId>,
    ) -> Option<MessageId> {
        let mut top = from.filter(|id| self.contains(*id));
        while let Some(id) = top.filter(|id| !self.is_visible(*id)) {
            top = self.parent(id).flatten();
        }
        if also.is_some_and(|also| self.upward(top).any(|id| id == also)) {
            top = also.and_then(|also| self.parent(also)).flatten();
        }
        // Mostly what was chosen is an end still.
        if top.is_some() && self.visible_children(top, also).next().is_none() {
            return top;
        }
        let nodes = self.visible_nodes(top, also).into_iter();
        let ends = nodes.filter(|node| self.is_leaf(node, also));
        ends.max_by_key(|node| node.ord).map(|node| node.message.id)
    }

    /// The newest end of a hidden branch once it is restored; `None` if it stays hidden all the same.
    pub(crate) fn end_restored(&self, top: MessageId) -> Option<MessageId> {
        let above = self.parent(top)?;
        if above.is_some_and(|id| !self.is_visible(id)) {
            return None;
        }
        let nodes = self.visible_nodes(Some(top), None).into_iter();
        let ends = nodes.filter(|node| self.is_leaf(node, None));
        ends.max_by_key(|node| node.ord).map(|node| node.message.id)
    }

    /// What hangs directly below a visible message and is not hidden itself.
    pub(crate) fn shown_below(&self, id: MessageId) -> Vec<MessageId> {
        self.visible_children(Some(id), None).collect()
    }

    /// Puts messages into the order in which they came.
    pub(crate) fn sort(&self, messages: &mut [MessageId]) {
        messages.sort_by_key(|id| self.nodes.get(id).map(|node| node.ord));
    }

    /// The messages that are shown, first to last.
    #[must_use]
    pub fn active_path(&self) -> Vec<MessageId> {
        let leaf = self.active_leaf();
        leaf.map_or_else(Vec::new, |leaf| self.path(leaf))
    }

    /// How many visible messages are on other branches than the one that is shown.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        let visible = self.visible_nodes(None, None).len();
        visible.saturating_sub(self.active_path().len())
    }

    /// How many messages are on hidden branches.
    #[must_use]
    pub fn hidden(&self) -> usize {
        let visible = self.visible_nodes(None, None).len();
        self.nodes.len().saturating_sub(visible)
    }

    /// The answers that are being written, in the order in which they began.
    #[must_use]
    pub fn streaming(&self) -> Vec<MessageId> {
        let mut open: Vec<MessageId> = self.open.iter().copied().collect();
        self.sort(&mut open);
        open
    }
}
