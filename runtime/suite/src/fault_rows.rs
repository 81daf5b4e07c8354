//! The rows of the tables of faults: the same for every wire, because each is made of a recorded
//! answer's own bytes, of a status, or of nothing. One row says what is right of a completion and
//! what of a list of models.

use bytes::Bytes;
use serde_json::Value;
use vale_egress::HttpErrorKind;

use crate::recording::Response;
use crate::tape::{After, Random, Reply};

/// What a call may receive in the row of the answer that never ends, beside what was recorded.
const CAP: u64 = 256 << 10;

/// What is right where a row is played, and what to do where something else comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right {
    /// Kinds of error; a last `*` stands for any ending.
    pub(crate) kinds: &'static [&'static str],
    pub(crate) advice: &'static str,
    /// Of a list: to name no models is right too.
    pub(crate) or_nothing: bool,
}

/// One way in which the network or the server fails.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) reply: Reply,
    /// Of a completion; none = the row is not for it.
    pub(crate) completion: Option<Right>,
    /// Of a list of models.
    pub(crate) listing: Right,
    /// The wait that must be handed on, milliseconds.
    pub(crate) wait_ms: Option<u64>,
    /// Begins with the first part of a recorded answer, which must be told.
    pub(crate) tells: bool,
    /// A cap on what is received.
    pub(crate) cap: Option<u64>,
    /// Only the body's own shape says that it is cut.
    pub(crate) by_shape: bool,
}

impl Row {
    /// A row in which the same is right of every call.
    fn new(
        name: &'static str,
        reply: Reply,
        kinds: &'static [&'static str],
        advice: &'static str,
    ) -> Self {
        let right = Right {
            kinds,
            advice,
            or_nothing: false,
        };
        Self {
            name,
            reply,
            completion: Some(right),
            listing: right,
            wait_ms: None,
            tells: false,
            cap: None,
            by_shape: false,
        }
    }

    /// Something else is right of a list.
    fn listing(mut self, kinds: &'static [&'static str], advice: &'static str) -> Self {
        self.listing = Right {
            kinds,
            advice,
            ..self.listing
        };
        self
    }
}

pub(crate) const HAND_ON: &str =
    "Hand on the kind and the request-sent of the http error as `network`.";
const BY_STATUS: &str =
    "Map the status of an answer that is no success before reading its body as events.";
const NO_ANSWER: &str =
    "Say `malformed-response` for a success whose body is no answer of this wire.";
const HALF: &str = "Look at the body's end: an answer without the upstream's own end mark is `network.truncated`, and what came before it is told.";
const NEVER: &str = "Tell what came at once, and hand on the http error that ends the body.";
const NO_LIST: &str = "Say `malformed-response` for a success that holds no list: an empty list says that there are no models.";
const HALF_A_LIST: &str =
    "Read the body to its end and then `end`, and make a list only of a body that is whole.";
/// What half a JSON value may be called, where the network says that it is all.
const CUT_JSON: &[&str] = &["malformed-response", "network.truncated"];

/// Rows in which no answer comes.
pub(crate) fn unanswered() -> Vec<Row> {
    let fails = |kind, sent| Reply::Fails(kind, sent);
    vec![
        Row::new(
            "the connection is refused",
            fails(HttpErrorKind::Connect, false),
            &["network.connect"],
            HAND_ON,
        ),
        Row::new(
            "the name does not resolve",
            fails(HttpErrorKind::Dns, false),
            &["network.dns"],
            HAND_ON,
        ),
        Row::new(
            "the certificate is not trusted",
            fails(HttpErrorKind::Tls, false),
            &["network.tls"],
            HAND_ON,
        ),
        Row::new(
            "the connection breaks before the answer",
            fails(HttpErrorKind::Reset, true),
            &["network.reset"],
            HAND_ON,
        ),
        Row::new(
            "no answer comes",
            Reply::Silence,
            &["network.timeout"],
            HAND_ON,
        ),
    ]
}

