//! The list of models, page by page.

use vale_sdk::json::Value;
use vale_sdk::{Capabilities, Context, Error, Extra, HttpReply, HttpRequest, Listing, Model};

use crate::{errors, with_version};

/// The next page, or all models.
pub(crate) fn step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
    let url = context.url("base_url", "models")?;
    let Some(last) = replies.last() else {
        return Ok(Listing::Ask(page(context, &url, None)));
    };
    if !last.is_success() {
        return Err(errors::of_reply(last));
    }
    let json = last.json()?;
    let more = json.get("has_more").and_then(Value::bool) == Some(true);
    if let (true, Some(after)) = (more, json.get("last_id").and_then(Value::text)) {
        return Ok(Listing::Ask(page(context, &url, Some(&after))));
    }
    let mut models = Vec::new();
    for reply in replies {
        let json = reply.json()?;
        let list = json.get("data").filter(|list| list.is_array());
        let list =
            list.ok_or_else(|| Error::malformed("The server's list of models holds no list."))?;
        models.extend(list.items().iter().filter_map(model));
    }
    Ok(Listing::Done(models))
}

fn page(context: &Context, url: &str, after: Option<&str>) -> HttpRequest {
    // The base URL may bring a query of its own.
    let sign = if url.contains('?') { '&' } else { '?' };
    let after = after.map_or_else(String::new, |id| format!("&after_id={}", escaped(id)));
    let url = format!("{url}{sign}limit=1000{after}");
    with_version(context, HttpRequest::get(url))
}

/// An id for a query; ids are plain words, and anything else must not change the address.
fn escaped(id: &str) -> String {
    let mut out = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn model(entry: &Value<'_>) -> Option<Model> {
    let text = |name: &str| entry.get(name)?.text();
    let count = |name: &str| entry.get(name)?.u64();
    let id = text("id")?;
    Some(Model {
        display_name: text("display_name").filter(|name| *name != id),
        capabilities: capabilities(entry),
        context_window: count("max_input_tokens"),
        max_output: count("max_tokens"),
        deprecated_on: text("retires_at").and_then(|date| Some(date.get(..10)?.to_string())),
        extras: ["created_at", "lifecycle"]
            .iter()
            .filter_map(|name| Some(Extra::new(*name, entry.get(name)?.to_json())))
            .collect(),
        ..Model::named(id)
    })
}

/// What the API says a model can do. What every Claude model can do beside it is common knowledge
/// and still not said here: a server that only speaks this wire may run anything.
fn capabilities(entry: &Value<'_>) -> Option<Capabilities> {
    let told = entry.get("capabilities")?;
    let can = |name: &str| {
        let value = told.get(name)?;
        value
            .bool()
            .or_else(|| value.get("supported").and_then(Value::bool))
    };
    let table = [
        ("image_input", Capabilities::IMAGES_IN),
        ("vision", Capabilities::IMAGES_IN),
        ("pdf_input", Capabilities::FILES_IN),
        (
            "tool_use",
            Capabilities::TOOLS | Capabilities::PARALLEL_TOOLS,
        ),
        ("thinking", Capabilities::THINKING),
        ("structured_outputs", Capabilities::JSON_SCHEMA),
        ("prompt_caching", Capabilities::PROMPT_CACHE),
    ];
    let mut found = Capabilities::SYSTEM_ROLE;
    for (name, capability) in table {
        if can(name) == Some(true) {
            found |= capability;
        }
    }
    Some(found)
}
