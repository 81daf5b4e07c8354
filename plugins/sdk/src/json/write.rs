//! JSON for request bodies, with room for attachments.
//!
//! A plugin never holds an attachment's bytes: it names the handle, and the host splices the
//! base64 into the body. [`Json::into_body`] cuts the text around each handle.

use super::{Value, quoted};
use crate::types::{Blob, BodyPart, Error, ErrorKind};

/// A JSON value in which a string may end in an attachment.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// A string.
    String(String),
    /// JSON text, sent as it is: a number, or a schema that keeps its order.
    Raw(String),
    /// An object; its keys stay in order.
    Object(Vec<(String, Json)>),
    /// An array.
    Array(Vec<Json>),
    /// A string: the text of the attachment with this id, which is UTF-8.
    BlobText(String),
    /// A string: this prefix, then the attachment in base64.
    Base64 {
        /// What stands before the base64, such as `data:image/png;base64,`.
        prefix: String,
        /// The attachment's id.
        blob: String,
    },
}

impl Json {
    /// An object without members.
    pub fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// JSON text as it is.
    ///
    /// # Errors
    /// `invalid-request` naming `what`, if it is not JSON.
    pub fn raw(what: &str, text: &str) -> Result<Self, Error> {
        match Value::parse(text.as_bytes()) {
            Some(_) => Ok(Self::Raw(text.trim().to_string())),
            None => Err(Error::new(
                ErrorKind::InvalidRequest(Some(what.to_string())),
                format!("{what} is not valid JSON; nothing was sent."),
            )),
        }
    }

    /// A sampling parameter, to nine decimal places. None for what is no number or beyond a
    /// billion: no model takes it.
    pub fn parameter(value: f64) -> Option<Self> {
        let scaled = (value * 1e9).round();
        // What is below 10^18 fits an `i64`; NaN is in no range.
        if !(-1e18..1e18).contains(&scaled) {
            return None;
        }
        let text = (scaled as i64).to_string();
        Some(Self::Raw(crate::decimal::scaled(&text, -9)?))
    }

    /// The attachment as a `data:` URL.
    pub fn data_url(blob: &Blob) -> Self {
        Self::Base64 {
            prefix: format!("data:{};base64,", blob.media_type),
            blob: blob.id.clone(),
        }
    }

    /// This object with one more member. Anything but an object stays as it is.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds a member to an object, or replaces it. Anything but an object stays as it is.
    pub fn set(&mut self, key: &str, value: impl Into<Json>) {
        if let Self::Object(members) = self {
            let value = value.into();
            match members.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None => members.push((key.to_string(), value)),
            }
        }
    }

    /// This value as text, without attachments: in the place of each stands what is before it.
    pub fn to_text(&self) -> String {
        let mut writer = Writer::default();
        writer.value(self);
        writer.cut();
        let texts = writer.parts.iter().filter_map(|part| match part {
            BodyPart::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        });
        texts.collect()
    }

    /// The body's parts, ready for [`HttpRequest`](crate::HttpRequest).
    pub fn into_body(self) -> Vec<BodyPart> {
        let mut writer = Writer::default();
        writer.value(&self);
        writer.cut();
        writer.parts
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        u64::from(value).into()
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_string())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&Value<'_>> for Json {
    fn from(value: &Value<'_>) -> Self {
        Self::Raw(value.to_json())
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items)
    }
}

#[derive(Default)]
struct Writer {
    text: String,
    parts: Vec<BodyPart>,
}

impl Writer {
    fn value(&mut self, json: &Json) {
        match json {
            Json::Null => self.text.push_str("null"),
            Json::String(text) => self.text.push_str(&quoted(text)),
            Json::Raw(text) => self.text.push_str(text),
            Json::Object(members) => {
                self.text.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.text.push_str(&quoted(key));
                    self.text.push(':');
                    self.value(value);
                }
                self.text.push('}');
            }
            Json::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.value(item);
                }
                self.text.push(']');
            }
            Json::BlobText(blob) => {
                self.text.push('"');
                self.cut();
                self.parts.push(BodyPart::BlobJsonText(blob.clone()));
                self.text.push('"');
            }
            Json::Base64 { prefix, blob } => {
                let quoted = quoted(prefix);
                self.text
                    .push_str(quoted.strip_suffix('"').unwrap_or(&quoted));
                self.cut();
                self.parts.push(BodyPart::BlobBase64(blob.clone()));
                self.text.push('"');
            }
        }
    }

    fn cut(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.parts.push(BodyPart::Bytes(text.into_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_cut_around_an_attachment() {
        let blob = Blob {
            id: "b1".into(),
            media_type: "image/\"png".into(),
            size: 3,
            name: None,
        };
        let parts = Json::object()
            .with("a", "x\n\u{1}")
            .with("image", Json::data_url(&blob))
            .with("n", Json::parameter(1.5).unwrap())
            .into_body();
        let [
            BodyPart::Bytes(head),
            BodyPart::BlobBase64(id),
            BodyPart::Bytes(tail),
        ] = parts.as_slice()
        else {
            panic!("{parts:?}");
        };
        assert_eq!(id, "b1");
        let whole = [head.as_slice(), b"QUJD", tail].concat();
        let value: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        let expected = serde_json::json!({
            "a": "x\n\u{1}", "image": "data:image/\"png;base64,QUJD", "n": 1.5
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn sampling_parameters_are_written_as_people_write_them() {
        let cases = [
            (0.7, Some("0.7")),
            (0.0, Some("0")),
            (-0.5, Some("-0.5")),
            (1e-9, Some("0.000000001")),
            (1e-12, Some("0")),
            (1.0 / 3.0, Some("0.333333333")),
            (2e9, None),
            (f64::NAN, None),
            (f64::NEG_INFINITY, None),
        ];
        for (value, expected) in cases {
            let expected = expected.map(|text: &str| Json::Raw(text.into()));
            assert_eq!(Json::parameter(value), expected, "{value}");
        }
    }

    #[test]
    fn raw_json_keeps_its_order_and_numbers_and_is_checked() {
        let text = r#"{"z":1.10,"a":18446744073709551617}"#;
        let body = Json::object().with("s", Json::raw("schema", text).unwrap());
        let expected = format!("{{\"s\":{text}}}");
        assert_eq!(body.into_body(), [BodyPart::Bytes(expected.into_bytes())]);
        for bad in ["", "{", "{} {}", "nul"] {
            let error = Json::raw("schema", bad).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest(Some("schema".into())));
        }
    }
}
