//! The two manifests over this component: only keys that the host knows, and what they promise.

#![expect(clippy::unwrap_used, reason = "tests")]

use toml::{Table, Value};

fn manifest(folder: &str) -> Table {
    let path = format!("{}/../{folder}/plugin.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn keys(table: &Table) -> Vec<&str> {
    table.keys().map(String::as_str).collect()
}

fn assert_known(table: &Table, known: &[&str], place: &str) {
    for key in keys(table) {
        assert!(known.contains(&key), "{place}: {key}");
    }
}

fn tables<'a>(manifest: &'a Table, name: &str) -> Vec<&'a Table> {
    let list = manifest[name].as_array().unwrap();
    list.iter().map(|item| item.as_table().unwrap()).collect()
}

#[test]
fn both_manifests_use_only_known_keys_and_the_world_that_is_exported() {
    let top = [
        "id",
        "name",
        "version",
        "world",
        "component",
        "license",
        "description",
        "homepage",
        "settings",
        "credentials",
        "egress",
        "limits",
    ];
    let credential = [
        "name", "header", "template", "origins", "required", "source", "help",
    ];
    for folder in ["provider-openai", "provider-local"] {
        let manifest = manifest(folder);
        assert_known(&manifest, &top, folder);
        for table in tables(&manifest, "credentials") {
            assert_known(table, &credential, folder);
            assert_eq!(table["required"], Value::Boolean(true));
        }
        for table in tables(&manifest, "egress") {
            assert_known(
                table,
                &["origin", "methods", "paths", "local_server"],
                folder,
            );
        }
        let limits = manifest["limits"].as_table().unwrap();
        assert_known(
            limits,
            &["memory_mib", "cpu_ms", "wall_s", "response_mib"],
            folder,
        );
        let world = manifest["world"].as_str().unwrap();
        assert_eq!(world, "valechat:provider/provider-plugin@0.1.0");
        assert_eq!(
            manifest["version"].as_str(),
            Some(env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn every_setting_that_the_component_reads_is_in_the_manifest_and_has_a_default() {
    let manifest = manifest("provider-openai");
    let properties = manifest["settings"]["properties"].as_table().unwrap();
    let read = [
        "api",
        "base_url",
        "organization",
        "project",
        "max_tokens_field",
        "send_reasoning",
        "include_usage",
    ];
    let mut have = keys(properties);
    have.sort_unstable();
    let mut want = read.to_vec();
    want.sort_unstable();
    assert_eq!(have, want);
    for (name, property) in properties {
        assert!(property.get("default").is_some(), "{name}");
    }
}

#[test]
fn the_local_provider_reaches_the_hosts_own_server_and_nothing_else() {
    let manifest = manifest("provider-local");
    assert_eq!(manifest["component"].as_str(), Some("provider-openai"));
    let egress = tables(&manifest, "egress");
    assert_eq!(egress.len(), 1);
    assert_eq!(egress[0]["origin"].as_str(), Some("{host.infer}"));
    assert_eq!(egress[0]["local_server"], Value::Boolean(true));
    let credentials = tables(&manifest, "credentials");
    assert_eq!(credentials[0]["source"].as_str(), Some("host.infer"));
    let base_url = manifest["settings"]["properties"]["base_url"]["default"].as_str();
    assert_eq!(base_url, Some("{host.infer}/v1"));
}
