//! `ToolActor`: one tool plugin. Gets it ready and hands out its calls; whoever asked runs them, so that
//! dropping such a call ends it.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::sync::Mutex;
use vale_types::Failure;

use crate::provider::{Prepared, Wiring, caught};

/// What was prepared for the last call, kept while it is still right. Locked while it is made, so that
/// calls at once make one.
pub(crate) type Kept = Arc<Mutex<Option<Prepared>>>;

/// See the module. What must outlive a crash is in [`super::set`].
pub(crate) struct ToolActor {
    wiring: Arc<Wiring>,
    kept: Kept,
}

impl ToolActor {
    pub(crate) fn new(wiring: Arc<Wiring>, kept: Kept) -> Self {
        Self { wiring, kept }
    }
}

impl Actor for ToolActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        // A new life trusts nothing that the last one made; one that is being made now is new.
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = None;
        }
    }
}

/// Asks for what a call needs.
#[derive(Message)]
#[rtype(result = "Result<Prepared, Failure>")]
pub(crate) struct Prepare;

impl Handler<Prepare> for ToolActor {
    type Result = ResponseFuture<Result<Prepared, Failure>>;

    fn handle(&mut self, _: Prepare, _: &mut Context<Self>) -> Self::Result {
        let (wiring, kept) = (Arc::clone(&self.wiring), Arc::clone(&self.kept));
        Box::pin(caught(async move {
            let mut kept = kept.lock().await;
            let prepared = wiring.prepare(kept.take()).await?;
            Ok(kept.insert(prepared).clone())
        }))
    }
}
