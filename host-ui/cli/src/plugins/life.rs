//! `plugin enable|disable|remove|logs|limits`.

use std::collections::BTreeMap;

use serde_json::json;
use vale_api::{Api, ApiError, ApiErrorKind, PluginLimits};

use crate::ask;
use crate::exit::{CANCELLED, Stop};
use crate::out::Out;
use crate::table::Table;

pub(super) async fn enable(api: &Api, name: &str, enabled: bool, out: &Out) -> Result<(), Stop> {
    let id = api.enable_plugin(name, enabled).await?;
    if out.json {
        return Ok(out.document(&json!({ "plugin": id, "enabled": enabled }))?);
    }
    Ok(out.line(&format!(
        "{id} is switched {}.",
        if enabled { "on" } else { "off" }
    ))?)
}

pub(super) async fn remove(api: &Api, name: &str, yes: bool, out: &Out) -> Result<(), Stop> {
    let users: Vec<String> = api
        .plugins()
        .into_iter()
        .filter(|row| row.id.as_ref().is_some_and(|id| id.as_str() == name) && !row.built_in)
        .flat_map(|row| row.providers)
        .map(|id| id.to_string())
        .collect();
    if !yes && !users.is_empty() {
        let words = format!("{name} answers for: {}.", users.join(", "));
        if out.json || !ask::can_ask() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                words,
                "Remove it all the same with --yes. Nothing was changed.",
            )
            .into());
        }
        out.question(&format!("{words}\n"));
        if !ask::agrees(out, "Remove it?").await? {
            out.note("Nothing was changed.");
            return Err(Stop::Told(CANCELLED));
        }
    }
    let removed = api.remove_plugin(name).await?;
    if out.json {
        return Ok(out.document(&removed)?);
    }
    out.line(&format!("{} is removed.", removed.id))?;
    for orphan in &removed.orphans {
        out.note(&format!(
            "{orphan} cannot answer any more; `valechat provider remove {orphan}` takes it away too."
        ));
    }
    Ok(())
}

pub(super) async fn logs(api: &Api, name: &str, lines: usize, out: &Out) -> Result<(), Stop> {
    let lines = api.plugin_log(name, lines).await?;
    if out.json {
        return Ok(out.document(&json!({ "lines": lines }))?);
    }
    for line in &lines {
        let provider = match &line.provider {
            Some(provider) => format!(" {provider}"),
            None => String::new(),
        };
        out.line(&format!(
            "{} {:5}{provider}: {}",
            line.at, line.level, line.text
        ))?;
    }
    if lines.is_empty() {
        out.note(&format!(
            "{name} has written no warning and no error, which are what is kept. `plugin run` shows every line, and so does `valechat --log plugin=debug chat …`."
        ));
    }
    Ok(())
}

pub(super) async fn limits(
    api: &Api,
    name: &str,
    set: Vec<(String, String)>,
    reset: bool,
    out: &Out,
) -> Result<(), Stop> {
    let mut values = BTreeMap::new();
    if reset {
        for key in ["memory_mib", "cpu_ms", "wall_s", "response_mib"] {
            values.insert(key.to_owned(), None);
        }
    }
    for (key, value) in set {
        let number = value.parse().map_err(|_| {
            ApiError::new(
                ApiErrorKind::Usage,
                format!("The limit {key} is a whole number, not “{value}”."),
                "Write it as --set memory_mib=128.",
            )
        })?;
        values.insert(key, Some(number));
    }
    let limits = if values.is_empty() {
        api.plugin_limits(name)?
    } else {
        api.set_plugin_limits(name, &values).await?
    };
    if out.json {
        return Ok(out.document(&limits)?);
    }
    draw(&limits, out)
}

fn draw(limits: &PluginLimits, out: &Out) -> Result<(), Stop> {
    let (now, yours, most) = (&limits.limits, &limits.changed, &limits.ceiling);
    let mut table = Table::new(["LIMIT OF ONE CALL", "VALUE", "UNIT", "SET BY", "AT MOST"]);
    for (key, unit, value, yours, most) in [
        (
            "memory_mib",
            "MiB",
            now.memory_mib,
            yours.memory_mib,
            most.memory_mib,
        ),
        ("cpu_ms", "ms", now.cpu_ms, yours.cpu_ms, most.cpu_ms),
        ("wall_s", "s", now.wall_s, yours.wall_s, most.wall_s),
        (
            "response_mib",
            "MiB",
            now.response_mib,
            yours.response_mib,
            most.response_mib,
        ),
    ] {
        let by = if yours.is_some() { "you" } else { "plugin" };
        table.row([
            key.to_owned(),
            value.to_string(),
            unit.to_owned(),
            by.to_owned(),
            most.to_string(),
        ]);
    }
    Ok(table.print(out)?)
}
