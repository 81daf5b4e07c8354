//! `plugin list`.

use serde_json::json;
use vale_api::{Api, ApiError, ApiErrorKind, PluginKind, PluginRow};

use crate::exit::Stop;
use crate::out::Out;
use crate::table::Table;

pub(super) fn list(api: &Api, out: &Out) -> Result<(), Stop> {
    let rows = api.plugins();
    if out.json {
        return Ok(out.document(&json!({ "plugins": rows }))?);
    }
    let mut table = Table::new(["PLUGIN", "VERSION", "KIND", "FROM", "STATE", "ABOUT"]);
    for row in &rows {
        let Some(id) = &row.id else { continue };
        table.row([
            id.to_string(),
            row.version.clone().unwrap_or_default(),
            kind(row.kind).to_owned(),
            if row.built_in { "ValeChat" } else { "you" }.to_owned(),
            state(row),
            row.description
                .clone()
                .or_else(|| row.name.clone())
                .unwrap_or_default(),
        ]);
    }
    table.print(out)?;
    for row in &rows {
        if let Some(problem) = &row.problem {
            out.error_words(&broken(&row.path.display().to_string(), problem));
        }
        if let (Some(id), Some(back)) = (&row.id, &row.taken_back) {
            out.note(&format!(
                "{id} {} failed in its first calls and was taken back: {}",
                back.version, back.why
            ));
        }
    }
    if rows.is_empty() {
        out.note("No plugin is installed; `valechat doctor` says where they are looked for.");
    }
    Ok(())
}

fn state(row: &PluginRow) -> String {
    match (row.enabled, row.trial) {
        (false, _) => "off".to_owned(),
        (true, 0) => "on".to_owned(),
        (true, left) => format!("on, {left} calls to prove itself"),
    }
}

pub(super) fn kind(kind: Option<PluginKind>) -> &'static str {
    match kind {
        Some(PluginKind::Provider) => "provider",
        Some(PluginKind::Tool) => "tool",
        None => "",
    }
}

fn broken(path: &str, problem: &str) -> ApiError {
    let mut lines = problem.lines().map(str::to_owned);
    let first = lines.next().unwrap_or_default();
    ApiError::new(
        ApiErrorKind::Plugin,
        format!("The plugin in {path} cannot be used: {first}"),
        "Install it again, or remove its folder.",
    )
    .with_details(lines.collect())
}
