//! `ProviderActor`: one configured provider. Makes one attempt per message and never retries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use serde::Serialize;
use vale_sandbox::{Call, CallContext, LogLevel, LogSink, Step, SystemAmbient};
use vale_types::{Failure, Model, ModelRef, ProviderId, ProviderInfo, Request};

use crate::prepare::{Prepared, Wiring};

/// What an actor knows about its provider's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderStatus {
    /// The provider.
    pub id: ProviderId,
    /// Answers under way.
    pub in_flight: usize,
    /// The last failure, in words.
    pub last_error: Option<String>,
}

pub(crate) struct ProviderActor {
    wiring: Arc<Wiring>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    in_flight: AtomicUsize,
    last_error: Mutex<Option<String>>,
    /// What was prepared for the last call, kept while it is still right.
    prepared: tokio::sync::Mutex<Option<Prepared>>,
}

impl Shared {
    fn note(&self, failure: &Failure) {
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(failure.to_string());
    }
}

impl ProviderActor {
    pub(crate) fn new(wiring: Arc<Wiring>) -> Self {
        Self {
            wiring,
            shared: Arc::default(),
        }
    }

    /// Prepares, then runs `work`; a failure is remembered.
    fn with<T, F, W>(&self, work: W) -> ResponseFuture<Result<T, Failure>>
    where
        T: 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
        W: FnOnce(Prepared, CallContext) -> F + 'static,
    {
        let (wiring, shared) = (Arc::clone(&self.wiring), Arc::clone(&self.shared));
        Box::pin(async move {
            let result = async {
                let prepared = {
                    let mut kept = shared.prepared.lock().await;
                    let prepared = wiring.prepare(kept.take()).await?;
                    kept.insert(prepared).clone()
                };
                let context = prepared.context(
                    Arc::new(PluginLog {
                        provider: wiring.id.clone(),
                    }),
                    Arc::new(SystemAmbient::default()),
                );
                work(prepared, context).await
            }
            .await;
            if let Err(failure) = &result {
                shared.note(failure);
            }
            result
        })
    }
}

impl Actor for ProviderActor {
    type Context = Context<Self>;
}

/// One attempt at one answer.
#[derive(Message)]
#[rtype(result = "Result<Turn, Failure>")]
pub(crate) struct Attempt(pub(crate) Request);

impl Handler<Attempt> for ProviderActor {
    type Result = ResponseFuture<Result<Turn, Failure>>;

    fn handle(&mut self, Attempt(request): Attempt, _: &mut Context<Self>) -> Self::Result {
        let shared = Arc::clone(&self.shared);
        let provider = self.wiring.id.clone();
        self.with(move |prepared, context| async move {
            prepared.require_credentials()?;
            let call = prepared.plugin().complete(context, &request);
            shared.in_flight.fetch_add(1, Ordering::Relaxed);
            let model = ModelRef {
                provider,
                model: request.model,
            };
            Ok(Turn {
                model,
                call,
                shared,
            })
        })
    }
}

/// Asks for what a call of another kind needs, to be run by whoever asked: so that dropping that
/// call ends it.
#[derive(Message)]
#[rtype(result = "Result<ReadyCall, Failure>")]
pub(crate) struct Ready;

impl Handler<Ready> for ProviderActor {
    type Result = ResponseFuture<Result<ReadyCall, Failure>>;

    fn handle(&mut self, _: Ready, _: &mut Context<Self>) -> Self::Result {
        let shared = Arc::clone(&self.shared);
        self.with(|prepared, context| async move {
            Ok(ReadyCall {
                prepared,
                context,
                shared,
            })
        })
    }
}

/// A call that can be made at once.
pub(crate) struct ReadyCall {
    prepared: Prepared,
    context: CallContext,
    shared: Arc<Shared>,
}

impl ReadyCall {
    /// The provider's models.
    pub(crate) async fn list_models(self) -> Result<Vec<Model>, Failure> {
        self.prepared.require_credentials()?;
        let models = self.prepared.plugin().list_models(self.context).await;
        models.inspect_err(|failure| self.shared.note(failure))
    }

    /// What the plugin says about itself.
    pub(crate) async fn describe(self) -> Result<ProviderInfo, Failure> {
        let info = self.prepared.plugin().describe(self.context).await;
        info.inspect_err(|failure| self.shared.note(failure))
    }
}

/// Asks how it is.
#[derive(Message)]
#[rtype(result = "ProviderStatus")]
pub(crate) struct Status;

impl Handler<Status> for ProviderActor {
    type Result = actix::MessageResult<Status>;

    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(ProviderStatus {
            id: self.wiring.id.clone(),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed),
            last_error: self
                .shared
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        })
    }
}

/// An answer under way. Dropping it cancels the answer.
pub struct Turn {
    model: ModelRef,
    call: Call,
    shared: Arc<Shared>,
}

impl Turn {
    /// The model that was asked.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The next step; after [`Step::End`] there is none.
    pub async fn next(&mut self) -> Option<Step> {
        let step = self.call.next().await;
        if let Some(Step::End(Err(failure))) = &step {
            self.shared.note(failure);
        }
        step
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A plugin's log lines, in the host's log.
struct PluginLog {
    provider: ProviderId,
}

impl LogSink for PluginLog {
    fn line(&self, level: LogLevel, text: &str) {
        let provider = self.provider.as_str();
        match level {
            LogLevel::Error => tracing::error!(target: "plugin", provider, "{text}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", provider, "{text}"),
            LogLevel::Info => tracing::info!(target: "plugin", provider, "{text}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", provider, "{text}"),
            LogLevel::Trace => tracing::trace!(target: "plugin", provider, "{text}"),
        }
    }
}
