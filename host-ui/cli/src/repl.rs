//! The conversation in the terminal.

use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};
use vale_api::{ApiError, ApiErrorKind, Message, ModelRef};

use crate::args::ModelFilter;
use crate::chat::Session;
use crate::exit::Stop;
use crate::out::Out;
use crate::{ask, message, models, or_ctrl_c};

const HELP: &str = "\
/model [NAME]  show or change the model (provider/model, or a provider)
/models        every model of every provider
/new           forget the conversation and begin anew
/help          this
/quit          end (so does Ctrl-D)
Ctrl-C stops an answer or a command; what had arrived stays in the conversation.";

/// What a line that the person typed means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'l> {
    Empty,
    Say(&'l str),
    Model(Option<&'l str>),
    Models,
    New,
    Help,
    Quit,
    Unknown(&'l str),
}

fn meaning(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Line::Empty;
    }
    // A path or several lines that happen to begin with a slash are a message.
    if !line.starts_with('/') || line.contains('\n') {
        return Line::Say(line);
    }
    let (command, rest) = line
        .split_once(char::is_whitespace)
        .map_or((line, None), |(command, rest)| (command, Some(rest.trim())));
    match command {
        "/model" => Line::Model(rest),
        "/models" => Line::Models,
        "/new" => Line::New,
        "/help" | "/?" => Line::Help,
        "/quit" | "/exit" => Line::Quit,
        other if other.chars().skip(1).all(char::is_alphanumeric) => Line::Unknown(other),
        _ => Line::Say(line),
    }
}

pub(crate) async fn run(
    session: Session,
    mut model: ModelRef,
    mut images: Vec<PathBuf>,
) -> Result<(), Stop> {
    let out = session.out;
    out.note(&format!(
        "{model} · /help says what you can do, Ctrl-D ends"
    ));
    let mut history = MemHistory::new();
    let mut turns: Vec<Message> = Vec::new();
    loop {
        let (back, read) = read_line(history).await?;
        history = back;
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                out.note("Ctrl-D or /quit ends the conversation.");
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(no_terminal(error).into()),
        };
        // A prompt that Ctrl-C ended before this line has been told of.
        let _ = ask::unless_cancelled();
        match meaning(&line) {
            Line::Empty => {}
            Line::Quit => return Ok(()),
            Line::Help => out.line(HELP)?,
            Line::New => {
                turns.clear();
                out.note("A new conversation.");
            }
            Line::Model(None) => out.line(&model.to_string())?,
            Line::Model(Some(name)) => {
                let found = session.api.resolve_model(Some(name));
                match or_ctrl_c(async { Ok(found.await?) }).await {
                    Ok(found) => {
                        model = found;
                        out.note(&format!("{model} answers from now on."));
                    }
                    Err(stop) => go_on(stop, &out)?,
                }
            }
            Line::Models => {
                let listed = models::list(&session.api, ModelFilter::default(), &out);
                or_ctrl_c(listed).await.or_else(|stop| go_on(stop, &out))?;
            }
            Line::Unknown(command) => {
                out.note(&format!("There is no {command}; /help says what there is."));
            }
            Line::Say(text) => {
                let asked = message::build(&session.api, text.to_owned(), &images);
                match or_ctrl_c(async { Ok(asked.await?) }).await {
                    Ok(asked) => {
                        images.clear();
                        turns.push(asked);
                        let outcome = session.answer(&model, turns.clone()).await?;
                        match outcome.said {
                            Some(said) => turns.push(said),
                            // Unanswered: the next message takes its place.
                            None => drop(turns.pop()),
                        }
                    }
                    Err(stop) => go_on(stop, &out)?,
                }
            }
        }
    }
}

/// Tells of a failure that does not end the conversation.
fn go_on(stop: Stop, out: &Out) -> Result<(), Stop> {
    match stop {
        Stop::Error(error) => out.error_words(&ask::cancelled_or(*error)),
        // The person has been told.
        Stop::Told(_) => {}
        Stop::NoReader => return Err(Stop::NoReader),
    }
    Ok(())
}

/// Waits for the keyboard on a thread of its own. The editor lives no longer than its line: while
/// it does, Ctrl-C is its own, and an answer could not be stopped.
async fn read_line(
    history: MemHistory,
) -> Result<(MemHistory, Result<String, ReadlineError>), ApiError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut editor = Editor::<(), _>::with_history(Config::default(), history)?;
        let editing = ask::Editing::begin();
        let read = editor.readline("> ");
        drop(editing);
        if let Ok(line) = &read {
            // Only in memory; failing to remember a line is no reason to stop.
            let _ = editor.add_history_entry(line.as_str());
        }
        Ok::<_, ReadlineError>((std::mem::take(editor.history_mut()), read))
    });
    read.await.map_err(no_terminal)?.map_err(no_terminal)
}

fn no_terminal(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failed,
        format!("The terminal cannot be read: {error}."),
        "Give the message after the command instead: `valechat chat \"Hello\"`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_is_a_command() {
        for (line, expected) in [
            ("  ", Line::Empty),
            ("hello /new", Line::Say("hello /new")),
            ("/new", Line::New),
            ("/model", Line::Model(None)),
            ("/model  lan/a b ", Line::Model(Some("lan/a b"))),
            ("/quit", Line::Quit),
            ("/nwe", Line::Unknown("/nwe")),
            ("/etc/hosts is what?", Line::Say("/etc/hosts is what?")),
            ("/new\nmore", Line::Say("/new\nmore")),
        ] {
            assert_eq!(meaning(line), expected, "{line:?}");
        }
    }
}
