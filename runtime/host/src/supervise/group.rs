//! A supervisor's children, and what happens when one of them keeps ending.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use vale_policy::restart::{RestartConfig, RestartDecision, Restarts};

use super::bus::Bus;
use super::child::ChildSpec;
use super::node::{Command, Node, NodeReport};

/// How long a child is left alone that used up its restarts, the first time.
const FIRST_REST: Duration = Duration::from_secs(30);
/// The longest that it is left alone.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// What a supervisor does about a child that used up its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escalation {
    /// Only that child is left alone for a while: its siblings have nothing to do with it.
    Isolate,
    /// Its siblings depend on it or share what may be broken: all of them are started anew, as
    /// often as the supervisor's own intensity allows; then as `Isolate`.
    RestartSiblings,
}

/// A supervisor. Children are started again one for one; only escalation touches siblings.
pub struct Group {
    name: String,
    escalation: Escalation,
    bus: Bus,
    kept: Mutex<Kept>,
}

struct Kept {
    children: Vec<Weak<Node>>,
    restarts: Restarts,
    rests: u32,
}

impl Group {
    pub(crate) fn new(name: impl Into<String>, escalation: Escalation, bus: Bus) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            escalation,
            bus,
            kept: Mutex::new(Kept {
                children: Vec::new(),
                restarts: Restarts::new(RestartConfig::default()),
                rests: 0,
            }),
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn adopt(&self, spec: &ChildSpec) -> (Arc<Node>, UnboundedReceiver<Command>) {
        let path = format!("{}/{}", self.name, spec.name);
        let (node, commands) = Node::new(path, spec.kind, self.bus.clone());
        let mut kept = self.kept();
        kept.children.retain(|child| child.strong_count() > 0);
        kept.children.push(Arc::downgrade(&node));
        (node, commands)
    }

    /// The children that are there, in the order of their adoption.
    pub(crate) fn children(&self) -> Vec<Arc<Node>> {
        self.kept()
            .children
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(crate) fn reports(&self) -> Vec<NodeReport> {
        self.children().iter().map(|node| node.report()).collect()
    }

    /// A child used up its restarts: how long it rests. Siblings may be asked to restart.
    pub(super) fn escalated(&self, child: &Node, random: f64) -> Duration {
        let (decision, rest) = {
            let mut kept = self.kept();
            let decision = kept.restarts.on_exit(Instant::now().into_std(), random);
            let doubled = FIRST_REST.saturating_mul(1 << kept.rests.min(10));
            kept.rests = kept.rests.saturating_add(1);
            (decision, doubled.min(LONGEST_REST))
        };
        match (self.escalation, decision) {
            (Escalation::RestartSiblings, RestartDecision::Restart { after }) => {
                for sibling in self.children() {
                    if sibling.path != child.path {
                        sibling.command(Command::Restart);
                    }
                }
                after
            }
            _ => rest,
        }
    }
}
