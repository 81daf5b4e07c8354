//! Other Unix systems: the helper watches its parent and ends the process group. Descendants that
//! leave the group survive; nobody has run this yet.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{getpgrp, getppid};

use crate::{Args, complain, program};

/// How often the parent is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Args) -> ExitCode {
    if args.probe {
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), "reduced");
        return ExitCode::SUCCESS;
    }
    supervise(args).unwrap_or_else(|problem| complain(&problem))
}

fn supervise(args: &Args) -> Result<ExitCode, String> {
    let mut program = program(args)?;
    let name = program.get_program().display().to_string();
    let mut child = program
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(ExitCode::from(
                u8::try_from(status.code().unwrap_or(1) & 0xff).unwrap_or(1),
            ));
        }
        let parent = u32::try_from(getppid().as_raw()).unwrap_or_default();
        if args.parent.is_some_and(|expected| expected != parent) {
            // Itself too.
            let _ = killpg(getpgrp(), Signal::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
}
