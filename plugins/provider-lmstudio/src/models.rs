//! The list of models: by the current API, the one before it, or OpenAI's.

use openai_wire::OpenAi;
use vale_sdk::json::Value;
use vale_sdk::{
    Capabilities, Context, Error, Extra, HttpReply, HttpRequest, Listing, Model, Provider,
};

use crate::{LmStudio, base, openai};

/// The current API, then the one that it replaced, then what every OpenAI server has.
const PATHS: [&str; 3] = ["api/v1/models", "api/v0/models", "v1/models"];

/// Asks one after the other until a server knows the address.
pub(crate) fn step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
    if let Some(last) = replies.last() {
        if matches!(last.status, 401 | 403) {
            return Err(LmStudio::error_from_reply(last));
        }
        // Older versions answer an address that they do not know with status 200 and an error.
        let list = match replies.len() {
            1 => list(last, "models"),
            2 => list(last, "data"),
            _ => return OpenAi::list_step(&openai(context)?, std::slice::from_ref(last)),
        };
        if let Some(models) = list {
            return Ok(Listing::Done(models));
        }
    }
    let path = PATHS.get(replies.len()).copied().unwrap_or("v1/models");
    let url = format!("{}/{path}", base(context)?);
    Ok(Listing::Ask(HttpRequest::get(url)))
}

fn list(reply: &HttpReply, name: &str) -> Option<Vec<Model>> {
    let json = Value::parse(&reply.body).filter(|_| reply.is_success())?;
    let list = json.get(name).filter(|list| list.is_array())?;
    Some(list.items().iter().filter_map(model).collect())
}

/// A language model of either form; what only embeds cannot chat.
fn model(entry: &Value<'_>) -> Option<Model> {
    let text = |name: &str| entry.get(name)?.text();
    let kind = text("type").unwrap_or_default();
    if kind.starts_with("embedding") {
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
        .and_then(|instances| instances.items().first())
        .and_then(|instance| instance.get("config")?.get("context_length")?.u64())
        .or_else(|| entry.get("loaded_context_length")?.u64());
    Some(Model {
        display_name: text("display_name").filter(|name| *name != id),
        capabilities: capabilities(entry, &kind),
        context_window: running.or_else(|| entry.get("max_context_length")?.u64()),
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

/// Told as an object of the current API, or as a list and a type of the one before.
fn capabilities(entry: &Value<'_>, kind: &str) -> Option<Capabilities> {
    let told = entry.get("capabilities");
    if told.is_none() && kind != "vlm" {
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
    if flag("vision") || kind == "vlm" {
        found |= Capabilities::IMAGES_IN;
    }
    if flag("trained_for_tool_use") || listed("tool_use") {
        found |= Capabilities::TOOLS;
    }
    Some(found)
}
