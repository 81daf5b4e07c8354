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
    let world = manifest["world"].as_str().unwrap();
    assert_eq!(world, "valechat:provider/counting-provider-plugin@0.1.0");
    let version = manifest["version"].as_str();
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
    let limits = manifest["limits"].as_table().unwrap();
    let known = ["memory_mib", "cpu_ms", "wall_s", "response_mib"];
    assert_known(limits, &known, "limits");
}

#[test]
fn it_reaches_one_server_that_may_be_local_and_needs_no_key() {
    let manifest = manifest();
    let egress = only(&manifest, "egress");
    assert_known(egress, &["origin", "methods", "local_server"], "egress");
    assert_eq!(egress["origin"].as_str(), Some("{settings.base_url}"));
    assert_eq!(egress["local_server"], Value::Boolean(true));
    let credential = only(&manifest, "credentials");
    let known = ["name", "header", "template", "origins", "required", "help"];
    assert_known(credential, &known, "credential");
    assert_eq!(credential["header"].as_str(), Some("authorization"));
    assert_eq!(credential["template"].as_str(), Some("Bearer {key}"));
    assert_eq!(credential["required"], Value::Boolean(false));
    let origins = credential["origins"].as_array().unwrap();
    assert_eq!(origins, &[Value::String("{settings.base_url}".into())]);
}

#[test]
fn every_setting_that_the_component_reads_is_in_the_manifest_and_has_a_default() {
    let manifest = manifest();
    let properties = manifest["settings"]["properties"].as_table().unwrap();
    let mut have: Vec<&str> = properties.keys().map(String::as_str).collect();
    have.sort_unstable();
    assert_eq!(have, ["base_url", "keep_alive", "max_num_ctx", "num_ctx"]);
    for (name, property) in properties {
        assert!(property.get("default").is_some(), "{name}");
    }
    let address = properties["base_url"]["default"].as_str();
    assert_eq!(address, Some("http://127.0.0.1:11434"));
    // As the component has it where the host gives no setting: see `tests/window.rs`.
    let largest = properties["max_num_ctx"]["default"].as_integer();
    assert_eq!(largest, Some(32_768));
    assert_eq!(properties["num_ctx"]["default"].as_integer(), Some(0));
}
