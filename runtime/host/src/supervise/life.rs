//! One life of an actor, whose panics end it and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll};

use actix::dev::ContextFut;
use actix::{Actor, ActorContext as _, Context};

/// Runs an actor's context.
///
/// The panic is caught around each poll and not around the whole future: actix polls a context
/// once more when it is dropped, and while a panic unwinds, a second one there would abort the
/// process.
pub(super) struct Life<A: Actor<Context = Context<A>>>(ContextFut<A, Context<A>>);

impl<A: Actor<Context = Context<A>>> Life<A> {
    pub(super) fn new(context: ContextFut<A, Context<A>>) -> Self {
        Self(context)
    }
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    /// The words of the panic that ended it, if one did.
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(panic) => Poll::Ready(Err(words(&*panic))),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    fn drop(&mut self) {
        // Else actix would handle the rest of the mailbox now.
        self.0.ctx().terminate();
    }
}

/// A panic's words.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without words").to_owned()
}
