//! `plugin` and `doctor`: what is installed, what it may do, and whether everything works.

use serde_json::json;
use vale_api::{
    Api, ApiError, ApiErrorKind, Check, CheckStatus, Paths, PluginCard, doctor as look,
};

use crate::args::{DoctorArgs, PluginCommand};
use crate::exit::Stop;
use crate::manage::status_style;
use crate::open;
use crate::out::{Out, Style};
use crate::table::Table;

pub(crate) async fn run(command: PluginCommand, out: Out) -> Result<(), Stop> {
    let api = open(&out, None).await?;
    match command {
        PluginCommand::List => list(&api, &out),
        PluginCommand::Show { name: Some(name) } => {
            let card = api.plugin_card(&name).await?;
            if out.json {
                return Ok(out.document(&card)?);
            }
            draw(&card, &out)
        }
        PluginCommand::Show { name: None } => show_all(&api, &out).await,
    }
}

fn list(api: &Api, out: &Out) -> Result<(), Stop> {
    let rows = api.plugins();
    if out.json {
        return Ok(out.document(&json!({ "plugins": rows }))?);
    }
    let mut table = Table::new(["PLUGIN", "VERSION", "FROM", "ABOUT"]);
    for row in &rows {
        let Some(id) = &row.id else { continue };
        table.row([
            id.to_string(),
            row.version.clone().unwrap_or_default(),
            if row.built_in { "ValeChat" } else { "you" }.to_owned(),
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
    }
    if rows.is_empty() {
        out.note("No plugin is installed; `valechat doctor` says where they are looked for.");
    }
    Ok(())
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

async fn show_all(api: &Api, out: &Out) -> Result<(), Stop> {
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

fn draw(card: &PluginCard, out: &Out) -> Result<(), Stop> {
    for line in card.card.to_string().lines() {
        if line.starts_with(' ') {
            out.line(line)?;
        } else {
            out.painted_line(&out.paint(Style::Bold, line))?;
        }
    }
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

pub(crate) async fn doctor(args: DoctorArgs, out: Out) -> Result<(), Stop> {
    let paths = Paths::of_this_user().map_err(ApiError::from)?;
    let mut written = Ok(());
    let checks = look(paths.clone(), |check| {
        if !out.json && written.is_ok() {
            written = draw_check(check, &out);
        }
    })
    .await;
    written?;
    let bundle = match &args.bundle {
        Some(path) => Some(vale_api::bundle(&paths, path, &checks).await?),
        None => None,
    };
    let failed = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail)
        .count();
    if out.json {
        out.document(&json!({ "ok": failed == 0, "checks": checks, "bundle": bundle }))?;
    } else if failed == 0 {
        out.line("Everything that a chat needs works.")?;
    } else {
        out.line(&format!("{failed} of {} checks failed.", checks.len()))?;
    }
    if let Some(bundle) = bundle.filter(|_| !out.json) {
        out.line(&format!(
            "{} holds, without keys and without conversations:",
            bundle.path.display()
        ))?;
        for file in &bundle.files {
            out.line(&format!(
                "  {} ({} bytes): {}",
                file.name, file.bytes, file.what
            ))?;
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Stop::Told(1))
    }
}

fn draw_check(check: &Check, out: &Out) -> std::io::Result<()> {
    let word = match check.status {
        CheckStatus::Ok => "ok  ",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "FAIL",
    };
    let style = status_style(
        check.status == CheckStatus::Fail,
        check.status == CheckStatus::Warn,
    );
    out.painted_line(&format!(
        "{} {}: {}",
        out.paint(style, word),
        out.safe(&check.name),
        out.safe(&check.sentence)
    ))?;
    match &check.next_step {
        Some(step) => out.line(&format!("     → {step}")),
        None => Ok(()),
    }
}
