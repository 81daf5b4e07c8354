//! Process 1 of the namespace, or what stands for it: starts the program, reaps orphans, ends.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, getpid, getppid, setsid};

use super::descendants;
use super::signals::{PARENT_GONE, Signals};
use crate::args::Start;
use crate::reap::reap_until;
use crate::{Doing as _, Failure, exec, fork};

/// Runs in the warden's fork. `life_line` ends with the warden. Returns the exit code.
pub(super) fn run(
    start: &Start,
    signals: &Signals,
    life_line: &OwnedFd,
    reduced: bool,
) -> Result<i32, Failure> {
    if reduced {
        prctl::set_child_subreaper(true).doing("becoming a subreaper")?;
    } else {
        // The life line would do, but this needs nothing of us, not even to be scheduled.
        prctl::set_pdeathsig(Signal::SIGKILL).doing("watching the warden")?;
    }
    // The warden may have ended before. Its process id cannot tell: it is 0 in a new namespace.
    if is_cut(life_line) {
        return Ok(super::KILLED);
    }
    // Away from the host's terminal. It cannot fail for a process that was forked just now.
    let _ = setsid();
    if !reduced {
        super::namespaces::mount_proc();
    }
    let init = getpid();
    match fork::fork().doing("forking the program")? {
        ForkResult::Child => become_program(start, signals, reduced.then_some(init)),
        ForkResult::Parent { child } => {
            exec::let_go_of_pipes().doing("opening /dev/null")?;
            let code = watch(signals, life_line, child);
            if reduced {
                descendants::end_all();
            }
            // In a namespace the kernel ends the others now, and the warden sees us end when they
            // have.
            Ok(code)
        }
    }
}

/// A jail, once there is one, goes in here: it is to hold the program and not init.
fn become_program(start: &Start, signals: &Signals, init: Option<Pid>) -> Result<i32, Failure> {
    // A set-uid program below would be beyond our signals where no namespace ends it.
    prctl::set_no_new_privs().doing("giving up new privileges")?;
    if let Some(init) = init {
        prctl::set_pdeathsig(Signal::SIGKILL).doing("watching init")?;
        if getppid() != init {
            return Ok(super::KILLED);
        }
    }
    Ok(exec::become_program(start, &signals.before))
}

/// Passes signals on until the program or the warden ended.
fn watch(signals: &Signals, life_line: &OwnedFd, program: Pid) -> i32 {
    loop {
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(life_line.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not, what is there to read is looked at below.
        let polled = poll(&mut fds, PollTimeout::NONE);
        let [signal, line] = fds.map(|fd| fd.any().unwrap_or(false));
        if polled == Err(Errno::EINTR) {
            continue;
        }
        if line {
            return super::KILLED;
        }
        if !signal {
            continue;
        }
        match signals.next() {
            Signal::SIGCHLD => {
                if let Some(code) = reap_until(program) {
                    return code;
                }
            }
            PARENT_GONE => {}
            signal => {
                // It fails if the program ended just now, which the next SIGCHLD tells.
                let _ = kill(program, signal);
            }
        }
    }
}

/// Whether the other side of the line is gone. Nothing is ever written to it.
fn is_cut(life_line: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(life_line.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
