//! The embedded model's process: started on first need, replaced when it has died, and never
//! left behind (`vale-confine` ties it to the host; it also ends when the pipe that this actor
//! holds is closed, whatever closes it).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use url::Url;
use vale_confine::Confine;
use vale_secrets::Secret;

use crate::settings::InferenceSettings;
use crate::supervise::{Vitals, VitalsSource};

/// How long the process may take until it listens. It reads the model's header only.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to end by itself when its pipe is closed. It takes about 15 ms.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Starts within [`START_WINDOW`] after which it is left alone: it does not run on this machine.
const MAX_STARTS: usize = 5;
/// See [`MAX_STARTS`].
const START_WINDOW: Duration = Duration::from_secs(60);

/// Why the local model does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// The program is not installed.
    #[error(
        "the local model's program (valechat-infer) is not installed; start ValeChat with `cargo xtask run`, or set VALECHAT_INFER to its folder"
    )]
    NoProgram,
    /// The model file is not there.
    #[error(
        "the model file {0} is not there; a chat fetches it where config.toml names an address, `cargo xtask run` fetches the one that comes with ValeChat, and `model` under [inference] names another"
    )]
    NoModel(PathBuf),
    /// It started and said why it cannot go on.
    #[error("the local model cannot run: {0}")]
    Refused(String),
    /// It could not be started, or ended at once.
    #[error("the local model's program did not start: {0}")]
    Start(String),
    /// It keeps ending.
    #[error(
        "the local model ended {MAX_STARTS} times within a minute, so it is left alone for a while; the last words were: {0}"
    )]
    KeepsEnding(String),
}

/// Where the local model answers. Valid for one life of its process.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) token: Arc<Secret>,
    /// Counts the process's lives.
    pub(crate) life: u64,
}

/// What [`InferActor`] starts.
#[derive(Debug, Clone)]
pub(crate) struct InferConfig {
    pub(crate) program: Option<PathBuf>,
    /// Sees to it that the process ends with the host.
    pub(crate) helper: Option<PathBuf>,
    pub(crate) model: PathBuf,
    pub(crate) settings: InferenceSettings,
}

/// Owns the process.
pub(crate) struct InferActor {
    config: Arc<InferConfig>,
    state: Arc<Mutex<State>>,
}

/// The process as the supervision tree shows it. Outlives the actor's lives.
#[derive(Default)]
pub(crate) struct InferView {
    /// 0 = it does not run.
    process: AtomicU32,
    starts: AtomicU64,
    last_words: Arc<std::sync::Mutex<String>>,
}

impl VitalsSource for InferView {
    fn vitals(&self) -> Vitals {
        let process = Some(self.process.load(Ordering::Relaxed)).filter(|id| *id != 0);
        let used = process.and_then(crate::process::used_by_tree);
        let words = self.words();
        let starts = self.starts.load(Ordering::Relaxed);
        Vitals {
            in_flight: usize::from(used.is_some()),
            attempts: starts,
            last_error: is_failure(&words).then_some(words),
            cpu_s: used.map(|used| used.cpu_s),
            memory: used.map(|used| used.memory),
            process: used.and(process),
            ..Vitals::default()
        }
    }
}

