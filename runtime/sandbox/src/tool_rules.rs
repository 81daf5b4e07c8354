//! The rules of the tool contract that the host enforces whatever a guest does: pure.

use std::collections::HashSet;

use vale_types::{
    Error, Extra, Fault, FaultClass, Limits, Media, ResultPart, ToolCall, ToolInfo, ToolResult,
};

use crate::json::{is_json, is_object};

/// Tools of one plugin. A model is told of all of them with each request.
const MAX_TOOLS: usize = 256;
/// Longest name, bytes: what every provider takes.
const MAX_NAME: usize = 64;
/// Longest title, bytes: it stands on a button.
const MAX_TITLE: usize = 256;
/// Longest description, bytes.
const MAX_DESCRIPTION: usize = 16 << 10;
/// Largest schema, bytes.
const MAX_SCHEMA: usize = 256 << 10;
/// Parts of one result.
const MAX_PARTS: usize = 10_000;
/// Counted for each part and extra, beside its text.
const OVERHEAD: u64 = 16;

/// Judges what `list-tools` gave.
pub(crate) fn listing(tools: &[ToolInfo], limits: &Limits) -> Result<(), Fault> {
    if tools.len() > MAX_TOOLS {
        return Err(flood(format!(
            "it lists {} tools; {MAX_TOOLS} are allowed",
            tools.len()
        )));
    }
    let mut names = HashSet::new();
    let mut bytes = 0_u64;
    for tool in tools {
        one(tool)?;
        if !names.insert(tool.def.name.as_str()) {
            return Err(broken(format!(
                "it lists the tool “{}” twice",
                tool.def.name
            )));
        }
        bytes = bytes
            .saturating_add(size_of_extras(&tool.extras))
            .saturating_add(size_of_extras(&tool.def.extras));
        within(bytes, limits)?;
    }
    Ok(())
}

