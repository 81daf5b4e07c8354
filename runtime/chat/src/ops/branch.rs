//! Which branch is shown, which are hidden, and where they hang.

use super::{OpError, Plan, Stamp, chosen, not_deleted, visible};
use crate::MessageId;
use crate::model::State;
use crate::record::{BranchMoved, BranchPruned, BranchRestored, Record};
use crate::tree::Tree;

fn plan(records: Vec<Record>) -> Plan {
    Plan {
        records,
        messages: Vec::new(),
    }
}

/// No answer of the branch is being written.
pub(super) fn still(tree: &Tree, top: MessageId) -> Result<(), OpError> {
    let open = tree.streaming().into_iter();
    let streams = open
        .flat_map(|id| tree.upward(Some(id)))
        .any(|id| id == top);
    if streams {
        Err(OpError::Streaming)
    } else {
        Ok(())
    }
}

/// Shows the branch that goes through a message, to its newest end.
///
/// # Errors
/// The message is hidden or not there.
pub fn choose(tree: &Tree, message: MessageId, stamp: &mut Stamp<'_>) -> Result<Plan, OpError> {
    visible(tree, message)?;
    let leaf = tree.end_of(Some(message), None);
    Ok(plan(vec![chosen(tree, leaf, stamp)]))
}

/// Hides a message and all that follows it. If that was shown, the newest end of what it hung below
/// is shown instead.
///
/// # Errors
/// The branch is being written, is hidden already or is not there.
pub fn prune(tree: &Tree, message: MessageId, stamp: &mut Stamp<'_>) -> Result<Plan, OpError> {
    not_deleted(tree)?;
    visible(tree, message)?;
    still(tree, message)?;
    let pruned = Record::from(BranchPruned {
        conversation: tree.conversation().id,
        at_ms: stamp.now_ms,
        message,
    });
    let leaf = tree.end_of(tree.active_leaf(), Some(message));
    Ok(plan(vec![pruned, chosen(tree, leaf, stamp)]))
}

/// Brings a hidden branch back, and shows it unless it hangs within another hidden one.
///
/// # Errors
/// The branch does not begin with this message, or was not hidden.
pub fn restore(tree: &Tree, message: MessageId, stamp: &mut Stamp<'_>) -> Result<Plan, OpError> {
    not_deleted(tree)?;
    if !tree.contains(message) {
        return Err(OpError::NotHere(message));
    }
    if !tree.is_pruned(message) {
        return Err(OpError::NotHidden);
    }
    let restored = Record::from(BranchRestored {
        conversation: tree.conversation().id,
        at_ms: stamp.now_ms,
        message,
    });
    let leaf = tree.end_restored(message).or_else(|| tree.active_leaf());
    Ok(plan(vec![restored, chosen(tree, leaf, stamp)]))
}

/// Hangs a message, with all that follows it, below another (`None` = the beginning).
///
/// # Errors
/// The branch is being written, either place is hidden or not there, or it would hang below itself.
pub fn move_branch(
    tree: &Tree,
    message: MessageId,
    parent: Option<MessageId>,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    not_deleted(tree)?;
    visible(tree, message)?;
    still(tree, message)?;
    if let Some(parent) = parent {
        if visible(tree, parent)?.state == State::Streaming {
            return Err(OpError::Streaming);
        }
        if tree.upward(Some(parent)).any(|id| id == message) {
            return Err(OpError::OwnAncestor);
        }
    }
    if tree.parent(message) == Some(parent) {
        return Err(OpError::SamePlace);
    }
    let moved = Record::from(BranchMoved {
        conversation: tree.conversation().id,
        at_ms: stamp.now_ms,
        message,
        parent,
    });
    let shown = tree.active_leaf();
    // Something follows now what was the end.
    let leaf = match parent {
        Some(parent) if shown == Some(parent) => tree.end_of(Some(message), None),
        _ => shown,
    };
    Ok(plan(vec![moved, chosen(tree, leaf, stamp)]))
}
