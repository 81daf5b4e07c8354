//! A peer that we did not write, with the faults that it can inject.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::support::{Profile, needed};

/// The mock's process; ends with this value.
pub(crate) struct Mock {
    child: Child,
    _life_line: ChildStdin,
    base_url: String,
}

impl Mock {
    pub(crate) fn start() -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/aimock/serve.mjs");
        let mut child = Command::new(needed("VALECHAT_NODE"))
            .arg(script)
            .arg(needed("VALECHAT_AIMOCK"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        let life_line = child.stdin.take().unwrap();
        Self {
            child,
            _life_line: life_line,
            base_url: format!("{}/v1", line.trim()),
        }
    }
}

impl Mock {
    /// Its address without a path.
    pub(crate) fn root(&self) -> &str {
        self.base_url.trim_end_matches("/v1")
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn answers_of_aimock_arrive_whole() {
    let mock = Mock::start();
    let profile = Profile::with_peer(&mock.base_url);
    let ask = |message: &str| profile.run(&["chat", "--json", "-m", "peer/gpt-4o", message]);

    let hello = ask("hello");
    assert_eq!(hello.text(), "Hello from aimock. How can I help?");
    let end = hello.last_event();
    assert_eq!(
        (end["type"].as_str(), end["reason"].as_str()),
        (Some("finished"), Some("stop"))
    );
    assert_eq!(end["usage"]["input_total"], 21);
    assert_eq!(end["usage"]["output_total"], 9);

    // aimock splits surrogate pairs across chunks, as some JavaScript servers do.
    assert_eq!(ask("unicode").text(), "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok");
    assert_eq!(ask("big").text(), "abcd ".repeat(2000));

    let reason = ask("reason");
    let thinking: String = reason
        .events()
        .iter()
        .filter(|event| event["type"] == "thinking")
        .filter_map(|event| event["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(thinking, "Step by step.");
    assert_eq!(reason.text(), "The answer is 42.");

    let weather = ask("weather");
    let calls: Vec<_> = weather
        .events()
        .into_iter()
        .filter(|event| event["type"] == "tool-call")
        .collect();
    assert_eq!(weather.text(), "Checking.");
    assert_eq!(calls.len(), 2, "{weather:?}");
    assert_eq!(calls[0]["name"], "get_weather");
    assert_eq!(calls[0]["arguments"], "{\"city\":\"Paris\"}");
    assert_eq!(calls[1]["name"], "get_time");
}

#[test]
fn each_fault_of_aimock_is_a_sentence_and_keeps_the_text() {
    let mock = Mock::start();
    let profile = Profile::with_peer(&mock.base_url);
    // message, exit code, words of the sentence, whether some text comes before
    let table = [
        ("rate", 1, "limits how much", false),
        ("overload", 1, "no capacity", false),
        ("wrong-key", 4, "does not accept the key", false),
        ("trunc", 5, "cut off", true),
        ("hangup", 5, "", true),
        ("drop", 5, "", false),
        ("malformed", 1, "not its own protocol", false),
    ];
    for (message, code, words, some_text) in table {
        let said = profile.run(&["chat", "--json", "-m", "peer/gpt-4o", message]);
        assert_eq!(said.code, Some(code), "{message}: {said:?}");
        let end = said.last_event();
        let error = &end["error"];
        let sentence = error["sentence"]
            .as_str()
            .unwrap_or_else(|| panic!("{message}: {end}"));
        assert!(sentence.contains(words), "{message}: {sentence}");
        assert!(
            error["next_step"]
                .as_str()
                .is_some_and(|step| !step.is_empty()),
            "{message}"
        );
        assert_eq!(!said.text().is_empty(), some_text, "{message}: {said:?}");
    }
}
