//! Several wires at once, one standing in for another, and what is known of their models.

use std::io::Read as _;

use serde_json::Value;

use crate::aimock::Mock;
use crate::support::Profile;

/// Three wires over one mock, and settings beside them.
fn three_wires(mock: &Mock, more: &str) -> Profile {
    let profile = Profile::new();
    let root = mock.root();
    let provider = |id: &str, plugin: &str, path: &str| {
        format!(
            "[providers.{id}]\nplugin = \"{plugin}\"\nsettings = {{ base_url = \"{root}{path}\" }}\ngrant = {{ local_server = \"{root}\" }}\n"
        )
    };
    let providers = [
        provider("chat", "openai", "/v1"),
        provider("messages", "anthropic", "/v1"),
        provider("lines", "ollama", ""),
    ];
    profile.configure(&format!(
        "[keys]\nstore = \"file\"\n{more}\n{}",
        providers.join("")
    ));
    profile
}

const MODELS: [&str; 3] = [
    "chat/gpt-4o",
    "messages/claude-sonnet-4-5",
    "lines/llama3.2",
];

#[test]
fn compare_streams_from_three_wires_and_the_local_model_at_once() {
    let mock = Mock::start();
    let profile = three_wires(&mock, "");
    let mut args = vec!["compare", "--json", "--max-tokens", "8", "-m", "local"];
    for model in &MODELS {
        args.extend(["-m", model]);
    }
    args.push("hello");
    let said = profile.run(&args);
    assert_eq!(said.code, Some(0), "{said:?}");
    let events = said.events();
    for answer in 0..4 {
        let own = || events.iter().filter(|event| event["answer"] == answer);
        assert_eq!(
            own().filter(|event| event["type"] == "finished").count(),
            1,
            "{answer}"
        );
        let text: String = own().filter_map(|event| event["text"].as_str()).collect();
        if answer > 0 {
            assert_eq!(text, "Hello from aimock. How can I help?", "{answer}");
        } else {
            assert!(!text.is_empty());
        }
    }
    // For people: whole lines, each with its model.
    let mut args = vec!["compare", "-m", MODELS[0], "-m", MODELS[1]];
    args.push("hello");
    let said = profile.run(&args);
    for line in said.out.lines() {
        assert!(MODELS.iter().any(|model| line.starts_with(model)), "{line}");
    }
}

