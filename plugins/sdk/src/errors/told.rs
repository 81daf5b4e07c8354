//! What an error body says, whatever its shape.

use crate::json::Value;

/// The facts of an error body that the table looks at.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    /// The `type` field.
    pub(super) kind: Option<String>,
    pub(super) param: Option<String>,
    /// llama-server: the model's context.
    pub(super) n_ctx: Option<u64>,
    /// llama-server: what was asked for.
    pub(super) n_prompt_tokens: Option<u64>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
    /// OpenRouter: which moderation categories fired.
    pub(super) reasons: Option<String>,
}

impl Told {
    /// Reads a body that says it is an error; none if it does not.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        // Gemini's OpenAI endpoint wraps its errors in an array.
        let value = value.items().first().unwrap_or(value);
        let says_error = |key: &str| value.get(key).and_then(Value::bytes) == Some(b"error");
        let told = match value.get("error") {
            Some(message) if message.bytes().is_some() => Self {
                message: message.text(),
                code: text(value.get("code")),
                kind: text(value.get("type")).filter(|kind| kind != "error"),
                ..Self::default()
            },
            Some(error) if error.is_object() => Self::fields(error),
            // vLLM.
            _ if says_error("object") || says_error("type") => Self::fields(value),
            _ => return None,
        };
        Some(Self {
            request_id: told.request_id.or_else(|| text(value.get("request_id"))),
            ..told
        })
    }

    /// Reads a body that came with an error status and names its message at the top
    /// (`message`, or FastAPI's `detail`).
    pub(super) fn bare(value: &Value<'_>) -> Option<Self> {
        let detail = value.get("detail");
        let message = match detail {
            Some(Value::Array(list, _)) => list.iter().find_map(|item| text(item.get("msg"))),
            Some(detail) if detail.is_object() => text(detail.get("message")),
            _ => text(detail).or_else(|| text(value.get("message"))),
        };
        message.is_some().then(|| Self {
            message,
            ..Self::fields(value)
        })
    }

    fn fields(error: &Value<'_>) -> Self {
        let metadata = error.get("metadata");
        let about = |key: &str| metadata.and_then(|metadata| metadata.get(key));
        let message = text(error.get("message"));
        // OpenRouter: the upstream's own words are one level down.
        let message = match (message, text(about("raw"))) {
            (Some(message), Some(raw)) if message.starts_with("Provider returned error") => {
                Some(format!("{message}: {raw}"))
            }
            (message, _) => message,
        };
        let reasons = about("reasons").map(|reasons| {
            let names: Vec<_> = reasons.items().iter().filter_map(Value::text).collect();
            names.join(", ")
        });
        Self {
            message: message.filter(|message| !message.is_empty()),
            code: text(error.get("code")),
            kind: text(error.get("type"))
                .or_else(|| text(error.get("status")))
                .filter(|kind| kind != "error"),
            param: text(error.get("param")),
            n_ctx: error.get("n_ctx").and_then(Value::u64),
            n_prompt_tokens: error.get("n_prompt_tokens").and_then(Value::u64),
            request_id: text(error.get("request_id")),
            retry_after_ms: retry_delay(error),
            reasons,
        }
    }

    /// Whether the code or the type is one of these.
    pub(super) fn is(&self, names: &[&str]) -> bool {
        [&self.code, &self.kind]
            .into_iter()
            .flatten()
            .any(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
    }

    /// The message, the code and the type in lower case, for phrases that have no code.
    pub(super) fn words(&self) -> String {
        let words = [&self.message, &self.code, &self.kind];
        let words: Vec<_> = words.into_iter().flatten().map(String::as_str).collect();
        words.join(" ").to_ascii_lowercase()
    }
}

/// Google's `details[].retryDelay`: `"34.5s"`.
fn retry_delay(error: &Value<'_>) -> Option<u64> {
    let details = error.get("details")?.items();
    let delay = details
        .iter()
        .find_map(|detail| detail.get("retryDelay")?.text())?;
    super::retry::seconds_as_ms(delay.strip_suffix('s')?)
}

/// A string or a number as text; a code is either, and `null` is none.
fn text(value: Option<&Value<'_>>) -> Option<String> {
    value?.word()
}
