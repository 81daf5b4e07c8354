//! The promises of the secrets file.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Passphrase;

const KEY: &str = "sk-the-secret-of-this-test";

/// Cheap on purpose: the real cost is checked in `format` and in the vault's tests.
const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn store(path: &Path, passphrase: &'static str) -> FileStore {
    counting(path, passphrase, Arc::default())
}

fn counting(path: &Path, passphrase: &'static str, asked: Arc<AtomicUsize>) -> FileStore {
    let ask = move |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        Passphrase::new(passphrase.to_owned()).map(Some)
    };
    let passphrases = Passphrases::new(Arc::new(|_| None), Some(Box::new(ask)));
    FileStore {
        cost: CHEAP,
        ..FileStore::new(path.to_owned(), passphrases)
    }
}

fn name(provider: &str) -> SecretName {
    SecretName::first(provider, "api-key").unwrap()
}

fn secret(value: &str) -> Secret {
    Secret::new(value.to_owned()).unwrap()
}

fn value(store: &FileStore, provider: &str) -> Option<String> {
    store
        .get(&name(provider))
        .unwrap()
        .map(|secret| secret.expose().to_owned())
}

fn sealed_file() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let store = store(&path, "right passphrase");
    store.set(&name("openai"), &secret(KEY)).unwrap();
    store.set(&name("anthropic"), &secret("another")).unwrap();
    let bytes = fs::read(&path).unwrap();
    (dir, path, bytes)
}

#[test]
fn what_is_set_is_found_by_another_process_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/on/demand/keys");
    let first = store(&path, "right passphrase");
    assert!(first.get(&name("openai")).unwrap().is_none());
    assert!(!first.remove(&name("openai")).unwrap());
    assert!(!path.exists(), "reading creates nothing");
    first.set(&name("openai"), &secret("sk-1")).unwrap();

    let second = store(&path, "right passphrase");
    assert_eq!(value(&second, "openai").unwrap(), "sk-1");
    second.set(&name("openai"), &secret("sk-2")).unwrap();
    second.set(&name("mistral"), &secret("m-1")).unwrap();
    assert_eq!(value(&first, "openai").unwrap(), "sk-2");
    assert!(first.remove(&name("openai")).unwrap());
    assert!(!second.remove(&name("openai")).unwrap());
    assert_eq!(value(&second, "openai"), None);
    assert_eq!(value(&second, "mistral").unwrap(), "m-1");
}

#[test]
fn the_file_shows_neither_keys_nor_names_and_no_two_writes_look_alike() {
    let (_dir, path, bytes) = sealed_file();
    for plain in [
        KEY,
        "another",
        "openai",
        "anthropic",
        "api-key",
        "right passphrase",
    ] {
        let found = bytes
            .windows(plain.len())
            .any(|window| window == plain.as_bytes());
        assert!(!found, "{plain} is readable");
    }
    store(&path, "right passphrase")
        .set(&name("openai"), &secret(KEY))
        .unwrap();
    let again = fs::read(&path).unwrap();
    assert_eq!(again.len(), bytes.len());
    let body = HEADER_LEN..bytes.len();
    let equal = again[body.clone()]
        .iter()
        .zip(&bytes[body])
        .filter(|(a, b)| a == b)
        .count();
    assert!(
        equal < bytes.len() / 8,
        "{equal} equal bytes under a new nonce"
    );
}

