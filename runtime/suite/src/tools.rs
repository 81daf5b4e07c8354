//! What a tool does: its list, recorded calls, and arguments that no schema allows.

use serde_json::{Map, Value, json};
use vale_sandbox::Plugin;
use vale_types::{Failure, ToolInfo, ToolResult};

use crate::bench::{Setting, Used};
use crate::conformance::{judged, wrong_kind};
use crate::heard;
use crate::recording::{Call, Recording, tool_call};
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Scenario, cannot_run};
use crate::tape::{Cut, Reply, Script, Tape};

const SECTION: Section = Section::Conformance;
const ANSWER: &str = "an answer or an error";
const BREAKS: &str =
    "Check the arguments and answer with `is-error`; never panic on what a model wrote.";

pub(crate) async fn tool(scenario: &mut Scenario) -> Vec<Check> {
    let (mut checks, tools) = list(scenario).await;
    let recordings = scenario.recordings.clone();
    for recording in &recordings {
        let Call::Invoke(call) = &recording.call else {
            checks.push(wrong_kind(recording, "a provider, and this is a tool"));
            continue;
        };
        if !tools.iter().any(|tool| tool.def.name == call.name) {
            let names: Vec<_> = tools.iter().map(|tool| tool.def.name.as_str()).collect();
            checks.push(
                Check::failed(SECTION, recording.title())
                    .expected(format!("a tool {}", call.name))
                    .got(names.join(", "))
                    .next_step("Name one of the tools that list-tools gives."),
            );
            continue;
        }
        checks.extend(recorded(scenario, recording).await);
    }
    for tool in &tools {
        checks.push(odd_arguments(scenario, tool).await);
    }
    checks.push(unknown(scenario).await);
    checks
}

/// The settings that calls without a recording are made under.
pub(crate) fn settings(scenario: &Scenario) -> Map<String, Value> {
    let first = scenario.recordings.first();
    first
        .map(|first| first.settings.clone())
        .unwrap_or_default()
}

async fn list(scenario: &mut Scenario) -> (Vec<Check>, Vec<ToolInfo>) {
    const NAME: &str = "list-tools";
    let tape = Tape::new(Script::Recorded(Vec::new()), Cut::Whole);
    let with = Setting {
        settings: settings(scenario),
        ..Setting::default()
    };
    let prepared = match scenario.bench.prepare(&tape, &with) {
        Ok(prepared) => prepared,
        Err(why) => return (vec![cannot_run(SECTION, NAME.to_owned(), why)], Vec::new()),
    };
    let asks = async |plugin: &Plugin, context| plugin.list_tools(context).await;
    let (listed, used) = scenario.bench.ask(prepared, asks).await;
    scenario.peak.note(&used, Cut::Whole);
    let tools = match listed {
        Ok(tools) => tools,
        Err(failure) => {
            let check = Check::failed(SECTION, NAME)
                .expected("a list of tools")
                .got(failure.to_string())
                .next_step("Let list-tools answer without asking anybody.")
                .log(&used.last_lines);
            return (vec![check], Vec::new());
        }
    };
    let names: Vec<_> = tools.iter().map(|tool| tool.def.name.as_str()).collect();
    let mut checks = vec![if tools.is_empty() {
        Check::failed(SECTION, NAME)
            .expected("one tool at least")
            .got("none")
            .next_step("Let list-tools name what can be called.")
    } else {
        Check::passed(SECTION, NAME).got(names.join(", "))
    }];
    for tool in &tools {
        checks.push(schema(tool));
    }
    (checks, tools)
}

/// What a model needs beyond what the sandbox enforces.
fn schema(tool: &ToolInfo) -> Check {
    let name = format!("{}: what the model is told", tool.def.name);
    let schema: Value = serde_json::from_str(&tool.def.input_schema_json).unwrap_or_default();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Check::failed(SECTION, name)
            .expected("an input schema of type object")
            .got(
                tool.def
                    .input_schema_json
                    .chars()
                    .take(200)
                    .collect::<String>(),
            )
            .next_step("Begin the schema with \"type\": \"object\".");
    }
    if tool.def.description.trim().is_empty() {
        return Check::new(SECTION, name, Verdict::Warning)
            .got("an empty description")
            .next_step("Say in a sentence what the tool does and when to call it.");
    }
    Check::passed(SECTION, name)
}

