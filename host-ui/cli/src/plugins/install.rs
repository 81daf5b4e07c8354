//! `plugin install`, `plugin update`, `plugin pack`.

use std::path::{Path, PathBuf};

use serde_json::json;
use vale_api::{
    Api, ApiError, ApiErrorKind, Change, InstallRequest, PluginDraft, PluginKind, Replaced,
    pack_plugin,
};

use crate::args_plugins::InstallArgs;
use crate::ask;
use crate::exit::{CANCELLED, Stop};
use crate::manage::once_each;
use crate::out::Out;

pub(super) async fn install(
    api: &Api,
    args: InstallArgs,
    is_update: bool,
    out: &Out,
) -> Result<(), Stop> {
    let request = InstallRequest {
        path: args.file,
        settings: once_each(args.settings)?,
        is_local_server: args.local_server,
        is_update,
    };
    let draft = api.draft_plugin(&request).await?;
    let is_there = |before: &Replaced| before.same_file && !before.is_damaged;
    if draft.replaces.as_ref().is_some_and(is_there) && request.settings.is_empty() {
        if out.json {
            return Ok(out.document(&json!({ "installed": null, "draft": draft }))?);
        }
        return Ok(out.line(&format!(
            "{} {} is installed already, from the same file.",
            draft.id, draft.version
        ))?);
    }
    if !out.json && (draft.needs_consent() || !out.quiet) {
        out.question(&words(&draft));
    }
    if draft.needs_consent() && !args.yes {
        if out.json || !ask::can_ask() {
            return Err(needs_yes(&draft).into());
        }
        let question = if draft.replaces.is_some() {
            "Allow this and update?"
        } else {
            "Allow this and install?"
        };
        if !ask::agrees(out, question).await? {
            out.note("Nothing was changed.");
            return Err(Stop::Told(CANCELLED));
        }
    }
    let installed = api.install_plugin(&draft).await?;
    if out.json {
        return Ok(out.document(&json!({ "installed": installed, "draft": draft }))?);
    }
    out.line(&match &installed.replaced {
        Some(before) => format!(
            "{} is updated from {before} to {}.",
            installed.id, installed.version
        ),
        None => format!("{} {} is installed.", installed.id, installed.version),
    })?;
    if installed.kind == PluginKind::Provider && installed.replaced.is_none() {
        out.note(&format!(
            "Try it: `valechat provider test {0}`. Another setup of it: `valechat provider add NAME --plugin {0}`.",
            installed.id
        ));
    }
    Ok(())
}

/// What the person agrees to.
fn words(draft: &PluginDraft) -> String {
    let mut text = String::new();
    match &draft.replaces {
        None => {
            text.push_str("Once you agree, it may do this and nothing else:\n");
            text.push_str(&draft.card.to_string());
        }
        Some(before) => {
            text.push_str(&format!(
                "{} ({}): {} → {}\n",
                draft.name, draft.id, before.version, draft.version
            ));
            section(&mut text, "It asks for more", &draft.changes, true);
            section(&mut text, "It asks for less", &draft.changes, false);
            for ask in &draft.asks {
                let known = draft
                    .changes
                    .iter()
                    .any(|change| change.widens && change.words.contains(ask.origin.as_str()));
                if !known {
                    text.push_str(&format!("It would reach {}\n", ask.origin));
                }
            }
            if before.is_damaged {
                text.push_str("What is installed is damaged and is put right.\n");
            } else if draft.changes.is_empty() && draft.asks.is_empty() {
                text.push_str("It asks for nothing else than before.\n");
            }
        }
    }
    for warning in &draft.warnings {
        text.push_str(&format!("Note: {warning}.\n"));
    }
    text
}

fn section(text: &mut String, title: &str, changes: &[Change], widens: bool) {
    let mut found = changes
        .iter()
        .filter(|change| change.widens == widens)
        .peekable();
    if found.peek().is_some() {
        text.push_str(&format!("{title}:\n"));
    }
    for change in found {
        text.push_str(&format!("  it {}\n      {}\n", change.words, change.detail));
    }
}

fn needs_yes(draft: &PluginDraft) -> ApiError {
    let reasons: Vec<String> = draft
        .changes
        .iter()
        .filter(|change| change.widens)
        .map(|change| format!("it {}", change.words))
        .collect();
    let sentence = match &draft.replaces {
        None => format!(
            "{} {} would be installed, and there is no terminal to ask you.",
            draft.id, draft.version
        ),
        Some(_) if reasons.is_empty() => format!(
            "{} {} would replace the version that is there, and there is no terminal to ask you.",
            draft.id, draft.version
        ),
        Some(_) => format!(
            "{} {} asks for more than before ({}), and there is no terminal to ask you.",
            draft.id,
            draft.version,
            reasons.join("; ")
        ),
    };
    ApiError::new(
        ApiErrorKind::Usage,
        sentence,
        "Look at it with `valechat plugin show FILE`, then agree with --yes. Nothing was changed.",
    )
}

pub(super) async fn pack(folder: &Path, output: Option<PathBuf>, out: &Out) -> Result<(), Stop> {
    let packed = pack_plugin(folder, output.as_deref()).await?;
    if out.json {
        return Ok(out.document(&packed)?);
    }
    Ok(out.line(&format!(
        "{} {} is packed: {} ({} bytes).",
        packed.id,
        packed.version,
        packed.path.display(),
        packed.bytes
    ))?)
}
