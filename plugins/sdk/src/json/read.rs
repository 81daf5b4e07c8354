//! A lenient reader. It takes all JSON, and beside it what servers get wrong without doubt about
//! the meaning: strings that are not Unicode, raw control characters in strings, `NaN` (as null).

use std::borrow::Cow;

use crate::decimal;
use crate::text::TextJoiner;

/// How deep values may nest; no API nests nearly so deep, and the guest's stack is small.
pub const MAX_DEPTH: u32 = 100;

/// A JSON value that borrows from its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string's content: UTF-8, or WTF-8 where it holds half a surrogate pair, or whatever
    /// bytes the server sent.
    String(Cow<'a, [u8]>),
    /// An array, and its text.
    Array(Vec<Value<'a>>, &'a [u8]),
    /// An object, and its text.
    Object(Vec<(Cow<'a, [u8]>, Value<'a>)>, &'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads one value that fills the text but for blanks and a byte order mark. None if it is
    /// no JSON.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = Reader { rest: text };
        let value = reader.value(MAX_DEPTH)?;
        reader.blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// An object's member; `null` counts as none. Of members with one name the last counts.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let found = self
            .members()
            .iter()
            .rev()
            .find(|(key, _)| key.as_ref() == name.as_bytes());
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Value::Null)
    }

    /// An object's members; none of anything else.
    pub fn members(&self) -> &[(Cow<'a, [u8]>, Self)] {
        match self {
            Self::Object(members, _) => members,
            _ => &[],
        }
    }

    /// An array's items; none of anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items, _) => items,
            _ => &[],
        }
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(..))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(..))
    }

    /// A string's bytes, for a [`TextJoiner`]; an empty string counts as none.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// A string by itself, repaired where it is not Unicode; an empty string counts as none.
    pub fn text(&self) -> Option<String> {
        let mut joiner = TextJoiner::default();
        let text = joiner.push(self.bytes()?);
        Some(text + &joiner.finish())
    }

    /// A string's or number's text: servers write codes and prices either way.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Number(text) => Some((*text).to_string()),
            _ => self.text(),
        }
    }

    /// A number without sign and fraction, in any spelling (`12`, `12.0`, `1.2e1`).
    pub fn u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => {
                let plain = text.parse().ok();
                plain.or_else(|| decimal::scaled(text, 0)?.parse().ok())
            }
            _ => None,
        }
    }

    /// A truth value.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// This value as JSON text: an object's or array's own text, unchanged.
    pub fn to_json(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => (*text).to_string(),
            Self::String(_) => super::quoted(&self.text().unwrap_or_default()),
            Self::Array(_, text) | Self::Object(_, text) => {
                String::from_utf8_lossy(text).into_owned()
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Option<Value<'a>> {
        self.blanks();
        let start = self.rest;
        match self.rest.first()? {
            b'"' => self.string().map(Value::String),
            b'[' => {
                let items = self.list(b']', |reader| reader.value(depth.checked_sub(1)?))?;
                Some(Value::Array(items, self.since(start)))
            }
            b'{' => {
                let members = self.list(b'}', |reader| {
                    reader.blanks();
                    let key = reader.string()?;
                    reader.blanks();
                    reader.eat(b":").then_some(())?;
                    Some((key, reader.value(depth.checked_sub(1)?)?))
                })?;
                Some(Value::Object(members, self.since(start)))
            }
            _ => self.scalar(),
        }
    }

    /// `[a, b]` or `{…}`: the items between the bracket that stands here and `close`.
    fn list<T>(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.rest = self.rest.get(1..)?;
        let mut items = Vec::new();
        self.blanks();
        if self.eat(&[close]) {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.blanks();
            if self.eat(&[close]) {
                return Some(items);
            }
            self.eat(b",").then_some(())?;
        }
    }

    fn scalar(&mut self) -> Option<Value<'a>> {
        let words: [(&[u8], Value<'a>); 6] = [
            (b"null", Value::Null),
            (b"true", Value::Bool(true)),
            (b"false", Value::Bool(false)),
            // Python's writers; null is what their servers mean.
            (b"NaN", Value::Null),
            (b"Infinity", Value::Null),
            (b"-Infinity", Value::Null),
        ];
        for (word, value) in words {
            if self.eat(word) {
                return Some(value);
            }
        }
        let start = self.rest;
        self.eat(b"-");
        if !self.eat(b"0") {
            self.digits()?;
        }
        if self.eat(b".") {
            self.digits()?;
        }
        if self.eat(b"e") || self.eat(b"E") {
            _ = self.eat(b"+") || self.eat(b"-");
            self.digits()?;
        }
        std::str::from_utf8(self.since(start))
            .ok()
            .map(Value::Number)
    }

    fn digits(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit());
        let end = end.unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..)?;
        (end > 0).then_some(())
    }

    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        self.eat(b"\"").then_some(())?;
        let end = memchr::memchr2(b'"', b'\\', self.rest)?;
        let (plain, rest) = self.rest.split_at(end);
        self.rest = rest;
        if self.eat(b"\"") {
            return Some(Cow::Borrowed(plain));
        }
        let mut content = plain.to_vec();
        while !self.eat(b"\"") {
            self.rest = self.rest.get(1..)?;
            self.escape(&mut content)?;
            let end = memchr::memchr2(b'"', b'\\', self.rest)?;
            let (plain, rest) = self.rest.split_at(end);
            content.extend_from_slice(plain);
            self.rest = rest;
        }
        Some(Cow::Owned(content))
    }

    /// What follows a backslash.
    fn escape(&mut self, content: &mut Vec<u8>) -> Option<()> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        content.push(match byte {
            b'"' | b'\\' | b'/' => *byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(content),
            _ => return None,
        });
        Some(())
    }

    /// The four digits of a `\u`, and the other half of the pair if it follows.
    fn unicode(&mut self, content: &mut Vec<u8>) -> Option<()> {
        let unit = self.hex()?;
        let mut code = unit;
        if (0xd800..0xdc00).contains(&unit) {
            let before = self.rest;
            match self.eat(b"\\u").then(|| self.hex()) {
                Some(Some(low @ 0xdc00..=0xdfff)) => {
                    code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                }
                _ => self.rest = before,
            }
        }
        match char::from_u32(code) {
            Some(c) => content.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            // Half a pair, as WTF-8 has it; the other half may come in another chunk.
            None => content.extend(
                [
                    0xe0 | (code >> 12),
                    0x80 | ((code >> 6) & 0x3f),
                    0x80 | (code & 0x3f),
                ]
                .into_iter()
                .filter_map(|byte| u8::try_from(byte).ok()),
            ),
        }
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        digits.iter().try_fold(0, |code, digit| {
            Some(code * 16 + char::from(*digit).to_digit(16)?)
        })
    }

    fn blanks(&mut self) {
        let end = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.rest = self
            .rest
            .get(end.unwrap_or(self.rest.len())..)
            .unwrap_or_default();
    }

    fn eat(&mut self, word: &[u8]) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn since(&self, start: &'a [u8]) -> &'a [u8] {
        start
            .get(..start.len() - self.rest.len())
            .unwrap_or_default()
    }
}
