//! The conformance suite as `valechat plugin test` runs it, over every plugin of ours and every
//! example; and over guests that misbehave, which it must find out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vale_suite::{Check, Options, Recordings, Report, Section, Verdict};
use vale_tests::packages::{manifest, packed};

use crate::examples::built;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

pub(crate) fn recordings(of: &str) -> Recordings {
    let folder = sources().join(of).join("recordings");
    if folder.is_dir() {
        Recordings::read(&folder).unwrap()
    } else {
        Recordings::none()
    }
}

/// A built plugin's folder as one file.
pub(crate) fn file(folder: &Path) -> Vec<u8> {
    let component = std::fs::read(folder.join("component.wasm")).unwrap();
    let manifest = std::fs::read_to_string(folder.join("plugin.toml")).unwrap();
    // Ours may borrow a component; a file brings its own.
    let own: Vec<_> = manifest
        .lines()
        .filter(|line| !line.starts_with("component = "))
        .collect();
    packed(&component, &own.join("\n"))
}

/// Few replays: speed is measured by whoever runs the command.
pub(crate) fn options() -> Options {
    Options {
        replays: 3,
        open_streams: 2,
        ..Options::default()
    }
}

async fn run(file: &[u8], recordings: &Recordings) -> Report {
    vale_suite::run(file, recordings, &options()).await.unwrap()
}

pub(crate) fn assert_passes(name: &str, report: &Report) {
    let failures: Vec<&Check> = report.failures().collect();
    assert!(
        report.passed && failures.is_empty(),
        "{name}: {failures:#?}"
    );
}

fn verdict(report: &Report, name: &str) -> Option<Verdict> {
    let check = report.checks.iter().find(|check| check.name == name);
    check.map(|check| check.verdict)
}

#[tokio::test]
async fn our_plugins_pass() {
    let plugins = std::env::var_os("VALECHAT_PLUGINS").unwrap_or_else(|| {
        panic!("VALECHAT_PLUGINS is not set: run this through `cargo xtask test`")
    });
    for (id, source) in [
        ("openai", "provider-openai"),
        ("anthropic", "provider-anthropic"),
        ("ollama", "provider-ollama"),
        ("lmstudio", "provider-lmstudio"),
        ("local", "provider-local"),
        ("calculator", "tool-calculator"),
        ("fetch", "tool-fetch"),
    ] {
        let file = file(&Path::new(&plugins).join(id));
        let report = run(&file, &recordings(source)).await;
        assert_passes(id, &report);
        assert!(report.checks.len() > 8, "{id}: {:#?}", report.checks);
    }
}

#[tokio::test]
async fn the_examples_pass_and_every_row_is_tried() {
    for language in ["rust", "js", "python"] {
        let Some(built) = built(language) else {
            vale_tests::skip(&format!("the {language} example could not be built here"));
            continue;
        };
        let of = format!("examples/{language}");
        let report = run(&file(&built), &recordings(&of)).await;
        assert_passes(language, &report);
        let skipped: Vec<_> = report
            .checks
            .iter()
            .filter(|check| check.verdict == Verdict::Skipped)
            .map(|check| check.name.as_str())
            .collect();
        // Its key is not required, because a local server wants none.
        assert_eq!(skipped, ["a required key is missing"; 2], "{language}");
        let faults = report
            .checks
            .iter()
            .filter(|check| check.section == Section::Faults);
        assert!(faults.count() > 20, "{language}");
        let speed = report.speed.unwrap();
        assert!(speed.first_event_p50_ms > 0.0 && speed.guest_bytes_a_stream > 0);
        let package = report.package.unwrap();
        assert!(package.cached_load_ms.unwrap() < package.compile_ms);
    }
}

#[tokio::test]
async fn the_tools_that_authors_begin_with_pass_too() {
    for example in ["tool-rust", "tool-js", "tool-python"] {
        let Some(built) = built(example) else {
            vale_tests::skip(&format!("the {example} example could not be built here"));
            continue;
        };
        let report = run(&file(&built), &recordings(&format!("examples/{example}"))).await;
        assert_passes(example, &report);
        assert!(report.checks.len() > 8, "{example}: {:#?}", report.checks);
    }
}

