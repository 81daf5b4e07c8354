//! Calls as a model makes them.

use serde_json::Value;
use tool_calculator::Calculator;
use vale_sdk::ToolResult;
use vale_sdk::tool::testkit::{FakeHost, text_of};

/// 2024-02-29T12:34:56.789Z
pub(crate) const NOW: u64 = 1_709_210_096_789;

pub(crate) fn call(name: &str, arguments: &Value) -> ToolResult {
    let host = FakeHost::with_settings("{}").unwrap().at(NOW);
    host.call::<Calculator>(name, &arguments.to_string())
        .unwrap()
}

/// The answer's text.
pub(crate) fn good(name: &str, arguments: &Value) -> String {
    let result = call(name, arguments);
    assert!(!result.is_error, "{arguments}: {}", text_of(&result));
    text_of(&result)
}

/// The sentence of a call that gave no answer.
pub(crate) fn refused(name: &str, arguments: &Value) -> String {
    let result = call(name, arguments);
    assert!(result.is_error, "{arguments}: {}", text_of(&result));
    text_of(&result)
}

/// `VALECHAT_FULL=1` runs a hundred times as many cases.
pub(crate) fn config() -> proptest::prelude::ProptestConfig {
    let full = std::env::var("VALECHAT_FULL").is_ok_and(|value| !value.is_empty() && value != "0");
    proptest::prelude::ProptestConfig {
        cases: if full { 51_200 } else { 512 },
        // Integration tests have no source path to store failures beside.
        failure_persistence: None,
        ..Default::default()
    }
}
