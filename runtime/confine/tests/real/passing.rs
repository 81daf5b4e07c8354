//! The program notices nothing: what the host gives reaches it, what it gives reaches the host.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{self, Form, HELPER, output, signal, until};
use vale_confine::{Confined, Status, Strength};

in_both_forms!(
    exit_codes_and_signals_come_through,
    term_int_and_hup_reach_the_program,
    bytes_pass_unchanged_and_the_end_of_input_arrives,
    the_host_sees_the_program_close_its_pipes,
    twenty_start_at_once,
    the_user_and_the_files_stay_the_same,
    the_environment_and_the_folder_pass_as_given,
    arguments_are_never_the_helpers,
    a_program_that_does_not_exist_is_named,
    signals_are_as_in_a_plain_start,
    orphans_are_reaped,
    the_status_is_there_before_the_program_runs,
    tokio_can_run_it,
);

fn exit_codes_and_signals_come_through(form: Form) {
    for code in [0, 1, 42, 255] {
        let status = form.sh(&format!("exit {code}")).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
    // 34 is the first real-time signal that glibc leaves to programs.
    for signal in [1, 6, 9, 11, 15, 34] {
        let script = format!("kill -{signal} $$");
        let status = form.sh(&script).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(128 + signal), "{script}");
    }
}

