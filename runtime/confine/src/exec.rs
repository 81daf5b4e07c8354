//! Becoming the program, and letting go of what is the program's.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, setpgid};

use crate::args::Start;
use crate::complain;

/// There is no such program; the shell's code for it.
const NOT_FOUND: i32 = 127;
/// There is one, and it cannot be started; the shell's code for it.
const NOT_STARTED: i32 = 126;

/// Turns this process into the program, with the signal mask that the host gave. Returns the exit
/// code if that fails.
pub(crate) fn become_program(start: &Start, mask: &SigSet) -> i32 {
    // A group of its own, so that who ends the group does not end the process that watches it. It
    // cannot fail for a process that was forked just now.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    if let Err(error) = mask.thread_set_mask() {
        complain(&format!("restoring the signals: {error}"));
        return crate::FAILED;
    }
    let error = Command::new(&start.program).args(&start.args).exec();
    complain(&format!("{}: {error}", start.program.display()));
    if error.kind() == ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_STARTED
    }
}

/// Lets go of the pipes to the host: only the program may hold them, so that the host sees their
/// end when the *program* closes them.
pub(crate) fn let_go_of_pipes() -> nix::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)
}
