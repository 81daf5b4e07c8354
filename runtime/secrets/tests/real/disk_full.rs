//! The secrets file on a disk that is really full: a tiny tmpfs in a user namespace of its own.

use std::path::Path;
use std::sync::Arc;

use vale_secrets::{
    FileStore, Passphrase, Passphrases, Secret, SecretError, SecretName, SecretStore as _,
};

use crate::support;

const IN_A_NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--mount"];
const FOLDER_VARIABLE: &str = "VALECHAT_TEST_FOLDER";

#[test]
fn a_full_disk_loses_no_key_and_says_so() {
    let probe = std::process::Command::new("unshare")
        .args(IN_A_NAMESPACE)
        .arg("true")
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        support::skip("secrets on a full disk: no user namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let output = support::isolated("unshare", folder.path())
        .args(IN_A_NAMESPACE)
        .args([
            "sh",
            "-c",
            r#"mount -t tmpfs -o size=64k,mode=0700 test "$0" && exec "$@""#,
        ])
        .arg(&disk)
        .arg(std::env::current_exe().unwrap())
        .args(support::only("disk_full::inside_full_disk"))
        .env(FOLDER_VARIABLE, &disk)
        .output()
        .unwrap();
    support::assert_passed(&output);
}

#[test]
#[ignore = "a_full_disk_loses_no_key_and_says_so runs it on a tiny disk"]
fn inside_full_disk() {
    let disk = std::env::var_os(FOLDER_VARIABLE).unwrap();
    let disk = Path::new(&disk);
    let ask = |_| Passphrase::new("a passphrase".to_owned()).map(Some);
    let passphrases = Passphrases::new(Arc::new(|_| None), Some(Box::new(ask)));
    let store = FileStore::new(disk.join("keys"), passphrases);
    let name = SecretName::first("openai", "api-key").unwrap();
    store
        .set(&name, &Secret::new("sk-before".to_owned()).unwrap())
        .unwrap();

    std::fs::write(disk.join("filler"), vec![0; 128 * 1024]).unwrap_err();
    let error = store
        .set(&name, &Secret::new("sk-after".to_owned()).unwrap())
        .unwrap_err();
    assert!(matches!(error, SecretError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("The disk is full"), "{error}");
    assert_eq!(store.get(&name).unwrap().unwrap().expose(), "sk-before");

    std::fs::remove_file(disk.join("filler")).unwrap();
    store
        .set(&name, &Secret::new("sk-after".to_owned()).unwrap())
        .unwrap();
    assert_eq!(store.get(&name).unwrap().unwrap().expose(), "sk-after");
    assert_eq!(
        std::fs::read_dir(disk).unwrap().count(),
        2,
        "keys and lock, nothing temporary"
    );
}
