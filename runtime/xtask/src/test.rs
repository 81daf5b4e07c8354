//! `cargo xtask test`: every check of the repository, step by step, with times and an honest last line.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::infer::{self, Level};
use crate::peers::{self, Peers};
use crate::run::{CLI_PROGRAM, CONFINE_PROGRAM, HOST_PACKAGES, Ready};
use crate::steps::{Runner, Step};
use crate::tally::{SkipLog, Tally};
use crate::toolchain::Wasm;
use crate::workspace::{self, Workspace};
use crate::{examples, guests, machine, model, process, say};

/// A program over the runtime as a stranger would write it.
const EMBED: &str = "tests/embed";

/// What the person asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Also what takes long; the result goes to tests/REPORT.md.
    pub(crate) full: bool,
    /// Only tests with this in their name, and no other checks.
    pub(crate) filter: Option<String>,
}

/// Runs the steps; prints the table and the counts whatever happens.
///
/// # Errors
/// When the run cannot begin, or its result cannot be noted. Failed steps are the exit code's matter.
pub(crate) fn test(ws: &Workspace, options: &Options) -> Result<ExitCode> {
    let mut runner = Runner::new(&ws.target)?;
    let passed = steps(ws, options, &mut runner).is_some();
    let report = runner.report();
    if options.full {
        note(ws, options, &report)?;
    }
    println!("\n{report}");
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn steps(ws: &Workspace, options: &Options, runner: &mut Runner) -> Option<()> {
    let filtered = options
        .filter
        .is_some()
        .then_some("only tests were asked for, by a name");
    let has_test_guests = ws.has_crate(guests::TEST_GUESTS);
    let no_test_guests = (!has_test_guests).then_some("tests/guests holds no crate");

    let wasm = runner.step(Step::Toolchain, |_, _| {
        let wasm = Wasm::ensure(ws)?;
        say(&format!("guests: {}", wasm.describe()));
        ensure_component(ws, "fmt", "rustfmt")?;
        ensure_component(ws, "clippy", "clippy")?;
        Ok(wasm)
    })?;
    runner.check(Step::Format, filtered, || {
        [
            "",
            guests::PLUGINS,
            guests::TEST_GUESTS,
            examples::RUST,
            EMBED,
        ]
        .into_iter()
        .filter(|folder| ws.has_crate(folder))
        .try_for_each(|folder| process::run(ws.cargo(folder).args(["fmt", "--all", "--check"])))
    })?;
    runner.step(Step::Guests, |_, _| {
        guests::say_built("plugins", &guests::build_plugins(ws, &wasm)?, &ws.plugins());
        if has_test_guests {
            guests::say_built(
                "test guests",
                &guests::build_test_guests(ws, &wasm)?,
                &ws.test_guests(),
            );
        }
        Ok(())
    })?;
    runner.step(Step::GuestTests, |tally, log| {
        let mut cargo = guest_cargo(ws, guests::PLUGINS);
        cargo_test(cargo.args(["test", "--workspace"]), options, tally, log)?;
        let mut cargo = guest_cargo(ws, examples::RUST);
        cargo_test(cargo.args(["test", "--locked"]), options, tally, log)
    })?;
    let model = runner.step(Step::Model, |_, _| model::ensure())?;
    let peers = runner.step(Step::Peers, |_, _| {
        peers::ensure_keyring(ws);
        peers::ensure(ws, options.full)
    })?;
    runner.step(Step::Examples, |_, _| {
        examples::say_built(ws, &examples::build(ws, &wasm, &workspace::cache_dir()?)?);
        Ok(())
    })?;
    let level = Level::of_this_machine();
    runner.step(Step::Infer, |_, _| {
        infer::build(ws, level)?;
        if options.full && level != Level::Baseline {
            infer::build(ws, Level::Baseline)?;
        }
        Ok(())
    })?;
    runner.check(Step::Clippy, filtered, || {
        clippy(ws.cargo("").args(["clippy", "--workspace"]))
    })?;
    runner.check(Step::GuestClippy, filtered, || {
        clippy(guest_cargo(ws, guests::PLUGINS).args(["clippy", "--workspace"]))?;
        clippy(guest_cargo(ws, examples::RUST).arg("clippy"))
    })?;
    let no_wasm_clippy = match &wasm {
        Wasm::Active => None,
        Wasm::Debian { .. } => Some("Debian's Rust has no clippy for wasm"),
    };
    runner.check(
        Step::TestGuestClippy,
        filtered.or(no_test_guests).or(no_wasm_clippy),
        || {
            let target = [
                "clippy",
                "--workspace",
                "--target",
                "wasm32-unknown-unknown",
            ];
            process::run(guest_cargo(ws, guests::TEST_GUESTS).args(target).args([
                "--examples",
                "--",
                "-D",
                "warnings",
            ]))
        },
    )?;
    let valechat = runner.step(Step::HostBuild, |_, _| {
        let mut cargo = ws.cargo("");
        // Tests are built along, so that what they share with the program is compiled once.
        cargo.arg("build").args(HOST_PACKAGES).args([
            "--tests",
            "--bin",
            CLI_PROGRAM,
            "--bin",
            CONFINE_PROGRAM,
        ]);
        process::executable(&process::build(&mut cargo)?, CLI_PROGRAM)
    })?;
    let embed = runner.step(Step::Embed, |_, _| {
        let mut cargo = ws.cargo(EMBED);
        process::executable(&process::build(cargo.args(["build", "--locked"]))?, "embed")
    })?;
    let mut env = test_env(ws, options, &runner.log, model, peers, valechat);
    env.push(("VALECHAT_EMBED", embed));
    runner.step(Step::HostTests, |tally, log| {
        let mut cargo = ws.cargo("");
        cargo_test(
            cargo.arg("test").args(HOST_PACKAGES).envs(env.clone()),
            options,
            tally,
            log,
        )
    })?;
    runner.step(Step::XtaskTests, |tally, log| {
        cargo_test(
            ws.cargo("").args(["test", "-p", "xtask"]).envs(env.clone()),
            options,
            tally,
            log,
        )
    })?;
    runner.step(Step::InferTests, |tally, log| {
        let mut cargo = level.cargo(ws);
        cargo_test(
            cargo.args(["test", "-p", infer::PACKAGE]).envs(env.clone()),
            options,
            tally,
            log,
        )
    })?;
    runner.check(Step::Docs, filtered, || {
        process::run(ws.cargo("").env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
        ]))
    })
}

