//! The tool natively, against a host without a network. `valechat plugin test .` replays `recordings/`
//! through the component itself.

use count_tool::Count;
use vale_sdk::Error;
use vale_sdk::tool::testkit::{FakeHost, text_of};

#[test]
fn a_text_is_counted_by_characters_not_by_bytes() -> Result<(), Error> {
    let host = FakeHost::with_settings("{}")?;
    let result = host.call::<Count>("count", r#"{"text": "Größe 👋\n"}"#)?;
    assert_eq!(text_of(&result), "8 characters, 2 words, 1 lines.");
    assert!(!result.is_error);
    Ok(())
}

#[test]
fn what_is_wrong_is_said_to_the_model() -> Result<(), Error> {
    let host = FakeHost::with_settings("{}")?;
    let result = host.call::<Count>("count", r#"{"text": "a", "find": ""}"#)?;
    assert_eq!(text_of(&result), "find must not be empty.");
    assert!(result.is_error);
    Ok(())
}
