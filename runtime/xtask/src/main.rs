//! Every chore of the repository, as `cargo xtask <chore>`: no script, no tool to install beforehand.
//!
//! A chore does its own set-up: it finds or installs a wasm toolchain, builds the guests to components, fetches
//! the local model and builds the programs. xtask knows the layout of the repository and the names of crates;
//! it depends on none of them, because a fresh machine builds it before anything else (about 80 s of CPU).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person at the terminal"
)]

mod examples;
mod fetch;
mod files;
mod guests;
mod infer;
mod llama;
mod machine;
mod model;
mod peers;
mod prices;
mod process;
mod run;
mod steps;
mod tally;
mod test;
mod toolchain;
mod windows;
mod workspace;
mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::infer::Level;
use crate::toolchain::Wasm;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask <chore>: build, run and check ValeChat

  run [--] [message | command …]   build all that is needed and start valechat
  test [--full] [filter]           every check: format, lints, tests, documents
  plugins [--test-guests]          build the plugins to wasm components
  examples                         build the plugins that `valechat plugin new` hands out
  model                            fetch the local model, print where it lies
  infer [--baseline]               build the local model's program for this CPU
  bench [--] [arguments …]         release build, benches
  check-windows                    type-check the host for Windows
  prices                           refresh the price book's data, print what changed

`cargo xtask <chore> --help` says more. Variables that chores obey:
  CARGO_TARGET_DIR         where everything is built
  VALECHAT_CACHE           where the model is kept, instead of `valechat` in the user's cache folder
  VALECHAT_MODEL           a GGUF file to use; nothing is fetched
  VALECHAT_WASM_TOOLCHAIN  installed, rustup or debian: that way only
";

const HELP_RUN: &str = "\
cargo xtask run [--] [message | command …]

Builds the plugins, valechat-infer and valechat, fetches the local model once, and starts valechat:
without arguments an interactive chat, with a message one answer. What begins with `-` or with one of
chat, compare, model, provider, key, plugin, status, doctor, help goes to valechat as it is:
  cargo xtask run -- \"Say hello\"
  cargo xtask run -- provider list
";

const HELP_TEST: &str = "\
cargo xtask test [--full] [filter]

Runs every check until one fails, prints what each step took and what was skipped and why, and ends with
`N passed, N failed, N skipped`. The exit code is 0 only when all passed.
  --full   also what takes long: 100 times the random cases (VALECHAT_FULL=1), ignored tests, the baseline
           build of valechat-infer; appends the result to tests/REPORT.md
  filter   only tests with this in their name; no format, lints or documents

A test that cannot do its work here appends one line with the reason to the file $VALECHAT_SKIP_LOG and
returns; it is then counted as skipped, not as passed. Tests find what is built through VALECHAT_PLUGINS,
VALECHAT_INFER, VALECHAT_MODEL, VALECHAT_TEST_MODEL, VALECHAT_TEST_GUESTS and VALECHAT_BIN.
";

const HELP_PLUGINS: &str = "\
cargo xtask plugins [--test-guests]

Builds every cdylib crate of plugins/ for wasm32, makes components of them and lays each folder with a
plugin.toml out as <CARGO_TARGET_DIR>/plugins/<id>/{plugin.toml,component.wasm}. A folder without a crate
names the one whose component it uses: `component = \"provider-openai\"`.
  --test-guests   also the components of tests/guests, into <CARGO_TARGET_DIR>/test-guests
";

const HELP_EXAMPLES: &str = "\
cargo xtask examples

Lays the examples of plugins/examples out as the projects that `valechat plugin new` writes, in
<CARGO_TARGET_DIR>/examples-projects/<language>, gets the toolchains of Python and JavaScript, builds, and
puts each plugin into <CARGO_TARGET_DIR>/examples/<language>/{plugin.toml,component.wasm}.
";

