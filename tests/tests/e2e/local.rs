//! The main job: a question, a real model's answer, no account and no key.

use crate::support::Profile;

/// As the tokenizer of llama.cpp counts it (facts: 42 tokens with the model's own template).
const STORY: &str = "Write a short story about a lighthouse keeper and the sea.";

#[test]
fn a_fresh_profile_answers_without_account_or_key() {
    let said = Profile::new().run(&["chat", "--max-tokens", "40", "Say hello"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.trim().len() > 1, "{said:?}");
}

#[test]
fn text_streams_and_usage_counts_match_the_tokenizer() {
    let said = Profile::new().run(&["chat", "--json", "--max-tokens", "24", STORY]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let events = said.events();
    assert_eq!(events[0]["type"], "started");
    let texts = events
        .iter()
        .filter(|event| event["type"] == "text")
        .count();
    assert!(
        texts > 5,
        "one event a token or so, not one for all: {texts}"
    );
    let end = said.last_event();
    assert_eq!(end["type"], "finished", "{end}");
    assert_eq!(end["reason"], "max-tokens");
    assert_eq!(end["usage"]["input_total"], 42);
    assert_eq!(end["usage"]["output_total"], 24);
}

#[test]
fn the_models_and_the_card_say_what_is_there() {
    let profile = Profile::new();
    let models = profile.run(&["model", "list", "-p", "local"]);
    assert_eq!(models.code, Some(0), "{models:?}");
    assert!(models.out.contains("local/SmolLM2"), "{models:?}");
    let card = profile.run(&["plugin", "show", "local"]);
    assert_eq!(card.code, Some(0), "{card:?}");
    for words in [
        "valechat:host/http",
        "ValeChat's own model on this machine",
        "64",
    ] {
        assert!(card.out.contains(words), "{words}: {}", card.out);
    }
}

#[test]
fn doctor_finds_a_healthy_installation_healthy() {
    let said = Profile::new().run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let checks = report["checks"]
        .as_array()
        .unwrap_or_else(|| panic!("{said:?}"));
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check["state"] == "fail")
        .collect();
    assert!(failed.is_empty() && checks.len() > 5, "{failed:?}");
}
