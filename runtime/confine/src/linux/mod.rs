//! Three processes: *warden* (what the host spawned), *init* and the program.
//!
//! With namespaces, init is process 1 of a PID namespace, and the kernel kills every process of it
//! when init ends. The warden dies with the host (`PR_SET_PDEATHSIG` = KILL), init with the warden
//! (the same), so whichever of the three is killed, the namespace ends.
//!
//! Without, warden and init are subreapers (`PR_SET_CHILD_SUBREAPER`): a daemon's descendants stay
//! below init, or below the warden if init was killed. Each notices the other's end and then kills
//! all its own descendants. So here the warden must not die with the host but act: its
//! death signal is one it can read.
//!
//! The wish for a death signal is tied to the host's *thread* that spawned, and is forgotten when
//! credentials change, so it is set after the change of namespaces and nothing changes later.

mod descendants;
mod init;
mod namespaces;
mod signals;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, getppid, pipe2};
use vale_confine::{Status, Strength};

use crate::args::Start;
use crate::reap::reap_until;
use crate::{Doing as _, Failure, exec, fork};
use signals::{PARENT_GONE, Signals};

/// 128 + SIGKILL: nobody is left to read it.
const KILLED: i32 = 137;

/// How children can be held here. `reduced` asks for the weaker form.
pub(crate) fn probe(reduced: bool) -> Status {
    if reduced {
        return Status::new(Strength::Reduced, "asked for");
    }
    match namespaces::refusal() {
        None => Status::new(Strength::PidNamespace, ""),
        Some(why) => Status::new(Strength::Reduced, why),
    }
}

/// Starts the program and stays until it ended; gives the exit code.
pub(crate) fn run(start: &Start) -> Result<i32, Failure> {
    let signals = Signals::block().doing("blocking signals")?;
    let status = probe(start.reduced);
    if let Some(path) = &start.status {
        status.write(path).doing("writing the status")?;
    }
    let reduced = status.strength != Strength::PidNamespace;
    if reduced {
        prctl::set_child_subreaper(true).doing("becoming a subreaper")?;
        prctl::set_pdeathsig(PARENT_GONE).doing("watching the host")?;
    } else {
        namespaces::enter().doing("entering namespaces")?;
        prctl::set_pdeathsig(Signal::SIGKILL).doing("watching the host")?;
    }
    // It may have ended before the kernel knew that we want to hear of it.
    if !is_child_of(start.parent) {
        return Err(Failure::HostGone);
    }
    // Its end tells init of ours. Nobody but us may hold this side.
    let (life_line, held) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).doing("making a pipe")?;
    match fork::fork().doing("forking init")? {
        ForkResult::Child => {
            drop(held);
            init::run(start, &signals, &life_line, reduced)
        }
        ForkResult::Parent { child } => {
            drop(life_line);
            exec::let_go_of_pipes().doing("opening /dev/null")?;
            Ok(watch(start, &signals, child, reduced))
        }
    }
}

/// The warden's life: passes signals on until init or the host ended.
fn watch(start: &Start, signals: &Signals, init: Pid, reduced: bool) -> i32 {
    loop {
        match signals.next() {
            Signal::SIGCHLD => {
                if let Some(code) = reap_until(init) {
                    if reduced {
                        // Nothing is left unless init was killed.
                        descendants::end_all();
                    }
                    return code;
                }
            }
            // The spawning thread may have ended alone: then the process is still our parent.
            PARENT_GONE => {
                if reduced && !is_child_of(start.parent) {
                    descendants::end_all();
                    return KILLED;
                }
            }
            signal => {
                // It fails if init ended just now, which the next SIGCHLD tells.
                let _ = kill(init, signal);
            }
        }
    }
}

fn is_child_of(parent: u32) -> bool {
    i32::try_from(parent).is_ok_and(|parent| getppid() == Pid::from_raw(parent))
}
