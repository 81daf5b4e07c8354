//! Nobody survives: real programs that refuse to end, and every way in which those above them end.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{
    self, FOR_EVER, Form, daemons, living, mark, only_child, signal, start_marked, stubborn,
    this_program, until, until_nobody_lives,
};
use vale_confine::Confined;

in_both_forms!(
    when_the_program_ends_its_daemons_end_first,
    when_the_program_is_killed_its_daemons_end,
    kill_9_of_the_helper_leaves_nobody,
    kill_9_of_the_host_leaves_nobody,
    kill_9_of_the_init_leaves_nobody,
    kill_9_of_the_helpers_group_leaves_nobody,
    killed_at_any_moment_of_its_start_the_helper_leaves_nobody,
    killed_at_any_moment_of_a_start_the_host_leaves_nobody,
    a_program_that_forks_without_end_is_ended,
    a_host_that_is_gone_gets_no_program,
);

/// The proof that the others test something: plainly started, the same daemons stay.
#[test]
fn without_the_helper_the_daemons_survive() {
    let mark = mark();
    let mut command = Confined::new(None, Path::new("/bin/sh")).command();
    command.args(["-c", &stubborn(FOR_EVER)]);
    let (mut child, _stdout) = start_marked(command, &mark);
    child.kill().unwrap();
    child.wait().unwrap();
    let survivors = daemons(&mark);
    until("the daemons are killed", || {
        for id in living(&mark) {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(id).unwrap());
            // It may have ended meanwhile: its sleep does so all the time.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        living(&mark).is_empty()
    });
    assert_eq!(survivors, 2);
}

fn when_the_program_ends_its_daemons_end_first(form: Form) {
    let mark = mark();
    let (mut child, _stdout) = start_marked(form.sh(&stubborn("read line; exit 7")), &mark);
    child.stdin.take().unwrap().write_all(b"end\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    // At once, without waiting: this is promised for an ordinary end.
    assert_eq!(living(&mark), []);
}

fn when_the_program_is_killed_its_daemons_end(form: Form) {
    let mark = mark();
    let (mut child, _stdout) = start_marked(form.sh(&stubborn("read line; kill -9 $$")), &mark);
    child.stdin.take().unwrap().write_all(b"end\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    assert_eq!(living(&mark), []);
}

fn kill_9_of_the_helper_leaves_nobody(form: Form) {
    let mark = mark();
    let (mut child, _stdout) = start_marked(form.sh(&stubborn(FOR_EVER)), &mark);
    child.kill().unwrap();
    child.wait().unwrap();
    until_nobody_lives(&mark);
}

fn kill_9_of_the_init_leaves_nobody(form: Form) {
    let mark = mark();
    let (mut child, _stdout) = start_marked(form.sh(&stubborn(FOR_EVER)), &mark);
    signal(only_child(child.id()), "SIGKILL");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    assert_eq!(living(&mark), []);
}

/// The helper is in a group of its own, so a host may kill that group.
fn kill_9_of_the_helpers_group_leaves_nobody(form: Form) {
    let mark = mark();
    let (mut child, _stdout) = start_marked(form.sh(&stubborn(FOR_EVER)), &mark);
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    until_nobody_lives(&mark);
}

fn kill_9_of_the_host_leaves_nobody(form: Form) {
    let mark = mark();
    let mut child = host_with(form, &mark);
    until("the daemons are there", || daemons(&mark) >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    until_nobody_lives(&mark);
}

/// Another process that starts the stubborn program.
fn host_with(form: Form, mark: &str) -> Child {
    let reduced = if form == Form::Reduced { "1" } else { "0" };
    this_program(
        "orphans::host",
        &[("VALE_CONFINE_HOST", OsStr::new(reduced))],
    )
    .env(common::MARKER, mark)
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .spawn()
    .unwrap()
}

/// Between two calls of the helper lies a moment in which nobody watches yet.
fn killed_at_any_moment_of_its_start_the_helper_leaves_nobody(form: Form) {
    let mark = mark();
    for step in 0..60 {
        let mut command = form.sh(FOR_EVER);
        let mut child = command.env(common::MARKER, &mark).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(step * 100));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    until_nobody_lives(&mark);
}

fn killed_at_any_moment_of_a_start_the_host_leaves_nobody(form: Form) {
    let mark = mark();
    for step in 0..40 {
        let mut child = host_with(form, &mark);
        until("it started the helper", || living(&mark).len() >= 2);
        std::thread::sleep(Duration::from_micros(step * 100));
        child.kill().unwrap();
        child.wait().unwrap();
        until_nobody_lives(&mark);
    }
}

fn a_program_that_forks_without_end_is_ended(form: Form) {
    let mark = mark();
    let script = "echo ready; while :; do (setsid sleep 300 >/dev/null 2>&1 &); done";
    let mut command = form.sh(script);
    let mut child = command
        .env(common::MARKER, &mark)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("it has forked", || living(&mark).len() >= 30);
    child.kill().unwrap();
    child.wait().unwrap();
    until_nobody_lives(&mark);
}

/// Not a test: the host that others kill.
#[test]
#[ignore = "the host of another test"]
fn host() {
    let Some(reduced) = std::env::var_os("VALE_CONFINE_HOST") else {
        return;
    };
    let form = if reduced == "1" {
        Form::Reduced
    } else {
        Form::Namespace
    };
    let mut child = form.sh(&stubborn(FOR_EVER)).spawn().unwrap();
    child.wait().unwrap();
}

fn a_host_that_is_gone_gets_no_program(form: Form) {
    let mut command = std::process::Command::new(common::HELPER);
    if form == Form::Reduced {
        command.arg("--reduced");
    }
    // Process 1 is not our parent.
    command.args(["--parent", "1", "--", "echo", "started"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(output.stdout, b"");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("the host is gone"), "{words}");
}
