//! Records as they were written by each version of the app: they are read for ever. A file here is
//! never changed. `VALECHAT_GOLDEN=write` adds the files of a new kind or version, and only those.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rmpv::Value;
use vale_chat::Record;
use vale_chat::record::{RecordError, kind};

fn file(record: &Record, ending: &str) -> PathBuf {
    let name = record.name().replace(' ', "-");
    let file = format!("{name}-v{}.{ending}", record.version());
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file)
}

fn kept(record: &Record, ending: &str, made: &dyn Fn() -> Vec<u8>) -> Vec<u8> {
    let path = file(record, ending);
    if !path.exists() && std::env::var_os("VALECHAT_GOLDEN").is_some() {
        fs::write(&path, made()).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bytes_of(record: &Record) -> Vec<u8> {
    kept(record, "bin", &|| record.encode().unwrap())
}

fn decode(record: &Record, value: &Value) -> Result<Record, RecordError> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    Record::decode(record.kind(), record.version(), &bytes)
}

fn value_of(record: &Record) -> Value {
    rmpv::decode::read_value(&mut bytes_of(record).as_slice()).unwrap()
}

#[test]
fn there_is_one_sample_of_each_kind() {
    let kinds: Vec<u16> = samples::all().iter().map(Record::kind).collect();
    assert_eq!(kinds, kind::ALL);
}

#[test]
fn what_was_once_written_is_read() {
    for expected in samples::all() {
        let (kind, version) = (expected.kind(), expected.version());
        assert_eq!(
            Record::decode(kind, version, &bytes_of(&expected)),
            Ok(expected.clone()),
            "{}",
            expected.name()
        );
        let json = kept(&expected, "json", &|| {
            (expected.encode_json().unwrap() + "\n").into_bytes()
        });
        let json = String::from_utf8(json).unwrap();
        assert_eq!(
            Record::decode_json(kind, version, &json),
            Ok(expected.clone()),
            "{}",
            expected.name()
        );
        let again = Record::decode(kind, version, &expected.encode().unwrap());
        assert_eq!(again, Ok(expected));
    }
}

type Entries = Vec<(Value, Value)>;

/// Every map of the value, with the words that lead to it.
fn maps(value: &mut Value, path: &str, visit: &mut dyn FnMut(&str, &mut Entries)) {
    match value {
        Value::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                let key = key.as_str().unwrap_or("?");
                maps(value, &format!("{path}.{key}"), visit);
            }
            visit(path, entries);
        }
        Value::Array(values) => {
            for value in values {
                maps(value, path, visit);
            }
        }
        _ => {}
    }
}

#[test]
fn a_field_that_a_later_version_added_does_no_harm() {
    for expected in samples::all() {
        let mut value = value_of(&expected);
        let mut added = 0;
        maps(&mut value, "", &mut |_, entries| {
            let later = Value::Map(vec![("x".into(), Value::Binary(vec![0xff]))]);
            entries.push(("added-later".into(), later));
            added += 1;
        });
        assert!(added > 0);
        assert_eq!(decode(&expected, &value), Ok(expected));
    }
}

/// A field that is missing is as it was before there was one; only these have been there from the
/// beginning of their kind, and the list never grows.
#[test]
fn a_field_that_an_earlier_version_did_not_have_is_empty() {
    let mut required = BTreeSet::new();
    for sample in samples::all() {
        let mut fields = Vec::new();
        maps(&mut value_of(&sample), "", &mut |path, entries| {
            for (key, _) in entries.iter() {
                fields.push((path.to_owned(), key.clone()));
            }
        });
        fields.dedup();
        assert!(!fields.is_empty());
        for (at, field) in fields {
            let mut value = value_of(&sample);
            maps(&mut value, "", &mut |path, entries| {
                if path == at {
                    entries.retain(|(key, _)| *key != field);
                }
            });
            if let Err(error) = decode(&sample, &value) {
                let message = error.to_string();
                // A part without its word says nothing at all.
                let last = at.rsplit('.').next().unwrap();
                let named =
                    message.contains(&format!("missing field `{}`", field.as_str().unwrap()));
                assert!(
                    named || message.contains("a map of one entry"),
                    "{at}: {message}"
                );
                if named {
                    required.insert(format!("{last}.{}", field.as_str().unwrap()));
                }
            }
        }
    }
    let expected = include_str!("golden/required-fields.txt");
    let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
    assert_eq!(required, expected);
}

/// Replaces every text that equals `old`.
fn replace(value: &mut Value, old: &str, new: &str) -> usize {
    match value {
        Value::String(text) if text.as_str() == Some(old) => {
            *value = new.into();
            1
        }
        Value::Map(entries) => entries
            .iter_mut()
            .map(|(key, value)| replace(key, old, new) + replace(value, old, new))
            .sum(),
        Value::Array(values) => values
            .iter_mut()
            .map(|value| replace(value, old, new))
            .sum(),
        _ => 0,
    }
}

