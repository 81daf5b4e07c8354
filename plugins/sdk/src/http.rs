//! Requests and whole replies.

use crate::errors;
use crate::json::{Json, Value};
use crate::types::{Error, HttpRequest, Method};

impl HttpRequest {
    /// A GET of this absolute URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            extras: Vec::new(),
        }
    }

    /// A POST of JSON to this absolute URL.
    pub fn post_json(url: impl Into<String>, body: Json) -> Self {
        Self {
            method: Method::Post,
            body: body.into_body(),
            ..Self::get(url).header("content-type", "application/json")
        }
    }

    /// This request with one more header. Credentials are the host's to add: setting
    /// `authorization` and its like is refused.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_string(), value.into()));
        self
    }
}

/// A reply whose body was read to its end (or its first part, for an error).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpReply {
    /// The HTTP status.
    pub status: u16,
    /// The address that answered: another than was asked for after redirects.
    pub url: String,
    /// Header names as the upstream writes them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When it came, by the host's clock, in milliseconds since 1970.
    pub received_unix_ms: u64,
}

impl HttpReply {
    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// What the body says if it is an error object in spite of its status, else
    /// `malformed-response`.
    pub fn json(&self) -> Result<Value<'_>, Error> {
        let value = Value::parse(&self.body).ok_or_else(|| errors::not_json(&self.body))?;
        match errors::in_stream(&value) {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}
