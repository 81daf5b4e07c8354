//! The manifest and the list of tools.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use tool_fetch::Fetch;
use vale_sdk::Context;
use vale_sdk::tool::described;

fn manifest() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn the_sites_are_one_list_and_the_rule_over_it_only_reads() {
    let manifest = manifest();
    assert_eq!(
        manifest["world"].as_str(),
        Some("valechat:tool/tool-plugin@0.1.0")
    );
    assert_eq!(
        manifest["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    let settings = manifest["settings"]["properties"].as_table().unwrap();
    let names: Vec<_> = settings.keys().map(String::as_str).collect();
    assert_eq!(names, ["sites"]);
    let sites = &settings["sites"];
    assert_eq!(sites["type"].as_str(), Some("array"));
    assert_eq!(sites["items"]["format"].as_str(), Some("uri"));
    assert_eq!(sites["minItems"].as_integer(), Some(1));
    assert_eq!(sites["maxItems"].as_integer(), Some(16));
    assert_eq!(sites["uniqueItems"].as_bool(), Some(true));
    let default = sites["default"].as_array().unwrap();
    assert_eq!(default, &["https://en.wikipedia.org".into()]);
    let [rule] = manifest["egress"].as_array().unwrap().as_slice() else {
        panic!("{:?}", manifest["egress"]);
    };
    assert_eq!(rule["origin"].as_str(), Some("{settings.sites}"));
    assert_eq!(rule["methods"].as_array().unwrap(), &["GET".into()]);
    assert!(
        rule.get("local_server").is_none(),
        "pages of the private network stay private"
    );
    // The gate's cap is above the tool's own, so that the tool and not a fault ends a large page.
    assert!(manifest["limits"]["response_mib"].as_integer().unwrap() > 4);
    assert!(manifest.get("credentials").is_none());
}

#[test]
fn the_tool_names_the_sites_that_it_may_read() {
    let context = |settings: &str| Context::new(settings, Vec::new()).unwrap();
    let none = described::<Fetch>(&context(r#"{"sites":[]}"#)).unwrap();
    let said = &none[0].def.description;
    assert!(said.contains("Only these sites: none yet."), "{said}");
    let two = r#"{"sites":["https://a.example","https://b.example/docs"]}"#;
    let tools = described::<Fetch>(&context(two)).unwrap();
    assert_eq!(tools.len(), 1);
    let tool = &tools[0];
    assert_eq!(tool.def.name, "fetch");
    let said = &tool.def.description;
    assert!(
        said.contains("Only these sites: https://a.example, https://b.example/docs."),
        "{said}"
    );
    assert_eq!(tool.hints.read_only, Some(true));
    assert_eq!(tool.hints.open_world, Some(true));
    let schema: Value = serde_json::from_str(&tool.def.input_schema_json).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["url"]));
}
