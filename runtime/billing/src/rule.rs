//! The data's own rules of which text means which provider or model.

use std::sync::OnceLock;

use fancy_regex::Regex;
use serde::Deserialize;

/// One rule. Texts are compared in lower case; a regular expression sees the text in lower case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    /// The whole text.
    Equals(Lower),
    /// The beginning.
    StartsWith(Lower),
    /// The end.
    EndsWith(Lower),
    /// Anywhere.
    Contains(Lower),
    /// A regular expression that may match anywhere.
    Regex(Pattern),
    /// At least one of these.
    Or(Vec<Rule>),
    /// All of these.
    And(Vec<Rule>),
}

impl Rule {
    /// Whether `text`, which is in lower case, is meant.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(Lower(wanted)) => text == wanted,
            Self::StartsWith(Lower(wanted)) => text.starts_with(wanted),
            Self::EndsWith(Lower(wanted)) => text.ends_with(wanted),
            Self::Contains(Lower(wanted)) => text.contains(wanted),
            Self::Regex(pattern) => pattern.is_found_in(text),
            Self::Or(rules) => rules.iter().any(|rule| rule.matches(text)),
            Self::And(rules) => rules.iter().all(|rule| rule.matches(text)),
        }
    }

    /// The regular expressions in this rule that do not compile.
    pub(crate) fn broken(&self) -> Vec<&str> {
        match self {
            Self::Regex(pattern) => pattern.broken().into_iter().collect(),
            Self::Or(rules) | Self::And(rules) => rules.iter().flat_map(Self::broken).collect(),
            _ => Vec::new(),
        }
    }
}

/// Text in lower case.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Lower(String);

impl From<String> for Lower {
    fn from(text: String) -> Self {
        Self(text.to_lowercase())
    }
}

/// A regular expression, compiled when it is first asked: most are never.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        let compiled = OnceLock::new();
        Self { text, compiled }
    }
}

impl Pattern {
    fn compiled(&self) -> Option<&Regex> {
        let compile = || Regex::new(&self.text).ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    /// Whether it matches anywhere; one that does not compile, or gives up, matches nothing.
    fn is_found_in(&self, text: &str) -> bool {
        self.compiled()
            .is_some_and(|regex| regex.is_match(text).unwrap_or(false))
    }

    /// Whether it matches from the beginning; what follows is free.
    pub(crate) fn begins(&self, text: &str) -> bool {
        // The leftmost match is the one that begins earliest: at 0, if any does.
        let found = self.compiled().and_then(|regex| regex.find(text).ok());
        found.flatten().is_some_and(|found| found.start() == 0)
    }

    /// The text, if it does not compile.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.compiled().is_none().then_some(&*self.text)
    }
}

/// Writes compact dates as the data does: `gpt-5.2-20251211` becomes `gpt-5.2-2025-12-11`.
///
/// Gateways name dated models so. Only a date of this century that ends the text or stands before `-` or `:`.
pub(crate) fn with_dashed_dates(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('-') {
        out.push_str(before);
        out.push('-');
        rest = after;
        if let Some((year, month, day)) = compact_date(after) {
            out.push_str(&format!("{year}-{month}-{day}"));
            rest = after.get(8..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn compact_date(text: &str) -> Option<(&str, &str, &str)> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..8)?);
    let ends = matches!(text.as_bytes().get(8), None | Some(b'-' | b':'));
    let number = |part: &str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let is_date = crate::moment::Day::new(number(year)?, number(month)?, number(day)?).is_some();
    (ends && is_date && year.starts_with("20")).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn each_kind_of_rule_matches_what_it_says() {
        for (json, yes, no) in [
            (r#"{"equals":"GPT-X"}"#, "gpt-x", "gpt-x-1"),
            (r#"{"starts_with":"Gpt-"}"#, "gpt-x", "a gpt-"),
            (r#"{"ends_with":"-X"}"#, "gpt-x", "gpt-x1"),
            (r#"{"contains":"T-"}"#, "gpt-x", "gptx"),
            (r#"{"regex":"^(?!.*-tts(?:$|-))"}"#, "gpt-x", "gpt-tts"),
            (r#"{"or":[{"equals":"a"},{"equals":"b"}]}"#, "b", "c"),
            (
                r#"{"and":[{"starts_with":"a"},{"ends_with":"b"}]}"#,
                "a-b",
                "a-c",
            ),
        ] {
            let rule = rule(json);
            assert!(rule.matches(yes), "{json}");
            assert!(!rule.matches(no), "{json}");
            assert!(rule.broken().is_empty(), "{json}");
        }
    }

    #[test]
    fn an_unknown_kind_of_rule_is_refused_and_a_bad_expression_is_named() {
        assert!(serde_json::from_str::<Rule>(r#"{"resembles":"a"}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"equals":"a","regex":"b"}"#).is_err());
        let bad = rule(r#"{"or":[{"regex":"ok"},{"and":[{"regex":"("}]}]}"#);
        assert_eq!(bad.broken(), ["("]);
        assert!(!bad.matches("("));
    }

    #[test]
    fn a_pattern_of_addresses_begins_at_the_beginning() {
        let pattern = Pattern::from(r"https://(.*\.)?example\.com".to_owned());
        assert!(pattern.begins("https://api.example.com/v1"));
        assert!(!pattern.begins("see https://example.com"));
    }

    #[test]
    fn compact_dates_get_dashes() {
        for (text, dashed) in [
            ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
            ("o-20240229-x", "o-2024-02-29-x"),
            ("o-20240229:free", "o-2024-02-29:free"),
            ("o-20230229", "o-20230229"),
            ("o-20251211a", "o-20251211a"),
            ("o-19991211", "o-19991211"),
            ("a-é-20251211", "a-é-2025-12-11"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(with_dashed_dates(text), dashed);
        }
    }
}
