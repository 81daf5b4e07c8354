//! The program that reads the price source: literals become JSON, all else is refused, nothing is run.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Says once why the test cannot do its work; then it counts as skipped, not as passed.
fn skip(reason: &str) {
    if let Some(log) = std::env::var_os("VALECHAT_SKIP_LOG") {
        let mut log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        writeln!(log, "{reason}").unwrap();
    }
}

fn has_python() -> bool {
    let version = Command::new("python3").arg("--version").output();
    let found = version.is_ok_and(|version| version.status.success());
    if !found {
        skip("vale-billing convert: no python3");
    }
    found
}

fn convert(source: &str) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/data/convert.py");
    let file = std::env::temp_dir().join(format!(
        "vale-prices-{}-{:?}.py",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, source).unwrap();
    let output = Command::new("python3")
        .args(["-I", script])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    output
}

#[test]
fn literals_become_json_and_decimals_keep_their_text() {
    if !has_python() {
        return;
    }
    let source = "import datetime\nfrom .types import *\nproviders: list[Provider] = [Provider(id='p', name=None,\n\
        models=[ModelInfo(match=ClauseOr(or_=[ClauseEquals(equals='é')]), prices=ModelPrice(input_mtok=Decimal('0.10')),\n\
        when={'a': 'b'}, from_=datetime.date(2026, 3, 9), until=datetime.time(16, 30, tzinfo=datetime.UTC), start=5, old=True)])]\n";
    let output = convert(source);
    assert!(output.status.success(), "{output:?}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let model = json!({"match": {"or": [{"equals": "é"}]}, "prices": {"input_mtok": "0.10"}, "when": {"a": "b"},
        "from": "2026-03-09", "until": "16:30:00+00:00", "start": 5, "old": true});
    assert_eq!(value["providers"], json!([{"id": "p", "models": [model]}]));
    assert_eq!(value["today"].as_str().unwrap().len(), 10);
}

#[test]
fn what_is_no_literal_is_refused_and_not_run() {
    if !has_python() {
        return;
    }
    for bad in [
        "providers: list = [Provider(price=0.1)]",
        "providers: list = [Provider(price=Decimal(0.1))]",
        "providers: list = [Provider(price=1 + 1)]",
        "providers: list = [Provider(**other)]",
        "providers: list = [Provider(start=datetime.time(1, 0, tzinfo=here))]",
        "providers: list = [print('run')]",
        "print('run')",
        "providers = [",
    ] {
        let output = convert(bad);
        assert!(!output.status.success(), "{bad}");
        assert!(output.stdout.is_empty(), "{bad}");
    }
}
