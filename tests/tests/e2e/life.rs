//! Cancelling, dying, and what is left behind: nothing.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Profile;

const LONG: &str = "Write a very long story about the sea.";

/// Processes whose parent is this one, without those that only wait to be reaped.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let mut after_name = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, of) = (after_name.next(), after_name.next());
        of == Some(parent.to_string().as_str()) && state != Some("Z")
    })
    .collect()
}

fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits for a condition that another process brings about.
fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(name: &str, process: u32) {
    let done = Command::new("kill")
        .args([name, &process.to_string()])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn ctrl_c_cancels_says_what_was_received_and_leaves_no_process() {
    let (mut child, events) = Profile::new().chat_until_text(&[LONG]);
    let workers = children(child.id());
    assert!(
        !workers.is_empty(),
        "the local model runs in a process of its own"
    );
    signal("-INT", child.id());
    let last = events.last().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{last}");
    assert_eq!(last["type"], "cancelled", "{last}");
    assert!(last["received"]["characters"].as_u64() > Some(0), "{last}");
    soon("the model's process ends", || {
        workers.iter().all(|worker| !lives(*worker))
    });
}

#[test]
fn kill_9_of_the_host_leaves_no_survivor() {
    let (mut child, _events) = Profile::new().chat_until_text(&[LONG]);
    let workers = children(child.id());
    assert!(!workers.is_empty());
    signal("-KILL", child.id());
    child.wait().unwrap();
    soon("every child ends", || {
        workers.iter().all(|worker| !lives(*worker))
    });
}

#[test]
fn kill_9_of_the_model_keeps_the_text_and_gives_a_sentence() {
    let (mut child, events) = Profile::new().chat_until_text(&[LONG]);
    for worker in children(child.id()) {
        signal("-KILL", worker);
    }
    let last = events.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5), "{last}");
    assert_eq!(last["type"], "failed", "{last}");
    assert_eq!(last["received_anything"], true, "{last}");
    assert!(
        last["error"]["next_step"]
            .as_str()
            .is_some_and(|step| !step.is_empty()),
        "{last}"
    );
}
