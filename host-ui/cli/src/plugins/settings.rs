//! `plugin settings`.

use serde_json::{Value, json};
use vale_api::{Api, ApiError, ApiErrorKind, SettingField};

use crate::ask;
use crate::exit::{CANCELLED, Stop};
use crate::manage::once_each;
use crate::out::Out;
use crate::table::Table;

/// What the person wants changed.
pub(super) struct Change {
    pub(super) set: Vec<(String, String)>,
    pub(super) reset: Vec<String>,
    pub(super) local_server: bool,
    pub(super) yes: bool,
}

pub(super) async fn settings(api: &Api, name: &str, change: Change, out: &Out) -> Result<(), Stop> {
    if change.set.is_empty() && change.reset.is_empty() {
        return show(api, name, out);
    }
    let mut values: std::collections::BTreeMap<_, _> = once_each(change.set)?
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    for name in change.reset {
        values.entry(name).or_insert(None);
    }
    let draft = api.draft_settings(name, &values, change.local_server)?;
    if !draft.asks.is_empty() && !change.yes {
        let mut text = format!("{name} would be let to reach:\n");
        for ask in &draft.asks {
            let mut remarks = Vec::new();
            if ask.local_server {
                remarks.push("a server on this machine or in your own network");
            }
            if ask.unencrypted {
                remarks.push("not encrypted");
            }
            text.push_str(&format!("  {}  {}\n", ask.origin, remarks.join("; ")));
        }
        if out.json || !ask::can_ask() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!(
                    "{}, and there is no terminal to ask you.",
                    text.trim().replace("\n ", "")
                ),
                "Agree with --yes. Nothing was changed.",
            )
            .into());
        }
        out.question(&text);
        if !ask::agrees(out, "Allow this?").await? {
            out.note("Nothing was changed.");
            return Err(Stop::Told(CANCELLED));
        }
    }
    api.apply_settings(&draft).await?;
    show(api, name, out)
}

fn show(api: &Api, name: &str, out: &Out) -> Result<(), Stop> {
    let form = api.plugin_settings(name)?;
    if out.json {
        return Ok(out.document(&json!(form))?);
    }
    let mut table = Table::new(["SETTING", "VALUE", "SET BY", "ABOUT"]);
    for field in &form.fields {
        table.row([
            field.name.clone(),
            shown(field),
            if field.is_set { "you" } else { "plugin" }.to_owned(),
            about(field),
        ]);
    }
    table.print(out)?;
    if form.fields.is_empty() {
        out.note(&format!("{name} has no settings."));
    }
    if !form.keys.is_empty() {
        out.note(&format!(
            "Keys are not settings: `valechat key set {name}` keeps {}.",
            form.keys.join(", ")
        ));
    }
    Ok(())
}

fn shown(field: &SettingField) -> String {
    match &field.value {
        None if field.required => "missing, and needed".to_owned(),
        None => "not set".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            items.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

fn about(field: &SettingField) -> String {
    let text = |key: &str| field.schema.get(key).and_then(Value::as_str);
    text("description")
        .or_else(|| text("title"))
        .unwrap_or_default()
        .to_owned()
}
