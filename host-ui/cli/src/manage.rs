//! `provider`: what is there, and what the person adds.

use std::collections::BTreeMap;

use serde_json::json;
use vale_api::{
    Api, ApiError, ApiErrorKind, Draft, DraftRequest, KeptKey, KeyRow, KeyState, ProviderRow,
};

use crate::args::ProviderCommand;
use crate::exit::{CANCELLED, Stop};
use crate::out::{Out, Style};
use crate::table::Table;
use crate::{ask, open};

pub(crate) async fn provider(command: ProviderCommand, out: Out) -> Result<(), Stop> {
    match command {
        // Nobody is asked for a passphrase to look at a list.
        ProviderCommand::List => list(&open(&out, None).await?, &out).await,
        ProviderCommand::Test { name } => {
            let api = open(&out, ask::passphrase()).await?;
            let test = api.test_provider(&name).await?;
            if out.json {
                return Ok(out.document(&test)?);
            }
            Ok(out.line(&format!(
                "{} works: {} models listed in {:.1} s.",
                test.provider, test.models, test.seconds
            ))?)
        }
        ProviderCommand::Remove { name } => remove(&open(&out, None).await?, &name, &out).await,
        ProviderCommand::Add {
            name,
            plugin,
            settings,
            local_server,
            key_stdin,
            yes,
        } => {
            let request = DraftRequest {
                id: name,
                plugin,
                settings: once_each(settings)?,
                is_local_server: local_server,
            };
            add(request, key_stdin, yes, &out).await
        }
    }
}

pub(crate) fn once_each(
    settings: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut map = BTreeMap::new();
    for (name, value) in settings {
        if map.insert(name.clone(), value).is_some() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("The setting {name} is given twice."),
                "Give it once.",
            ));
        }
    }
    Ok(map)
}

async fn list(api: &Api, out: &Out) -> Result<(), Stop> {
    let rows = api.providers().await;
    if out.json {
        return Ok(out.document(&json!({ "providers": rows }))?);
    }
    let mut table = Table::new(["PROVIDER", "PLUGIN", "ADDRESS", "KEY"]);
    for row in &rows {
        let keys: Vec<String> = row.keys.iter().map(|key| key_words(key, row)).collect();
        table.row([
            row.id.to_string(),
            row.plugin.to_string(),
            row.addresses.join(", "),
            if keys.is_empty() {
                "none needed".to_owned()
            } else {
                keys.join(", ")
            },
        ]);
    }
    table.print(out)?;
    for row in &rows {
        if let Some(problem) = &row.problem {
            out.error_words(&ApiError::new(
                ApiErrorKind::Settings,
                format!("{} cannot be used: {problem}", row.id),
                "Correct it in config.toml, or remove the provider and add it again.",
            ));
        }
        for key in &row.keys {
            if let KeyState::Unknown { why } = &key.state {
                out.note(&format!("{}: {why}", row.id));
            }
        }
    }
    Ok(())
}

fn key_words(key: &KeyRow, row: &ProviderRow) -> String {
    let several = row.keys.len() > 1;
    let words = match &key.state {
        KeyState::Set { place } => format!("set ({place})"),
        KeyState::Missing if key.required && !row.key_is_optional => "missing".to_owned(),
        KeyState::Missing => "none".to_owned(),
        KeyState::Locked => "locked (passphrase)".to_owned(),
        KeyState::Unknown { .. } => "unknown".to_owned(),
        KeyState::MadeByValechat => "none needed".to_owned(),
    };
    if several {
        format!("{}: {words}", key.credential)
    } else {
        words
    }
}

async fn remove(api: &Api, name: &str, out: &Out) -> Result<(), Stop> {
    let removed = api.remove_provider(name).await?;
    if out.json {
        return Ok(out.document(&removed)?);
    }
    out.line(&format!("{} is removed.", removed.provider))?;
    for credential in &removed.keys_kept {
        out.note(&format!(
            "If it had a key, it is kept; `valechat key remove {} --credential {credential}` forgets it.",
            removed.provider
        ));
    }
    Ok(())
}