impl InferView {
    fn words(&self) -> String {
        self.last_words
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

struct State {
    running: Option<Running>,
    starts: VecDeque<Instant>,
    lives: u64,
    view: Arc<InferView>,
}

struct Running {
    child: Child,
    /// Held open: its end is the process's end.
    life_line: ChildStdin,
    endpoint: Endpoint,
}

impl InferActor {
    pub(crate) fn new(config: Arc<InferConfig>, view: Arc<InferView>) -> Self {
        let state = State {
            running: None,
            starts: VecDeque::new(),
            // Goes on over the actor's lives, so that nobody takes a new process for an old one.
            lives: view.starts.load(Ordering::Relaxed),
            view,
        };
        Self {
            config,
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl Actor for InferActor {
    type Context = Context<Self>;
}

/// Gives the endpoint of a living process, starting one if there is none.
#[derive(Message)]
#[rtype(result = "Result<Endpoint, InferError>")]
pub(crate) struct Ensure;

impl Handler<Ensure> for InferActor {
    type Result = ResponseFuture<Result<Endpoint, InferError>>;

    fn handle(&mut self, _: Ensure, _: &mut Context<Self>) -> Self::Result {
        let (config, state) = (Arc::clone(&self.config), Arc::clone(&self.state));
        Box::pin(async move {
            let mut state = state.lock().await;
            if let Some(running) = &mut state.running {
                match running.child.try_wait() {
                    Ok(None) => return Ok(running.endpoint.clone()),
                    Ok(Some(status)) => tracing::warn!(%status, "the local model's process ended"),
                    Err(error) => tracing::warn!(%error, "the local model's process is lost"),
                }
                state.running = None;
            }
            state.start(&config).await
        })
    }
}

/// The process as it stands, for `doctor` and status.
#[derive(Message)]
#[rtype(result = "Option<u32>")]
pub(crate) struct ProcessId;

impl Handler<ProcessId> for InferActor {
    type Result = ResponseFuture<Option<u32>>;

    fn handle(&mut self, _: ProcessId, _: &mut Context<Self>) -> Self::Result {
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            state
                .lock()
                .await
                .running
                .as_ref()
                .and_then(|running| running.child.id())
        })
    }
}

/// Ends the process and waits for its end; then says so.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown(pub(crate) std::sync::mpsc::Sender<()>);

impl Handler<Shutdown> for InferActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown(done): Shutdown, _: &mut Context<Self>) -> Self::Result {
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            if let Some(Running {
                mut child,
                life_line,
                ..
            }) = state.lock().await.running.take()
            {
                drop(life_line);
                if tokio::time::timeout(END_TIMEOUT, child.wait())
                    .await
                    .is_err()
                {
                    // A failure means that it ended in the meantime.
                    let _ = child.kill().await;
                }
            }
            // The host may have stopped waiting.
            let _ = done.send(());
        })
    }
}

/// The first line that the process prints.
#[derive(Deserialize)]
struct Ready {
    ready: bool,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    error: String,
}

impl Drop for State {
    fn drop(&mut self) {
        self.view.process.store(0, Ordering::Relaxed);
    }
}

impl State {
    async fn start(&mut self, config: &InferConfig) -> Result<Endpoint, InferError> {
        let now = Instant::now();
        while self
            .starts
            .front()
            .is_some_and(|start| now.duration_since(*start) > START_WINDOW)
        {
            self.starts.pop_front();
        }
        if self.starts.len() >= MAX_STARTS {
            return Err(InferError::KeepsEnding(self.view.words()));
        }
        let program = config.program.as_ref().ok_or(InferError::NoProgram)?;
        if !config.model.is_file() {
            return Err(InferError::NoModel(config.model.clone()));
        }
        self.starts.push_back(now);
        self.lives += 1;
        self.view.starts.store(self.lives, Ordering::Relaxed);
        let token = new_token()?;
        let mut child = command(program, config)
            .spawn()
            .map_err(|error| InferError::Start(format!("{}: {error}", program.display())))?;
        self.view
            .process
            .store(child.id().unwrap_or_default(), Ordering::Relaxed);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(InferError::Start("it has no pipes".to_owned()));
        };
        tokio::spawn(keep_words(stderr, Arc::clone(&self.view.last_words)));
        let handshake = async {
            let line = format!("{}\n", serde_json::json!({ "token": token.expose() }));
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await?;
            let mut line = String::new();
            let mut reader = BufReader::new(stdout);
            reader.read_line(&mut line).await?;
            Ok::<_, std::io::Error>(line)
        };
        let line = match tokio::time::timeout(START_TIMEOUT, handshake).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(InferError::Start(error.to_string())),
            Err(_) => {
                return Err(InferError::Start(format!(
                    "it said nothing for {} s",
                    START_TIMEOUT.as_secs()
                )));
            }
        };
        let ready: Ready = serde_json::from_str(&line).map_err(|_| {
            let words = self.view.words();
            InferError::Start(if words.is_empty() {
                "it ended at once".to_owned()
            } else {
                words
            })
        })?;
        if !ready.ready {
            return Err(InferError::Refused(ready.error));
        }
        let url = Url::parse(&format!("http://127.0.0.1:{}", ready.port))
            .map_err(|error| InferError::Start(error.to_string()))?;
        let endpoint = Endpoint {
            url,
            token: Arc::new(token),
            life: self.lives,
        };
        self.running = Some(Running {
            child,
            life_line: stdin,
            endpoint: endpoint.clone(),
        });
        Ok(endpoint)
    }
}

