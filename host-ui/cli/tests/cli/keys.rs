//! `key`: stored sealed, found again, never shown.

use std::fs;

use serde_json::Value;

use crate::support::{Home, holds};

const KEY: &str = "sk-test-0123456789abcdef";

fn state(list: &Value, id: &str) -> Value {
    let rows = list["providers"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    row["keys"][0].clone()
}

#[test]
fn a_key_in_the_file_store_is_sealed_found_and_forgotten() {
    let home = Home::with_plugin();
    // The keyring is the default: `--store file` changes that and says so.
    home.settings("# kept\n");
    let vault = home.path("elsewhere");
    fs::create_dir_all(&vault).unwrap();
    let passphrase = vault.join("passphrase");
    fs::write(&passphrase, "a long passphrase\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let command = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("VALECHAT_PASSPHRASE_FILE", &passphrase);
        command
    };
    let set = ["key", "set", "openai", "--stdin", "--store", "file"];
    let ran = home.fed(command(&set), &format!("{KEY}\n"));
    assert!(ran.ok().contains("kept in the encrypted file"), "{ran:?}");
    assert!(ran.stderr.contains("from now on"), "{ran:?}");
    let config = home.config_text();
    assert!(config.contains("# kept\n"), "{config}");
    assert!(config.contains("store = \"file\""), "{config}");
    assert!(!holds(&home.path("home"), KEY), "the key lies open");

    let list = ["provider", "list", "--json"];
    let found = home.fed(command(&list), "");
    assert!(!found.stdout.contains(KEY));
    let key = state(&found.json(), "openai");
    assert_eq!(
        (&key["state"], &key["place"]),
        (&"set".into(), &"encrypted file".into())
    );

    // Without the passphrase it is locked, not missing, and nobody is asked to see a list.
    let locked = home.run(&list);
    assert_eq!(state(&locked.json(), "openai")["state"], "locked");

    // So a new address for it is asked about, whether the file can be looked into or not.
    let add = ["provider", "add", "openai", "--plugin", "openai"];
    let ran = home.run(&add);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("may be kept already"), "{ran:?}");
    let ran = home.fed(command(&add), "");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("is kept already"), "{ran:?}");

    let mut with_variable = home.command(&list);
    with_variable.env("VALECHAT_KEY_OPENAI", KEY);
    let key = state(&home.fed(with_variable, "").json(), "openai");
    assert_eq!(key["place"], "environment VALECHAT_KEY_OPENAI");

    let remove = ["key", "remove", "openai", "--json"];
    assert_eq!(home.fed(command(&remove), "").json()["removed"], true);
    assert_eq!(home.fed(command(&remove), "").json()["removed"], false);
    let after = home.fed(command(&list), "");
    assert_eq!(state(&after.json(), "openai")["state"], "missing");
}

#[test]
fn a_key_that_cannot_be_one_or_has_no_owner_is_refused() {
    let home = Home::with_plugin();
    let set = |args: &[&str], key: &str| home.fed(home.command(args), key);
    set(&["key", "set", "openai", "--stdin"], "\n").failed(4, "The key is empty.");
    let ran = set(&["key", "set", "openai", "--stdin"], "sk with spaces");
    ran.failed(4, "holds a space");
    assert!(!ran.stderr.contains("spaces\""), "{ran:?}");
    set(&["key", "set", "nosuch", "--stdin"], KEY).failed(2, "There is no provider “nosuch”.");
    set(
        &["key", "set", "openai", "--credential", "x", "--stdin"],
        KEY,
    )
    .failed(2, "no credential of that name");
    home.run(&["key", "set", "openai"])
        .failed(2, "There is no terminal to ask for the key.");
    // Nobody can be asked for the passphrase of the new file.
    let ran = set(&["key", "set", "openai", "--stdin"], KEY);
    ran.failed(4, "needs a passphrase");
    assert!(!ran.stderr.contains(KEY));
}

#[test]
fn a_missing_passphrase_file_is_named() {
    let home = Home::with_plugin();
    let mut command = home.command(&["key", "set", "openai", "--stdin"]);
    command.env("VALECHAT_PASSPHRASE_FILE", home.path("nowhere"));
    home.fed(command, KEY).failed(4, "nowhere");
}
