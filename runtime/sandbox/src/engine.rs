//! The one wasmtime engine of the process, its ticker and its own tokio runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy};

use crate::cache::CodeCache;
use crate::inspect::Kind;
use crate::state::State;
use crate::v0_1;

/// How often a running guest is asked to yield and its CPU time is compared (design.md §4).
const EPOCH_TICK: Duration = Duration::from_millis(10);
/// The same while every call waits for its network: a guest that begins to compute then is asked first
/// after so long at most, still far below any CPU limit. An answer at a model's pace is such a wait, and a
/// hundred ticks a second cost it a third of a percent of a core.
const IDLE_TICK: Duration = Duration::from_millis(50);

/// How an engine is made.
#[derive(Debug, Default)]
pub struct EngineConfig {
    /// Where compiled code is kept; none = compile each time.
    pub cache: Option<CodeCache>,
    /// Threads of the runtime that runs guests; none = the number of cores, at least 2.
    pub threads: Option<usize>,
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the configuration or this machine.
    #[error("the WebAssembly engine cannot start on this machine: {0}")]
    Engine(String),
    /// The runtime's threads could not be started.
    #[error("the threads that run plugins cannot be started: {0}")]
    Threads(#[from] std::io::Error),
}

/// Loads plugins and runs their calls. Cheap to clone.
///
/// Guests run on a tokio runtime of the engine's own, because a guest computes inside `poll`
/// and would stall whatever else lives on its thread.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasm: wasmtime::Engine,
    for_providers: Linker<State>,
    for_tools: Linker<State>,
    cache: Option<CodeCache>,
    ticker: Arc<Ticker>,
    runtime: Option<tokio::runtime::Runtime>,
    compiling: Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ticker.stop();
        if let Some(runtime) = self.runtime.take() {
            // Dropping a runtime inside another one panics; calls still running are cancelled.
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// Starts the engine.
    ///
    /// # Errors
    /// When this machine cannot run compiled code, or is out of threads.
    ///
    /// # Examples
    /// ```
    /// use vale_sandbox::{Engine, EngineConfig};
    /// let engine = Engine::new(EngineConfig::default()).expect("this machine runs plugins");
    /// # drop(engine);
    /// ```
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError::Engine(format!("{error:#}"));
        let wasm = wasmtime::Engine::new(&wasm_config()).map_err(failed)?;
        let mut for_providers = Linker::new(&wasm);
        v0_1::add_to_linker(&mut for_providers).map_err(failed)?;
        let mut for_tools = for_providers.clone();
        v0_1::add_for_tools(&mut for_tools).map_err(failed)?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.unwrap_or(cores).max(2))
            .thread_name("vale-wasm")
            .enable_all()
            .build()?;
        let ticker = Ticker::start(&wasm)?;
        Ok(Self(Arc::new(Inner {
            wasm,
            for_providers,
            for_tools,
            cache: config.cache,
            ticker,
            runtime: Some(runtime),
            compiling: Mutex::default(),
        })))
    }

    /// The runtime on which guests, and the connections that they open, live.
    ///
    /// # Panics
    /// Never: the runtime is there until the engine is dropped.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        #[expect(clippy::expect_used, reason = "taken in drop only")]
        self.0
            .runtime
            .as_ref()
            .expect("a living engine has its runtime")
            .handle()
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    /// What a plugin of this kind gets. What a kind must not have is not there at all.
    pub(crate) fn linker(&self, kind: Kind) -> &Linker<State> {
        match kind {
            Kind::Provider | Kind::CountingProvider => &self.0.for_providers,
            Kind::Tool => &self.0.for_tools,
        }
    }

    pub(crate) fn cache(&self) -> Option<&CodeCache> {
        self.0.cache.as_ref()
    }

    /// Held while the compiler runs.
    pub(crate) fn compiling(&self) -> MutexGuard<'_, ()> {
        self.0
            .compiling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the guests that are being polled.
    pub(crate) fn computing(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0.ticker.computing)
    }

    /// Keeps the epoch ticking while a guest runs.
    pub(crate) fn ticking(&self) -> Ticking {
        self.0.ticker.begin();
        Ticking(Arc::clone(&self.0.ticker))
    }
}

/// The one configuration: the cache's key depends on it, so there must not be two.
fn wasm_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        // Ten thousand live instances ran the pooling allocator out of mappings.
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_init_cow(true);
    config
}

/// Increments the engine's epoch while at least one call runs, and sleeps otherwise, so that an
/// idle app wakes nobody.
struct Ticker {
    state: Mutex<TickerState>,
    wake: Condvar,
    /// Guests that are being polled now.
    computing: Arc<AtomicUsize>,
}

#[derive(Default)]
struct TickerState {
    running: usize,
    stopped: bool,
}

impl Ticker {
    fn start(wasm: &wasmtime::Engine) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            state: Mutex::new(TickerState::default()),
            wake: Condvar::new(),
            computing: Arc::default(),
        });
        let (weak, wasm) = (Arc::downgrade(&ticker), wasm.weak());
        std::thread::Builder::new()
            .name("vale-epoch".to_owned())
            .spawn(move || {
                while let Some(ticker) = Weak::upgrade(&weak) {
                    if !ticker.wait_for_work() {
                        return;
                    }
                    let tick = if ticker.computing.load(Ordering::Relaxed) > 0 {
                        EPOCH_TICK
                    } else {
                        IDLE_TICK
                    };
                    drop(ticker);
                    // Before the tick: a call that is over sooner is not disturbed at all.
                    std::thread::sleep(tick);
                    let Some(engine) = wasm.upgrade() else {
                        return;
                    };
                    engine.increment_epoch();
                }
            })?;
        Ok(ticker)
    }

    /// Waits until a call runs; false when the engine is gone.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.running == 0 && !state.stopped {
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.stopped
    }

    fn begin(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running += 1;
        self.wake.notify_one();
    }

    fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = state.running.saturating_sub(1);
    }

    fn stop(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopped = true;
        self.wake.notify_one();
    }
}

/// While this lives, the epoch ticks.
pub(crate) struct Ticking(Arc<Ticker>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.end();
    }
}
