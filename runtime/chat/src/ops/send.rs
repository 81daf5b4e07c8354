//! The person writes, and changes what was written.

use super::{OpError, Plan, Stamp, added, began, chosen, has_content, idle, visible};
use crate::MessageId;
use crate::model::{Message, ModelName, Part, Role};
use crate::tree::Tree;

/// What a new message follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The end of the branch that is shown.
    Shown,
    /// Nothing: another beginning of the conversation.
    Nothing,
    /// This message.
    Message(MessageId),
}

/// The person's next message.
///
/// # Errors
/// An answer is being written, the message is empty, or what it follows is hidden or not there.
pub fn add_user(
    tree: &Tree,
    after: After,
    parts: Vec<Part>,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    if !has_content(&parts) {
        return Err(OpError::Empty);
    }
    let parent = match after {
        After::Shown => tree.active_leaf(),
        After::Nothing => None,
        After::Message(id) => Some(visible(tree, id)?.id),
    };
    let id = stamp.message();
    let message = Message::new(id, parent, Role::User, parts, stamp.now_ms);
    Ok(Plan {
        records: vec![added(tree, message), chosen(tree, Some(id), stamp)],
        messages: vec![id],
    })
}

/// What happens after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the new version is there.
    Save,
    /// A model answers the new version; of an answer, it goes on from the new text.
    Ask(ModelName),
}

/// Another version of a message of the person's or of an answer, with this content. The one that was
/// there stays, with all that follows it, as a sibling.
///
/// # Errors
/// An answer is being written, the message is no such, or nothing was changed.
pub fn edit(
    tree: &Tree,
    of: MessageId,
    parts: Vec<Part>,
    then: Then,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    let original = visible(tree, of)?;
    if !matches!(original.role, Role::User | Role::Assistant) {
        return Err(OpError::NotEditable(original.role.as_str().to_owned()));
    }
    if !has_content(&parts) {
        return Err(OpError::Empty);
    }
    if then == Then::Save && parts == original.parts {
        return Err(OpError::Unchanged);
    }
    let parent = tree.parent(of).flatten();
    let id = stamp.message();
    let mut version = Message::new(id, parent, original.role.clone(), parts, stamp.now_ms);
    version.edits = Some(of);
    version.model.clone_from(&original.model);
    let (records, messages) = match (then, &original.role) {
        (Then::Save, _) => (vec![added(tree, version)], vec![id]),
        (Then::Ask(model), Role::Assistant) => {
            version.continues = Some(of);
            (vec![began(tree, version, model, stamp)], vec![id])
        }
        (Then::Ask(model), _) => {
            let answer = stamp.message();
            let placeholder =
                Message::new(answer, Some(id), Role::Assistant, Vec::new(), stamp.now_ms);
            let records = vec![added(tree, version), began(tree, placeholder, model, stamp)];
            (records, vec![id, answer])
        }
    };
    let mut plan = Plan { records, messages };
    let leaf = plan.messages.last().copied();
    plan.records.push(chosen(tree, leaf, stamp));
    Ok(plan)
}