#[test]
fn the_passphrase_is_asked_for_once() {
    let (_dir, path, _) = sealed_file();
    let asked = Arc::new(AtomicUsize::new(0));
    let store = counting(&path, "right passphrase", Arc::clone(&asked));
    for _ in 0..3 {
        assert_eq!(value(&store, "openai").unwrap(), KEY);
        store.set(&name("mistral"), &secret("m-1")).unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_wrong_passphrase_is_told_from_damage_and_changes_nothing() {
    let (_dir, path, bytes) = sealed_file();
    let wrong = store(&path, "wrong passphrase");
    for result in [
        wrong.get(&name("openai")).map(drop),
        wrong.set(&name("openai"), &secret("sk-2")),
        wrong.remove(&name("openai")).map(drop),
    ] {
        assert!(matches!(result, Err(SecretError::WrongPassphrase { .. })));
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_dir, path, bytes) = sealed_file();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            fs::write(&path, &changed).unwrap();
            // One opened before and one opened now.
            let result = store(&path, "right passphrase").get(&name("openai"));
            let expected = match at {
                0..10 => matches!(result, Err(SecretError::Format { .. })),
                _ => matches!(result, Err(SecretError::Damaged { .. })),
            };
            assert!(expected, "byte {at} ^ {mask:#x}: {:?}", result.err());
            let set = store(&path, "right passphrase").set(&name("openai"), &secret("sk-2"));
            assert!(set.is_err());
            assert_eq!(
                fs::read(&path).unwrap(),
                changed,
                "a damaged file is left for rescue"
            );
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let (_dir, path, bytes) = sealed_file();
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        let result = store(&path, "right passphrase").get(&name("openai"));
        assert!(
            matches!(result, Err(SecretError::Damaged { .. })),
            "{len}: {:?}",
            result.err()
        );
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    fs::write(&path, longer).unwrap();
    let result = store(&path, "right passphrase").get(&name("openai"));
    assert!(matches!(result, Err(SecretError::Damaged { .. })));
}

#[test]
fn a_key_kept_in_memory_is_no_way_around_the_checks() {
    let (_dir, path, bytes) = sealed_file();
    let open = store(&path, "right passphrase");
    assert_eq!(value(&open, "openai").unwrap(), KEY);
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&path, changed).unwrap();
    assert!(matches!(
        open.get(&name("openai")),
        Err(SecretError::Damaged { .. })
    ));

    fs::remove_file(&path).unwrap();
    store(&path, "other passphrase")
        .set(&name("openai"), &secret("sk-2"))
        .unwrap();
    assert!(matches!(
        open.get(&name("openai")),
        Err(SecretError::WrongPassphrase { .. })
    ));
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let (_dir, path, _) = sealed_file();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let store = store(path, "right passphrase");
                for entry in 0..8 {
                    store
                        .set(&name(&format!("p{writer}-{entry}")), &secret("x"))
                        .unwrap();
                    assert_eq!(value(&store, "openai").unwrap(), KEY);
                }
            });
        }
    });
    let store = store(&path, "right passphrase");
    for writer in 0..4 {
        for entry in 0..8 {
            assert_eq!(value(&store, &format!("p{writer}-{entry}")).unwrap(), "x");
        }
    }
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 2, "the secrets and their lock, nothing temporary");
}

#[test]
fn a_store_that_would_grow_past_its_limit_refuses_and_keeps_what_it_has() {
    let (_dir, path, _) = sealed_file();
    let store = store(&path, "right passphrase");
    let long = secret(&"k".repeat(Secret::MAX_LEN));
    let mut unlocked = store.unlocked();
    let mut entries = store.load(&mut unlocked).unwrap().unwrap();
    for n in 0..31 {
        entries.insert(&name(&format!("p{n}")), long.duplicate());
    }
    store.store(unlocked.as_ref().unwrap(), &entries).unwrap();
    drop(unlocked);
    let refused = store.set(&name("p31"), &long);
    assert!(matches!(refused, Err(SecretError::Full { .. })));
    assert_eq!(value(&store, "p0").unwrap(), long.expose());
    assert_eq!(value(&store, "openai").unwrap(), KEY);
}

#[test]
fn without_anybody_to_ask_the_sentence_says_what_to_do() {
    let (_dir, path, _) = sealed_file();
    let store = FileStore::new(path, Passphrases::new(Arc::new(|_| None), None));
    let error = store.get(&name("openai")).err().unwrap();
    assert!(error.to_string().contains("VALECHAT_PASSPHRASE_FILE"));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_and_a_looser_mode_is_corrected() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/keys");
    let store = store(&path, "right passphrase");
    store.set(&name("openai"), &secret(KEY)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&dir.path().join("state/keys.lock")), 0o600);
    assert_eq!(mode(&dir.path().join("state")), 0o700);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(value(&store, "openai").unwrap(), KEY);
    assert_eq!(mode(&path), 0o600);
}
