//! What a plugin made of an answer, in the words of a recording's `expect`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vale_types::{Event, Failure, Finish, FinishReason, Model, ResultPart, ToolResult, Usage};

/// Longest value that a difference shows, characters.
const SHOWN: usize = 300;

/// A kind of failure by name: `auth.invalid`, `network.truncated`, `rate-limited`; of a fault
/// `fault.trap`.
pub(crate) fn error_name(failure: &Failure) -> String {
    let error = match failure {
        Failure::Error(error) => error,
        Failure::Fault(fault) => return format!("fault.{}", fault.class.as_str()),
    };
    match serde_json::to_value(&error.kind) {
        Ok(Value::String(kind)) => kind,
        Ok(Value::Object(kind)) => {
            let Some((name, inner)) = kind.iter().next() else {
                return "other".to_owned();
            };
            let own = inner.as_str().or_else(|| inner.get("kind")?.as_str());
            // Only these have kinds of their own; what others carry is a detail.
            match own.filter(|_| ["auth", "network"].contains(&name.as_str())) {
                Some(own) => format!("{name}.{own}"),
                None => name.clone(),
            }
        }
        _ => "other".to_owned(),
    }
}

/// A completion.
pub(crate) fn completion(events: &[Event], end: &Result<Finish, Failure>) -> Value {
    let (mut text, mut thinking) = (String::new(), String::new());
    let mut calls: BTreeMap<u32, (String, String, String)> = BTreeMap::new();
    for event in events {
        match event {
            Event::Text(piece) => text.push_str(piece),
            Event::Thinking(piece) => thinking.push_str(piece),
            Event::ToolCallStart(start) => {
                let call = (start.id.clone(), start.name.clone(), String::new());
                calls.insert(start.index, call);
            }
            Event::ToolCallDelta(delta) => {
                if let Some((_, _, arguments)) = calls.get_mut(&delta.index) {
                    arguments.push_str(&delta.arguments_json);
                }
            }
            _ => {}
        }
    }
    let mut heard = json!({ "text": text });
    let calls = calls.into_values().map(|(id, name, arguments)| {
        let parsed = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
        json!({"id": id, "name": name, "arguments": parsed})
    });
    let calls: Vec<_> = calls.collect();
    let Some(fields) = heard.as_object_mut() else {
        return heard;
    };
    if !thinking.is_empty() {
        fields.insert("thinking".to_owned(), thinking.into());
    }
    if !calls.is_empty() {
        fields.insert("tool_calls".to_owned(), calls.into());
    }
    match end {
        Ok(finish) => {
            fields.insert("finish".to_owned(), reason(&finish.reason));
            if let Some(counts) = &finish.usage {
                fields.insert("usage".to_owned(), usage(counts));
            }
        }
        Err(failure) => {
            fields.insert("error".to_owned(), error_name(failure).into());
            if let Some(wait) = failure.retry_after() {
                let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                fields.insert("retry_after_ms".to_owned(), ms.into());
            }
        }
    }
    heard
}

fn reason(reason: &FinishReason) -> Value {
    serde_json::to_value(reason).unwrap_or_default()
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
    })
}

/// A list of models.
pub(crate) fn models(listed: &Result<Vec<Model>, Failure>) -> Value {
    match listed {
        Ok(models) => {
            let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
            json!({ "models": ids })
        }
        Err(failure) => json!({ "error": error_name(failure) }),
    }
}

/// A tool's answer: `text` joins its texts, `json` is its first JSON value.
pub(crate) fn tool_answer(answer: &Result<ToolResult, Failure>) -> Value {
    let result = match answer {
        Ok(result) => result,
        Err(failure) => return json!({ "error": error_name(failure) }),
    };
    let (mut texts, mut value) = (Vec::new(), None);
    for part in &result.content {
        match part {
            ResultPart::Text(text) => texts.push(text.as_str()),
            ResultPart::Json(text) if value.is_none() => {
                let parsed = serde_json::from_str(text);
                value = Some(parsed.unwrap_or_else(|_| Value::String(text.clone())));
            }
            _ => {}
        }
    }
    json!({"is_error": result.is_error, "text": texts.join("\n"), "json": value})
}

/// The first thing that is expected and was not heard, in words; what is not spoken of may be
/// anything. `contains` is part of `text`.
pub(crate) fn difference(heard: &Value, expected: &Value) -> Option<(String, String)> {
    differs("", heard, expected)
}

fn differs(path: &str, heard: &Value, expected: &Value) -> Option<(String, String)> {
    let Value::Object(fields) = expected else {
        return (heard != expected).then(|| (said(path, expected), said(path, heard)));
    };
    fields.iter().find_map(|(name, expected)| {
        if path.is_empty() && name == "contains" {
            let text = heard.get("text").and_then(Value::as_str);
            let part = expected.as_str();
            let is_there = text
                .zip(part)
                .is_some_and(|(text, part)| text.contains(part));
            let heard = heard.get("text").unwrap_or(&Value::Null);
            return (!is_there).then(|| (said("contains", expected), said("text", heard)));
        }
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        differs(&path, heard.get(name).unwrap_or(&Value::Null), expected)
    })
}

fn said(path: &str, value: &Value) -> String {
    let text = value.to_string();
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    let colon = if path.is_empty() { "" } else { ": " };
    format!("{path}{colon}{shown}{more}")
}

/// Events with neighbouring pieces joined and pings left out: how the network cuts an answer is
/// no part of what was said.
pub(crate) fn joined(events: &[Event]) -> Vec<Event> {
    let mut said: Vec<Event> = Vec::new();
    for event in events {
        match (said.last_mut(), event) {
            (Some(Event::Text(all)), Event::Text(piece))
            | (Some(Event::Thinking(all)), Event::Thinking(piece)) => all.push_str(piece),
            (Some(Event::ToolCallDelta(all)), Event::ToolCallDelta(piece))
                if all.index == piece.index =>
            {
                all.arguments_json.push_str(&piece.arguments_json);
            }
            (_, Event::Ping) => {}
            _ => said.push(event.clone()),
        }
    }
    said
}

/// All that a person has seen: text, thinking and tool calls, in one line.
pub(crate) fn seen(events: &[Event]) -> String {
    let pieces = events.iter().map(|event| match event {
        Event::Text(text) | Event::Thinking(text) | Event::RedactedThinking(text) => text.as_str(),
        Event::ToolCallStart(start) => start.name.as_str(),
        Event::ToolCallDelta(delta) => delta.arguments_json.as_str(),
        _ => "",
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_must_be_heard_and_nothing_else_need_be() {
        let heard = json!({"text": "one two", "usage": {"input": 1, "output": null}});
        for good in [
            json!({}),
            json!({"text": "one two"}),
            json!({"usage": {"input": 1}}),
            json!({"contains": "e t"}),
        ] {
            assert_eq!(difference(&heard, &good), None, "{good}");
        }
        for (bad, words) in [
            (json!({"text": "one"}), "text: \"one\""),
            (json!({"usage": {"output": 0}}), "usage.output: 0"),
            (json!({"error": "internal"}), "error: \"internal\""),
            (json!({"contains": "three"}), "contains: \"three\""),
        ] {
            let (expected, _) = difference(&heard, &bad).unwrap();
            assert_eq!(expected, words);
        }
    }
}
