//! What the person wants gone for ever.

use std::collections::HashSet;

use super::branch::still;
use super::{OpError, Plan, Stamp, chosen};
use crate::MessageId;
use crate::model::State;
use crate::record::{BranchPruned, MessagesPurged, Moved, Record};
use crate::tree::Tree;

/// How much goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The message alone; what follows it then follows what it followed.
    Message,
    /// The message and all that follows it, hidden or not.
    Branch,
}

/// Takes messages away for ever. The record says which; whoever keeps the journal rewrites what holds
/// their content.
///
/// # Errors
/// The message is not there, or something of it is being written.
pub fn purge(
    tree: &Tree,
    message: MessageId,
    extent: Extent,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    let parent = tree.parent(message).ok_or(OpError::NotHere(message))?;
    let (messages, moved) = match extent {
        Extent::Branch => {
            still(tree, message)?;
            (tree.branch(message), Vec::new())
        }
        Extent::Message => {
            let state = tree.message(message).map(|message| &message.state);
            if state == Some(&State::Streaming) {
                return Err(OpError::Streaming);
            }
            let children = tree.all_children(Some(message)).iter();
            let moved = children.map(|child| Moved {
                message: *child,
                parent,
            });
            (vec![message], moved.collect())
        }
    };
    let gone: HashSet<MessageId> = messages.iter().copied().collect();
    let purged = Record::from(MessagesPurged {
        conversation: tree.conversation().id,
        at_ms: stamp.now_ms,
        messages,
        moved,
    });
    let mut records = vec![purged];
    // What the message hid stays hidden without it.
    if extent == Extent::Message && tree.is_pruned(message) {
        let children = tree.all_children(Some(message)).iter();
        records.extend(children.map(|child| {
            Record::from(BranchPruned {
                conversation: tree.conversation().id,
                at_ms: stamp.now_ms,
                message: *child,
            })
        }));
    }
    // The last message that is shown and stays, and what follows it.
    let mut after = tree.clone();
    let shown = tree.active_path();
    let stays = shown.into_iter().rev().find(|id| !gone.contains(id));
    let leaf = match after.apply_all(&records) {
        Ok(()) => after.end_of(stays, None),
        Err(_) => stays,
    };
    records.push(chosen(tree, leaf, stamp));
    Ok(Plan {
        records,
        messages: Vec::new(),
    })
}