const HELP_OTHER: &str = "This chore has no more to say than `cargo xtask --help` does.\n";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[OsString]) -> Result<ExitCode> {
    let Some((chore, rest)) = args.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::FAILURE);
    };
    let chore = chore.to_string_lossy();
    if let Some(help) = help(&chore, rest) {
        print!("{help}");
        return Ok(ExitCode::SUCCESS);
    }
    match &*chore {
        "run" => return run::run(&Workspace::find()?, rest),
        "bench" => return run::bench(&Workspace::find()?, rest),
        "test" => {
            let options = test::parse(rest)?;
            return test::test(&Workspace::find()?, &options);
        }
        "prices" => {
            no_arguments(&chore, rest)?;
            prices::refresh(&Workspace::find()?)?;
        }
        "plugins" => {
            let test_guests = flag(&chore, rest, "--test-guests")?;
            let ws = Workspace::find()?;
            let wasm = Wasm::ensure(&ws)?;
            guests::say_built(
                "plugins",
                &guests::build_plugins(&ws, &wasm)?,
                &ws.plugins(),
            );
            if test_guests {
                guests::say_built(
                    "test guests",
                    &guests::build_test_guests(&ws, &wasm)?,
                    &ws.test_guests(),
                );
            }
        }
        "examples" => {
            no_arguments(&chore, rest)?;
            let ws = Workspace::find()?;
            let built = examples::build(&ws, &Wasm::ensure(&ws)?, &workspace::cache_dir()?)?;
            examples::say_built(&ws, &built);
        }
        "model" => {
            no_arguments(&chore, rest)?;
            println!("{}", model::ensure()?.display());
        }
        "infer" => {
            let level = if flag(&chore, rest, "--baseline")? {
                Level::Baseline
            } else {
                Level::of_this_machine()
            };
            println!("{}", infer::build(&Workspace::find()?, level)?.display());
        }
        "check-windows" => {
            no_arguments(&chore, rest)?;
            windows::check(&Workspace::find()?)?;
        }
        _ => bail!("there is no chore called {chore:?}; `cargo xtask --help` lists them"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The help that was asked for. After `run --`, `--help` is valechat's.
fn help(chore: &str, rest: &[OsString]) -> Option<&'static str> {
    if ["help", "--help", "-h"].contains(&chore) {
        return Some(HELP);
    }
    let first = rest.first()?.to_string_lossy();
    (first == "--help" || first == "-h").then_some(match chore {
        "run" => HELP_RUN,
        "test" => HELP_TEST,
        "plugins" => HELP_PLUGINS,
        "examples" => HELP_EXAMPLES,
        _ => HELP_OTHER,
    })
}

/// Whether the one flag that a chore knows was given.
fn flag(chore: &str, rest: &[OsString], known: &str) -> Result<bool> {
    match rest {
        [] => Ok(false),
        [only] if only == known => Ok(true),
        _ => bail!("{chore} takes {known} or nothing; see `cargo xtask --help`"),
    }
}

fn no_arguments(chore: &str, rest: &[OsString]) -> Result<()> {
    if !rest.is_empty() {
        bail!("{chore} takes no arguments");
    }
    Ok(())
}

/// A line of xtask's own, told apart from what its children write.
fn say(line: &str) {
    eprintln!("== {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn help_is_there_for_every_chore_and_run_passes_it_on_after_two_dashes() {
        assert_eq!(help("--help", &[]), Some(HELP));
        assert_eq!(help("run", &os(&["--help"])), Some(HELP_RUN));
        assert_eq!(help("run", &os(&["--", "--help"])), None);
        assert_eq!(help("model", &os(&["-h"])), Some(HELP_OTHER));
        assert_eq!(help("run", &[]), None);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(dispatch(&os(&["rnu"])).is_err());
        assert!(dispatch(&os(&["model", "x"])).is_err());
        assert!(flag("infer", &os(&["--base"]), "--baseline").is_err());
        assert!(flag("infer", &os(&["--baseline"]), "--baseline").unwrap());
    }
}
