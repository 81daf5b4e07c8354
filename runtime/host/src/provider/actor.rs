//! `ProviderActor`: one configured provider. Makes one attempt per message and never retries.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tracing::{Instrument as _, Span};
use vale_types::{Failure, Request};

use super::backend::{Answer, Backend, Calls, caught};

/// Prepares and starts calls. Whatever must outlive a crash is in the backend and in `Health`.
pub(crate) struct ProviderActor(Arc<dyn Backend>);

impl ProviderActor {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }
}

impl Actor for ProviderActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        // A new life trusts nothing that the last one made.
        self.0.forget();
    }
}

/// One attempt at one answer.
#[derive(Message)]
#[rtype(result = "Result<Answer, Failure>")]
pub(crate) struct Attempt {
    pub(crate) request: Request,
    /// What the call belongs to, in the log.
    pub(crate) span: Span,
}

impl Handler<Attempt> for ProviderActor {
    type Result = ResponseFuture<Result<Answer, Failure>>;

    fn handle(&mut self, attempt: Attempt, _: &mut Context<Self>) -> Self::Result {
        let Attempt { request, span } = attempt;
        let ready = self.0.prepare();
        let work = async move { ready.await?.complete(&request) };
        Box::pin(caught(work.instrument(span)))
    }
}

/// Asks for what calls of another kind need, to be run by whoever asked: so that dropping such a
/// call ends it.
#[derive(Message)]
#[rtype(result = "Result<Arc<dyn Calls>, Failure>")]
pub(crate) struct Ready;

impl Handler<Ready> for ProviderActor {
    type Result = ResponseFuture<Result<Arc<dyn Calls>, Failure>>;

    fn handle(&mut self, _: Ready, _: &mut Context<Self>) -> Self::Result {
        Box::pin(caught(self.0.prepare()))
    }
}