/// One recording of the example with something else in the place of a value of its `expect`.
#[tokio::test]
async fn a_recording_that_expects_something_else_fails() {
    let Some(built) = built("rust") else {
        vale_tests::skip("the rust example could not be built here");
        return;
    };
    let folder = sources().join("examples/rust/recordings");
    let text = std::fs::read_to_string(folder.join("hello.json")).unwrap();
    let sse = std::fs::read(folder.join("hello.sse")).unwrap();
    let only = Options {
        only: Some(Section::Conformance),
        ..options()
    };
    for (field, value) in [
        ("text", json!("Hello!")),
        ("finish", json!("max-tokens")),
        ("usage", json!({"input": 20})),
        ("error", json!("internal")),
    ] {
        let mut recording: Value = serde_json::from_str(&text).unwrap();
        recording["expect"][field] = value;
        let mut recordings = Recordings::none();
        recordings.insert("hello.json", recording.to_string().into_bytes());
        recordings.insert("hello.sse", sse.clone());
        let report = vale_suite::run(&file(&built), &recordings, &only)
            .await
            .unwrap();
        let failed: Vec<_> = report.failures().collect();
        assert!(!report.passed);
        assert_eq!(failed.len(), 1, "{field}: {failed:#?}");
        let (got, expected) = (failed[0].got.as_deref(), failed[0].expected.as_deref());
        assert!(expected.unwrap().starts_with(field), "{failed:#?}");
        assert!(got.unwrap().starts_with(field), "{failed:#?}");
    }
    // A request that is not the recorded one.
    let other = text.replace("chat/completions", "chat/other");
    let mut recordings = Recordings::none();
    recordings.insert("hello.json", other.into_bytes());
    recordings.insert("hello.sse", sse);
    let report = vale_suite::run(&file(&built), &recordings, &only)
        .await
        .unwrap();
    let failed: Vec<_> = report.failures().collect();
    assert!(
        failed[0]
            .got
            .as_deref()
            .unwrap()
            .contains("in the place of"),
        "{failed:#?}"
    );
}

/// A recorded call of a guest whose model names its misdeed.
fn misdeed(model: &str) -> Recordings {
    let recording = json!({
        "call": {"complete": {"model": model, "messages": [{"role": "user", "text": "hello"}]}},
        "expect": {"text": "before the breach", "finish": "stop"},
    });
    let mut recordings = Recordings::none();
    recordings.insert("misdeed.json", recording.to_string().into_bytes());
    recordings
}

#[tokio::test]
async fn a_guest_that_breaks_the_contract_fails_in_the_right_row() {
    let limits = "[limits]\ncpu_ms = 300\nmemory_mib = 16\n";
    let only = Options {
        only: Some(Section::Conformance),
        wall_s: 2,
        ..options()
    };
    for (guest, model, words) in [
        ("contract", "emit-after-finish", "protocol"),
        ("contract", "waits-for-nothing", "trap"),
        ("contract", "shrinks-usage", "protocol"),
        ("contract", "unknown-tool-index", "protocol"),
        ("contract", "begins-a-tool-twice", "protocol"),
        ("contract", "leaves-a-tool-open", "protocol"),
        ("trap", "unreachable", "trap"),
        ("trap", "at-once", "trap"),
        ("spin", "after-text", "cpu-limit"),
        ("alloc", "heap", "memory-limit"),
        ("flood", "log-lines", "log-flood"),
    ] {
        let file = packed(
            &vale_tests::guest(guest),
            &manifest("org.example.bad", "1.0.0", limits),
        );
        let report = vale_suite::run(&file, &misdeed(model), &only)
            .await
            .unwrap();
        let failed = report.failures().find(|check| check.name == "misdeed");
        let got = failed.and_then(|check| check.got.as_deref());
        assert!(
            got.is_some_and(|got| got.contains(words)),
            "{guest} {model}: {:#?}",
            report.checks
        );
    }
}

#[tokio::test]
async fn a_guest_that_traps_or_asks_nobody_fails_the_table_of_faults() {
    let only = Options {
        only: Some(Section::Faults),
        ..options()
    };
    for (guest, words) in [("trap", "plugin fault (trap)"), ("honest", "a good end")] {
        let file = packed(
            &vale_tests::guest(guest),
            &manifest("org.example.bad", "1.0.0", ""),
        );
        let report = vale_suite::run(&file, &Recordings::none(), &only)
            .await
            .unwrap();
        let row = "the connection is refused";
        assert_eq!(verdict(&report, row), Some(Verdict::Failed), "{guest}");
        let check = report.failures().find(|check| check.name == row).unwrap();
        assert!(check.got.as_deref().unwrap().contains(words), "{check:#?}");
        assert!(check.next_step.is_some());
        assert!(report.count(Verdict::Failed) > 10, "{:#?}", report.checks);
    }
}

#[tokio::test]
async fn a_tool_that_panics_on_odd_calls_fails() {
    let toml = |rest: &str| {
        let text = manifest("org.example.bad", "1.0.0", rest);
        text.replace(
            "valechat:provider/provider-plugin",
            "valechat:tool/tool-plugin",
        )
    };
    let only = Options {
        only: Some(Section::Conformance),
        ..options()
    };
    let file = packed(&vale_tests::guest("tool"), &toml(""));
    let report = vale_suite::run(&file, &Recordings::none(), &only)
        .await
        .unwrap();
    assert_eq!(verdict(&report, "list-tools"), Some(Verdict::Passed));
    let name = "a tool that is not there";
    assert_eq!(
        verdict(&report, name),
        Some(Verdict::Failed),
        "{:#?}",
        report.checks
    );
    assert_eq!(
        verdict(&report, "echo: odd arguments"),
        Some(Verdict::Passed)
    );
    for (misdeed, words) in [
        ("panic", "trap"),
        ("twice", "protocol"),
        ("bad-schema", "protocol"),
    ] {
        let rest = format!(
            "[settings]\ntype = \"object\"\n[settings.properties.misdeed]\ntype = \"string\"\ndefault = \"{misdeed}\"\n"
        );
        let file = packed(&vale_tests::guest("bad_tool"), &toml(&rest));
        let report = vale_suite::run(&file, &Recordings::none(), &only)
            .await
            .unwrap();
        let failed = report.failures().find(|check| check.name == "list-tools");
        let got = failed.and_then(|check| check.got.as_deref());
        assert!(
            got.is_some_and(|got| got.contains(words)),
            "{misdeed}: {:#?}",
            report.checks
        );
    }
}

