//! The request body. What the wire cannot say is refused, never left out silently.

use vale_sdk::json::Json;
use vale_sdk::{
    Error, Message, OutputFormat, Part, Request, ResultPart, Role, ThinkingMode, ToolCall,
    ToolChoice, ToolDef, ToolResult,
};

/// The body for this request.
///
/// # Errors
/// `unsupported`, naming what this wire has no place for.
pub(crate) fn body(request: &Request) -> Result<Json, Error> {
    if request.thinking != ThinkingMode::Default {
        return Err(refused("thinking"));
    }
    if request.format != OutputFormat::Text {
        return Err(refused("output format"));
    }
    if request.options_json.is_some() {
        return Err(refused("options"));
    }
    let mut messages = Vec::new();
    for message in &request.messages {
        add_message(message, &mut messages)?;
    }
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("messages", messages)
        .with("stream", true)
        .with("stream_options", Json::object().with("include_usage", true));
    if let Some(limit) = request.max_output_tokens {
        body.set("max_tokens", limit);
    }
    if let Some(value) = request.temperature.and_then(Json::parameter) {
        body.set("temperature", value);
    }
    if let Some(value) = request.top_p.and_then(Json::parameter) {
        body.set("top_p", value);
    }
    if let Some(seed) = request.seed {
        body.set("seed", seed);
    }
    if !request.stop.is_empty() {
        let stop: Vec<Json> = request
            .stop
            .iter()
            .map(|stop| stop.as_str().into())
            .collect();
        body.set("stop", stop);
    }
    if !request.tools.is_empty() {
        let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
        body.set("tools", tools?);
        body.set("tool_choice", tool_choice(&request.tool_choice)?);
    }
    Ok(body)
}

/// Adds one message of ours as one or several of the wire's: each tool result is one of its own.
fn add_message(message: &Message, out: &mut Vec<Json>) -> Result<(), Error> {
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Text(text) => texts.push(text.as_str()),
            Part::ToolCall(call) => calls.push(tool_call(call)),
            Part::ToolResult(result) => out.push(tool_result(result)?),
            // This wire does not take a model's thoughts back.
            Part::Thinking(_) | Part::RedactedThinking(_) => {}
            part => return Err(Error::cannot_carry(part, "a message")),
        }
    }
    if texts.is_empty() && calls.is_empty() {
        return Ok(());
    }
    let role = match &message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Other(_) => return Err(refused("role")),
    };
    let mut json = Json::object()
        .with("role", role)
        .with("content", texts.join("\n\n"));
    if !calls.is_empty() {
        json.set("tool_calls", calls);
    }
    out.push(json);
    Ok(())
}

fn tool_call(call: &ToolCall) -> Json {
    let arguments = match call.arguments_json.as_str() {
        "" => "{}",
        arguments => arguments,
    };
    let function = Json::object()
        .with("name", call.name.as_str())
        .with("arguments", arguments);
    function_json(function).with("id", call.id.as_str())
}

fn tool_result(result: &ToolResult) -> Result<Json, Error> {
    let mut texts = Vec::new();
    for part in &result.content {
        match part {
            ResultPart::Text(text) | ResultPart::Json(text) => texts.push(text.as_str()),
            _ => return Err(refused("attachment of a tool's result")),
        }
    }
    // The wire has no flag for a tool that failed.
    let prefix = if result.is_error { "Error: " } else { "" };
    Ok(Json::object()
        .with("role", "tool")
        .with("tool_call_id", result.call_id.as_str())
        .with("content", format!("{prefix}{}", texts.join("\n"))))
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let schema = Json::raw("The schema of a tool", &tool.input_schema_json)?;
    let function = Json::object()
        .with("name", tool.name.as_str())
        .with("description", tool.description.as_str())
        .with("parameters", schema);
    Ok(function_json(function))
}

fn tool_choice(choice: &ToolChoice) -> Result<Json, Error> {
    Ok(match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Named(name) => function_json(Json::object().with("name", name.as_str())),
        ToolChoice::Other(name) => return Err(refused(name)),
    })
}

fn function_json(function: Json) -> Json {
    Json::object()
        .with("type", "function")
        .with("function", function)
}

fn refused(what: &str) -> Error {
    Error::unsupported(what, format!("This provider cannot send \"{what}\"."))
}
