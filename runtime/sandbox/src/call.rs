//! One call of one plugin: a fresh store, a task of its own, and a terminal value in every case.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::PollSender;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use vale_types::{
    Error, ErrorKind, Event, Failure, Fault, FaultClass, Finish, Model, ProviderInfo, Request,
};
use wasmtime::component::{FutureConsumer, Source, StreamConsumer, StreamResult};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::context::CallContext;
use crate::cpu::Metered;
use crate::load::Plugin;
use crate::protocol::Protocol;
use crate::state::State;
use crate::v0_1;

/// Batches that wait between guest and reader; then the guest waits, and the upstream with it.
const BATCHES: usize = 32;

/// What comes out of a [`Call`].
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// What the guest wrote at once: one network read's worth.
    Events(Vec<Event>),
    /// The one terminal value, and the last step.
    End(Result<Finish, Failure>),
}

/// A completion under way. Dropping it cancels the guest and closes its connections.
#[derive(Debug)]
pub struct Call {
    steps: mpsc::Receiver<Step>,
    task: Option<AbortOnDropHandle<()>>,
    ended: bool,
}

impl Call {
    /// The next step; `None` after the end.
    pub async fn next(&mut self) -> Option<Step> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn take(&mut self, received: Option<Step>) -> Step {
        let step = received.unwrap_or_else(|| {
            // The task ended without a word: it was aborted or it panicked.
            Step::End(Err(Fault::new(
                FaultClass::Trap,
                "the call ended unexpectedly",
            )
            .into()))
        });
        if matches!(step, Step::End(_)) {
            self.ended = true;
            // It ends by itself, after the rest of the response was read.
            if let Some(task) = self.task.take() {
                task.detach();
            }
        }
        step
    }
}

impl Stream for Call {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let received = std::task::ready!(self.steps.poll_recv(cx));
        Poll::Ready(Some(self.take(received)))
    }
}

/// A guest's work in its store: the outer error is a trap.
type Work<'a, T> = BoxFuture<'a, wasmtime::Result<Result<T, Failure>>>;

impl Plugin {
    /// Starts one completion on the engine's own threads.
    #[must_use]
    pub fn complete(&self, context: CallContext, request: &Request) -> Call {
        let (sender, steps) = mpsc::channel(BATCHES);
        let plugin = self.clone();
        let request = v0_1::request(request);
        let task = async move {
            let steps = sender.clone();
            let end = plugin
                .guarded(context, |plugin, store| {
                    Box::pin(async move {
                        let guest = plugin.provider()?.instantiate_async(&mut *store).await?;
                        complete(store, guest, request, steps).await
                    })
                })
                .await;
            // A call that went well has sent its end itself.
            if let Err(failure) = end {
                // The reader may be gone: then nobody waits for the end.
                let _ = sender.send(Step::End(Err(failure))).await;
            }
        };
        let task = self.engine().runtime().spawn(task.in_current_span());
        Call {
            steps,
            task: Some(AbortOnDropHandle::new(task)),
            ended: false,
        }
    }

    /// Asks the plugin for its models.
    ///
    /// # Errors
    /// The upstream's failure, or the plugin's fault.
    pub async fn list_models(&self, context: CallContext) -> Result<Vec<Model>, Failure> {
        self.spawned(context, |plugin, store| {
            Box::pin(async move {
                let guest = plugin.provider()?.instantiate_async(&mut *store).await?;
                let provider = guest.valechat_provider_provider();
                let answer = store
                    .run_concurrent(async |accessor| provider.call_list_models(accessor).await)
                    .await??;
                Ok(answer
                    .map(|models| models.into_iter().map(v0_1::model).collect())
                    .map_err(|error| v0_1::error(error).into()))
            })
        })
        .await
    }

