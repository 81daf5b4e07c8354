//! The part of OpenAI's Chat Completions wire that this server speaks, both directions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{api_error::ApiError, sampler::Sampling, session::Finish, template::TemplateMessage};

/// Sampling defaults: a small model rambles at OpenAI's default temperature of 1. SmolLM2's authors
/// recommend 0.2 with a top-p of 0.9.
const DEFAULT_TEMPERATURE: f32 = 0.3;
const DEFAULT_TOP_P: f32 = 0.9;
const DEFAULT_TOP_K: usize = 40;
/// Keeps a small model from running in circles (Ollama's default). Not applied to greedy answers
/// unless asked for: whoever asks for the best token gets it.
const DEFAULT_REPEAT_PENALTY: f32 = 1.1;
/// OpenAI's limit.
const MOST_STOPS: usize = 4;
/// Longest stop string, in bytes: the held-back text is searched again for every token.
const LONGEST_STOP: usize = 1024;

/// The body of `POST /v1/chat/completions`. Fields that do not change the answer are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest {
    pub(crate) model: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    /// As llama-server takes it.
    repeat_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    seed: Option<i64>,
    stop: Option<Stop>,
    n: Option<u64>,
    logprobs: Option<bool>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl ChatRequest {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(body).map_err(|error| {
            ApiError::invalid(format!("The body is not a chat request: {error}."), None)
        })
    }

    /// Whether the trailing usage chunk was asked for.
    pub(crate) fn wants_usage_chunk(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|options| options.include_usage) == Some(true)
    }

    /// Refuses what would silently be answered differently than asked.
    pub(crate) fn check_supported(&self) -> Result<(), ApiError> {
        let refuse = |what: &str, param| Err(ApiError::invalid(what.to_owned(), Some(param)));
        if self.n.is_some_and(|n| n != 1) {
            return refuse(
                "This server gives one answer a request; leave out `n`.",
                "n",
            );
        }
        if self.logprobs == Some(true) {
            return refuse("This server gives no `logprobs`; leave it out.", "logprobs");
        }
        let wants_tools = self.tools.as_ref().is_some_and(|tools| !tools.is_empty());
        if wants_tools && self.tool_choice != Some(json!("none")) {
            return refuse(
                "The embedded model cannot call tools; send the request without `tools`.",
                "tools",
            );
        }
        match self
            .response_format
            .as_ref()
            .map(|format| format.get("type"))
        {
            None | Some(None) => Ok(()),
            Some(Some(kind)) if kind == "text" => Ok(()),
            Some(Some(_)) => refuse(
                "The embedded model answers in text only; leave out `response_format`.",
                "response_format",
            ),
        }
    }

    /// Most tokens to write, if the request says.
    pub(crate) fn max_tokens(&self) -> Result<Option<usize>, ApiError> {
        let (value, param) = match self.max_completion_tokens {
            Some(value) => (Some(value), "max_completion_tokens"),
            None => (self.max_tokens, "max_tokens"),
        };
        match value {
            Some(0) => Err(ApiError::invalid(
                format!("`{param}` must be at least 1."),
                Some(param),
            )),
            other => Ok(other.map(|value| usize::try_from(value).unwrap_or(usize::MAX))),
        }
    }

    /// The stop strings, checked.
    pub(crate) fn stops(&self) -> Result<Vec<String>, ApiError> {
        let stops = match &self.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop.clone()],
            Some(Stop::Many(stops)) => stops.clone(),
        };
        let sound = stops.len() <= MOST_STOPS
            && stops
                .iter()
                .all(|stop| (1..=LONGEST_STOP).contains(&stop.len()));
        if sound {
            Ok(stops)
        } else {
            Err(ApiError::invalid(
                format!("`stop` takes at most {MOST_STOPS} texts of 1 to {LONGEST_STOP} bytes."),
                Some("stop"),
            ))
        }
    }

    /// How to choose tokens, with the defaults filled in. `random_seed` is used without a `seed`.
    pub(crate) fn sampling(&self, random_seed: u64) -> Result<Sampling, ApiError> {
        let within = |value: Option<f32>, default: f32, least: f32, most: f32, param| {
            let value = value.unwrap_or(default);
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(ApiError::invalid(
                    format!("`{param}` must lie between {least} and {most}."),
                    Some(param),
                ))
            }
        };
        let temperature = within(
            self.temperature,
            DEFAULT_TEMPERATURE,
            0.0,
            2.0,
            "temperature",
        )?;
        let repeat = if temperature > 0.0 {
            DEFAULT_REPEAT_PENALTY
        } else {
            1.0
        };
        Ok(Sampling {
            temperature,
            repeat_penalty: within(self.repeat_penalty, repeat, 1.0, 2.0, "repeat_penalty")?,
            top_p: within(self.top_p, DEFAULT_TOP_P, 0.0, 1.0, "top_p")?,
            top_k: self.top_k.unwrap_or(DEFAULT_TOP_K),
            frequency_penalty: within(self.frequency_penalty, 0.0, -2.0, 2.0, "frequency_penalty")?,
            presence_penalty: within(self.presence_penalty, 0.0, -2.0, 2.0, "presence_penalty")?,
            seed: self.seed.map_or(random_seed, i64::cast_unsigned),
        })
    }

    /// The messages as a chat template takes them: content as one text, `developer` as `system`.
    pub(crate) fn template_messages(&self) -> Result<Vec<TemplateMessage>, ApiError> {
        if self.messages.is_empty() {
            return Err(ApiError::invalid(
                "`messages` must hold at least one message.".to_owned(),
                Some("messages"),
            ));
        }
        self.messages
            .iter()
            .enumerate()
            .map(template_message)
            .collect()
    }
}