/// Rows in which the server says no.
pub(crate) fn refused() -> Vec<Row> {
    let json = |status, headers: &[(&str, &str)]| status_row(status, headers);
    let mut limited = Row::new(
        "429 with retry-after: 7",
        json(429, &[("retry-after", "7")]),
        &["rate-limited"],
        "Say `rate-limited` for 429, with the wait of retry-after in milliseconds.",
    );
    limited.wait_ms = Some(7_000);
    vec![
        Row::new("401", json(401, &[]), &["auth.*"], BY_STATUS),
        Row::new("403", json(403, &[]), &["auth.*"], BY_STATUS),
        Row::new(
            "404",
            json(404, &[]),
            &["model-not-found", "invalid-request"],
            BY_STATUS,
        )
        .listing(
            &["invalid-request", "unsupported"],
            "Map the status. `unsupported` where it means that this server has no list.",
        ),
        limited,
        Row::new(
            "500",
            json(500, &[]),
            &["internal", "overloaded"],
            BY_STATUS,
        ),
        Row::new(
            "503",
            json(503, &[]),
            &["overloaded", "internal"],
            BY_STATUS,
        ),
        Row::new(
            "a web page with 200",
            page(200),
            &["malformed-response"],
            NO_ANSWER,
        )
        .listing(&["malformed-response"], NO_LIST),
        Row::new(
            "a web page with 502",
            page(502),
            &["internal", "overloaded", "malformed-response"],
            BY_STATUS,
        ),
        Row::new(
            "an empty answer with 200",
            Reply::Answer(response(200, "text/event-stream", ""), After::End),
            &["network.truncated", "malformed-response"],
            HALF,
        )
        .listing(CUT_JSON, NO_LIST),
        Row::new(
            "another JSON value with 200",
            Reply::Answer(
                response(200, "application/json", r#"{"status": "ready"}"#),
                After::End,
            ),
            &["malformed-response", "network.truncated"],
            NO_ANSWER,
        )
        .listing(&["malformed-response"], NO_LIST),
        Row::new(
            "an error in JSON with 200",
            status_row(200, &[]),
            &[
                "internal",
                "overloaded",
                "malformed-response",
                "other",
                "invalid-request",
                "network.truncated",
            ],
            "Look for the wire's error object in a success too; an answer that says nothing else is no success.",
        ),
    ]
}

/// Rows in which an answer begins, or seems to; `head` is its first part and `of` the whole.
pub(crate) fn begun(of: &Response, head: &Bytes) -> Vec<Row> {
    let part = |after| {
        let mut response = of.clone();
        response.body = head.clone();
        Reply::Answer(response, after)
    };
    let mut random = Random::new(7);
    let bytes: Vec<u8> = (0..256).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut garbage = of.clone();
    garbage.body = bytes.into();
    let mut rows = vec![
        Row::new(
            "the answer ends in the middle",
            part(After::End),
            &["network.truncated"],
            HALF,
        )
        .listing(CUT_JSON, HALF_A_LIST),
        Row::new(
            "the body ends before its announced end",
            part(After::Error(HttpErrorKind::Truncated)),
            &["network.truncated"],
            HALF,
        )
        .listing(&["network.truncated"], HALF_A_LIST),
        Row::new(
            "the connection breaks in the middle",
            part(After::Error(HttpErrorKind::Reset)),
            &["network.reset"],
            HAND_ON,
        ),
        Row::new(
            "silence in the middle",
            part(After::Silence),
            &["network.timeout"],
            NEVER,
        )
        .listing(&["network.timeout"], HALF_A_LIST),
        Row::new(
            "an answer that never ends",
            part(After::Lines),
            &["network.too-large", "malformed-response"],
            NEVER,
        )
        .listing(&["network.too-large", "malformed-response"], HALF_A_LIST),
    ];
    for row in &mut rows {
        row.tells = true;
    }
    if let Some(ends) = rows.first_mut() {
        ends.by_shape = true;
    }
    if let Some(endless) = rows.last_mut() {
        endless.cap = Some(CAP.saturating_add(head.len() as u64));
    }
    rows.push(Row::new(
        "random bytes in the place of an answer",
        Reply::Answer(garbage, After::End),
        &["malformed-response", "network.truncated"],
        NO_ANSWER,
    ));
    rows
}

/// Rows that only a list meets: its answer is one JSON value.
pub(crate) fn of_a_list(of: &Response) -> Vec<Row> {
    let only_listing = |name, body: Vec<u8>, right| {
        let mut response = of.clone();
        response.body = body.into();
        let mut row = Row::new(name, Reply::Answer(response, After::End), &[], "");
        (row.completion, row.listing) = (None, right);
        row
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&of.body) else {
        return Vec::new();
    };
    let short = of.body.trim_ascii_end().split_last();
    let short = short.map(|(_, rest)| rest.to_vec()).unwrap_or_default();
    retype(&mut value);
    vec![
        only_listing(
            "the last byte of the answer is missing",
            short,
            Right {
                kinds: CUT_JSON,
                advice: HALF_A_LIST,
                or_nothing: false,
            },
        ),
        only_listing(
            "values of other types in the answer",
            value.to_string().into_bytes(),
            Right {
                kinds: &["malformed-response"],
                advice: "Look at a value's type before using it; an entry without a name is no model.",
                or_nothing: true,
            },
        ),
    ]
}

/// Whether a body says by its own shape that it is whole.
pub(crate) fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// Texts and flags become numbers, and numbers flags: nothing becomes a text, which may be a name.
fn retype(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::String(_) | Value::Bool(_) => *value = 17.into(),
        Value::Number(_) => *value = true.into(),
        Value::Array(items) => items.iter_mut().for_each(retype),
        Value::Object(members) => members.values_mut().for_each(retype),
    }
}

