//! Why something could not be done with a conversation.

use vale_chat::model::ConvertError;
use vale_chat::ops::OpError;
use vale_chat::{ConversationId, RecordError};
use vale_store::StoreError;
use vale_types::Failure;

/// Why something could not be done with a conversation.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConversationError {
    /// There is no such conversation.
    #[error("There is no conversation {0}.")]
    NotFound(ConversationId),
    /// It names no model, and none was given.
    #[error("No model was chosen for this conversation.")]
    NoModel,
    /// The operation makes no sense here.
    #[error("{0}")]
    Op(#[from] OpError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record could not be written or read.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A message could not be put into the form that a model takes, or back.
    #[error("{0}")]
    Convert(#[from] ConvertError),
    /// The host, the provider or its plugin.
    #[error("{0}")]
    Failure(Failure),
}

impl From<Failure> for ConversationError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
