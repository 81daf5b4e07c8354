//! A user namespace, which an ordinary user may make, and a PID namespace inside it.

use std::io::{Read as _, Write as _};
use std::{fs, io};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, getegid, geteuid, pipe2};

use crate::fork;

/// Moves this process into a new user namespace, and the children it will have into a new PID
/// namespace. Users and groups keep their numbers, as far as an ordinary user may say so: the own
/// user and group. Others appear as 65534; what files they may touch stays as it is.
pub(super) fn enter() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)?;
    // user_namespaces(7): without CAP_SETGID outside, only after setgroups is given up.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Gives process 1 a `/proc` that shows its namespace. Without it `/proc/<own id>` is a stranger,
/// and programs that look after their children there (pgrep, psutil, npm's tree-kill) find the
/// host's. It needs a mount namespace, which gets the host's later mounts and gives none back
/// (mount_namespaces(7): one that another user namespace owns is a slave). Nothing else is mounted.
///
/// A container that hides parts of its `/proc` refuses this. The children end all the same, so
/// nobody is told.
pub(super) fn mount_proc() {
    if unshare(CloneFlags::CLONE_NEWNS).is_ok() {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let _ = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>);
    }
}

/// Why this machine refuses namespaces; none = it does not.
///
/// A child tries, because there is no way back from a namespace in which the mapping of users
/// failed: Ubuntu's AppArmor lets one be made and then takes its rights away.
pub(super) fn refusal() -> Option<String> {
    match trial() {
        Ok(why) if why.is_empty() => None,
        Ok(why) => Some(why),
        Err(error) => Some(format!("trying namespaces: {error}")),
    }
}

fn trial() -> io::Result<String> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    if let ForkResult::Child = fork::fork()? {
        drop(read);
        if let Err(why) = try_here() {
            // The reader takes silence and a code other than 0 for a refusal too.
            let _ = fs::File::from(write).write_all(why.as_bytes());
            std::process::exit(1);
        }
        std::process::exit(0);
    }
    drop(write);
    let mut why = String::new();
    fs::File::from(read).read_to_string(&mut why)?;
    if wait_for_only_child()? != 0 && why.is_empty() {
        return Err(io::Error::other("the trial died"));
    }
    Ok(why)
}

fn try_here() -> Result<(), String> {
    enter().map_err(|error| format!("user namespaces are refused here: {error}"))?;
    let no_init = |error: io::Error| format!("PID namespaces are refused here: {error}");
    if let ForkResult::Child = fork::fork().map_err(|error| no_init(error.into()))? {
        std::process::exit(0);
    }
    match wait_for_only_child().map_err(no_init)? {
        0 => Ok(()),
        code => Err(no_init(io::Error::other(format!("exit code {code}")))),
    }
}

fn wait_for_only_child() -> io::Result<i32> {
    use rustix::process::{WaitOptions, wait};
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status.exit_status().unwrap_or(crate::FAILED)),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
