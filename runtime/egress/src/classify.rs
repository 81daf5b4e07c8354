//! From the client's nested errors to one kind and one sentence.
//!
//! reqwest's own predicates do not tell a truncated body from a reset connection, or a refused
//! address from an unknown name, so the chain of causes is walked.

use std::error::Error;
use std::io;

use crate::resolve::{BlockedAddress, NoAddress};
use crate::{HttpError, HttpErrorKind};

/// Which half of the exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Until the response's head.
    Head,
    /// While its body arrived.
    Body,
}

/// Names what went wrong with the exchange with `host`.
pub(crate) fn classify_error(error: &reqwest::Error, stage: Stage, host: &str) -> HttpError {
    if let Some(blocked) = find::<BlockedAddress>(error) {
        return HttpError::denied(format!("The request was refused: {blocked}."));
    }
    if let Some(missing) = find::<NoAddress>(error) {
        return HttpError::unsent(
            HttpErrorKind::Dns,
            format!("{host} could not be found: {missing}. Check the address and the network."),
        );
    }
    let (kind, what) = kind_of(error, stage);
    let never_sent = error.is_connect()
        || error.is_builder()
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled);
    let message = format!("{} ({}).", what.replace("{}", host), deepest(error));
    HttpError {
        kind,
        message,
        request_sent: !never_sent,
    }
}

fn kind_of(error: &reqwest::Error, stage: Stage) -> (HttpErrorKind, &'static str) {
    use HttpErrorKind::{Connect, Protocol, Reset, Timeout, Tls, TooLarge, Truncated};
    const TRUNCATED: (HttpErrorKind, &str) =
        (Truncated, "{} ended its answer before it was complete");
    const BROKE: (HttpErrorKind, &str) = (Reset, "The connection to {} broke");
    const HUNG_UP: (HttpErrorKind, &str) = (Reset, "{} closed the connection without an answer");
    const GARBLED: (HttpErrorKind, &str) = (Protocol, "{} sent something that is not valid HTTP");

    if error.is_timeout() {
        return (Timeout, "{} could not be reached in time");
    }
    if find::<rustls::Error>(error).is_some() {
        return (Tls, "No secure connection to {} could be made");
    }
    if error.is_connect() {
        return (
            Connect,
            "No connection to {} could be made; is it running and reachable?",
        );
    }
    if let Some(hyper) = find::<hyper::Error>(error) {
        if hyper.is_parse_too_large() {
            return (TooLarge, "The headers of the answer from {} are too large");
        }
        if hyper.is_parse() {
            return GARBLED;
        }
        if hyper.is_incomplete_message() {
            return if stage == Stage::Body {
                TRUNCATED
            } else {
                HUNG_UP
            };
        }
    }
    match (find::<io::Error>(error).map(io::Error::kind), stage) {
        (Some(io::ErrorKind::UnexpectedEof), Stage::Body) => TRUNCATED,
        (Some(io::ErrorKind::UnexpectedEof), Stage::Head) => HUNG_UP,
        (Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput), _) => GARBLED,
        (Some(io::ErrorKind::TimedOut), _) => (Timeout, "The connection to {} timed out"),
        _ if error.is_builder() => (Protocol, "The request to {} could not be written"),
        _ => BROKE,
    }
}

/// The next cause. An `io::Error` with an error inside passes over it in `source()`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The innermost error of this type: outer ones only wrap what happened.
fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut found = None;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref::<T>().or(found);
        next = cause(error);
    }
    found
}

fn deepest(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&(dyn Error + 'static)> = Error::source(error);
    while let Some(error) = next {
        text = error.to_string();
        next = cause(error);
    }
    if text.is_empty() {
        "no reason given".to_owned()
    } else {
        text
    }
}
