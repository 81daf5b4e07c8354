//! The life of somebody's plugin, as a person types it: installed, updated, taken back, changed behind
//! their back, switched off, removed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use vale_tests::guest;
use vale_tests::packages::{manifest, packed, packed_in};

use crate::support::{Profile, Said, needed};

const ID: &str = "org.example.x";

fn file(profile: &Profile, version: &str, component: &str, more: &str) -> PathBuf {
    let name = format!("{version}-{component}.wasm");
    packed_in(
        profile.path(),
        &name,
        &guest(component),
        &manifest(ID, version, more),
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn assert_done(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn ask(profile: &Profile) -> Said {
    profile.run(&["chat", "-m", "org.example.x/any", "hello", "-q"])
}

fn row(profile: &Profile) -> Value {
    let said = profile.run(&["plugin", "list", "--json"]);
    let all: Value = serde_json::from_str(&said.out).unwrap();
    let rows = all["plugins"].as_array().unwrap();
    let found = rows.iter().find(|row| row["id"] == ID);
    found.cloned().unwrap_or(Value::Null)
}

#[test]
fn a_plugin_is_installed_by_consent_answers_and_is_removed_without_a_trace() {
    let profile = Profile::new();
    let one = file(&profile, "1.0.0", "honest", "");
    let said = profile.run(&["plugin", "install", text(&one)]);
    assert_eq!(said.code, Some(2), "nobody was asked: {said:?}");
    assert!(
        said.err.contains("--yes") && said.err.contains("May reach\n  nothing"),
        "{said:?}"
    );
    assert_eq!(row(&profile), Value::Null);

    assert_done(&profile.run(&["plugin", "install", text(&one), "--yes"]));
    let said = ask(&profile);
    assert_done(&said);
    assert!(said.out.contains("hello"), "{said:?}");
    assert_eq!(row(&profile)["trial"], 2, "one of three calls is done");
    let said = profile.run(&["plugin", "install", text(&one), "--yes"]);
    assert!(said.out.contains("installed already"), "{said:?}");

    assert_done(&profile.run(&["plugin", "disable", ID]));
    let said = ask(&profile);
    assert!(
        said.code == Some(3) && said.err.contains("plugin enable"),
        "{said:?}"
    );
    assert_done(&profile.run(&["plugin", "enable", ID]));
    assert_done(&ask(&profile));

    let said = profile.run(&["plugin", "remove", ID]);
    assert!(
        said.code == Some(2) && said.err.contains("answers for"),
        "{said:?}"
    );
    assert_done(&profile.run(&["plugin", "remove", ID, "--yes"]));
    assert_eq!(row(&profile), Value::Null);
    assert!(!profile.path().join("plugins").join(ID).exists());
    let config = std::fs::read_to_string(profile.path().join("config.toml")).unwrap_or_default();
    assert!(!config.contains(ID), "{config}");
}

#[test]
fn an_update_that_asks_for_more_stops_and_says_what() {
    let profile = Profile::new();
    let place = "[[egress]]\norigin = \"https://api.example.com\"\nmethods = [\"GET\"]\n";
    let one = file(&profile, "1.0.0", "honest", place);
    assert_done(&profile.run(&["plugin", "install", text(&one), "--yes"]));

    let same = file(&profile, "1.0.1", "honest", place);
    assert_done(&profile.run(&["plugin", "update", text(&same)]));
    assert_eq!(row(&profile)["version"], "1.0.1");

    let more =
        format!("{place}[[egress]]\norigin = \"https://tracker.example\"\nmethods = [\"POST\"]\n");
    let two = file(&profile, "1.1.0", "honest", &more);
    let said = profile.run(&["plugin", "update", text(&two)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("may also reach https://tracker.example")
            && said.err.contains("https://tracker.example POST"),
        "{said:?}"
    );
    assert_eq!(row(&profile)["version"], "1.0.1");
    assert_done(&profile.run(&["plugin", "update", text(&two), "--yes"]));

    // Less is fine; back to an older one is asked for, and so is what less gave away.
    let said = profile.run(&["plugin", "update", text(&one)]);
    assert!(
        said.code == Some(2) && said.err.contains("older than"),
        "{said:?}"
    );
    assert_done(&profile.run(&["plugin", "update", text(&one), "--yes"]));
    let config = std::fs::read_to_string(profile.path().join("config.toml")).unwrap();
    assert!(!config.contains("tracker"), "{config}");

    // Another file under the same version, whatever it asks for.
    let other = packed_in(
        profile.path(),
        "other.wasm",
        &guest("trap"),
        &manifest(ID, "1.0.0", place),
    );
    let said = profile.run(&["plugin", "update", text(&other)]);
    assert!(
        said.code == Some(2) && said.err.contains("another file"),
        "{said:?}"
    );
    let stranger = packed_in(
        profile.path(),
        "stranger.wasm",
        &guest("honest"),
        &manifest("org.example.y", "1.0.0", ""),
    );
    let said = profile.run(&["plugin", "update", text(&stranger), "--yes"]);
    assert!(
        said.code == Some(2) && said.err.contains("not installed"),
        "{said:?}"
    );
}

#[test]
fn a_version_that_fails_in_its_first_calls_is_taken_back_and_the_person_is_told() {
    let profile = Profile::new();
    let good = file(&profile, "1.0.0", "honest", "");
    assert_done(&profile.run(&["plugin", "install", text(&good), "--yes"]));
    for _ in 0..3 {
        assert_done(&ask(&profile));
    }
    assert_eq!(row(&profile)["trial"], 0);
    let bad = file(&profile, "1.1.0", "trap", "");
    assert_done(&profile.run(&["plugin", "update", text(&bad)]));
    let said = ask(&profile);
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(
        said.err.contains("taken back") && said.err.contains("1.0.0"),
        "{said:?}"
    );
    assert_done(&ask(&profile));
    let row = row(&profile);
    assert_eq!(
        (&row["version"], &row["taken_back"]["version"]),
        (&"1.0.0".into(), &"1.1.0".into())
    );
    let said = profile.run(&["plugin", "list"]);
    assert!(said.err.contains("1.1.0 failed"), "{said:?}");
}

#[test]
fn a_first_version_that_fails_has_nothing_to_go_back_to_and_stays() {
    let profile = Profile::new();
    let bad = file(&profile, "1.0.0", "trap", "");
    assert_done(&profile.run(&["plugin", "install", text(&bad), "--yes"]));
    let said = ask(&profile);
    assert!(
        said.code == Some(6) && !said.err.contains("taken back"),
        "{said:?}"
    );
    assert_eq!(row(&profile)["version"], "1.0.0");
}

#[test]
fn one_that_behaves_first_and_misbehaves_later_costs_its_own_calls_and_nothing_else() {
    let profile = Profile::new();
    let good = file(&profile, "1.0.0", "honest", "");
    assert_done(&profile.run(&["plugin", "install", text(&good), "--yes"]));
    let bad = file(&profile, "1.1.0", "trap", "");
    assert_done(&profile.run(&["plugin", "update", text(&bad)]));
    // Ten calls that end well, as the host notes them.
    let shelf = vale_plugins::Shelf::new(profile.path().join("plugins"));
    let id = ID.parse().unwrap();
    let sha256 = shelf.record(&id).unwrap().current.sha256;
    for _ in 0..10 {
        shelf.note_call(&id, &sha256, None, 1).unwrap();
    }
    assert_eq!(row(&profile)["trial"], 0, "{:?}", row(&profile));
    for _ in 0..2 {
        let said = ask(&profile);
        assert!(
            said.code == Some(6) && said.err.contains("crashed"),
            "{said:?}"
        );
        assert!(
            said.out.contains("before the trap"),
            "what came is kept: {said:?}"
        );
    }
    assert_eq!(row(&profile)["version"], "1.1.0", "the person decides now");
    let said = profile.run(&["chat", "--max-tokens", "2", "hi"]);
    assert_done(&said);
    assert_done(&profile.run(&["plugin", "update", text(&good), "--yes"]));
    assert_done(&ask(&profile));
}

#[test]
fn bytes_that_changed_behind_our_back_do_not_run() {
    let profile = Profile::new();
    let good = file(&profile, "1.0.0", "honest", "");
    assert_done(&profile.run(&["plugin", "install", text(&good), "--yes"]));
    assert_done(&ask(&profile));
    let folder = profile.path().join("plugins").join(ID);
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let installed = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "wasm"))
        .unwrap();
    // A whole and valid plugin, and not the one that was agreed to.
    std::fs::write(
        &installed,
        packed(&guest("reach"), &manifest(ID, "1.0.0", "")),
    )
    .unwrap();
    let said = ask(&profile);
    assert!(
        said.code == Some(6) && said.err.contains("has changed"),
        "{said:?}"
    );
    assert_done(&profile.run(&["plugin", "install", text(&good), "--yes"]));
    assert_done(&ask(&profile));
}

#[test]
fn files_that_are_no_plugin_are_refused_by_reason_and_leave_nothing() {
    let profile = Profile::new();
    let honest = guest("honest");
    let good = packed(&honest, &manifest(ID, "1.0.0", ""));
    let newer = rename_contract(&good, "@0.1.0", "@0.2.0");
    let tool = manifest(ID, "1.0.0", "").replace(
        "valechat:provider/provider-plugin",
        "valechat:tool/tool-plugin",
    );
    let own = manifest("openai", "9.9.9", "");
    let core = b"\0asm\x01\0\0\0".to_vec();
    for (name, bytes, words) in [
        ("empty.wasm", Vec::new(), "empty"),
        (
            "page.wasm",
            b"<html>not found</html>".to_vec(),
            "not a WebAssembly file",
        ),
        ("core.wasm", core, "core"),
        ("half.wasm", good[..good.len() / 2].to_vec(), "middle"),
        ("bare.wasm", honest.clone(), "without a manifest"),
        ("newer.wasm", newer, "update ValeChat"),
        (
            "lie.wasm",
            packed(&honest, &tool),
            "the component is a provider",
        ),
        ("ours.wasm", packed(&honest, &own), "comes with ValeChat"),
        (
            "dotless.wasm",
            packed(&honest, &manifest("gemini", "1.0.0", "")),
            "org.example",
        ),
        (
            "greedy.wasm",
            packed(&greedy(), &manifest(ID, "1.0.0", "")),
            "may have",
        ),
    ] {
        let path = profile.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let said = profile.run(&["plugin", "install", text(&path), "--yes"]);
        assert!(
            said.code == Some(6) && said.err.contains(words) && said.err.contains('→'),
            "{name}: {said:?}"
        );
    }
    let large = profile.path().join("large.wasm");
    let sparse = std::fs::File::create(&large).unwrap();
    sparse.set_len(65 << 20).unwrap();
    let said = profile.run(&["plugin", "install", text(&large), "--yes"]);
    assert!(said.code == Some(2) && said.err.contains("64"), "{said:?}");
    let said = profile.run(&["plugin", "install", "/dev/zero", "--yes"]);
    assert!(
        said.code == Some(2) && said.err.contains("no file"),
        "{said:?}"
    );
    assert!(!profile.path().join("plugins").exists());
}

/// Changes every name of the contract, of the same length.
fn rename_contract(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(at, _)| at)
        .collect();
    for at in places {
        // The manifest may say what it likes; the component's names count.
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// A component with one import renamed to something that nobody offers.
fn greedy() -> Vec<u8> {
    rename_contract(&guest("reach"), "valechat:host/http", "valechat:evil/http")
}

#[test]
fn a_component_that_does_not_compile_is_not_left_installed() {
    let profile = Profile::new();
    let good = file(&profile, "1.0.0", "honest", "");
    assert_done(&profile.run(&["plugin", "install", text(&good), "--yes"]));
    // Whole outside, rubbish inside.
    let mut bytes = guest("honest");
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0x5a;
    }
    let bad = packed_in(
        profile.path(),
        "bad.wasm",
        &bytes,
        &manifest(ID, "1.1.0", ""),
    );
    let said = profile.run(&["plugin", "update", text(&bad)]);
    assert!(
        said.code == Some(6) && said.err.contains("does not load"),
        "{said:?}"
    );
    assert_eq!(row(&profile)["version"], "1.0.0");
    assert_done(&ask(&profile));
    let other = packed_in(
        profile.path(),
        "other.wasm",
        &bytes,
        &manifest("org.example.bad", "1.0.0", ""),
    );
    let said = profile.run(&["plugin", "install", text(&other), "--yes"]);
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(!profile.path().join("plugins/org.example.bad").exists());
}

#[test]
fn what_a_file_says_of_itself_cannot_reach_the_terminal() {
    let profile = Profile::new();
    let contents = vale_plugins::Contents {
        manifest: manifest(ID, "1.0.0", ""),
        readme: Some("\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{202e}evil\n".to_owned()),
        license: Some("\u{9b}31mred".to_owned()),
        icon: None,
    };
    let bytes = vale_plugins::Package::pack(&guest("honest"), &contents).unwrap();
    let path = profile.path().join("x.wasm");
    std::fs::write(&path, bytes).unwrap();
    let said = profile.run(&["plugin", "show", text(&path)]);
    assert_done(&said);
    assert!(
        said.out.contains("evil") && said.out.contains("Licence"),
        "{said:?}"
    );
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!said.out.contains(bad), "{said:?}");
}

#[test]
fn hosts_that_look_like_others_and_plain_http_are_pointed_out() {
    let profile = Profile::new();
    for (origin, words) in [
        // A Cyrillic a in the place of the Latin one.
        ("https://\u{430}pi.openai.com", "letters of other alphabets"),
        (
            "https://api.openai.com.evil.example",
            "https://api.openai.com.evil.example",
        ),
    ] {
        let more = format!("[[egress]]\norigin = \"{origin}\"\nmethods = [\"GET\"]\n");
        let path = file(&profile, "1.0.0", "honest", &more);
        let said = profile.run(&["plugin", "install", text(&path)]);
        assert!(said.err.contains(words), "{origin}: {said:?}");
        assert!(
            !said.err.contains('\u{430}'),
            "the name as it is asked for: {said:?}"
        );
    }
    let more = "[[egress]]\norigin = \"http://192.168.1.2:8080\"\nmethods = [\"GET\"]\nlocal_server = true\n";
    let path = file(&profile, "1.0.0", "honest", more);
    let said = profile.run(&["plugin", "install", text(&path)]);
    assert!(said.err.contains("not encrypted"), "{said:?}");
}

#[test]
fn limits_are_changed_and_counted_from_the_next_call_on() {
    let profile = Profile::new();
    let path = file(&profile, "1.0.0", "alloc", "");
    assert_done(&profile.run(&["plugin", "install", text(&path), "--yes"]));
    let said = profile.run(&["plugin", "limits", ID, "--set", "memory_mib=3", "--json"]);
    assert_done(&said);
    let limits: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(limits["limits"]["memory_mib"], 3);
    let said = profile.run(&["plugin", "limits", ID, "--set", "memory_mib=0"]);
    assert!(
        said.code == Some(2) && said.err.contains("between 1 and"),
        "{said:?}"
    );
    let said = profile.run(&["plugin", "limits", ID, "--set", "colour=1"]);
    assert!(
        said.code == Some(2) && said.err.contains("memory_mib"),
        "{said:?}"
    );
    let said = profile.run(&["plugin", "limits", ID, "--reset", "--json"]);
    let limits: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(limits["limits"]["memory_mib"], 64);
}

#[test]
fn a_project_is_packed_to_the_same_file_that_installs() {
    let profile = Profile::new();
    let project = profile.path().join("project");
    std::fs::create_dir_all(project.join("build")).unwrap();
    std::fs::write(project.join("build/component.wasm"), guest("honest")).unwrap();
    std::fs::write(project.join("plugin.toml"), manifest(ID, "1.0.0", "")).unwrap();
    std::fs::write(project.join("README.md"), "# It\n").unwrap();
    let packed = profile.path().join("it.wasm");
    assert_done(&profile.run(&["plugin", "pack", text(&project), "-o", text(&packed)]));
    assert_done(&profile.run(&["plugin", "install", text(&packed), "--yes"]));
    let said = profile.run(&["plugin", "install", text(&project), "--yes"]);
    assert!(said.out.contains("installed already"), "{said:?}");
    assert!(needed("VALECHAT_BIN").is_file());
}
