//! Rules for strings that a stranger wrote and a person will read, and for names.

/// A manifest larger than this is refused unread, bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Names that Windows gives to devices whatever the folder; a plugin folder cannot carry them.
const DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A character that could make a permission card show something other than what it says:
/// terminal escapes, direction overrides, invisible joiners.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` safe to print: deceptive characters escaped, at most `max` characters.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index >= max {
            out.push('…');
            break;
        }
        if is_deceptive(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A text of several lines (a readme, a licence) safe to print: line ends and tabs kept, every other
/// character that could change what the terminal shows escaped, at most `max` characters.
#[must_use]
pub fn readable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index >= max {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\t' => out.push(c),
            // Of a line end only the newline counts: alone, it would let a line overwrite itself.
            '\r' => {}
            c if is_deceptive(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// `openai`, `my-plugin-2`.
pub(crate) fn is_kebab(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

/// A plugin id: kebab case, or reverse DNS of kebab-case labels (`org.example.my-plugin`);
/// 64 bytes, as `vale_types::PluginId` allows.
pub(crate) fn is_plugin_id(text: &str) -> bool {
    text.len() <= 64 && text.split('.').all(is_kebab) && !is_device_name(text)
}

fn is_device_name(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default();
    DEVICE_NAMES.contains(&stem)
        || ["com", "lpt"].iter().any(|port| {
            stem.strip_prefix(port)
                .is_some_and(|digit| digit.len() == 1 && digit.chars().all(|c| c.is_ascii_digit()))
        })
}

/// A setting's name: `base_url`.
pub(crate) fn is_setting_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The one of `known` that `wrong` was probably meant to be.
pub(crate) fn nearest<'k>(
    wrong: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    // Longer strings are no typing mistakes, and the comparison is quadratic.
    if wrong.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "Did you mean `x`?", or the whole choice.
pub(crate) fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(candidate) => format!("Did you mean `{candidate}`?"),
        None if known.is_empty() => "Nothing may stand here.".to_owned(),
        None => format!("Use one of {}.", listed(known)),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    let quoted: Vec<String> = items
        .iter()
        .map(|item| format!("`{}`", item.as_ref()))
        .collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_or_reverse_dns_and_never_a_path_or_a_device() {
        for good in ["openai", "my-plugin-2", "org.example.my-plugin", "console"] {
            assert!(is_plugin_id(good), "{good}");
        }
        for bad in [
            "",
            "OpenAI",
            "a--b",
            "-a",
            "a-",
            "2a",
            "a/b",
            "..",
            "a..b",
            "a.",
            "a_b",
            "con",
            "nul.example",
            "com1",
            "é",
            "a b",
        ] {
            assert!(!is_plugin_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_typing_mistake_finds_its_word_and_nonsense_finds_none() {
        let known = ["origin", "methods", "paths"];
        assert_eq!(nearest("orgin", known), Some("origin"));
        assert_eq!(nearest("method", known), Some("methods"));
        assert_eq!(nearest("zzz", known), None);
    }

    #[test]
    fn escapes_and_direction_overrides_do_not_reach_a_terminal() {
        let shown = printable("a\u{1b}[31m\u{202e}b", 100);
        assert!(!shown.chars().any(is_deceptive), "{shown}");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
