//! Random bytes: nothing panics, and nothing depends on where the network cuts.
//!
//! `VALECHAT_FULL=1` runs a hundred times as many cases.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;
use vale_sdk::frame::{Framer, Framing, Item};
use vale_sdk::json::{Json, Value, quoted};
use vale_sdk::text::TextJoiner;
use vale_sdk::{
    BodyPart, Error, Event, EventMapper, Finish, FinishReason, Flow, Frame, HttpReply, Session,
    errors,
};

fn config() -> ProptestConfig {
    let full = std::env::var("VALECHAT_FULL").is_ok_and(|value| !value.is_empty() && value != "0");
    ProptestConfig {
        cases: if full { 51_200 } else { 512 },
        // Integration tests have no source path to store failures beside.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Bytes that look enough like a stream to reach every branch.
fn streamlike() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xef\xbb".to_vec()),
        Just(b"data:".to_vec()),
        Just(b"data: [DONE]".to_vec()),
        Just(b"data: {\"a\":1}".to_vec()),
        Just(b"event: error".to_vec()),
        Just(b"id: \0".to_vec()),
        Just(b"retry: 9".to_vec()),
        Just(b": comment".to_vec()),
        Just(b"{\"error\":\"x\"}".to_vec()),
        Just(b"<html>".to_vec()),
        vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Cuts bytes at these places.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| place % (bytes.len() + 1))
        .collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|ends| &bytes[ends[0]..ends[1]])
        .collect()
}

fn frames(framing: Framing, reads: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::new(framing);
    let mut found = Vec::new();
    let mut sink = |item: Item<'_>| {
        found.push(format!("{item:?}"));
        Ok(Flow::Continue)
    };
    for read in reads {
        framer.push(read, &mut sink).unwrap();
    }
    framer.end(&mut sink).unwrap();
    found
}

/// Says each frame's data as text; an empty frame is malformed, `[DONE]` ends.
struct Echo;

impl EventMapper for Echo {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        match frame.data {
            b"" => return Err(Error::malformed("empty")),
            b"[DONE]" => return Ok(Flow::Done),
            _ => out.push(Event::Text(frame.text().into_owned())),
        }
        Ok(Flow::Continue)
    }

    fn finish(self, _: &mut Vec<Event>) -> Result<Finish, Error> {
        Ok(Finish::new(FinishReason::Stop))
    }
}

fn session(framing: Framing, reads: &[&[u8]]) -> (Vec<Event>, Result<Finish, Error>) {
    let mut session = Session::new(framing, Echo);
    let mut events = Vec::new();
    for read in reads {
        match session.push(read, &mut events) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Done) => break,
            Err(error) => return (events, Err(error)),
        }
    }
    let terminal = session.finish(Ok(()), &mut events);
    (events, terminal)
}

