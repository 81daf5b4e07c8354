//! macOS, which has neither namespaces nor death signals: kqueue(2) tells of a process's end.
//!
//! Two processes watch: the helper watches host and program, a *watchdog* forked from it watches
//! the helper. Each kills the program's process group. A descendant that left the group escapes.
//! Type-checked only: nobody has run this yet.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg};
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid};
use vale_confine::{Status, Strength};

use crate::args::Start;
use crate::reap::reap_until;
use crate::{Doing as _, Failure, exec, fork};

const PASSED_ON: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
/// 128 + SIGKILL: nobody is left to read it.
const KILLED: i32 = 137;

pub(crate) fn probe(_reduced: bool) -> Status {
    Status::new(
        Strength::Reduced,
        "macOS can end a process group, not what leaves it",
    )
}

pub(crate) fn run(start: &Start) -> Result<i32, Failure> {
    if let Some(path) = &start.status {
        probe(false).write(path).doing("writing the status")?;
    }
    let set: SigSet = PASSED_ON.into_iter().collect();
    let mask = set
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .doing("blocking signals")?;
    let host = Pid::from_raw(i32::try_from(start.parent).map_err(|_| Failure::HostGone)?);
    let queue = Kqueue::new().doing("making a kqueue")?;
    watch(&queue, host)?;
    if getppid() != host {
        return Err(Failure::HostGone);
    }
    let program = match fork::fork().doing("forking the program")? {
        ForkResult::Child => return Ok(exec::become_program(start, &mask)),
        ForkResult::Parent { child } => child,
    };
    // It does this too; whoever comes first, the group is there before the watchdog needs it.
    let _ = setpgid(program, program);
    let helper = getpid();
    if let ForkResult::Child = fork::fork().doing("forking the watchdog")? {
        exec::let_go_of_pipes().doing("opening /dev/null")?;
        return guard(helper, program);
    }
    exec::let_go_of_pipes().doing("opening /dev/null")?;
    for signal in PASSED_ON {
        let filter = EventFilter::EVFILT_SIGNAL;
        add(&queue, signal as usize, filter, FilterFlag::empty()).doing("watching signals")?;
    }
    let ended = watch(&queue, program);
    let code = if ended.is_ok() {
        serve(&queue, host, program)
    } else {
        None
    };
    // Before it is reaped: until then its id, and so its group's, is nobody else's.
    let _ = killpg(program, Signal::SIGKILL);
    if let Some(code) = code {
        return Ok(code);
    }
    loop {
        if let Some(code) = reap_until(program) {
            return Ok(code);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Passes signals on until the program ended, or the host, which gives a code.
fn serve(queue: &Kqueue, host: Pid, program: Pid) -> Option<i32> {
    loop {
        let event = next(queue)?;
        let id = i32::try_from(event.ident()).ok()?;
        match event.filter() {
            Ok(EventFilter::EVFILT_SIGNAL) => {
                if let Ok(signal) = Signal::try_from(id) {
                    let _ = kill(program, signal);
                }
            }
            _ if id == host.as_raw() => return Some(KILLED),
            _ => return None,
        }
    }
}

/// The watchdog's life. It ends with the helper, whose ordinary end leaves an empty group.
fn guard(helper: Pid, program: Pid) -> Result<i32, Failure> {
    let queue = Kqueue::new().doing("making a kqueue")?;
    if watch(&queue, helper).is_ok() && getppid() == helper {
        next(&queue);
    }
    let _ = killpg(program, Signal::SIGKILL);
    Ok(0)
}

/// Asks for word of a process's end.
fn watch(queue: &Kqueue, process: Pid) -> Result<(), Failure> {
    let id = usize::try_from(process.as_raw()).map_err(|_| Failure::HostGone)?;
    match add(queue, id, EventFilter::EVFILT_PROC, FilterFlag::NOTE_EXIT) {
        Err(Errno::ESRCH) => Err(Failure::HostGone),
        other => other.doing("watching a process"),
    }
}

fn add(queue: &Kqueue, id: usize, filter: EventFilter, what: FilterFlag) -> nix::Result<()> {
    let change = KEvent::new(id, filter, EvFlags::EV_ADD, what, 0, 0);
    queue.kevent(&[change], &mut [], None).map(drop)
}

fn next(queue: &Kqueue) -> Option<KEvent> {
    let empty = KEvent::new(
        0,
        EventFilter::EVFILT_USER,
        EvFlags::empty(),
        FilterFlag::empty(),
        0,
        0,
    );
    let mut events = [empty];
    loop {
        match queue.kevent(&[], &mut events, None) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Some(events[0]),
            Err(_) => return None,
        }
    }
}
