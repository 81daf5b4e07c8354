//! The keyring store against a real Secret Service (GNOME Keyring on a bus of its own), against no
//! bus at all, and against a bus that never answers.

use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use vale_secrets::{KeyringStore, Secret, SecretError, SecretName, SecretStore as _};

use crate::support;

const KEY: &str = "sk-a-key-in-a-real-keyring";
/// What the children that must run into the bound use for it.
const BOUND: Duration = Duration::from_secs(2);
/// Only to tell "bounded" from "for ever" on a machine however busy.
const GENEROUS: Duration = Duration::from_secs(60);

/// Starts the daemon with an unlocked keyring and waits until it owns its name on the bus.
const WITH_KEYRING: &str = r#"
printf test-password | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null &
keyring=$!
owned='dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets'
tries=0
until $owned | grep -q 'boolean true'; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo 'gnome-keyring-daemon did not start' >&2; exit 1; }
    sleep 0.1
done
"$@"
result=$?
kill $keyring
exit $result
"#;

fn name() -> SecretName {
    SecretName::first("openai", "api-key").unwrap()
}

/// Runs an ignored test of this binary beside a real keyring; `None` where there is none.
fn beside_a_keyring(test: &str) -> Option<(Output, tempfile::TempDir)> {
    let needed = ["dbus-run-session", "dbus-send", "gnome-keyring-daemon"];
    if !needed.into_iter().all(support::on_path) {
        support::skip("keyring: gnome-keyring not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = support::isolated("dbus-run-session", folder.path())
        .args(["--", "sh", "-c", WITH_KEYRING, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(support::only(test))
        .output()
        .unwrap();
    Some((output, folder))
}

#[test]
fn a_real_keyring_keeps_gives_and_forgets_a_key() {
    let Some((output, folder)) = beside_a_keyring("keyring::inside_set_get_remove") else {
        return;
    };
    support::assert_passed(&output);
    for file in files_below(folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let plain = bytes
            .windows(KEY.len())
            .any(|window| window == KEY.as_bytes());
        assert!(!plain, "{} holds the key in plain text", file.display());
    }
}

#[test]
#[ignore = "a_real_keyring_keeps_gives_and_forgets_a_key runs it beside a keyring"]
fn inside_set_get_remove() {
    let store = KeyringStore::with_timeout(GENEROUS);
    assert!(store.get(&name()).unwrap().is_none());
    assert!(!store.remove(&name()).unwrap());
    store
        .set(&name(), &Secret::new("sk-first".to_owned()).unwrap())
        .unwrap();
    store
        .set(&name(), &Secret::new(KEY.to_owned()).unwrap())
        .unwrap();

    // Another connection, as after a restart, and where it is there the desktop's own tool.
    let other = KeyringStore::with_timeout(GENEROUS);
    assert_eq!(other.get(&name()).unwrap().unwrap().expose(), KEY);
    if support::on_path("secret-tool") {
        let found = Command::new("secret-tool")
            .args([
                "lookup",
                "service",
                KeyringStore::SERVICE,
                "username",
                "openai/api-key",
            ])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), KEY);
    }
    let further = SecretName::further("openai", "admin-key").unwrap();
    assert!(other.get(&further).unwrap().is_none());
    let long = Secret::new("k".repeat(Secret::MAX_LEN)).unwrap();
    other.set(&further, &long).unwrap();
    assert_eq!(
        store.get(&further).unwrap().unwrap().expose(),
        long.expose()
    );

    assert!(other.remove(&name()).unwrap());
    assert!(store.get(&name()).unwrap().is_none());
    assert!(!store.remove(&name()).unwrap());
    // The key is left behind, so that the test outside looks for it on disk.
    store
        .set(&name(), &Secret::new(KEY.to_owned()).unwrap())
        .unwrap();
}

#[test]
fn a_locked_keyring_with_nobody_to_unlock_it_is_an_error_in_time() {
    let Some((output, _folder)) = beside_a_keyring("keyring::inside_locked") else {
        return;
    };
    support::assert_passed(&output);
}

#[test]
#[ignore = "a_locked_keyring_with_nobody_to_unlock_it_is_an_error_in_time runs it beside a keyring"]
fn inside_locked() {
    let store = KeyringStore::with_timeout(GENEROUS);
    store
        .set(&name(), &Secret::new(KEY.to_owned()).unwrap())
        .unwrap();
    let locked = Command::new("dbus-send")
        .args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.secrets",
        ])
        .args([
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
        ])
        .arg("array:objpath:/org/freedesktop/secrets/aliases/default")
        .output()
        .unwrap();
    assert!(
        locked.status.success(),
        "{}",
        String::from_utf8_lossy(&locked.stderr)
    );
    unavailable_in_time();
}

#[test]
fn without_a_session_bus_the_error_names_the_encrypted_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = support::isolated(std::env::current_exe().unwrap(), folder.path())
        .args(support::only("keyring::inside_no_answer"))
        .output()
        .unwrap();
    support::assert_passed(&output);
}

#[test]
fn a_bus_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    // Connections are taken by the kernel and nobody ever reads from them.
    let _silent = UnixListener::bind(&socket).unwrap();
    let output = support::isolated(std::env::current_exe().unwrap(), folder.path())
        .env(
            "DBUS_SESSION_BUS_ADDRESS",
            format!("unix:path={}", socket.display()),
        )
        .args(support::only("keyring::inside_no_answer"))
        .output()
        .unwrap();
    support::assert_passed(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("did not answer within 2 seconds"));
}

#[test]
#[ignore = "the tests above run it without a bus"]
fn inside_no_answer() {
    unavailable_in_time();
}

fn unavailable_in_time() {
    let start = Instant::now();
    let store = KeyringStore::with_timeout(BOUND);
    let secret = Secret::new(KEY.to_owned()).unwrap();
    for result in [store.get(&name()).map(drop), store.set(&name(), &secret)] {
        let error = result.err().unwrap();
        println!("{error}");
        assert!(
            matches!(error, SecretError::KeyringUnavailable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("valechat key set --store file"));
        assert!(!error.to_string().contains(KEY));
    }
    assert!(start.elapsed() < GENEROUS, "took {:?}", start.elapsed());
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    assert!(!files.is_empty(), "the keyring wrote no file");
    files
}
