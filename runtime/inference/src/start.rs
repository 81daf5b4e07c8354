//! Starting the server: validate the model, bind, announce, serve.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::serve::ListenerExt;

use crate::{
    config::Config,
    engine::{Engine, EngineParts},
    error::ModelError,
    gguf::Gguf,
    model::Model,
    server::{App, router},
    template::ChatTemplate,
    tokenizer::Tokenizer,
};

/// Context without `--ctx`, if the model was trained for more: the cache of a longer conversation
/// would surprise a laptop with its size.
const DEFAULT_MOST_CONTEXT: usize = 32_768;

/// The CPU level this binary was built for.
pub const CPU_LEVEL: &str = if cfg!(all(
    target_feature = "avx2",
    target_feature = "fma",
    target_feature = "f16c",
    target_feature = "bmi2"
)) {
    "x86-64-v3"
} else {
    "baseline"
};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The GGUF file.
    pub model: PathBuf,
    /// The model's id on the wire; the file name without its ending if `None`.
    pub alias: Option<String>,
    /// Threads for the arithmetic; already applied to the thread pools, here to be announced.
    pub threads: usize,
    /// Wanted context in tokens; never more than the model was trained for.
    pub context: Option<usize>,
    /// How long the model stays in memory without work; `None` keeps it.
    pub idle_unload: Option<Duration>,
}

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The model file cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The system refused a thread, a port or a runtime.
    #[error("The model server could not start or go on ({0}). Close other programs and try again.")]
    System(#[from] std::io::Error),
}

/// A validated model with its engine, not yet listening.
pub struct Server {
    app: Arc<App>,
    threads: usize,
}

impl Server {
    /// Reads header, tokenizer and chat template, and checks that all tensors are there. The
    /// weights are read at the first request.
    ///
    /// # Errors
    /// [`StartError::Model`] with a sentence; [`StartError::System`] if there can be no thread.
    pub fn prepare(options: Options, token: String) -> Result<Self, StartError> {
        let mut gguf = Gguf::open(&options.model)?;
        let tokenizer = Arc::new(Tokenizer::from_gguf(&mut gguf)?);
        let config = Config::read(&gguf, tokenizer.vocab())?;
        Model::check(&gguf, &config)?;
        let source = gguf.text("tokenizer.chat_template");
        if source.is_none() {
            tracing::warn!("the model has no chat template; ChatML is used");
        }
        let template =
            ChatTemplate::new(source).map_err(|what| ModelError::Unsupported { what })?;
        gguf.forget_metadata();

        let context = context(options.context, config.trained_context);
        let model = options.alias.unwrap_or_else(|| {
            let stem = options.model.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        });
        let trained_context = config.trained_context;
        let engine = Engine::start(EngineParts {
            gguf,
            config,
            tokenizer: Arc::clone(&tokenizer),
            context,
            idle_unload: options.idle_unload,
        })?;
        let app = Arc::new(App {
            token,
            model,
            context,
            trained_context,
            created: unix_seconds(),
            engine,
            tokenizer,
            template,
        });
        Ok(Self {
            app,
            threads: options.threads,
        })
    }

    /// Listens on a free port of 127.0.0.1, calls `ready` with the line to announce, and serves
    /// until the process ends.
    ///
    /// # Errors
    /// [`StartError::System`].
    pub fn run(self, ready: impl FnOnce(&serde_json::Value)) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build()?;
        runtime.block_on(async {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = tokio::net::TcpListener::bind(address).await?;
            ready(&serde_json::json!({
                "ready": true,
                "port": listener.local_addr()?.port(),
                "model": self.app.model,
                "level": CPU_LEVEL,
                "threads": self.threads,
                "context": self.app.context,
            }));
            // Without this, the small writes of a stream wait for each other's acknowledgement.
            let listener = listener.tap_io(|socket| {
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
            });
            axum::serve(listener, router(self.app)).await?;
            Ok(())
        })
    }
}

fn context(wanted: Option<usize>, trained: usize) -> usize {
    match wanted {
        Some(wanted) if wanted > trained => {
            tracing::warn!(
                wanted,
                trained,
                "the model was trained for a shorter context"
            );
            trained
        }
        Some(wanted) => wanted,
        None => trained.min(DEFAULT_MOST_CONTEXT),
    }
}

/// Threads for the arithmetic without `--threads`: one core is left to the rest of the machine,
/// because with all cores busy two threads were 3 to 7 times slower than one.
pub fn default_threads() -> usize {
    num_cpus::get_physical().saturating_sub(1).max(1)
}

/// Seconds since 1970; 0 on a clock before that.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
