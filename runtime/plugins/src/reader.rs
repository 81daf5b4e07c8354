//! Walks a parsed TOML document key by key and remembers every mistake with its place.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Position, Problem, Problems};
use crate::text::{did_you_mean, is_deceptive, listed, printable};

/// The text being read and what was found wrong in it.
pub(crate) struct Source<'t> {
    text: &'t str,
    problems: RefCell<Problems>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: RefCell::default(),
        }
    }

    /// Notes a mistake at byte `offset`.
    pub(crate) fn say(
        &self,
        key: impl Into<String>,
        offset: Option<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.problems.borrow_mut().push(Problem {
            key: key.into(),
            at: offset.map(|offset| Position::of(self.text, offset)),
            what: what.into(),
            fix: fix.into(),
        });
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    pub(crate) fn into_problems(self) -> Problems {
        self.problems.into_inner()
    }
}

/// A value and the byte at which the file says it.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) offset: usize,
}

/// One table of the document.
pub(crate) struct Table<'a, 't> {
    source: &'a Source<'t>,
    path: String,
    offset: Option<usize>,
    entries: &'a DeTable<'a>,
}

impl<'a, 't> Table<'a, 't> {
    pub(crate) fn root(source: &'a Source<'t>, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            source,
            path: String::new(),
            offset: None,
            entries: document.get_ref(),
        }
    }

    /// The full name of `key` in this table.
    pub(crate) fn name(&self, key: &str) -> String {
        let key = printable(key, 60);
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Where the value of `key` stands, else the table.
    pub(crate) fn offset(&self, key: &str) -> Option<usize> {
        self.entries
            .get(key)
            .map(|value| value.span().start)
            .or(self.offset)
    }

    /// Notes a mistake about `key`.
    pub(crate) fn say(&self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.source.say(self.name(key), self.offset(key), what, fix);
    }

    /// Notes a mistake about an item of the list `key`, or about the whole value.
    pub(crate) fn say_item(
        &self,
        key: &str,
        item: Option<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let Some(index) = item else {
            return self.say(key, what, fix);
        };
        let found = match self.entries.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(items)) => items.get(index).map(|item| item.span().start),
            _ => None,
        };
        let name = format!("{}[{index}]", self.name(key));
        let offset = found.or_else(|| self.offset(key));
        self.source.say(name, offset, what, fix);
    }

    /// Every key that is not in `known` is a mistake.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.entries.keys() {
            let text: &str = key.get_ref();
            if !known.contains(&text) {
                self.source.say(
                    self.name(text),
                    Some(key.span().start),
                    "is not a key that a manifest has here",
                    did_you_mean(text, known),
                );
            }
        }
    }

    /// The keys in the order of the file, with their places.
    pub(crate) fn keys(&self) -> Vec<At<String>> {
        let mut keys: Vec<At<String>> = self
            .entries
            .keys()
            .map(|key| At {
                value: key.get_ref().to_string(),
                offset: key.span().start,
            })
            .collect();
        keys.sort_by_key(|key| key.offset);
        keys
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes that `key` is missing, with what to write.
    pub(crate) fn missing(&self, key: &str, fix: &str) {
        self.say(key, "is missing", fix);
    }

    fn wrong_type(&self, key: &str, found: &DeValue<'_>, wanted: &str) {
        self.say(
            key,
            format!("is {}", kind(found)),
            format!("It must be {wanted}."),
        );
    }

    /// A text that a person may read: 1 to `max` characters, none of them deceptive.
    pub(crate) fn text(&self, key: &str, max: usize) -> Option<String> {
        let value = self.entries.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => self.checked_text(key, value.span().start, text, max),
            other => {
                self.wrong_type(key, other, "a text in quotes");
                None
            }
        }
    }

    fn checked_text(&self, key: &str, offset: usize, text: &str, max: usize) -> Option<String> {
        let length = text.chars().count();
        if length == 0 {
            let fix = "Write a value, or leave the key out.";
            self.source
                .say(self.name(key), Some(offset), "is empty", fix);
            return None;
        }
        if length > max {
            let what = format!("has {length} characters");
            let fix = format!("At most {max} fit.");
            self.source.say(self.name(key), Some(offset), what, fix);
            return None;
        }
        if text.chars().any(is_deceptive) {
            self.source.say(
                self.name(key),
                Some(offset),
                "holds a control or invisible character",
                "Write it as one line of visible text.",
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// A whole number in `range`; `unit` completes the sentence.
    pub(crate) fn integer(&self, key: &str, range: RangeInclusive<u64>, unit: &str) -> Option<u64> {
        let value = self.entries.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value.get_ref(), "a whole number without quotes");
            return None;
        };
        // Out of 64 bits is out of any range of ours.
        let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
        if let Some(number) = parsed.filter(|number| range.contains(number)) {
            return Some(number);
        }
        self.say(
            key,
            format!("is {}, out of range", printable(number.as_str(), 24)),
            format!("Give {} to {} {unit}.", range.start(), range.end()),
        );
        None
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.entries.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                self.wrong_type(key, other, "true or false without quotes");
                None
            }
        }
    }

    /// A list of at most `max` texts of at most `max_chars`; nothing when the key is absent or is
    /// no list.
    pub(crate) fn texts(&self, key: &str, max: usize, max_chars: usize) -> Option<Vec<At<String>>> {
        let value = self.entries.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value.get_ref(), "a list of texts in square brackets");
            return None;
        };
        self.check_count(key, items.len(), max);
        let mut texts = Vec::new();
        for (index, item) in items.iter().take(max).enumerate() {
            let name = format!("{key}[{index}]");
            let offset = item.span().start;
            match item.get_ref() {
                DeValue::String(text) => {
                    if let Some(value) = self.checked_text(&name, offset, text, max_chars) {
                        texts.push(At { value, offset });
                    }
                }
                other => self.source.say(
                    self.name(&name),
                    Some(offset),
                    format!("is {}", kind(other)),
                    "It must be a text in quotes.",
                ),
            }
        }
        Some(texts)
    }

    fn check_count(&self, key: &str, count: usize, max: usize) {
        if count > max {
            self.say(
                key,
                format!("has {count} entries"),
                format!("At most {max} fit."),
            );
        }
    }

    /// The table `[key]`.
    pub(crate) fn table(&self, key: &str) -> Option<Table<'a, 't>> {
        let value = self.entries.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => {
                Some(self.child(self.name(key), value.span().start, entries))
            }
            other => {
                self.wrong_type(key, other, &format!("a table: `[{}]`", self.name(key)));
                None
            }
        }
    }

    /// The tables `[[key]]`, at most `max`.
    pub(crate) fn tables(&self, key: &str, max: usize) -> Vec<Table<'a, 't>> {
        let Some(value) = self.entries.get(key) else {
            return Vec::new();
        };
        let wanted = format!("a list of tables: `[[{}]]`", self.name(key));
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value.get_ref(), &wanted);
            return Vec::new();
        };
        self.check_count(key, items.len(), max);
        let mut tables = Vec::new();
        for (index, item) in items.iter().take(max).enumerate() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let path = format!("{}[{index}]", self.name(key));
                    tables.push(self.child(path, item.span().start, entries));
                }
                other => self.wrong_type(key, other, &wanted),
            }
        }
        tables
    }

    fn child(&self, path: String, offset: usize, entries: &'a DeTable<'a>) -> Table<'a, 't> {
        Table {
            source: self.source,
            path,
            offset: Some(offset),
            entries,
        }
    }

    /// The value of `key` as JSON; what JSON cannot say is a mistake.
    pub(crate) fn json(&self, key: &str) -> Option<Value> {
        let value = self.entries.get(key)?;
        let json = to_json(value.get_ref());
        if json.is_none() {
            self.say(
                key,
                "holds a date or a number that JSON cannot write",
                "Use texts, whole or finite numbers, true, false, lists and tables.",
            );
        }
        json
    }

    /// A text that must be one of `known`.
    pub(crate) fn one_of<'k>(&self, key: &str, known: &[&'k str]) -> Option<&'k str> {
        let text = self.text(key, 200)?;
        let found = known.iter().find(|candidate| **candidate == text).copied();
        if found.is_none() {
            self.say(
                key,
                format!("is `{}`", printable(&text, 60)),
                match crate::text::nearest(&text, known.iter().copied()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("Use one of {}.", listed(known)),
                },
            );
        }
        found
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Depth is bounded by the TOML parser's own limit (80).
fn to_json(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(Value::from),
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().ok()?;
            serde_json::Number::from_f64(number).map(Value::Number)
        }
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Datetime(_) => None,
        DeValue::Array(items) => items
            .iter()
            .map(|item| to_json(item.get_ref()))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        DeValue::Table(entries) => entries
            .iter()
            .map(|(key, item)| Some((key.get_ref().to_string(), to_json(item.get_ref())?)))
            .collect::<Option<serde_json::Map<_, _>>>()
            .map(Value::Object),
    }
}
