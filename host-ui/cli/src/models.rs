//! `model`: what the providers offer, what it costs, and who says so.

use serde_json::json;
use vale_api::{
    Api, ApiError, ApiErrorKind, Capability, Entry, EntryPrice, Filter, ModelEntry, ModelRef,
    Source, Sourced, parse_decimal,
};

use crate::args::{ModelCommand, ModelFilter};
use crate::exit::{Stop, code};
use crate::out::{Out, Style};
use crate::table::Table;
use crate::{ask, open};

pub(crate) async fn run(command: ModelCommand, out: Out) -> Result<(), Stop> {
    let api = open(&out, ask::passphrase()).await?;
    match command {
        ModelCommand::List(filter) => list(&api, filter, &out).await,
        ModelCommand::Show { model } => {
            let model: ModelRef = model.parse().map_err(ApiError::from)?;
            let found = api.model(&model).await?;
            ask::unless_cancelled()?;
            if out.json {
                return Ok(out.document(&found)?);
            }
            show(&found, &out)
        }
    }
}

/// Lists models. Fails only when no provider could list any, so that a key that is not set yet
/// does not spoil the others.
pub(crate) async fn list(api: &Api, wanted: ModelFilter, out: &Out) -> Result<(), Stop> {
    let provider = wanted.provider.clone();
    let filter = filter(wanted)?;
    let lists = api.catalogue(provider.as_deref(), &filter).await?;
    ask::unless_cancelled()?;
    let worked = lists.iter().any(|list| list.error.is_none());
    let first_error = lists.iter().find_map(|list| list.error.clone());
    if out.json {
        return match first_error.filter(|_| !worked) {
            None => Ok(out.document(&json!({ "providers": lists }))?),
            Some(error) => {
                out.document(&json!({ "providers": lists, "error": error }))?;
                Err(Stop::Told(code(error.kind)))
            }
        };
    }
    let mut table = Table::new(["MODEL", "CONTEXT", "IN $/M", "OUT $/M", "CAN", "NAME"]);
    for entry in lists.iter().flat_map(|list| &list.models) {
        let price = entry.prices.first();
        table.row([
            entry.model.to_string(),
            entry
                .context_window
                .as_ref()
                .map_or_else(unknown, |size| size.value.to_string()),
            money(price, |row| row.input.as_ref()),
            money(price, |row| row.output.as_ref()),
            abilities(entry),
            name(entry),
        ]);
    }
    if worked {
        table.print(out)?;
    }
    if let Some(error) = first_error.as_ref().filter(|_| !worked && lists.len() == 1) {
        return Err(error.clone().into());
    }
    let mut silent = Vec::new();
    for list in &lists {
        match &list.error {
            // Came with ValeChat and is not used by anybody yet: worth a remark, no more.
            Some(error) if !list.configured && error.kind == ApiErrorKind::Network => {
                silent.push(list.provider.as_str());
            }
            Some(error) if !list.configured && worked && is_not_set_up(error) => {
                out.note(&format!("{} {}", error.sentence, error.next_step));
            }
            Some(error) => out.error_words(error),
            None => {}
        }
    }
    if !silent.is_empty() {
        out.note(&format!(
            "Nothing answers for {}: not running here.",
            silent.join(", ")
        ));
    }
    match first_error {
        Some(error) if !worked => Err(Stop::Told(code(error.kind))),
        _ => Ok(()),
    }
}

fn is_not_set_up(error: &ApiError) -> bool {
    matches!(error.kind, ApiErrorKind::Key | ApiErrorKind::Settings)
}

fn filter(wanted: ModelFilter) -> Result<Filter, ApiError> {
    let price = |name: &str, text: Option<String>| {
        let parsed = text.map(|text| parse_decimal(&text)).transpose();
        parsed.map_err(|error| {
            ApiError::new(
                ApiErrorKind::Usage,
                format!("{name} is no price: {error}."),
                "Give US dollars, such as 2.50.",
            )
        })
    };
    Ok(Filter {
        provider: None,
        text: wanted.search,
        free: wanted.free,
        local: wanted.local,
        loaded: wanted.loaded,
        tools: wanted.tools,
        images: wanted.images,
        thinking: wanted.thinking,
        min_context: wanted.min_context,
        max_input_price: price("--max-input-price", wanted.max_input_price)?,
        max_output_price: price("--max-output-price", wanted.max_output_price)?,
        currency: None,
    })
}

fn unknown() -> String {
    "?".to_owned()
}

