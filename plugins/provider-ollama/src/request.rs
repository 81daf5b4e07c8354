//! The request body, and how much context it asks for.

use vale_sdk::json::{Json, Value};
use vale_sdk::{
    Context, ContextLimit, Error, ErrorKind, Message, OutputFormat, Part, Request, ResultPart,
    ThinkingMode, ToolChoice, ToolDef,
};

use crate::messages;

/// Members that `options-json` may not set: they are the request itself.
const RESERVED: &[&str] = &["model", "messages", "stream"];
/// The least context that is asked for, in tokens: a step that most conversations stay within,
/// because Ollama loads a model anew when the context changes.
const LEAST_CONTEXT: u64 = 8192;
/// The largest, where the settings do not say, in tokens.
const LARGEST_CONTEXT: u64 = 32_768;
/// Bytes of text a token stands for at least: English has four and more, and a character of
/// Chinese or Japanese has three.
const BYTES_A_TOKEN: u64 = 3;
/// What an image takes, in tokens: the largest that common vision models make of one.
const IMAGE_TOKENS: u64 = 2048;
/// Room for an answer without a limit, in tokens.
const ANSWER_TOKENS: u64 = 2048;
/// What a message costs beside its text, in tokens.
const MESSAGE_TOKENS: u64 = 8;

/// The body for this request.
///
/// # Errors
/// `unsupported` for what this wire cannot say, `invalid-request` for JSON that is none,
/// `context-length` for a conversation that would be cut.
pub(crate) fn body(context: &Context, request: &Request) -> Result<Json, Error> {
    let mut options = Json::object().with("num_ctx", context_size(context, request)?);
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
    let mut body = Json::object()
        .with("model", request.model.as_str())
        .with("messages", messages::all(&request.messages)?)
        .with("stream", true)
        // Refuse what does not fit instead of dropping the oldest messages.
        .with("truncate", false)
        .with("options", options);
    if let Some(keep_alive) = context.text("keep_alive") {
        body.set("keep_alive", keep_alive);
    }
    tools(&mut body, request)?;
    match &request.thinking {
        ThinkingMode::Default => {}
        ThinkingMode::Off => body.set("think", false),
        ThinkingMode::Effort(effort) => body.set("think", effort.as_str()),
        ThinkingMode::Budget(_) => {
            return Err(Error::unsupported(
                "thinking budget",
                "Ollama takes a thinking effort (low, medium, high), not a number of tokens.",
            ));
        }
        ThinkingMode::Other(other) => return Err(unsupported("thinking", other)),
    }
    match &request.format {
        OutputFormat::Text => {}
        OutputFormat::Json => body.set("format", "json"),
        OutputFormat::Schema(schema) => {
            body.set("format", Json::raw("The output schema", schema)?);
        }
        OutputFormat::Other(other) => return Err(unsupported("format", other)),
    }
    if let Some(options) = &request.options_json {
        merge(&mut body, options)?;
    }
    Ok(body)
}

/// The context to ask for, in tokens: what the person set, else what the conversation needs, as a
/// power of two.
///
/// # Errors
/// `context-length` for a conversation that needs more than the largest.
pub(crate) fn context_size(context: &Context, request: &Request) -> Result<u64, Error> {
    let set = context.integer("num_ctx").filter(|tokens| *tokens > 0);
    let largest = set
        .or_else(|| context.integer("max_num_ctx"))
        .unwrap_or(LARGEST_CONTEXT);
    let prompt = prompt_tokens(request);
    if prompt > largest {
        let kind = ErrorKind::ContextLength(ContextLimit {
            limit: Some(largest),
            requested: Some(prompt),
        });
        return Err(Error::new(
            kind,
            "Ollama would cut the conversation, so nothing was sent. Raise max_num_ctx (or num_ctx) of this provider if the machine has the memory.",
        ));
    }
    if let Some(set) = set {
        return Ok(set);
    }
    let answer = request.max_output_tokens.map_or(ANSWER_TOKENS, u64::from);
    let needed = prompt.saturating_add(answer).max(LEAST_CONTEXT);
    let step = needed.checked_next_power_of_two().unwrap_or(largest);
    Ok(step.min(largest))
}

/// About how many tokens the request has; rather too many than too few.
fn prompt_tokens(request: &Request) -> u64 {
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.input_schema_json.len());
    let (mut bytes, mut images) = (tools.sum::<usize>(), 0_u64);
    for part in request
        .messages
        .iter()
        .flat_map(|message: &Message| &message.parts)
    {
        match part {
            Part::Text(text) => bytes += text.len(),
            Part::Thinking(block) => bytes += block.text.len(),
            Part::ToolCall(call) => bytes += call.name.len() + call.arguments_json.len(),
            Part::Image(_) => images += 1,
            Part::ToolResult(result) => {
                for part in &result.content {
                    match part {
                        ResultPart::Text(text) | ResultPart::Json(text) => bytes += text.len(),
                        ResultPart::Image(_) => images += 1,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let messages = u64::try_from(request.messages.len()).unwrap_or(u64::MAX);
    let text = u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .div_ceil(BYTES_A_TOKEN);
    text.saturating_add(images.saturating_mul(IMAGE_TOKENS))
        .saturating_add(messages.saturating_mul(MESSAGE_TOKENS))
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
fn merge(body: &mut Json, options: &str) -> Result<(), Error> {
    let parsed = Value::parse(options.as_bytes()).filter(Value::is_object);
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
        let Json::Object(members) = body else {
            continue;
        };
        if let Some((_, own)) = members.iter_mut().find(|(key, _)| key == "options") {
            for (name, value) in value.members() {
                own.set(&String::from_utf8_lossy(name), value);
            }
        }
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
        format!("Ollama does not know the {what} \"{value}\"."),
    )
}
