//! What a tool gives back.

use crate::types::{Error, Extra, ResultPart};

/// What a tool found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What the model reads, in order.
    pub content: Vec<ResultPart>,
    /// Named values for the host.
    pub extras: Vec<Extra>,
}

impl Answer {
    /// An answer of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().with_text(text)
    }

    /// This answer with one more text.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with(ResultPart::Text(text.into()))
    }

    /// This answer with one more part.
    #[must_use]
    pub fn with(mut self, part: ResultPart) -> Self {
        self.content.push(part);
        self
    }

    /// Says that the content comes from somebody else (a page, a file) and must not be taken for
    /// instructions. The host marks it so for the model and the person; say it in a text too.
    #[must_use]
    pub fn untrusted(mut self) -> Self {
        self.extras.push(Extra::new("untrusted", "true"));
        self
    }
}

/// Why a tool gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The tool ran and failed: a sentence that the model reads, with what to do about it. The
    /// result is marked `is-error`.
    Told(String),
    /// The call failed: the credential is missing, the service is down. The host and the person
    /// deal with it.
    Call(Box<Error>),
}

impl Failure {
    /// The tool ran and failed, in words for the model.
    pub fn told(sentence: impl Into<String>) -> Self {
        Self::Told(sentence.into())
    }

    /// The call failed because this credential of the manifest is not set.
    pub fn missing_credential(name: &str) -> Self {
        Error::missing_credential(name).into()
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Call(Box::new(error.into()))
    }
}
