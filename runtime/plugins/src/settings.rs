//! A person's settings against the manifest's schema: one sentence a mistake.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::Url;

use crate::manifest::Manifest;
use crate::origin::base_url;
use crate::problem::{ManifestError, Problems};
use crate::template::expand_uri;
use crate::text::{did_you_mean, printable};

/// Longest text in a setting, bytes: room for a system prompt, not for a file.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Memory of one compiled pattern, bytes; enough for `\w{1,64}` with Unicode.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The types of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
}

impl Kind {
    pub(crate) const NAMES: [&'static str; 4] = ["string", "integer", "number", "boolean"];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// JSON Schema's rule: 5.0 is an integer.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Integer => {
                value.is_i64()
                    || value.is_u64()
                    || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }
}

/// Compiles a setting's pattern; unanchored, as JSON Schema has it.
pub(crate) fn pattern(text: &str) -> Result<regex::Regex, String> {
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

/// One value against one property. The error is what is wrong and what to do.
pub(crate) fn check(schema: &Map<String, Value>, value: &Value) -> Result<(), (String, String)> {
    let kind = schema
        .get("type")
        .and_then(Value::as_str)
        .and_then(Kind::parse)
        .unwrap_or(Kind::String);
    if !kind.holds(value) {
        let what = format!("is {}, not {}", json_kind(value), kind.wanted());
        return Err((what, format!("Give {}.", kind.wanted())));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let shown: Vec<String> = choices.iter().map(show).collect();
        let texts: Vec<&str> = shown.iter().map(String::as_str).collect();
        let what = format!("is `{}`, which is not offered", show(value));
        return Err((what, did_you_mean(&show(value), &texts)));
    }
    if let Some(number) = value.as_f64() {
        check_bounds(schema, number)?;
    }
    if let Some(text) = value.as_str() {
        check_text(schema, text)?;
    }
    Ok(())
}

fn check_bounds(schema: &Map<String, Value>, number: f64) -> Result<(), (String, String)> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let below = bound("minimum").filter(|minimum| number < *minimum);
    let above = bound("maximum").filter(|maximum| number > *maximum);
    if let Some(minimum) = below {
        return Err((format!("is {number}"), format!("Give {minimum} or more.")));
    }
    if let Some(maximum) = above {
        return Err((format!("is {number}"), format!("Give {maximum} or less.")));
    }
    Ok(())
}

fn check_text(schema: &Map<String, Value>, text: &str) -> Result<(), (String, String)> {
    if text.len() > MAX_TEXT_BYTES {
        return Err((
            format!("has {} bytes", text.len()),
            format!("At most {MAX_TEXT_BYTES} fit."),
        ));
    }
    let is_uri = schema.get("format").and_then(Value::as_str) == Some("uri");
    if is_uri {
        // Only the shape is judged here; the real address of `{host.infer}` comes later.
        let stand_in = Url::parse("http://127.0.0.1:1").ok();
        expand_uri(text, stand_in.as_ref())
            .and_then(|text| base_url(&text))
            .map_err(|what| {
                let fix = "Write an address like https://api.example.com/v1.";
                (what, fix.to_owned())
            })?;
    }
    if let Some(rule) = schema.get("pattern").and_then(Value::as_str) {
        // A pattern that does not compile never got past `Manifest::parse`; refuse if it did.
        let fits = pattern(rule).is_ok_and(|rule| rule.is_match(text));
        if !fits {
            return Err((
                format!("is `{}`, which does not fit", printable(text, 60)),
                format!("It must match the pattern {rule}"),
            ));
        }
    }
    Ok(())
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text, 60),
        other => other.to_string(),
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

impl Manifest {
    /// The schema of each setting.
    pub(crate) fn properties(&self) -> Cow<'_, Map<String, Value>> {
        match self.settings.get("properties").and_then(Value::as_object) {
            Some(properties) => Cow::Borrowed(properties),
            None => Cow::Owned(Map::new()),
        }
    }

    /// Checks `given` against the schema and fills in defaults. Placeholders stay as they are.
    ///
    /// # Errors
    /// Every mistake: unknown names, missing required settings, wrong types, values that do not
    /// fit.
    pub fn validate_settings(
        &self,
        given: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ManifestError> {
        let properties = self.properties();
        let names: Vec<&str> = self.settings_order.iter().map(String::as_str).collect();
        let mut problems = Problems::default();
        let mut filled = Map::new();

        for (name, value) in given {
            let key = format!("settings.{}", printable(name, 60));
            let Some(schema) = properties.get(name).and_then(Value::as_object) else {
                problems.say(
                    key,
                    format!("is not a setting of {}", self.name),
                    did_you_mean(name, &names),
                );
                continue;
            };
            match check(schema, value) {
                Ok(()) => drop(filled.insert(name.clone(), value.clone())),
                Err((what, fix)) => problems.say(key, what, fix),
            }
        }

        for (name, schema) in properties.iter() {
            if given.contains_key(name) {
                continue;
            }
            if let Some(default) = schema.get("default") {
                filled.insert(name.clone(), default.clone());
            } else if self.requires(name) {
                problems.say(
                    format!("settings.{name}"),
                    "is missing",
                    format!("{} needs it; give it a value.", self.name),
                );
            }
        }
        problems.or(filled)
    }

    fn requires(&self, setting: &str) -> bool {
        self.settings
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| names.iter().any(|name| name == setting))
    }
}
