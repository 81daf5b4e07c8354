//! The list of models: by the current API, the one before it, or OpenAI's.

use openai_wire::OpenAi;
use vale_sdk::json::Value;
use vale_sdk::{
    Capabilities, Context, Error, Extra, HttpReply, HttpRequest, Listing, Model, Provider,
};

use crate::{LmStudio, address};

/// LM Studio's own lists and the member that holds each: since 0.4, and since 0.3.6.
const OWN: [(&str, &str); 2] = [("api/v1/models", "models"), ("api/v0/models", "data")];

/// What LM Studio begins the names of models with that only embed.
const EMBEDS: &str = "text-embedding-";

/// Asks one after the other until the server knows the address.
///
/// # Errors
/// A refusal of the key, or the failure of the last that is asked.
pub(crate) fn step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
    let own: &[(&str, &str)] = if address::is_openai_only(context) {
        &[]
    } else {
        &OWN
    };
    if let Some(last) = replies.last() {
        if matches!(last.status, 401 | 403) {
            return Err(LmStudio::error_from_reply(last));
        }
        match own.get(replies.len() - 1) {
            None => return openai_list(context, last),
            // Older versions answer an address that they do not know with status 200 and an error.
            Some((_, member)) => {
                if let Some(models) = own_list(last, member) {
                    return Ok(Listing::Done(models));
                }
            }
        }
    }
    match own.get(replies.len()) {
        Some((path, _)) => Ok(Listing::Ask(HttpRequest::get(address::url(context, path)?))),
        None => OpenAi::list_step(&address::openai(context)?, &[]),
    }
}

/// The list that every server of the OpenAI wire has; it holds little but names.
fn openai_list(context: &Context, reply: &HttpReply) -> Result<Listing, Error> {
    if !reply.is_success() {
        return Err(LmStudio::error_from_reply(reply));
    }
    let mut models = OpenAi::parse_models(&address::openai(context)?, reply)?;
    models.retain(|model| !model.id.starts_with(EMBEDS));
    Ok(Listing::Done(models))
}

fn own_list(reply: &HttpReply, member: &str) -> Option<Vec<Model>> {
    let json = Value::parse(&reply.body).filter(|_| reply.is_success())?;
    let list = json.get(member).filter(|list| list.is_array())?;
    Some(list.items().iter().filter_map(model).collect())
}

/// A language model of either form; what only embeds cannot chat.
fn model(entry: &Value<'_>) -> Option<Model> {
    let text = |name: &str| entry.get(name)?.text();
    let kind = text("type");
    if !matches!(kind.as_deref(), None | Some("llm" | "vlm")) {
        return None;
    }
    let id = text("key").or_else(|| text("id"))?;
    let instances = entry.get("loaded_instances").filter(|list| list.is_array());
    let loaded = match instances {
        Some(instances) => Some(!instances.items().is_empty()),
        None => text("state").map(|state| state == "loaded"),
    };
    // What it runs with counts before what it was made for.
    let running = instances
        .and_then(smallest_context)
        .or_else(|| entry.get("loaded_context_length")?.u64());
    let made_for = || entry.get("max_context_length")?.u64();
    Some(Model {
        display_name: text("display_name").filter(|name| *name != id),
        capabilities: capabilities(entry, kind.as_deref()),
        context_window: running.or_else(made_for).filter(|tokens| *tokens > 0),
        loaded,
        extras: [
            "max_context_length",
            "quantization",
            "params_string",
            "arch",
            "architecture",
        ]
        .iter()
        .filter_map(|name| Some(Extra::new(*name, entry.get(name)?.to_json())))
        .collect(),
        ..Model::named(id)
    })
}

/// Of several instances any may answer, so that only what the smallest takes is sure to fit.
fn smallest_context(instances: &Value<'_>) -> Option<u64> {
    let contexts = instances.items().iter();
    contexts
        .filter_map(|instance| instance.get("config")?.get("context_length")?.u64())
        .min()
}

/// Told as an object of the current API, or as a list and a type of the one before.
fn capabilities(entry: &Value<'_>, kind: Option<&str>) -> Option<Capabilities> {
    let told = entry.get("capabilities");
    if told.is_none() && kind != Some("vlm") {
        return None;
    }
    let flag = |name: &str| told.and_then(|told| told.get(name)?.bool()) == Some(true);
    let listed = |name: &str| {
        let items = told.map(Value::items).unwrap_or_default();
        items
            .iter()
            .any(|item| item.bytes() == Some(name.as_bytes()))
    };
    let mut found = Capabilities::SYSTEM_ROLE;
    if flag("vision") || kind == Some("vlm") {
        found |= Capabilities::IMAGES_IN;
    }
    // Where a model reasons it is told how it may be asked to.
    if told.and_then(|told| told.get("reasoning")).is_some() {
        found |= Capabilities::THINKING;
    }
    if flag("trained_for_tool_use") || listed("tool_use") {
        found |= Capabilities::TOOLS;
    }
    Some(found)
}
