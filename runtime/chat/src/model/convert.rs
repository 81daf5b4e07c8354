//! Between what is written down and what the rest of the program speaks of.

use vale_types as domain;

use super::{
    Attachment, BlobHash, Cost, Extra, Finish, Media, Message, ModelName, Part, ResultPart, Role,
    Thinking, ThinkingBlock, ThinkingMode, ToolCall, ToolResult, Usage, Use,
};

/// Why something could not be turned into the other form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A file is named by something other than its hash: it was not stored first.
    #[error("the file “{0}” is not stored: it must be kept before the message that names it")]
    NotStored(String),
    /// The text lies in a file of its own, which must be read first.
    #[error("the text of this message is in the file {0}: read it before it is sent")]
    LongText(BlobHash),
    /// The amount is no decimal number.
    #[error("the reported cost “{0}” is not a number")]
    Amount(String),
    /// The provider's name follows no rule of ours, as those of imports need not.
    #[error("“{0}” is not a provider of this app: choose a model first")]
    Provider(String),
}

impl From<domain::Extra> for Extra {
    fn from(extra: domain::Extra) -> Self {
        Self {
            name: extra.name,
            json: extra.json,
        }
    }
}

impl From<Extra> for domain::Extra {
    fn from(extra: Extra) -> Self {
        Self {
            name: extra.name,
            json: extra.json,
        }
    }
}

fn extras<A, B: From<A>>(extras: Vec<A>) -> Vec<B> {
    extras.into_iter().map(B::from).collect()
}

/// What the contract has no case for, in its `other` case.
fn unknown(word: String, value: &rmpv::Value) -> domain::Extra {
    domain::Extra {
        name: word,
        json: serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()),
    }
}

/// Both ways between a word of ours and an enum of the contract with an `Other` case.
macro_rules! same_words {
    ($ours:ident, $theirs:ident { $($variant:ident),+ }) => {
        impl From<domain::$theirs> for $ours {
            fn from(word: domain::$theirs) -> Self {
                match word {
                    $(domain::$theirs::$variant => Self::$variant,)+
                    domain::$theirs::Other(word) => Self::from(word),
                }
            }
        }

        impl From<$ours> for domain::$theirs {
            fn from(word: $ours) -> Self {
                match word {
                    $($ours::$variant => Self::$variant,)+
                    $ours::Unknown(word) => Self::Other(word),
                }
            }
        }
    };
}

same_words!(
    Role,
    Role {
        System,
        Developer,
        User,
        Assistant,
        Tool
    }
);
same_words!(
    Finish,
    FinishReason {
        Stop,
        MaxTokens,
        ToolCalls,
        ContentFilter,
        Refusal,
        Cancelled,
        Paused
    }
);

impl From<domain::ModelRef> for ModelName {
    fn from(model: domain::ModelRef) -> Self {
        Self {
            provider: model.provider.into(),
            model: model.model,
        }
    }
}

impl TryFrom<ModelName> for domain::ModelRef {
    type Error = ConvertError;
    fn try_from(name: ModelName) -> Result<Self, ConvertError> {
        let provider = name.provider.parse();
        let provider = provider.map_err(|_| ConvertError::Provider(name.provider))?;
        Ok(Self {
            provider,
            model: name.model,
        })
    }
}

impl From<Attachment> for domain::Blob {
    fn from(file: Attachment) -> Self {
        Self {
            id: file.blake3.to_string(),
            media_type: file.media_type,
            size: file.size,
            name: file.name,
        }
    }
}

impl TryFrom<domain::Blob> for Attachment {
    type Error = ConvertError;
    /// The blob's id must be the hash of its bytes.
    fn try_from(blob: domain::Blob) -> Result<Self, ConvertError> {
        let blake3 = blob.id.parse();
        Ok(Self {
            blake3: blake3.map_err(|_| ConvertError::NotStored(blob.id))?,
            media_type: blob.media_type,
            name: blob.name,
            size: blob.size,
            text: None,
        })
    }
}

