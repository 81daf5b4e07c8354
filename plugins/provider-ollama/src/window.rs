//! How much context a request asks for. Ollama's own default is small and cuts what does not fit
//! without a word, so that the number is always sent.

use vale_sdk::json::Value;
use vale_sdk::{Context, ContextLimit, Error, ErrorKind, Part, Request, ResultPart};

use crate::address;
use crate::request::invalid;

/// The least context that is asked for, in tokens: a step that most conversations stay within,
/// because Ollama loads a model anew when the number changes.
const LEAST: u64 = 8192;
/// The largest, where the settings do not say, in tokens.
const LARGEST: u64 = 32_768;
/// Bytes of text that stand for a token: English has four and more of them, and a character of
/// Chinese or Japanese has three. Text of digits and symbols may have fewer; for that the request
/// also says `truncate: false`.
const BYTES_A_TOKEN: u64 = 3;
/// What an image takes, in tokens: the largest that common vision models make of one.
const IMAGE_TOKENS: u64 = 2048;
/// Room for an answer without a limit, in tokens; thinking counts as answer.
const ANSWER_TOKENS: u64 = 4096;
/// What a message costs beside its text, in tokens.
const MESSAGE_TOKENS: u64 = 8;

/// The context to ask for, in tokens: what the request's options or the person's settings say,
/// else what the conversation and its answer need, as a power of two.
///
/// # Errors
/// `context-length` for a conversation that is longer than the largest, `invalid-request` for
/// options that are none.
pub(crate) fn size(context: &Context, request: &Request) -> Result<u64, Error> {
    let set = match named(request)? {
        Some(tokens) => Some(tokens),
        None => context.integer("num_ctx").filter(|tokens| *tokens > 0),
    };
    let is_cloud = address::is_cloud(context, &request.model);
    let largest = set
        .or_else(|| context.integer("max_num_ctx").filter(|max| *max > 0))
        .unwrap_or(LARGEST);
    let prompt = prompt_tokens(request);
    if prompt > largest && !is_cloud {
        return Err(too_long(prompt, largest));
    }
    if let Some(set) = set {
        return Ok(set);
    }
    let answer = request.max_output_tokens.map_or(ANSWER_TOKENS, u64::from);
    let needed = prompt.saturating_add(answer).max(LEAST);
    let step = needed.checked_next_power_of_two().unwrap_or(needed);
    // The cloud has each model's whole context, ignores the number and refuses what does not fit.
    Ok(if is_cloud { step } else { step.min(largest) })
}

/// The context that the answer's counts are held against, in tokens; none where it says nothing.
pub(crate) fn watched(context: &Context, request: &Request) -> Option<u64> {
    let is_cloud = address::is_cloud(context, &request.model);
    size(context, request).ok().filter(|_| !is_cloud)
}

fn too_long(prompt: u64, largest: u64) -> Error {
    let kind = ErrorKind::ContextLength(ContextLimit {
        limit: Some(largest),
        requested: Some(prompt),
    });
    Error::new(
        kind,
        format!(
            "The conversation has about {prompt} tokens and Ollama would cut it to {largest}, so \
             nothing was sent. Raise max_num_ctx (or num_ctx) of this provider if the machine has \
             the memory."
        ),
    )
}

/// `options.num_ctx` of the request's own options, in tokens.
fn named(request: &Request) -> Result<Option<u64>, Error> {
    let Some(json) = &request.options_json else {
        return Ok(None);
    };
    // What is no JSON object is refused where the options are merged.
    let options = Value::parse(json.as_bytes());
    let told = options
        .as_ref()
        .and_then(|options| options.get("options")?.get("num_ctx"));
    match told {
        None => Ok(None),
        Some(told) => match told.u64().filter(|tokens| *tokens > 0) {
            Some(tokens) => Ok(Some(tokens)),
            None => Err(invalid("num_ctx", "is no number of tokens")),
        },
    }
}

/// About how many tokens the request has.
fn prompt_tokens(request: &Request) -> u64 {
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.input_schema_json.len());
    let (mut bytes, mut images) = (tools.sum::<usize>(), 0_u64);
    for part in request.messages.iter().flat_map(|message| &message.parts) {
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
