//! `tool`: what tools there are, and calling one by hand.

use serde_json::{Map, Value, json};
use vale_api::{Api, ApiError, ApiErrorKind, ToolOutcome, ToolPart, ToolRow};

use crate::args_plugins::ToolCommand;
use crate::exit::Stop;
use crate::out::{Out, Style};
use crate::table::Table;
use crate::{ask, open};

pub(crate) async fn run(command: ToolCommand, out: Out) -> Result<(), Stop> {
    match command {
        ToolCommand::List => list(&open(&out, None).await?, &out).await,
        ToolCommand::Show { name } => show(&open(&out, None).await?, &name, &out).await,
        ToolCommand::Call {
            name,
            arguments,
            args,
        } => {
            let api = open(&out, ask::passphrase()).await?;
            call(&api, &name, arguments, args.as_deref(), &out).await
        }
    }
}

async fn list(api: &Api, out: &Out) -> Result<(), Stop> {
    let all = api.tools().await;
    if out.json {
        return Ok(out.document(&json!({ "plugins": all }))?);
    }
    let mut table = Table::new(["TOOL", "HINTS", "ABOUT"]);
    for tool in all.iter().flat_map(|plugin| &plugin.tools) {
        let about = tool.description.lines().next().unwrap_or_default();
        table.row([
            format!("{}/{}", tool.plugin, tool.name),
            hints(tool),
            tool.title.clone().unwrap_or_else(|| about.to_owned()),
        ]);
    }
    table.print(out)?;
    for plugin in &all {
        if let Some(problem) = &plugin.problem {
            out.error_words(problem);
        }
    }
    if all.is_empty() {
        out.note("No tool is installed.");
    }
    Ok(())
}

/// The plugin's own word, in words.
fn hints(tool: &ToolRow) -> String {
    let hints = &tool.hints;
    let said = [
        (hints.read_only == Some(true), "changes nothing"),
        (hints.destructive == Some(true), "may destroy"),
        (hints.open_world == Some(true), "reaches outside"),
    ];
    let said: Vec<&str> = said
        .into_iter()
        .filter_map(|(is, words)| is.then_some(words))
        .collect();
    said.join(", ")
}

async fn show(api: &Api, name: &str, out: &Out) -> Result<(), Stop> {
    let tool = api.tool(name).await?;
    if out.json {
        return Ok(out.document(&tool)?);
    }
    let head = format!("{}/{}", tool.plugin, tool.name);
    out.painted_line(&out.paint(Style::Bold, &head))?;
    out.line(&tool.description)?;
    let hints = hints(&tool);
    if !hints.is_empty() {
        out.line(&format!("Says of itself that it {hints}."))?;
    }
    let required: Vec<&str> = tool
        .arguments
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = tool.arguments.get("properties").and_then(Value::as_object);
    let mut table = Table::new(["ARGUMENT", "TYPE", "", "ABOUT"]);
    for (name, schema) in properties.into_iter().flatten() {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
        table.row([
            name.clone(),
            text("type").to_owned(),
            if required.contains(&name.as_str()) {
                "required"
            } else {
                ""
            }
            .to_owned(),
            text("description").to_owned(),
        ]);
    }
    Ok(table.print(out)?)
}

async fn call(
    api: &Api,
    name: &str,
    given: Vec<(String, String)>,
    json: Option<&str>,
    out: &Out,
) -> Result<(), Stop> {
    let tool = api.tool(name).await?;
    let mut arguments = object(json)?;
    arguments.extend(Api::tool_arguments(&tool, given));
    let name = format!("{}/{}", tool.plugin, tool.name);
    let outcome = api.call_tool(&name, arguments).await?;
    if out.json {
        out.document(&outcome)?;
    } else {
        draw(&outcome, out)?;
    }
    if outcome.is_error {
        return Err(Stop::Told(1));
    }
    Ok(())
}

/// What --args holds.
pub(crate) fn object(json: Option<&str>) -> Result<Map<String, Value>, ApiError> {
    let Some(text) = json else {
        return Ok(Map::new());
    };
    serde_json::from_str(text).map_err(|error| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("--args is no JSON object: {error}."),
            "Write it as --args '{\"name\": \"value\"}'.",
        )
    })
}

pub(crate) fn draw(outcome: &ToolOutcome, out: &Out) -> Result<(), Stop> {
    if outcome.is_untrusted {
        out.note("This comes from outside; nobody has checked it.");
    }
    for part in &outcome.parts {
        match part {
            ToolPart::Text { text } => {
                for line in text.lines() {
                    out.line(line)?;
                }
            }
            ToolPart::Json { value } => {
                let text = serde_json::to_string_pretty(value).unwrap_or_default();
                for line in text.lines() {
                    out.line(line)?;
                }
            }
            ToolPart::Attachment {
                name,
                media_type,
                size,
            } => out.line(&format!(
                "[{name}{}{}]",
                media_type
                    .as_ref()
                    .map_or_else(String::new, |kind| format!(", {kind}")),
                size.map_or_else(String::new, |size| format!(", {size} bytes"))
            ))?,
            ToolPart::Other { name } => out.line(&format!("[{name}]"))?,
        }
    }
    if outcome.is_error {
        out.note("The tool says that it failed.");
    }
    Ok(())
}
