//! A call's arguments, checked against the tool's parameters.

use super::answer::Failure;
use super::spec::{Kind, Param, ToolSpec};
use crate::decimal;
use crate::json::Value;
use crate::types::{Error, ErrorKind};

/// Longest arguments of one call, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How much of a wrong value an error quotes, in characters.
const MAX_QUOTED: usize = 60;

/// The arguments of one call. Each is there, if it was sent, with the type of its [`Param`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    values: Vec<(&'static str, Given)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Given {
    Text(String),
    Integer(i64),
    Bool(bool),
    Json(String),
}

impl Arguments {
    /// Reads and checks a call's JSON. Blank text counts as an empty object: some models send it
    /// for a tool without parameters.
    ///
    /// # Errors
    /// [`Failure::Told`] with a sentence that names the argument and what it must be.
    pub fn parse(spec: &ToolSpec, json: &str) -> Result<Self, Failure> {
        if json.len() > MAX_BYTES {
            return Err(Failure::told(format!(
                "The arguments are {} bytes long; at most {MAX_BYTES} are taken.",
                json.len()
            )));
        }
        let text = if json.trim().is_empty() { "{}" } else { json };
        let value = Value::parse(text.as_bytes()).filter(Value::is_object);
        let Some(value) = value else {
            return Err(Failure::told(format!(
                "The arguments of {} must be one JSON object.",
                spec.name
            )));
        };
        let known = || spec.params.iter().map(|param| param.name);
        for (name, _) in value.members() {
            if !known().any(|known| known.as_bytes() == name.as_ref()) {
                let name = shown(&String::from_utf8_lossy(name));
                let known: Vec<_> = known().collect();
                return Err(Failure::told(format!(
                    "{} has no parameter {name}. Its parameters: {}.",
                    spec.name,
                    known.join(", ")
                )));
            }
        }
        let mut values = Vec::new();
        for param in &spec.params {
            match value.get(param.name) {
                Some(value) => {
                    let given = read(param, value).map_err(|must| {
                        let value = shown(&value.to_json());
                        let name = param.name;
                        Failure::told(format!("{name} must be {must}, and it is {value}."))
                    })?;
                    values.push((param.name, given));
                }
                None if param.is_required => {
                    return Err(Failure::told(format!("{} is missing.", param.name)));
                }
                None => {}
            }
        }
        Ok(Self { values })
    }

    /// A text or a chosen word.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text or a chosen word that this call cannot do without.
    ///
    /// # Errors
    /// [`Failure::Told`] that it is missing.
    pub fn need_text(&self, name: &str) -> Result<&str, Failure> {
        self.text(name)
            .ok_or_else(|| Failure::told(format!("{name} is missing.")))
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Given::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number as a size; none if it was not sent.
    pub fn size(&self, name: &str) -> Option<usize> {
        usize::try_from(self.integer(name)?).ok()
    }

    /// A truth value.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Given::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a [`Param::json`].
    ///
    /// # Errors
    /// `internal`: it was valid when the call was checked.
    pub fn json(&self, name: &str) -> Result<Option<Value<'_>>, Failure> {
        match self.get(name) {
            Some(Given::Json(text)) => match Value::parse(text.as_bytes()) {
                Some(value) => Ok(Some(value)),
                None => Err(Error::new(
                    ErrorKind::Internal,
                    "An argument could not be read a second time.",
                )
                .into()),
            },
            _ => Ok(None),
        }
    }

    fn get(&self, name: &str) -> Option<&Given> {
        let found = self.values.iter().find(|(have, _)| *have == name);
        found.map(|(_, given)| given)
    }
}

/// The value as the parameter's type; the error completes "… must be".
fn read(param: &Param, value: &Value<'_>) -> Result<Given, String> {
    match &param.kind {
        Kind::Text { max_chars } => {
            let text = match value {
                Value::String(_) | Value::Number(_) => value.word().unwrap_or_default(),
                _ => return Err("a text".into()),
            };
            if text.chars().nth(*max_chars).is_some() {
                return Err(format!("a text of at most {max_chars} characters"));
            }
            Ok(Given::Text(text))
        }
        Kind::Integer { min, max } => whole(value)
            .filter(|number| (min..=max).contains(&number))
            .map(Given::Integer)
            .ok_or_else(|| format!("a whole number from {min} to {max}")),
        Kind::Bool => value
            .bool()
            .map(Given::Bool)
            .ok_or_else(|| "true or false".to_string()),
        Kind::Choice(words) => value
            .text()
            .filter(|text| words.contains(&text.as_str()))
            .map(Given::Text)
            .ok_or_else(|| format!("one of {}", words.join(", "))),
        Kind::Json(_) => Ok(Given::Json(value.to_json())),
    }
}

/// A whole number in any spelling, also in quotes: models send both.
fn whole(value: &Value<'_>) -> Option<i64> {
    let text = value.word()?;
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| decimal::scaled(text, 0)?.parse().ok())
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
