//! Between the stored form and the contract's: nothing is lost on the way there and back.
#![expect(clippy::panic, reason = "tests")]

mod samples;

use vale_chat::Record;
use vale_chat::model::{
    Attachment, BlobHash, ConvertError, Finish, Media, Message, ModelName, Part, Role, Thinking,
    ThinkingMode, Usage,
};
use vale_types as domain;

fn sample() -> Message {
    let Record::MessageAdded(added) = samples::all().remove(2) else {
        panic!("the third sample is a message");
    };
    added.message
}

/// What the contract has no place for: the text taken out of a file.
fn without_text(value: &str) -> String {
    let text = format!(r#","text":"{}""#, BlobHash::new([0xcd; 32]));
    assert!(value.contains(&text));
    value.replace(&text, "")
}

#[test]
fn parts_go_to_the_contract_and_come_back() {
    let mut message = sample();
    message
        .parts
        .retain(|part| !matches!(part, Part::LongText(_)));
    let parts = message.parts.clone();
    assert_eq!(parts.len(), 9);
    let sent = domain::Message::try_from(message).unwrap();
    assert_eq!(sent.role, domain::Role::Assistant);
    assert_eq!(sent.extras.len(), 1);
    assert_eq!(
        sent.origin.unwrap().to_string(),
        "anthropic/claude-sonnet-4-5"
    );
    let back: Vec<Part> = sent
        .parts
        .into_iter()
        .map(|part| part.try_into().unwrap())
        .collect();
    let [back, parts] = [back, parts].map(|parts| serde_json::to_string(&parts).unwrap());
    assert_eq!(back, without_text(&parts));
}

#[test]
fn usage_goes_to_the_contract_and_comes_back_to_the_last_digit() {
    let usage = sample().usage.unwrap();
    let there = domain::Usage::try_from(usage.clone()).unwrap();
    let cost = there.reported_cost.clone().unwrap();
    assert_eq!(cost.amount.to_string(), "0.00012345678901234567890123");
    assert_eq!(there.reasoning, Some(u64::MAX));
    assert_eq!(Usage::from(there), usage);
    let mut wrong = usage;
    wrong.reported_cost.as_mut().unwrap().amount = "a lot".into();
    assert_eq!(
        domain::Usage::try_from(wrong),
        Err(ConvertError::Amount("a lot".into()))
    );
}

#[test]
fn words_of_the_contract_that_are_not_known_here_come_back() {
    for role in [
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "narrator",
    ] {
        let there = domain::Role::from(Role::from(role));
        assert_eq!(matches!(there, domain::Role::Other(_)), role == "narrator");
        assert_eq!(Role::from(there).as_str(), role);
    }
    let words = [
        "stop",
        "max-tokens",
        "tool-calls",
        "content-filter",
        "refusal",
        "cancelled",
        "paused",
        "bored",
    ];
    for word in words {
        let there = domain::FinishReason::from(Finish::from(word));
        assert_eq!(
            matches!(there, domain::FinishReason::Other(_)),
            word == "bored"
        );
        assert_eq!(Finish::from(there).as_str(), word);
    }
    for mode in [
        domain::ThinkingMode::Default,
        domain::ThinkingMode::Off,
        domain::ThinkingMode::Effort("high".into()),
        domain::ThinkingMode::Budget(4096),
        domain::ThinkingMode::Other("deep".into()),
    ] {
        assert_eq!(
            domain::ThinkingMode::from(Thinking::from(mode.clone())),
            mode
        );
    }
    // A wish without its measure is no wish.
    let vague = Thinking {
        mode: ThinkingMode::Budget,
        effort: None,
        tokens: None,
    };
    assert_eq!(
        domain::ThinkingMode::from(vague),
        domain::ThinkingMode::Default
    );
}

#[test]
fn a_part_of_a_later_version_is_passed_on_by_its_name() {
    let part: Part = serde_json::from_str(r#"{"hologram":{"depth":3,"of":["x",null]}}"#).unwrap();
    let domain::Part::Other(extra) = domain::Part::try_from(part).unwrap() else {
        panic!("it is not known here");
    };
    assert_eq!(extra.name, "hologram");
    assert_eq!(extra.json, r#"{"depth":3,"of":["x",null]}"#);
}

#[test]
fn what_is_not_stored_or_not_read_yet_is_refused() {
    let blob = domain::Blob {
        id: "upload-1".into(),
        media_type: "image/png".into(),
        size: 3,
        name: None,
    };
    let media = domain::Media::Blob(blob);
    let error = Part::try_from(domain::Part::Image(media)).unwrap_err();
    assert_eq!(error, ConvertError::NotStored("upload-1".into()));
    let hash = BlobHash::new([0xab; 32]);
    let long = sample().parts[1].clone();
    assert_eq!(
        domain::Part::try_from(long),
        Err(ConvertError::LongText(hash))
    );
    let provider = ModelName {
        provider: "ChatGPT (web)".into(),
        model: "gpt-4".into(),
    };
    assert_eq!(
        domain::ModelRef::try_from(provider.clone()),
        Err(ConvertError::Provider("ChatGPT (web)".into()))
    );
    // An imported answer is sent all the same, as nobody's.
    let mut imported = sample();
    imported.parts = vec![Part::text("x")];
    imported.model = Some(provider);
    assert_eq!(domain::Message::try_from(imported).unwrap().origin, None);
    let Part::Image(Media::Stored(file)) = &sample().parts[2] else {
        panic!("the third part is a stored image");
    };
    let there = domain::Blob::from(file.clone());
    assert_eq!(there.id, hash.to_string());
    let back = Attachment::try_from(there).unwrap();
    assert_eq!((back.blake3, back.size), (file.blake3, file.size));
}
