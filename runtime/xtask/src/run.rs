//! `cargo xtask run`: from a fresh clone to a running ValeChat.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::infer::{self, Level};
use crate::toolchain::Wasm;
use crate::workspace::Workspace;
use crate::{guests, model, peers, process, say};

/// What makes `run`'s arguments a command for `valechat` and not a message.
const COMMANDS: [&str; 10] = [
    "chat", "compare", "model", "provider", "key", "plugin", "tool", "status", "doctor", "help",
];
/// The program of `host-ui/cli`.
pub(crate) const CLI_PROGRAM: &str = "valechat";
/// Ends child processes with the host; it must lie beside `valechat`.
pub(crate) const CONFINE_PROGRAM: &str = "valechat-confine";

/// What the host needs to find, made ready.
pub(crate) struct Ready {
    /// The local model's file.
    pub(crate) model: PathBuf,
}

impl Ready {
    /// Builds the plugins and `valechat-infer` and gets the model; nothing is done twice.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub(crate) fn make(ws: &Workspace) -> Result<Self> {
        let wasm = Wasm::ensure(ws)?;
        guests::build_plugins(ws, &wasm)?;
        let model = model::ensure()?;
        infer::build(ws, Level::of_this_machine())?;
        Ok(Self { model })
    }

    /// The variables by which `valechat` and the tests find it.
    pub(crate) fn env(&self, ws: &Workspace) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("VALECHAT_PLUGINS", ws.plugins()),
            ("VALECHAT_INFER", ws.infer()),
            ("VALECHAT_MODEL", self.model.clone()),
        ]
    }
}

/// Makes everything ready and becomes `valechat`.
///
/// # Errors
/// When something cannot be built or fetched, or `valechat` cannot be started.
pub(crate) fn run(ws: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    let ready = Ready::make(ws)?;
    let mut cargo = ws.cargo("");
    cargo
        .arg("build")
        .args(HOST_PACKAGES)
        .args(["--bin", CLI_PROGRAM, "--bin", CONFINE_PROGRAM]);
    let program = process::executable(&process::build(&mut cargo)?, CLI_PROGRAM)?;
    let mut valechat = ws.child(program);
    become_program(valechat.args(arguments(args)).envs(ready.env(ws)))
}

/// The host's packages, chosen the same way for `run`, `test` and documents: the features of shared
/// dependencies depend on what is chosen, and other features mean compiling them again. Not xtask itself,
/// which is running, nor vale-inference, which has its own flags.
pub(crate) const HOST_PACKAGES: [&str; 5] = [
    "--workspace",
    "--exclude",
    "xtask",
    "--exclude",
    infer::PACKAGE,
];

/// `valechat`'s arguments: a command goes through as it is, anything else is a message to chat with.
fn arguments(args: &[OsString]) -> Vec<OsString> {
    let args = match args.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => args,
    };
    let is_command = args.first().is_some_and(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') || COMMANDS.contains(&&*first)
    });
    let chat = (!is_command).then(|| OsString::from("chat"));
    chat.into_iter().chain(args.iter().cloned()).collect()
}

#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("{} could not be started", process::shown(command)))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("{} could not be started", process::shown(command)))?;
    Ok(u8::try_from(status.code().unwrap_or(1)).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The program of the benches, of the package vale-tests.
const BENCH_PROGRAM: &str = "vale-bench";

/// Builds what the benches need and runs them with `args`.
///
/// # Errors
/// When something cannot be built, or a bench fails.
pub(crate) fn bench(ws: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    let ready = Ready::make(ws)?;
    guests::build_test_guests(ws, &Wasm::ensure(ws)?)?;
    let args = args
        .strip_prefix(&[OsString::from("--")][..])
        .unwrap_or(args);
    say("benches (release build)");
    let mut cargo = ws.cargo("");
    cargo.args(["build", "--release", "-p", "vale-tests"]);
    cargo.args(["-p", "vale-cli", "-p", "vale-confine"]);
    cargo.args(["--bin", BENCH_PROGRAM, "--bin", CLI_PROGRAM]);
    let built = process::build(cargo.args(["--bin", CONFINE_PROGRAM]))?;
    let litellm = peers::ensure_litellm(ws);
    let mut bench = ws.child(process::executable(&built, BENCH_PROGRAM)?);
    match litellm {
        Ok(program) => drop(bench.env("VALECHAT_LITELLM", program)),
        Err(error) => say(&format!("LiteLLM is not here to measure beside: {error:#}")),
    }
    match peers::ensure_mcp_everything(ws) {
        Ok((node, script)) => {
            bench.env("VALECHAT_NODE", node);
            bench.env("VALECHAT_MCP_EVERYTHING", script);
        }
        Err(error) => say(&format!("no MCP server to measure beside: {error:#}")),
    }
    bench
        .args(args)
        .env("VALECHAT_TEST_GUESTS", ws.test_guests())
        .envs(ready.env(ws))
        .env("VALECHAT_BIN", process::executable(&built, CLI_PROGRAM)?);
    process::run(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_chatted_and_a_command_goes_through() {
        for (given, expected) in [
            (&[][..], &["chat"][..]),
            (&["--"], &["chat"]),
            (&["--", "Say hello"], &["chat", "Say hello"]),
            (&["Say hello"], &["chat", "Say hello"]),
            (&["model trains are fun"], &["chat", "model trains are fun"]),
            (&["--", "provider", "list"], &["provider", "list"]),
            (&["doctor", "--json"], &["doctor", "--json"]),
            (&["--", "--help"], &["--help"]),
            (&["--", "--", "-1 + 1?"], &["--", "-1 + 1?"]),
        ] {
            let given: Vec<_> = given.iter().map(OsString::from).collect();
            assert_eq!(arguments(&given), expected, "{given:?}");
        }
    }
}
