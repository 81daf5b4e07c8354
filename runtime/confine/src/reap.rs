//! Taking note of children that ended.

use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};

/// What there was to reap.
pub(crate) enum Reaped {
    /// This child ended, with this exit code as a shell gives it: 128 + n for signal n.
    One(Pid, i32),
    /// Children live, none has ended.
    NoneYet,
    /// There are no children.
    NoChildren,
}

/// Reaps one child that ended, without waiting.
pub(crate) fn reap() -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                return Reaped::One(Pid::from_raw(pid.as_raw_pid()), code(status));
            }
            Ok(None) => return Reaped::NoneYet,
            Err(Errno::INTR) => {}
            // wait(2) has no other error for these arguments than ECHILD.
            Err(_) => return Reaped::NoChildren,
        }
    }
}

/// Reaps all children that ended. Gives the exit code of `child` if it is among them, or if it is
/// no child any more: whoever ignores SIGCHLD and starts the helper makes the kernel forget codes.
pub(crate) fn reap_until(child: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match reap() {
            Reaped::One(pid, its) if pid == child => code = Some(its),
            Reaped::One(..) => {}
            Reaped::NoneYet => return code,
            Reaped::NoChildren => return code.or(Some(crate::FAILED)),
        }
    }
}

fn code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => crate::FAILED,
    }
}
