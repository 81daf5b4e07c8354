//! A child's living address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, MailboxError, Message};
use tokio::sync::watch;
use vale_policy::restart::RestartConfig;
use vale_types::Failure;

use super::group::Group;
use super::node::{ChildState, Command, Node, NodeReport};
use super::stage::Stage;
use super::vitals::VitalsSource;

/// How long a message waits for a child that is being restarted.
pub const RESTART_WAIT: Duration = Duration::from_secs(5);

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// When it crashed; not when it ended by itself.
    Transient,
    /// Never.
    Temporary,
}

/// How a child is kept alive.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Its name among its siblings.
    pub name: String,
    /// What kind of actor it is, for the tree.
    pub kind: &'static str,
    /// When it is started again.
    pub restart: Restart,
    /// How often, and after which waits.
    pub intensity: RestartConfig,
}

impl ChildSpec {
    /// A child that is always started again, with the usual intensity.
    #[must_use]
    pub fn permanent(name: impl Into<String>, kind: &'static str) -> Self {
        Self {
            name: name.into(),
            kind,
            restart: Restart::Permanent,
            intensity: RestartConfig::default(),
        }
    }
}

/// A supervised actor: messages reach whichever life of it is running. Cheap to clone.
pub struct Child<A: Actor>(Arc<Inner<A>>);

pub(super) struct Inner<A: Actor> {
    pub(super) spec: ChildSpec,
    pub(super) node: Arc<Node>,
    pub(super) make: Box<dyn Fn() -> A + Send + Sync>,
    pub(super) place: watch::Sender<Place<A>>,
    pub(super) group: Arc<Group>,
    pub(super) stage: Stage,
}

/// Where a child is.
pub(super) enum Place<A: Actor> {
    /// There.
    Up(Addr<A>),
    /// On its way.
    Coming,
    /// Not to be had, and why.
    Away(String),
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> Child<A>
where
    A: Actor<Context = Context<A>>,
{
    /// Starts a child in a group. `make` makes each life of it, on the stage's thread; what must
    /// outlive a crash is captured by it.
    pub(crate) fn start(
        stage: &Stage,
        group: &Arc<Group>,
        spec: ChildSpec,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        let (node, commands) = group.adopt(&spec);
        let inner = Arc::new(Inner {
            spec,
            node,
            make: Box::new(make),
            place: watch::Sender::new(Place::Coming),
            group: Arc::clone(group),
            stage: stage.clone(),
        });
        let kept = Arc::clone(&inner);
        if !stage.run(move || super::keeper::keep(kept, commands)) {
            inner
                .place
                .send_replace(Place::Away("the thread of the actors has ended".to_owned()));
        }
        Self(inner)
    }

    /// Names who tells of the actor's work, for the tree.
    pub fn tell_vitals(&self, source: Arc<dyn VitalsSource>) {
        self.0.node.tell_vitals(source);
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> NodeReport {
        self.0.node.report()
    }

    /// Asks it to restart, drain, reset or stop; false when it has ended for good.
    pub fn command(&self, command: Command) -> bool {
        self.0.node.command(command)
    }

    /// The address of the living actor; waits for one that is being restarted, at most
    /// [`RESTART_WAIT`].
    async fn living(&self) -> Result<Addr<A>, Failure> {
        let mut place = self.0.place.subscribe();
        let settled = place.wait_for(|place| match place {
            Place::Up(address) => address.connected(),
            Place::Coming => false,
            Place::Away(_) => true,
        });
        match tokio::time::timeout(RESTART_WAIT, settled).await {
            Ok(Ok(place)) => match &*place {
                Place::Up(address) => Ok(address.clone()),
                Place::Away(why) => Err(Failure::resting(format!("{} {why}", self.0.node.path))),
                Place::Coming => Err(Failure::host(format!("{} is not up", self.0.node.path))),
            },
            Ok(Err(_)) => Err(Failure::host(format!("{} has ended", self.0.node.path))),
            Err(_) => Err(Failure::host(format!(
                "{} is being restarted and was not up within {} s",
                self.0.node.path,
                RESTART_WAIT.as_secs()
            ))),
        }
    }

    /// Sends a message to the living actor and waits for its answer. A message under whose hands
    /// the actor died is not sent again: it may have had an effect.
    ///
    /// # Errors
    /// When the actor is not to be had, or died over the message.
    pub async fn call<M>(&self, message: M) -> Result<M::Result, Failure>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let address = self.living().await?;
        let _waiting = Waiting::at(&self.0.node);
        address.send(message).await.map_err(|error| {
            let what = match error {
                MailboxError::Closed => "crashed over this request and is being restarted",
                MailboxError::Timeout => "did not answer",
            };
            Failure::host(format!("{} {what}", self.0.node.path))
        })
    }

    /// Sends a message to the actor if it lives, and waits for nothing. False if it is dead.
    pub fn tell<M>(&self, message: M) -> bool
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        match &*self.0.place.borrow() {
            Place::Up(address) => address.connected() && address.try_send(message).is_ok(),
            Place::Coming | Place::Away(_) => false,
        }
    }

    /// Whether it takes messages now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.node.state() == ChildState::Running
    }
}

/// Counts a message while it waits for its answer.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(node: &'a Node) -> Self {
        node.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&node.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
