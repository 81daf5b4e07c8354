//! What a tool says about itself. Mirrors `valechat:tool/tool`.

use serde::{Deserialize, Serialize};

use crate::{Extra, ToolDef};

/// A tool's own word about what it does: a hint for the person's approval, never a permission.
/// `None` = it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ToolHints {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// What it changes may be lost.
    pub destructive: Option<bool>,
    /// A second call with the same arguments changes nothing more.
    pub idempotent: Option<bool>,
    /// It reaches things outside: the web, other people.
    pub open_world: Option<bool>,
}

/// One tool of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ToolInfo {
    /// What the model is told.
    pub def: ToolDef,
    /// A name for people, where it has one.
    pub title: Option<String>,
    /// What it says about itself.
    pub hints: ToolHints,
    /// A JSON Schema of its `json` results, where it has one.
    pub output_schema_json: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}
