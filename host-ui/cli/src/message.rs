//! What the person says: words from the command line and what comes through a pipe.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;

use vale_api::{Api, ApiError, ApiErrorKind, Message, Role};

/// Largest text through a pipe, bytes: above every model's context.
const MAX_PIPED: u64 = 8 << 20;

/// The message to answer once; nothing when a conversation is wanted.
pub(crate) fn from(words: &[String], is_interactive: bool) -> Result<Option<String>, ApiError> {
    let text = if words.iter().any(|word| word == "-") {
        let piped = piped()?;
        let shown = words.iter().map(|word| match word.as_str() {
            "-" => piped.trim_end_matches(['\r', '\n']),
            other => other,
        });
        join(shown)
    } else if !words.is_empty() {
        words.join(" ")
    } else if io::stdin().is_terminal() {
        if is_interactive {
            return Ok(None);
        }
        String::new()
    } else {
        piped()?
    };
    if text.trim().is_empty() {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "There is no message.",
            "Write one after the command, or give it through a pipe. Without one, a conversation opens on a terminal.",
        ));
    }
    Ok(Some(text))
}

/// By spaces; a piece of several lines gets a line of its own.
fn join<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            let breaks = word.contains('\n') || text.contains('\n');
            text.push_str(if breaks { "\n\n" } else { " " });
        }
        text.push_str(word);
    }
    text
}

fn piped() -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    let wrong = |what: String, next: &str| ApiError::new(ApiErrorKind::Usage, what, next);
    io::stdin()
        .lock()
        .take(MAX_PIPED + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(format!("Stdin cannot be read: {error}."), "Try again."))?;
    if bytes.len() as u64 > MAX_PIPED {
        return Err(wrong(
            "More than 8 MiB came through the pipe.".to_owned(),
            "Send less: no model reads that much.",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        wrong(
            format!(
                "What came through the pipe is not UTF-8 text (byte {}).",
                error.utf8_error().valid_up_to()
            ),
            "Convert it to UTF-8; pictures go with --image.",
        )
    })
}

/// The person's message with its pictures.
pub(crate) async fn build(
    api: &Api,
    text: String,
    images: &[PathBuf],
) -> Result<Message, ApiError> {
    let mut message = Message::text(Role::User, text);
    let mut parts = Vec::with_capacity(images.len() + 1);
    for image in images {
        parts.push(api.attach_image(image).await?);
    }
    parts.append(&mut message.parts);
    message.parts = parts;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_join_by_spaces_and_piped_text_stands_apart() {
        assert_eq!(join(["a", "b"].into_iter()), "a b");
        assert_eq!(join(["Review:", "l1\nl2"].into_iter()), "Review:\n\nl1\nl2");
        assert_eq!(
            join(["one", "x\ny", "two"].into_iter()),
            "one\n\nx\ny\n\ntwo"
        );
    }
}
