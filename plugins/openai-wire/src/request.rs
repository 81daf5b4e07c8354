//! The request body.

use vale_sdk::json::{Json, Value};
use vale_sdk::{
    Context, Error, ErrorKind, OutputFormat, Request, ThinkingMode, ToolChoice, ToolDef,
};

use crate::messages;
use crate::settings::{self, Server};

/// Members that `options-json` may not set: they are the request itself.
const RESERVED: &[&str] = &["model", "messages", "stream"];

/// The body for this request.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for JSON that is none.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let server = Server::of(context);
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("messages", messages::all(context, &request.messages)?)
        .with("stream", true);
    if settings::asks_for_usage(context) {
        body.set("stream_options", Json::object().with("include_usage", true));
    }
    if let Some(limit) = request.max_output_tokens {
        body.set(settings::max_tokens_field(context), limit);
    }
    sampling(&mut body, request)?;
    if let Some(seed) = request.seed {
        body.set("seed", seed);
    }
    if !request.stop.is_empty() {
        let stop: Vec<Json> = request
            .stop
            .iter()
            .map(|text| text.as_str().into())
            .collect();
        body.set("stop", stop);
    }
    tools(&mut body, request)?;
    thinking(&mut body, server, &request.thinking)?;
    format(&mut body, &request.format)?;
    if let (Some(key), Server::OpenAi) = (&request.cache_key, server) {
        body.set("prompt_cache_key", key.as_str());
    }
    if let Some(options) = &request.options_json {
        merge(&mut body, options, RESERVED, &["stream_options"])?;
    }
    Ok(body)
}

/// What both wires call by the same names.
pub(crate) fn sampling(body: &mut Json, request: &Request) -> Result<(), Error> {
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
    ] {
        if let Some(value) = value {
            let number =
                Json::parameter(value).ok_or_else(|| invalid(name, "is no usable number"))?;
            body.set(name, number);
        }
    }
    Ok(())
}

fn tools(body: &mut Json, request: &Request) -> Result<(), Error> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
    body.set("tools", tools?);
    match &request.tool_choice {
        // It is the wire's default.
        ToolChoice::Auto => {}
        ToolChoice::Any => body.set("tool_choice", "required"),
        ToolChoice::None => body.set("tool_choice", "none"),
        ToolChoice::Named(name) => {
            let function = Json::object().with("name", name.as_str());
            let choice = Json::object()
                .with("type", "function")
                .with("function", function);
            body.set("tool_choice", choice);
        }
        ToolChoice::Other(other) => {
            return Err(unsupported("tool-choice", other));
        }
    }
    if let Some(parallel) = request.parallel_tools {
        body.set("parallel_tool_calls", parallel);
    }
    Ok(())
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let schema = Json::raw(
        &format!("The schema of {}", tool.name),
        &tool.input_schema_json,
    )?;
    let mut function = Json::object().with("name", tool.name.as_str());
    if !tool.description.is_empty() {
        function.set("description", tool.description.as_str());
    }
    function.set("parameters", schema);
    if let Some(strict) = tool.extras.iter().find(|extra| extra.name == "strict") {
        function.set("strict", Json::raw("strict", &strict.json)?);
    }
    Ok(Json::object()
        .with("type", "function")
        .with("function", function))
}

fn thinking(body: &mut Json, server: Server, mode: &ThinkingMode) -> Result<(), Error> {
    match (mode, server) {
        (ThinkingMode::Default, _) => {}
        (ThinkingMode::Effort(effort), Server::OpenRouter) => {
            body.set("reasoning", Json::object().with("effort", effort.as_str()));
        }
        (ThinkingMode::Off, Server::OpenRouter) => {
            body.set("reasoning", Json::object().with("enabled", false));
        }
        (ThinkingMode::Budget(tokens), Server::OpenRouter) => {
            body.set("reasoning", Json::object().with("max_tokens", *tokens));
        }
        (ThinkingMode::Effort(effort), _) => body.set("reasoning_effort", effort.as_str()),
        (ThinkingMode::Off, _) => body.set("reasoning_effort", "none"),
        (ThinkingMode::Budget(_), _) => {
            return Err(Error::unsupported(
                "thinking budget",
                "This provider takes a thinking effort (low, medium, high), not a number of tokens.",
            ));
        }
        (ThinkingMode::Other(other), _) => return Err(unsupported("thinking", other)),
    }
    Ok(())
}

fn format(body: &mut Json, format: &OutputFormat) -> Result<(), Error> {
    let value = match format {
        OutputFormat::Text => return Ok(()),
        OutputFormat::Json => Json::object().with("type", "json_object"),
        OutputFormat::Schema(schema) => Json::object().with("type", "json_schema").with(
            "json_schema",
            Json::object()
                .with("name", "answer")
                .with("schema", Json::raw("The output schema", schema)?),
        ),
        OutputFormat::Other(other) => return Err(unsupported("format", other)),
    };
    body.set("response_format", value);
    Ok(())
}

/// The person's own options win over what this plugin sets, but for the request itself.
/// The members named in `nested` are merged one level deep: one more wish in them
/// (`include_obfuscation`, `verbosity`) must not lose what is asked for beside it.
pub(crate) fn merge(
    body: &mut Json,
    options: &str,
    reserved: &[&str],
    nested: &[&str],
) -> Result<(), Error> {
    let options = Value::parse(options.as_bytes()).filter(Value::is_object);
    let options = options.ok_or_else(|| invalid("options", "are not a JSON object"))?;
    for (name, value) in options.members() {
        let name = String::from_utf8_lossy(name);
        if reserved.contains(&name.as_ref()) {
            return Err(invalid(&name, "cannot be set through options"));
        }
        let old = nested.contains(&name.as_ref()).then(|| member(body, &name));
        let value = match (old.flatten(), value) {
            (Some(mut old @ Json::Object(_)), Value::Object(members, _)) => {
                for (key, value) in members {
                    old.set(&String::from_utf8_lossy(key), value);
                }
                old
            }
            (Some(Json::Array(mut old)), Value::Array(items, _)) => {
                old.extend(items.iter().map(Json::from));
                old.into()
            }
            (_, value) => value.into(),
        };
        body.set(&name, value);
    }
    Ok(())
}

fn member(body: &Json, name: &str) -> Option<Json> {
    match body {
        Json::Object(members) => {
            let found = members.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        }
        _ => None,
    }
}

pub(crate) fn unsupported(what: &str, word: &str) -> Error {
    Error::unsupported(
        format!("{what} {word}"),
        format!("This provider does not know the {what} \"{word}\"."),
    )
}

pub(crate) fn invalid(what: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest(Some(what.to_string())),
        format!("{what} {why}; nothing was sent."),
    )
}
