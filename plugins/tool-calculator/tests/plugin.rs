//! The manifest and the list of tools.

use serde_json::Value;
use tool_calculator::Calculator;
use vale_sdk::Context;
use vale_sdk::tool::described;

#[test]
fn the_manifest_asks_for_nothing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml");
    let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let keys: Vec<_> = manifest.keys().map(String::as_str).collect();
    let known = [
        "description",
        "id",
        "license",
        "limits",
        "name",
        "version",
        "world",
    ];
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, known);
    assert_eq!(
        manifest["world"].as_str(),
        Some("valechat:tool/tool-plugin@0.1.0")
    );
    assert_eq!(
        manifest["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn every_tool_says_what_it_takes_and_that_it_changes_nothing() {
    let tools = described::<Calculator>(&Context::new("{}", Vec::new()).unwrap()).unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.def.name.as_str()).collect();
    assert_eq!(names, ["calculate", "convert", "date"]);
    for tool in tools {
        let schema: Value = serde_json::from_str(&tool.def.input_schema_json).unwrap();
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["additionalProperties"], false);
        for required in schema["required"].as_array().unwrap() {
            assert!(
                schema["properties"]
                    .get(required.as_str().unwrap())
                    .is_some()
            );
        }
        assert_eq!(tool.hints.read_only, Some(true));
        assert_eq!(tool.hints.open_world, Some(false));
        assert!(tool.title.is_some());
    }
}