fn template_message((index, message): (usize, &Message)) -> Result<TemplateMessage, ApiError> {
    let refuse = |what: String| {
        let text = format!("Message {index}: {what}");
        Err(ApiError::invalid(text, Some("messages")))
    };
    let role = match message.role.as_str() {
        "developer" => "system",
        role @ ("system" | "user" | "assistant" | "tool") => role,
        other => {
            return refuse(format!(
                "the role `{other}` is none of system, developer, user, assistant and tool."
            ));
        }
    };
    let content = match &message.content {
        Value::String(text) => text.clone(),
        Value::Null if role == "assistant" => String::new(),
        Value::Array(parts) => {
            let mut text = String::new();
            for part in parts {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or("none");
                match (kind, part.get("text").and_then(Value::as_str)) {
                    ("text", Some(part)) => text.push_str(part),
                    ("text", None) => return refuse("a text part has no `text`.".to_owned()),
                    (other, _) => {
                        return refuse(format!(
                            "the embedded model reads text only, and this has a part of the type `{other}`."
                        ));
                    }
                }
            }
            text
        }
        _ => return refuse("`content` must be a text or a list of text parts.".to_owned()),
    };
    let mut out = TemplateMessage::new();
    out.insert("role".to_owned(), role.into());
    out.insert("content".to_owned(), content.into());
    for key in ["name", "tool_calls", "tool_call_id"] {
        if let Some(value) = message.rest.get(key).filter(|value| !value.is_null()) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    Ok(out)
}

/// Token counts of one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) prompt: usize,
    /// Of them, found in the cache.
    pub(crate) cached: usize,
    pub(crate) completion: usize,
}

impl Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
        .serialize(serializer)
    }
}

impl Finish {
    fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// What is the same in every message about one answer.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHead {
    pub(crate) id: String,
    pub(crate) model: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// Chunks carry `usage: null` when the trailing usage chunk was asked for.
    pub(crate) with_usage: bool,
}

impl AnswerHead {
    /// A chunk with one delta.
    pub(crate) fn chunk(&self, delta: &Value, finish: Option<Finish>) -> Value {
        let choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish.map(Finish::word),
        });
        let mut chunk = self.common("chat.completion.chunk", json!([choice]));
        if let (true, Some(fields)) = (self.with_usage, chunk.as_object_mut()) {
            fields.insert("usage".to_owned(), Value::Null);
        }
        chunk
    }

    /// The trailing chunk with the counts.
    pub(crate) fn usage_chunk(&self, usage: Usage) -> Value {
        let mut chunk = self.common("chat.completion.chunk", json!([]));
        if let Some(fields) = chunk.as_object_mut() {
            fields.insert("usage".to_owned(), json!(usage));
        }
        chunk
    }

    /// The whole answer at once.
    pub(crate) fn completion(&self, text: &str, finish: Finish, usage: Usage) -> Value {
        let choice = json!({
            "index": 0,
            "message": {
                "role": "assistant",
                "content": text,
                "refusal": null,
                "annotations": [],
            },
            "logprobs": null,
            "finish_reason": finish.word(),
        });
        let mut answer = self.common("chat.completion", json!([choice]));
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("usage".to_owned(), json!(usage));
        }
        answer
    }

    fn common(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": null,
            "choices": choices,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &Value) -> ChatRequest {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        ChatRequest::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn content_parts_are_joined_and_roles_are_mapped() {
        let messages = json!([
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null},
            {"role": "tool", "content": "42", "tool_call_id": "x"},
        ]);
        let messages = request(&json!({"messages": messages})).template_messages();
        assert_eq!(
            json!(messages.unwrap()),
            json!([
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "ab"},
                {"role": "assistant", "content": ""},
                {"role": "tool", "content": "42", "tool_call_id": "x"},
            ])
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let refused = [
            (json!({"n": 2}), "n"),
            (json!({"logprobs": true}), "logprobs"),
            (json!({"tools": [{"type": "function"}]}), "tools"),
            (
                json!({"response_format": {"type": "json_object"}}),
                "response_format",
            ),
            (json!({"temperature": 2.1}), "temperature"),
            (json!({"temperature": -0.1}), "temperature"),
            (json!({"top_p": 1.5}), "top_p"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
            (json!({"stop": ""}), "stop"),
            (json!({"messages": []}), "messages"),
            (
                json!({"messages": [{"role": "king", "content": "x"}]}),
                "messages",
            ),
            (
                json!({"messages": [{"role": "user", "content": null}]}),
                "messages",
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
                "messages",
            ),
        ];
        for (fields, param) in refused {
            let request = request(&fields);
            let error = request
                .check_supported()
                .and_then(|()| request.max_tokens().map(drop))
                .and_then(|()| request.stops().map(drop))
                .and_then(|()| request.sampling(0).map(drop))
                .and_then(|()| request.template_messages().map(drop))
                .unwrap_err();
            assert_eq!(error.param(), Some(param), "{fields}");
        }
    }

    #[test]
    fn explicit_nulls_mean_the_default() {
        let request = request(&json!({
            "stream": null, "stream_options": null, "max_tokens": null, "temperature": null,
            "stop": null, "seed": null, "tools": null, "response_format": null, "n": null,
        }));
        request.check_supported().unwrap();
        assert_eq!(request.sampling(9).unwrap().seed, 9);
        assert_eq!(request.stops().unwrap(), Vec::<String>::new());
    }
}
