//! Tools: what there is to call, and calling it.

use serde::Serialize;
use serde_json::{Map, Value};
use vale_plugins::PluginKind;
use vale_types::{Media, PluginId, ResultPart, ToolCall, ToolHints, ToolInfo, ToolResult};

use crate::api::Api;
use crate::error::{ApiError, ApiErrorKind};

/// A tool of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolRow {
    /// The plugin.
    pub plugin: PluginId,
    /// The tool's name in it.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, as the model is told.
    pub description: String,
    /// The plugin's own word about it, no permission.
    pub hints: ToolHints,
    /// A JSON Schema of its arguments.
    pub arguments: Value,
    /// A JSON Schema of its JSON results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// The tools of one plugin, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginTools {
    /// The plugin.
    pub plugin: PluginId,
    /// Its tools, in its order.
    pub tools: Vec<ToolRow>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<ApiError>,
}

/// A part of a tool's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToolPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON value.
    Json {
        /// The value.
        value: Value,
    },
    /// An image or a file: its media type and size; none = it is an address.
    Attachment {
        /// Handle or address.
        name: String,
        /// Media type.
        #[serde(skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// Bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// Something that this version does not know.
    Other {
        /// Its name.
        name: String,
    },
}

/// A tool's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolOutcome {
    /// The tool ran and says that it failed.
    pub is_error: bool,
    /// What it says comes from outside, and is nobody's instruction.
    pub is_untrusted: bool,
    /// Its parts.
    pub parts: Vec<ToolPart>,
    /// Seconds that the call took.
    pub seconds: f64,
}

impl Api {
    /// All tools, by plugin. Loads the plugins.
    pub async fn tools(&self) -> Vec<PluginTools> {
        let registry = self.profile.registry();
        let plugins: Vec<PluginId> = registry
            .ready()
            .filter(|installed| installed.manifest.world.kind == PluginKind::Tool)
            .map(|installed| installed.manifest.id.clone())
            .collect();
        let all = plugins.into_iter().map(|plugin| async move {
            match self.plugin_tools(&plugin).await {
                Ok(tools) => PluginTools {
                    plugin,
                    tools,
                    problem: None,
                },
                Err(problem) => PluginTools {
                    plugin,
                    tools: Vec::new(),
                    problem: Some(problem),
                },
            }
        });
        futures::future::join_all(all).await
    }

    async fn plugin_tools(&self, plugin: &PluginId) -> Result<Vec<ToolRow>, ApiError> {
        let infos = self.link.tools(plugin).await;
        let infos =
            infos.map_err(|failure| ApiError::of_failure(failure, plugin.as_str(), false))?;
        Ok(infos.into_iter().map(|info| row(plugin, info)).collect())
    }

