//! Children that come back: an actor that died is made anew at the next message to it.
//!
//! actix's own supervisor dies with a panicking actor's task, so the living address is kept
//! here, and a message that finds the mailbox closed starts a new actor. Restart intensity and
//! escalation come with the supervision issue.

use std::sync::{Arc, Mutex, PoisonError};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, ArbiterHandle, Context, Handler, MailboxError, Message};
use vale_types::{Failure, Fault, FaultClass};

/// How a child is made.
type Make<A> = Arc<dyn Fn() -> A + Send + Sync>;

/// A child of the host: always the address of a living actor.
pub(crate) struct Child<A: Actor>(Arc<Inner<A>>);

struct Inner<A: Actor> {
    name: String,
    arbiter: ArbiterHandle,
    make: Make<A>,
    address: Mutex<Addr<A>>,
}

impl<A: Actor> Clone for Child<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> Child<A>
where
    A: Actor<Context = Context<A>> + Send,
{
    /// Starts the child on the arbiter.
    pub(crate) fn start(
        name: impl Into<String>,
        arbiter: ArbiterHandle,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        let make: Make<A> = Arc::new(make);
        let address = Mutex::new(start_in(&arbiter, &make));
        Self(Arc::new(Inner {
            name: name.into(),
            arbiter,
            make,
            address,
        }))
    }

    /// The address of the living actor, made anew if the last one died.
    fn address(&self) -> Addr<A> {
        let mut address = self
            .0
            .address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !address.connected() {
            tracing::warn!(child = self.0.name, "restarting");
            *address = start_in(&self.0.arbiter, &self.0.make);
        }
        address.clone()
    }

    /// Sends a message and waits for its answer. A message that met a dead actor has had no
    /// effect and is sent again, once; one under whose hands the actor died is not.
    pub(crate) async fn call<M>(&self, message: M) -> Result<M::Result, Failure>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let answer = self.address().send(message).await;
        answer.map_err(|error| {
            let what = match error {
                MailboxError::Closed => "crashed",
                MailboxError::Timeout => "did not answer",
            };
            Fault::new(
                FaultClass::Trap,
                format!("{} {what} and was restarted", self.0.name),
            )
            .into()
        })
    }
}

fn start_in<A>(arbiter: &ArbiterHandle, make: &Make<A>) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Send,
{
    let make = Arc::clone(make);
    A::start_in_arbiter(arbiter, move |_| make())
}
