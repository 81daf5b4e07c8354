//! Questions to the person. Nobody is asked unless there is a terminal to answer from.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use vale_api::{ApiError, ApiErrorKind, Ask, Passphrase, PassphraseUse, Secret, SecretError};
use zeroize::Zeroizing;

use crate::out::Out;

/// Longest key on stdin, bytes: more than any key, so that a wrong file is not read whole.
const MAX_KEY_INPUT: u64 = 64 << 10;

/// Whether a person can answer.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Yes or no; anything but a yes is a no.
pub(crate) fn agrees(out: &Out, question: &str) -> io::Result<bool> {
    out.question(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Asks for the passphrase of the encrypted key file: twice when it is a new one.
pub(crate) fn passphrase() -> Option<Ask> {
    if !can_ask() {
        return None;
    }
    Some(Box::new(|purpose| {
        let typed = match purpose {
            PassphraseUse::Open => hidden("Passphrase of the key file: "),
            PassphraseUse::Create => new_passphrase(),
        };
        // No terminal after all: the same as nobody to ask.
        typed.map_or(Ok(None), |text| Passphrase::new(text).map(Some))
    }))
}

fn new_passphrase() -> Option<String> {
    loop {
        let first = Zeroizing::new(hidden(
            "New passphrase for the key file (8 characters or more): ",
        )?);
        let again = hidden("The same once more: ").map(Zeroizing::new)?;
        if *first == *again {
            return Some(first.to_string());
        }
        let _ = io::Write::write_all(
            &mut io::stderr(),
            b"These were not the same; once more from the start.\n",
        );
    }
}

fn hidden(prompt: &str) -> Option<String> {
    rpassword::prompt_password(prompt).ok()
}

/// A key: from stdin, or typed without being shown.
pub(crate) fn key(provider: &str, from_stdin: bool) -> Result<Secret, ApiError> {
    let text = if from_stdin {
        key_from_stdin()?
    } else if can_ask() {
        hidden(&format!("Key for {provider} (not shown): ")).ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Failed,
                "The key could not be read from the terminal.",
                "Give it through a pipe with --stdin.",
            )
        })?
    } else {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "There is no terminal to ask for the key.",
            "Give it through a pipe with --stdin.",
        ));
    };
    let text = Zeroizing::new(text);
    Secret::new(text.trim().to_owned()).map_err(|error: SecretError| ApiError::from(error))
}

fn key_from_stdin() -> Result<String, ApiError> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_KEY_INPUT)
        .read_to_string(&mut text)
        .map_err(|error| {
            ApiError::new(
                ApiErrorKind::Usage,
                format!("The key on stdin cannot be read: {error}."),
                "Give the key alone, as text.",
            )
        })?;
    Ok(text)
}