    /// Asks the plugin for its name and page.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn describe(&self, context: CallContext) -> Result<ProviderInfo, Failure> {
        self.spawned(context, |plugin, store| {
            Box::pin(async move {
                let guest = plugin.provider()?.instantiate_async(&mut *store).await?;
                let info = guest
                    .valechat_provider_provider()
                    .call_describe(store)
                    .await?;
                Ok(Ok(v0_1::provider_info(info)))
            })
        })
        .await
    }

    /// Asks the plugin how many input tokens the request has, without generating.
    ///
    /// # Errors
    /// `unsupported` where the plugin does not count; the upstream's failure, or the plugin's fault.
    pub async fn count_tokens(
        &self,
        context: CallContext,
        request: &Request,
    ) -> Result<u64, Failure> {
        let request = v0_1::request(request);
        self.spawned(context, |plugin, store| {
            Box::pin(async move {
                let Some(pre) = plugin.counting() else {
                    let what = ErrorKind::Unsupported("count-tokens".to_owned());
                    return Ok(Err(
                        Error::new(what, "The plugin does not count tokens.").into()
                    ));
                };
                let guest = pre.instantiate_async(&mut *store).await?;
                let counter = guest.valechat_provider_token_count();
                let answer = store
                    .run_concurrent(async |accessor| {
                        counter.call_count_tokens(accessor, request).await
                    })
                    .await??;
                Ok(answer.map_err(|error| v0_1::error(error).into()))
            })
        })
        .await
    }

    /// [`Self::guarded`] on the engine's threads; dropping the future cancels the guest.
    pub(crate) async fn spawned<T, F>(&self, context: CallContext, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Plugin, &'a mut Store<State>) -> Work<'a, T> + Send + 'static,
    {
        let plugin = self.clone();
        let task = async move { plugin.guarded(context, work).await };
        let task = self.engine().runtime().spawn(task.in_current_span());
        AbortOnDropHandle::new(task).await.unwrap_or_else(|_| {
            Err(Fault::new(FaultClass::Trap, "the call ended unexpectedly").into())
        })
    }

    /// Runs `work` in a fresh store under the call's limits. Every way out of it is a value.
    async fn guarded<T, F>(&self, context: CallContext, work: F) -> Result<T, Failure>
    where
        F: for<'a> FnOnce(&'a Self, &'a mut Store<State>) -> Work<'a, T>,
    {
        let wall = Duration::from_secs(context.limits.wall_s);
        let state = State::new(context, self.kind());
        let (first_failure, gate, cpu) =
            (state.failure.clone(), state.gate.clone(), state.cpu.clone());
        let _ticking = self.engine().ticking();
        let mut store = Store::new(self.engine().wasm(), state);
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            context.data().check_cpu()?;
            Ok(UpdateDeadline::Yield(1))
        });
        let run = Metered::new(work(self, &mut store), cpu, self.engine().computing());
        // Around the whole run: a timeout inside `run_concurrent` does not fire reliably
        // (wasmtime#11869).
        let outcome = timeout(wall, run).await;
        if let Some(violation) = gate.violation() {
            return Err(Fault::new(FaultClass::SecretLeak, violation.to_string()).into());
        }
        if let Some(failure) = first_failure.get() {
            return Err(failure);
        }
        match outcome {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(trap(&error)),
            Err(_) => Err(Fault::new(
                FaultClass::WallLimit,
                format!("it took longer than {} s (limit wall_s)", wall.as_secs()),
            )
            .into()),
        }
    }
}

/// What wasmtime says when a guest hands over more bytes at once than the host is to hold. Its
/// type is not public.
const TOO_MUCH_AT_ONCE: &str = "too much data is being copied";

/// The class of an error that ended the guest without a failure of ours.
fn trap(error: &wasmtime::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    let cause = innermost(error);
    let class = if cause.starts_with(TOO_MUCH_AT_ONCE) {
        FaultClass::EventFlood
    } else {
        FaultClass::Trap
    };
    Fault::new(class, cause).into()
}

