//! More than one answer to a question: another version, a continued one, several to compare.

use super::{OpError, Plan, Stamp, began, chosen, ended_answer, has_content, idle, visible};
use crate::MessageId;
use crate::model::{Finish, Message, ModelName, Part, Role, State};
use crate::record::{BranchPruned, Record};
use crate::tree::Tree;

/// Another version of an answer, from nothing. The one that was there stays as a sibling.
///
/// # Errors
/// An answer is being written, or the message is no answer to anything.
pub fn regenerate(
    tree: &Tree,
    answer: MessageId,
    model: ModelName,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    let (_, parent) = ended_answer(tree, answer)?;
    let parent = parent.ok_or(OpError::NoQuestion)?;
    let id = stamp.message();
    let version = Message::new(id, Some(parent), Role::Assistant, Vec::new(), stamp.now_ms);
    Ok(Plan {
        records: vec![
            began(tree, version, model, stamp),
            chosen(tree, Some(id), stamp),
        ],
        messages: vec![id],
    })
}

/// Goes on with an answer that did not come to its end: a sibling that begins with what had come.
/// The one that was there stays as it is, so that a continuation that goes wrong costs nothing.
/// Tool calls are not carried over: nobody answered them.
///
/// # Errors
/// An answer is being written, or the message is no answer, is whole, or is empty.
pub fn continue_(
    tree: &Tree,
    answer: MessageId,
    model: ModelName,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    let (original, parent) = ended_answer(tree, answer)?;
    let cut = matches!(original.finish, Some(Finish::MaxTokens | Finish::Paused));
    if original.state == State::Complete && !cut {
        return Err(OpError::Whole);
    }
    let mut parts = original.parts.clone();
    parts.retain(|part| !matches!(part, Part::ToolCall(_)));
    if !has_content(&parts) {
        return Err(OpError::NothingToContinue);
    }
    let id = stamp.message();
    let mut version = Message::new(id, parent, Role::Assistant, parts, stamp.now_ms);
    version.continues = Some(answer);
    Ok(Plan {
        records: vec![
            began(tree, version, model, stamp),
            chosen(tree, Some(id), stamp),
        ],
        messages: vec![id],
    })
}

/// Several models answer one message at once; a model may be asked twice. The first is shown.
///
/// # Errors
/// An answer is being written, there are fewer than two models, or the message is hidden or not
/// there.
pub fn compare(
    tree: &Tree,
    question: MessageId,
    models: Vec<ModelName>,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    let parent = visible(tree, question)?.id;
    if models.len() < 2 {
        return Err(OpError::TooFew);
    }
    let group = stamp.group();
    let mut records = Vec::new();
    let mut messages = Vec::new();
    for model in models {
        let id = stamp.message();
        let mut answer = Message::new(id, Some(parent), Role::Assistant, Vec::new(), stamp.now_ms);
        answer.group = Some(group);
        records.push(began(tree, answer, model, stamp));
        messages.push(id);
    }
    records.push(chosen(tree, messages.first().copied(), stamp));
    Ok(Plan { records, messages })
}

/// What becomes of the answers that were not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They stay beside it.
    Stay,
    /// They are hidden, and can be restored.
    Hide,
}

/// Goes on with one of the compared answers.
///
/// # Errors
/// The message is in no comparison, or an answer of it is still being written.
pub fn keep(
    tree: &Tree,
    answer: MessageId,
    others: Others,
    stamp: &mut Stamp<'_>,
) -> Result<Plan, OpError> {
    idle(tree)?;
    visible(tree, answer)?;
    let compared = tree.compared(answer);
    if compared.len() < 2 {
        return Err(OpError::NotCompared);
    }
    let mut records = Vec::new();
    if others == Others::Hide {
        let rest = compared.into_iter().filter(|id| *id != answer);
        records.extend(rest.map(|message| {
            Record::from(BranchPruned {
                conversation: tree.conversation().id,
                at_ms: stamp.now_ms,
                message,
            })
        }));
    }
    records.push(chosen(tree, tree.end_of(Some(answer), None), stamp));
    Ok(Plan {
        records,
        messages: Vec::new(),
    })
}
