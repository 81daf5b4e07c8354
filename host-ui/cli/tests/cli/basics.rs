//! Help, exit codes, errors in words and as JSON.

use crate::support::Home;

#[test]
fn help_names_every_command_exit_code_and_variable() {
    let help = Home::new().run(&["--help"]);
    for word in [
        "chat",
        "model",
        "provider",
        "key",
        "plugin",
        "doctor",
        "--json",
        "--quiet",
        "--color",
        "--log",
        "130",
        "VALECHAT_HOME",
        "VALECHAT_PLUGINS",
        "VALECHAT_INFER",
        "VALECHAT_MODEL",
        "VALECHAT_KEY_<PROVIDER>",
        "VALECHAT_PASSPHRASE_FILE",
        "NO_COLOR",
        "Examples:",
    ] {
        assert!(help.ok().contains(word), "{word}");
    }
    for command in ["chat", "model", "provider", "key", "plugin", "doctor"] {
        assert!(
            Home::new()
                .run(&[command, "--help"])
                .ok()
                .contains("Usage:")
        );
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let home = Home::with_plugin();
    for args in [
        &["nosuch"][..],
        &["chat", "--max-tokens", "0", "hi"],
        &["chat", "--temperature", "9", "hi"],
        &["chat", "--color", "pink"],
        // A key on the command line could be read by other programs.
        &["key", "set", "openai", "sk-123"],
        &[
            "provider", "add", "lan", "--plugin", "openai", "--set", "base_url",
        ],
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
    let error = home.run(&["nosuch", "--json"]);
    assert_eq!(error.code, 2);
    assert_eq!(error.json()["error"]["kind"], "usage");
    assert_eq!(error.stderr, "");
}

#[test]
fn no_message_and_no_terminal_is_a_usage_error() {
    let home = Home::with_plugin();
    home.run(&["chat"]).failed(2, "There is no message.");
    home.fed(home.command(&["chat"]), " \n")
        .failed(2, "There is no message.");
    home.run(&["--log", "===", "doctor"])
        .failed(2, "no log level");
}

#[test]
fn a_mistake_in_the_settings_is_named_by_line_and_reason() {
    let home = Home::with_plugin();
    home.settings("# mine\ndefault_model = \n");
    for args in [&["chat", "hi"][..], &["model", "list"], &["plugin", "list"]] {
        let ran = home.run(args);
        ran.failed(3, "config.toml have a mistake at line 2, column 17");
        assert!(ran.stderr.contains("Correct the file"), "{ran:?}");
    }
    assert_eq!(home.config_text(), "# mine\ndefault_model = \n");
    let error = home.run(&["chat", "hi", "--json"]);
    assert_eq!(
        (error.code, &error.json()["error"]["kind"]),
        (3, &"settings".into())
    );
}

#[test]
fn without_plugins_a_chat_says_where_they_were_looked_for() {
    let home = Home::new();
    let ran = home.run(&["chat", "hi"]);
    ran.failed(3, "No provider plugin is installed");
    assert!(
        ran.stderr.contains(home.path("plugins").to_str().unwrap()),
        "{ran:?}"
    );
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let home = Home::with_plugin();
    home.run(&["chat", "-m", "nosuch/model", "hi"])
        .failed(2, "There is no provider “nosuch”.");
    let ran = home.run(&["provider", "test", "nosuch"]);
    ran.failed(2, "There is no provider “nosuch”.");
    assert!(ran.stderr.contains("There are: openai."), "{ran:?}");
    home.run(&["plugin", "show", "nosuch"])
        .failed(2, "no usable plugin “nosuch”");
    home.run(&["chat", "-m", "a b", "hi"])
        .failed(2, "“a b” is not valid");
}

#[test]
fn a_chat_without_a_default_says_how_to_name_a_model() {
    let home = Home::with_plugin();
    home.run(&["chat", "hi"]).failed(3, "No model was named");
    home.settings("default_model = \"gone/model\"\n");
    home.run(&["chat", "hi"]).failed(
        3,
        "The default model is gone/model. There is no provider “gone”.",
    );
}

#[test]
fn a_damaged_component_is_a_plugin_fault_that_says_so() {
    let home = Home::with_plugin();
    for args in [
        &["plugin", "show", "openai"][..],
        &["provider", "test", "openai"],
        &["chat", "-m", "openai/gpt", "hi"],
    ] {
        home.run(args).failed(6, "is not a WebAssembly component");
    }
    let json = home.run(&["provider", "test", "openai", "--json"]);
    assert_eq!(json.code, 6);
    assert_eq!(json.json()["error"]["kind"], "plugin");
    assert_eq!(json.json()["error"]["failure"]["fault"]["class"], "load");
}

#[test]
fn doctor_finds_what_is_wrong_and_goes_on() {
    let home = Home::with_plugin();
    let json = home.run(&["doctor", "--json"]);
    assert_eq!(json.code, 1);
    let document = json.json();
    assert_eq!(document["ok"], false);
    let status = |name: &str| {
        let checks = document["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("{name}"))["status"].clone()
    };
    for (name, expected) in [
        ("settings", "ok"),
        ("state folder", "ok"),
        ("plugin openai", "fail"),
        ("local model program", "fail"),
        ("model file", "fail"),
    ] {
        assert_eq!(status(name), expected, "{name}");
    }
    home.settings("nonsense = 1");
    let words = home.run(&["doctor"]);
    assert_eq!(words.code, 1);
    assert!(words.stdout.contains("FAIL settings: "), "{words:?}");
    assert!(words.stdout.contains("nonsense"), "{words:?}");
    assert!(words.stdout.contains("state folder: "), "{words:?}");
}

#[test]
fn plugin_list_shows_damaged_manifests_beside_the_good_ones() {
    let home = Home::with_plugin();
    let broken = home.path("plugins/broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("plugin.toml"), "id = 1").unwrap();
    let ran = home.run(&["plugin", "list"]);
    assert!(ran.ok().contains("openai"), "{ran:?}");
    assert!(ran.stderr.contains("cannot be used"), "{ran:?}");
    let rows = home.run(&["plugin", "list", "--json"]).json();
    let rows = rows["plugins"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .any(|row| row["id"] == "openai" && row["built_in"] == true)
    );
    assert!(
        rows.iter()
            .any(|row| row["id"].is_null() && row["problem"].is_string())
    );
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let home = Home::with_plugin();
    for args in [
        &["plugin", "list"][..],
        &["plugin", "list", "--json"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn the_local_model_is_fetched_only_for_a_chat_with_it() {
    let home = Home::with_plugin();
    let local = home.path("plugins/local");
    std::fs::create_dir_all(&local).unwrap();
    std::fs::write(
        local.join("plugin.toml"),
        include_str!("fixture/local.toml"),
    )
    .unwrap();
    std::fs::write(local.join("component.wasm"), "no component").unwrap();
    // A number that nobody may reach: a fetch fails at once, and says so.
    let settings = |default: &str| {
        home.settings(&format!(
            "{default}[inference]\nmodel = \"https://169.254.169.254/m.gguf\"\nsha256 = \"{}\"\n[keys]\nstore = \"file\"\n",
            "0".repeat(64)
        ));
    };
    settings("");
    for args in [&["chat", "hi"][..], &["chat", "-m", "local/m", "hi"]] {
        let ran = home.run(args);
        assert!(ran.stderr.contains("169.254.169.254"), "{ran:?}");
    }
    let component = "is not a WebAssembly component";
    home.run(&["chat", "-m", "openai/gpt", "hi"])
        .failed(6, component);
    settings("default_model = \"openai/gpt\"\n");
    home.run(&["chat", "hi"]).failed(6, component);
    let ran = home.run(&["chat", "-m", "local", "hi"]);
    assert!(ran.stderr.contains("169.254.169.254"), "{ran:?}");
}