impl TryFrom<domain::Media> for Media {
    type Error = ConvertError;
    fn try_from(media: domain::Media) -> Result<Self, ConvertError> {
        Ok(match media {
            domain::Media::Blob(blob) => Self::Stored(blob.try_into()?),
            domain::Media::Url(url) => Self::Url(url),
            domain::Media::Other(extra) => Self::Other(extra.into()),
        })
    }
}

impl From<Media> for domain::Media {
    fn from(media: Media) -> Self {
        match media {
            Media::Stored(file) => Self::Blob(file.into()),
            Media::Url(url) => Self::Url(url),
            Media::Other(extra) => Self::Other(extra.into()),
            Media::Unknown(word, value) => Self::Other(unknown(word, &value)),
        }
    }
}

impl From<domain::ToolCall> for ToolCall {
    fn from(call: domain::ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments_json: call.arguments_json,
            signature: call.signature,
        }
    }
}

impl From<ToolCall> for domain::ToolCall {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments_json: call.arguments_json,
            signature: call.signature,
        }
    }
}

impl TryFrom<domain::ResultPart> for ResultPart {
    type Error = ConvertError;
    fn try_from(part: domain::ResultPart) -> Result<Self, ConvertError> {
        Ok(match part {
            domain::ResultPart::Text(text) => Self::Text(text),
            domain::ResultPart::Image(media) => Self::Image(media.try_into()?),
            domain::ResultPart::File(media) => Self::File(media.try_into()?),
            domain::ResultPart::Json(json) => Self::Json(json),
            domain::ResultPart::Other(extra) => Self::Other(extra.into()),
        })
    }
}

impl From<ResultPart> for domain::ResultPart {
    fn from(part: ResultPart) -> Self {
        match part {
            ResultPart::Text(text) => Self::Text(text),
            ResultPart::Image(media) => Self::Image(media.into()),
            ResultPart::File(media) => Self::File(media.into()),
            ResultPart::Json(json) => Self::Json(json),
            ResultPart::Other(extra) => Self::Other(extra.into()),
            ResultPart::Unknown(word, value) => Self::Other(unknown(word, &value)),
        }
    }
}

impl TryFrom<domain::ToolResult> for ToolResult {
    type Error = ConvertError;
    fn try_from(result: domain::ToolResult) -> Result<Self, ConvertError> {
        let content = result.content.into_iter().map(ResultPart::try_from);
        Ok(Self {
            call_id: result.call_id,
            name: result.name,
            content: content.collect::<Result<_, _>>()?,
            is_error: result.is_error,
            extras: extras(result.extras),
        })
    }
}

impl From<ToolResult> for domain::ToolResult {
    fn from(result: ToolResult) -> Self {
        Self {
            call_id: result.call_id,
            name: result.name,
            content: result.content.into_iter().map(Into::into).collect(),
            is_error: result.is_error,
            extras: extras(result.extras),
        }
    }
}

impl TryFrom<domain::Part> for Part {
    type Error = ConvertError;
    fn try_from(part: domain::Part) -> Result<Self, ConvertError> {
        Ok(match part {
            domain::Part::Text(text) => Self::Text(text),
            domain::Part::Image(media) => Self::Image(media.try_into()?),
            domain::Part::File(media) => Self::File(media.try_into()?),
            domain::Part::Audio(media) => Self::Audio(media.try_into()?),
            domain::Part::ToolCall(call) => Self::ToolCall(call.into()),
            domain::Part::ToolResult(result) => Self::ToolResult(result.try_into()?),
            domain::Part::Thinking(block) => Self::Thinking(ThinkingBlock {
                id: block.id,
                text: block.text,
                signature: block.signature,
            }),
            domain::Part::RedactedThinking(data) => Self::RedactedThinking(data),
            domain::Part::Other(extra) => Self::Other(extra.into()),
        })
    }
}

