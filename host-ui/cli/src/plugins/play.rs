//! `plugin run` and `plugin record`: a plugin that is not installed is asked, and its author looks on.

use std::io::{self, BufRead as _};

use serde_json::json;
use vale_api::{
    ApiError, ApiErrorKind, Event, KeyState, Message, Paths, Play, PlayCall, PlayDraft, PlayEnd,
    PlayOutcome, PlayRequest, PlayStep, PluginKind, Recorded, Recording, Role, Seen,
    check_recording_free, draft_play,
};

use super::screen::Screen;
use crate::args_plugins::{RecordArgs, RunArgs, TryArgs, Wire};
use crate::exit::{CANCELLED, Stop, code};
use crate::manage::once_each;
use crate::out::Out;
use crate::{ask, tools};

/// The tool says that it failed, or a replay does something else than what was recorded.
const FAILED: u8 = 1;

pub(super) async fn run(args: RunArgs, out: &Out) -> Result<(), Stop> {
    let RunArgs { what, wire } = args;
    let is_loop = is_loop(&what);
    let Some(mut play) = begin(&what, is_loop, out).await? else {
        return Err(Stop::Told(CANCELLED));
    };
    if play.kind() == PluginKind::Provider && is_loop {
        return converse(&mut play, &what, wire, out).await;
    }
    let call = call(&mut play, &what, wire, out).await?;
    let (end, _) = made(&mut play, call, wire, out).await?;
    told(end, out)
}

pub(super) async fn record(args: RecordArgs, out: &Out) -> Result<(), Stop> {
    let RecordArgs {
        what,
        into,
        name,
        about,
        force,
        wire,
    } = args;
    if is_loop(&what) {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "There is nothing to record.",
            "Give a message, --list-models, or --tool with --args.",
        )
        .into());
    }
    let recording = Recording {
        into,
        name,
        about,
        force,
    };
    // Before anything is asked of a server that may charge for it.
    check_recording_free(&recording).await?;
    let Some(mut play) = begin(&what, false, out).await? else {
        return Err(Stop::Told(CANCELLED));
    };
    let call = call(&mut play, &what, wire, out).await?;
    play.begin_recording();
    let (end, _) = made(&mut play, call.clone(), wire, out).await?;
    // A failure is recorded as it was: what must come of such an answer is worth a test.
    if let (PlayOutcome::Failed { error }, false) = (&end.outcome, out.json) {
        out.note(&format!("The call failed: {}", error.sentence));
    }
    let recorded = play.save_recording(&call, &recording).await?;
    draw(&recorded, out)?;
    if recorded.differences.is_empty() {
        return Ok(());
    }
    Err(Stop::Told(FAILED))
}

/// Nothing says what a provider is asked: stdin does.
fn is_loop(what: &TryArgs) -> bool {
    what.message.is_empty() && what.tool.is_none() && !what.list_models
}

/// The plugin, once the person agreed; none when they did not.
async fn begin(what: &TryArgs, is_loop: bool, out: &Out) -> Result<Option<Play>, Stop> {
    let request = PlayRequest {
        path: what.plugin.clone(),
        settings: once_each(what.settings.clone())?,
        is_local_server: what.local_server,
    };
    let paths = Paths::of_this_user().map_err(ApiError::from)?;
    let draft = draft_play(paths, ask::passphrase(), &request).await?;
    if is_loop && what.key_stdin && draft.kind == PluginKind::Provider {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            "The key comes on stdin, so the messages cannot.",
            "Give one message after the file.",
        )
        .into());
    }
    if !out.json && !out.quiet || !what.yes {
        out.question(&words(&draft, what.key_stdin));
    }
    if !what.yes {
        if out.json || !ask::can_ask() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!(
                    "{} {} would run, and there is no terminal to ask you.",
                    draft.id, draft.version
                ),
                "Read what it may do, then agree with --yes. Nothing ran.",
            )
            .into());
        }
        if !ask::agrees(out, "Allow this and run it?").await? {
            out.note("Nothing ran.");
            return Ok(None);
        }
    }
    let key = if what.key_stdin {
        Some(ask::key(draft.id.as_str(), true).await?)
    } else {
        None
    };
    Ok(Some(draft.begin(key).await?))
}

/// What the person agrees to.
fn words(draft: &PlayDraft, has_key: bool) -> String {
    let mut text = format!(
        "It is not installed. Once you agree, it may do this and nothing else, until it ends:\n{}",
        draft.card
    );
    for (index, key) in draft.keys.iter().enumerate() {
        let name = &key.credential;
        text.push_str(&match &key.state {
            _ if has_key && index == 0 => {
                format!("The key “{name}” comes from stdin and is not kept.\n")
            }
            KeyState::Set { place } => format!("It is sent with the key “{name}” ({place}).\n"),
            KeyState::Locked => {
                format!("It may be sent with the key “{name}” (encrypted file, closed now).\n")
            }
            _ => format!("The key “{name}” is not set.\n"),
        });
    }
    text
}

