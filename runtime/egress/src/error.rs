//! What a plugin is told when a request fails, and what ends its call.

use std::fmt;

/// Why a request, or the body of its response, failed. Mirrors `valechat:host/http.kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// A rule of the manifest, the person or the host forbids it; the message says which.
    Denied,
    /// The name has no address.
    Dns,
    /// No connection came about.
    Connect,
    /// The server's identity could not be proven, or TLS failed.
    Tls,
    /// One of [`crate::Timeouts`] fired; the message says which.
    Timeout,
    /// The connection broke.
    Reset,
    /// The body ended before its announced end.
    Truncated,
    /// One of [`crate::Caps`] fired; the message says which.
    TooLarge,
    /// The other side does not speak HTTP as it should.
    Protocol,
    /// Anything else, named.
    Other(String),
}

/// A failed request or response body. The message never holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HttpError {
    /// What failed.
    pub kind: HttpErrorKind,
    /// What happened and what to do, for a person.
    pub message: String,
    /// Whether the upstream may have seen (and billed) the request.
    pub request_sent: bool,
}

impl HttpError {
    /// An error from before anything was sent.
    pub(crate) fn unsent(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            request_sent: false,
        }
    }

    /// An error from after the request may have reached the upstream.
    pub(crate) fn sent(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            request_sent: true,
        }
    }

    /// Refused by policy, before anything was sent.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::unsent(HttpErrorKind::Denied, message)
    }
}

/// Something a plugin's call must not survive. Set once; the first one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A response, or an error about one, held the value of a credential.
    #[error(
        "The server's answer held the credential '{credential}' (in the {where_}); the call was \
         ended before the plugin saw it. If you did not expect that, replace the key."
    )]
    SecretLeak {
        /// The credential's name in the manifest.
        credential: String,
        /// Where it was found.
        where_: LeakSite,
    },
}

/// Where a credential's value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakSite {
    /// In the name or value of a response header.
    Header,
    /// In a response body.
    Body,
    /// In the text of an error.
    Error,
}

impl fmt::Display for LeakSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "headers",
            Self::Body => "body",
            Self::Error => "error text",
        })
    }
}