fn command(program: &Path, config: &InferConfig) -> Command {
    // From the actors' thread, which lives as long as the host.
    let confined = Confine::new(config.helper.clone()).command(program);
    let mut command = Command::from(confined);
    command.arg("--model").arg(&config.model);
    if let Some(threads) = config.settings.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    if let Some(context) = config.settings.context {
        command.arg("--ctx").arg(context.to_string());
    }
    command
        .arg("--idle-unload-s")
        .arg(config.settings.unload_after_s.to_string());
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| keeps(name)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The child gets no key that the environment may hold.
fn keeps(name: &std::ffi::OsStr) -> bool {
    [
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "RUST_LOG",
        "SystemRoot",
        "TEMP",
    ]
    .iter()
    .any(|kept| name == *kept)
}

/// Whether the process's last line tells of something wrong: its log also says what went well.
fn is_failure(line: &str) -> bool {
    let went_well = [" INFO ", " DEBUG ", " TRACE "];
    !line.is_empty() && !went_well.iter().any(|level| line.contains(level))
}

/// 32 random bytes in hex: only this process and its child know it.
fn new_token() -> Result<Secret, InferError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| InferError::Start(error.to_string()))?;
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(hex).map_err(|error| InferError::Start(error.to_string()))
}

async fn keep_words(stderr: tokio::process::ChildStderr, last: Arc<std::sync::Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(target: "infer", "{line}");
        *last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = line;
    }
}

/// The build of `valechat-infer` that this processor runs best, among those installed.
pub(crate) fn choose_program(folders: &[PathBuf]) -> Option<PathBuf> {
    let levels: &[&str] = if runs_v3() {
        &["-x86-64-v3", "-baseline", ""]
    } else {
        &["-baseline", ""]
    };
    let names = levels
        .iter()
        .map(|level| format!("valechat-infer{level}{}", std::env::consts::EXE_SUFFIX));
    names
        .flat_map(|name| folders.iter().map(move |folder| folder.join(&name)))
        .find(|path| path.is_file())
}

/// Whether this processor has what x86-64-v3 builds of the model use.
fn runs_v3() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("f16c")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_well_is_no_failure() {
        assert!(!is_failure(""));
        assert!(!is_failure(
            "2026-11-25T09:12:32Z  INFO vale_inference::session: answered"
        ));
        assert!(is_failure(
            "2026-11-25T09:12:32Z ERROR vale_inference: no memory"
        ));
        assert!(is_failure("memory allocation of 8589934592 bytes failed"));
    }

    #[test]
    fn the_best_build_for_this_processor_is_chosen_and_baseline_is_the_fall_back() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("nowhere"), folder.path().to_owned()];
        assert_eq!(choose_program(&folders), None);
        let baseline = folder.path().join(format!(
            "valechat-infer-baseline{}",
            std::env::consts::EXE_SUFFIX
        ));
        std::fs::write(&baseline, "").unwrap();
        assert_eq!(choose_program(&folders), Some(baseline.clone()));
        let v3 = folder.path().join(format!(
            "valechat-infer-x86-64-v3{}",
            std::env::consts::EXE_SUFFIX
        ));
        std::fs::write(&v3, "").unwrap();
        assert_eq!(
            choose_program(&folders),
            Some(if runs_v3() { v3 } else { baseline })
        );
    }
}
