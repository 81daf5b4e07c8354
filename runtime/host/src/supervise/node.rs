//! What the tree knows of a child, whatever kind of actor it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bus::{Bus, HostEvent};
use super::vitals::{Vitals, VitalsSource};

/// How a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildState {
    /// Not started yet.
    New,
    /// It takes messages.
    Running,
    /// It ended and comes back after a wait; messages wait for it, for a bounded time.
    Restarting,
    /// It ended too often within a while and is left alone; it is tried again later.
    Failed,
    /// It takes no new work and finishes what it has.
    Draining,
    /// It ended for good.
    Stopped,
}

/// What can be asked of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// End it and start it anew.
    Restart,
    /// Take no new work; what runs may end. A restart takes work again.
    Drain,
    /// Forget what was held against it: breakers, waits, the count of restarts.
    Reset,
    /// End it for good.
    Stop,
}

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its path: `providers/openai`.
    pub path: String,
    /// What kind of actor it is.
    pub kind: String,
    /// How it is.
    pub state: ChildState,
    /// Seconds since the state began.
    pub since_s: f64,
    /// Seconds until it is started again, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_in_s: Option<f64>,
    /// How often it was started again.
    pub restarts: u32,
    /// Messages that wait for an answer.
    pub waiting: usize,
    /// Why it ended last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What its actor tells of itself.
    pub vitals: Vitals,
}

/// A child, seen from outside.
pub(crate) struct Node {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    changing: Mutex<Changing>,
    pub(crate) waiting: AtomicUsize,
    commands: mpsc::UnboundedSender<Command>,
    source: OnceLock<Arc<dyn VitalsSource>>,
    bus: Bus,
}

struct Changing {
    state: ChildState,
    since: Instant,
    starts_at: Option<Instant>,
    restarts: u32,
    last_error: Option<String>,
}

impl Node {
    pub(crate) fn new(
        path: String,
        kind: &'static str,
        bus: Bus,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Command>) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let node = Self {
            path,
            kind,
            changing: Mutex::new(Changing {
                state: ChildState::New,
                since: Instant::now(),
                starts_at: None,
                restarts: 0,
                last_error: None,
            }),
            waiting: AtomicUsize::new(0),
            commands,
            source: OnceLock::new(),
            bus,
        };
        (Arc::new(node), receiver)
    }

    /// Names who tells of the actor's work. Only the first one counts.
    pub(crate) fn tell_vitals(&self, source: Arc<dyn VitalsSource>) {
        let _ = self.source.set(source);
    }

    /// Asks it; false when it has ended for good.
    pub(crate) fn command(&self, command: Command) -> bool {
        if command == Command::Reset
            && let Some(source) = self.source.get()
        {
            source.reset();
        }
        self.commands.send(command).is_ok()
    }

    pub(crate) fn state(&self) -> ChildState {
        self.changing().state
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new state; tells everybody who listens.
    pub(crate) fn enter(&self, state: ChildState, wait: Option<Duration>, error: Option<String>) {
        let now = Instant::now();
        {
            let mut changing = self.changing();
            if state == ChildState::Running
                && matches!(
                    changing.state,
                    ChildState::Restarting | ChildState::Failed | ChildState::Draining
                )
            {
                changing.restarts = changing.restarts.saturating_add(1);
            }
            changing.state = state;
            changing.since = now;
            changing.starts_at = wait.map(|wait| now + wait);
            if error.is_some() {
                changing.last_error.clone_from(&error);
            }
        }
        self.bus.tell(HostEvent::Child {
            path: self.path.clone(),
            state,
            error,
        });
    }

    pub(crate) fn report(&self) -> NodeReport {
        let now = Instant::now();
        let vitals = self.source.get().map(|source| source.vitals());
        let changing = self.changing();
        NodeReport {
            path: self.path.clone(),
            kind: self.kind.to_owned(),
            state: changing.state,
            since_s: now.duration_since(changing.since).as_secs_f64(),
            starts_in_s: changing
                .starts_at
                .map(|at| at.saturating_duration_since(now).as_secs_f64()),
            restarts: changing.restarts,
            waiting: self.waiting.load(Ordering::Relaxed),
            last_error: changing.last_error.clone(),
            vitals: vitals.unwrap_or_default(),
        }
    }
}
