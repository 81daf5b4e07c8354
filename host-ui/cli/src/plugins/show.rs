//! `plugin show`: the permission card, of what is installed and of files.

use std::path::Path;

use serde_json::json;
use vale_api::{Api, PermissionCard, PluginCard, plugin_file};

use crate::exit::Stop;
use crate::out::{Out, Style};

/// Longest readme that is shown, characters.
const README: usize = 4_000;

/// Names of plugins hold neither; paths do.
pub(super) fn is_file(name: &str) -> bool {
    name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|end| end == "wasm")
}

pub(super) async fn installed(api: &Api, name: &str, out: &Out) -> Result<(), Stop> {
    let card = api.plugin_card(name).await?;
    if out.json {
        return Ok(out.document(&card)?);
    }
    draw(&card, out)
}

pub(super) async fn all(api: &Api, out: &Out) -> Result<(), Stop> {
    let rows = api.plugins();
    let ids: Vec<String> = rows
        .iter()
        .filter_map(|row| row.id.as_ref().map(ToString::to_string))
        .collect();
    let mut cards = Vec::with_capacity(ids.len());
    for id in &ids {
        cards.push(api.plugin_card(id).await?);
    }
    if out.json {
        return Ok(out.document(&json!({ "plugins": cards }))?);
    }
    for (index, card) in cards.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        draw(card, out)?;
    }
    Ok(())
}

/// A file that need not be installed; nothing of it runs.
pub(super) async fn file(path: &str, out: &Out) -> Result<(), Stop> {
    let file = plugin_file(Path::new(path)).await?;
    if out.json {
        return Ok(out.document(&file)?);
    }
    out.line("Not installed. If you install it, it may do this and nothing else:")?;
    draw_card(&file.card, out)?;
    out.painted_line(&out.paint(Style::Bold, "File"))?;
    out.line(&format!("  sha256: {} ({} bytes)", file.sha256, file.bytes))?;
    out.line(&format!(
        "  signature: {}",
        if file.has_signature {
            "there, not checked by this version"
        } else {
            "none"
        }
    ))?;
    if let Some((width, height)) = file.icon {
        out.line(&format!("  icon: PNG, {width} x {height}"))?;
    }
    for (name, text) in [("Licence", &file.license), ("Readme", &file.readme)] {
        if let Some(text) = text {
            out.painted_line(&out.paint(Style::Bold, name))?;
            let shown: String = text.chars().take(README).collect();
            for line in shown.lines() {
                out.line(&format!("  {line}"))?;
            }
            if shown.len() < text.len() {
                out.line("  … (`--json` has all of it)")?;
            }
        }
    }
    Ok(())
}

/// The card's headings stand out.
pub(super) fn draw_card(card: &PermissionCard, out: &Out) -> Result<(), Stop> {
    for line in card.to_string().lines() {
        if line.starts_with(' ') {
            out.line(line)?;
        } else {
            out.painted_line(&out.paint(Style::Bold, line))?;
        }
    }
    Ok(())
}

fn draw(card: &PluginCard, out: &Out) -> Result<(), Stop> {
    draw_card(&card.card, out)?;
    out.painted_line(&out.paint(Style::Bold, "File"))?;
    out.line(&format!("  component: {}", card.component.display()))?;
    out.line(&format!("  sha256: {} ({} bytes)", card.sha256, card.bytes))?;
    out.line(&format!(
        "  from: {}",
        if card.built_in {
            "came with ValeChat"
        } else {
            "installed by you"
        }
    ))?;
    if let Some(provider) = &card.provider {
        out.line(&format!("  shown for: provider {provider}"))?;
    }
    Ok(())
}