#[tokio::test]
async fn a_recorded_tool_call_that_expects_something_else_fails() {
    let plugins = std::env::var_os("VALECHAT_PLUGINS").unwrap_or_else(|| {
        panic!("VALECHAT_PLUGINS is not set: run this through `cargo xtask test`")
    });
    let calculator = file(&Path::new(&plugins).join("calculator"));
    let sum = sources().join("tool-calculator/recordings/sum.json");
    let text = std::fs::read_to_string(sum).unwrap();
    let only = Options {
        only: Some(Section::Conformance),
        ..options()
    };
    for (field, value) in [("contains", json!("0.4")), ("is_error", json!(true))] {
        let mut recording: Value = serde_json::from_str(&text).unwrap();
        recording["expect"][field] = value;
        let mut recordings = Recordings::none();
        recordings.insert("sum.json", recording.to_string().into_bytes());
        let report = vale_suite::run(&calculator, &recordings, &only)
            .await
            .unwrap();
        let failed: Vec<_> = report.failures().collect();
        assert_eq!(failed.len(), 1, "{field}: {failed:#?}");
        assert!(failed[0].expected.as_deref().unwrap().starts_with(field));
    }
}

#[tokio::test]
async fn a_component_that_cannot_be_loaded_is_a_failed_check() {
    let honest = vale_tests::guest("honest");
    let file = packed(&honest, &manifest("org.example.bad", "1.0.0", ""));
    let toml = manifest("org.example.bad", "1.0.0", "").replace(
        "valechat:provider/provider-plugin",
        "valechat:tool/tool-plugin",
    );
    let only = Options {
        only: Some(Section::Package),
        ..options()
    };
    let good = vale_suite::run(&file, &Recordings::none(), &only)
        .await
        .unwrap();
    assert!(good.passed, "{:#?}", good.checks);
    let other = packed(&honest, &toml);
    let report = vale_suite::run(&other, &Recordings::none(), &only)
        .await
        .unwrap();
    let row = "plugin.toml names the component's kind";
    assert_eq!(
        verdict(&report, row),
        Some(Verdict::Failed),
        "{:#?}",
        report.checks
    );
    let empty = packed(&[0, b'a', b's', b'm', 0x0d, 0, 1, 0], &toml);
    let report = vale_suite::run(&empty, &Recordings::none(), &only)
        .await
        .unwrap();
    assert_eq!(
        verdict(&report, "the component loads"),
        Some(Verdict::Failed)
    );
}

/// A project as its author has it, through the command.
#[test]
fn the_command_says_which_check_failed_and_exits_with_1() {
    let Some(built) = built("rust") else {
        vale_tests::skip("the rust example could not be built here");
        return;
    };
    let valechat = std::env::var_os("VALECHAT_BIN")
        .unwrap_or_else(|| panic!("VALECHAT_BIN is not set: run this through `cargo xtask test`"));
    let project = tempfile::tempdir().unwrap();
    let to = |name: &str| project.path().join(name);
    for file in ["component.wasm", "plugin.toml"] {
        std::fs::copy(built.join(file), to(file)).unwrap();
    }
    std::fs::create_dir(to("recordings")).unwrap();
    let source = sources().join("examples/rust/recordings/cut.json");
    let text = std::fs::read_to_string(source).unwrap();
    std::fs::write(to("recordings/cut.json"), &text).unwrap();
    let test = |more: &[&str]| {
        let mut command = std::process::Command::new(&valechat);
        command.args(["plugin", "test"]).arg(project.path());
        let done = command.args(["--only", "conformance"]).args(more).output();
        let done = done.unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, said) = test(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cut: ends before its end mark"), "{said}");

    let other = text.replace("\"text\": \"Hel\"", "\"text\": \"Hello\"");
    std::fs::write(to("recordings/cut.json"), other).unwrap();
    let (code, said) = test(&[]);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "expected: text: \"Hello\"",
        "got: text: \"Hel\"",
        "1 failed",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = test(&["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["passed"]), (Some(1), &json!(false)));

    // Another folder of recordings, in the place of the project's.
    std::fs::create_dir(to("good")).unwrap();
    std::fs::write(to("good/cut.json"), &text).unwrap();
    let good = to("good");
    let (code, said) = test(&["--recordings", good.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
}
