//! The manifest: only keys that the host knows, and what the component reads.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use toml::{Table, Value};

fn manifest() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn assert_known(table: &Table, known: &[&str], place: &str) {
    for key in table.keys() {
        assert!(known.contains(&key.as_str()), "{place}: {key}");
    }
}

fn only<'a>(manifest: &'a Table, name: &str) -> &'a Table {
    match manifest[name].as_array().unwrap().as_slice() {
        [one] => one.as_table().unwrap(),
        list => panic!("{name}: {list:?}"),
    }
}

#[test]
fn the_manifest_uses_only_known_keys_and_the_world_that_is_exported() {
    let manifest = manifest();
    let top = [
        "id",
        "name",
        "version",
        "world",
        "license",
        "description",
        "homepage",
        "settings",
        "credentials",
        "egress",
        "limits",
    ];
    assert_known(&manifest, &top, "top");
    // The one with `count-tokens`.
    assert_eq!(
        manifest["world"].as_str(),
        Some("valechat:provider/counting-provider-plugin@0.1.0")
    );
    assert_eq!(
        manifest["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    let limits = manifest["limits"].as_table().unwrap();
    assert_known(
        limits,
        &["memory_mib", "cpu_ms", "wall_s", "response_mib"],
        "limits",
    );
}

#[test]
fn the_key_goes_in_its_own_header_and_only_to_the_base_url() {
    let manifest = manifest();
    let credential = only(&manifest, "credentials");
    let known = ["name", "header", "template", "origins", "required", "help"];
    assert_known(credential, &known, "credential");
    assert_eq!(credential["header"].as_str(), Some("x-api-key"));
    assert_eq!(credential["template"].as_str(), Some("{key}"));
    assert_eq!(credential["required"], Value::Boolean(true));
    let origins = credential["origins"].as_array().unwrap();
    assert_eq!(origins, &[Value::String("{settings.base_url}".into())]);
    let egress = only(&manifest, "egress");
    assert_known(egress, &["origin", "methods"], "egress");
    assert_eq!(egress["origin"].as_str(), Some("{settings.base_url}"));
}

#[test]
fn every_setting_that_the_component_reads_is_in_the_manifest_and_has_a_default() {
    let manifest = manifest();
    let properties = manifest["settings"]["properties"].as_table().unwrap();
    let mut have: Vec<&str> = properties.keys().map(String::as_str).collect();
    have.sort_unstable();
    assert_eq!(have, ["base_url", "beta", "max_tokens"]);
    for (name, property) in properties {
        assert!(property.get("default").is_some(), "{name}");
    }
    assert_eq!(
        properties["base_url"]["default"].as_str(),
        Some("https://api.anthropic.com")
    );
    // As the component has it where the host gives no setting.
    assert_eq!(properties["max_tokens"]["default"].as_integer(), Some(8192));
}
