//! What a person says about models, as they write it in the settings (TOML).

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use rust_decimal::Decimal;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vale_types::{ModelRef, Price};

use super::Capability;
use crate::parse_decimal;
use crate::rates::USD;

/// The settings' table of models: `[models."openai/gpt-x"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// By `provider/model`.
    #[serde(default)]
    pub models: BTreeMap<ModelRef, Override>,
}

/// What a person says about one model; what they leave out stays as the provider and the book say.
///
/// Prices are per million tokens, as text (`"1.25"`), in `currency`, whatever the size of the input and the
/// service tier. Without `currency` they are US dollars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    missing_docs,
    reason = "the names say what they are; the units are above"
)]
pub struct Override {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<NonZeroU64>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "currency")]
    pub currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub input_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub cache_read_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub cache_write_5m_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub cache_write_1h_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub output_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none", with = "price_text")]
    pub reasoning_per_million: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_role: Option<bool>,
}

impl Override {
    /// Tokens.
    #[must_use]
    pub fn context_window(&self) -> Option<u64> {
        self.context_window.map(NonZeroU64::get)
    }

    /// Tokens.
    #[must_use]
    pub fn max_output(&self) -> Option<u64> {
        self.max_output.map(NonZeroU64::get)
    }

    /// What the person says of one capability.
    #[must_use]
    pub fn capability(&self, capability: Capability) -> Option<bool> {
        match capability {
            Capability::ImagesIn => self.images,
            Capability::FilesIn => self.files,
            Capability::AudioIn => self.audio,
            Capability::Tools => self.tools,
            Capability::ParallelTools => self.parallel_tools,
            Capability::Thinking => self.thinking,
            Capability::JsonSchema => self.json_schema,
            Capability::PromptCache => self.prompt_cache,
            Capability::SystemRole => self.system_role,
        }
    }

    /// The person's prices as the one row that they are.
    #[must_use]
    pub fn price(&self) -> Price {
        Price {
            currency: self.currency.clone().unwrap_or_else(|| USD.to_owned()),
            above_input_tokens: 0,
            input: self.input_per_million,
            cache_read: self.cache_read_per_million,
            cache_write_5m: self.cache_write_5m_per_million,
            cache_write_1h: self.cache_write_1h_per_million,
            output: self.output_per_million,
            reasoning: self.reasoning_per_million,
            extras: Vec::new(),
        }
    }
}

/// Three capital letters.
fn currency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(Some(text));
    }
    Err(D::Error::custom(format!(
        "“{text}” is no currency: write its three letters, such as USD"
    )))
}

/// A price as text; a number is refused, because the file's reader would have rounded it already.
mod price_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        price: &Option<Decimal>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match price {
            Some(price) => to.collect_str(price),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Decimal>, D::Error> {
        from.deserialize_str(Text).map(Some)
    }

    struct Text;

    fn quote<E: Error>(number: impl fmt::Display) -> E {
        E::custom(format!(
            "write the price in quotes, \"{number}\": a number without them may be rounded"
        ))
    }

    impl Visitor<'_> for Text {
        type Value = Decimal;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a price in quotes, such as \"1.25\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
            parse_decimal(text).map_err(E::custom)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<Decimal, E> {
            Err(quote(number))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Decimal, E> {
            Err(quote(number))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Decimal, E> {
            Err(quote(number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_wrongly_is_refused_with_the_next_step() {
        for (line, step) in [
            (
                "input_per_million = 1.25",
                "write the price in quotes, \"1.25\"",
            ),
            (
                "output_per_million = 10",
                "write the price in quotes, \"10\"",
            ),
            ("input_per_million = \"-1\"", "write digits with a dot"),
            ("input_per_million = \"1e3\"", "write digits with a dot"),
            ("input_per_million = true", "a price in quotes"),
            ("input_per_milion = \"1\"", "unknown field"),
            ("currency = \"usd\"", "three letters"),
            ("context_window = 0", "nonzero"),
            ("tools = \"yes\"", "boolean"),
        ] {
            let toml = format!("[models.\"openai/gpt-x\"]\n{line}");
            let error = toml::from_str::<Overrides>(&toml).unwrap_err().to_string();
            assert!(error.contains(step), "{line}: {error}");
        }
        for bad in ["[models.gpt-x]\n", "[model.\"openai/gpt-x\"]\n"] {
            assert!(toml::from_str::<Overrides>(bad).is_err(), "{bad}");
        }
    }
}
