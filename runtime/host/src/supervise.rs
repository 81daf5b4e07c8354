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

    /// Sends a message to the actor if it lives, and waits for nothing. False if it is dead.
    pub(crate) fn tell<M>(&self, message: M) -> bool
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let address = self
            .0
            .address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        address.connected() && address.try_send(message).is_ok()
    }

    /// Sends a message to the living actor and waits for its answer. A message under whose hands the
    /// actor died is not sent again: it may have had an effect.
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u32);

    impl Actor for Counter {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "u32")]
    struct Count;

    impl Handler<Count> for Counter {
        type Result = u32;
        fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
            self.0 += 1;
            self.0
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Crash;

    impl Handler<Crash> for Counter {
        type Result = ();
        fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
            panic!("crashed on purpose");
        }
    }

    #[test]
    fn an_actor_that_panics_is_named_and_comes_back_and_its_neighbours_do_not_notice() {
        let system = actix::System::new();
        system.block_on(async {
            let arbiter = actix::Arbiter::current();
            let sick = Child::start("the sick one", arbiter.clone(), || Counter(0));
            let well = Child::start("the well one", arbiter, || Counter(0));
            assert_eq!(sick.call(Count).await, Ok(1));
            assert_eq!(well.call(Count).await, Ok(1));
            let Err(Failure::Fault(fault)) = sick.call(Crash).await else {
                panic!("no fault")
            };
            assert_eq!(fault.class, FaultClass::Trap);
            assert!(
                fault.detail.contains("the sick one crashed"),
                "{}",
                fault.detail
            );
            assert_eq!(
                sick.call(Count).await,
                Ok(1),
                "a new actor with a new state"
            );
            assert_eq!(well.call(Count).await, Ok(2), "the same actor");
        });
    }
}