fn one(tool: &ToolInfo) -> Result<(), Fault> {
    let name = tool.def.name.as_str();
    if !is_name(name) {
        return Err(broken(format!(
            "it lists a tool named “{}”; a name has 1 to {MAX_NAME} letters, digits, `_` and `-`",
            shown(name)
        )));
    }
    let about = |what: String| broken(format!("of the tool “{name}” {what}"));
    if tool.title.as_deref().is_some_and(|title| !is_title(title)) {
        return Err(about(format!(
            "the title is empty, longer than {MAX_TITLE} bytes or holds control characters"
        )));
    }
    if tool.def.description.len() > MAX_DESCRIPTION {
        return Err(about(format!(
            "the description has {} bytes; {MAX_DESCRIPTION} are allowed",
            tool.def.description.len()
        )));
    }
    let output = tool.output_schema_json.as_deref();
    for (which, schema) in [
        ("input", Some(tool.def.input_schema_json.as_str())),
        ("output", output),
    ] {
        let Some(schema) = schema else { continue };
        if schema.len() > MAX_SCHEMA {
            return Err(about(format!(
                "the {which} schema has {} bytes; {MAX_SCHEMA} are allowed",
                schema.len()
            )));
        }
        if !is_object(schema) {
            return Err(about(format!("the {which} schema is not a JSON object")));
        }
    }
    extras(&tool.extras)?;
    extras(&tool.def.extras)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// It stands beside the button that allows the call: nothing in it may turn or hide other text.
fn is_title(title: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !title.trim().is_empty()
        && title.len() <= MAX_TITLE
        && !title.contains(|c: char| c.is_control() || turns(c))
}

/// Judges what `invoke` gave. `put_bytes`: what the call put as blobs, which is output as well.
pub(crate) fn result(
    call: &ToolCall,
    result: &ToolResult,
    put_bytes: u64,
    limits: &Limits,
) -> Result<(), Fault> {
    if result.call_id != call.id {
        return Err(broken(format!(
            "it answered the call “{}” and was asked “{}”",
            shown(&result.call_id),
            shown(&call.id)
        )));
    }
    if let Some(name) = result.name.as_deref().filter(|name| *name != call.name) {
        return Err(broken(format!(
            "it answered as the tool “{}” and was asked as “{}”",
            shown(name),
            shown(&call.name)
        )));
    }
    if result.content.len() > MAX_PARTS {
        return Err(flood(format!(
            "its result has {} parts; {MAX_PARTS} are allowed",
            result.content.len()
        )));
    }
    let content = result.content.iter().map(size_of_part);
    let bytes = content
        .fold(put_bytes, u64::saturating_add)
        .saturating_add(size_of_extras(&result.extras));
    within(bytes, limits)?;
    extras(&result.extras)?;
    for part in &result.content {
        match part {
            ResultPart::Json(json) if !is_json(json) => {
                return Err(broken("a json part of its result is not JSON".to_owned()));
            }
            ResultPart::Other(extra)
            | ResultPart::Image(Media::Other(extra))
            | ResultPart::File(Media::Other(extra)) => extras(std::slice::from_ref(extra))?,
            _ => {}
        }
    }
    Ok(())
}

/// Judges the size of an error.
pub(crate) fn error(error: &Error, limits: &Limits) -> Result<(), Fault> {
    let texts = [&error.provider_code, &error.provider_request_id];
    let texts = texts.into_iter().flatten().map(|text| len(text));
    let bytes = texts
        .fold(len(&error.message), u64::saturating_add)
        .saturating_add(size_of_extras(&error.extras));
    within(bytes, limits)?;
    extras(&error.extras)
}

fn extras(extras: &[Extra]) -> Result<(), Fault> {
    match extras.iter().find(|extra| !is_json(&extra.json)) {
        Some(extra) => Err(broken(format!(
            "the value of its extra “{}” is not JSON",
            shown(&extra.name)
        ))),
        None => Ok(()),
    }
}

fn within(bytes: u64, limits: &Limits) -> Result<(), Fault> {
    if bytes > limits.event_bytes {
        return Err(flood(format!(
            "it gave more than {} bytes of results (limit event_bytes)",
            limits.event_bytes
        )));
    }
    Ok(())
}

fn size_of_part(part: &ResultPart) -> u64 {
    let text = match part {
        ResultPart::Text(text) | ResultPart::Json(text) => len(text),
        ResultPart::Image(media) | ResultPart::File(media) => match media {
            // The host's own record, and counted when it was put.
            Media::Blob(_) => 0,
            Media::Url(url) => len(url),
            Media::Other(extra) => size_of_extra(extra),
        },
        ResultPart::Other(extra) => size_of_extra(extra),
    };
    text.saturating_add(OVERHEAD)
}

fn size_of_extras(extras: &[Extra]) -> u64 {
    extras
        .iter()
        .map(size_of_extra)
        .fold(0, u64::saturating_add)
}

fn size_of_extra(extra: &Extra) -> u64 {
    len(&extra.name)
        .saturating_add(len(&extra.json))
        .saturating_add(OVERHEAD)
}

fn len(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// A guest's word in a sentence of ours: short, on one line.
pub(crate) fn shown(text: &str) -> String {
    let short = text.get(..text.floor_char_boundary(80)).unwrap_or_default();
    short.escape_debug().to_string()
}

fn broken(what: String) -> Fault {
    Fault::new(FaultClass::Protocol, what)
}

fn flood(what: String) -> Fault {
    Fault::new(FaultClass::EventFlood, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_types::{ErrorKind, ToolDef, ToolHints};

    fn tool(name: &str) -> ToolInfo {
        ToolInfo {
            def: ToolDef {
                name: name.to_owned(),
                description: "Does it.".to_owned(),
                input_schema_json: "{\"type\":\"object\"}".to_owned(),
                extras: Vec::new(),
            },
            title: None,
            hints: ToolHints::default(),
            output_schema_json: None,
            extras: Vec::new(),
        }
    }

    fn extra(json: &str) -> Extra {
        Extra {
            name: "x".to_owned(),
            json: json.to_owned(),
        }
    }

    fn call() -> ToolCall {
        ToolCall {
            id: "call_1".to_owned(),
            name: "echo".to_owned(),
            arguments_json: "{}".to_owned(),
            signature: None,
        }
    }

    fn answer(content: Vec<ResultPart>) -> ToolResult {
        ToolResult {
            call_id: "call_1".to_owned(),
            name: Some("echo".to_owned()),
            content,
            is_error: false,
            extras: Vec::new(),
        }
    }

    fn limits() -> Limits {
        Limits {
            event_bytes: 10_000,
            ..Limits::default()
        }
    }

    #[test]
    fn an_ordinary_listing_passes() {
        let mut titled = tool("web-fetch_2");
        titled.title = Some("Fetch a page".to_owned());
        titled.output_schema_json = Some("{}".to_owned());
        titled.extras = vec![extra("[1]")];
        assert_eq!(listing(&[tool("a"), titled], &limits()), Ok(()));
        assert_eq!(listing(&[], &limits()), Ok(()));
    }

    #[test]
    fn each_broken_rule_of_a_listing_is_named() {
        let with = |change: &dyn Fn(&mut ToolInfo)| {
            let mut changed = tool("t");
            change(&mut changed);
            vec![changed]
        };
        let many: Vec<_> = (0..257).map(|n| tool(&format!("t{n}"))).collect();
        let long = "x".repeat(65);
        let table: Vec<(Vec<ToolInfo>, FaultClass, &str)> = vec![
            (vec![tool("")], FaultClass::Protocol, "named “”"),
            (vec![tool("a b")], FaultClass::Protocol, "named “a b”"),
            (vec![tool("a\nb")], FaultClass::Protocol, "a\\nb"),
            (vec![tool("größe")], FaultClass::Protocol, "größe"),
            (vec![tool("a.b")], FaultClass::Protocol, "a.b"),
            (vec![tool(&long)], FaultClass::Protocol, "1 to 64"),
            (
                vec![tool("a"), tool("b"), tool("a")],
                FaultClass::Protocol,
                "“a” twice",
            ),
            (many, FaultClass::EventFlood, "257 tools"),
            (
                with(&|t| t.title = Some("a\u{202e}b".into())),
                FaultClass::Protocol,
                "title",
            ),
            (
                with(&|t| t.title = Some(" ".into())),
                FaultClass::Protocol,
                "title",
            ),
            (
                with(&|t| t.def.description = "x".repeat(16_385)),
                FaultClass::Protocol,
                "description has 16385 bytes",
            ),
            (
                with(&|t| t.def.input_schema_json = "[]".into()),
                FaultClass::Protocol,
                "input schema is not",
            ),
            (
                with(&|t| t.def.input_schema_json = String::new()),
                FaultClass::Protocol,
                "input schema is not",
            ),
            (
                with(&|t| t.output_schema_json = Some("{".into())),
                FaultClass::Protocol,
                "output schema is not",
            ),
            (
                with(&|t| t.output_schema_json = Some(" ".repeat(262_145))),
                FaultClass::Protocol,
                "output schema has 262145 bytes",
            ),
            (
                with(&|t| t.extras = vec![extra("")]),
                FaultClass::Protocol,
                "extra “x”",
            ),
            (
                with(&|t| t.def.extras = vec![extra(&format!("\"{}\"", "x".repeat(10_000)))]),
                FaultClass::EventFlood,
                "10000 bytes",
            ),
        ];
        for (tools, class, words) in table {
            let fault = listing(&tools, &limits()).expect_err(words);
            assert_eq!(fault.class, class, "{fault}");
            assert!(fault.detail.contains(words), "{words}: {fault}");
        }
    }

    #[test]
    fn each_broken_rule_of_a_result_is_named() {
        let good = answer(vec![
            ResultPart::Text("x".to_owned()),
            ResultPart::Json("[1, 2]".to_owned()),
            ResultPart::Image(Media::Url("https://example.org/x.png".to_owned())),
        ]);
        assert_eq!(result(&call(), &good, 0, &limits()), Ok(()));
        let mut nameless = good.clone();
        nameless.name = None;
        assert_eq!(result(&call(), &nameless, 0, &limits()), Ok(()));
        assert!(
            result(&call(), &good, 9_990, &limits()).is_err(),
            "blobs count"
        );

        let with = |change: &dyn Fn(&mut ToolResult)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed
        };
        let other = Media::Other(extra("{"));
        let table = [
            (
                with(&|r| r.call_id = String::new()),
                FaultClass::Protocol,
                "answered the call “”",
            ),
            (
                with(&|r| r.call_id = "call_2".into()),
                FaultClass::Protocol,
                "“call_2”",
            ),
            (
                with(&|r| r.name = Some("rm".into())),
                FaultClass::Protocol,
                "as the tool “rm”",
            ),
            (
                answer(vec![ResultPart::Json("{'a'}".to_owned())]),
                FaultClass::Protocol,
                "not JSON",
            ),
            (
                answer(vec![ResultPart::Other(extra("x"))]),
                FaultClass::Protocol,
                "extra “x”",
            ),
            (
                answer(vec![ResultPart::File(other)]),
                FaultClass::Protocol,
                "extra “x”",
            ),
            (
                with(&|r| r.extras = vec![extra("")]),
                FaultClass::Protocol,
                "extra “x”",
            ),
            (
                answer(vec![ResultPart::Text("x".repeat(10_000))]),
                FaultClass::EventFlood,
                "10000 bytes",
            ),
            (
                answer(vec![ResultPart::Text(String::new()); 10_001]),
                FaultClass::EventFlood,
                "10001 parts",
            ),
        ];
        for (bad, class, words) in table {
            let fault = result(&call(), &bad, 0, &limits()).expect_err(words);
            assert_eq!(fault.class, class, "{fault}");
            assert!(fault.detail.contains(words), "{words}: {fault}");
        }
    }

    #[test]
    fn an_error_has_the_same_cap() {
        let mut large = Error::new(ErrorKind::Internal, "x");
        assert_eq!(error(&large, &limits()), Ok(()));
        large.provider_code = Some("x".repeat(10_000));
        assert_eq!(
            error(&large, &limits()).unwrap_err().class,
            FaultClass::EventFlood
        );
    }
}
