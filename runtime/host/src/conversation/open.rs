//! A conversation that is open: its tree, and the one way in which that changes.
//!
//! It is not in the actor, so that a crash of the actor loses nothing: an answer under way goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;
use vale_chat::ops::{OpError, Plan, Stamp};
use vale_chat::{ConversationId, MessageId, Record, SystemIds, Tree, rows};
use vale_store::Store;

use super::error::ConversationError;

/// An open conversation.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: ConversationId,
    pub(crate) store: Store,
    tree: Mutex<Tree>,
    /// Held from the plan of a change until the tree has it.
    writing: tokio::sync::Mutex<()>,
    /// Answers under way, and how each is stopped.
    answers: Mutex<BTreeMap<MessageId, CancellationToken>>,
}

impl Open {
    /// Reads a conversation, and ends the answers that the last process left open.
    pub(crate) async fn load(
        store: Store,
        id: ConversationId,
    ) -> Result<Arc<Self>, ConversationError> {
        let reading = store.clone();
        let loaded = tokio::task::spawn_blocking(move || rows::load(&reading, id)).await;
        let tree = loaded.map_err(|_| vale_store::StoreError::Closed)??;
        let mut tree = tree.ok_or(ConversationError::NotFound(id))?;
        let interrupted = tree.recover(now_ms());
        if !interrupted.is_empty() {
            store.commit(rows::command(&interrupted)?).await?;
        }
        Ok(Arc::new(Self {
            id,
            store,
            tree: Mutex::new(tree),
            writing: tokio::sync::Mutex::default(),
            answers: Mutex::default(),
        }))
    }

    /// The tree as it is now. Held for moments only.
    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a change, makes it durable, and then takes it into the tree.
    pub(crate) async fn change<T>(
        &self,
        plan: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<(Plan, T), OpError>,
    ) -> Result<T, ConversationError> {
        let _writing = self.writing.lock().await;
        let (plan, outcome) = {
            let mut ids = SystemIds;
            let mut stamp = Stamp {
                now_ms: now_ms(),
                ids: &mut ids,
            };
            plan(&self.tree(), &mut stamp)?
        };
        self.write(&plan.records).await?;
        Ok(outcome)
    }

    /// Makes records durable and takes them into the tree, where they are of this conversation.
    async fn write(&self, records: &[Record]) -> Result<(), ConversationError> {
        if records.is_empty() {
            return Ok(());
        }
        self.store.commit(rows::command(records)?).await?;
        let mut tree = self.tree();
        for record in records {
            if record.conversation() != Some(self.id) {
                continue;
            }
            if let Err(oddity) = tree.apply(record) {
                tracing::warn!(conversation = %self.id, %oddity, "a record changed nothing");
            }
        }
        Ok(())
    }

    /// Keeps a piece of text as it streams: it is on the disk within a quarter of a second.
    pub(crate) fn stream(&self, delta: Record) -> Result<(), ConversationError> {
        let command = rows::command(std::slice::from_ref(&delta))?;
        drop(self.store.commit_soon(command));
        if let Err(oddity) = self.tree().apply(&delta) {
            tracing::warn!(conversation = %self.id, %oddity, "a piece of text changed nothing");
        }
        Ok(())
    }

    /// An answer begins; the token stops it.
    pub(crate) fn begun(&self, answer: MessageId) -> CancellationToken {
        let token = CancellationToken::new();
        self.answers().insert(answer, token.clone());
        token
    }

    pub(crate) fn over(&self, answer: MessageId) {
        self.answers().remove(&answer);
    }

    /// Stops an answer, or all; false when there is none.
    pub(crate) fn stop(&self, answer: Option<MessageId>) -> bool {
        let answers = self.answers();
        let mut stopped = false;
        for (id, token) in answers.iter() {
            if answer.is_none_or(|wanted| wanted == *id) {
                token.cancel();
                stopped = true;
            }
        }
        stopped
    }

    /// Whether an answer is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.answers().is_empty()
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<MessageId, CancellationToken>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