async fn recorded(scenario: &mut Scenario, recording: &Recording) -> Vec<Check> {
    let mut first: Option<Value> = None;
    for cut in [Cut::Whole, Cut::Whole, Cut::Every(1), Cut::Random(1)] {
        let script = Script::Recorded(recording.http.clone());
        let replayed = replay(scenario, recording, script, cut, None).await;
        let (answer, used, tape) = match replayed {
            Ok(replayed) => replayed,
            Err(why) => return vec![cannot_run(SECTION, recording.title(), why)],
        };
        scenario.peak.note(&used, cut);
        let words = heard::tool_answer(&answer);
        let failure = answer.as_ref().err();
        let check = judged(recording, &words, failure, &used, &tape.strays());
        if check.verdict == Verdict::Failed {
            return vec![check];
        }
        if first.as_ref().is_some_and(|first| *first != words) {
            return vec![
                Check::failed(SECTION, recording.title())
                    .expected("the same answer each time, wherever the network cuts")
                    .got(words.to_string())
                    .next_step("Put the body together before it is read as text."),
            ];
        }
        first = Some(words);
    }
    vec![Check::passed(SECTION, recording.title())]
}

type Replayed = (Result<ToolResult, Failure>, Used, std::sync::Arc<Tape>);

/// One recorded call over this script.
pub(crate) async fn replay(
    scenario: &Scenario,
    recording: &Recording,
    script: Script,
    cut: Cut,
    response_bytes: Option<u64>,
) -> Result<Replayed, String> {
    let Call::Invoke(call) = &recording.call else {
        return Err("it calls no tool".to_owned());
    };
    let tape = Tape::new(script, cut);
    let with = Setting {
        settings: recording.settings.clone(),
        response_bytes,
        ..Setting::default()
    };
    let prepared = scenario.bench.prepare(&tape, &with)?;
    let asks = async |plugin: &Plugin, context| plugin.invoke(context, call).await;
    let (answer, used) = scenario.bench.ask(prepared, asks).await;
    Ok((answer, used, tape))
}

/// Arguments as a careless model writes them.
fn odd(tool: &ToolInfo) -> Vec<String> {
    let schema: Value = serde_json::from_str(&tool.def.input_schema_json).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let all = |value: &Value| {
        let fields = names.iter().map(|name| (name.clone(), value.clone()));
        Value::Object(fields.collect()).to_string()
    };
    let mut tries = vec![
        "{}".to_owned(),
        json!({"no-such-argument": [1, {"a": null}]}).to_string(),
    ];
    for value in [
        Value::Null,
        json!(""),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!({"a": {"b": []}}),
        json!([[[[]]]]),
        json!("\u{202e}\u{0}💥 \u{feff}"),
        json!("(".repeat(20_000)),
        json!("9".repeat(20_000)),
    ] {
        tries.push(all(&value));
    }
    tries
}

async fn odd_arguments(scenario: &mut Scenario, tool: &ToolInfo) -> Check {
    let name = format!("{}: odd arguments", tool.def.name);
    let tries = odd(tool);
    let count = tries.len();
    for arguments in tries {
        match invoke(scenario, &tool.def.name, &arguments).await {
            Err(why) => return cannot_run(SECTION, name, why),
            Ok((Err(Failure::Fault(fault)), used)) => {
                let shown: String = arguments.chars().take(80).collect();
                return Check::failed(SECTION, name)
                    .expected(ANSWER)
                    .got(format!("{fault}, for {shown}"))
                    .next_step(BREAKS)
                    .log(&used.last_lines);
            }
            Ok((_, used)) => scenario.peak.note(&used, Cut::Whole),
        }
    }
    Check::passed(SECTION, name).got(format!("{count} tried"))
}

async fn unknown(scenario: &mut Scenario) -> Check {
    const NAME: &str = "a tool that is not there";
    let (answer, used) = match invoke(scenario, "no_such_tool", "{}").await {
        Ok(answered) => answered,
        Err(why) => return cannot_run(SECTION, NAME.to_owned(), why),
    };
    let failed = Check::failed(SECTION, NAME)
        .expected("an error, or an answer with is-error")
        .next_step("Answer a name that you do not know with an error.")
        .log(&used.last_lines);
    match answer {
        Ok(result) if !result.is_error => failed.got("an answer as if it were there"),
        Err(Failure::Fault(fault)) => failed.got(fault.to_string()),
        _ => Check::passed(SECTION, NAME),
    }
}

/// A call that nobody recorded; whatever it asks is answered with 404.
async fn invoke(
    scenario: &Scenario,
    tool: &str,
    arguments: &str,
) -> Result<(Result<ToolResult, Failure>, Used), String> {
    let reply: Reply = crate::fault_rows::status_row(404, &[]);
    let tape = Tape::new(Script::Always(reply), Cut::Whole);
    let with = Setting {
        settings: settings(scenario),
        ..Setting::default()
    };
    let prepared = scenario.bench.prepare(&tape, &with)?;
    let call = tool_call(tool, arguments);
    let asks = async |plugin: &Plugin, context| plugin.invoke(context, &call).await;
    Ok(scenario.bench.ask(prepared, asks).await)
}
