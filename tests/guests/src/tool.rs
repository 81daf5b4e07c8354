//! What the tool components share: bindings of the tool's world, and its values without their
//! boilerplate.

#[expect(missing_docs, reason = "generated; `wit/` is its documentation")]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/host", "../../wit/tool"],
        world: "valechat:tool/tool-plugin",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "vale_test_guests::tool::bindings",
    });
}

pub use bindings::exports::valechat::tool::tool::{
    Described, Error, Guest, Hints, ToolCall, ToolDef, ToolResult,
};
pub use bindings::valechat::host::{blobs, config, http, kv, log};
pub use bindings::valechat::types::{chat, common, errors};

/// A tool of this name, with a schema that takes any object.
pub fn described(name: impl Into<String>) -> Described {
    Described {
        def: ToolDef {
            name: name.into(),
            description: "A tool for tests.".to_owned(),
            input_schema_json: r#"{"type":"object"}"#.to_owned(),
            extras: Vec::new(),
        },
        title: None,
        hints: Hints {
            read_only: None,
            destructive: None,
            idempotent: None,
            open_world: None,
        },
        output_schema_json: None,
        extras: Vec::new(),
    }
}

/// A good answer to this call.
pub fn answer(call: &ToolCall, content: Vec<chat::ResultPart>) -> ToolResult {
    ToolResult {
        call_id: call.id.clone(),
        name: Some(call.name.clone()),
        content,
        is_error: false,
        extras: Vec::new(),
    }
}

/// A good answer of one text.
pub fn text(call: &ToolCall, text: impl Into<String>) -> ToolResult {
    answer(call, vec![chat::ResultPart::Text(text.into())])
}

/// A tool that ran and failed.
pub fn failed(call: &ToolCall, why: impl Into<String>) -> ToolResult {
    ToolResult {
        is_error: true,
        ..text(call, why)
    }
}

/// The string value of a member of the arguments. Test arguments are flat and hold no escapes.
pub fn argument<'a>(call: &'a ToolCall, name: &str) -> &'a str {
    let member = format!("\"{name}\":\"");
    let rest = call
        .arguments_json
        .split_once(&member)
        .map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
}
