//! The process around the model server: command line, token, life line, exit codes.

use std::{
    io::{BufRead, Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use serde::Deserialize;
use serde_json::json;
use vale_inference::{CPU_LEVEL, Options, Server, StartError, default_threads};

/// Wrong usage: an unknown argument, or no token on stdin.
const EXIT_USAGE: u8 = 2;
/// The model file is missing, unreadable, no GGUF, or of a kind that is not supported.
const EXIT_MODEL: u8 = 3;
/// The system refused a thread, a port or memory.
const EXIT_SYSTEM: u8 = 4;

/// Longest first line on stdin, in bytes.
const TOKEN_LINE_LIMIT: u64 = 4096;

/// Runs a GGUF model and serves it on loopback to the host that started it.
///
/// The first line on stdin must be {"token":"…"}; the process ends when stdin does.
/// Exit codes: 0 stdin ended, 2 wrong usage, 3 the model file cannot be used, 4 the system
/// refused something.
#[derive(Parser)]
#[command(name = "valechat-infer", disable_version_flag = true)]
struct Arguments {
    /// The GGUF file.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// The model's id on the wire [default: the file name without its ending]
    #[arg(long, value_name = "ID")]
    alias: Option<String>,
    /// Threads for the arithmetic [default: physical cores less one, at least 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
    /// Longest conversation, in tokens [default: what the model was trained for, at most 32768]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..))]
    ctx: Option<u32>,
    /// Seconds without work after which the model leaves memory; 0 keeps it
    #[arg(long, value_name = "N", default_value_t = 300)]
    idle_unload_s: u32,
}

#[derive(Deserialize)]
struct FirstLine {
    token: String,
}

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == "--version" || arg == "-V")
    {
        say(&format!(
            "valechat-infer {} {CPU_LEVEL}",
            env!("CARGO_PKG_VERSION")
        ));
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            return fail(EXIT_USAGE, error.render().to_string().trim());
        }
        Err(help) => {
            say(help.render().to_string().trim_end());
            return ExitCode::SUCCESS;
        }
    };
    let threads = arguments.threads.map_or_else(default_threads, usize::from);
    set_thread_counts(threads);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();

    let token = match read_token() {
        Ok(token) => token,
        Err(what) => return fail(EXIT_USAGE, &what),
    };
    if let Err(error) = end_with_stdin() {
        return fail(EXIT_SYSTEM, &StartError::System(error).to_string());
    }
    let options = Options {
        model: arguments.model,
        alias: arguments.alias,
        threads,
        context: arguments.ctx.and_then(|n| usize::try_from(n).ok()),
        idle_unload: (arguments.idle_unload_s > 0)
            .then(|| Duration::from_secs(arguments.idle_unload_s.into())),
    };
    let served = Server::prepare(options, token)
        .and_then(|server| server.run(|line| say(&line.to_string())));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = match &error {
                StartError::Model(_) => EXIT_MODEL,
                StartError::System(_) => EXIT_SYSTEM,
            };
            fail(code, &error.to_string())
        }
    }
}

/// Tells candle and rayon how many threads to use. Both read the environment when their pools
/// start, and candle offers no other way.
fn set_thread_counts(threads: usize) {
    let count = threads.to_string();
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        #[expect(
            unsafe_code,
            reason = "candle takes its thread count from the environment only"
        )]
        // SAFETY: called from `main` before anything else could have started a thread, so nobody
        // reads the environment at the same time.
        unsafe {
            std::env::set_var(name, &count);
        }
    }
}

/// The bearer token from the first line of stdin.
fn read_token() -> Result<String, String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(TOKEN_LINE_LIMIT)
        .read_line(&mut line)
        .map_err(|error| format!("The token could not be read from stdin ({error})."))?;
    let first: Option<FirstLine> = serde_json::from_str(&line).ok();
    first
        .map(|first| first.token)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            "The first line on stdin must be {\"token\":\"…\"} with a token in it.".to_owned()
        })
}

/// Ends the process when stdin does: a closed pipe is the one sign of a dead host that the system
/// always gives.
fn end_with_stdin() -> std::io::Result<()> {
    let watch = || {
        let mut scrap = [0_u8; 256];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut scrap) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(watch)?;
    Ok(())
}

/// Writes a line to stdout. A host that closed it is going away, and stdin will say so.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Reports why there will be no server, to the host and to whoever reads the log.
fn fail(code: u8, sentence: &str) -> ExitCode {
    say(&json!({"ready": false, "error": sentence}).to_string());
    let _ = writeln!(std::io::stderr(), "valechat-infer: {sentence}");
    ExitCode::from(code)
}