#[test]
fn one_of_several_that_fails_does_not_stop_the_others() {
    let mock = Mock::start();
    let profile = three_wires(&mock, "[policy.retry]\nmax_retries = 0\n");
    let nobody = "lines/no-such-model-here";
    let said = profile.run(&[
        "compare",
        "--json",
        "-m",
        MODELS[0],
        "-m",
        "openai/gpt-5",
        "-m",
        nobody,
        "hello",
    ]);
    let events = said.events();
    let ends: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "finished" || event["type"] == "failed")
        .map(|event| {
            (
                event["answer"].as_u64().unwrap(),
                event["type"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(ends.contains(&(0, "finished")), "{ends:?}");
    assert!(ends.contains(&(1, "failed")), "no key: {ends:?}");
    assert_eq!(said.code, Some(4), "{said:?}");
}

fn of_type<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["type"] == kind)
        .collect()
}

#[test]
fn another_model_answers_when_one_cannot_and_that_is_shown_with_reason_and_price() {
    let mock = Mock::start();
    let profile = three_wires(
        &mock,
        "[fallback]\n\"chat/*\" = [\"messages/claude-sonnet-4-5\", \"lines/llama3.2\"]\n[models.\"chat/gpt-4o\"]\ninput_per_million = \"2.5\"\noutput_per_million = \"10\"\n[models.\"messages/claude-sonnet-4-5\"]\ninput_per_million = \"3\"\noutput_per_million = \"15\"\n[policy.retry]\nmax_retries = 0\n",
    );
    // The mock refuses this on every wire: the last failure is told, and nobody is asked twice.
    let refused = profile.run(&["chat", "--json", "-m", MODELS[0], "overload"]);
    let events = refused.events();
    let switches = of_type(&events, "switched");
    let to: Vec<_> = switches
        .iter()
        .map(|switch| switch["to"].as_str().unwrap())
        .collect();
    assert_eq!(to, MODELS[1..], "{refused:?}");
    assert_eq!(switches[0]["from_price"]["output"], "10");
    assert_eq!(switches[0]["to_price"]["output"], "15");
    assert!(
        switches[0]["error"]["sentence"]
            .as_str()
            .unwrap()
            .contains("no capacity")
    );
    assert_eq!(refused.last_event()["type"], "failed");

    // For people, in words.
    let words = profile.run(&["chat", "-m", MODELS[0], "overload"]).err;
    assert!(
        words.contains("messages/claude-sonnet-4-5 answers instead of chat/gpt-4o"),
        "{words}"
    );
    assert!(words.contains("output 10 → 15 USD"), "{words}");

    // Where the reason is the request itself nobody else is asked.
    let mine = profile.run(&["chat", "--json", "-m", "chat/gpt-4o", "wrong-key"]);
    assert_eq!(
        of_type(&mine.events(), "switched").len(),
        2,
        "a key is no reason of the request"
    );
}

#[test]
fn a_failed_attempt_is_repeated_before_anything_is_shown() {
    let mock = Mock::start();
    let profile = three_wires(&mock, "[policy.retry.backoff]\nfirst_s = 0.01\n");
    let said = profile.run(&["chat", "--json", "-m", MODELS[0], "overload"]);
    let events = said.events();
    assert_eq!(of_type(&events, "retrying").len(), 2, "{said:?}");
    assert_eq!(said.last_event()["type"], "failed");
    // A cut answer has been shown: it is not repeated.
    let cut = profile.run(&["chat", "--json", "-m", MODELS[0], "trunc"]);
    assert_eq!(of_type(&cut.events(), "retrying").len(), 0, "{cut:?}");
    assert_eq!(cut.last_event()["received_anything"], true);
}

#[test]
fn a_model_says_who_says_so() {
    let mock = Mock::start();
    let profile = three_wires(
        &mock,
        "[models.\"chat/gpt-4o\"]\ncontext_window = 1234\ntools = true\noutput_per_million = \"10.50\"\n",
    );
    let said = profile.run(&["model", "show", "--json", "chat/gpt-4o"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown["context_window"]["value"], 1234, "{shown}");
    assert_eq!(shown["context_window"]["source"], "person");
    assert_eq!(
        shown["prices"][0]["output"]["value"], "10.50",
        "to the last digit"
    );
    // At this address it is not OpenAI's model, whatever its name: nobody knows what it costs.
    assert_eq!(shown["prices"][0]["input"], Value::Null);
    let book = profile.run(&["model", "show", "--json", "openai/gpt-5"]);
    let book: Value = serde_json::from_str(&book.out).unwrap();
    assert_eq!(book["prices"][0]["input"]["value"], "1.25", "{book}");
    assert!(book["prices"][0]["input"]["source"]["price-book"]["version"].is_string());
    assert_eq!(
        book["provider_error"]["kind"], "key",
        "it could not be asked: {book}"
    );

    let listed = |filter: &[&str]| {
        let said = profile.run(&[&["model", "list", "--json", "-p", "local"], filter].concat());
        let lists: Value = serde_json::from_str(&said.out).unwrap();
        lists["providers"][0]["models"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(listed(&[]), 1);
    assert_eq!(listed(&["--local", "--search", "smol"]), 1);
    assert_eq!(listed(&["--images"]), 0, "unknown is not yes");
    assert_eq!(listed(&["--min-context", "100000"]), 0);
    let wrong = profile.run(&["model", "list", "--max-input-price", "cheap"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

const DIARY: &str = "hello, my secret diary of yesterday";
const KEY: &str = "sk-test-0a1b2c3d4e5f6a7b8c9d";

#[test]
fn the_log_follows_a_request_to_its_upstream_and_the_archive_holds_nothing_private() {
    let mock = Mock::start();
    let mut profile = three_wires(&mock, "");
    profile.set("VALECHAT_KEY_CHAT", KEY);
    let answered = profile.run(&["chat", "-m", MODELS[0], DIARY]);
    assert_eq!(answered.code, Some(0), "{answered:?}");
    let refused = profile.run(&["chat", "-m", MODELS[0], "wrong-key"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");

    let folder = profile.path().join("state/logs");
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("diary") && !text.contains(KEY), "{text}");
        lines.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    let answered = lines
        .iter()
        .find(|line| line["fields"]["upstream_request_id"].is_string())
        .unwrap_or_else(|| panic!("no request id: {lines:?}"));
    let spans: Vec<_> = answered["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| span["name"].as_str().unwrap())
        .collect();
    assert_eq!(spans[1..], ["turn", "attempt"], "{answered}");

    let archive = profile.path().join("shown.zip");
    let path = archive.to_str().unwrap();
    let doctor = profile.run(&["doctor", "--bundle", path]);
    assert!(
        doctor.out.contains("logs/valechat."),
        "it says what it holds: {doctor:?}"
    );
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&archive).unwrap()).unwrap();
    assert!(archive.len() >= 6);
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        for private in ["diary", KEY, "Hello from aimock"] {
            assert!(!text.contains(private), "{}: {text}", file.name());
        }
    }
    let again = profile.run(&["doctor", "--bundle", path]);
    assert!(
        again.err.contains("could not be written"),
        "a file that is there stays: {again:?}"
    );
}
