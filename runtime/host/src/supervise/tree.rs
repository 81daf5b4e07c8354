//! The supervision tree: groups of children under one root.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Context};
use tokio::sync::broadcast;

use super::bus::{Bus, HostEvent};
use super::child::{Child, ChildSpec};
use super::group::{Escalation, Group};
use super::node::{ChildState, Command, NodeReport};
use super::stage::Stage;

/// The root. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    stage: Stage,
    bus: Bus,
    groups: Arc<Mutex<Vec<Arc<Group>>>>,
}

impl Tree {
    /// A tree without children on this stage.
    #[must_use]
    pub fn new(stage: Stage) -> Self {
        Self {
            stage,
            bus: Bus::new(),
            groups: Arc::default(),
        }
    }

    /// A supervisor for children that belong together.
    #[must_use]
    pub fn group(&self, name: impl Into<String>, escalation: Escalation) -> Arc<Group> {
        let group = Group::new(name, escalation, self.bus.clone());
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&group));
        group
    }

    /// Starts a child in a group. `make` makes each life of it on the stage's thread; what must
    /// outlive a crash is captured by it.
    ///
    /// # Examples
    /// ```no_run
    /// use actix::{Actor, Context};
    /// use vale_host::{ChildSpec, Escalation};
    ///
    /// struct Mine;
    /// impl Actor for Mine {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// # fn run(host: vale_host::Host) {
    /// let tree = host.core().tree();
    /// let group = tree.group("mine", Escalation::Isolate);
    /// let child = tree.start(&group, ChildSpec::permanent("one", "mine"), || Mine);
    /// assert!(tree.report().iter().any(|node| node.path == "mine/one"));
    /// # let _ = child;
    /// # }
    /// ```
    pub fn start<A>(
        &self,
        group: &Arc<Group>,
        spec: ChildSpec,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Child<A>
    where
        A: Actor<Context = Context<A>>,
    {
        Child::start(&self.stage, group, spec, make)
    }

    /// Where actors run.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// What happens from now on. A listener that falls behind loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.bus.listen()
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every child, group by group.
    #[must_use]
    pub fn report(&self) -> Vec<NodeReport> {
        self.groups()
            .iter()
            .flat_map(|group| group.reports())
            .collect()
    }

    /// Asks the child at this path; false when there is none or it has ended for good.
    #[must_use]
    pub fn command(&self, path: &str, command: Command) -> bool {
        let children = self.groups().into_iter().flat_map(|group| group.children());
        // One that was replaced may be on its way out beside the new one.
        let found = children.filter(|child| child.path == path).last();
        found.is_some_and(|child| child.command(command))
    }

    /// Ends all children, the last group first, each group within `limit`. What is not down by
    /// then is left to the end of its thread.
    pub async fn stop(&self, limit: Duration) {
        for group in self.groups().into_iter().rev() {
            let children = group.children();
            for child in &children {
                child.command(Command::Stop);
            }
            let mut events = self.bus.listen();
            let down = async {
                while children
                    .iter()
                    .any(|child| child.state() != ChildState::Stopped)
                {
                    if let Err(broadcast::error::RecvError::Closed) = events.recv().await {
                        break;
                    }
                }
            };
            if tokio::time::timeout(limit, down).await.is_err() {
                tracing::warn!("not every actor ended in time");
            }
        }
    }
}
