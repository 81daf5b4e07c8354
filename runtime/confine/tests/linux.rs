//! Real processes that do not want to end, and the ways in which their host does.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use vale_confine::{Confine, Strength};

const HELPER: &str = env!("CARGO_BIN_EXE_valechat-confine");

fn confine() -> Confine {
    Confine::new(Some(HELPER.into()))
}

/// Names one test's processes: an argument of `sleep` that no other has.
fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "9{}{:03}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    )
}

/// Ignores every signal that can be ignored, and has a daemon for a grandchild that does so too and
/// lives in a session of its own.
fn stubborn(marker: &str) -> String {
    format!(
        "trap '' TERM INT HUP; (setsid sh -c \"trap '' TERM INT HUP; sleep {marker} & wait\" </dev/null >/dev/null 2>&1 &); sleep {marker} & wait; sleep {marker}"
    )
}

/// Processes that have the marker as an argument.
fn alive(marker: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.first() == Some(&&b"sleep"[..]) && words.contains(&marker.as_bytes())
    })
    .collect()
}

fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill(signal: &str, process: u32) {
    let done = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(done.unwrap().success());
}

/// The helper as a command, in its usual or its reduced form.
fn helper(reduced: bool) -> Command {
    let mut command = Command::new(HELPER);
    if reduced {
        command.arg("--reduced");
    }
    command.args(["--parent", &std::process::id().to_string(), "--"]);
    command.process_group(0).stdin(Stdio::null());
    command
}

/// Both forms, where this machine allows them; the usual one is skipped aloud where it does not.
fn forms() -> Vec<bool> {
    match confine().strength() {
        Strength::PidNamespace => vec![false, true],
        _ => {
            println!("skipped: pid namespaces are not allowed here");
            if let Some(log) = std::env::var_os("VALECHAT_SKIP_LOG") {
                let log = std::fs::File::options().append(true).create(true).open(log);
                writeln!(log.unwrap(), "confine: pid namespaces are not allowed here").unwrap();
            }
            vec![true]
        }
    }
}

fn started(reduced: bool) -> (Child, String) {
    let marker = marker();
    let child = helper(reduced)
        .args(["sh", "-c", &stubborn(&marker)])
        .spawn()
        .unwrap();
    soon("both sleepers run", || alive(&marker).len() >= 2);
    (child, marker)
}

#[test]
fn when_the_program_ends_its_daemons_end() {
    for reduced in forms() {
        let marker = marker();
        let script = format!(
            "(setsid sh -c \"trap '' TERM HUP; sleep {marker} & wait\" </dev/null >/dev/null 2>&1 &); until pgrep -f 'sleep {marker}' >/dev/null; do :; done; exit 7"
        );
        let script = script.replace("pgrep -f", "pgrep -x -f");
        let status = helper(reduced)
            .args(["sh", "-c", &script])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(7), "reduced: {reduced}");
        soon("the daemon ends", || alive(&marker).is_empty());
    }
}

#[test]
fn kill_9_of_the_helper_leaves_nobody() {
    // In its reduced form it cannot promise that for grandchildren.
    if forms() == [true] {
        return;
    }
    let (mut child, marker) = started(false);
    child.kill().unwrap();
    child.wait().unwrap();
    soon("nobody is left", || alive(&marker).is_empty());
}

#[test]
fn kill_9_of_the_host_leaves_nobody() {
    for reduced in forms() {
        let marker = marker();
        // The shell is the host: it starts the helper and names itself as the parent.
        let script = format!(
            "{HELPER} {} --parent $$ -- sh -c \"$1\" & wait",
            if reduced { "--reduced" } else { "" }
        );
        let mut host = Command::new("sh")
            .args(["-c", &script, "host", &stubborn(&marker)])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        soon("both sleepers run", || alive(&marker).len() >= 2);
        host.kill().unwrap();
        host.wait().unwrap();
        soon("nobody is left", || alive(&marker).is_empty());
    }
}

#[test]
fn kill_9_of_the_first_process_of_the_namespace_leaves_nobody() {
    if forms() == [true] {
        return;
    }
    let (mut child, marker) = started(false);
    let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
    let init: u32 = list.unwrap().trim().parse().unwrap();
    kill("-KILL", init);
    assert_eq!(child.wait().unwrap().code(), Some(137));
    soon("nobody is left", || alive(&marker).is_empty());
}

#[test]
fn a_helper_whose_host_is_gone_already_starts_nothing() {
    for reduced in forms() {
        let mut command = Command::new(HELPER);
        if reduced {
            command.arg("--reduced");
        }
        // Nobody's child has the process 1 of this test for its parent.
        let out = command
            .args(["--parent", "1", "--", "echo", "started"])
            .output()
            .unwrap();
        assert_eq!(out.stdout, b"");
        assert!(String::from_utf8_lossy(&out.stderr).contains("the host is gone"));
    }
}

#[test]
fn codes_and_signals_come_through() {
    for reduced in forms() {
        for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -KILL $$", 137)] {
            let status = helper(reduced).args(["sh", "-c", script]).status().unwrap();
            assert_eq!(status.code(), Some(code), "{script}, reduced: {reduced}");
        }
        let mut child = helper(reduced)
            .args([
                "sh",
                "-c",
                "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        kill("-TERM", child.id());
        assert_eq!(child.wait().unwrap().code(), Some(5));
    }
}

#[test]
fn pipes_environment_user_and_files_are_the_programs_own() {
    for reduced in forms() {
        let mut child = helper(reduced)
            .args([
                "sh",
                "-c",
                "id -u; printenv FOO; stat -c %u /proc/self/exe >/dev/null; cat",
            ])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("FOO", "a b")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = sent.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let out = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let uid = Command::new("id").arg("-u").output().unwrap().stdout;
        let head = [uid, b"a b\n".to_vec()].concat();
        assert!(
            out.stdout.starts_with(&head),
            "{:?}",
            &out.stdout[..head.len()]
        );
        assert_eq!(
            &out.stdout[head.len()..],
            sent,
            "up to the end of its input"
        );
        assert!(out.status.success());
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    for reduced in forms() {
        let out = helper(reduced).arg("/no/such/program").output().unwrap();
        assert_eq!(out.status.code(), Some(127));
        assert!(
            String::from_utf8_lossy(&out.stderr).contains("/no/such/program"),
            "{out:?}"
        );
    }
}

#[test]
fn many_at_once_and_what_one_costs() {
    let commands: Vec<_> = (0..20)
        .map(|_| confine().command(Path::new("true")).spawn().unwrap())
        .collect();
    for mut child in commands {
        assert!(child.wait().unwrap().success());
    }
    let time = |command: &mut dyn FnMut() -> Command| {
        let mut times: Vec<_> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                assert!(command().status().unwrap().success());
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[10]
    };
    let plain = time(&mut || Command::new("true"));
    let confined = time(&mut || confine().command(Path::new("true")));
    println!("plain {plain:?}, confined {confined:?} (median of 20)");
}

#[test]
fn without_a_helper_a_program_is_started_plainly_and_that_is_known() {
    let plain = Confine::new(None);
    assert_eq!(plain.strength(), Strength::None);
    assert!(plain.command(Path::new("true")).status().unwrap().success());
    assert_eq!(Confine::find([Path::new("/nowhere")]), None);
    let folder = Path::new(HELPER).parent().unwrap();
    assert_eq!(Confine::find([folder]).unwrap(), Path::new(HELPER));
}
