//! One answer: words as they come, a footer, and an end that loses nothing.

use std::fs;

use tokio::signal::ctrl_c;
use vale_api::{
    Api, ApiError, ApiErrorKind, ChatEvent, ChatRequest, ChatStream, FinishReason, Message,
    ModelRef, PriceRow, Received, UsageRow,
};

use crate::args::ChatArgs;
use crate::exit::{CANCELLED, Stop, code};
use crate::out::Out;
use crate::{ask, message, open, repl};

/// Says in the state folder that the hint about the tiny model was shown.
const HINT_MARKER: &str = "demo-model-hint-shown";

/// What stays the same from answer to answer.
pub(crate) struct Session {
    pub(crate) api: Api,
    pub(crate) out: Out,
    pub(crate) system: Option<String>,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) show_thinking: bool,
}

/// How an answer ended, and what of it arrived.
pub(crate) struct Outcome {
    /// The exit code that it deserves; 0 for a whole answer.
    pub(crate) code: u8,
    /// What the model said; nothing when nothing arrived.
    pub(crate) said: Option<Message>,
}

pub(crate) async fn run(args: ChatArgs, out: Out) -> Result<(), Stop> {
    let is_interactive = out.stdout_is_terminal() && !out.json;
    let text = message::from(&args.message, is_interactive)?;
    let api = open(&out, ask::passphrase()).await?;
    let wanted = args.model.as_deref();
    let prepared = async {
        fetch_local_model(&api, &out, wanted).await?;
        let model = api.resolve_model(wanted).await?;
        match text {
            Some(text) => Ok((model, Some(message::build(&api, text, &args.image).await?))),
            None => Ok::<_, ApiError>((model, None)),
        }
    };
    let (model, message) = tokio::select! {
        // Watched before anybody is asked for a passphrase.
        biased;
        _ = ctrl_c() => return Err(Stop::Told(cancelled_early(&out)?)),
        prepared = prepared => prepared?,
    };
    hint(&api, &out, &model);
    let session = Session {
        api,
        out,
        system: args.system,
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        show_thinking: args.show_thinking,
    };
    let Some(message) = message else {
        return repl::run(session, model, args.image).await;
    };
    let outcome = session.answer(&model, vec![message]).await?;
    if outcome.code == CANCELLED {
        // A second Ctrl-C does not wait for anything.
        tokio::spawn(async {
            if ctrl_c().await.is_ok() {
                std::process::exit(i32::from(CANCELLED));
            }
        });
    }
    match outcome.code {
        0 => Ok(()),
        code => Err(Stop::Told(code)),
    }
}

/// Fetches the local model that the settings name by address, if that is still to be done.
async fn fetch_local_model(api: &Api, out: &Out, wanted: Option<&str>) -> Result<(), ApiError> {
    let mut told = 0;
    let fetched = api.fetch_local_model(wanted, |written, whole| {
        let tenth = whole.and_then(|whole| (written * 10).checked_div(whole));
        if tenth.is_some_and(|tenth| tenth > told) {
            told = tenth.unwrap_or_default();
            out.note(&format!("fetching the local model: {told}0 %"));
        }
    });
    fetched.await.map(drop)
}

/// Cancelled before there was a model to ask.
fn cancelled_early(out: &Out) -> Result<u8, Stop> {
    let event = ChatEvent::Cancelled {
        received: Received::default(),
    };
    if out.json {
        out.event(&event)?;
    } else {
        out.error_words(&ApiError::new(
            ApiErrorKind::Cancelled,
            "Nothing was sent.",
            "",
        ));
    }
    Ok(CANCELLED)
}

/// Once per profile: what to expect of the model that comes with the program.
fn hint(api: &Api, out: &Out, model: &ModelRef) {
    let marker = api.paths().state.join(HINT_MARKER);
    if out.quiet || out.json || !api.is_demo_model(model) || marker.exists() {
        return;
    }
    out.note(
        "This is the tiny demo model that comes with ValeChat: it runs on this computer and shows that everything works, but its facts are not to be trusted. For real work add Ollama, LM Studio or an API: `valechat provider add --help`.",
    );
    // Not being able to remember it is no reason to fail: it is shown again then.
    let _ = fs::create_dir_all(&api.paths().state).and_then(|()| fs::write(&marker, ""));
}

