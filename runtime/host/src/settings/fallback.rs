//! `[fallback]`: who answers when a model cannot, in the person's order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vale_types::{ModelRef, ProviderId};

/// Lists by whom they stand in for: `"openai/gpt-5"` one model, `"openai/*"` a provider's models,
/// `"*"` every model. The closest one counts, alone. An empty list means nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, Vec<ModelRef>>",
    into = "BTreeMap<String, Vec<ModelRef>>"
)]
pub struct Fallback(BTreeMap<Key, Vec<ModelRef>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Model(ModelRef),
    Provider(ProviderId),
    Every,
}

impl Fallback {
    /// Who answers for this model, in order.
    #[must_use]
    pub fn chain(&self, model: &ModelRef) -> Vec<ModelRef> {
        let keys = [
            Key::Model(model.clone()),
            Key::Provider(model.provider.clone()),
            Key::Every,
        ];
        let list = keys.iter().find_map(|key| self.0.get(key));
        let list = list.map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter(|other| *other != model)
            .cloned()
            .collect()
    }
}

impl TryFrom<BTreeMap<String, Vec<ModelRef>>> for Fallback {
    type Error = String;

    fn try_from(lists: BTreeMap<String, Vec<ModelRef>>) -> Result<Self, String> {
        let key = |text: &str| -> Result<Key, String> {
            match text.strip_suffix("/*") {
                _ if text == "*" => Ok(Key::Every),
                Some(provider) => provider.parse().map(Key::Provider),
                None => text.parse().map(Key::Model),
            }
            .map_err(|error| {
                format!("“{text}” under [fallback] is no model, `provider/*` or `*`: {error}")
            })
        };
        let lists = lists
            .into_iter()
            .map(|(text, list)| Ok((key(&text)?, list)));
        Ok(Self(lists.collect::<Result<_, String>>()?))
    }
}

impl From<Fallback> for BTreeMap<String, Vec<ModelRef>> {
    fn from(fallback: Fallback) -> Self {
        let text = |key| match key {
            Key::Model(model) => model.to_string(),
            Key::Provider(provider) => format!("{provider}/*"),
            Key::Every => "*".to_owned(),
        };
        let lists = fallback.0.into_iter();
        lists.map(|(key, list)| (text(key), list)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fallback(text: &str) -> Result<Fallback, toml::de::Error> {
        toml::from_str(text)
    }

    fn chain(fallback: &Fallback, model: &str) -> Vec<String> {
        let chain = fallback.chain(&model.parse().unwrap());
        chain.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_closest_list_counts_alone_and_never_names_the_model_itself() {
        let found = fallback(
            "\"a/x\" = [\"b/y\", \"a/x\", \"local/m\"]\n\"a/*\" = [\"c/z\"]\n\"*\" = [\"local/m\"]\n\"b/*\" = []",
        )
        .unwrap();
        assert_eq!(chain(&found, "a/x"), ["b/y", "local/m"]);
        assert_eq!(chain(&found, "a/other/with/slashes"), ["c/z"]);
        assert_eq!(chain(&found, "d/w"), ["local/m"]);
        assert_eq!(chain(&found, "local/m"), [""; 0]);
        assert_eq!(
            chain(&found, "b/y"),
            [""; 0],
            "nobody, by the person's wish"
        );
    }

    #[test]
    fn what_is_no_model_is_named() {
        let error = fallback("gpt = [\"a/x\"]").unwrap_err().to_string();
        assert!(error.contains("“gpt” under [fallback]"), "{error}");
    }
}
