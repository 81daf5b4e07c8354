//! What a tool takes: one declaration for the JSON Schema and for the check of the arguments.

use super::{Described, Hints};
use crate::json::{Json, quoted};
use crate::types::ToolDef;

/// Longest text argument unless the parameter says otherwise, in characters.
const MAX_CHARS: usize = 100_000;

/// One tool: its names, its hints, its parameters.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    pub(super) name: &'static str,
    description: String,
    title: Option<String>,
    hints: Hints,
    pub(super) params: Vec<Param>,
    output_schema: Option<String>,
}

impl ToolSpec {
    /// A tool of this name (letters, digits, `_` and `-`, at most 64). The description is what the
    /// model decides by.
    pub fn new(name: &'static str, description: impl Into<String>) -> Self {
        Self {
            name,
            description: description.into(),
            title: None,
            hints: Hints {
                read_only: None,
                destructive: None,
                idempotent: None,
                open_world: None,
            },
            params: Vec::new(),
            output_schema: None,
        }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Hints for the person's approval; never a permission.
    #[must_use]
    pub fn hints(mut self, hints: Hints) -> Self {
        self.hints = hints;
        self
    }

    /// One more parameter.
    #[must_use]
    pub fn param(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }

    /// The JSON Schema of the tool's `json` part, if it answers with one.
    #[must_use]
    pub fn output_schema(mut self, json: impl Into<String>) -> Self {
        self.output_schema = Some(json.into());
        self
    }

    pub(super) fn described(&self) -> Described {
        Described {
            def: ToolDef {
                name: self.name.into(),
                description: self.description.clone(),
                input_schema_json: self.input_schema(),
                extras: Vec::new(),
            },
            title: self.title.clone(),
            hints: self.hints,
            output_schema_json: self.output_schema.clone(),
            extras: Vec::new(),
        }
    }

    fn input_schema(&self) -> String {
        let mut properties = Json::object();
        for param in &self.params {
            properties.set(param.name, param.schema());
        }
        let required: Vec<Json> = self
            .params
            .iter()
            .filter(|param| param.is_required)
            .map(|param| param.name.into())
            .collect();
        Json::object()
            .with("type", "object")
            .with("properties", properties)
            .with("required", required)
            .with("additionalProperties", false)
            .to_text()
    }
}

impl Hints {
    /// For a tool that computes: it reads nothing outside and changes nothing.
    pub fn pure() -> Self {
        Self {
            read_only: Some(true),
            destructive: Some(false),
            idempotent: Some(true),
            open_world: Some(false),
        }
    }

    /// For a tool that reads what lies elsewhere and changes nothing.
    pub fn reads_elsewhere() -> Self {
        Self {
            open_world: Some(true),
            ..Self::pure()
        }
    }
}

/// One parameter. Optional unless [`required`](Self::required).
#[derive(Clone, Debug)]
pub struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    description: String,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text { max_chars: usize },
    Integer { min: i64, max: i64 },
    Bool,
    Choice(&'static [&'static str]),
    Json(&'static str),
}

impl Param {
    /// A text. A number is taken as it is written, because models send one for `"5"`.
    pub fn text(name: &'static str, description: impl Into<String>) -> Self {
        let max_chars = MAX_CHARS;
        Self::new(name, description, Kind::Text { max_chars })
    }

    /// A whole number of this range, both ends included.
    pub fn integer(
        name: &'static str,
        description: impl Into<String>,
        range: std::ops::RangeInclusive<i64>,
    ) -> Self {
        let (min, max) = range.into_inner();
        Self::new(name, description, Kind::Integer { min, max })
    }

    /// Yes or no.
    pub fn bool(name: &'static str, description: impl Into<String>) -> Self {
        Self::new(name, description, Kind::Bool)
    }

    /// One of these words.
    pub fn choice(
        name: &'static str,
        description: impl Into<String>,
        words: &'static [&'static str],
    ) -> Self {
        Self::new(name, description, Kind::Choice(words))
    }

    /// Any other JSON: `schema` goes to the model, and nothing but its being there is checked.
    /// Its `description`, if it should have one, stands in the schema.
    pub fn json(name: &'static str, schema: &'static str) -> Self {
        Self::new(name, "", Kind::Json(schema))
    }

    /// The call is refused without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// For a text: at most this many characters, instead of 100,000.
    #[must_use]
    pub fn max_chars(mut self, most: usize) -> Self {
        if let Kind::Text { max_chars } = &mut self.kind {
            *max_chars = most;
        }
        self
    }

    fn new(name: &'static str, description: impl Into<String>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            is_required: false,
            description: description.into(),
        }
    }

    fn schema(&self) -> Json {
        let schema = match &self.kind {
            Kind::Text { max_chars } => Json::object()
                .with("type", "string")
                .with("maxLength", Json::Raw(max_chars.to_string())),
            Kind::Integer { min, max } => Json::object()
                .with("type", "integer")
                .with("minimum", Json::Raw(min.to_string()))
                .with("maximum", Json::Raw(max.to_string())),
            Kind::Bool => Json::object().with("type", "boolean"),
            Kind::Choice(words) => {
                let words: Vec<Json> = words.iter().map(|word| (*word).into()).collect();
                Json::object().with("type", "string").with("enum", words)
            }
            Kind::Json(schema) => return Json::Raw((*schema).to_string()),
        };
        schema.with("description", Json::Raw(quoted(&self.description)))
    }
}
