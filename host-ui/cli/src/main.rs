//! `valechat`: the terminal face of ValeChat.
//!
//! Parses the command, calls `vale-api` and draws what comes back: text for people, JSON for
//! programs, and the exit codes that `--help` lists. It must not know plugins' insides, HTTP or
//! where keys lie.

mod args;
mod args_plugins;
mod ask;
mod chat;
mod compare;
mod doctor;
mod exit;
mod keys;
mod lines;
mod manage;
mod message;
mod models;
mod out;
mod plugins;
mod repl;
mod status;
mod table;
mod text;
mod tools;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};
use tokio::signal::ctrl_c;
use tracing::Instrument as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vale_api::{Api, ApiError, ApiErrorKind, Ask, Paths, log_file};

use crate::args::{Cli, Command, Global};
use crate::exit::Stop;
use crate::out::Out;

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return ExitCode::from(code),
    };
    let out = Out::new(&cli.global);
    let stopped = match run(cli, out) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(stopped) => stopped,
    };
    ExitCode::from(match stopped {
        Stop::NoReader => 0,
        Stop::Told(code) => code,
        Stop::Error(error) => {
            let error = ask::cancelled_or(*error);
            // Where the error itself cannot be written there is nobody left to tell.
            let _ = out.error(&error);
            exit::code(error.kind)
        }
    })
}

/// The command, or the exit code after help or a usage error was printed.
fn parse() -> Result<Cli, u8> {
    let before: Vec<_> = std::env::args_os().collect();
    let has = |flag: &str| before.iter().any(|arg| arg == flag);
    let color = before.windows(2).find_map(|pair| match pair {
        [flag, when] if flag == "--color" => Some(when == "never"),
        _ => None,
    });
    let choice = if has("--color=never") || color == Some(true) {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let parsed = Cli::command()
        .color(choice)
        .try_get_matches_from(&before)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(2);
        if error.use_stderr() && has("--json") {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let sentence = first.trim_start_matches("error: ").to_owned();
            let error = ApiError::new(ApiErrorKind::Usage, sentence, "See `valechat --help`.");
            let document = serde_json::json!({ "error": error });
            let _ = std::io::Write::write_all(
                &mut std::io::stdout(),
                format!("{document}\n").as_bytes(),
            );
        } else {
            let _ = error.print();
        }
        code
    })
}

fn run(cli: Cli, out: Out) -> Result<(), Stop> {
    start_log(&cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let result = dispatch(cli.command, out).await;
        close(&out).await;
        result
    });
    ask::wait_for_prompts();
    // A thread that waits for the keyboard must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn dispatch(command: Command, out: Out) -> Result<(), Stop> {
    let span = tracing::info_span!(target: "valechat", "command", name = command.name());
    let run = async {
        match command {
            // A chat says itself what Ctrl-C stopped.
            Command::Chat(args) => Box::pin(chat::run(args, out)).await,
            Command::Compare(args) => Box::pin(compare::run(args, out)).await,
            Command::Status(args) => or_ctrl_c(status::run(args, out)).await,
            Command::Model(command) => or_ctrl_c(models::run(command, out)).await,
            Command::Provider(command) => or_ctrl_c(manage::provider(command, out)).await,
            Command::Key(command) => or_ctrl_c(keys::run(command, out)).await,
            Command::Plugin(command) => or_ctrl_c(plugins::run(command, out)).await,
            Command::Tool(command) => or_ctrl_c(tools::run(command, out)).await,
            Command::Doctor(args) => or_ctrl_c(doctor::doctor(args, out)).await,
        }
    };
    Box::pin(run.instrument(span)).await
}

/// The work's end, unless Ctrl-C comes first; the work is dropped then.
async fn or_ctrl_c<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    tokio::select! {
        // Watched before the work begins; where it cannot be, the work goes on without.
        biased;
        Ok(()) = ctrl_c() => Err(ApiError::new(ApiErrorKind::Cancelled, "Stopped.", "").into()),
        done = work => done,
    }
}

/// Opens the profile of this user.
async fn open(out: &Out, ask: Option<Ask>) -> Result<Api, Stop> {
    let paths = Paths::of_this_user().map_err(ApiError::from)?;
    let api = Api::open(paths, ask).await?;
    for note in api.notes().await {
        out.note(&format!("note: {note}"));
    }
    OPENED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(api.clone());
    Ok(api)
}

/// What was opened, to be ended in order.
static OPENED: Mutex<Vec<Api>> = Mutex::new(Vec::new());

/// Ends what was opened. Other windows that receive answers through this process get to their end,
/// unless Ctrl-C says otherwise.
async fn close(out: &Out) {
    let opened = std::mem::take(&mut *OPENED.lock().unwrap_or_else(PoisonError::into_inner));
    for api in opened {
        let others = api.answers_for_others().await;
        if others > 0 {
            out.note(&format!(
                "Other windows receive {others} answers through this one; it ends with them. Ctrl-C ends it now."
            ));
        }
        tokio::select! {
            biased;
            _ = ctrl_c() => return,
            () = api.close() => {}
        }
    }
}

/// What the log file holds: what ValeChat does, and nothing of the libraries below it.
const FILE_LOG: &str = "warn,vale_host=info,vale_api=info,vale_egress=info,valechat=info";

fn start_log(global: &Global) -> Result<(), ApiError> {
    let level = global.log_level();
    let filter = tracing_subscriber::EnvFilter::try_new(level).map_err(|error| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("“{level}” is no log level: {error}."),
            "Use off, error, warn, info, debug, trace or a filter such as vale_host=debug.",
        )
    })?;
    let out = Out::new(global);
    let screen = tracing_subscriber::fmt::layer()
        .with_ansi(out.stderr_has_color())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    // Not being able to keep a log is no reason not to chat; `doctor` looks at the folder.
    let file = Paths::of_this_user()
        .ok()
        .and_then(|paths| log_file(&paths).ok());
    let file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .json()
            .with_writer(std::sync::Mutex::new(file))
            .with_filter(tracing_subscriber::EnvFilter::new(FILE_LOG))
    });
    tracing_subscriber::registry()
        .with(screen)
        .with(file)
        .init();
    // A crash of a part of it is told by whoever waited for that part; the rest is for the log.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(target: "valechat", place = panic.location().map(ToString::to_string), "a part of ValeChat crashed");
    }));
    Ok(())
}
