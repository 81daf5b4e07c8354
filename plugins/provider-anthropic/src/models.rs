//! The list of models, page by page.

use vale_sdk::json::Value;
use vale_sdk::{Capabilities, Context, Error, Extra, HttpReply, HttpRequest, Listing, Model};

use crate::{errors, settings};

/// The next page, or all models.
///
/// # Errors
/// What a reply tells of; `malformed-response` for one that holds no list.
pub(crate) fn step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
    let url = settings::url(context, "models")?;
    let Some(last) = replies.last() else {
        return Ok(Listing::Ask(page(context, &url, None)));
    };
    if !last.is_success() {
        return Err(errors::of_reply(last));
    }
    let next = cursor(last)?;
    // A server that does not know pages gives the same one for ever.
    let before = replies.iter().rev().nth(1);
    let is_stuck = match before {
        Some(before) => cursor(before)? == next,
        None => false,
    };
    if let (Some(after), false) = (&next, is_stuck) {
        return Ok(Listing::Ask(page(context, &url, Some(after))));
    }
    let mut models: Vec<Model> = Vec::new();
    for reply in replies {
        for model in list(&reply.json()?)?.iter().filter_map(model) {
            if models.iter().all(|known| known.id != model.id) {
                models.push(model);
            }
        }
    }
    Ok(Listing::Done(models))
}

/// The id behind which the next page begins; none after the last page.
fn cursor(reply: &HttpReply) -> Result<Option<String>, Error> {
    let json = reply.json()?;
    let entries = list(&json)?;
    if json.get("has_more").and_then(Value::bool) != Some(true) {
        return Ok(None);
    }
    let last_id = json.get("last_id").and_then(Value::text);
    Ok(last_id.or_else(|| entries.last()?.get("id")?.text()))
}

fn list<'v>(json: &'v Value<'v>) -> Result<&'v [Value<'v>], Error> {
    let list = json.get("data").filter(|list| list.is_array());
    list.map(Value::items)
        .ok_or_else(|| Error::malformed("The server's list of models holds no list."))
}

fn page(context: &Context, url: &str, after: Option<&str>) -> HttpRequest {
    // The base URL may bring a query of its own.
    let sign = if url.contains('?') { '&' } else { '?' };
    let after = after.map_or_else(String::new, |id| format!("&after_id={}", escaped(id)));
    // The most that one page holds; without it there are twenty.
    let url = format!("{url}{sign}limit=1000{after}");
    settings::with_version(context, HttpRequest::get(url))
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
    let count = |name: &str| entry.get(name)?.u64().filter(|tokens| *tokens > 0);
    let id = text("id")?;
    let told = [
        "created_at",
        "lifecycle",
        "deprecated_at",
        "line",
        // Which efforts and ways of thinking there are; the contract has no field for them.
        "capabilities",
    ];
    Some(Model {
        display_name: text("display_name").filter(|name| *name != id),
        capabilities: entry.get("capabilities").and_then(capabilities),
        context_window: count("max_input_tokens"),
        max_output: count("max_tokens"),
        deprecated_on: text("retires_at").and_then(|date| day(&date)),
        extras: told
            .iter()
            .filter_map(|name| Some(Extra::new(*name, entry.get(name)?.to_json())))
            .collect(),
        ..Model::named(id)
    })
}

/// What a model can do, from `{"image_input": {"supported": true}, …}`. Only this API sends that
/// object, and what it does not list (tools, caching) every model behind this API can do. Without
/// the object nothing is known: another server's list may hold any model.
fn capabilities(told: &Value<'_>) -> Option<Capabilities> {
    // Always there; without it this is some other server's idea of capabilities.
    told.get("image_input")?.get("supported")?;
    let table = [
        ("image_input", Capabilities::IMAGES_IN),
        ("pdf_input", Capabilities::FILES_IN),
        ("thinking", Capabilities::THINKING),
        ("structured_outputs", Capabilities::JSON_SCHEMA),
    ];
    let mut found = Capabilities::SYSTEM_ROLE
        | Capabilities::TOOLS
        | Capabilities::PARALLEL_TOOLS
        | Capabilities::PROMPT_CACHE;
    for (name, capability) in table {
        let supported = told.get(name).and_then(|about| about.get("supported"));
        if supported.and_then(Value::bool) == Some(true) {
            found |= capability;
        }
    }
    Some(found)
}

/// The day of an RFC 3339 time.
fn day(time: &str) -> Option<String> {
    let day = time.get(..10)?;
    let fits = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    day.bytes().enumerate().all(fits).then(|| day.to_string())
}
