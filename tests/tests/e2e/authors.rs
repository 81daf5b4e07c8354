//! What a plugin's author does without installing it: `plugin run`, `plugin record`, and `plugin test` over
//! what was recorded.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use serde_json::Value;
use vale_tests::guest;
use vale_tests::packages::{manifest, packed_in};

use crate::aimock::Mock;
use crate::faults::server;
use crate::support::{Profile, Said, needed};

/// Recognisable, and as long as keys are.
const KEY: &str = "vk-0123456789-abcdefghij-KEY-xyz";

/// The provider that every author can look at, as a project that is not installed.
fn openai() -> PathBuf {
    needed("VALECHAT_PLUGINS").join("openai")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A profile without plugins, where only the environment has a key.
fn author(key: Option<&str>) -> Profile {
    let mut profile = Profile::new();
    profile.configure("[keys]\nstore = \"file\"\n");
    if let Some(key) = key {
        profile.set("VALECHAT_KEY_OPENAI", key);
    }
    profile
}

fn with<'a>(command: &'a [&'a str], base_url: &'a str, more: &'a [&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = command.to_vec();
    all.extend(["--yes", "--set", base_url]);
    all.extend(more);
    all
}

fn assert_no_key(said: &Said) {
    let all = format!("{}{}", said.out, said.err);
    for spelled in spellings() {
        assert!(!all.contains(&spelled), "a key is shown: {said:?}");
    }
}

fn spellings() -> [String; 2] {
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(KEY);
    [KEY.to_owned(), encoded]
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// A server that answers each request with what `answer` makes of it, and hands the requests on.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(read) = socket.read(&mut piece) {
                request.extend_from_slice(&piece[..read]);
                let seen = String::from_utf8_lossy(&request).into_owned();
                let whole = seen.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        name.eq_ignore_ascii_case("content-length")
                            .then(|| value.trim().parse().unwrap_or(0))
                    });
                    body.len() >= length.unwrap_or(0)
                });
                if read == 0 || whole {
                    break;
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let _ = socket.write_all(answer(&request).as_bytes());
            let _ = tell.send(request);
        }
    });
    (format!("base_url=http://{address}/v1"), told)
}

fn http(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A whole answer of the protocol, with what a careless server says beside it.
fn hello(beside: &str) -> String {
    let chunk = |delta: &str, reason: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m1\",\"beside\":\"{beside}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    format!(
        "{}{}data: [DONE]\n\n",
        chunk(
            "{\"role\":\"assistant\",\"content\":\"Hello, author.\"}",
            "null"
        ),
        chunk("{}", "\"stop\"")
    )
}

const SSE: &str = "content-type: text/event-stream\r\n";

