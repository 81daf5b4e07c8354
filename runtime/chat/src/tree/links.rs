//! From what each message says it follows to a tree.

use std::collections::HashMap;

use super::{Node, Oddity, Tree};
use crate::MessageId;

impl Tree {
    /// Makes all links anew, in time linear in the messages but for sorting.
    pub(super) fn relink(&mut self) {
        let ups = self.ups();
        let mut order: Vec<(u64, MessageId)> = Vec::with_capacity(self.nodes.len());
        self.wanted.clear();
        for (id, node) in &mut self.nodes {
            node.children.clear();
            node.up = ups.get(id).copied().flatten();
            order.push((node.ord, *id));
        }
        self.roots.clear();
        order.sort_unstable();
        for (_, id) in order {
            let Some((up, link)) = self.nodes.get(&id).map(|node| (node.up, node.link)) else {
                continue;
            };
            if let Some(missing) = link.filter(|link| !self.nodes.contains_key(link)) {
                self.wanted.insert(missing);
            }
            self.attach(id, up);
        }
        self.rehide(&self.roots.clone());
    }

    /// Finds anew what is hidden of these branches.
    pub(super) fn rehide(&mut self, tops: &[MessageId]) {
        let mut stack: Vec<MessageId> = tops.to_vec();
        while let Some(id) = stack.pop() {
            let above = self.parent(id).flatten();
            let hidden = above.is_some_and(|id| !self.is_visible(id)) || self.is_pruned(id);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.hidden = hidden;
                stack.extend(&node.children);
            }
        }
    }

    /// Hangs a message below another, as the last of its children.
    pub(super) fn attach(&mut self, id: MessageId, up: Option<MessageId>) {
        match up.and_then(|up| self.nodes.get_mut(&up)) {
            Some(parent) => parent.children.push(id),
            None => self.roots.push(id),
        }
    }

    /// What each message hangs below. Links to what is missing are left out; of each ring, the
    /// message with the least id is let go.
    fn ups(&self) -> HashMap<MessageId, Option<MessageId>> {
        let mut ups: HashMap<MessageId, Option<MessageId>> =
            HashMap::with_capacity(self.nodes.len());
        for start in self.nodes.keys() {
            // Up from here to what is known already, to a root, or round to where this walk was.
            let mut walk = Vec::new();
            let mut at = Some(*start);
            let mut ring = None;
            while let Some(id) = at {
                if let Some(seen) = ups.get(&id) {
                    // Of this walk, it is marked and not yet known: a ring.
                    if seen.is_some_and(|mark| mark == id) {
                        ring = Some(id);
                    }
                    break;
                }
                // Nothing hangs below itself, so this marks what is on the walk.
                ups.insert(id, Some(id));
                walk.push(id);
                at = self.nodes.get(&id).and_then(|node| self.link_of(node));
            }
            let let_go = ring.and_then(|entry| {
                let members = walk.iter().skip_while(|id| **id != entry);
                members.min().copied()
            });
            for id in walk {
                let link = self.nodes.get(&id).and_then(|node| self.link_of(node));
                ups.insert(id, link.filter(|_| let_go != Some(id)));
            }
        }
        ups
    }

    /// What a message follows, if that is there.
    fn link_of(&self, node: &Node) -> Option<MessageId> {
        node.link.filter(|link| self.nodes.contains_key(link))
    }

    /// The links that were left out, in the order of the messages.
    pub(super) fn link_oddities(&self) -> Vec<Oddity> {
        let mut nodes: Vec<&Node> = self.nodes.values().collect();
        nodes.retain(|node| node.link != node.up);
        nodes.sort_unstable_by_key(|node| node.ord);
        let oddities = nodes.into_iter().filter_map(|node| {
            let (message, parent) = (node.message.id, node.link?);
            Some(if self.nodes.contains_key(&parent) {
                Oddity::Cycle { message, parent }
            } else {
                Oddity::MissingParent { message, parent }
            })
        });
        oddities.collect()
    }
}
