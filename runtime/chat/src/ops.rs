//! What a person and the turn do to a conversation, as pure functions: a tree and what is wanted go
//! in, the records that do it come out. Nothing is changed here; whoever calls writes the records as
//! one atomic command and folds them into the tree.
//!
//! No operation changes a message that has ended. Another version is a sibling, a removed branch is
//! hidden, a moved one keeps its content. Only a purge, which the person asks for by that name, takes
//! something away.

pub mod again;
pub mod answer;
pub mod branch;
pub mod fork;
pub mod purge;
pub mod send;

use crate::model::{Attempt, AttemptReason, Message, ModelName, Part, Role, State};
use crate::record::{AttemptBegan, LeafChosen, MessageAdded, Record};
use crate::tree::Tree;
use crate::{AttemptId, ConversationId, GroupId, IdSource, MessageId};

/// Why an operation was refused. Each says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// An answer is being written that the operation would cut into.
    #[error("an answer is still being written here: stop it, or wait until it ends, and try again")]
    Streaming,
    /// The answer has ended.
    #[error("this answer has ended already; ask for another version of it")]
    NotStreaming,
    /// An attempt for this answer has not ended.
    #[error("an attempt to get this answer is still going on; it must end before the next begins")]
    AttemptOpen,
    /// The message is not in this conversation.
    #[error("message {0} is not in this conversation; open the conversation again to see what is")]
    NotHere(MessageId),
    /// The message is on a hidden branch.
    #[error("this message is on a branch that was hidden; restore the branch first")]
    Hidden,
    /// The branch is not hidden.
    #[error("this branch is not hidden, so there is nothing to restore")]
    NotHidden,
    /// The conversation was deleted.
    #[error("this conversation was deleted; bring it back before you go on with it")]
    Deleted,
    /// There is nothing in the message.
    #[error("there is nothing to send; write something or add a file")]
    Empty,
    /// Nothing was changed.
    #[error("the text is as it was, so there is nothing to save")]
    Unchanged,
    /// A message of this role cannot be edited.
    #[error("only your messages and the answers can be edited; this is a “{0}” message")]
    NotEditable(String),
    /// It is no answer.
    #[error("this is not an answer; choose an answer to have it written again")]
    NotAnAnswer,
    /// The answer follows nothing.
    #[error("nothing comes before this answer, so there is nothing to ask again")]
    NoQuestion,
    /// The answer is whole.
    #[error(
        "this answer is whole, so there is nothing to continue; ask for another version instead"
    )]
    Whole,
    /// Nothing of the answer came.
    #[error("nothing of this answer has come yet; ask for another version instead")]
    NothingToContinue,
    /// Fewer than two models.
    #[error("comparing needs at least two answers; choose one more model")]
    TooFew,
    /// The answer is compared with none.
    #[error("this answer is not compared with others; choose one of a comparison")]
    NotCompared,
    /// The branch would hang below itself.
    #[error(
        "a branch cannot follow one of its own messages; choose a message outside of the branch"
    )]
    OwnAncestor,
    /// The branch is there already.
    #[error("the branch is there already; choose another message for it to follow")]
    SamePlace,
}

/// When an operation happens, and where its new ids come from.
pub struct Stamp<'a> {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Randomness for ids.
    pub ids: &'a mut dyn IdSource,
}

impl std::fmt::Debug for Stamp<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stamp({} ms)", self.now_ms)
    }
}

impl Stamp<'_> {
    fn message(&mut self) -> MessageId {
        MessageId::new(self.now_ms, self.ids)
    }

    fn attempt(&mut self) -> AttemptId {
        AttemptId::new(self.now_ms, self.ids)
    }

    fn group(&mut self) -> GroupId {
        GroupId::new(self.now_ms, self.ids)
    }

    fn conversation(&mut self) -> ConversationId {
        ConversationId::new(self.now_ms, self.ids)
    }
}

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What happens: to be written as one atomic command.
    pub records: Vec<Record>,
    /// The messages that are new, in order.
    pub messages: Vec<MessageId>,
}

/// The conversation is there and no answer is being written in it.
fn idle(tree: &Tree) -> Result<(), OpError> {
    not_deleted(tree)?;
    if tree.streaming().is_empty() {
        Ok(())
    } else {
        Err(OpError::Streaming)
    }
}

fn not_deleted(tree: &Tree) -> Result<(), OpError> {
    match tree.conversation().deleted_ms {
        None => Ok(()),
        Some(_) => Err(OpError::Deleted),
    }
}

/// The message, if it can be seen.
fn visible(tree: &Tree, id: MessageId) -> Result<&Message, OpError> {
    let message = tree.message(id).ok_or(OpError::NotHere(id))?;
    if tree.is_visible(id) {
        Ok(message)
    } else {
        Err(OpError::Hidden)
    }
}

/// An answer that can be seen and has ended, and what it hangs below.
fn ended_answer(tree: &Tree, id: MessageId) -> Result<(&Message, Option<MessageId>), OpError> {
    let message = visible(tree, id)?;
    match (&message.role, &message.state) {
        (Role::Assistant, State::Streaming) => Err(OpError::Streaming),
        (Role::Assistant, _) => Ok((message, tree.parent(id).flatten())),
        _ => Err(OpError::NotAnAnswer),
    }
}

fn has_content(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Text(text) => !text.trim().is_empty(),
        _ => true,
    })
}

fn added(tree: &Tree, message: Message) -> Record {
    Record::from(MessageAdded {
        conversation: tree.conversation().id,
        message,
    })
}

fn chosen(tree: &Tree, leaf: Option<MessageId>, stamp: &Stamp<'_>) -> Record {
    Record::from(LeafChosen {
        conversation: tree.conversation().id,
        at_ms: stamp.now_ms,
        leaf,
    })
}

/// An answer as it begins, with its first attempt.
fn began(tree: &Tree, mut placeholder: Message, model: ModelName, stamp: &mut Stamp<'_>) -> Record {
    placeholder.role = Role::Assistant;
    placeholder.state = State::Streaming;
    placeholder.model = Some(model.clone());
    Record::from(AttemptBegan {
        conversation: tree.conversation().id,
        message: placeholder.id,
        placeholder: Some(placeholder),
        attempt: Attempt::new(stamp.attempt(), model, AttemptReason::First, stamp.now_ms),
    })
}