fn term_int_and_hup_reach_the_program(form: Form) {
    for (name, number) in [("SIGTERM", 15), ("SIGINT", 2), ("SIGHUP", 1)] {
        let script = format!(
            "trap 'exit {}' {number}; echo ready; while :; do sleep 0.05; done",
            40 + number
        );
        let mut child = form.sh(&script).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        signal(child.id(), name);
        assert_eq!(child.wait().unwrap().code(), Some(40 + number), "{name}");
    }
    // Nothing is lost that comes before there is a program.
    let mut child = form.sh("sleep 60").spawn().unwrap();
    until("it blocks signals", || blocks_term(child.id()));
    signal(child.id(), "SIGTERM");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

fn blocks_term(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = u64::from_str_radix(blocked.unwrap().trim(), 16).unwrap();
    blocked & (1 << (15 - 1)) != 0
}

fn bytes_pass_unchanged_and_the_end_of_input_arrives(form: Form) {
    let mut child = form
        .sh("cat; printf end >&2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    for number in 0..1_000_003_u32 {
        bytes.push((number.wrapping_mul(2_654_435_761) >> 24) as u8);
    }
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let result = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(result.stdout == bytes, "{} bytes", result.stdout.len());
    assert_eq!(result.stderr, b"end");
    assert_eq!(result.status.code(), Some(0));
}

fn the_host_sees_the_program_close_its_pipes(form: Form) {
    let mut child = form
        .sh("exec <&- >&- 2>&-; while :; do sleep 0.05; done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
    // Nobody reads any more, once the helper has let go as well.
    let mut stdin = child.stdin.take().unwrap();
    until("writing fails", || stdin.write_all(b"x").is_err());
    assert_eq!(child.try_wait().unwrap(), None, "it lives on");
    signal(child.id(), "SIGTERM");
    child.wait().unwrap();
}

fn twenty_start_at_once(form: Form) {
    let children: Vec<_> = (0..20)
        .map(|number| {
            let mut command = form.sh(&format!("echo {number}; exit {number}"));
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (number, child) in children.into_iter().enumerate() {
        let result = child.wait_with_output().unwrap();
        assert_eq!(result.stdout, format!("{number}\n").as_bytes());
        assert_eq!(result.status.code(), i32::try_from(number).ok());
    }
}

const LOOKS: &str = "id -u; id -g; cat secret; echo mine > made; stat -c '%u %g' secret made; \
    test \"$(readlink /proc/$$/exe)\" = \"$(readlink /proc/self/exe)\" || readlink -f /proc/$$/exe";

fn the_user_and_the_files_stay_the_same(form: Form) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "my words\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let meta = std::fs::metadata(&secret).unwrap();
    let (user, group) = (meta.uid(), meta.gid());
    let seen = output(form.sh(LOOKS).current_dir(folder.path()));
    let lines: Vec<_> = seen.lines().collect();
    let owner = format!("{user} {group}");
    assert_eq!(lines[..2], [user.to_string(), group.to_string()]);
    assert_eq!(lines[2..5], ["my words", &owner, &owner]);
    // `/proc` is the one that knows the shell by the number that the shell knows.
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(lines[5..], [shell.to_str().unwrap()]);
    let made = std::fs::metadata(folder.path().join("made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (user, group));
}

/// Tests often run as root, hosts seldom do.
#[test]
fn an_ordinary_user_gets_the_same() {
    if !nix::unistd::geteuid().is_root() {
        return; // The others ran as one.
    }
    if !Form::Namespace.is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let helper = folder.path().join("valechat-confine");
    std::fs::copy(HELPER, &helper).unwrap();
    let parent = std::process::id().to_string();
    // setpriv(1) execs, so the helper is our child still.
    let user = ["--reuid=65533", "--regid=65532", "--clear-groups"];
    let seen = Command::new("setpriv")
        .args(user)
        .arg(&helper)
        .arg("--probe")
        .output();
    let Ok(seen) = seen else {
        return common::skip("vale-confine: an ordinary user: there is no setpriv");
    };
    let status: Status = String::from_utf8(seen.stdout).unwrap().parse().unwrap();
    if status.strength != Strength::PidNamespace {
        return common::skip(&format!("vale-confine: an ordinary user: {status}"));
    }
    let script =
        "id -u; id -g; echo $$ $PPID; readlink -f /proc/$$/exe; grep CapEff /proc/self/status";
    let mut command = Command::new("setpriv");
    command
        .args(user)
        .arg(&helper)
        .args(["--parent", &parent, "--", "sh", "-c", script]);
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(
        output(&mut command),
        format!(
            "65533\n65532\n2 1\n{}\nCapEff:\t0000000000000000\n",
            shell.display()
        )
    );
}

fn the_environment_and_the_folder_pass_as_given(form: Form) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut command = form.command("/usr/bin/env");
    command.env_clear().env("ONE", "a b\nc").env("TWO", "");
    assert_eq!(output(&mut command), "ONE=a b\nc\nTWO=\n");
    let here = output(form.command("/bin/pwd").current_dir(&folder));
    assert_eq!(here, format!("{}\n", folder.display()));
}

fn arguments_are_never_the_helpers(form: Form) {
    let mut command = form.command("printf");
    command.args([
        "%s\n", "--", "--probe", "--parent", "1", "--help", "", "a b",
    ]);
    assert_eq!(
        output(&mut command),
        "--\n--probe\n--parent\n1\n--help\n\na b\n"
    );
    // Nor is a program's name.
    let status = form.command("--probe").stderr(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(127));
}

fn a_program_that_does_not_exist_is_named(form: Form) {
    for (program, code) in [
        ("/nowhere/prog", 127),
        ("no-such-prog", 127),
        ("/etc/passwd", 126),
    ] {
        let result = form.command(program).output().unwrap();
        assert_eq!(result.status.code(), Some(code), "{program}");
        let words = String::from_utf8(result.stderr).unwrap();
        assert!(words.starts_with("valechat-confine: "), "{words}");
        assert!(words.contains(program), "{words}");
    }
}

fn signals_are_as_in_a_plain_start(form: Form) {
    let look = ["SigBlk:", "SigIgn:", "SigCgt:", "/proc/self/status"];
    let arguments = |command: &mut Command| {
        let patterns = look[..3].iter().flat_map(|pattern| ["-e", pattern]);
        output(command.args(patterns).arg(look[3]))
    };
    let plain = arguments(&mut Confined::new(None, Path::new("grep")).command());
    assert_eq!(arguments(&mut form.command("grep")), plain);
}

fn orphans_are_reaped(form: Form) {
    let mark = common::mark();
    let script = "for i in 1 2 3 4 5; do ( (exit 0) & ) ; done; echo ready; read line";
    let mut command = form.sh(script);
    command.env(common::MARKER, &mark);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let init = common::only_child(child.id());
    until("only the program is below init", || {
        let path = format!("/proc/{init}/task/{init}/children");
        let list = std::fs::read_to_string(path).unwrap();
        list.split_whitespace().count() == 1
    });
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn the_status_is_there_before_the_program_runs(form: Form) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status");
    let mut spec = form.spec();
    spec.status = Some(path.clone());
    let mut command = Confined::new(Some(Path::new(HELPER)), Path::new("cat"))
        .spec(spec.clone())
        .command();
    let seen: Status = output(command.arg(&path)).parse().unwrap();
    assert_eq!(seen, Status::read(&path).unwrap());
    match form {
        Form::Namespace => assert_eq!(seen, Status::new(Strength::PidNamespace, "")),
        Form::Reduced => {
            assert_eq!(seen.strength, Strength::Reduced);
            assert_ne!(seen.why, "");
        }
    }
    // A host that asked and cannot be told gets no program.
    spec.status = Some("/nowhere/status".into());
    let mut command = Confined::new(Some(Path::new(HELPER)), Path::new("echo"))
        .spec(spec)
        .command();
    let result = command.output().unwrap();
    assert_eq!((result.status.code(), result.stdout), (Some(125), vec![]));
}

fn tokio_can_run_it(form: Form) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut command = tokio::process::Command::from(form.command("cat"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"hello").await.unwrap();
        drop(stdin);
        let mut text = String::new();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        assert!(child.wait().await.unwrap().success());
    });
}