/// The cause without wasmtime's backtrace, which means nothing to a person.
fn innermost(error: &wasmtime::Error) -> String {
    error
        .chain()
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// How long a guest may take between the end of its events and its terminal value, whichever comes
/// first: it has nothing left to wait for.
const GRACE: Duration = Duration::from_secs(2);

fn broken(what: &str) -> Failure {
    Fault::new(FaultClass::Protocol, what).into()
}

/// How long a guest may go on reading after its terminal value: what is left of a response is
/// usually the few bytes after the upstream's own end mark, and a body read to its end leaves the
/// connection to the next call.
const DRAIN: Duration = Duration::from_millis(200);

/// One completion. Sends the terminal value itself as soon as it is sure; an error is left to the
/// caller.
async fn complete(
    store: &mut Store<State>,
    guest: v0_1::ProviderPlugin,
    request: v0_1::Request,
    steps: mpsc::Sender<Step>,
) -> wasmtime::Result<Result<(), Failure>> {
    let protocol = Arc::new(Mutex::new(Protocol::new(&store.data().context.limits)));
    let (terminal, terminated) = oneshot::channel();
    let (open, closed) = oneshot::channel();
    let events = EventConsumer {
        steps: PollSender::new(steps.clone()),
        protocol: Arc::clone(&protocol),
        _open: open,
    };
    let terminal = TerminalConsumer {
        terminal: Some(terminal),
        protocol,
    };
    let (bodies, gate) = (store.data().bodies.clone(), store.data().gate.clone());
    store
        .run_concurrent(async move |accessor| {
            let provider = guest.valechat_provider_provider();
            let (stream, future) = match provider.call_complete(accessor, request).await? {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(v0_1::error(error).into())),
            };
            accessor.with(|mut access| {
                stream.pipe(&mut access, events)?;
                future.pipe(&mut access, terminal)
            })?;
            let mut open_stream = pin!(closed);
            let mut terminal = pin!(terminated);
            // Whichever comes first, the other must follow: a guest that forgets it would keep the
            // person waiting for the wall limit.
            let (end, is_open) = tokio::select! {
                // Ends with an error when the guest closes the stream, which is what is awaited.
                _ = &mut open_stream => (timeout(GRACE, terminal).await, false),
                end = &mut terminal => (Ok(end), true),
            };
            let end = match end {
                Ok(Ok(end)) => end,
                Ok(Err(_)) => return Ok(Err(broken("it ended without a terminal value"))),
                Err(_) => {
                    return Ok(Err(broken(
                        "it closed its events and did not say how it ended",
                    )));
                }
            };
            if is_open && timeout(GRACE, open_stream).await.is_err() {
                return Ok(Err(broken("it said how it ended and left its events open")));
            }
            if gate.violation().is_some() {
                // The caller knows what to say.
                return Ok(Ok(()));
            }
            // The reader may be gone: then the call is being cancelled.
            let _ = steps.send(Step::End(end)).await;
            let _ = timeout(DRAIN, bodies.none()).await;
            Ok(Ok(()))
        })
        .await?
}

/// Events read from the guest at once. wasmtime's fuel for one host call caps their bytes.
const BATCH: usize = 256;

/// The reading end of the guest's event stream.
struct EventConsumer {
    steps: PollSender<Step>,
    protocol: Arc<Mutex<Protocol>>,
    /// Dropped with the consumer, which says that the guest closed the stream.
    _open: oneshot::Sender<()>,
}

impl StreamConsumer<State> for EventConsumer {
    type Item = v0_1::Event;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        mut source: Source<'_, v0_1::Event>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.steps.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let waiting = source.remaining(&mut store);
        if waiting == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut raw = Vec::with_capacity(waiting.min(BATCH));
        source.read(&mut store, &mut raw)?;
        let mut batch = Vec::with_capacity(raw.len());
        let mut judged = Ok(());
        {
            let mut protocol = self.protocol.lock().unwrap_or_else(PoisonError::into_inner);
            for event in raw {
                let event = v0_1::event(event);
                judged = protocol.event(&event);
                if judged.is_err() {
                    break;
                }
                batch.push(event);
            }
        }
        // What came before a broken rule has been received, and is kept.
        if !batch.is_empty() && self.steps.send_item(Step::Events(batch)).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        match judged {
            Ok(()) => Poll::Ready(Ok(StreamResult::Completed)),
            Err(fault) => Poll::Ready(Err(store.data().fail(fault.class, fault.detail))),
        }
    }
}

/// The reading end of the guest's terminal value.
struct TerminalConsumer {
    terminal: Option<oneshot::Sender<Result<Finish, Failure>>>,
    protocol: Arc<Mutex<Protocol>>,
}

impl FutureConsumer<State> for TerminalConsumer {
    type Item = Result<v0_1::Finish, v0_1::Error>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        mut source: Source<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(&mut store, &mut value)?;
        let Some(value) = value else {
            return Poll::Ready(Ok(()));
        };
        let end = match value {
            Ok(finish) => Ok(v0_1::finish(finish)),
            Err(error) => Err(Failure::Error(v0_1::error(error))),
        };
        let judged = {
            let mut protocol = self.protocol.lock().unwrap_or_else(PoisonError::into_inner);
            match &end {
                Ok(finish) => protocol.finish(finish),
                Err(Failure::Error(error)) => protocol.error(error),
                Err(Failure::Fault(_)) => Ok(()),
            }
        };
        if let Err(fault) = judged {
            return Poll::Ready(Err(store.data().fail(fault.class, fault.detail)));
        }
        if let Some(terminal) = self.terminal.take() {
            // The run is over: then so is the wait for its end.
            let _ = terminal.send(end);
        }
        Poll::Ready(Ok(()))
    }
}
