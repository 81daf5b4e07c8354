//! A conversation begins as a copy of a part of another.

use std::collections::HashMap;

use super::{OpError, Plan, Stamp, not_deleted, visible};
use crate::model::{Conversation, Message, State};
use crate::record::{ConversationCreated, MessageAdded, Record};
use crate::tree::Tree;
use crate::{ConversationId, GroupId, MessageId};

/// What a fork takes along of a message's conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The messages from the first to this one.
    Path,
    /// These, and every branch that leaves them above this message.
    SideBranches,
    /// Every message that is no further from the beginning than this one, on all branches.
    EverythingToHere,
}

/// Copies a part of a conversation into a new one, whose branch to the copy of `at` is shown. Hidden
/// branches and answers that are being written stay behind; so do attempts, so that no money is
/// counted twice.
///
/// # Errors
/// The message is hidden or not there, or an answer before it is being written.
pub fn fork(
    tree: &Tree,
    at: MessageId,
    scope: Scope,
    stamp: &mut Stamp<'_>,
) -> Result<(ConversationId, Plan), OpError> {
    not_deleted(tree)?;
    visible(tree, at)?;
    let path = tree.path(at);
    if path.iter().any(|id| is_streaming(tree, *id)) {
        return Err(OpError::Streaming);
    }
    let chosen = match scope {
        Scope::Path => path,
        Scope::SideBranches => below(tree, |id, _| id != at),
        Scope::EverythingToHere => below(tree, |_, depth| depth < path.len()),
    };
    let mut copies = Copies::default();
    for id in &chosen {
        copies.ids.insert(*id, stamp.message());
    }
    let original = tree.conversation();
    let conversation = stamp.conversation();
    let mut begun = Conversation {
        id: conversation,
        created_ms: stamp.now_ms,
        updated_ms: stamp.now_ms,
        pinned: false,
        archived: false,
        deleted_ms: None,
        forked_from: Some(original.id),
        source: None,
        active_leaf: None,
        ..original.clone()
    };
    begun.active_leaf = copies.of(Some(at));
    let mut records = vec![Record::from(ConversationCreated {
        conversation: begun,
    })];
    let mut messages = Vec::new();
    for id in chosen {
        if let Some(message) = copies.copy(tree, id, stamp) {
            messages.push(message.id);
            records.push(Record::from(MessageAdded {
                conversation,
                message,
            }));
        }
    }
    Ok((conversation, Plan { records, messages }))
}

fn is_streaming(tree: &Tree, id: MessageId) -> bool {
    let message = tree.message(id);
    message.is_some_and(|message| message.state == State::Streaming)
}

/// The visible messages that have ended, in the order in which they came; `goes_on` says whether what
/// follows a message of some depth (the first is 1) is taken too.
fn below(tree: &Tree, goes_on: impl Fn(MessageId, usize) -> bool) -> Vec<MessageId> {
    let mut found = Vec::new();
    let mut stack: Vec<(MessageId, usize)> = Vec::new();
    stack.extend(tree.children(None).into_iter().map(|id| (id, 1)));
    while let Some((id, depth)) = stack.pop() {
        if is_streaming(tree, id) {
            continue;
        }
        found.push(id);
        if goes_on(id, depth) {
            let next = depth.saturating_add(1);
            stack.extend(tree.shown_below(id).into_iter().map(|id| (id, next)));
        }
    }
    tree.sort(&mut found);
    found
}

/// New names for old.
#[derive(Default)]
struct Copies {
    ids: HashMap<MessageId, MessageId>,
    groups: HashMap<GroupId, GroupId>,
}

impl Copies {
    /// The copy of a message, if it was taken along.
    fn of(&self, id: Option<MessageId>) -> Option<MessageId> {
        id.and_then(|id| self.ids.get(&id).copied())
    }

    fn copy(&mut self, tree: &Tree, id: MessageId, stamp: &mut Stamp<'_>) -> Option<Message> {
        let mut message = tree.message(id)?.clone();
        message.id = self.of(Some(id))?;
        message.parent = self.of(tree.parent(id).flatten());
        message.continues = self.of(message.continues);
        message.edits = self.of(message.edits);
        message.group = message.group.map(|group| {
            let copy = self.groups.entry(group);
            *copy.or_insert_with(|| stamp.group())
        });
        message.copied_from = Some(id);
        message.attempts = Vec::new();
        message.source = None;
        Some(message)
    }
}
