//! Text that arrives in pieces cut in the wrong place.
//!
//! Servers written in JavaScript cut strings between UTF-16 units, so that one chunk ends in
//! `\ud83c` and the next begins with `\uddf5`; byte-level tokenizers cut inside a UTF-8 sequence.
//! [`crate::json::Value`] hands such a string over as bytes (lone surrogates encoded as WTF-8 has
//! them), and [`TextJoiner`] puts the halves together.

use crate::types::Event;

/// Joins the pieces of one text; each push gives what is certain so far.
#[derive(Clone, Debug, Default)]
pub struct TextJoiner {
    /// The start of a character whose rest has not come: at most five bytes.
    held: Vec<u8>,
}

/// One step of decoding.
enum Step {
    Character(char, usize),
    Replace(usize),
    Hold,
}

impl TextJoiner {
    /// Takes the next piece and gives all text that it completes. Half a character at its end is
    /// held back.
    pub fn push(&mut self, piece: &[u8]) -> String {
        if self.held.is_empty()
            && let Ok(text) = std::str::from_utf8(piece)
        {
            return text.to_string();
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let valid = match std::str::from_utf8(rest) {
                Ok(valid) => valid,
                Err(error) => rest
                    .get(..error.valid_up_to())
                    .and_then(|valid| std::str::from_utf8(valid).ok())
                    .unwrap_or_default(),
            };
            text.push_str(valid);
            rest = rest.get(valid.len()..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let used = match step(rest) {
                Step::Character(character, used) => {
                    text.push(character);
                    used
                }
                Step::Replace(used) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    used
                }
                Step::Hold => {
                    rest.clone_into(&mut self.held);
                    break;
                }
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        text
    }

    /// As [`push`](Self::push), as an event; none if nothing is certain yet.
    pub fn emit(&mut self, piece: &[u8], event: fn(String) -> Event, out: &mut Vec<Event>) {
        let text = self.push(piece);
        if !text.is_empty() {
            out.push(event(text));
        }
    }

    /// As [`finish`](Self::finish), as an event; none if nothing is held.
    pub fn emit_rest(&mut self, event: fn(String) -> Event, out: &mut Vec<Event>) {
        let text = self.finish();
        if !text.is_empty() {
            out.push(event(text));
        }
    }

    /// No more pieces come: U+FFFD for a half that is still held, else nothing.
    pub fn finish(&mut self) -> String {
        if std::mem::take(&mut self.held).is_empty() {
            String::new()
        } else {
            char::REPLACEMENT_CHARACTER.to_string()
        }
    }
}

/// Decodes the start of `rest`, which is not UTF-8.
fn step(rest: &[u8]) -> Step {
    match *rest {
        // An unfinished surrogate half, high or low.
        [0xed, 0xa0..=0xbf] => Step::Hold,
        [0xed, 0xa0..=0xaf, _] | [0xed, 0xa0..=0xaf, _, 0xed] => Step::Hold,
        [0xed, 0xa0..=0xaf, _, 0xed, 0xb0..=0xbf] => Step::Hold,
        [0xed, a @ 0xa0..=0xaf, b, 0xed, c @ 0xb0..=0xbf, d, ..] => {
            let high = (u32::from(a & 0x0f) << 6) | u32::from(b & 0x3f);
            let low = (u32::from(c & 0x0f) << 6) | u32::from(d & 0x3f);
            let code = 0x1_0000 + (high << 10) + low;
            char::from_u32(code).map_or(Step::Replace(6), |found| Step::Character(found, 6))
        }
        [0xed, 0xa0..=0xbf, _, ..] => Step::Replace(3),
        _ => match std::str::from_utf8(rest).map_err(|error| error.error_len()) {
            Err(Some(bad)) => Step::Replace(bad),
            // Unfinished at the end; `Ok` cannot be, the caller took all valid text away.
            Err(None) | Ok(_) => Step::Hold,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(pieces: &[&str]) -> String {
        let mut joiner = TextJoiner::default();
        let mut text = String::new();
        for piece in pieces {
            let piece = crate::json::Value::parse(piece.as_bytes()).unwrap();
            text.push_str(&joiner.push(piece.bytes().unwrap_or_default()));
        }
        text + &joiner.finish()
    }

    #[test]
    fn a_surrogate_pair_split_across_chunks_is_one_character() {
        assert_eq!(join(&[r#""🇯\ud83c""#, r#""\uddf5 o""#]), "🇯🇵 o");
    }

    #[test]
    fn half_a_pair_becomes_a_replacement_character_when_its_other_half_never_comes() {
        assert_eq!(join(&[r#""a\ud83c""#]), "a\u{fffd}");
        assert_eq!(join(&[r#""a\ud83c""#, r#""b""#]), "a\u{fffd}b");
        assert_eq!(join(&[r#""a\uddf5""#, r#""b""#]), "a\u{fffd}b");
        assert_eq!(join(&[r#""\ud83c""#, r#""""#, r#""\uddf5""#]), "🇵");
        assert_eq!(join(&[r#""\ud83c\ud83c""#, r#""\uddf5""#]), "\u{fffd}🇵");
    }

    #[test]
    fn utf8_split_across_chunks_is_one_character() {
        let whole = "é日👩".as_bytes();
        for split in 0..=whole.len() {
            let mut joiner = TextJoiner::default();
            let (head, tail) = whole.split_at(split);
            let text = joiner.push(head) + &joiner.push(tail) + &joiner.finish();
            assert_eq!(text, "é日👩", "split at {split}");
        }
    }

    #[test]
    fn wtf8_split_at_any_byte_is_one_character() {
        let whole = b"x\xed\xa0\xbc\xed\xb7\xb5y";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut joiner = TextJoiner::default();
                let text = joiner.push(&whole[..first])
                    + &joiner.push(&whole[first..second])
                    + &joiner.push(&whole[second..])
                    + &joiner.finish();
                assert_eq!(text, "x🇵y", "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_at_all_are_replaced() {
        let mut joiner = TextJoiner::default();
        assert_eq!(joiner.push(b"a\xff\xc3(b"), "a\u{fffd}\u{fffd}(b");
    }
}
