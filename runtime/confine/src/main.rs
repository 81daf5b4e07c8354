//! `valechat-confine`: starts a program and ends it, and all that it started, with its host.
//!
//! One process, one thread, no allocation after a fork: std spawns children, and this program is
//! itself again in each role. Usage: `valechat-confine --parent <pid> -- <program> <arguments>`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(unix, not(target_os = "linux")))]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::process::ExitCode;

/// A program that cannot be started, as shells say it.
const NOT_STARTED: u8 = 127;

/// What the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Args {
    /// The process with which everything ends.
    parent: Option<u32>,
    /// Say what this machine allows.
    probe: bool,
    /// Do without namespaces.
    reduced: bool,
    /// Be the first process of the namespace; the number is the life line's.
    init: Option<i32>,
    /// Be replaced by the program, tied to the helper.
    exec: bool,
    program: Option<OsString>,
    arguments: Vec<OsString>,
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, String> {
    let mut args = args.into_iter();
    let mut parsed = Args::default();
    while let Some(arg) = args.next() {
        let mut number = |what: &str| -> Result<String, String> {
            let value = args.next().and_then(|value| value.into_string().ok());
            value.ok_or_else(|| format!("{what} needs a number"))
        };
        let wrong = |what: &str| format!("{what} needs a number");
        match arg.to_str() {
            Some("--probe") => parsed.probe = true,
            Some("--reduced") => parsed.reduced = true,
            Some("--exec") => parsed.exec = true,
            Some("--parent") => {
                let value = number("--parent")?.parse();
                parsed.parent = Some(value.map_err(|_| wrong("--parent"))?);
            }
            Some("--init") => {
                let value = number("--init")?.parse();
                parsed.init = Some(value.map_err(|_| wrong("--init"))?);
            }
            Some("--") => {
                parsed.program = args.next();
                parsed.arguments = args.collect();
                break;
            }
            other => return Err(format!("{} is not known", other.unwrap_or("an argument"))),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    let args = match parse(std::env::args_os().skip(1)) {
        Ok(args) => args,
        Err(problem) => return complain(&problem),
    };
    #[cfg(target_os = "linux")]
    return linux::run(&args);
    #[cfg(all(unix, not(target_os = "linux")))]
    return unix::run(&args);
    #[cfg(windows)]
    return windows::run(&args);
}

/// Says what is wrong where the host reads it.
fn complain(problem: &str) -> ExitCode {
    use std::io::Write as _;
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "valechat-confine: {problem}");
    ExitCode::from(NOT_STARTED)
}

fn program(args: &Args) -> Result<std::process::Command, String> {
    let program = args
        .program
        .as_ref()
        .ok_or("no program was named after --")?;
    let mut command = std::process::Command::new(program);
    command.args(&args.arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_dashes_is_the_programs_own() {
        let parsed = parse(["--parent", "7", "--", "prog", "--probe", "--"].map(OsString::from));
        let parsed = parsed.unwrap();
        assert_eq!((parsed.parent, parsed.probe), (Some(7), false));
        assert_eq!(parsed.program, Some("prog".into()));
        assert_eq!(parsed.arguments, ["--probe", "--"]);
        for wrong in [&["--parent"][..], &["--parent", "x"], &["prog"]] {
            assert!(
                parse(wrong.iter().map(OsString::from)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