impl Session {
    /// Asks the model and draws its answer. Ctrl-C stops it.
    pub(crate) async fn answer(
        &self,
        model: &ModelRef,
        messages: Vec<Message>,
    ) -> Result<Outcome, Stop> {
        let request = ChatRequest {
            model: model.clone(),
            system: self.system.clone(),
            messages,
            max_output_tokens: self.max_tokens,
            temperature: self.temperature,
        };
        let mut interrupt = std::pin::pin!(ctrl_c());
        let started = tokio::select! {
            biased;
            _ = &mut interrupt => {
                return Ok(Outcome { code: cancelled_early(&self.out)?, said: None });
            }
            started = self.api.chat(request) => started,
        };
        let mut stream = match started {
            Ok(stream) => stream,
            Err(error) => {
                let error = ask::cancelled_or(error);
                self.out.error(&error)?;
                return Ok(Outcome {
                    code: code(error.kind),
                    said: None,
                });
            }
        };
        let mut drawing = Drawing::new(self);
        loop {
            let event = tokio::select! {
                // The person first: a terminal sends Ctrl-C to every process of its group, and
                // whatever that ends must not be told as a failure.
                biased;
                _ = &mut interrupt => return self.cancel(stream, &mut drawing),
                event = stream.next() => event,
            };
            let Some(event) = event else {
                break;
            };
            if matches!(event, ChatEvent::Failed { .. }) && ask::unless_cancelled().is_err() {
                return self.cancel(stream, &mut drawing);
            }
            drawing.draw(&event)?;
            // The rest of the same network read goes out with it, in one write.
            while let Some(event) = stream.try_next() {
                drawing.draw(&event)?;
            }
            drawing.flush()?;
        }
        Ok(Outcome {
            code: drawing.code,
            said: stream.message(),
        })
    }

    fn cancel(&self, stream: ChatStream, drawing: &mut Drawing<'_>) -> Result<Outcome, Stop> {
        let said = stream.message();
        drawing.draw(&stream.cancel())?;
        drawing.flush()?;
        Ok(Outcome {
            code: CANCELLED,
            said,
        })
    }
}

/// What has been drawn of an answer.
struct Drawing<'s> {
    session: &'s Session,
    /// Text that waits for [`Self::flush`].
    pending: String,
    /// The answer's last character was a line break, or there is none yet.
    at_line_start: bool,
    is_thinking: bool,
    code: u8,
}

