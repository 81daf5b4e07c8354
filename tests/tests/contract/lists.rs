//! The suite's table of faults over lists of models: every row is tried over our own providers and
//! the examples, and guests that list what they must not are found out.

use std::path::Path;

use serde_json::json;
use vale_suite::{Check, Options, Recordings, Report, Section, Verdict};
use vale_tests::packages::{manifest, packed};

use crate::examples::built;
use crate::suite::{assert_passes, file, options, recordings};

fn only() -> Options {
    Options {
        only: Some(Section::ListFaults),
        wall_s: 2,
        ..options()
    }
}

async fn run(file: &[u8], recordings: &Recordings) -> Report {
    vale_suite::run(file, recordings, &only()).await.unwrap()
}

/// What was not tried, and why.
fn skipped(report: &Report) -> Vec<&str> {
    let skipped = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Skipped);
    skipped.map(|check| check.name.as_str()).collect()
}

fn check<'r>(report: &'r Report, name: &str) -> &'r Check {
    let found = report.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no row {name}: {:#?}", report.checks))
}

#[tokio::test]
async fn our_providers_list_no_models_of_a_broken_answer() {
    let plugins = std::env::var_os("VALECHAT_PLUGINS").unwrap_or_else(|| {
        panic!("VALECHAT_PLUGINS is not set: run this through `cargo xtask test`")
    });
    // With the places behind the first request at which every row is tried again.
    for (id, later, not_tried) in [
        // A key is optional at an address that the person typed, and none is needed here.
        ("openai", 0, &[][..]),
        ("anthropic", 1, &[][..]),
        ("ollama", 2, &["a required key is missing"][..]),
        ("lmstudio", 1, &["a required key is missing"][..]),
        ("local", 0, &[][..]),
    ] {
        let file = file(&Path::new(&plugins).join(id));
        let report = run(&file, &recordings(&format!("provider-{id}"))).await;
        assert_passes(id, &report);
        assert_eq!(skipped(&report), not_tried, "{id}: {:#?}", report.checks);
        let rows = report.checks.len();
        assert!(rows > 24 + later * 20, "{id}: {rows} rows");
    }
}

#[tokio::test]
async fn the_examples_list_no_models_of_a_broken_answer() {
    for language in ["rust", "js", "python"] {
        let Some(built) = built(language) else {
            vale_tests::skip(&format!("the {language} example could not be built here"));
            continue;
        };
        let of = format!("examples/{language}");
        let report = run(&file(&built), &recordings(&of)).await;
        assert_passes(language, &report);
        // Its key is not required, because a local server wants none.
        assert_eq!(
            skipped(&report),
            ["a required key is missing"],
            "{language}"
        );
        assert!(report.checks.len() > 24, "{language}");
    }
}

/// A list on two pages.
fn pages() -> Recordings {
    let page = |url: &str, body: &str| {
        json!({
            "request": {"method": "GET", "url": url},
            "response": {"status": 200, "body": body},
        })
    };
    let url = "https://api.example.org/models";
    let recording = |http: &[serde_json::Value], models: &[&str]| json!({"call": {"list-models": {}}, "http": http, "expect": {"models": models}});
    let first = page(
        url,
        r#"{"data": [{"id": "one"}, {"id": "two"}, {"id": "three"}]}"#,
    );
    let second = page(&format!("{url}?page=2"), r#"{"data": [{"id": "four"}]}"#);
    let mut recordings = Recordings::none();
    let text = recording(&[first, second], &["one", "two", "three", "four"]).to_string();
    recordings.insert("pages.json", text.into_bytes());
    recordings
}

/// The guest that lists by its setting `misdeed`.
async fn misdeed(named: &str) -> Report {
    let rest = format!(
        "[settings]\ntype = \"object\"\n[settings.properties.misdeed]\ntype = \"string\"\n\
         default = \"{named}\"\n[[egress]]\norigin = \"https://api.example.org\"\n\
         methods = [\"GET\"]\n[limits]\ncpu_ms = 300\n"
    );
    let file = packed(
        &vale_tests::guest("lists"),
        &manifest("org.example.bad", "1.0.0", &rest),
    );
    run(&file, &pages()).await
}

#[tokio::test]
async fn a_list_of_a_broken_answer_fails_in_the_right_row() {
    for (named, row, words) in [
        (
            "takes-what-came",
            "the body ends before its announced end",
            "a list of one model (“one”)",
        ),
        (
            "takes-what-came",
            "the connection breaks in the middle",
            "a list of one model (“one”)",
        ),
        (
            "takes-what-came",
            "the last byte of the answer is missing",
            "a list of 3 models",
        ),
        ("says-there-are-none", "503", "a list of no models"),
        (
            "says-there-are-none",
            "the connection is refused",
            "a list of no models",
        ),
        ("panics", "the connection is refused", "trap"),
        ("panics", "the answer ends in the middle", "trap"),
        ("forgets-a-page", "request 2: 500", "without \"four\""),
        (
            "forgets-a-page",
            "request 2: silence in the middle",
            "without \"four\"",
        ),
    ] {
        let report = misdeed(named).await;
        let check = check(&report, row);
        let got = check.got.as_deref().unwrap_or_default();
        assert!(
            check.verdict == Verdict::Failed && got.contains(words) && check.next_step.is_some(),
            "{named}: {check:#?}"
        );
        assert_eq!(check.section, Section::ListFaults);
        assert!(!report.passed);
    }
}

/// It asks until a limit ends it.
#[tokio::test]
async fn a_list_that_does_not_end_fails() {
    let report = misdeed("asks-again").await;
    let check = check(&report, "the connection is refused");
    let got = check.got.as_deref().unwrap_or_default();
    assert_eq!(check.verdict, Verdict::Failed, "{check:#?}");
    assert!(got.contains("plugin fault"), "{check:#?}");
}

#[tokio::test]
async fn a_provider_that_asks_nobody_for_its_models_passes_and_the_report_says_so() {
    let report = misdeed("asks-nobody").await;
    assert_passes("asks-nobody", &report);
    let [only] = report.checks.as_slice() else {
        panic!("{:#?}", report.checks);
    };
    assert_eq!(only.name, "a list without asking a server");
    let got = only.got.as_deref().unwrap();
    assert!(
        got.contains("“of-its-own”") && got.contains("nobody was asked"),
        "{got}"
    );
}
