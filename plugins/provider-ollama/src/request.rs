//! The request body.

use vale_sdk::json::{Json, Value};
use vale_sdk::{
    Context, Error, ErrorKind, OutputFormat, Request, ThinkingMode, ToolChoice, ToolDef,
};

use crate::{messages, window};

/// Members that `options-json` may not set: they are the request itself, or would have Ollama cut
/// the conversation without a word.
const RESERVED: &[&str] = &["model", "messages", "stream", "truncate", "shift"];

/// The body for this request.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for JSON that is none,
/// `context-length` for a conversation that would be cut.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("messages", messages::all(&request.messages)?)
        .with("stream", true)
        // Refuse a prompt that does not fit instead of dropping its oldest messages, and end an
        // answer that fills the context instead of dropping them then. Older versions know
        // neither; there the size of the context is all that helps.
        .with("truncate", false)
        .with("shift", false);
    if let Some(keep_alive) = context.text("keep_alive") {
        body.set("keep_alive", duration(&keep_alive)?);
    }
    tools(&mut body, request)?;
    thinking(&mut body, &request.thinking)?;
    match &request.format {
        OutputFormat::Text => {}
        OutputFormat::Json => body.set("format", "json"),
        OutputFormat::Schema(schema) => {
            body.set("format", Json::raw("The output schema", schema)?);
        }
        OutputFormat::Other(other) => return Err(unsupported("format", other)),
    }
    let mut options = options(context, request)?;
    if let Some(own) = &request.options_json {
        merge(&mut body, &mut options, own)?;
    }
    Ok(body.with("options", options))
}

/// The runtime options that the request implies.
fn options(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut options = Json::object().with("num_ctx", window::size(context, request)?);
    if let Some(limit) = request.max_output_tokens {
        options.set("num_predict", limit);
    }
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
    ] {
        if let Some(value) = value {
            let number =
                Json::parameter(value).ok_or_else(|| invalid(name, "is no usable number"))?;
            options.set(name, number);
        }
    }
    if let Some(seed) = request.seed {
        options.set("seed", seed);
    }
    if !request.stop.is_empty() {
        let stop = request.stop.iter().map(|text| text.as_str().into());
        options.set("stop", stop.collect::<Vec<Json>>());
    }
    Ok(options)
}

/// `5m` goes as text. A bare number of seconds must go as a number: Ollama reads text as a
/// duration, which it refuses without its unit.
fn duration(text: &str) -> Result<Json, Error> {
    if text.parse::<i64>().is_ok() {
        Json::raw("keep_alive", text.trim_start_matches('+'))
    } else {
        Ok(text.into())
    }
}

/// `think` is yes, no or an effort. `none` is OpenAI's word for no.
fn thinking(body: &mut Json, mode: &ThinkingMode) -> Result<(), Error> {
    match mode {
        ThinkingMode::Default => {}
        ThinkingMode::Off => body.set("think", false),
        ThinkingMode::Effort(effort) => match effort.as_str() {
            "on" | "true" => body.set("think", true),
            "none" | "off" | "false" => body.set("think", false),
            effort => body.set("think", effort),
        },
        ThinkingMode::Budget(_) => {
            return Err(Error::unsupported(
                "thinking budget",
                "Ollama takes a thinking effort (low, medium, high), not a number of tokens.",
            ));
        }
        ThinkingMode::Other(other) => return Err(unsupported("thinking", other)),
    }
    Ok(())
}

fn tools(body: &mut Json, request: &Request) -> Result<(), Error> {
    if request.tools.is_empty() {
        return Ok(());
    }
    match &request.tool_choice {
        ToolChoice::Auto => {}
        // Without tools the model cannot call one.
        ToolChoice::None => return Ok(()),
        ToolChoice::Any | ToolChoice::Named(_) => {
            return Err(Error::unsupported(
                "tool choice",
                "Ollama cannot be told that a tool must be called; ask for it in words.",
            ));
        }
        ToolChoice::Other(other) => return Err(unsupported("tool-choice", other)),
    }
    if request.parallel_tools == Some(false) {
        return Err(Error::unsupported(
            "parallel tools",
            "Ollama cannot be told to call one tool at a time; ask for it in words.",
        ));
    }
    let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
    body.set("tools", tools?);
    Ok(())
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let what = format!("The schema of {}", tool.name);
    let function = Json::object()
        .with("name", tool.name.as_str())
        .with("description", tool.description.as_str())
        .with("parameters", Json::raw(&what, &tool.input_schema_json)?);
    Ok(Json::object()
        .with("type", "function")
        .with("function", function))
}

/// Options of the person's: a member `options` goes beside ours, anything else into the body.
fn merge(body: &mut Json, options: &mut Json, own: &str) -> Result<(), Error> {
    let parsed = Value::parse(own.as_bytes()).filter(Value::is_object);
    let parsed = parsed.ok_or_else(|| invalid("options", "are no JSON object"))?;
    for (name, value) in parsed.members() {
        let name = String::from_utf8_lossy(name);
        if RESERVED.contains(&&*name) {
            return Err(invalid(&name, "cannot be set as an option"));
        }
        if name != "options" {
            body.set(&name, value);
            continue;
        }
        if !value.is_object() {
            return Err(invalid("options", "within the options are no JSON object"));
        }
        for (name, value) in value.members() {
            // `window` has taken it, or has seen that it says nothing.
            if &**name != b"num_ctx" {
                options.set(&String::from_utf8_lossy(name), value);
            }
        }
    }
    Ok(())
}

pub(crate) fn invalid(what: &str, problem: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest(Some(what.to_string())),
        format!("\"{what}\" {problem}; nothing was sent."),
    )
}

fn unsupported(what: &str, value: &str) -> Error {
    Error::unsupported(
        format!("{what} {value}"),
        format!("Ollama does not know the {what} \"{value}\"."),
    )
}