impl<'s> Drawing<'s> {
    fn new(session: &'s Session) -> Self {
        Self {
            session,
            pending: String::new(),
            at_line_start: true,
            is_thinking: false,
            code: 0,
        }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if !self.pending.is_empty() {
            self.session.out.answer(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }

    fn draw(&mut self, event: &ChatEvent) -> Result<(), Stop> {
        let out = &self.session.out;
        self.code = match event {
            ChatEvent::Failed { error, .. } => code(error.kind),
            ChatEvent::Cancelled { .. } => CANCELLED,
            _ => self.code,
        };
        if out.json {
            return Ok(out.event(event)?);
        }
        match event {
            ChatEvent::Started { .. } | ChatEvent::Usage { .. } => {}
            ChatEvent::Retrying { .. } | ChatEvent::Switched { .. } | ChatEvent::LeftOut { .. } => {
                self.end_line()?;
                if let Some(words) = detour(event) {
                    out.note(&words);
                }
            }
            ChatEvent::Thinking { text } => {
                if self.session.show_thinking {
                    self.is_thinking = true;
                    out.thinking(text);
                }
            }
            ChatEvent::Text { text } => {
                self.end_thinking();
                self.pending.push_str(text);
                if let Some(last) = text.chars().last() {
                    self.at_line_start = last == '\n';
                }
            }
            ChatEvent::ToolCall(call) => {
                self.end_line()?;
                out.note(&format!(
                    "The model wants to run the tool {} with {}; nothing was run.",
                    call.name, call.arguments
                ));
            }
            ChatEvent::Finished {
                reason,
                model,
                usage,
                received,
            } => {
                self.end_line()?;
                if let Some(words) = unusual(reason) {
                    out.note(words);
                }
                if out.stderr_is_terminal() {
                    out.note(&footer(model, usage.as_ref(), received));
                }
            }
            ChatEvent::Failed {
                error,
                received_anything,
                received,
            } => {
                self.end_line()?;
                let mut error = error.clone();
                if *received_anything {
                    error.details.push(format!(
                        "{} had arrived and {} kept above.",
                        amount(received),
                        if received.characters == 1 {
                            "is"
                        } else {
                            "are"
                        }
                    ));
                }
                out.error_words(&error);
            }
            ChatEvent::Cancelled { received } => {
                self.end_line()?;
                let sentence = format!(
                    "Stopped after {:.1} s; {} received.",
                    received.seconds,
                    amount(received)
                );
                out.error_words(&ApiError::new(ApiErrorKind::Cancelled, sentence, ""));
            }
        }
        Ok(())
    }

    fn end_thinking(&mut self) {
        if std::mem::take(&mut self.is_thinking) {
            self.session.out.stderr("\n");
        }
    }

    /// What follows begins on a line of its own.
    fn end_line(&mut self) -> Result<(), Stop> {
        self.end_thinking();
        if !std::mem::replace(&mut self.at_line_start, true) {
            self.pending.push('\n');
        }
        self.flush()
    }
}

/// What happened on the way to an answer, in words.
pub(crate) fn detour(event: &ChatEvent) -> Option<String> {
    Some(match event {
        ChatEvent::Retrying {
            model,
            after_seconds,
            possibly_billed,
            error,
        } => format!(
            "{} {model} is asked again in {after_seconds:.1} s.{}",
            error.sentence,
            if *possibly_billed {
                " The first try may be billed all the same."
            } else {
                ""
            }
        ),
        ChatEvent::Switched {
            from,
            to,
            error,
            from_price,
            to_price,
        } => format!(
            "{} {to} answers instead of {from}. {}",
            error.sentence,
            difference(from_price.as_ref(), to_price.as_ref())
        ),
        ChatEvent::LeftOut { model, what } => {
            let rows = what.iter().map(|loss| {
                let messages = match loss.messages {
                    1 => "one message".to_owned(),
                    some => format!("{some} messages"),
                };
                format!("{} of {messages} ({})", loss.what, loss.why)
            });
            let rows: Vec<_> = rows.collect();
            format!("Not sent to {model}: {}.", rows.join("; "))
        }
        _ => return None,
    })
}

/// What a switch means for the bill.
fn difference(from: Option<&PriceRow>, to: Option<&PriceRow>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from.currency == to.currency => format!(
            "Per million tokens: input {} → {}, output {} → {} {}.",
            from.input, to.input, from.output, to.output, to.currency
        ),
        (_, Some(to)) => format!(
            "It costs {} {} per million tokens of input, {} of output.",
            to.input, to.currency, to.output
        ),
        (_, None) => "What it costs is not known.".to_owned(),
    }
}

/// An end that the person should know of.
fn unusual(reason: &FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::MaxTokens => {
            Some("The answer stopped at the token limit; --max-tokens raises it.")
        }
        FinishReason::ContentFilter => Some("The provider's content filter ended the answer."),
        FinishReason::Refusal => Some("The model refused to answer."),
        FinishReason::Paused => Some("The provider paused the answer; ask it to go on."),
        FinishReason::Cancelled => Some("The provider cancelled the answer."),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other(_) => None,
    }
}

pub(crate) fn footer(model: &ModelRef, usage: Option<&UsageRow>, received: &Received) -> String {
    let tokens = usage.map_or_else(
        || "tokens unknown".to_owned(),
        |usage| {
            format!(
                "{} tokens in, {} out",
                usage.input_total, usage.output_total
            )
        },
    );
    format!("{model} · {tokens} · {:.1} s", received.seconds)
}

fn amount(received: &Received) -> String {
    let characters = match received.characters {
        1 => "1 character".to_owned(),
        some => format!("{some} characters"),
    };
    match received.tokens {
        Some(tokens) => format!("{characters} ({tokens} tokens)"),
        None => characters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_says_unknown_rather_than_nought() {
        let model: ModelRef = "lan/a/b".parse().unwrap();
        let received = Received {
            seconds: 1.25,
            ..Received::default()
        };
        let usage = UsageRow {
            input_total: 31,
            output_total: 12,
            ..UsageRow::default()
        };
        assert_eq!(
            footer(&model, Some(&usage), &received),
            "lan/a/b · 31 tokens in, 12 out · 1.2 s"
        );
        assert!(footer(&model, None, &received).contains("unknown"));
    }

    #[test]
    fn what_arrived_is_counted_in_words() {
        for (characters, tokens, words) in [
            (0, None, "0 characters"),
            (1, None, "1 character"),
            (120, Some(31), "120 characters (31 tokens)"),
        ] {
            let received = Received {
                characters,
                tokens,
                ..Received::default()
            };
            assert_eq!(amount(&received), words);
        }
    }
}
