//! Scanning plugin folders: good ones load, broken ones are listed with a reason.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vale_plugins::{ComponentError, Entry, EntryError, MAX_COMPONENT_BYTES, Registry};

const OPENAI: &str = include_str!("fixtures/openai.toml");
const LOCAL: &str = include_str!("fixtures/local.toml");
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0rest";

fn plugin(dir: &Path, folder: &str, manifest: Option<&str>, component: Option<&[u8]>) -> PathBuf {
    let path = dir.join(folder);
    fs::create_dir_all(&path).unwrap();
    if let Some(text) = manifest {
        fs::write(path.join("plugin.toml"), text).unwrap();
    }
    if let Some(bytes) = component {
        fs::write(path.join("component.wasm"), bytes).unwrap();
    }
    path
}

fn scan(dirs: &[&TempDir]) -> Registry {
    let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_owned()).collect();
    Registry::scan(&dirs, dirs.len())
}

fn only_error(registry: &Registry) -> String {
    let mut broken = registry.broken();
    let (_, error) = broken.next().unwrap();
    assert!(broken.next().is_none());
    error.to_string()
}

#[test]
fn a_plugin_and_the_one_that_borrows_its_component_load() {
    let dir = TempDir::new().unwrap();
    let openai = plugin(dir.path(), "provider-openai", Some(OPENAI), Some(COMPONENT));
    plugin(dir.path(), "provider-local", Some(LOCAL), None);
    let registry = scan(&[&dir]);
    assert_eq!(registry.broken().count(), 0);
    let local = registry.get("local").unwrap();
    assert_eq!(local.component_path, openai.join("component.wasm"));
    let component = registry.get("openai").unwrap().component_bytes().unwrap();
    assert_eq!(component.bytes, COMPONENT);
    assert_eq!(
        component.sha256_hex(),
        // printf '\0asm\x0d\0\x01\0rest' | sha256sum
        "2ada3049d110dae6deff098a3f57d45c6ad2bc3485a72a28c742794cbd52193d"
    );
}

#[test]
fn a_folder_with_only_a_component_may_lend_it() {
    let dir = TempDir::new().unwrap();
    plugin(dir.path(), "provider-openai", None, Some(COMPONENT));
    plugin(dir.path(), "local", Some(LOCAL), None);
    let registry = scan(&[&dir]);
    assert_eq!(registry.entries().len(), 1);
    assert!(registry.get("local").is_some());
}