    /// One tool, by `plugin/tool`, or by the plugin alone where it has only one.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn tool(&self, name: &str) -> Result<ToolRow, ApiError> {
        let (plugin, wanted) = match name.split_once('/') {
            Some((plugin, tool)) => (plugin, Some(tool)),
            None => (name, None),
        };
        let id: PluginId = plugin.parse()?;
        let installed = self.require_installed(&id)?;
        if installed.manifest.world.kind != PluginKind::Tool {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("“{id}” is a provider, not a tool."),
                "See `valechat tool list`.",
            ));
        }
        let tools = self.plugin_tools(&id).await?;
        let names: Vec<String> = tools.iter().map(|tool| tool.name.clone()).collect();
        let mut found = tools.into_iter();
        let found = match wanted {
            Some(wanted) => found.find(|tool| tool.name == wanted),
            None => found.next().filter(|_| names.len() == 1),
        };
        found.ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Usage,
                match wanted {
                    Some(wanted) => format!("“{id}” has no tool “{wanted}”."),
                    None => format!("“{id}” has several tools."),
                },
                format!(
                    "It has: {}.",
                    names
                        .iter()
                        .map(|name| format!("{id}/{name}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )
        })
    }

    /// Calls a tool by its name as in [`Self::tool`]. Dropping the future cancels it.
    ///
    /// # Errors
    /// What kept it from running; a tool that ran and failed says so in its outcome.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolOutcome, ApiError> {
        let tool = self.tool(name).await?;
        let call = ToolCall {
            id: "call".to_owned(),
            name: tool.name,
            arguments_json: Value::Object(arguments).to_string(),
            signature: None,
        };
        let begun = std::time::Instant::now();
        let result = self.link.invoke(&tool.plugin, call).await;
        let result =
            result.map_err(|failure| ApiError::of_failure(failure, tool.plugin.as_str(), false))?;
        Ok(outcome(result, begun.elapsed().as_secs_f64()))
    }

    /// Arguments as typed, in the types that the tool's schema names; one that does not fit stays
    /// text, and the tool says so.
    #[must_use]
    pub fn tool_arguments(tool: &ToolRow, given: Vec<(String, String)>) -> Map<String, Value> {
        let kind = |name: &str| {
            let property = tool.arguments.get("properties")?.get(name)?;
            property.get("type")?.as_str().map(str::to_owned)
        };
        given
            .into_iter()
            .map(|(name, text)| {
                let value = match kind(&name).as_deref() {
                    Some("string") => None,
                    // Numbers, flags, lists and objects are JSON already.
                    Some(_) => serde_json::from_str(&text).ok(),
                    None => None,
                };
                (name, value.unwrap_or(Value::String(text)))
            })
            .collect()
    }
}

pub(crate) fn row(plugin: &PluginId, info: ToolInfo) -> ToolRow {
    let schema = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    ToolRow {
        plugin: plugin.clone(),
        name: info.def.name,
        title: info.title,
        description: info.def.description,
        hints: info.hints,
        arguments: schema(&info.def.input_schema_json),
        output: info.output_schema_json.as_deref().map(schema),
    }
}

pub(crate) fn outcome(result: ToolResult, seconds: f64) -> ToolOutcome {
    let is_untrusted = result
        .extras
        .iter()
        .any(|extra| extra.name == "untrusted" && extra.json == "true");
    let attachment = |media: Media| match media {
        Media::Blob(blob) => ToolPart::Attachment {
            name: blob.name.unwrap_or(blob.id),
            media_type: Some(blob.media_type),
            size: Some(blob.size),
        },
        Media::Url(url) => ToolPart::Attachment {
            name: url,
            media_type: None,
            size: None,
        },
        Media::Other(extra) => ToolPart::Other { name: extra.name },
    };
    let parts = result.content.into_iter().map(|part| match part {
        ResultPart::Text(text) => ToolPart::Text { text },
        ResultPart::Json(json) => ToolPart::Json {
            value: serde_json::from_str(&json).unwrap_or(Value::String(json)),
        },
        ResultPart::Image(media) | ResultPart::File(media) => attachment(media),
        ResultPart::Other(extra) => ToolPart::Other { name: extra.name },
    });
    ToolOutcome {
        is_error: result.is_error,
        is_untrusted,
        parts: parts.collect(),
        seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_get_the_types_that_the_schema_names() {
        let tool = ToolRow {
            plugin: "calculator".parse().unwrap(),
            name: "x".to_owned(),
            title: None,
            description: String::new(),
            hints: ToolHints::default(),
            arguments: serde_json::json!({"properties": {
                "text": {"type": "string"}, "count": {"type": "integer"}, "list": {"type": "array"}
            }}),
            output: None,
        };
        let given = [
            ("text", "1"),
            ("count", "2"),
            ("list", "[1]"),
            ("odd", "true"),
            ("count2", "x"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let arguments = Api::tool_arguments(&tool, given.to_vec());
        assert_eq!(
            Value::Object(arguments),
            serde_json::json!({"text": "1", "count": 2, "list": [1], "odd": "true", "count2": "x"})
        );
    }
}
