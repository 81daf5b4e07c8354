//! The contract is a promise: what was published stays, and a component that was built against it runs.
//!
//! What a tool of that version does is tested beside the other tools (`runtime/sandbox/tests/tools`).
//! `tests/guests/frozen` holds, for each published version, the contract as text without comments and
//! components that were built against it. `wit/CHANGELOG.md` names the text's SHA-256. None of these is
//! ever changed; a new version of the contract adds files of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vale_plugins::sha256_hex;
use vale_suite::{Options, Recordings, Section};
use vale_tests::{Sandboxed, closed_gate, context, request, run};
use vale_types::Limits;
use wit_component::WitPrinter;
use wit_parser::Resolve;

const PACKAGES: [&str; 4] = ["types", "host", "provider", "tool"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn frozen(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/guests/frozen").join(name)).unwrap()
}

/// Every published version of the contract, oldest first, with its text.
fn published() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("tests/guests/frozen")).unwrap();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let version = name.strip_prefix("contract-")?.strip_suffix(".wit")?;
            let text = String::from_utf8(frozen(&name)).unwrap();
            Some((version.to_owned(), text))
        })
        .collect();
    let numbers = |version: &str| -> Vec<u32> {
        version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    found.sort_by_key(|(version, _)| numbers(version));
    found
}

/// The contract of this checkout: its version, and its text without comments.
fn current() -> (String, String) {
    let mut resolve = Resolve::default();
    let mut text = String::new();
    let mut versions = BTreeSet::new();
    for package in PACKAGES {
        let (id, _) = resolve.push_dir(root().join("wit").join(package)).unwrap();
        let mut printer = WitPrinter::default();
        printer.emit_docs(false);
        printer.print(&resolve, id, &[]).unwrap();
        text.push_str(&printer.output.to_string());
        text.push('\n');
        let version = resolve.packages[id].name.version.clone();
        versions.insert(version.unwrap().to_string());
    }
    assert_eq!(versions.len(), 1, "packages are versioned together");
    (versions.pop_first().unwrap(), text)
}

/// The items of a contract's text by where they stand: `package/interface` and the item itself.
/// Versions are left out: an item of 0.1.0 is the same item in 0.1.1.
fn items(text: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    let (mut package, mut place, mut item) = (String::new(), String::new(), String::new());
    let mut depth = 0_i32;
    for line in text.lines().map(unversioned) {
        let line = line.trim();
        if depth == 0 {
            if let Some(name) = line.strip_prefix("package ") {
                name.trim_end_matches(';').clone_into(&mut package);
            } else if line.ends_with('{') {
                place = format!("{package} {}", line.trim_end_matches('{').trim());
            }
        } else if !line.is_empty() && (depth != 1 || line != "}") {
            item.push_str(line);
            item.push('\n');
        }
        let of = |bracket| i32::try_from(line.matches(bracket).count()).unwrap();
        depth += of('{') - of('}');
        if depth == 1 && (item.ends_with(";\n") || item.ends_with("}\n")) {
            let whole = std::mem::take(&mut item);
            found.insert((place.clone(), whole.clone()), whole);
        }
    }
    assert!(item.is_empty() && depth == 0, "{item}");
    found
}

/// Without `@1.2.3`.
fn unversioned(line: &str) -> String {
    let mut parts = line.split('@');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        // `pkg/iface@0.1.0.{a}` ends its version with a dot that is not part of it.
        if rest.starts_with('{') {
            out.push('.');
        }
        out.push_str(rest);
    }
    out
}

#[test]
fn the_contract_is_the_one_that_was_published() {
    let (version, now) = current();
    let published = published();
    let newest = published.last();
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contract-{version}.wit"));
    std::fs::write(&fresh, &now).unwrap();
    assert!(
        newest.is_some_and(|(newest, text)| *newest == version && *text == now),
        "wit/ is no longer the contract that was published last. Give its packages the next version, \
         copy {} to tests/guests/frozen/, and tell of it in wit/CHANGELOG.md.",
        fresh.display()
    );
}

#[test]
fn a_version_takes_nothing_away() {
    let published = published();
    for pair in published.windows(2) {
        let [(old, before), (new, after)] = pair else {
            continue;
        };
        if old.rsplit_once('.').unwrap().0 != new.rsplit_once('.').unwrap().0 {
            continue;
        }
        let after = items(after);
        for (key, item) in items(before) {
            assert!(after.contains_key(&key), "{new} lacks {item} of {old}");
        }
    }
}

/// The check above can fail: what is changed or gone is seen, and what is new is not held against it.
#[test]
fn what_is_changed_or_gone_is_seen() {
    let (version, now) = current();
    let before = items(&now);
    assert!(before.len() > 80, "only {} items", before.len());
    let next = now.replace(&format!("@{version}"), "@0.1.9");
    assert_eq!(items(&next), before);
    let lost = |changed: &str| {
        let after = items(changed);
        before
            .keys()
            .filter(|key| !after.contains_key(*key))
            .count()
    };
    let more = now.replacen("interface log {", "interface log {\n  more: func();\n", 1);
    assert_eq!(lost(&more), 0);
    assert!(items(&more).len() > before.len());
    for (from, to) in [
        ("retry-after-ms: option<u64>", "retry-after-ms: option<u32>"),
        ("    warn,\n", ""),
        ("describe: func() -> provider-info;", ""),
        ("import valechat:host/kv@0.1.0;", ""),
    ] {
        assert!(now.contains(from), "{from}");
        assert_eq!(lost(&now.replacen(from, to, 1)), 1, "{from}");
    }
}

#[test]
fn the_changelog_tells_of_every_version() {
    let changelog = std::fs::read_to_string(root().join("wit/CHANGELOG.md")).unwrap();
    let mut told = BTreeMap::new();
    for section in changelog.split("\n## ").skip(1) {
        let version = section.split_whitespace().next().unwrap();
        let digest = section.split('`').find(|code| code.len() == 64);
        told.insert(version.to_owned(), digest.map(str::to_owned));
    }
    let published: BTreeMap<_, _> = published()
        .into_iter()
        .map(|(version, text)| (version, Some(sha256_hex(text.as_bytes()))))
        .collect();
    assert_eq!(told, published);
}

/// A provider as it was packed when 0.1.0 was frozen, with the recordings of that day.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_of_0_1_0_answers_as_on_its_first_day() {
    let recordings =
        Recordings::read(&root().join("tests/guests/frozen/recordings-0.1.0")).unwrap();
    let options = Options {
        only: Some(Section::Conformance),
        ..Options::default()
    };
    let report = vale_suite::run(&frozen("provider-0.1.0.wasm"), &recordings, &options)
        .await
        .unwrap();
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed, "{failures:#?}");
    let replayed = report.checks.iter().filter(|check| {
        ["cut:", "hello:", "responses-weather:", "weather:"]
            .iter()
            .any(|name| check.name.starts_with(name))
    });
    // Each once more, and once with the network cutting elsewhere.
    assert_eq!(replayed.count(), 4 * 3, "{:#?}", report.checks);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_provider_of_0_1_0_still_answers() {
    let sandbox = Sandboxed::default();
    let plugin = sandbox
        .engine
        .load(frozen("honest-0.1.0.wasm"))
        .await
        .unwrap();
    let outcome = run(
        &plugin,
        context(closed_gate(), Limits::default()),
        &request("", &["still", "here"]),
    )
    .await;
    assert!(outcome.end.is_ok(), "{:?}", outcome.end);
    assert!(outcome.text().contains("here"), "{}", outcome.text());
}