pub(crate) fn response(status: u16, media_type: &str, body: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), media_type.to_owned())],
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// An error that says no more than its status.
pub(crate) fn status_row(status: u16, headers: &[(&str, &str)]) -> Reply {
    let body = r#"{"error": {"message": "The suite made this failure.", "type": "server_error"}}"#;
    let mut response = response(status, "application/json", body);
    let more = headers.iter();
    response
        .headers
        .extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Reply::Answer(response, After::End)
}

fn page(status: u16) -> Reply {
    let body = "<!doctype html><title>Sign in</title><p>The network wants you to sign in first.";
    Reply::Answer(
        response(status, "text/html; charset=utf-8", body),
        After::End,
    )
}

/// The first half of a body, up to a line's end where it has lines.
pub(crate) fn head(body: &Bytes) -> Bytes {
    let half = body.slice(..body.len() / 2);
    let blank = half
        .windows(2)
        .rposition(|two| two == b"\n\n")
        .map(|at| at + 2);
    let line = || {
        half.iter()
            .rposition(|byte| *byte == b'\n')
            .map(|at| at + 1)
    };
    match blank.or_else(line) {
        Some(end) => half.slice(..end),
        None => half,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_by_a_byte_and_loses_its_types() {
        let of = |body| response(200, "application/json", body);
        let rows = of_a_list(&of(
            "{\"data\": [{\"id\": \"a\", \"n\": 1, \"x\": null}]}\n",
        ));
        let bodies: Vec<_> = rows
            .iter()
            .map(|row| match &row.reply {
                Reply::Answer(response, After::End) => response.body.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            bodies,
            [
                "{\"data\": [{\"id\": \"a\", \"n\": 1, \"x\": null}]",
                "{\"data\":[{\"id\":17,\"n\":true,\"x\":null}]}",
            ]
        );
        assert!(rows.iter().all(|row| row.completion.is_none()));
        assert!(of_a_list(&of("small\nlarge\n")).is_empty());
    }

    #[test]
    fn the_first_part_of_an_answer_ends_with_a_line() {
        for (body, expected) in [
            ("data: 1\n\ndata: 2\n\ndata: 3\n\n", "data: 1\n\n"),
            ("{\"a\":1}\n{\"a\":2}\n{\"b\":3}\n", "{\"a\":1}\n"),
            ("{\"a\":12}", "{\"a\""),
            ("", ""),
        ] {
            let head = head(&Bytes::copy_from_slice(body.as_bytes()));
            assert_eq!(head, expected, "{body:?}");
        }
    }
}
