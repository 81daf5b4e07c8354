//! `provider`: what is added is what was agreed to, and the rest of the file stays.

use crate::support::Home;

const LAN: [&str; 7] = [
    "provider",
    "add",
    "lan",
    "--plugin",
    "openai",
    "--set",
    "base_url=http://127.0.0.1:8081/v1",
];

#[test]
fn a_provider_is_added_with_consent_and_removed_and_comments_stay() {
    let home = Home::with_plugin();
    let before = home.config_text();
    let ran = home.run(&LAN);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("http://127.0.0.1:8081"), "{ran:?}");
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    assert_eq!(home.config_text(), before, "nothing without consent");

    let added = home.run(&[&LAN[..], &["--yes"]].concat());
    assert!(added.ok().contains("lan is added."), "{added:?}");
    assert!(added.stderr.contains("not encrypted"), "{added:?}");
    let config = home.config_text();
    assert!(config.starts_with(&before), "{config}");
    assert!(
        config.contains("local_server = \"http://127.0.0.1:8081\""),
        "{config}"
    );

    let list = home.run(&["provider", "list", "--json"]).json();
    let rows = list["providers"].as_array().unwrap();
    let lan = rows.iter().find(|row| row["id"] == "lan").unwrap();
    assert_eq!(lan["configured"], true);
    assert_eq!(lan["addresses"][0], "http://127.0.0.1:8081");
    assert_eq!(
        lan["settings"]["include_usage"], true,
        "defaults are filled in"
    );
    assert_eq!(lan["key_is_optional"], true);
    assert!(lan["problem"].is_null(), "{lan}");

    home.run(&[&LAN[..], &["--yes"]].concat())
        .failed(2, "There is a provider “lan” already.");
    let removed = home.run(&["provider", "remove", "lan"]);
    assert_eq!(removed.ok(), "lan is removed.\n");
    assert_eq!(home.config_text().trim_end(), before.trim_end());
    home.run(&["provider", "remove", "lan"])
        .failed(2, "There is no provider “lan”.");
    home.run(&["provider", "remove", "openai"])
        .failed(2, "came with its plugin");
}

#[test]
fn a_name_elsewhere_is_granted_as_an_origin_and_a_typed_local_one_as_a_local_server() {
    let home = Home::with_plugin();
    let add = |name: &str, more: &[&str]| {
        let args = ["provider", "add", name, "--plugin", "openai", "--yes"];
        home.run(&[&args[..], more].concat())
    };
    add(
        "router",
        &["--set", "base_url=https://router.example/api/v1"],
    )
    .ok();
    let config = home.config_text();
    assert!(
        config.contains("origins = [\"https://router.example\"]"),
        "{config}"
    );
    assert!(!config.contains("local_server"), "{config}");
    add(
        "nas",
        &["--set", "base_url=https://nas.lan/v1", "--local-server"],
    )
    .ok();
    let config = home.config_text();
    assert!(
        config.contains("local_server = \"https://nas.lan\""),
        "{config}"
    );

    let json = add("plain", &["--set", "include_usage=false", "--json"]).json();
    assert_eq!(
        json["added"]["settings"]["include_usage"], false,
        "typed as the schema says"
    );
    assert_eq!(json["added"]["asks"].as_array().unwrap().len(), 0);
    assert_eq!(json["added"]["keys"][0], "api-key");
}

#[test]
fn what_can_never_work_is_refused_and_nothing_is_written() {
    let home = Home::with_plugin();
    let before = home.config_text();
    for (name, plugin, set, code, words) in [
        (
            "x",
            "nosuch",
            "base_url=https://a.example",
            2,
            "no usable plugin “nosuch”",
        ),
        (
            "a b",
            "openai",
            "base_url=https://a.example",
            2,
            "“a b” is not valid",
        ),
        (
            "x",
            "openai",
            "base_ulr=https://a.example",
            2,
            "`base_ulr` is not a setting",
        ),
        (
            "x",
            "openai",
            "include_usage=perhaps",
            2,
            "is a text, not true or false",
        ),
        ("x", "openai", "base_url=ftp://a.example", 2, "`base_url`"),
        (
            "x",
            "openai",
            "base_url={host.infer}/v1",
            2,
            "the model that ValeChat runs itself",
        ),
        (
            "x",
            "openai",
            "base_url=http://169.254.169.254/v1",
            5,
            "no plugin may reach",
        ),
        (
            "x",
            "openai",
            "base_url=https://1.1.1.1/v1",
            5,
            "the number of a public computer",
        ),
    ] {
        let ran = home.run(&[
            "provider", "add", name, "--plugin", plugin, "--set", set, "--yes",
        ]);
        ran.failed(code, words);
    }
    let twice = [
        "--set",
        "base_url=https://a.example",
        "--set",
        "base_url=https://b.example",
    ];
    home.run(&[&["provider", "add", "x", "--plugin", "openai"][..], &twice].concat())
        .failed(2, "given twice");
    assert_eq!(home.config_text(), before);
}

#[test]
fn a_key_that_lies_under_the_name_already_is_a_reason_to_ask() {
    let home = Home::with_plugin();
    let before = home.config_text();
    // The plugin's own address asks for nothing else.
    let add = |id: &str, more: &[&str]| {
        let args = ["provider", "add", id, "--plugin", "openai"];
        let mut command = home.command(&[&args[..], more].concat());
        command.env("VALECHAT_KEY_LAN", "sk-test-0123456789abcdef");
        home.fed(command, "")
    };
    let ran = add("lan", &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for words in [
        "a key for lan (api-key) is kept already",
        "VALECHAT_KEY_LAN",
        "--yes",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    assert!(!ran.stderr.contains("sk-test"), "{ran:?}");
    assert_eq!(home.config_text(), before, "nothing without consent");

    add("other", &[]).ok();
    let added = add("lan", &["--yes", "--json"]).json();
    let kept = &added["added"]["kept_keys"][0];
    assert_eq!(kept["place"], "environment VALECHAT_KEY_LAN");
    assert_eq!(kept["certain"], true);
}

#[test]
fn a_provider_whose_consent_was_taken_away_says_so() {
    let home = Home::with_plugin();
    home.settings(
        "[keys]\nstore = \"file\"\n[providers.lan]\nplugin = \"openai\"\n[providers.lan.settings]\nbase_url = \"http://127.0.0.1:8081/v1\"\n",
    );
    let ran = home.run(&["provider", "list"]);
    assert!(ran.ok().contains("http://127.0.0.1:8081"), "{ran:?}");
    assert!(ran.stderr.contains("lan cannot be used"), "{ran:?}");
    assert!(ran.stderr.contains("local server"), "{ran:?}");
}