/// What tests are told, beside what the program is told.
fn test_env(
    ws: &Workspace,
    options: &Options,
    log: &SkipLog,
    model: PathBuf,
    peers: Peers,
    valechat: PathBuf,
) -> Vec<(&'static str, PathBuf)> {
    let ready = Ready {
        model: model.clone(),
    };
    let mut env = ready.env(ws);
    env.push(("VALECHAT_TEST_MODEL", model));
    env.push(("VALECHAT_TEST_GUESTS", ws.test_guests()));
    env.push(("VALECHAT_EXAMPLES", ws.examples()));
    env.push(("VALECHAT_NODE", peers.node));
    env.push(("VALECHAT_AIMOCK", peers.aimock));
    if let Some(program) = peers.ollama_proxy {
        env.push(("VALECHAT_OLLAMA_PROXY", program));
    }
    if let Some(program) = peers.llama_server {
        env.push(("VALECHAT_LLAMA_SERVER", program));
    }
    env.push(("VALECHAT_BIN", valechat));
    env.push(("VALECHAT_SKIP_LOG", log.path().to_owned()));
    if options.full {
        env.push(("VALECHAT_FULL", "1".into()));
    }
    env
}

/// Runs a `cargo test` to its end, all of its programs even when one fails, and counts.
fn cargo_test(
    cargo: &mut Command,
    options: &Options,
    tally: &mut Tally,
    log: &mut SkipLog,
) -> Result<()> {
    count_tests(cargo, options, &mut std::io::stdout(), tally, log)
}