impl TryFrom<Part> for domain::Part {
    type Error = ConvertError;
    fn try_from(part: Part) -> Result<Self, ConvertError> {
        Ok(match part {
            Part::Text(text) => Self::Text(text),
            Part::LongText(file) => return Err(ConvertError::LongText(file.blake3)),
            Part::Image(media) => Self::Image(media.into()),
            Part::File(media) => Self::File(media.into()),
            Part::Audio(media) => Self::Audio(media.into()),
            Part::ToolCall(call) => Self::ToolCall(call.into()),
            Part::ToolResult(result) => Self::ToolResult(result.into()),
            Part::Thinking(block) => Self::Thinking(domain::Thinking {
                id: block.id,
                text: block.text,
                signature: block.signature,
            }),
            Part::RedactedThinking(data) => Self::RedactedThinking(data),
            Part::Other(extra) => Self::Other(extra.into()),
            Part::Unknown(word, value) => Self::Other(unknown(word, &value)),
        })
    }
}

impl TryFrom<Message> for domain::Message {
    type Error = ConvertError;
    /// What a model is told of a message. Only an answer of a provider that could exist here names
    /// its maker.
    fn try_from(message: Message) -> Result<Self, ConvertError> {
        let parts = message.parts.into_iter().map(domain::Part::try_from);
        Ok(Self {
            role: message.role.into(),
            parts: parts.collect::<Result<_, _>>()?,
            cache: domain::CacheMark::None,
            extras: extras(message.extras),
            origin: message.model.and_then(|model| model.try_into().ok()),
        })
    }
}

impl From<domain::Usage> for Usage {
    fn from(usage: domain::Usage) -> Self {
        let uses = usage.uses.into_iter();
        Self {
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
            uses: uses.map(|(name, count)| Use { name, count }).collect(),
            service_tier: usage.service_tier,
            reported_cost: usage.reported_cost.map(|money| Cost {
                currency: money.currency,
                amount: money.amount.to_string(),
            }),
            raw_json: usage.raw_json,
            extras: extras(usage.extras),
        }
    }
}

impl TryFrom<Usage> for domain::Usage {
    type Error = ConvertError;
    fn try_from(usage: Usage) -> Result<Self, ConvertError> {
        let reported_cost = usage.reported_cost.map(|cost| {
            let amount = cost.amount.parse::<rust_decimal::Decimal>();
            Ok(domain::Money {
                currency: cost.currency,
                amount: amount.map_err(|_| ConvertError::Amount(cost.amount))?,
            })
        });
        Ok(Self {
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
            uses: usage
                .uses
                .into_iter()
                .map(|used| (used.name, used.count))
                .collect(),
            service_tier: usage.service_tier,
            reported_cost: reported_cost.transpose()?,
            raw_json: usage.raw_json,
            extras: extras(usage.extras),
        })
    }
}

impl From<domain::ThinkingMode> for Thinking {
    fn from(mode: domain::ThinkingMode) -> Self {
        let wish = |mode| Self {
            mode,
            effort: None,
            tokens: None,
        };
        match mode {
            domain::ThinkingMode::Default => wish(ThinkingMode::Default),
            domain::ThinkingMode::Off => wish(ThinkingMode::Off),
            domain::ThinkingMode::Effort(effort) => Self {
                effort: Some(effort),
                ..wish(ThinkingMode::Effort)
            },
            domain::ThinkingMode::Budget(tokens) => Self {
                tokens: Some(tokens),
                ..wish(ThinkingMode::Budget)
            },
            domain::ThinkingMode::Other(word) => wish(ThinkingMode::from(word)),
        }
    }
}

impl From<Thinking> for domain::ThinkingMode {
    fn from(wish: Thinking) -> Self {
        match (wish.mode, wish.effort, wish.tokens) {
            (ThinkingMode::Off, ..) => Self::Off,
            (ThinkingMode::Effort, Some(effort), _) => Self::Effort(effort),
            (ThinkingMode::Budget, _, Some(tokens)) => Self::Budget(tokens),
            (ThinkingMode::Unknown(word), ..) => Self::Other(word),
            // A wish that does not say how much.
            (ThinkingMode::Default | ThinkingMode::Effort | ThinkingMode::Budget, ..) => {
                Self::Default
            }
        }
    }
}
