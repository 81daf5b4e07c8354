//! What is installed: the list, what is in memory, and each model's own card.

use vale_sdk::json::{Json, Value};
use vale_sdk::{Capabilities, Context, Error, Extra, HttpReply, HttpRequest, Listing, Model};

use crate::{address, errors};

/// Models whose card is asked for; beyond that only the list is told.
const MAX_CARDS: usize = 200;

/// First the list, then what is loaded, then one card a model.
pub(crate) fn step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
    let [tags, rest @ ..] = replies else {
        let url = address::url(context, "tags")?;
        return Ok(Listing::Ask(HttpRequest::get(url)));
    };
    if !tags.is_success() {
        return Err(errors::of_reply(tags));
    }
    let json = tags.json()?;
    let list = json.get("models").filter(|list| list.is_array());
    let list = list.ok_or_else(|| Error::malformed("Ollama's list of models holds no list."))?;
    let entries: Vec<&Value<'_>> = list.items().iter().collect();
    let names: Vec<String> = entries.iter().filter_map(|entry| name(entry)).collect();
    let [loaded, cards @ ..] = rest else {
        let url = address::url(context, "ps")?;
        return Ok(Listing::Ask(HttpRequest::get(url)));
    };
    if let Some(next) = names.iter().take(MAX_CARDS).nth(cards.len()) {
        let url = address::url(context, "show")?;
        let body = Json::object().with("model", next.as_str());
        return Ok(Listing::Ask(HttpRequest::post_json(url, body)));
    }
    let loaded = loaded_names(loaded);
    let entries = entries.iter().filter(|entry| name(entry).is_some());
    let models = entries.enumerate().filter_map(|(at, entry)| {
        // A server that has no cards (or a model whose card is broken) still has the model.
        let card = cards.get(at).filter(|card| card.is_success());
        let card = card.and_then(|card| Value::parse(&card.body));
        model(entry, card.as_ref(), loaded.as_deref())
    });
    Ok(Listing::Done(models.collect()))
}

fn name(entry: &Value<'_>) -> Option<String> {
    let text = |key: &str| entry.get(key)?.text();
    text("name").or_else(|| text("model"))
}

/// What is in memory; none where the server does not tell.
fn loaded_names(reply: &HttpReply) -> Option<Vec<String>> {
    let json = Value::parse(&reply.body).filter(|_| reply.is_success())?;
    let list = json.get("models").filter(|list| list.is_array())?;
    Some(list.items().iter().filter_map(name).collect())
}

fn model(entry: &Value<'_>, card: Option<&Value<'_>>, loaded: Option<&[String]>) -> Option<Model> {
    let id = name(entry)?;
    let words = |of: &Value<'_>| -> Option<Vec<String>> {
        let list = of.get("capabilities").filter(|list| list.is_array())?;
        Some(list.items().iter().filter_map(Value::text).collect())
    };
    let can = card.and_then(words).or_else(|| words(entry));
    let has = |word: &str| {
        can.as_ref()
            .is_some_and(|can| can.iter().any(|have| have == word))
    };
    // A model that only embeds cannot chat.
    if can.is_some() && !has("completion") || can.is_none() && card.is_some_and(pools) {
        return None;
    }
    let details = entry.get("details");
    Some(Model {
        capabilities: can.as_ref().map(|_| {
            let mut found = Capabilities::SYSTEM_ROLE | Capabilities::JSON_SCHEMA;
            for (word, capability) in [
                ("tools", Capabilities::TOOLS | Capabilities::PARALLEL_TOOLS),
                ("vision", Capabilities::IMAGES_IN),
                ("thinking", Capabilities::THINKING),
            ] {
                if has(word) {
                    found |= capability;
                }
            }
            found
        }),
        context_window: card.and_then(context_length),
        loaded: loaded.map(|names| names.contains(&id)),
        extras: ["parameter_size", "quantization_level", "family"]
            .iter()
            .filter_map(|key| Some(Extra::new(*key, details?.get(key)?.to_json())))
            .collect(),
        ..Model::named(id)
    })
}

/// What the model was made for, in tokens.
fn context_length(card: &Value<'_>) -> Option<u64> {
    about(card, "context_length")?
        .u64()
        .filter(|tokens| *tokens > 0)
}

/// Whether it makes one vector of a text: how Ollama itself knows a model that only embeds, which
/// older versions do not tell.
fn pools(card: &Value<'_>) -> bool {
    about(card, "pooling_type").is_some()
}

/// `<architecture>.<name>` of a card.
fn about<'v, 'a>(card: &'v Value<'a>, name: &str) -> Option<&'v Value<'a>> {
    let info = card.get("model_info")?;
    let architecture = info.get("general.architecture")?.text()?;
    info.get(&format!("{architecture}.{name}"))
}
