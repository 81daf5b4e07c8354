//! The list of models, with what this server or that one adds to it.

use vale_sdk::json::Value;
use vale_sdk::{Capabilities, Error, Extra, HttpReply, Model, Price, decimal, errors};

/// The models of a reply, in OpenAI's envelope or as the bare list that some servers send.
/// Entries without an id are left out; an odd field costs that field, not the list.
///
/// # Errors
/// What the body says, or `malformed-response`.
pub(crate) fn parse(reply: &HttpReply) -> Result<Vec<Model>, Error> {
    let value = reply.json()?;
    let list = value.get("data").unwrap_or(&value);
    if !list.is_array() {
        return Err(errors::not_json(&reply.body));
    }
    Ok(list.items().iter().filter_map(model).collect())
}

fn model(entry: &Value<'_>) -> Option<Model> {
    let id = text(entry, "id")?;
    let (top, meta) = (entry.get("top_provider"), entry.get("meta"));
    let here = Some(entry);
    let first = |places: &[(Option<&Value<'_>>, &str)]| {
        let found = places
            .iter()
            .find_map(|(from, name)| (*from)?.get(name)?.u64());
        found.filter(|tokens| *tokens > 0)
    };
    Some(Model {
        display_name: text(entry, "name").filter(|name| *name != id),
        capabilities: capabilities(entry),
        context_window: first(&[
            (here, "context_length"),     // OpenRouter, valechat-infer
            (here, "max_context_length"), // LM Studio
            (here, "max_model_len"),      // vLLM
            (here, "context_window"),     // Groq
            (meta, "n_ctx"),              // llama-server: what it runs with
            (meta, "n_ctx_train"),        // llama-server: what the model was made for
            (top, "context_length"),
        ]),
        max_output: first(&[
            (top, "max_completion_tokens"),
            (here, "max_completion_tokens"),
            (here, "max_output_tokens"),
        ]),
        prices: price(entry).into_iter().collect(),
        deprecated_on: text(entry, "shutdown_date").and_then(|date| day(&date)),
        loaded: loaded(entry),
        extras: ["created", "owned_by", "description"]
            .iter()
            .filter_map(|name| Some(Extra::new(*name, entry.get(name)?.to_json())))
            .collect(),
        ..Model::named(id)
    })
}

fn text(entry: &Value<'_>, name: &str) -> Option<String> {
    entry.get(name)?.text()
}

fn loaded(entry: &Value<'_>) -> Option<bool> {
    let told = entry.get("loaded").and_then(Value::bool);
    // LM Studio.
    told.or_else(|| match entry.get("state")?.bytes()? {
        b"loaded" => Some(true),
        b"not-loaded" => Some(false),
        _ => None,
    })
}

/// The day of an RFC 3339 date or time.
fn day(date: &str) -> Option<String> {
    let day = date.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_day.then(|| day.to_string())
}

/// OpenRouter's two lists. A server that gives neither does not say.
fn capabilities(entry: &Value<'_>) -> Option<Capabilities> {
    let inputs = entry
        .get("architecture")
        .and_then(|about| about.get("input_modalities"));
    let parameters = entry.get("supported_parameters");
    if inputs.is_none() && parameters.is_none() {
        return None;
    }
    let table = [
        (inputs, "image", Capabilities::IMAGES_IN),
        (inputs, "file", Capabilities::FILES_IN),
        (inputs, "audio", Capabilities::AUDIO_IN),
        (parameters, "tools", Capabilities::TOOLS),
        (
            parameters,
            "parallel_tool_calls",
            Capabilities::PARALLEL_TOOLS,
        ),
        (parameters, "reasoning", Capabilities::THINKING),
        (parameters, "structured_outputs", Capabilities::JSON_SCHEMA),
    ];
    let mut found = Capabilities::SYSTEM_ROLE;
    for (list, word, capability) in table {
        let mut words = list.map(Value::items).unwrap_or_default().iter();
        if words.any(|have| have.bytes() == Some(word.as_bytes())) {
            found |= capability;
        }
    }
    Some(found)
}

/// OpenRouter's prices: US dollars a token, as decimal strings; -1 stands for "it depends".
fn price(entry: &Value<'_>) -> Option<Price> {
    let pricing = entry.get("pricing")?;
    let known = |name: &str| {
        pricing
            .get(name)?
            .word()
            .filter(|text| !text.starts_with('-'))
    };
    let per_million = |name: &str| decimal::scaled(&known(name)?, 6);
    let (input, output) = (per_million("prompt"), per_million("completion"));
    // "0" beside a real price means that there is no price of its own, not that it is free.
    let is_free = input.as_deref() == Some("0");
    let own = |name: &str| per_million(name).filter(|price| is_free || price != "0");
    let extra = |name: &str| Some(Extra::new(name, pricing.get(name)?.to_json()));
    let price = Price {
        currency: "USD".into(),
        above_input_tokens: 0,
        cache_read: own("input_cache_read"),
        cache_write_5m: own("input_cache_write"),
        cache_write_1h: None,
        // Without a price of its own, reasoning is billed as output.
        reasoning: own("internal_reasoning").or_else(|| output.clone()),
        input,
        output,
        extras: ["request", "image", "web_search"]
            .iter()
            .filter_map(|name| extra(name))
            .collect(),
    };
    (price.input.is_some() || price.output.is_some()).then_some(price)
}
