//! What the tests share: forms of holding, processes by marker, waiting.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use vale_confine::{Confined, Spec, Strength, probe};

pub(crate) const HELPER: &str = env!("CARGO_BIN_EXE_valechat-confine");
/// The variable by which a test's processes are known, whatever they exec.
pub(crate) const MARKER: &str = "VALE_CONFINE_TEST";
/// Far beyond what any step takes: it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// In which form children are held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Namespace,
    Reduced,
}

impl Form {
    /// Whether this machine has it; if not, it says so once where people and xtask see it.
    pub(crate) fn is_here(self) -> bool {
        static STATUS: OnceLock<vale_confine::Status> = OnceLock::new();
        if self == Self::Reduced {
            return true;
        }
        let status = STATUS.get_or_init(|| {
            let status = probe(Some(Path::new(HELPER)));
            if status.strength != Strength::PidNamespace {
                skip(&format!("vale-confine: the namespace form: {status}"));
            }
            status
        });
        status.strength == Strength::PidNamespace
    }

    pub(crate) fn spec(self) -> Spec {
        let mut spec = Spec::default();
        spec.reduced = self == Self::Reduced;
        spec
    }

    /// The helper with this program.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        Confined::new(Some(Path::new(HELPER)), program.as_ref())
            .spec(self.spec())
            .command()
    }

    /// The helper with a shell script.
    pub(crate) fn sh(self, script: &str) -> Command {
        let mut command = self.command("/bin/sh");
        command.args(["-c", script]);
        command
    }
}

/// Makes each test one per form.
macro_rules! in_both_forms {
    ($($name:ident),* $(,)?) => {
        mod namespace {
            $(#[test] fn $name() {
                if $crate::common::Form::Namespace.is_here() {
                    super::$name($crate::common::Form::Namespace);
                }
            })*
        }
        mod reduced {
            $(#[test] fn $name() { super::$name($crate::common::Form::Reduced); })*
        }
    };
}

/// Says that a test was skipped, in the format of `tests/src/skip.rs`.
pub(crate) fn skip(why: &str) {
    println!("SKIPPED: {why}");
    if let Some(log) = std::env::var_os("VALECHAT_SKIP_LOG") {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log);
        writeln!(log.unwrap(), "{why}").unwrap();
    }
}

/// A mark that no other test's processes have.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{next}-end", std::process::id())
}

/// All living processes that have the mark in their environment, the helper's own among them.
pub(crate) fn living(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARKER}={mark}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let id = entry.file_name().to_str().and_then(|id| id.parse().ok());
        let Some(id) = id else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|line| line == wanted.as_bytes())
        {
            found.push(id);
        }
    }
    found
}

/// The only child of a process.
pub(crate) fn only_child(process: u32) -> u32 {
    let path = format!("/proc/{process}/task/{process}/children");
    let list = std::fs::read_to_string(path).unwrap();
    list.trim().parse().unwrap()
}

/// Waits until it is so; fails if that takes too long.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end of all that have the mark, zombies included where we are the parent.
pub(crate) fn until_nobody_lives(mark: &str) {
    let mut left = Vec::new();
    until("nobody lives", || {
        left = living(mark);
        left.is_empty()
    });
}

pub(crate) fn signal(process: u32, name: &str) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process).unwrap());
    nix::sys::signal::kill(pid, name.parse::<nix::sys::signal::Signal>().unwrap()).unwrap();
}

/// Ignores all polite requests and has two descendants that do too: a daemon in a session of its
/// own, whose parents are gone, and a nohup'ed one. Prints a line when all are there.
pub(crate) fn stubborn(at_the_end: &str) -> String {
    let deaf = "trap \"\" TERM INT HUP; while :; do sleep 0.2; done";
    format!(
        "trap '' TERM INT HUP
        ( ( setsid sh -c '{deaf}' </dev/null >/dev/null 2>&1 & ) & )
        nohup sh -c '{deaf}' </dev/null >/dev/null 2>&1 &
        echo ready
        {at_the_end}"
    )
}

/// Ignores even the end of its input.
pub(crate) const FOR_EVER: &str = "while :; do sleep 0.2; done";

/// Starts it marked, with pipes, and waits until it said that it is ready and its two daemons,
/// which are slower, are seen.
pub(crate) fn start_marked(
    mut command: Command,
    mark: &str,
) -> (Child, BufReader<impl std::io::Read>) {
    let mut child = command
        .env(MARKER, mark)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    until("the daemons are there", || daemons(mark) >= 2);
    (child, stdout)
}

/// How many of the deaf loops live. Each forks all the time, and the fork looks like the loop until
/// it has become `sleep`; so a loop whose parent is one does not count.
pub(crate) fn daemons(mark: &str) -> usize {
    let is_deaf = |id: &u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.starts_with(b"sh\0-c\0trap")
    };
    let parent = |id: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        line.trim().parse().ok()
    };
    let loops: Vec<_> = living(mark).into_iter().filter(is_deaf).collect();
    let forked = |id: u32| parent(id).is_none_or(|parent| loops.contains(&parent));
    loops.iter().filter(|id| !forked(**id)).count()
}

/// Runs it to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// This test's own program as another process that runs one ignored test.
pub(crate) fn this_program(test: &str, variables: &[(&str, &OsStr)]) -> Command {
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.envs(variables.iter().copied());
    command
}
