//! What happens in the host, told to whoever listens.

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use vale_types::ModelRef;

use super::node::ChildState;

/// Events that a slow listener may be behind before it loses the oldest.
const BACKLOG: usize = 1024;

/// Something that a status view would show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HostEvent {
    /// A child changed its state.
    Child {
        /// Its path.
        path: String,
        /// The new state.
        state: ChildState,
        /// Why, when it ended.
        error: Option<String>,
    },
    /// A breaker changed its state.
    Breaker {
        /// The provider and model that it guards.
        model: ModelRef,
        /// The new state.
        state: String,
    },
    /// A provider needs the person.
    Attention {
        /// The provider.
        provider: String,
        /// What to see to; none = it is well again.
        what: Option<String>,
    },
    /// A version of a plugin failed in its first calls.
    PluginRolledBack(crate::trial::PluginRolledBack),
    /// The host takes no new work and ends.
    ShuttingDown,
}

/// Where events are told. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus(broadcast::Sender<HostEvent>);

impl Bus {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(crate) fn tell(&self, event: HostEvent) {
        // Nobody need be listening.
        let _ = self.0.send(event);
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<HostEvent> {
        self.0.subscribe()
    }
}