#[test]
fn one_broken_plugin_does_not_hide_the_others() {
    let dir = TempDir::new().unwrap();
    plugin(dir.path(), "a", Some("id = 3"), Some(COMPONENT));
    plugin(dir.path(), "b", None, Some(COMPONENT));
    let c = plugin(dir.path(), "c", None, Some(COMPONENT));
    fs::write(c.join("plugin.toml"), b"id = \"\xff\"").unwrap();
    plugin(dir.path(), "d", Some(&"#".repeat(70_000)), Some(COMPONENT));
    plugin(
        dir.path(),
        "e",
        Some(&OPENAI.replace("\"openai\"", "\"e\"")),
        None,
    );
    plugin(dir.path(), "f", Some(LOCAL), None);
    let g = plugin(dir.path(), "g", None, Some(COMPONENT));
    fs::create_dir(g.join("plugin.toml")).unwrap();
    plugin(dir.path(), "h", Some(OPENAI), Some(COMPONENT));
    plugin(dir.path(), "nothing", None, None);
    plugin(dir.path(), ".hidden", Some("id = 3"), None);
    fs::write(dir.path().join("a-file"), "x").unwrap();

    let registry = scan(&[&dir]);
    let found: Vec<(String, String)> = registry
        .broken()
        .map(|(path, error)| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, error.to_string())
        })
        .collect();
    let expected = [
        ("a", "`id` is a whole number"),
        ("b", "no plugin.toml"),
        ("c", "not UTF-8 text from byte 6"),
        ("d", "larger than 65536 bytes"),
        ("e", "component.wasm is missing"),
        ("f", "`provider-openai`"),
        ("g", "not a regular file"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((name, error), (folder, part)) in found.iter().zip(expected) {
        assert_eq!(name, folder);
        assert!(error.contains(part), "{folder}: {error}");
    }
    assert!(registry.get("openai").is_some());
}

#[test]
fn a_later_folder_never_replaces_a_plugin_silently() {
    let (built_in, own) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    plugin(built_in.path(), "openai", Some(OPENAI), Some(COMPONENT));
    plugin(own.path(), "better-openai", Some(OPENAI), Some(COMPONENT));
    let registry = scan(&[&built_in, &own]);
    assert_eq!(registry.get("openai").unwrap().dir, 0);
    assert!(only_error(&registry).contains("`openai` is taken"));
    assert!(matches!(
        registry.entries()[1],
        Entry::Broken {
            error: EntryError::Duplicate { .. },
            ..
        }
    ));
}

#[test]
fn a_built_in_without_its_component_keeps_its_id() {
    let (built_in, own) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    plugin(built_in.path(), "openai", Some(OPENAI), None);
    plugin(own.path(), "openai", Some(OPENAI), Some(COMPONENT));
    let registry = scan(&[&built_in, &own]);
    assert!(registry.get("openai").is_none());
    assert_eq!(registry.broken().count(), 2);
}

#[test]
fn a_borrowed_component_comes_from_the_plugins_own_directory_first() {
    let (built_in, own) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    plugin(built_in.path(), "local", Some(LOCAL), None);
    plugin(
        built_in.path(),
        "provider-openai",
        Some(OPENAI),
        Some(COMPONENT),
    );
    let mine = LOCAL.replace("\"local\"", "\"org.example.local\"");
    plugin(own.path(), "mine", Some(&mine), None);
    plugin(own.path(), "provider-openai", None, Some(COMPONENT));
    let registry = scan(&[&own, &built_in]);
    let of = |id: &str| registry.get(id).unwrap().component_path.clone();
    assert!(of("local").starts_with(built_in.path()));
    assert!(of("org.example.local").starts_with(own.path()));
}

#[test]
fn a_missing_directory_is_empty_and_an_unreadable_one_is_named() {
    let dir = TempDir::new().unwrap();
    let none = Registry::scan(&[dir.path().join("nowhere")], 1);
    assert!(none.entries().is_empty());
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = only_error(&Registry::scan(&[file], 1));
    assert!(error.contains("could not read"), "{error}");
}

#[test]
fn a_damaged_component_is_told_apart() {
    let dir = TempDir::new().unwrap();
    let folder = plugin(dir.path(), "openai", Some(OPENAI), Some(COMPONENT));
    let registry = scan(&[&dir]);
    let installed = registry.get("openai").unwrap();
    let file = folder.join("component.wasm");

    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let error = installed.component_bytes().unwrap_err();
    assert!(
        matches!(error, ComponentError::CoreModule { .. }),
        "{error}"
    );
    for damaged in [&b""[..], b"\0asm", b"<html>not found</html>"] {
        fs::write(&file, damaged).unwrap();
        let error = installed.component_bytes().unwrap_err();
        assert!(
            matches!(error, ComponentError::NotComponent { .. }),
            "{error}"
        );
    }
    fs::File::create(&file)
        .unwrap()
        .set_len(MAX_COMPONENT_BYTES + 1)
        .unwrap();
    let error = installed.component_bytes().unwrap_err();
    assert!(matches!(error, ComponentError::TooLarge { .. }), "{error}");
    fs::remove_file(&file).unwrap();
    let error = installed.component_bytes().unwrap_err();
    assert!(matches!(error, ComponentError::Io { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_component_does_not_hang_the_host() {
    let dir = TempDir::new().unwrap();
    let folder = plugin(dir.path(), "openai", Some(OPENAI), Some(COMPONENT));
    let registry = scan(&[&dir]);
    let file = folder.join("component.wasm");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let error = registry.get("openai").unwrap().component_bytes();
    assert!(matches!(error, Err(ComponentError::Io { .. })));
}
