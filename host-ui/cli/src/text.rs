//! Text from strangers (models, servers, plugins) on its way to a terminal.

use std::borrow::Cow;

/// `text` with everything that a terminal would obey made visible instead: control characters
/// (escape sequences begin with one) and direction overrides, which show a line other than it
/// is. Line breaks and tabs stay. Works piece by piece: no state crosses pieces.
pub(crate) fn neutral(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            // Half of a Windows line break; alone it would let a line overwrite itself.
            '\r' => {}
            '\u{7f}' => out.push('\u{2421}'),
            // The Unicode control pictures, in the order of the controls.
            c if (c as u32) < 0x20 && c != '\n' && c != '\t' => {
                out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'));
            }
            c if is_obeyed(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    neutral(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_visible_and_the_rest_stays() {
        for (text, shown) in [
            ("plain ünï 🇯🇵\n\tx", "plain ünï 🇯🇵\n\tx"),
            ("\u{1b}[31mred", "␛[31mred"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\r\nb\rc", "a\nbc"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("\u{8}\u{7f}\0", "␈␡␀"),
        ] {
            assert_eq!(neutral(text), shown);
            assert!(neutral(text).chars().all(|c| !is_obeyed(c)));
        }
    }

    #[test]
    fn an_escape_sequence_cut_in_two_is_still_none() {
        let joined = format!("{}{}", neutral("x\u{1b}"), neutral("[31m"));
        assert_eq!(joined, "x␛[31m");
    }
}
