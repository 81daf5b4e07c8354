//! Questions to the person. Nobody is asked unless there is a terminal to answer from.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use vale_api::{ApiError, ApiErrorKind, Ask, Passphrase, PassphraseUse, Secret, SecretError};
use zeroize::Zeroizing;

use crate::out::Out;

/// Longest key on stdin, bytes: more than any key, so that a wrong file is not read whole.
const MAX_KEY_INPUT: u64 = 64 << 10;

/// Ctrl-C was typed at a prompt for a passphrase. The key store knows only that there is none, so
/// whoever shows its failure looks here first.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// The editor of the conversation reads the terminal: a question would share the keyboard with it.
/// Only another window's request leads to one at such a time.
static EDITING: AtomicBool = AtomicBool::new(false);

/// While it lives, nobody is asked for a passphrase.
pub(crate) struct Editing(());

impl Editing {
    pub(crate) fn begin() -> Self {
        EDITING.store(true, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Editing {
    fn drop(&mut self) {
        EDITING.store(false, Ordering::SeqCst);
    }
}

/// Hidden prompts that are open.
static PROMPTS: Mutex<usize> = Mutex::new(0);
static PROMPT_CLOSED: Condvar = Condvar::new();
/// Far longer than a prompt takes to close after Ctrl-C; only a prompt that somebody else's signal
/// interrupted stays open.
const PROMPT_CLOSES: Duration = Duration::from_secs(1);

/// Whether a person can answer.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Yes or no; anything but a yes is a no.
pub(crate) async fn agrees(out: &Out, question: &str) -> io::Result<bool> {
    out.question(&format!("{question} [y/N] "));
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await??;
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
        if EDITING.load(Ordering::SeqCst) {
            return Ok(None);
        }
        if CANCELLED.load(Ordering::SeqCst) {
            // Several providers at once would each ask.
            return Ok(None);
        }
        let typed = match purpose {
            PassphraseUse::Open => hidden("Passphrase of the key file: "),
            PassphraseUse::Create => new_passphrase(),
        };
        match typed {
            Ok(text) => Passphrase::new(text).map(Some),
            Err(error) => {
                if error.kind() == io::ErrorKind::Interrupted {
                    CANCELLED.store(true, Ordering::SeqCst);
                }
                // No terminal after all: the same as nobody to ask.
                Ok(None)
            }
        }
    }))
}

/// The failure, or that the person cancelled the passphrase's prompt that led to it.
pub(crate) fn cancelled_or(error: ApiError) -> ApiError {
    unless_cancelled().err().unwrap_or(error)
}

/// Fails when the person cancelled a passphrase's prompt since this was last looked at.
pub(crate) fn unless_cancelled() -> Result<(), ApiError> {
    if CANCELLED.swap(false, Ordering::SeqCst) {
        return Err(ApiError::new(
            ApiErrorKind::Cancelled,
            "No passphrase was given.",
            "",
        ));
    }
    Ok(())
}

fn new_passphrase() -> io::Result<String> {
    loop {
        let first = Zeroizing::new(hidden(
            "New passphrase for the key file (8 characters or more): ",
        )?);
        let again = hidden("The same once more: ").map(Zeroizing::new)?;
        if *first == *again {
            return Ok(first.to_string());
        }
        let _ = io::Write::write_all(
            &mut io::stderr(),
            b"These were not the same; once more from the start.\n",
        );
    }
}

/// Ctrl-C is an error of the kind `Interrupted`; it also comes as the signal, before the terminal
/// is as it was, so somebody must be watching for it.
fn hidden(prompt: &str) -> io::Result<String> {
    struct Open;
    impl Drop for Open {
        fn drop(&mut self) {
            *PROMPTS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            PROMPT_CLOSED.notify_all();
        }
    }
    *PROMPTS.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    let _open = Open;
    rpassword::prompt_password(prompt)
}

/// Waits until no hidden prompt is open: the program must not end before the terminal shows again
/// what is typed.
pub(crate) fn wait_for_prompts() {
    let prompts = PROMPTS.lock().unwrap_or_else(PoisonError::into_inner);
    drop(PROMPT_CLOSED.wait_timeout_while(prompts, PROMPT_CLOSES, |open| *open > 0));
}

/// A key: from stdin, or typed without being shown.
pub(crate) async fn key(provider: &str, from_stdin: bool) -> Result<Secret, ApiError> {
    let provider = provider.to_owned();
    let read = tokio::task::spawn_blocking(move || read_key(&provider, from_stdin));
    read.await.unwrap_or_else(|error| {
        Err(ApiError::new(
            ApiErrorKind::Failed,
            format!("The key could not be read: {error}."),
            "Try again.",
        ))
    })
}

fn read_key(provider: &str, from_stdin: bool) -> Result<Secret, ApiError> {
    let text = if from_stdin {
        key_from_stdin()?
    } else if can_ask() {
        hidden(&format!("Key for {provider} (not shown): ")).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return ApiError::new(ApiErrorKind::Cancelled, "No key was given.", "");
            }
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