/// What is to be asked, with a model where one is needed.
async fn call(play: &mut Play, what: &TryArgs, wire: Wire, out: &Out) -> Result<PlayCall, Stop> {
    if what.list_models {
        return Ok(PlayCall::ListModels);
    }
    if let Some(tool) = &what.tool {
        return Ok(PlayCall::Invoke {
            tool: tool.clone(),
            arguments: tools::object(what.args.as_deref())?,
        });
    }
    if play.kind() == PluginKind::Tool && what.message.is_empty() {
        return Ok(PlayCall::ListTools);
    }
    // A tool is told by the call itself that it takes no message.
    let model = match play.kind() {
        PluginKind::Provider => model(play, what, wire, out).await?,
        PluginKind::Tool => String::new(),
    };
    Ok(PlayCall::Complete {
        model,
        messages: vec![Message::text(Role::User, what.message.join(" "))],
    })
}

/// The model that was named, or the first that the provider lists.
async fn model(play: &mut Play, what: &TryArgs, wire: Wire, out: &Out) -> Result<String, Stop> {
    if let Some(model) = &what.model {
        return Ok(model.clone());
    }
    let (end, _) = made(play, PlayCall::ListModels, wire, out).await?;
    let models = match end.outcome {
        PlayOutcome::Models { models } => models,
        outcome => {
            told(PlayEnd { outcome, ..end }, out)?;
            Vec::new()
        }
    };
    let first = models.into_iter().next().ok_or_else(|| {
        ApiError::new(
            ApiErrorKind::Failed,
            "The provider lists no model.",
            "Name one with -m.",
        )
    })?;
    out.note(&format!(
        "{first} is the first model that it lists; -m names another."
    ));
    Ok(first)
}

/// Makes a call and shows all of it; gives the text of the answer too.
async fn made(
    play: &mut Play,
    call: PlayCall,
    wire: Wire,
    out: &Out,
) -> Result<(PlayEnd, String), Stop> {
    let (mut screen, mut said) = (Screen::new(out, wire), String::new());
    let mut run = play.start(call)?;
    while let Some(step) = run.next().await {
        if out.json {
            out.event(&step)?;
        }
        match step {
            PlayStep::Seen(seen) => {
                if let Seen::Event {
                    event: Event::Text(text),
                } = &seen
                {
                    said.push_str(text);
                }
                if !out.json {
                    screen.draw(&seen)?;
                }
            }
            PlayStep::Done(end) => {
                if !out.json {
                    screen.end(&end)?;
                }
                return Ok((end, said));
            }
        }
    }
    Err(ApiError::new(
        ApiErrorKind::Failed,
        "The call ended without a word.",
        "Try again; if it fails again, please report it.",
    )
    .into())
}

/// How the command ends after a call that was shown.
fn told(end: PlayEnd, out: &Out) -> Result<(), Stop> {
    match end.outcome {
        PlayOutcome::Failed { error } if out.json => Err(Stop::Told(code(error.kind))),
        PlayOutcome::Failed { error } => Err(error.into()),
        PlayOutcome::Tool { result } if result.is_error => Err(Stop::Told(FAILED)),
        _ => Ok(()),
    }
}

/// Each line on stdin is a message, until there is no more.
async fn converse(play: &mut Play, what: &TryArgs, wire: Wire, out: &Out) -> Result<(), Stop> {
    let model = model(play, what, wire, out).await?;
    let mut messages: Vec<Message> = Vec::new();
    while let Some(line) = line(out).await? {
        if line.trim().is_empty() {
            continue;
        }
        messages.push(Message::text(Role::User, line.trim_end()));
        let call = PlayCall::Complete {
            model: model.clone(),
            messages: messages.clone(),
        };
        let (end, said) = made(play, call, wire, out).await?;
        match told(end, out) {
            Ok(()) if !said.is_empty() => {
                messages.push(Message::text(Role::Assistant, said));
                continue;
            }
            Ok(()) | Err(Stop::Told(_)) => {}
            Err(Stop::Error(error)) => out.error_words(&error),
            Err(stop) => return Err(stop),
        }
        // Unanswered: the next message takes its place.
        messages.pop();
    }
    Ok(())
}

/// The next line that the person types, or that comes through a pipe.
async fn line(out: &Out) -> Result<Option<String>, Stop> {
    if ask::can_ask() {
        out.question("> ");
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map(|read| (read > 0).then_some(line))
    });
    let read = read.await.map_err(io::Error::other)?;
    read.map_err(|error| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("Stdin cannot be read: {error}."),
            "Give messages as UTF-8 text, one a line.",
        )
        .into()
    })
}

fn draw(recorded: &Recorded, out: &Out) -> Result<(), Stop> {
    if out.json {
        return Ok(out.event(&json!({ "type": "recorded", "recording": recorded }))?);
    }
    let last = recorded.files.last();
    out.note(&format!(
        "Recorded: {} (files: {}, bytes: {}, requests: {}).",
        last.map_or_else(String::new, |path| path.display().to_string()),
        recorded.files.len(),
        recorded.bytes,
        recorded.exchanges
    ));
    if recorded.differences.is_empty() {
        out.note("`valechat plugin test` passes with it.");
    }
    for difference in &recorded.differences {
        out.error_words(&ApiError::new(
            ApiErrorKind::Plugin,
            format!("A replay does something else: {difference}."),
            "Make the plugin depend on nothing but the request, the settings and the answer, or correct `expect`.",
        ));
    }
    Ok(())
}