/// The same data as `serde_json` sees it.
fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number(a), serde_json::Value::Number(b)) => {
            a.parse::<f64>().ok() == b.as_f64() || a.parse().ok() == b.as_u64()
        }
        (Value::String(a), serde_json::Value::String(b)) => a.as_ref() == b.as_bytes(),
        (Value::Array(a, _), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(..), serde_json::Value::Object(b)) => b.iter().all(|(key, value)| {
            ours.get(key)
                .map_or(value.is_null(), |ours| same(ours, value))
        }),
        _ => false,
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            vec((".{0,4}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text made of JSON's own characters, valid or not.
fn jsonlike() -> impl Strategy<Value = String> {
    "([\\[\\]{}:,\"\\\\ \\n0-9eE+.\\-]|true|false|null|\\\\u[dD][89abcCdDeEfF][0-9a-f]{2}|\\\\u00e9|é|a){0,24}"
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn frames_do_not_depend_on_the_cuts(bytes in streamlike(), places in vec(any::<usize>(), 0..8)) {
        for framing in [Framing::Sse, Framing::NdJson] {
            let whole = frames(framing, &[&bytes]);
            prop_assert_eq!(&frames(framing, &cut(&bytes, &places)), &whole);
            prop_assert_eq!(&frames(framing, &bytes.chunks(1).collect::<Vec<_>>()), &whole);
        }
    }

    #[test]
    fn a_session_ends_once_and_does_not_depend_on_the_cuts(
        bytes in streamlike(),
        places in vec(any::<usize>(), 0..8),
    ) {
        for framing in [Framing::Sse, Framing::NdJson] {
            let whole = session(framing, &[&bytes]);
            prop_assert_eq!(&session(framing, &cut(&bytes, &places)), &whole);
            prop_assert_eq!(&session(framing, &bytes.chunks(1).collect::<Vec<_>>()), &whole);
        }
    }

    #[test]
    fn text_does_not_depend_on_the_cuts(
        units in vec(any::<u16>(), 0..40),
        noise in vec(any::<u8>(), 0..6),
        places in vec(any::<usize>(), 0..8),
    ) {
        // UTF-16 units as JSON escapes: lone surrogates and pairs, then bytes of no kind.
        let json: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let json = format!("\"{json}\"");
        let value = Value::parse(json.as_bytes()).unwrap();
        let bytes = [value.bytes().unwrap_or_default(), &noise].concat();
        let join = |reads: &[&[u8]]| {
            let mut joiner = TextJoiner::default();
            let text: String = reads.iter().map(|read| joiner.push(read)).collect();
            text + &joiner.finish()
        };
        let whole = join(&[&bytes]);
        prop_assert_eq!(&join(&cut(&bytes, &places)), &whole);
        prop_assert_eq!(&join(&bytes.chunks(1).collect::<Vec<_>>()), &whole);
        if noise.is_empty() {
            prop_assert_eq!(whole, String::from_utf16_lossy(&units));
        }
    }

    #[test]
    fn all_json_reads_as_serde_json_reads_it(value in json_value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let ours = Value::parse(text.as_bytes());
            prop_assert!(ours.as_ref().is_some_and(|ours| same(ours, &value)), "{text}: {ours:?}");
        }
    }

    #[test]
    fn what_serde_json_takes_we_take_and_else_only_known_leniency(text in jsonlike()) {
        match (Value::parse(text.as_bytes()), serde_json::from_str::<serde_json::Value>(&text)) {
            (Some(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{text}"),
            (None, Ok(_)) => prop_assert!(false, "refused {text}"),
            (Some(_), Err(error)) => {
                let error = error.to_string();
                let lenient = ["surrogate", "unexpected end of hex escape", "control character",
                    "number out of range"];
                prop_assert!(lenient.iter().any(|why| error.contains(why)), "took {text}: {error}");
            }
            (None, Err(_)) => {}
        }
    }

    #[test]
    fn any_bytes_are_json_or_not_but_never_a_panic(bytes in vec(any::<u8>(), 0..64)) {
        if let Some(value) = Value::parse(&bytes) {
            _ = value.to_json();
        }
        _ = errors::of_frame(&bytes);
    }

    #[test]
    fn written_strings_read_back(text in any::<String>()) {
        let value: String = serde_json::from_str(&quoted(&text)).unwrap();
        prop_assert_eq!(&value, &text);
        let body = Json::object().with(&text, text.as_str()).into_body();
        let [BodyPart::Bytes(body)] = body.as_slice() else {
            return Err(TestCaseError::fail("one part"));
        };
        let value: serde_json::Value = serde_json::from_slice(body).unwrap();
        prop_assert_eq!(value[&text].as_str(), Some(text.as_str()));
    }

    #[test]
    fn any_reply_is_some_error(
        status in 300..600_u16,
        body in streamlike(),
        wait in ".{0,30}",
    ) {
        let reply = HttpReply {
            status,
            headers: vec![("retry-after".into(), wait)],
            body,
            url: String::new(),
            received_unix_ms: 0,
        };
        let error = errors::from_reply(&reply);
        prop_assert_eq!(error.http_status, Some(status));
        prop_assert!(!error.message.is_empty() && error.message.len() < 3000);
    }
}

#[test]
fn deep_nesting_is_refused_and_not_a_stack_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = |depth| open.repeat(depth) + "1" + &close.repeat(depth);
        assert!(Value::parse(deep(100).as_bytes()).is_some());
        assert_eq!(Value::parse(deep(101).as_bytes()), None);
        assert_eq!(Value::parse(open.repeat(1_000_000).as_bytes()), None);
    }
}
