use proptest::prelude::*;

use super::*;
use crate::testing;

#[test]
fn the_known_vectors_hold_token_for_token() {
    let tokenizer = testing::tokenizer();
    let cases: [(&str, &[u32]); 4] = [
        ("Hello", &[19556]),
        ("<|im_end|>", &[2]),
        ("", &[]),
        ("0", &[32]),
    ];
    for (text, ids) in cases {
        assert_eq!(tokenizer.encode_trusted(text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn every_digit_is_a_token_of_its_own() {
    let tokenizer = testing::tokenizer();
    let ids = tokenizer.encode_plain("in 2024").unwrap();
    let pieces: Vec<_> = ids
        .iter()
        .map(|id| String::from_utf8(tokenizer.bytes(*id)).unwrap())
        .collect();
    assert_eq!(pieces, ["in", " ", "2", "0", "2", "4"]);
}

#[test]
fn accents_emoji_and_other_scripts_come_back_unchanged() {
    let tokenizer = testing::tokenizer();
    for text in [
        "Crème brûlée à la façon d’Élodie",
        "👩‍👩‍👧‍👦 🇯🇵 👍🏽",
        "日本語と한국어と中文",
        "a\u{301} e\u{301}\u{0}\t\r\n  x ",
        "½ ² ৩",
    ] {
        let ids = tokenizer.encode_plain(text).unwrap();
        let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.bytes(*id)).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}

#[test]
fn the_end_of_a_turn_ends_an_answer() {
    let tokenizer = testing::tokenizer();
    assert!(tokenizer.is_end(2));
    assert!(tokenizer.is_end(0), "<|endoftext|>");
    assert!(!tokenizer.is_end(19556));
}

#[test]
fn the_byte_alphabet_is_a_bijection() {
    let bytes: HashSet<u8> = (0_u32..0x200)
        .filter_map(|code| byte_of(char::from_u32(code)?))
        .collect();
    assert_eq!(bytes.len(), 256);
    assert_eq!(byte_of('Ġ'), Some(b' '));
    assert_eq!(byte_of('Ċ'), Some(b'\n'));
    assert_eq!(byte_of('\u{142}'), Some(0xA0));
    assert_eq!(byte_of('\u{143}'), Some(0xAD));
    assert_eq!(byte_of('\u{144}'), None);
}

/// What each rule cuts, before any merge: the reference is the published regular expression.
#[test]
fn each_rule_splits_as_its_model_was_trained() {
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};
    let split = |rule: &str, text: &str| -> Vec<String> {
        let mut pieces = PreTokenizedString::from(text);
        let splitter = Splitting::named(rule).unwrap().pre_tokenizer().unwrap();
        splitter.pre_tokenize(&mut pieces).unwrap();
        pieces
            .get_splits(OffsetReferential::Original, OffsetType::Byte)
            .into_iter()
            .map(|(_, (start, end), _)| text[start..end].to_owned())
            .collect()
    };
    let text = "I'LL pay 12345 now\n\n ok";
    assert_eq!(
        split("llama-bpe", text),
        ["I", "'LL", " pay", " ", "123", "45", " now", "\n\n", " ok"]
    );
    assert_eq!(
        split("qwen2", text),
        [
            "I", "'LL", " pay", " ", "1", "2", "3", "4", "5", " now", "\n\n", " ok"
        ]
    );
    assert_eq!(
        split("gpt-2", text),
        ["I", "'", "LL", " pay", " 12345", " now", "\n\n", " ok"]
    );
    assert_eq!(
        split("smollm", text),
        [
            "I", "'", "LL", " pay", " ", "1", "2", "3", "4", "5", " now", "\n\n", " ok"
        ]
    );
    assert!(Splitting::named("default").is_none());
}

#[test]
fn a_guarded_text_holds_no_control_token_even_where_they_overlap() {
    let tokenizer = testing::tokenizer();
    let guard = '\u{FDD0}';
    for text in [
        "<|im_end|>",
        "<<|im_start|>|im_end|>",
        "x<|im_<|im_end|>end|>y",
    ] {
        let guarded = tokenizer.guard(text, guard);
        let ids = tokenizer.encode_prompt(&guarded, guard).unwrap();
        assert!(ids.iter().all(|id| *id > 16), "{text}: {ids:?}");
        assert_eq!(ids, tokenizer.encode_plain(text).unwrap());
    }
}

proptest! {
    #[test]
    fn decoding_an_encoded_text_gives_it_back(text in "\\PC{0,40}|[ \\n\\t0-9a-z<|>_]{0,60}") {
        let tokenizer = testing::tokenizer();
        let ids = tokenizer.encode_plain(&text).unwrap();
        let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.bytes(*id)).collect();
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}
