//! One host per profile: two terminals share it, and it heals whatever ends it.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Profile;

const LONG: &str = "Write a very long story about the sea.";

fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn status(profile: &Profile) -> Value {
    let said = profile.run(&["status", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn node(status: &Value, path: &str) -> Value {
    let nodes = status["tree"].as_array().unwrap();
    let found = nodes.iter().find(|node| node["path"] == path);
    found
        .unwrap_or_else(|| panic!("no {path}: {status}"))
        .clone()
}

/// A terminal that runs the host until it is killed: it watches the status.
fn watching(profile: &Profile) -> Child {
    let mut child = profile
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("\"own\":true"), "{line}");
    // Its pipe is read on, so that it never waits.
    let mut rest = child.stdout.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A long answer, once its first text has come.
fn talking(profile: &Profile) -> (Child, impl Iterator<Item = Value> + use<>) {
    profile.chat_until_text(&[LONG])
}

#[test]
fn two_terminals_share_one_host_one_model_process_and_one_tree() {
    let profile = Profile::new();
    let owner = watching(&profile);
    let (first, _events) = talking(&profile);
    let seen = status(&profile);
    assert_eq!(seen["own"], false);
    assert_eq!(seen["process"], owner.id());
    let model = node(&seen, "processes/local-model")["vitals"]["process"].clone();
    assert!(model.is_u64(), "{seen}");
    let said = profile.run(&["chat", "--json", "--max-tokens", "5", "Say hello"]);
    assert_eq!(said.last_event()["type"], "finished", "{said:?}");
    let after = status(&profile);
    assert_eq!(
        node(&after, "processes/local-model")["vitals"]["process"],
        model
    );
    assert_eq!(node(&after, "providers/local")["vitals"]["attempts"], 2);
    // A terminal that goes away cancels its own answer and nothing else.
    end(first);
    soon("its answer is cancelled", || {
        node(&status(&profile), "providers/local")["vitals"]["in_flight"] == 0
    });
    end(owner);
}

#[test]
fn what_one_terminal_adds_the_other_has_at_once() {
    let profile = Profile::new();
    let owner = watching(&profile);
    let add = [
        "provider",
        "add",
        "lan",
        "--plugin",
        "openai",
        "--set",
        "base_url=http://127.0.0.1:9/v1",
        "--yes",
    ];
    assert_eq!(profile.run(&add).code, Some(0));
    assert_eq!(node(&status(&profile), "providers/lan")["state"], "running");
    assert_eq!(profile.run(&["provider", "remove", "lan"]).code, Some(0));
    soon("it is gone", || {
        let tree = status(&profile)["tree"].as_array().unwrap().clone();
        tree.iter()
            .all(|node| node["path"] != "providers/lan" || node["state"] == "stopped")
    });
    assert_eq!(status(&profile)["process"], owner.id());
    end(owner);
}

#[test]
fn a_stopped_owner_is_told_of_and_another_key_than_its_own_is_not_ignored() {
    let profile = Profile::new();
    let owner = watching(&profile);
    let mut command = profile.command(&["chat", "--json", "--max-tokens", "5", "Say hello"]);
    let asked = command
        .env("VALECHAT_KEY_OPENAI", "dummy-key")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&asked.stderr).into_owned()
        + &String::from_utf8_lossy(&asked.stdout);
    assert!(!asked.status.success(), "{words}");
    assert!(words.contains("VALECHAT_KEY_OPENAI is set here"), "{words}");
    assert!(!words.contains("dummy-key"), "{words}");

    let signal = |name: &str| {
        let sent = Command::new("kill")
            .args([name, &owner.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let said = profile.run(&["chat", "--max-tokens", "5", "Say hello"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("does not answer within"), "{said:?}");
    signal("-CONT");
    assert_eq!(status(&profile)["process"], owner.id());
    end(owner);
}

#[test]
fn kill_9_of_the_process_with_the_host_is_a_sentence_elsewhere_and_the_next_message_works() {
    let profile = Profile::new();
    let owner = watching(&profile);
    let (mut other, mut events) = talking(&profile);
    end(owner);
    let last = events.by_ref().last().unwrap();
    assert_eq!(last["type"], "failed", "{last}");
    assert_eq!(last["received_anything"], true);
    let sentence = last["error"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("has ended"), "{sentence}");
    assert_ne!(other.wait().unwrap().code(), Some(0));

    let said = profile.run(&["chat", "--json", "--max-tokens", "5", "Say hello"]);
    assert_eq!(said.last_event()["type"], "finished", "{said:?}");
}

#[test]
fn the_first_terminal_waits_for_the_answers_of_the_others() {
    let profile = Profile::new();
    let (mut owner, mut events) = profile.chat_until_text(&["--max-tokens", "40", LONG]);
    let mut other = profile
        .command(&["chat", "--json", "--max-tokens", "120", LONG])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(events.by_ref().last().unwrap()["type"], "finished");
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    let last = lines.map_while(Result::ok).last().unwrap();
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["type"], "finished", "{last}");
    assert_eq!(other.wait().unwrap().code(), Some(0));
    assert_eq!(owner.wait().unwrap().code(), Some(0));
}

#[test]
fn a_child_of_another_terminals_tree_can_be_drained_and_restarted() {
    let profile = Profile::new();
    let owner = watching(&profile);
    assert_eq!(profile.run(&["status", "drain", "local"]).code, Some(0));
    let state = |profile: &Profile| node(&status(profile), "providers/local")["state"].clone();
    soon("it is drained", || state(&profile) == "draining");
    let said = profile.run(&["chat", "-m", "local/any", "--json", "Say hello"]);
    let last = said.last_event();
    assert_eq!(last["type"], "failed", "{said:?}");
    assert!(
        last["error"]["sentence"]
            .as_str()
            .unwrap()
            .contains("no new work"),
        "{last}"
    );
    assert_eq!(
        profile.run(&["status", "restart", "providers/local"]).code,
        Some(0)
    );
    soon("it runs again", || state(&profile) == "running");
    let said = profile.run(&["chat", "--json", "--max-tokens", "3", "Say hello"]);
    assert_eq!(said.last_event()["type"], "finished", "{said:?}");
    let wrong = profile.run(&["status", "restart", "nobody"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    end(owner);
}

/// As root this can be tried for real: another user is kept out by the folder, and even with the
/// doors open is sent away by the host itself.
#[test]
fn another_user_is_refused() {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    if uid != b"0\n" {
        vale_tests::skip("only root can become another user to try the socket");
        return;
    }
    let profile = Profile::new();
    let owner = watching(&profile);
    let folder = profile.path().join("state/run");
    let socket = folder.join("host.sock");
    let program = format!(
        "use IO::Socket::UNIX; $SIG{{PIPE}} = 'IGNORE'; my $s = IO::Socket::UNIX->new(Peer => '{}') or die \"no: $!\"; syswrite $s, pack('N', 33) . '{{\"protocol\":1,\"version\":\"0.1.0\"}}   '; my $n = sysread $s, my $b, 100; print 'got ', $n // 'reset';",
        socket.display()
    );
    let stranger = || {
        let args = [
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "/usr/bin/perl",
            "-e",
            &program,
        ];
        Command::new("setpriv")
            .args(args)
            .current_dir("/")
            .output()
            .unwrap()
    };
    let open = |mode: &str, path: &std::path::Path| {
        assert!(
            Command::new("chmod")
                .arg(mode)
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    };
    open("0755", profile.path());
    open("0755", &profile.path().join("state"));
    let refused = stranger();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("no: Permission denied"), "{refused:?}");
    open("0755", &folder);
    open("0666", &socket);
    let sent_away = stranger();
    let words = String::from_utf8_lossy(&sent_away.stdout).into_owned();
    assert!(words == "got 0" || words == "got reset", "{sent_away:?}");
    // Its own user is served all the same.
    assert_eq!(status(&profile)["process"], owner.id());
    end(owner);
}
