//! The request body.

use vale_sdk::json::Json;
use vale_sdk::{Context, Error, OutputFormat, Request, ThinkingMode, ToolChoice, ToolDef};

use super::items;
use crate::request::{merge, sampling, unsupported};
use crate::settings::{self, Server};

/// Members that `options-json` may not set: they are the request itself.
const RESERVED: &[&str] = &["model", "input", "stream", "store"];

/// The body for this request.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for JSON that is none.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("input", items::all(context, &request.messages)?)
        .with("stream", true)
        // The conversation is the person's: nothing of it is to be kept there.
        .with("store", false);
    // Others refuse to be asked; what is not sent back need not come.
    if reasons(&request.model) && settings::echoes_sealed(context) {
        body.set("include", vec![Json::from("reasoning.encrypted_content")]);
    }
    if let Some(limit) = request.max_output_tokens {
        body.set("max_output_tokens", limit);
    }
    sampling(&mut body, request)?;
    if request.seed.is_some() || !request.stop.is_empty() {
        return Err(Error::unsupported(
            "stop strings and seeds",
            "The Responses API takes neither stop strings nor a seed; set `api` of this provider to chat or auto.",
        ));
    }
    tools(&mut body, request)?;
    match &request.thinking {
        ThinkingMode::Default => {}
        ThinkingMode::Off => body.set("reasoning", Json::object().with("effort", "none")),
        ThinkingMode::Effort(effort) => {
            let reasoning = Json::object()
                .with("effort", effort.as_str())
                .with("summary", "auto");
            body.set("reasoning", reasoning);
        }
        ThinkingMode::Budget(_) => {
            return Err(Error::unsupported(
                "thinking budget",
                "This provider takes a thinking effort (low, medium, high), not a number of tokens.",
            ));
        }
        ThinkingMode::Other(other) => return Err(unsupported("thinking", other)),
    }
    let format = match &request.format {
        OutputFormat::Text => None,
        OutputFormat::Json => Some(Json::object().with("type", "json_object")),
        OutputFormat::Schema(schema) => Some(
            Json::object()
                .with("type", "json_schema")
                .with("name", "answer")
                .with("schema", Json::raw("The output schema", schema)?),
        ),
        OutputFormat::Other(other) => return Err(unsupported("format", other)),
    };
    if let Some(format) = format {
        body.set("text", Json::object().with("format", format));
    }
    if let (Some(key), Server::OpenAi) = (&request.cache_key, Server::of(context)) {
        body.set("prompt_cache_key", key.as_str());
    }
    if let Some(options) = &request.options_json {
        merge(
            &mut body,
            options,
            RESERVED,
            &["include", "reasoning", "text"],
        )?;
    }
    Ok(body)
}

/// Whether a model is known to reason: others refuse to be asked for sealed reasoning.
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let begins_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let is_o = name.strip_prefix('o').is_some_and(begins_with_digit);
    let generation = name.strip_prefix("gpt-").map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(0)
    });
    is_o || generation.is_some_and(|generation| generation >= 5)
}

fn tools(body: &mut Json, request: &Request) -> Result<(), Error> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let tools: Result<Vec<Json>, Error> = request.tools.iter().map(tool).collect();
    body.set("tools", tools?);
    match &request.tool_choice {
        ToolChoice::Auto => {}
        ToolChoice::Any => body.set("tool_choice", "required"),
        ToolChoice::None => body.set("tool_choice", "none"),
        ToolChoice::Named(name) => {
            let choice = Json::object()
                .with("type", "function")
                .with("name", name.as_str());
            body.set("tool_choice", choice);
        }
        ToolChoice::Other(other) => return Err(unsupported("tool-choice", other)),
    }
    if let Some(parallel) = request.parallel_tools {
        body.set("parallel_tool_calls", parallel);
    }
    Ok(())
}

fn tool(tool: &ToolDef) -> Result<Json, Error> {
    let what = format!("The schema of {}", tool.name);
    let schema = Json::raw(&what, &tool.input_schema_json)?;
    let mut json = Json::object()
        .with("type", "function")
        .with("name", tool.name.as_str());
    if !tool.description.is_empty() {
        json.set("description", tool.description.as_str());
    }
    json.set("parameters", schema);
    // The wire's default is strict, which refuses most schemas that people write.
    let strict = tool.extras.iter().find(|extra| extra.name == "strict");
    match strict {
        Some(extra) => json.set("strict", Json::raw("strict", &extra.json)?),
        None => json.set("strict", false),
    }
    Ok(json)
}