#[test]
fn a_word_that_is_not_known_here_is_written_back_as_it_was_read() {
    let words = [
        ("message-added-v1", "assistant"),
        ("message-added-v1", "complete"),
        ("message-added-v1", "max-tokens"),
        ("message-added-v1", "fallback"),
        ("message-added-v1", "failed"),
        ("message-added-v1", "tool-result"),
        ("message-added-v1", "long-text"),
        ("message-added-v1", "image"),
        ("message-added-v1", "stored"),
        ("message-added-v1", "file"),
        ("message-added-v1", "redacted-thinking"),
        ("conversation-created-v1", "automatic"),
        ("conversation-created-v1", "budget"),
        ("text-delta-v1", "thinking"),
        ("message-ended-v1", "cancelled"),
        ("attempt-ended-v1", "failed"),
    ];
    for (of, word) in words {
        let all = samples::all();
        let found = all
            .iter()
            .find(|sample| file(sample, "bin").file_stem().unwrap() == of);
        let sample = found.unwrap();
        let mut value = value_of(sample);
        assert!(
            replace(&mut value, word, "of-a-later-version") > 0,
            "{of}: {word}"
        );
        let record = decode(sample, &value).unwrap();
        assert_ne!(&record, sample);
        let back = rmpv::decode::read_value(&mut record.encode().unwrap().as_slice()).unwrap();
        assert_eq!(back, value, "{of}: {word}");
        // The same through JSON.
        let json = record.encode_json().unwrap();
        let again = Record::decode_json(sample.kind(), sample.version(), &json).unwrap();
        assert_eq!(again.encode_json().unwrap(), json);
    }
}

#[test]
fn what_a_newer_app_wrote_and_what_is_damaged_are_told_apart() {
    let sample = &samples::all()[0];
    let bytes = bytes_of(sample);
    let kind = sample.kind();
    assert_eq!(
        Record::decode(0x01ff, 3, &bytes),
        Err(RecordError::UnknownKind {
            kind: 0x01ff,
            version: 3
        })
    );
    let newer = Record::decode(kind, 9, &bytes).unwrap_err();
    assert!(matches!(
        newer,
        RecordError::NewerVersion {
            version: 9,
            newest: 1,
            ..
        }
    ));
    assert!(
        newer
            .to_string()
            .contains("“conversation created” (0x0101)"),
        "{newer}"
    );
    for damaged in [&bytes[..bytes.len() - 1], &[][..], &[0xc1][..]] {
        let error = Record::decode(kind, 1, damaged).unwrap_err();
        assert!(matches!(error, RecordError::Unreadable { .. }), "{error}");
    }
    assert!(matches!(
        Record::decode(kind, 0, &bytes),
        Err(RecordError::Unreadable { .. })
    ));
}

/// No payload, however broken, ends the app: each is cut at every place and each byte is flipped.
#[test]
fn a_damaged_payload_is_an_error_and_never_more() {
    let mut refused = 0;
    for sample in samples::all() {
        let bytes = bytes_of(&sample);
        for at in 0..bytes.len() {
            refused += usize::from(Record::decode(sample.kind(), 1, &bytes[..at]).is_err());
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                // Many flips only change a text; what matters is that all of them come back.
                let _ = Record::decode(sample.kind(), 1, &damaged);
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_payload_that_nests_without_end_is_an_error() {
    // A message with one part of an unknown form, which holds a list in a list in a list …
    let mut bomb: Vec<u8> = vec![0x82];
    bomb.extend_from_slice(
        b"\xacconversation\xc4\x10aaaaaaaaaaaaaaaa\xa7message\x81\xa5parts\x91\x81\xa3new",
    );
    bomb.extend(std::iter::repeat_n(0x91, 1_000_000));
    let error = Record::decode(kind::MESSAGE_ADDED, 1, &bomb).unwrap_err();
    assert!(error.to_string().contains("depth"), "{error}");

    // The deepest that JSON lets in can be written and read.
    let Record::MessageAdded(mut deep) = samples::all().remove(2) else {
        panic!("the third sample is a message");
    };
    let lists = format!("{}{}", "[".repeat(124), "]".repeat(124));
    deep.message.parts = serde_json::from_str(&format!(r#"[{{"new":{lists}}}]"#)).unwrap();
    let deep = Record::from(deep);
    let bytes = deep.encode().unwrap();
    assert_eq!(Record::decode(deep.kind(), 1, &bytes), Ok(deep));
}

#[test]
fn leaving_a_field_and_emptying_it_are_two_things() {
    use vale_chat::record::ConversationPatch;
    use vale_chat::{Change, model::Conversation};

    let Record::ConversationCreated(created) = samples::all().remove(0) else {
        panic!("the first sample is a conversation");
    };
    let read = |json: &str| -> ConversationPatch { serde_json::from_str(json).unwrap() };
    let after = |patch: &ConversationPatch| -> Conversation {
        let mut conversation = created.conversation.clone();
        patch.apply(&mut conversation);
        conversation
    };
    assert!(read("{}").is_empty());
    assert_eq!(after(&read("{}")), created.conversation);
    let clear = read(r#"{"system_prompt":null,"settings":{"temperature":null}}"#);
    assert_eq!(clear.system_prompt, Change::Clear);
    let cleared = after(&clear);
    assert_eq!(cleared.system_prompt, None);
    assert_eq!(cleared.settings.temperature, None);
    assert_eq!(
        cleared.settings.thinking,
        created.conversation.settings.thinking
    );
    assert_eq!(cleared.model, created.conversation.model);
    assert_eq!(
        serde_json::to_string(&clear).unwrap(),
        r#"{"system_prompt":null,"settings":{"temperature":null}}"#
    );
}
