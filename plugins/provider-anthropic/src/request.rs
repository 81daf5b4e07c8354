//! The request body.

use vale_sdk::json::{Json, Value};
use vale_sdk::{
    Context, Error, ErrorKind, OutputFormat, Request, ThinkingMode, ToolChoice, ToolDef,
};

use crate::messages;

/// Members that `options-json` may not set: they are the request itself.
const RESERVED: &[&str] = &["model", "messages", "system", "stream"];
/// The output limit of a request that names none, where the settings do not say either.
const MAX_TOKENS: u32 = 8192;
/// The smallest thinking budget that the API takes, in tokens.
const MIN_BUDGET: u32 = 1024;

/// The body for this request, without `stream`.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for JSON that is none.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut body = countable(context, request)?;
    let limit = request
        .max_output_tokens
        .unwrap_or_else(|| default_limit(context));
    // The budget is part of the limit and must leave room for an answer.
    let limit = match request.thinking {
        ThinkingMode::Budget(budget) if budget >= limit => budget.saturating_add(limit),
        _ => limit,
    };
    body.set("max_tokens", limit);
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
    if request.seed.is_some() {
        return Err(Error::unsupported(
            "seed",
            "This provider takes no seed; leave it out.",
        ));
    }
    if !request.stop.is_empty() {
        let stop = request.stop.iter().map(|text| text.as_str().into());
        body.set("stop_sequences", stop.collect::<Vec<Json>>());
    }
    if let Some(options) = &request.options_json {
        merge(&mut body, options)?;
    }
    Ok(body)
}

/// What `count_tokens` takes: the part of the body that is input.
///
/// # Errors
/// As [`body`].
pub(crate) fn countable(context: &Context, request: &Request) -> Result<Json, Error> {
    let conversation = messages::all(context, &request.messages)?;
    let mut body = Json::object().with("model", request.model.as_str());
    if !conversation.system.is_empty() {
        body.set("system", conversation.system);
    }
    body.set("messages", conversation.messages);
    tools(&mut body, request)?;
    thinking(&mut body, &request.thinking)?;
    format(&mut body, &request.format)?;
    Ok(body)
}

fn default_limit(context: &Context) -> u32 {
    let set = context.integer("max_tokens");
    set.and_then(|limit| u32::try_from(limit).ok())
        .unwrap_or(MAX_TOKENS)
}

fn tools(body: &mut Json, request: &Request) -> Result<(), Error> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
    body.set("tools", tools?);
    let choice = match &request.tool_choice {
        ToolChoice::Auto => "auto",
        ToolChoice::Any => "any",
        ToolChoice::None => "none",
        ToolChoice::Named(_) => "tool",
        ToolChoice::Other(other) => return Err(unsupported("tool-choice", other)),
    };
    let mut json = Json::object().with("type", choice);
    if let ToolChoice::Named(name) = &request.tool_choice {
        json.set("name", name.as_str());
    }
    let one_at_a_time = request.parallel_tools == Some(false) && choice != "none";
    if one_at_a_time {
        json.set("disable_parallel_tool_use", true);
    }
    // It is the wire's default.
    if choice != "auto" || one_at_a_time {
        body.set("tool_choice", json);
    }
    Ok(())
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let what = format!("The schema of {}", tool.name);
    let schema = Json::raw(&what, &tool.input_schema_json)?;
    let mut json = Json::object().with("name", tool.name.as_str());
    if !tool.description.is_empty() {
        json.set("description", tool.description.as_str());
    }
    Ok(json.with("input_schema", schema))
}

fn thinking(body: &mut Json, mode: &ThinkingMode) -> Result<(), Error> {
    let kind = |kind: &str| Json::object().with("type", kind);
    match mode {
        ThinkingMode::Default => {}
        ThinkingMode::Off => body.set("thinking", kind("disabled")),
        ThinkingMode::Budget(tokens) => {
            let budget = (*tokens).max(MIN_BUDGET);
            body.set("thinking", kind("enabled").with("budget_tokens", budget));
        }
        ThinkingMode::Effort(effort) => {
            body.set("thinking", kind("adaptive"));
            set_output(body, "effort", effort.as_str());
        }
        ThinkingMode::Other(other) => return Err(unsupported("thinking", other)),
    }
    Ok(())
}

fn format(body: &mut Json, format: &OutputFormat) -> Result<(), Error> {
    match format {
        OutputFormat::Text => {}
        OutputFormat::Schema(schema) => {
            let schema = Json::raw("The output schema", schema)?;
            let json = Json::object()
                .with("type", "json_schema")
                .with("schema", schema);
            set_output(body, "format", json);
        }
        OutputFormat::Json => {
            return Err(Error::unsupported(
                "json output without a schema",
                "This provider gives JSON only under a schema; name one, or ask for JSON in words.",
            ));
        }
        OutputFormat::Other(other) => return Err(unsupported("format", other)),
    }
    Ok(())
}

/// A member of `output_config`, beside those that are there.
fn set_output(body: &mut Json, name: &str, value: impl Into<Json>) {
    let Json::Object(members) = body else { return };
    let there = members.iter_mut().find(|(key, _)| key == "output_config");
    match there {
        Some((_, config)) => config.set(name, value),
        None => {
            let config = Json::object().with(name, value);
            members.push(("output_config".into(), config));
        }
    }
}

fn merge(body: &mut Json, options: &str) -> Result<(), Error> {
    let parsed = Value::parse(options.as_bytes()).filter(Value::is_object);
    let parsed = parsed.ok_or_else(|| invalid("options", "are no JSON object"))?;
    for (name, value) in parsed.members() {
        let name = String::from_utf8_lossy(name);
        if RESERVED.contains(&&*name) {
            return Err(invalid(&name, "cannot be set as an option"));
        }
        body.set(&name, value);
    }
    Ok(())
}

fn invalid(what: &str, problem: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest(Some(what.to_string())),
        format!("\"{what}\" {problem}; nothing was sent."),
    )
}

fn unsupported(what: &str, value: &str) -> Error {
    Error::unsupported(
        format!("{what} {value}"),
        format!("This provider does not know the {what} \"{value}\"."),
    )
}
