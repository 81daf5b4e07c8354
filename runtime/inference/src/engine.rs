//! The one generation slot: a bounded queue in front of a thread of its own.
//!
//! A job belongs to whoever holds the receiver of its events. Dropping that receiver (the HTTP
//! client went away) cancels the job: in the queue it gives up its place, while it runs it stops
//! at the next layer or token.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    config::Config,
    error::{ModelError, panic_text},
    gguf::Gguf,
    model::Model,
    session::{Event, Job, Session},
    tokenizer::Tokenizer,
};

/// Jobs that may wait while one runs. One person rarely has more open; more is a runaway client.
pub(crate) const QUEUE: usize = 8;

/// What the generation thread needs to know.
pub(crate) struct EngineParts {
    pub(crate) gguf: Gguf,
    pub(crate) config: Config,
    pub(crate) tokenizer: Arc<Tokenizer>,
    /// Longest prompt plus answer, in tokens.
    pub(crate) context: usize,
    /// How long the model stays in memory without work; `None` keeps it.
    pub(crate) idle_unload: Option<Duration>,
}

/// Handle to the generation thread.
#[derive(Clone)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Ticket>,
    busy: bool,
    loaded: bool,
}

struct Ticket {
    job: Job,
    events: mpsc::UnboundedSender<Event>,
}

/// What the engine is doing, for `/health`.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Health {
    /// The weights are in memory.
    model_loaded: bool,
    /// A job is running.
    busy: bool,
    /// Jobs that wait for it.
    queued: usize,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) struct Overloaded;

impl Engine {
    /// Starts the generation thread. The model is loaded when the first job comes.
    ///
    /// # Errors
    /// What the system says if there can be no thread.
    pub(crate) fn start(parts: EngineParts) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let engine = Self {
            shared: Arc::clone(&shared),
        };
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || Worker { shared, parts }.work())?;
        Ok(engine)
    }

    /// Queues a job. The receiver gets its events; dropping it cancels the job.
    pub(crate) fn submit(&self, job: Job) -> Result<mpsc::UnboundedReceiver<Event>, Overloaded> {
        let (events, receiver) = mpsc::unbounded_channel();
        let mut state = self.shared.lock();
        state.drop_abandoned();
        if state.waiting.len() >= QUEUE {
            return Err(Overloaded);
        }
        state.waiting.push_back(Ticket { job, events });
        drop(state);
        self.shared.wake.notify_one();
        Ok(receiver)
    }

    /// What the engine is doing now.
    pub(crate) fn health(&self) -> Health {
        let mut state = self.shared.lock();
        state.drop_abandoned();
        Health {
            model_loaded: state.loaded,
            busy: state.busy,
            queued: state.waiting.len(),
        }
    }
}

impl Shared {
    /// A poisoned lock is usable: every section that holds it leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_abandoned(&mut self) {
        self.waiting.retain(|ticket| !ticket.events.is_closed());
    }
}

struct Worker {
    shared: Arc<Shared>,
    parts: EngineParts,
}

impl Worker {
    /// Waits for a job, and gives the model a thread of its own for as long as it is in memory:
    /// the kernels keep scratch space per thread, which is only freed when that thread ends.
    fn work(self) {
        loop {
            let Some(first) = self.next(None) else {
                continue;
            };
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().name("generate".to_owned());
                // Without a thread the job is dropped, and its client is told.
                if let Err(error) = thread.spawn_scoped(scope, || self.serve(first)) {
                    tracing::error!(%error, "no thread to generate on");
                }
            });
            release_memory();
            tracing::info!("model unloaded");
            self.note(false);
        }
    }

    /// Answers `ticket` and those after it, until the model was idle for long enough or failed.
    fn serve(&self, ticket: Ticket) {
        let mut session = None;
        let mut next = Some(ticket);
        while let Some(ticket) = next {
            self.answer(&mut session, ticket);
            self.note(session.is_some());
            next = session
                .is_some()
                .then(|| self.next(self.parts.idle_unload))
                .flatten();
        }
    }

    /// Notes that no job runs, and whether the model is in memory.
    fn note(&self, loaded: bool) {
        let mut state = self.shared.lock();
        state.busy = false;
        state.loaded = loaded;
    }

    /// The next job, or `None` if there was none for `patience`.
    fn next(&self, patience: Option<Duration>) -> Option<Ticket> {
        let give_up_at = patience.map(|patience| Instant::now() + patience);
        let mut state = self.shared.lock();
        loop {
            state.drop_abandoned();
            if let Some(ticket) = state.waiting.pop_front() {
                state.busy = true;
                return Some(ticket);
            }
            state = match give_up_at.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    let waited = self.shared.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.shared.wake.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Runs one job. After a failure the model is dropped, because its state is not trusted.
    fn answer(&self, session: &mut Option<Session>, ticket: Ticket) {
        let Ticket { job, events } = ticket;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.try_answer(session, job, &events)));
        let error = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => ModelError::Compute {
                what: panic_text(panic.as_ref()),
            },
        };
        tracing::error!(%error, "generation failed");
        *session = None;
        // Nobody may be listening any more; then there is nobody to tell.
        let _ = events.send(Event::Failed(error));
    }

    fn try_answer(
        &self,
        session: &mut Option<Session>,
        job: Job,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<(), ModelError> {
        let session = match session {
            Some(session) => session,
            None => session.insert(self.load()?),
        };
        let emit = |event| {
            // A send fails only when the receiver is gone, which `cancelled` sees next.
            let _ = events.send(event);
        };
        let cancelled = || events.is_closed();
        session.run(
            job,
            self.parts.context,
            &self.parts.tokenizer,
            &emit,
            &cancelled,
        )
    }

    fn load(&self) -> Result<Session, ModelError> {
        let started = Instant::now();
        let model = Model::load(&self.parts.gguf, &self.parts.config)?;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(millis, "model loaded");
        self.shared.lock().loaded = true;
        Ok(Session::new(model))
    }
}

/// Gives freed memory back to the system. glibc keeps freed blocks below its (growing) threshold
/// for itself; without this an unloaded model would still count as used.
fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "glibc offers no safe way to return free heap pages"
    )]
    // SAFETY: malloc_trim takes no pointer, may be called from any thread at any time, and only
    // releases pages that the allocator itself holds free.
    unsafe {
        libc::malloc_trim(0);
    }
}
