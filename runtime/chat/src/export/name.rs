//! File names that every system takes.

use crate::import::time::iso;
use crate::model::{Attachment, Conversation};

/// Characters of a title that a name keeps.
const TITLE: usize = 80;

/// The name of a conversation's page, without its ending: the day, the title, and what tells it from
/// others of that day and title.
#[must_use]
pub fn page_name(conversation: &Conversation) -> String {
    let day: String = iso(conversation.created_ms).chars().take(10).collect();
    let title = safe(&conversation.title, TITLE);
    let id = conversation.id.to_string();
    let end: String = id.chars().skip(id.len().saturating_sub(8)).collect();
    if title.is_empty() {
        format!("{} {end}", safe(&day, 10))
    } else {
        format!("{} {title} {end}", safe(&day, 10))
    }
}

/// The name of a file beside a page: its hash, and the ending that makes it open.
pub(super) fn file_name(attachment: &Attachment) -> String {
    let known = attachment
        .name
        .as_deref()
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending)
        .or_else(|| {
            mime_guess::get_mime_extensions_str(&attachment.media_type)
                .and_then(|endings| endings.first().copied())
        });
    let plain = |ending: &&str| {
        (1..=8).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match known.filter(plain) {
        Some(ending) => format!("{}.{}", attachment.blake3, ending.to_lowercase()),
        None => attachment.blake3.to_string(),
    }
}

/// Without what some system refuses in a name, and without marks that turn its order around.
fn safe(text: &str, limit: usize) -> String {
    let spaced: String = text
        .chars()
        .map(|character| match character {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => ' ',
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => ' ',
            control if control.is_control() => ' ',
            other => other,
        })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut name = String::new();
    for character in words.join(" ").chars().take(limit) {
        // Names are limited to 255 bytes, whatever the script.
        if name.len() + character.len_utf8() > 200 {
            break;
        }
        name.push(character);
    }
    name.trim_matches([' ', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{file_name, page_name};
    use crate::ConversationId;
    use crate::model::{Attachment, BlobHash, Conversation};

    #[test]
    fn every_title_makes_a_name_that_every_system_takes() {
        let id = ConversationId::new(1_714_564_800_000, &mut || [7; 10]);
        let mut conversation = Conversation::new(id, 1_714_564_800_000);
        let end = &id.to_string()[28..];
        for (title, expected) in [
            ("", "2024-05-01".to_owned()),
            ("../../etc/passwd", "2024-05-01 etc passwd".to_owned()),
            ("a<b>:\"c\"|d?*\n\te\0", "2024-05-01 a b c d e".to_owned()),
            ("dots...", "2024-05-01 dots".to_owned()),
            ("evil\u{202e}gpj.exe", "2024-05-01 evil gpj.exe".to_owned()),
            ("日本語", "2024-05-01 日本語".to_owned()),
        ] {
            conversation.title = title.to_owned();
            assert_eq!(page_name(&conversation), format!("{expected} {end}"));
        }
        conversation.title = "字".repeat(500);
        let name = page_name(&conversation);
        assert!(name.len() < 240, "{} bytes", name.len());
    }

    #[test]
    fn a_file_keeps_only_a_plain_ending() {
        let hash = BlobHash::new([0xab; 32]);
        for (name, media_type, ending) in [
            (Some("photo.PNG"), "image/png", ".png"),
            (Some("x.sh;rm -rf"), "text/plain", ""),
            (Some("../../x"), "image/png", ""),
            (None, "application/pdf", ".pdf"),
            (None, "what/ever", ""),
        ] {
            let attachment = Attachment {
                blake3: hash,
                media_type: media_type.into(),
                name: name.map(Into::into),
                size: 1,
                text: None,
            };
            assert_eq!(file_name(&attachment), format!("{hash}{ending}"));
        }
    }
}
