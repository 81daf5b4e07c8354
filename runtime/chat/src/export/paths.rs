//! A tree of messages as lines to read one after the other.

use std::collections::{HashMap, HashSet};

use super::{Branches, Exported};
use crate::MessageId;

/// Messages in a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What its first message follows; `None` = the beginning.
    pub after: Option<MessageId>,
    /// The messages.
    pub messages: Vec<MessageId>,
    /// It is hidden in ValeChat.
    pub pruned: bool,
}

/// The visible row, and then, if asked for, every other one from where it leaves a row before it.
/// Each message is in one row, once.
pub(super) fn rows(exported: &Exported, branches: Branches) -> Vec<Row> {
    let links = &exported.links;
    let parents: HashMap<MessageId, Option<MessageId>> =
        links.iter().map(|link| (link.id, link.parent)).collect();
    // A parent that is not there, or a circle, makes a beginning.
    let parent_of = |id: MessageId| {
        let parent = parents.get(&id).copied().flatten();
        parent.filter(|parent| parents.contains_key(parent))
    };
    let active = exported.conversation.active_leaf;
    let leaf = active
        .filter(|leaf| parents.contains_key(leaf))
        .or_else(|| {
            links
                .iter()
                .rev()
                .find(|link| !link.pruned)
                .map(|link| link.id)
        });
    let mut shown = HashSet::new();
    let mut visible = Vec::new();
    let mut at = leaf;
    while let Some(id) = at.filter(|id| shown.insert(*id)) {
        visible.push(id);
        at = parent_of(id);
    }
    visible.reverse();
    let mut rows = vec![Row {
        after: None,
        messages: visible,
        pruned: false,
    }];
    if branches == Branches::Visible {
        return rows;
    }
    let mut children: HashMap<MessageId, Vec<MessageId>> = HashMap::new();
    let mut pruned = HashSet::new();
    for link in links {
        if let Some(parent) = parent_of(link.id) {
            children.entry(parent).or_default().push(link.id);
        }
        if link.pruned {
            pruned.insert(link.id);
        }
    }
    // Where a row may begin: at a beginning, and beside a message of an earlier row. What is left
    // after all of those is a circle, which begins anywhere.
    let beginnings = links
        .iter()
        .map(|link| link.id)
        .filter(|id| parent_of(*id).is_none());
    let mut waiting: Vec<MessageId> = beginnings.chain(links.iter().map(|link| link.id)).collect();
    waiting.reverse();
    let first = rows
        .first()
        .map(|row| row.messages.clone())
        .unwrap_or_default();
    push_branches(&first, &children, &shown, &mut waiting);
    while let Some(start) = waiting.pop() {
        if shown.contains(&start) {
            continue;
        }
        let mut messages = Vec::new();
        let mut at = Some(start);
        while let Some(id) = at.filter(|id| shown.insert(*id)) {
            messages.push(id);
            let next = children.get(&id).and_then(|children| children.first());
            at = next.copied();
        }
        push_branches(&messages, &children, &shown, &mut waiting);
        rows.push(Row {
            after: parent_of(start),
            pruned: pruned.contains(&start),
            messages,
        });
    }
    rows.retain(|row| !row.messages.is_empty());
    rows
}

/// The branches that leave a row, so that the first one is taken next.
fn push_branches(
    row: &[MessageId],
    children: &HashMap<MessageId, Vec<MessageId>>,
    shown: &HashSet<MessageId>,
    waiting: &mut Vec<MessageId>,
) {
    for id in row.iter().rev() {
        let branches = children.get(id).into_iter().flatten().rev();
        waiting.extend(branches.filter(|child| !shown.contains(child)));
    }
}

#[cfg(test)]
mod tests {
    use super::rows;
    use crate::export::{Branches, Exported, Link};
    use crate::model::Conversation;
    use crate::{ConversationId, MessageId};

    fn id(number: u8) -> MessageId {
        MessageId::new(1000, &mut || [number; 10])
    }

    fn exported(links: &[(u8, u8)], leaf: u8, pruned: &[u8]) -> Exported {
        let mut conversation = Conversation::new(ConversationId::new(1, &mut || [1; 10]), 1);
        conversation.active_leaf = Some(id(leaf));
        let link = |(own, parent): &(u8, u8)| Link {
            id: id(*own),
            parent: (*parent != 0).then(|| id(*parent)),
            pruned: pruned.contains(own),
        };
        Exported {
            conversation,
            links: links.iter().map(link).collect(),
        }
    }

    fn shape(exported: &Exported, branches: Branches) -> Vec<(u8, Vec<u8>)> {
        let number = |wanted: MessageId| (0..=255).find(|n| id(*n) == wanted).unwrap();
        rows(exported, branches)
            .into_iter()
            .map(|row| {
                let after = row.after.map_or(0, number);
                (after, row.messages.into_iter().map(number).collect())
            })
            .collect()
    }

    #[test]
    fn the_visible_row_comes_first_and_every_other_from_where_it_leaves() {
        // 1 ─ 2 ─ 3 ─ 4, beside 3: 5 ─ 6, beside 6: 7; beside 1: 8
        let links = [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 3),
            (5, 2),
            (6, 5),
            (7, 5),
            (8, 0),
        ];
        let tree = exported(&links, 4, &[5]);
        assert_eq!(shape(&tree, Branches::Visible), [(0, vec![1, 2, 3, 4])]);
        assert_eq!(
            shape(&tree, Branches::All),
            [
                (0, vec![1, 2, 3, 4]),
                (2, vec![5, 6]),
                (5, vec![7]),
                (0, vec![8])
            ]
        );
        assert!(rows(&tree, Branches::All)[1].pruned);
        let within = exported(&links, 2, &[]);
        assert_eq!(shape(&within, Branches::Visible), [(0, vec![1, 2])]);
        assert_eq!(shape(&within, Branches::All)[1], (2, vec![3, 4]));
    }

    #[test]
    fn missing_parents_and_circles_lose_no_message() {
        let tree = exported(&[(1, 9), (2, 1), (3, 4), (4, 3), (5, 5)], 2, &[]);
        let rows = shape(&tree, Branches::All);
        let mut all: Vec<u8> = rows.into_iter().flat_map(|(_, row)| row).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4, 5]);
        assert!(shape(&exported(&[], 1, &[]), Branches::All).is_empty());
    }
}
