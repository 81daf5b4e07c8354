//! Compiled code that was tampered with, or cannot be kept, costs time and nothing else.

use std::path::{Path, PathBuf};

use vale_sandbox::{CodeCache, Engine, EngineConfig, LoadedFrom, Plugin};
use vale_tests::{closed_gate, context, guest, request, run, skip};
use vale_types::Limits;

/// A profile's state folder.
struct Profile(tempfile::TempDir);

impl Profile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn code(&self) -> PathBuf {
        self.0.path().join("code")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("state/code.key")
    }

    fn engine(&self) -> Engine {
        engine(&self.code(), &self.key())
    }

    /// The one file of compiled code.
    fn file(&self) -> PathBuf {
        let mut files = files(&self.code());
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

fn engine(code: &Path, key: &Path) -> Engine {
    let config = EngineConfig {
        cache: Some(CodeCache::open(code, key).unwrap()),
        threads: Some(2),
    };
    Engine::new(config).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The plugin answers: what was loaded is the plugin.
async fn assert_works(plugin: &Plugin) {
    let context = context(closed_gate(), Limits::default());
    let outcome = run(plugin, context, &request("", &["it works"])).await;
    assert_eq!(outcome.text(), "it works");
    assert!(outcome.end.is_ok());
}

fn note(plugin: &Plugin) -> &str {
    match plugin.loaded_from() {
        LoadedFrom::Compiler(Some(note)) => note,
        other => panic!("no note, but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_load_comes_from_the_cache_also_after_a_restart() {
    let profile = Profile::new();
    let engine = profile.engine();
    let first = engine.load(guest("honest")).await.unwrap();
    assert_eq!(*first.loaded_from(), LoadedFrom::Compiler(None));
    for engine in [engine, profile.engine()] {
        let again = engine.load(guest("honest")).await.unwrap();
        assert_eq!(*again.loaded_from(), LoadedFrom::Cache);
        assert_eq!(again.sha256(), first.sha256());
        assert_works(&again).await;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&profile.key()), 0o600);
        assert_eq!(mode(&profile.file()), 0o600);
        assert_eq!(mode(&profile.code()), 0o700);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_code_is_compiled_anew_says_so_and_is_whole_again() {
    let profile = Profile::new();
    profile.engine().load(guest("honest")).await.unwrap();
    let whole = std::fs::read(profile.file()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        *bytes.get_mut(at).unwrap() ^= 1;
        bytes
    };
    let cut = |length: usize| whole.get(..length).unwrap().to_vec();
    let last = whole.len() - 1;
    for damaged in [
        // The seal's first and last byte, the code's first bytes, its middle, its end.
        flipped(0),
        flipped(31),
        flipped(32),
        flipped(64),
        flipped(last / 2),
        flipped(last),
        Vec::new(),
        cut(31),
        cut(32),
        cut(last),
        [whole.as_slice(), b"\0"].concat(),
        // The code without its seal, as wasmtime itself would take it.
        whole.get(32..).unwrap().to_vec(),
        b"#!/bin/sh\n".repeat(10_000),
    ] {
        std::fs::write(profile.file(), &damaged).unwrap();
        let plugin = profile.engine().load(guest("honest")).await.unwrap();
        assert!(note(&plugin).contains("was not used"), "{}", note(&plugin));
        assert_works(&plugin).await;
        let healed = profile.engine().load(guest("honest")).await.unwrap();
        assert_eq!(*healed.loaded_from(), LoadedFrom::Cache);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn genuine_code_of_another_profile_plugin_or_engine_is_never_loaded() {
    let (profile, other) = (Profile::new(), Profile::new());
    profile.engine().load(guest("honest")).await.unwrap();
    let (honest, code) = (profile.file(), std::fs::read(profile.file()).unwrap());

    // Another profile: the same name and code under another key.
    other.engine().load(guest("honest")).await.unwrap();
    std::fs::write(other.file(), &code).unwrap();
    let plugin = other.engine().load(guest("honest")).await.unwrap();
    assert!(note(&plugin).contains("not ours"), "{}", note(&plugin));

    // Another plugin: its genuine code under this plugin's name.
    profile.engine().load(guest("spin")).await.unwrap();
    let spin = files(&profile.code())
        .into_iter()
        .find(|file| *file != honest);
    std::fs::copy(spin.unwrap(), &honest).unwrap();
    let plugin = profile.engine().load(guest("honest")).await.unwrap();
    assert!(note(&plugin).contains("not ours"), "{}", note(&plugin));
    assert_works(&plugin).await;

    // Another engine: its file's name has another hash, so it is not even looked at; under this
    // engine's name the seal does not fit, since the seal covers the name.
    std::fs::remove_file(&honest).unwrap();
    let name = honest.file_name().unwrap().to_str().unwrap();
    let sha256 = name.split('-').next().unwrap();
    let foreign = profile
        .code()
        .join(format!("{sha256}-0123456789abcdef.cwasm"));
    std::fs::write(&foreign, &code).unwrap();
    let plugin = profile.engine().load(guest("honest")).await.unwrap();
    assert_eq!(*plugin.loaded_from(), LoadedFrom::Compiler(None));
    assert_works(&plugin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_key_only_means_compiling_once_more() {
    let profile = Profile::new();
    profile.engine().load(guest("honest")).await.unwrap();
    for key in [None, Some(vec![0; 31]), Some(Vec::new()), Some(vec![7; 32])] {
        match key {
            None => std::fs::remove_file(profile.key()).unwrap(),
            Some(key) => std::fs::write(profile.key(), key).unwrap(),
        }
        let plugin = profile.engine().load(guest("honest")).await.unwrap();
        assert!(note(&plugin).contains("was not used"));
        assert_works(&plugin).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_written_or_read_is_only_slower() {
    let profile = Profile::new();
    let engine = profile.engine();
    engine.load(guest("honest")).await.unwrap();
    // A folder where the file should be: neither read nor replaced.
    let file = profile.file();
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("in-the-way")).unwrap();
    let plugin = engine.load(guest("honest")).await.unwrap();
    assert!(
        note(&plugin).contains("could not be kept"),
        "{}",
        note(&plugin)
    );
    assert_works(&plugin).await;
    // The folder is gone while the host runs.
    std::fs::remove_dir_all(profile.code()).unwrap();
    let plugin = engine.load(guest("honest")).await.unwrap();
    assert!(
        note(&plugin).contains("could not be kept"),
        "{}",
        note(&plugin)
    );
    assert_works(&plugin).await;
}

const FULL_DISK: &str = "VALECHAT_TEST_FULL_DISK";
const INSIDE: &str = "cache::on_the_full_disk";

#[test]
fn a_full_disk_only_means_compiling_each_time() {
    let folder = tempfile::tempdir().unwrap();
    // A tiny disk in a mount namespace of its own: it is gone with the process.
    let namespace = ["--user", "--map-root-user", "--mount"];
    let mount = r#"mount -t tmpfs -o size=64k test "$0" && exec "$@""#;
    let mut command = std::process::Command::new("unshare");
    command
        .args(namespace)
        .args(["sh", "-c", mount])
        .arg(folder.path());
    let mut probe = std::process::Command::new("unshare");
    probe
        .args(namespace)
        .args(["sh", "-c", mount])
        .arg(folder.path())
        .arg("true");
    if !probe.output().is_ok_and(|output| output.status.success()) {
        skip("compiled plugins on a full disk: this machine allows no mount namespace");
        return;
    }
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", INSIDE])
        .env(FULL_DISK, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a_full_disk_only_means_compiling_each_time runs it on a tiny disk"]
async fn on_the_full_disk() {
    // `--include-ignored` runs it without a disk: then there is nothing to do.
    let Some(disk) = std::env::var_os(FULL_DISK).map(PathBuf::from) else {
        return;
    };
    let engine = engine(&disk.join("code"), &disk.join("state/key"));
    for _ in 0..2 {
        let plugin = engine.load(guest("honest")).await.unwrap();
        let note = note(&plugin);
        assert!(
            note.contains("could not be kept") && note.contains("space"),
            "{note}"
        );
        assert_works(&plugin).await;
    }
    assert!(
        files(&disk.join("code")).is_empty(),
        "nothing half-written is left"
    );
}
