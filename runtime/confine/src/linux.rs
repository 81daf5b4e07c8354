//! Linux: a pid namespace whose first process is tied to the helper, which is tied to the host.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getgid, getppid, getuid, pipe2};

use crate::{Args, complain, program};

/// Tells a reduced helper that its host is gone. Not a signal that programs are sent by others.
const HOST_GONE: Signal = Signal::SIGUSR2;

pub(crate) fn run(args: &Args) -> ExitCode {
    let done = if args.probe {
        probe()
    } else if args.exec {
        exec(args)
    } else if let Some(life_line) = args.init {
        init(args, life_line)
    } else if args.reduced {
        reduced(args)
    } else {
        helper(args)
    };
    done.unwrap_or_else(|problem| complain(&problem))
}

fn probe() -> Result<ExitCode, String> {
    let words = match namespace() {
        Ok(()) => "pid-namespace",
        Err(_) => "reduced",
    };
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{words}").map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Puts the children to come into a pid namespace of their own. The user keeps their name in it, so
/// that files keep their owner.
fn namespace() -> Result<(), Errno> {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)?;
    // The order matters: a group map is refused before setgroups is (user_namespaces(7)).
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ];
    for (file, line) in maps {
        std::fs::write(format!("/proc/self/{file}"), line)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
    }
    Ok(())
}

/// Asks the kernel for a signal when the parent is gone, and ends at once if it is gone already.
fn tie(args: &Args, signal: Signal) -> Result<(), String> {
    prctl::set_pdeathsig(signal).map_err(|error| format!("cannot be tied to the host: {error}"))?;
    let parent = u32::try_from(getppid().as_raw()).unwrap_or_default();
    match args.parent {
        Some(expected) if expected != parent => Err("the host is gone".to_owned()),
        _ => Ok(()),
    }
}

/// The process that the host starts.
fn helper(args: &Args) -> Result<ExitCode, String> {
    tie(args, Signal::SIGKILL)?;
    if namespace().is_err() {
        return reduced(args);
    }
    // The new user namespace has cleared it (prctl(2)).
    tie(args, Signal::SIGKILL)?;
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(|error| error.to_string())?;
    fcntl(&read, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|error| error.to_string())?;
    let signals = block();
    let mut init = again();
    init.arg("--init").arg(read.as_raw_fd().to_string());
    let child = spawn(with_program(&mut init, args))?;
    drop(read);
    let status = follow(&child, &signals, false)?;
    drop(write);
    Ok(status)
}

/// The first process of the namespace: when it ends, the kernel ends every other one.
fn init(args: &Args, life_line: i32) -> Result<ExitCode, String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())?;
    let life_line = inherited(life_line);
    // The helper may have died before it was asked for: then nobody holds the other end.
    let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
    fcntl(&life_line, flags).map_err(|error| error.to_string())?;
    if nix::unistd::read(&life_line, &mut [0]) != Err(Errno::EAGAIN) {
        return Err("the host is gone".to_owned());
    }
    fcntl(&life_line, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|error| error.to_string())?;
    let signals = block();
    let child = spawn(&mut program(args)?)?;
    follow(&child, &signals, false)
}

/// Without namespaces: this process is the one that orphans come to, and it ends them.
fn reduced(args: &Args) -> Result<ExitCode, String> {
    tie(args, HOST_GONE)?;
    prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let signals = block();
    let mut exec = again();
    exec.arg("--exec")
        .arg("--parent")
        .arg(std::process::id().to_string());
    let child = spawn(with_program(&mut exec, args))?;
    let status = follow(&child, &signals, true);
    end_descendants();
    status
}

/// Becomes the program, which is ended when the helper is.
fn exec(args: &Args) -> Result<ExitCode, String> {
    tie(args, Signal::SIGKILL)?;
    let mut program = program(args)?;
    let error = program.exec();
    Err(not_started(&program, &error))
}

/// This program in another role.
fn again() -> Command {
    Command::new("/proc/self/exe")
}

fn with_program<'c>(command: &'c mut Command, args: &Args) -> &'c mut Command {
    command.arg("--").args(&args.program).args(&args.arguments)
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    // std gives the child an empty signal mask.
    command
        .spawn()
        .map_err(|error| not_started(command, &error))
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    format!(
        "{} cannot be started: {error}",
        command.get_program().display()
    )
}

/// Signals wait from now on until they are asked for.
fn block() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        HOST_GONE,
    ] {
        signals.add(signal);
    }
    // Fails only for an impossible argument.
    let _ = signals.thread_block();
    signals
}

/// Passes signals on to the child and reaps whoever ends, until the child has ended.
fn follow(child: &Child, signals: &SigSet, is_reduced: bool) -> Result<ExitCode, String> {
    let child = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    loop {
        match signals.wait().map_err(|error| error.to_string())? {
            Signal::SIGCHLD => {
                if let Some(status) = reap(child) {
                    return Ok(code(status));
                }
            }
            signal if is_reduced && signal == HOST_GONE => return Ok(ExitCode::FAILURE),
            // It may have ended in this moment.
            signal => drop(kill(child, signal)),
        }
    }
}

/// Reaps everybody who has ended; the child's status, if it is among them.
fn reap(child: Pid) -> Option<WaitStatus> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return found,
            Ok(status) if status.pid() == Some(child) => found = Some(status),
            Ok(_) => {}
        }
    }
}

fn code(status: WaitStatus) -> ExitCode {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => 1,
    };
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}

/// Ends whoever is left, and those who come to this process when their parents end.
fn end_descendants() {
    // Each round ends a generation; one that forks faster than this is beyond this mode.
    for _ in 0..1000 {
        let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        let children: Vec<i32> = list
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect();
        if children.is_empty() {
            return;
        }
        for child in children {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(child), None);
        }
    }
}

/// The life line that the helper left open for this process.
#[expect(unsafe_code, reason = "a descriptor that was passed by number")]
fn inherited(fd: i32) -> OwnedFd {
    // SAFETY: the helper opened it for this process alone, and nothing here has touched it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
