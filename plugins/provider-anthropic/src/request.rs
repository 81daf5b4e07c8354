//! The request body.

use vale_sdk::json::Json;
use vale_sdk::{
    Context, Error, ErrorKind, OutputFormat, Request, ThinkingMode, ToolChoice, ToolDef,
};

use crate::{blocks, messages, options, settings};

/// The smallest thinking budget that the API takes, in tokens.
const MIN_BUDGET: u32 = 1024;
/// What the counting endpoint takes of a body; it refuses the rest. The last two are beta.
const COUNTABLE: &[&str] = &[
    "model",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "speed",
    "context_management",
    "mcp_servers",
];

/// The body for this request, without `stream`.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for what it says otherwise.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let conversation = messages::all(&request.messages)?;
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("max_tokens", max_tokens(context, request)?);
    if !conversation.system.is_empty() {
        body.set("system", conversation.system);
    }
    body.set("messages", conversation.messages);
    sampling(&mut body, request)?;
    tools(&mut body, request)?;
    thinking(&mut body, &request.thinking)?;
    format(&mut body, &request.format)?;
    if let Some(options) = &request.options_json {
        options::merge(&mut body, options)?;
    }
    Ok(body)
}

/// The same for the counting endpoint: what of the body is input.
///
/// # Errors
/// As [`body`], so that what cannot be sent is not counted either.
pub(crate) fn countable(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut body = body(context, request)?;
    if let Json::Object(members) = &mut body {
        members.retain(|(name, _)| COUNTABLE.contains(&name.as_str()));
    }
    Ok(body)
}

/// The output limit. Thinking counts towards it: a limit that the request names is never
/// exceeded, because money may be set aside for just that; the settings' one is for the answer.
fn max_tokens(context: &Context, request: &Request) -> Result<u32, Error> {
    let ThinkingMode::Budget(budget) = request.thinking else {
        let named = request.max_output_tokens;
        return Ok(named.unwrap_or_else(|| settings::max_tokens(context)));
    };
    if budget < MIN_BUDGET {
        return Err(refused(
            "thinking",
            format!("A thinking budget must be {MIN_BUDGET} tokens or more"),
        ));
    }
    match request.max_output_tokens {
        Some(limit) if budget >= limit => Err(refused(
            "thinking",
            format!(
                "A thinking budget of {budget} tokens leaves no room for an answer of at most \
                 {limit} tokens in all"
            ),
        )),
        Some(limit) => Ok(limit),
        None => Ok(budget.saturating_add(settings::max_tokens(context))),
    }
}

fn sampling(body: &mut Json, request: &Request) -> Result<(), Error> {
    let thinks = matches!(request.thinking, ThinkingMode::Budget(_));
    // With a thinking budget the API takes a temperature of 1, and a top_p close to 1.
    for (name, value, least) in [
        ("temperature", request.temperature, 1.0),
        ("top_p", request.top_p, 0.95),
    ] {
        let Some(value) = value else { continue };
        let number = Json::parameter(value)
            .ok_or_else(|| refused(name, format!("\"{name}\" is no usable number")))?;
        if thinks && !(least..=1.0).contains(&value) {
            return Err(refused(
                name,
                format!("\"{name}\" cannot be {value} together with a thinking budget"),
            ));
        }
        body.set(name, number);
    }
    if request.seed.is_some() {
        return Err(Error::unsupported(
            "seed",
            "This provider takes no seed: the same question may get another answer.",
        ));
    }
    if request.stop.iter().any(|stop| stop.trim().is_empty()) {
        return Err(refused(
            "stop",
            "This provider takes no stop sequence of blanks alone".into(),
        ));
    }
    if !request.stop.is_empty() {
        let stop = request.stop.iter().map(|stop| stop.as_str().into());
        body.set("stop_sequences", stop.collect::<Vec<Json>>());
    }
    Ok(())
}

fn tools(body: &mut Json, request: &Request) -> Result<(), Error> {
    // Without tools the wire refuses a choice.
    if request.tools.is_empty() {
        return Ok(());
    }
    let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
    body.set("tools", tools?);
    let kind = match &request.tool_choice {
        ToolChoice::Auto => "auto",
        ToolChoice::Any => "any",
        ToolChoice::None => "none",
        ToolChoice::Named(_) => "tool",
        ToolChoice::Other(other) => return Err(unknown("tool-choice", other)),
    };
    let thinks = matches!(request.thinking, ThinkingMode::Budget(_));
    if thinks && matches!(kind, "any" | "tool") {
        return Err(refused(
            "tool-choice",
            "A tool cannot be forced together with a thinking budget".into(),
        ));
    }
    let mut choice = Json::object().with("type", kind);
    if let ToolChoice::Named(name) = &request.tool_choice {
        choice.set("name", name.as_str());
    }
    if let Some(parallel) = request.parallel_tools
        && kind != "none"
    {
        choice.set("disable_parallel_tool_use", !parallel);
    }
    // Without a choice the wire takes `auto`, and several calls at once.
    if kind != "auto" || request.parallel_tools.is_some() {
        body.set("tool_choice", choice);
    }
    Ok(())
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let what = format!("The schema of {}", tool.name);
    let schema = blocks::object(&what, &tool.input_schema_json)?;
    let mut json = Json::object().with("name", tool.name.as_str());
    if !tool.description.is_empty() {
        json.set("description", tool.description.as_str());
    }
    json.set("input_schema", schema);
    if let Some(strict) = tool.extras.iter().find(|extra| extra.name == "strict") {
        json.set("strict", Json::raw("strict", &strict.json)?);
    }
    Ok(json)
}

fn thinking(body: &mut Json, mode: &ThinkingMode) -> Result<(), Error> {
    let kind = |kind: &str| Json::object().with("type", kind);
    match mode {
        ThinkingMode::Default => {}
        ThinkingMode::Off => body.set("thinking", kind("disabled")),
        ThinkingMode::Budget(tokens) => {
            body.set("thinking", kind("enabled").with("budget_tokens", *tokens));
        }
        // The model decides how much; the effort says how hard it should try.
        ThinkingMode::Effort(effort) => {
            body.set("thinking", kind("adaptive"));
            options::set_in(body, "output_config", "effort", effort.as_str());
        }
        ThinkingMode::Other(other) if matches!(other.as_str(), "adaptive" | "between_tools") => {
            body.set("thinking", kind(other));
        }
        ThinkingMode::Other(other) => return Err(unknown("thinking", other)),
    }
    Ok(())
}

fn format(body: &mut Json, format: &OutputFormat) -> Result<(), Error> {
    match format {
        OutputFormat::Text => Ok(()),
        OutputFormat::Schema(schema) => {
            let schema = blocks::object("The output schema", schema)?;
            let format = Json::object()
                .with("type", "json_schema")
                .with("schema", schema);
            options::set_in(body, "output_config", "format", format);
            Ok(())
        }
        OutputFormat::Json => Err(Error::unsupported(
            "json without a schema",
            "This provider gives JSON only under a schema; give one, or ask for JSON in words.",
        )),
        OutputFormat::Other(other) => Err(unknown("format", other)),
    }
}

fn unknown(what: &str, word: &str) -> Error {
    Error::unsupported(
        format!("{what} {word}"),
        format!("This provider does not know the {what} \"{word}\"."),
    )
}

/// A refusal of this parameter for this reason, which is a sentence without its end.
pub(crate) fn refused(what: &str, why: String) -> Error {
    Error::new(
        ErrorKind::InvalidRequest(Some(what.to_string())),
        format!("{why}; nothing was sent."),
    )
}
