//! A conversation's messages as a tree: what the records fold into, and what can be asked of it.
//!
//! A message hangs below the one that it follows; those that follow nothing hang below the virtual
//! root, so that there is one root whatever was imported. Versions of a turn are siblings, in the
//! order in which they came. What is shown is the path from the root to the active leaf.
//!
//! Whatever the records say, the tree is a tree: a message whose parent is missing, or that would be
//! its own ancestor, hangs below the virtual root and is reported ([`Tree::oddities`]). Which one of
//! a ring is let go does not depend on the order of the records.

mod fold;
mod links;
mod query;
mod stream;

use std::collections::{HashMap, HashSet};

pub use query::Position;
pub use stream::Streamed;

use crate::model::{Conversation, Message};
use crate::record::Record;
use crate::{ConversationId, MessageId};

/// Something in the records that does not fit, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// The record is about something else.
    #[error("a record is not of this conversation and was left out")]
    Elsewhere,
    /// The conversation begins once more.
    #[error("conversation {0} begins a second time; the first beginning stands")]
    BegunTwice(ConversationId),
    /// A message comes once more.
    #[error("message {0} comes a second time; the first stands")]
    Twice(MessageId),
    /// A record names a message that is not there.
    #[error("a record “{record}” names message {message}, which is not there")]
    Unknown {
        /// The message.
        message: MessageId,
        /// The record's kind.
        record: &'static str,
    },
    /// A record would change a message that has ended.
    #[error(
        "a record “{record}” comes after message {message} ended; the message stands as it ended"
    )]
    Ended {
        /// The message.
        message: MessageId,
        /// The record's kind.
        record: &'static str,
    },
    /// A message follows one that is not there.
    #[error("message {message} follows {parent}, which is missing; it is shown at the beginning")]
    MissingParent {
        /// The message.
        message: MessageId,
        /// What it follows.
        parent: MessageId,
    },
    /// A message follows itself, by way of others.
    #[error(
        "message {message} follows {parent}, which follows it in turn; it is shown at the beginning"
    )]
    Cycle {
        /// The message.
        message: MessageId,
        /// What it follows.
        parent: MessageId,
    },
    /// Pieces of an answer are missing.
    #[error("{bytes} bytes of message {message} are missing; what comes after them is shown")]
    Gap {
        /// The message.
        message: MessageId,
        /// How much.
        bytes: u64,
    },
}

/// A message in its place.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    message: Message,
    /// The place in the order in which messages came.
    ord: u64,
    /// What it follows as the records say.
    link: Option<MessageId>,
    /// What it hangs below; `None` = the virtual root.
    up: Option<MessageId>,
    /// What follows it, in the order in which it came.
    children: Vec<MessageId>,
    /// Whether it is on a hidden branch.
    hidden: bool,
    /// What came of it since it began, while it has not ended.
    streamed: Streamed,
}

/// The messages of one conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    conversation: Conversation,
    nodes: HashMap<MessageId, Node>,
    /// The children of the virtual root.
    roots: Vec<MessageId>,
    /// Parents that are named and not there.
    wanted: HashSet<MessageId>,
    /// First messages of hidden branches.
    pruned: HashSet<MessageId>,
    purged: HashSet<MessageId>,
    /// Messages that have not ended.
    open: HashSet<MessageId>,
    /// The place of the next message.
    next: u64,
    oddities: Vec<Oddity>,
}

impl Tree {
    /// A conversation without messages.
    #[must_use]
    pub fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            nodes: HashMap::new(),
            roots: Vec::new(),
            wanted: HashSet::new(),
            pruned: HashSet::new(),
            purged: HashSet::new(),
            open: HashSet::new(),
            next: 0,
            oddities: Vec::new(),
        }
    }

    /// A conversation with these messages. Parents need not come first; siblings keep their order.
    #[must_use]
    pub fn from_messages(
        conversation: Conversation,
        messages: impl IntoIterator<Item = Message>,
    ) -> Self {
        let mut tree = Self::new(conversation);
        for message in messages {
            if let Err(oddity) = tree.insert(message) {
                tree.oddities.push(oddity);
            }
        }
        tree.relink();
        tree
    }

    /// A conversation after these records, which come after its beginning. What does not fit is
    /// in [`Tree::oddities`].
    #[must_use]
    pub fn from_records<'a>(
        conversation: Conversation,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Self {
        let mut tree = Self::new(conversation);
        for record in records {
            if let Err(oddity) = tree.fold(record) {
                tree.oddities.push(oddity);
            }
        }
        tree.relink();
        tree
    }

    /// Folds the next record in.
    ///
    /// # Errors
    /// What does not fit; the tree is then as it was, and goes on.
    pub fn apply(&mut self, record: &Record) -> Result<(), Oddity> {
        if self.fold(record)? == fold::Links::Stale {
            self.relink();
        }
        Ok(())
    }

    /// Folds a list of records in, as an operation made them.
    ///
    /// # Errors
    /// The first that does not fit.
    pub fn apply_all(&mut self, records: &[Record]) -> Result<(), Oddity> {
        records.iter().try_for_each(|record| self.apply(record))
    }

    /// The conversation, with the active leaf that was chosen last ([`Tree::active_leaf`] says what
    /// that comes to).
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The message, as far as records of whole messages say. What streams is in [`Tree::shown`].
    #[must_use]
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        self.nodes.get(&id).map(|node| &node.message)
    }

    /// How many messages there are, hidden ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All messages in the order in which they came, hidden ones too.
    #[must_use]
    pub fn messages(&self) -> Vec<&Message> {
        let mut nodes: Vec<&Node> = self.nodes.values().collect();
        nodes.sort_unstable_by_key(|node| node.ord);
        nodes.into_iter().map(|node| &node.message).collect()
    }

    /// What in the records did not fit, and which links had to be left out.
    #[must_use]
    pub fn oddities(&self) -> Vec<Oddity> {
        let mut all = self.oddities.clone();
        all.extend(self.link_oddities());
        all
    }
}
