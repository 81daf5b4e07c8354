//! What a text must be like to stand in a setting or in an item of a list.

use regex::Regex;
use serde_json::{Map, Value};
use url::Url;

use crate::origin::base_url;
use crate::template::{expand_uri, mentions_infer};
use crate::text::printable;

/// Longest text in a setting, bytes: room for a system prompt, not for a file.
pub(crate) const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Longest item of a list, bytes: as long as an address may be.
const MAX_ITEM_BYTES: usize = 2048;
/// Memory of one compiled pattern, bytes; enough for `\w{1,64}` with Unicode.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Compiles a setting's pattern; unanchored, as JSON Schema has it.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text)
        .size_limit(MAX_PATTERN_BYTES)
        .nest_limit(32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            other => {
                // The crate draws the pattern over several lines; the last says what is wrong.
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                printable(last.trim_start_matches("error: "), 120)
            }
        })
}

/// The rules of one schema for texts, its pattern compiled once for all items of a list.
pub(crate) struct TextRule<'s> {
    schema: &'s Map<String, Value>,
    /// The pattern as written, and compiled.
    pattern: Option<(&'s str, Option<Regex>)>,
    is_item: bool,
}

impl<'s> TextRule<'s> {
    /// Of a setting.
    pub(crate) fn new(schema: &'s Map<String, Value>) -> Self {
        let text = schema.get("pattern").and_then(Value::as_str);
        Self {
            schema,
            pattern: text.map(|text| (text, pattern(text).ok())),
            is_item: false,
        }
    }

    /// Of the items of a list.
    pub(crate) fn of_items(schema: &'s Map<String, Value>) -> Self {
        Self {
            is_item: true,
            ..Self::new(schema)
        }
    }

    /// Whether the texts are addresses.
    pub(crate) fn is_uri(&self) -> bool {
        self.schema.get("format").and_then(Value::as_str) == Some("uri")
    }

    /// The error is what is wrong and what to do.
    pub(crate) fn check(&self, text: &str) -> Result<(), (String, String)> {
        let most = if self.is_item {
            MAX_ITEM_BYTES
        } else {
            MAX_TEXT_BYTES
        };
        if text.len() > most {
            return Err((
                format!("has {} bytes", text.len()),
                format!("At most {most} fit."),
            ));
        }
        self.check_length(text)?;
        if self.is_uri() {
            self.check_uri(text)?;
        }
        if let Some((rule, compiled)) = &self.pattern {
            // A pattern that does not compile never got past `Manifest::parse`; refuse if it did.
            if !compiled.as_ref().is_some_and(|rule| rule.is_match(text)) {
                return Err((
                    format!("is `{}`, which does not fit", printable(text, 60)),
                    format!("It must match the pattern {rule}"),
                ));
            }
        }
        Ok(())
    }

    fn check_length(&self, text: &str) -> Result<(), (String, String)> {
        let bound = |key: &str| self.schema.get(key).and_then(Value::as_u64);
        let length = text.chars().count() as u64;
        let what = format!("has {length} characters");
        if let Some(least) = bound("minLength").filter(|least| length < *least) {
            return Err((what, format!("Give {least} or more.")));
        }
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            return Err((what, format!("Give {most} or fewer.")));
        }
        Ok(())
    }

    fn check_uri(&self, text: &str) -> Result<(), (String, String)> {
        let fix = "Write an address like https://api.example.com/v1.".to_owned();
        // The host's own model is one place with a token of its own, not one of many.
        if self.is_item && mentions_infer(text) {
            let what = "is {host.infer}, which cannot stand in a list".to_owned();
            return Err((what, fix));
        }
        // Only the shape is judged here; the real address of `{host.infer}` comes later.
        let stand_in = Url::parse("http://127.0.0.1:1").ok();
        expand_uri(text, stand_in.as_ref())
            .and_then(|text| base_url(&text))
            .map(drop)
            .map_err(|what| (what, fix))
    }
}
