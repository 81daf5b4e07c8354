//! A title for a conversation: what a small local model is asked, and what is made of its answer.

use vale_types as domain;

use crate::change::Change;
use crate::model::{Message, Role, TitleSource};
use crate::record::{ConversationChanged, ConversationPatch, Record};
use crate::tree::Tree;

/// The longest title, characters.
pub const MAX_CHARS: usize = 60;

/// How much of a message the model reads, characters: a title needs no more, and a small model is
/// slow to read.
const READ_CHARS: usize = 600;

/// What a model is asked for a title. `None`: there is no text to take one from.
#[must_use]
pub fn prompt(tree: &Tree) -> Option<Vec<domain::Message>> {
    let path = tree.active_path().into_iter();
    let messages: Vec<_> = path.filter_map(|id| tree.shown(id)).collect();
    let text_of = |role: Role| {
        let mut texts = messages.iter().filter(|message| message.role == role);
        texts.find_map(|message| {
            let text = shorten(message.text().trim(), READ_CHARS);
            (!text.is_empty()).then_some(text)
        })
    };
    let question = text_of(Role::User)?;
    let mut about = format!("Question:\n{question}\n");
    if let Some(answer) = text_of(Role::Assistant) {
        about.push_str(&format!("\nAnswer:\n{answer}\n"));
    }
    about.push_str(
        "\nWrite a title of two to six words for this conversation, in the language of the question. \
         Write the title only.",
    );
    Some(vec![
        domain::Message::text(
            domain::Role::System,
            "You write short titles for conversations. You do not answer them.",
        ),
        domain::Message::text(domain::Role::User, about),
    ])
}

/// The record that gives a conversation the title a model wrote, or the first words of its first
/// message. `None`: it has a title already, or nothing to take one from.
#[must_use]
pub fn automatic(tree: &Tree, answer: Option<&str>, now_ms: u64) -> Option<Record> {
    let conversation = tree.conversation();
    let free = matches!(
        conversation.title_source,
        TitleSource::None | TitleSource::Automatic
    );
    if !free {
        return None;
    }
    let path = tree.active_path().into_iter();
    let first = path
        .filter_map(|id| tree.message(id))
        .find(|message| message.role == Role::User)
        .map(Message::text)
        .unwrap_or_default();
    let title = clean(answer.unwrap_or_default(), &first);
    if title.is_empty() || title == conversation.title {
        return None;
    }
    Some(Record::from(ConversationChanged {
        conversation: conversation.id,
        at_ms: now_ms,
        patch: ConversationPatch {
            title: Change::Set(title),
            title_source: Some(TitleSource::Automatic),
            ..ConversationPatch::default()
        },
    }))
}

/// A title from what a model answered: its first line with something in it, without quotes, marks and
/// the word “Title:”, at most [`MAX_CHARS`] characters. If nothing is left, the first words of the
/// first message; empty if there are none.
#[must_use]
pub fn clean(answer: &str, first_message: &str) -> String {
    let answer = without_thinking(answer);
    let mut lines = answer.lines().map(bare);
    let title = lines.find(|line| line.chars().any(char::is_alphanumeric));
    let title = title.or_else(|| {
        let mut lines = first_message.lines().map(one_line);
        lines.find(|line| !line.is_empty())
    });
    shorten(&title.unwrap_or_default(), MAX_CHARS)
}

/// What a thinking model wrote after it thought.
fn without_thinking(answer: &str) -> &str {
    match answer.rsplit_once("</think>") {
        Some((_, after)) => after,
        // It was cut off while it thought.
        None if answer.trim_start().starts_with("<think>") => "",
        None => answer,
    }
}

/// White space as single blanks; no control characters, nor those that turn the direction of what
/// stands after the title in a list.
fn one_line(text: &str) -> String {
    let seen = text.chars().filter(|c| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !turns && (!c.is_control() || c.is_whitespace())
    });
    let seen: String = seen.collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line without what a model likes to put around a title.
fn bare(line: &str) -> String {
    const MARKS: &[char] = &[
        '"', '\'', '“', '”', '„', '‘', '’', '«', '»', '「', '」', '『', '』', '`', '*', '_', '#',
        ' ', '-', '>',
    ];
    let line = one_line(line);
    let mut rest = line.as_str();
    loop {
        let mut next = rest.trim_matches(MARKS);
        for label in [
            "title:",
            "title：",
            "conversation title:",
            "titel:",
            "titre :",
            "título:",
        ] {
            // By bytes: lower case may have another length than what it came from.
            let head = next.get(..label.len());
            if head.is_some_and(|head| head.to_lowercase() == label) {
                next = next.get(label.len()..).unwrap_or_default();
            }
        }
        // A sentence's end is no part of a title; three dots, a question are.
        if let Some(shorter) = next.strip_suffix('.').or_else(|| next.strip_suffix('。'))
            && !shorter.ends_with('.')
        {
            next = shorter;
        }
        if next == rest {
            return rest.to_owned();
        }
        rest = next;
    }
}

/// At most so many characters, cut between words where there is one to cut at, with “…” for the rest.
fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max.saturating_sub(1)).collect();
    let next_is_blank = text
        .chars()
        .nth(max.saturating_sub(1))
        .is_some_and(char::is_whitespace);
    let cut = match head.rfind(char::is_whitespace) {
        // A cut in a word, unless the last word is most of it.
        Some(blank) if !next_is_blank && blank > head.len() / 2 => {
            head.get(..blank).unwrap_or(&head)
        }
        _ => &head,
    };
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_puts_around_a_title_goes() {
        for (answer, title) in [
            ("Baking bread", "Baking bread"),
            ("  \"Baking bread.\"\n", "Baking bread"),
            (
                "Title: \"Baking bread\"\nI hope this helps!",
                "Baking bread",
            ),
            ("**Title:** Baking bread", "Baking bread"),
            ("# “Title: Baking bread”", "Baking bread"),
            ("\n\n---\n「パンを焼く」\n", "パンを焼く"),
            ("TITLE:Why not?", "Why not?"),
            (
                "<think>A title?\nYes.</think>\n\nBaking bread",
                "Baking bread",
            ),
            ("Baking\tbread\u{202e}\u{7}", "Baking bread"),
            ("And so on...", "And so on..."),
            ("It's 2.5", "It's 2.5"),
            // Lower case that is longer than upper case.
            ("İİİİİİİ", "İİİİİİİ"),
        ] {
            assert_eq!(clean(answer, "other"), title, "{answer:?}");
        }
    }

    #[test]
    fn without_a_usable_answer_the_first_words_of_the_first_message_stand() {
        for answer in ["", " \n\"\"\n", "***", "Title:", "<think>I should", "…"] {
            let title = clean(answer, "\n  How do I\tbake bread?\nAnd why?");
            assert_eq!(title, "How do I bake bread?", "{answer:?}");
        }
        assert_eq!(clean("", "\u{7} \n"), "");
    }

    #[test]
    fn a_title_has_at_most_60_characters() {
        let words = "word ".repeat(30);
        let title = clean(&words, "");
        assert_eq!(title, format!("{}…", "word ".repeat(12).trim_end()));
        let title = clean(&"longer ".repeat(30), "");
        assert_eq!(title, format!("{}…", "longer ".repeat(8).trim_end()));
        let one = "ä".repeat(200);
        assert_eq!(clean(&one, "").chars().count(), 60);
        assert_eq!(clean("", &one).chars().count(), 60);
        let cjk = "日本語".repeat(40);
        assert_eq!(clean(&cjk, "").chars().count(), 60);
        let exact = "x".repeat(60);
        assert_eq!(clean(&exact, ""), exact);
    }
}
