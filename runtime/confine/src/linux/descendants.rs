//! Ending all descendants where no namespace does it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::reap::{Reaped, reap};

/// After this the rest is left with a pending KILL: the kernel holds it in an uninterruptible wait
/// (a dead network drive), and it ends when that does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills every process below this one, and returns when they are gone. This process must be a
/// subreaper, so that those whose parent ended are still below it.
///
/// They are stopped first, until a search finds no new one: else a process that forks faster than
/// we search would win, and one that its parent reaps in between might leave its id to a stranger.
pub(super) fn end_all() {
    let until = Instant::now() + PATIENCE;
    let mut stopped = HashSet::new();
    while has_children() {
        if Instant::now() > until {
            for pid in below(getpid()) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            return;
        }
        let new: Vec<Pid> = below(getpid())
            .into_iter()
            .filter(|pid| !stopped.contains(pid))
            .collect();
        for pid in &new {
            // It fails for one that has just ended.
            let _ = kill(*pid, Signal::SIGSTOP);
        }
        if new.is_empty() {
            for pid in stopped.drain() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stopped.extend(new);
    }
}

/// Reaps what ended, and says whether anything is left.
fn has_children() -> bool {
    loop {
        match reap() {
            Reaped::One(..) => {}
            Reaped::NoneYet => return true,
            Reaped::NoChildren => return false,
        }
    }
}

/// All processes below `root`, as far as `/proc` shows them.
fn below(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|id| id.parse().ok());
        let Some(id) = id else { continue };
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root.as_raw()];
    while let Some(parent) = open.pop() {
        // Taken out, so that a list read while ids were given anew cannot make us go in circles.
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child);
            found.push(Pid::from_raw(child));
        }
    }
    found
}

/// The parent of a process. One that ended may count: its first thread can end before others.
fn parent(id: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // proc(5): the name may hold spaces and brackets; after its last bracket come state and parent.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}
