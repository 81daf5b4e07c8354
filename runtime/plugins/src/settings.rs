//! A person's settings against the manifest's schema: one sentence a mistake.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::list;
use crate::manifest::Manifest;
use crate::problem::{ManifestError, Problems};
use crate::text::{did_you_mean, printable};
use crate::text_rule::TextRule;

/// The types of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    /// Of texts.
    Array,
}

impl Kind {
    pub(crate) const NAMES: [&'static str; 5] = ["string", "integer", "number", "boolean", "array"];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "array" => Self::Array,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
        }
    }

    /// JSON Schema's rule: 5.0 is an integer.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Array => value.is_array(),
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
            Self::Array => "a list of texts",
        }
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// Which item of a list, from 0; nothing for the value as a whole.
    pub(crate) item: Option<usize>,
    /// Completes "`key` …".
    pub(crate) what: String,
    /// What to do: a sentence.
    pub(crate) fix: String,
}

impl Mistake {
    pub(crate) fn of_value(what: String, fix: String) -> Self {
        let item = None;
        Self { item, what, fix }
    }

    pub(crate) fn of_item(index: usize, what: String, fix: String) -> Self {
        let item = Some(index);
        Self { item, what, fix }
    }

    /// What to write behind the name of the setting: `[2]`, or nothing.
    pub(crate) fn place(&self) -> String {
        self.item
            .map(|index| format!("[{index}]"))
            .unwrap_or_default()
    }
}

/// The type that a property states.
pub(crate) fn kind_of(schema: &Map<String, Value>) -> Kind {
    schema
        .get("type")
        .and_then(Value::as_str)
        .and_then(Kind::parse)
        .unwrap_or(Kind::String)
}

/// One value against one property.
pub(crate) fn check(schema: &Map<String, Value>, value: &Value) -> Result<(), Vec<Mistake>> {
    let checked = match (kind_of(schema), value) {
        (Kind::Array, Value::Array(items)) => return list::check(schema, items),
        (Kind::Array, _) => Err(wrong_type(Kind::Array, value)),
        _ => check_scalar(schema, &TextRule::new(schema), value),
    };
    checked.map_err(|(what, fix)| vec![Mistake::of_value(what, fix)])
}

fn wrong_type(wanted: Kind, value: &Value) -> (String, String) {
    let wanted = wanted.wanted();
    let what = format!("is {}, not {wanted}", json_kind(value));
    (what, format!("Give {wanted}."))
}

/// One value that is no list; `rule` is made of `schema`. The error is what is wrong and what to do.
pub(crate) fn check_scalar(
    schema: &Map<String, Value>,
    rule: &TextRule<'_>,
    value: &Value,
) -> Result<(), (String, String)> {
    let kind = kind_of(schema);
    if !kind.holds(value) {
        return Err(wrong_type(kind, value));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let shown: Vec<String> = choices.iter().map(show).collect();
        let texts: Vec<&str> = shown.iter().map(String::as_str).collect();
        let what = format!("is `{}`, which is not offered", show(value));
        return Err((what, did_you_mean(&show(value), &texts)));
    }
    match value {
        Value::Number(_) => value
            .as_f64()
            .map_or(Ok(()), |number| check_bounds(schema, number)),
        Value::String(text) => rule.check(text),
        _ => Ok(()),
    }
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

    /// The value of the setting `name` that a person typed as `text`: a list is cut at its commas, and no
    /// text is an empty list. What does not fit stays a text, of which
    /// [`validate_settings`](Self::validate_settings) says what is wrong.
    #[must_use]
    pub fn setting_from_text(&self, name: &str, text: &str) -> Value {
        let properties = self.properties();
        let schema = properties.get(name).and_then(Value::as_object);
        let value = match schema.map(kind_of) {
            Some(Kind::Integer) => text.parse::<i64>().ok().map(Value::from),
            // NaN and infinity are no numbers of JSON.
            Some(Kind::Number) => text
                .parse()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number),
            Some(Kind::Boolean) => text.parse::<bool>().ok().map(Value::from),
            Some(Kind::Array) if text.trim().is_empty() => Some(Value::Array(Vec::new())),
            Some(Kind::Array) => Some(
                text.split(',')
                    .map(|item| Value::from(item.trim()))
                    .collect(),
            ),
            Some(Kind::String) | None => None,
        };
        value.unwrap_or_else(|| Value::from(text))
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
                Err(mistakes) => {
                    for mistake in mistakes {
                        let key = format!("{key}{}", mistake.place());
                        problems.say(key, mistake.what, mistake.fix);
                    }
                }
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