#[test]
fn a_plugin_is_tried_recorded_and_tested_without_being_installed() {
    let mock = Mock::start();
    let base_url = format!("base_url={}/v1", mock.root());
    let plugin = openai();
    let plugin = text(&plugin);
    let profile = author(Some(KEY));

    let said = profile.run(&with(
        &["plugin", "run", plugin],
        &base_url,
        &["-m", "gpt-4o", "hello"],
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out, "Hello from aimock. How can I help?\n");
    for words in [
        "It is not installed",
        "with the key “api-key” (environment VALECHAT_KEY_OPENAI)",
        "/v1/chat/completions (",
        "authorization: ‹hidden›",
        "← 1 200",
        "│ data: ",
        "21 tokens in, 9 out",
        "used: memory_mib",
    ] {
        assert!(said.err.contains(words), "“{words}”: {said:?}");
    }
    assert_no_key(&said);
    assert!(!profile.path().join("plugins").exists());

    // From nowhere to a recording, which the suite then plays.
    let folder = profile.path().join("recordings");
    let into = ["--into", text(&folder), "--name"];
    for (name, message, code) in [
        ("hello", "hello", 0),
        ("weather", "weather", 0),
        ("rate", "rate", 0),
        ("cut", "trunc", 0),
    ] {
        let mut more = into.to_vec();
        more.extend([name, "-m", "gpt-4o", message]);
        let said = profile.run(&with(&["plugin", "record", plugin], &base_url, &more));
        assert_eq!(said.code, Some(code), "{name}: {said:?}");
        assert!(said.err.contains("Recorded: "), "{name}: {said:?}");
        assert_no_key(&said);
    }
    let mut more = into.to_vec();
    more.extend(["models", "--list-models"]);
    let said = profile.run(&with(&["plugin", "record", plugin], &base_url, &more));
    assert_eq!(said.code, Some(0), "{said:?}");

    let files = files(&folder);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["hello.json", "hello.body", "models.json", "cut.body"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for (name, text) in &files {
        for spelled in spellings() {
            assert!(!text.contains(&spelled), "{name} holds a key");
        }
        assert!(!text.to_lowercase().contains("authorization"), "{name}");
    }
    let recording = |name: &str| -> Value {
        let found = files.iter().find(|(file, _)| file == name).unwrap();
        serde_json::from_str(&found.1).unwrap()
    };
    let hello = recording("hello.json");
    assert_eq!(
        hello["expect"]["text"],
        "Hello from aimock. How can I help?"
    );
    assert_eq!(hello["expect"]["finish"], "stop");
    assert_eq!(hello["expect"]["usage"]["input"], 21);
    assert_eq!(hello["http"].as_array().unwrap().len(), 1);
    assert_eq!(
        recording("weather.json")["expect"]["tool_calls"][0]["name"],
        "get_weather"
    );
    assert_eq!(recording("rate.json")["expect"]["error"], "rate-limited");
    let cut = recording("cut.json");
    assert_eq!(cut["expect"]["error"], "network.truncated");
    assert_eq!(cut["http"][0]["response"]["truncated"], true);

    let said = profile.run(&[
        "plugin",
        "test",
        plugin,
        "--recordings",
        text(&folder),
        "--only",
        "conformance",
        "--json",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let checks = report["checks"].as_array().unwrap();
    for name in ["hello", "weather", "rate", "cut", "models"] {
        let found = checks.iter().find(|check| check["name"] == name);
        assert_eq!(
            found.map(|check| &check["verdict"]),
            Some(&Value::from("passed")),
            "{name}: {checks:?}"
        );
    }
}

#[test]
fn a_recording_is_not_written_over_and_its_name_stays_in_its_folder() {
    let (base_url, asked) = answering(|_| http(SSE, &hello("x")));
    let plugin = openai();
    let profile = author(Some(KEY));
    let folder = profile.path().join("recordings");
    let record = |name: &str, more: &[&str]| {
        let mut all = vec!["--into", text(&folder), "--name", name, "-m", "m1"];
        all.extend(more);
        all.push("hello");
        profile.run(&with(&["plugin", "record", text(&plugin)], &base_url, &all))
    };
    let first = record("one", &[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(asked.recv().unwrap().contains(KEY), "the server gets it");
    let before = files(&folder);
    for name in ["one", "../one", "one.json"] {
        let said = record(name, &[]);
        assert!(
            said.code == Some(2) && said.err.contains('→'),
            "{name}: {said:?}"
        );
    }
    assert!(asked.try_recv().is_err(), "nobody is asked for nothing");
    assert_eq!(files(&folder), before);
    let forced = record("one", &["--force"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert_eq!(asked.iter().take(1).count(), 1);
}

#[test]
fn a_server_that_sends_the_key_back_is_not_recorded() {
    /// Too short for the gate to look for, and a key all the same.
    const SHORT: &str = "shortkey-14-ch";
    let plugin = openai();
    for (key, code, words) in [
        (KEY, 6, "sends the key back"),
        (SHORT, 4, "would hold the key"),
    ] {
        let (base_url, _asked) = answering(|request| {
            let sent = request.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("authorization").then_some(value)
            });
            http(SSE, &hello(sent.unwrap_or_default().trim()))
        });
        let profile = author(Some(key));
        let folder = profile.path().join("recordings");
        let more = ["--into", text(&folder), "--name", "x", "-m", "m1", "hello"];
        let command = ["plugin", "record", text(&plugin), "--wire", "off"];
        let said = profile.run(&with(&command, &base_url, &more));
        assert!(
            said.code == Some(code) && said.err.contains(words),
            "{key}: {said:?}"
        );
        let shown = format!("{}{}", said.out, said.err);
        assert!(!shown.contains(key), "{said:?}");
        assert!(
            !folder.exists() || files(&folder).is_empty(),
            "{:?}",
            files(&folder)
        );
    }
}

#[test]
fn what_a_server_writes_cannot_reach_the_terminal_and_each_line_of_json_is_whole() {
    let (base_url, _asked) = answering(|_| {
        let head = format!("{SSE}x-evil: \u{202e}\r\nset-cookie: id=cookie-value\r\n");
        http(&head, &hello("\u{1b}]0;owned\u{7}\u{202e}"))
    });
    let plugin = openai();
    let profile = author(Some(KEY));
    let command = ["plugin", "run", text(&plugin)];
    let said = profile.run(&with(&command, &base_url, &["-m", "m1", "hello"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!said.err.contains(bad), "{said:?}");
    assert!(!said.err.contains("cookie-value"), "{said:?}");
    assert_no_key(&said);

    let said = profile.run(&with(&command, &base_url, &["--json", "-m", "m1", "hello"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let events = said.events();
    let kinds: Vec<_> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    for kind in ["request", "response", "body", "body-end", "event"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let at = |kind: &str| kinds.iter().position(|found| *found == kind).unwrap();
    assert!(at("request") < at("response") && at("response") < at("body"));
    let request = &events[at("request")];
    let headers = request["headers"].as_array().unwrap();
    assert!(
        headers
            .iter()
            .any(|h| h[0] == "authorization" && h[1].is_null()),
        "{headers:?}"
    );
    let end = events.last().unwrap();
    assert_eq!(end["type"], "done", "{end}");
    assert_eq!(end["outcome"]["type"], "answered", "{end}");
    assert!(end["used"][1]["used"].as_f64().unwrap() > 0.0, "{end}");
    assert_no_key(&said);
}

#[test]
fn a_key_comes_through_a_pipe_and_lines_of_stdin_are_a_conversation() {
    let (base_url, asked) = answering(|_| http(SSE, &hello("x")));
    let plugin = openai();
    let profile = author(None);
    let piped = |more: &[&str], stdin: &str| {
        let command = ["plugin", "run", text(&plugin), "--wire", "off"];
        let mut child = profile
            .command(&with(&command, &base_url, more))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(stdin.as_bytes()).unwrap();
        drop(pipe);
        Said::of(&child.wait_with_output().unwrap())
    };
    let said = piped(&["--key-stdin", "-m", "m1", "hello"], &format!("{KEY}\n"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out, "Hello, author.\n");
    assert!(asked.recv().unwrap().contains(KEY));
    assert_no_key(&said);
    let said = piped(&["--key-stdin", "-m", "m1"], KEY);
    assert!(
        said.code == Some(2) && said.err.contains("key comes on stdin"),
        "{said:?}"
    );

    let said = piped(&["-m", "m1"], "first\n\nsecond\n");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out, "Hello, author.\nHello, author.\n");
    let (first, second) = (asked.recv().unwrap(), asked.recv().unwrap());
    assert!(first.contains("first") && !first.contains("second"));
    assert!(
        second.contains("first") && second.contains("Hello, author.") && second.contains("second"),
        "{second}"
    );
}

#[test]
fn a_tool_is_tried_and_recorded_too() {
    let profile = Profile::new();
    let plugin = needed("VALECHAT_PLUGINS").join("calculator");
    let plugin = text(&plugin);
    let said = profile.run(&["plugin", "run", plugin, "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let tool = said.out.split_whitespace().next().unwrap().to_owned();
    let folder = profile.path().join("recordings");
    let said = profile.run(&[
        "plugin",
        "record",
        plugin,
        "--yes",
        "--into",
        text(&folder),
        "--name",
        "sum",
        "--tool",
        &tool,
        "--args",
        r#"{"expression": "6 * 7"}"#,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("42"), "{said:?}");
    assert!(said.err.contains("passes with it"), "{said:?}");
    let said = profile.run(&["plugin", "test", plugin, "--recordings", text(&folder)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("sum"), "{said:?}");

    let said = profile.run(&["plugin", "run", plugin, "--yes", "hello"]);
    assert!(
        said.code == Some(2) && said.err.contains("--tool NAME"),
        "{said:?}"
    );
    let local = "[[egress]]\norigin = \"{host.infer}\"\nmethods = [\"POST\"]\n";
    let local = packed_in(
        profile.path(),
        "local.wasm",
        &guest("honest"),
        &manifest("org.example.x", "1.0.0", local),
    );
    let said = profile.run(&["plugin", "run", text(&local), "--yes", "hello"]);
    assert!(
        said.code == Some(2) && said.err.contains("that ValeChat runs itself"),
        "{said:?}"
    );
}

#[test]
fn nothing_runs_without_consent_a_key_or_a_server() {
    let (base_url, asked) = answering(|_| http(SSE, &hello("x")));
    let plugin = openai();
    let plugin = text(&plugin);
    let profile = author(Some(KEY));
    let said = profile.run(&["plugin", "run", plugin, "--set", &base_url, "hello"]);
    assert!(
        said.code == Some(2) && said.err.contains("May reach") && said.err.contains("--yes"),
        "{said:?}"
    );
    assert!(asked.try_recv().is_err());

    let without = author(None);
    let said = without.run(&["plugin", "run", plugin, "--yes", "-m", "m1", "hello"]);
    assert!(
        said.code == Some(4) && said.err.contains("needs a key"),
        "{said:?}"
    );
    let broken = server("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx");
    let folder = profile.path().join("recordings");
    let more = ["--into", text(&folder), "--name", "x", "--list-models"];
    let nobody = "base_url=http://127.0.0.1:9/v1";
    let said = profile.run(&with(&["plugin", "record", plugin], nobody, &more));
    assert!(
        said.code == Some(5) && said.err.contains("Nothing was recorded"),
        "{said:?}"
    );
    assert!(!folder.exists());
    let broken = format!("base_url={broken}");
    let said = profile.run(&with(&["plugin", "record", plugin], &broken, &more));
    assert_eq!(said.code, Some(0), "cut off, and recorded so: {said:?}");
    assert!(folder.join("x.json").is_file());
}