fn count_tests(
    cargo: &mut Command,
    options: &Options,
    out: &mut dyn Write,
    tally: &mut Tally,
    log: &mut SkipLog,
) -> Result<()> {
    cargo
        .arg("--no-fail-fast")
        .env("VALECHAT_SKIP_LOG", log.path());
    if options.full {
        cargo.env("VALECHAT_FULL", "1");
    }
    cargo.args(&options.filter);
    if options.full {
        // Tests named `inside_…` are run by others, in a process of their own.
        cargo.args(["--", "--include-ignored", "--skip", "inside_"]);
    }
    let status = process::tee(cargo, out, |line| tally.read_line(line))?;
    log.read_into(tally);
    if !status.success() {
        bail!("`{}` failed ({status})", process::shown(cargo));
    }
    Ok(())
}

/// cargo for a guest workspace, natively, beside the guests' wasm build.
fn guest_cargo(ws: &Workspace, folder: &str) -> Command {
    let mut cargo = ws.cargo(folder);
    cargo.env("CARGO_TARGET_DIR", ws.target.join("guests"));
    cargo
}

fn clippy(cargo: &mut Command) -> Result<()> {
    process::run(cargo.args(["--all-targets", "--", "-D", "warnings"]))
}

/// Makes sure of a part of the toolchain that minimal installations lack.
fn ensure_component(ws: &Workspace, subcommand: &str, component: &str) -> Result<()> {
    if process::succeeds(ws.cargo("").args([subcommand, "--version"])) {
        return Ok(());
    }
    say(&format!("rustup component add {component}"));
    process::run(ws.child("rustup").args(["component", "add", component]))
        .with_context(|| format!("cargo {subcommand} is missing: install {component}"))
}

/// Appends the result to the report that is kept in the repository.
fn note(ws: &Workspace, options: &Options, report: &str) -> Result<()> {
    let path = ws.root.join("tests/REPORT.md");
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|_| {
        "# Results of `cargo xtask test --full`\n\nAppended by the command itself.\n".to_owned()
    });
    let only = options.filter.as_ref().map_or(String::new(), |filter| {
        format!(", only tests named like `{filter}`")
    });
    text.push_str(&format!(
        "\n## {}: {}{only}\n\n{}\n\n```text\n{report}\n```\n",
        machine::today(),
        machine::commit(ws),
        machine::describe(),
    ));
    std::fs::write(&path, text).with_context(|| format!("{} could not be written", path.display()))
}

/// Reads `[--full] [filter]`.
///
/// # Errors
/// When an argument is not known.
pub(crate) fn parse(args: &[OsString]) -> Result<Options> {
    let mut options = Options::default();
    for arg in args.iter().map(|arg| arg.to_string_lossy()) {
        match &*arg {
            "--full" => options.full = true,
            flag if flag.starts_with('-') => {
                bail!("test knows no {flag}; see `cargo xtask test --help`")
            }
            filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
            extra => bail!("test takes one filter, and {extra:?} is a second one"),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_output_of_tests_is_counted_and_their_failure_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut tally, mut log) = (Tally::default(), SkipLog::create(dir.path()).unwrap());
        let result = "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured";
        let script = format!(
            "echo '{result}'; echo 'SKIPPED: no display' >> \"$VALECHAT_SKIP_LOG\"; exit 101"
        );
        let (mut shell, mut out) = (process::command("sh"), Vec::new());
        shell.args(["-c", &script]);
        // Into a buffer: on the real output, the run that runs this test would count these lines as well.
        let ended = count_tests(
            &mut shell,
            &Options::default(),
            &mut out,
            &mut tally,
            &mut log,
        );
        assert!(ended.is_err());
        assert_eq!(tally.summary(), "3 passed, 1 failed, 1 skipped");
        assert_eq!(String::from_utf8(out).unwrap().trim(), result);
    }

    #[test]
    fn arguments_are_a_flag_and_one_filter() {
        let parse = |args: &[&str]| parse(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(parse(&[]).unwrap(), Options::default());
        assert_eq!(
            parse(&["sse", "--full"]).unwrap(),
            Options {
                full: true,
                filter: Some("sse".into())
            }
        );
        assert!(parse(&["--ful"]).is_err());
        assert!(parse(&["a", "b"]).is_err());
    }
}