fn money(
    row: Option<&EntryPrice>,
    of: fn(&EntryPrice) -> Option<&Sourced<vale_api::Decimal>>,
) -> String {
    let found = row.and_then(|row| Some((row, of(row)?)));
    found.map_or_else(unknown, |(row, price)| {
        let amount = price.value.normalize();
        if row.currency == "USD" {
            amount.to_string()
        } else {
            format!("{amount} {}", row.currency)
        }
    })
}

/// What it is known to do, in short.
fn abilities(entry: &Entry) -> String {
    let words = [
        (Capability::Tools, "tools"),
        (Capability::ImagesIn, "images"),
        (Capability::Thinking, "thinking"),
    ];
    let can = |capability| {
        entry
            .capabilities
            .get(&capability)
            .is_some_and(|can| can.value)
    };
    let known: Vec<&str> = words
        .into_iter()
        .filter(|(capability, _)| can(*capability))
        .map(|(_, word)| word)
        .collect();
    known.join(" ")
}

fn name(entry: &Entry) -> String {
    let mut words = entry
        .name
        .as_ref()
        .map(|name| name.value.clone())
        .unwrap_or_default();
    let remarks = [
        (entry.loaded == Some(true)).then(|| "in memory".to_owned()),
        entry
            .deprecated_on
            .as_ref()
            .map(|date| format!("ends {}", date.value)),
        entry
            .deprecated
            .as_ref()
            .map(|_| "to be retired".to_owned()),
    ];
    for remark in remarks.into_iter().flatten() {
        words.push_str(&format!(" ({remark})"));
    }
    words.trim().to_owned()
}

fn show(found: &ModelEntry, out: &Out) -> Result<(), Stop> {
    let entry = &found.entry;
    out.painted_line(&out.paint(Style::Bold, &entry.model.to_string()))?;
    let mut table = Table::new(["WHAT", "VALUE", "SAYS"]);
    let mut row = |what: &str, value: Option<(String, &Source)>| {
        let (value, source) = value.map_or_else(
            || (unknown(), String::new()),
            |(value, source)| (value, said_by(source)),
        );
        table.row([what.to_owned(), value, source]);
    };
    row(
        "name",
        entry
            .name
            .as_ref()
            .map(|name| (name.value.clone(), &name.source)),
    );
    row("context, tokens", number(entry.context_window.as_ref()));
    row("longest answer, tokens", number(entry.max_output.as_ref()));
    for capability in Capability::ALL {
        let can = entry.capabilities.get(&capability);
        let value = can.map(|can| {
            let word = if can.value { "yes" } else { "no" };
            (word.to_owned(), &can.source)
        });
        row(capability_words(capability), value);
    }
    let is_tiered = entry.prices.len() > 1;
    for price in &entry.prices {
        let above = if price.above_input_tokens > 0 {
            format!(" above {} tokens in", price.above_input_tokens)
        } else {
            String::new()
        };
        for (what, value) in [
            ("input", &price.input),
            ("cached input", &price.cache_read),
            ("cache write, 5 min", &price.cache_write_5m),
            ("cache write, 1 h", &price.cache_write_1h),
            ("output", &price.output),
            ("reasoning", &price.reasoning),
        ] {
            let value = value.as_ref().map(|value| {
                let amount = value.value.normalize();
                (format!("{amount} {} / M", price.currency), &value.source)
            });
            if value.is_some() || !is_tiered {
                row(&format!("{what}{above}"), value);
            }
        }
        for (name, fee) in &price.fees {
            let amount = fee.value.normalize();
            let value = format!("{amount} {} / 1000", price.currency);
            row(&format!("{name}{above}"), Some((value, &fee.source)));
        }
    }
    if entry.prices.is_empty() {
        row("price", None);
    }
    table.print(out)?;
    if let Some(error) = &found.provider_error {
        out.note(&format!(
            "The provider was not asked: {} {}",
            error.sentence, error.next_step
        ));
    }
    Ok(())
}

fn number(value: Option<&Sourced<u64>>) -> Option<(String, &Source)> {
    value.map(|value| (value.value.to_string(), &value.source))
}

fn said_by(source: &Source) -> String {
    match source {
        Source::Provider => "the provider".to_owned(),
        Source::PriceBook { version } => format!("price book {version}"),
        Source::Person => "you".to_owned(),
    }
}

fn capability_words(capability: Capability) -> &'static str {
    match capability {
        Capability::ImagesIn => "images",
        Capability::FilesIn => "files",
        Capability::AudioIn => "sound",
        Capability::Tools => "tools",
        Capability::ParallelTools => "several tools at once",
        Capability::Thinking => "thinking",
        Capability::JsonSchema => "JSON by schema",
        Capability::PromptCache => "prompt cache",
        Capability::SystemRole => "instructions",
    }
}