async fn add(request: DraftRequest, key_stdin: bool, yes: bool, out: &Out) -> Result<(), Stop> {
    let api = open(out, None).await?;
    let draft = api.draft_provider(&request).await?;
    if !out.json {
        show(&draft, out);
    }
    if draft.needs_consent() && !yes {
        if out.json || !ask::can_ask() {
            return Err(needs_yes(&draft).into());
        }
        if !ask::agrees(out, "Allow this?").await? {
            out.note("Nothing was added.");
            return Err(Stop::Told(CANCELLED));
        }
    }
    // Read first: a key that cannot be one leaves the settings as they are.
    let key = if key_stdin {
        Some(ask::key(draft.id.as_str(), true).await?)
    } else {
        None
    };
    api.add_provider(&draft).await?;
    let mut stored = None;
    if let Some(key) = key {
        // The provider is known from the next start on.
        drop(api);
        let api = open(out, ask::passphrase()).await?;
        let set = api.set_key(draft.id.as_str(), None, key, None).await;
        stored = Some(set.map_err(|error| {
            let mut error = ask::cancelled_or(error);
            error.sentence = format!("{} is added, its key is not. {}", draft.id, error.sentence);
            error
        })?);
    }
    if out.json {
        return Ok(out.document(&json!({ "added": draft, "key": stored }))?);
    }
    out.line(&format!("{} is added.", draft.id))?;
    match (&stored, draft.keys.is_empty()) {
        (Some(stored), _) => out.line(&format!("Its key is kept in {}.", stored.place))?,
        (None, false) if !draft.key_is_optional => {
            out.note(&format!("It needs a key: `valechat key set {}`.", draft.id))
        }
        _ => {}
    }
    out.note(&format!("Try it: `valechat provider test {}`.", draft.id));
    Ok(())
}

/// What the provider would be let to do, before the question.
fn show(draft: &Draft, out: &Out) {
    if out.quiet && !draft.needs_consent() {
        return;
    }
    let mut text = format!(
        "{} (plugin {}, {}) may reach:\n",
        draft.id, draft.plugin, draft.plugin_name
    );
    for place in &draft.places {
        let mut remarks = vec![place.methods.join(", ")];
        if place.local_server {
            remarks.push("a server on this machine or in your own network".to_owned());
        }
        if place.address.starts_with("http://") {
            remarks.push("not encrypted".to_owned());
        }
        text.push_str(&format!("  {}  {}\n", place.address, remarks.join("; ")));
    }
    if !draft.keys.is_empty() {
        text.push_str(&format!(
            "  with your key ({}) if you set one, which ValeChat attaches there and the plugin never sees\n",
            draft.keys.join(", ")
        ));
    }
    text.push_str("and nothing else.\n");
    for words in kept(draft) {
        text.push_str(&format!("Note: {words}.\n"));
    }
    out.question(&text);
}

/// Keys that lie under this name already, and what would become of them.
fn kept(draft: &Draft) -> Vec<String> {
    let words = |key: &KeptKey| {
        let is = if key.certain { "is" } else { "may be" };
        format!(
            "a key for {} ({}) {is} kept already, in the {}, and would be sent there",
            draft.id, key.credential, key.place
        )
    };
    draft.kept_keys.iter().map(words).collect()
}

fn needs_yes(draft: &Draft) -> ApiError {
    let origins: Vec<String> = draft
        .asks
        .iter()
        .map(|ask| ask.origin.to_string())
        .collect();
    let mut reasons = Vec::new();
    if !origins.is_empty() {
        reasons.push(format!(
            "{} would be let to reach {}",
            draft.id,
            origins.join(" and ")
        ));
    }
    reasons.extend(kept(draft));
    ApiError::new(
        ApiErrorKind::Usage,
        format!(
            "{}, and there is no terminal to ask you.",
            reasons.join("; ")
        ),
        "Agree with --yes. Nothing was changed.",
    )
}

/// A word in the colour of how something is.
pub(crate) fn status_style(is_bad: bool, is_doubtful: bool) -> Style {
    match (is_bad, is_doubtful) {
        (true, _) => Style::Red,
        (false, true) => Style::Yellow,
        (false, false) => Style::Green,
    }
}
