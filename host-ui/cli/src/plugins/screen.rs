//! What the author of a plugin sees of a call: the answer on stdout, all else dimmed on stderr.

use std::collections::BTreeMap;

use vale_api::{Event, PlayEnd, PlayOutcome, PlayUse, Seen};

use crate::args_plugins::Wire;
use crate::exit::Stop;
use crate::out::Out;
use crate::text::{neutral, one_line};
use crate::tools;

/// What stands in the place of a credential.
const HIDDEN: &str = "‹hidden›";
/// In front of the lines of a body.
const BODY: &str = "  │ ";

/// Draws one call.
pub(super) struct Screen<'o> {
    out: &'o Out,
    wire: Wire,
    /// The answer stopped in the middle of a line, and stderr is the same terminal.
    is_mid_line: bool,
    /// Tool calls that are coming: name and arguments.
    calls: BTreeMap<u32, (String, String)>,
}

impl<'o> Screen<'o> {
    pub(super) fn new(out: &'o Out, wire: Wire) -> Self {
        Self {
            out,
            wire,
            is_mid_line: false,
            calls: BTreeMap::new(),
        }
    }

    pub(super) fn draw(&mut self, seen: &Seen) -> Result<(), Stop> {
        match seen {
            Seen::Event { event } => return self.event(event),
            Seen::Log { level, text } => self.note(&format!("log {level}: {}", one_line(text))),
            _ => {
                for line in lines(seen, self.wire) {
                    self.note(&line);
                }
            }
        }
        Ok(())
    }

    /// What came of it, and what it used.
    pub(super) fn end(&mut self, end: &PlayEnd) -> Result<(), Stop> {
        if self.is_mid_line {
            self.out.answer("\n")?;
            self.is_mid_line = false;
        }
        match &end.outcome {
            PlayOutcome::Answered { reason, usage } => {
                let reason = serde_json::to_string(reason).unwrap_or_default();
                let mut words = format!("finished: {}", reason.trim_matches('"'));
                if let Some(usage) = usage {
                    words.push_str(&format!(
                        ", {} tokens in, {} out",
                        usage.input_total, usage.output_total
                    ));
                }
                self.note(&one_line(&words));
            }
            PlayOutcome::Models { models } => {
                for model in models {
                    self.out.line(&one_line(model))?;
                }
            }
            PlayOutcome::Tools { tools } => {
                for tool in tools {
                    let about = tool.description.lines().next().unwrap_or_default();
                    self.out
                        .line(&format!("{}  {}", one_line(&tool.name), one_line(about)))?;
                }
                self.note("Call one with --tool NAME --args '{…}'.");
            }
            PlayOutcome::Tool { result } => tools::draw(result, self.out)?,
            PlayOutcome::Failed { .. } => {}
        }
        self.note(&used(&end.used));
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), Stop> {
        match event {
            Event::Text(text) => {
                self.out.answer(text)?;
                if !text.is_empty() {
                    self.is_mid_line = !text.ends_with('\n');
                }
            }
            Event::Thinking(text) => {
                for line in text.lines() {
                    self.note(&format!("thinking: {}", neutral(line)));
                }
            }
            Event::RedactedThinking(_) => self.note("thinking that the provider sealed"),
            Event::ToolCallStart(start) => {
                let call = (start.name.clone(), String::new());
                self.calls.insert(start.index, call);
            }
            Event::ToolCallDelta(delta) => {
                if let Some((_, arguments)) = self.calls.get_mut(&delta.index) {
                    arguments.push_str(&delta.arguments_json);
                }
            }
            Event::ToolCallEnd(end) => {
                if let Some((name, arguments)) = self.calls.remove(&end.index) {
                    self.note(&one_line(&format!("tool call: {name} {arguments}")));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A line on stderr, below the answer where both are on one terminal.
    fn note(&mut self, line: &str) {
        let is_one = self.out.stdout_is_terminal() && self.out.stderr_is_terminal();
        if self.is_mid_line && is_one && !self.out.quiet {
            self.out.stderr("\n");
            self.is_mid_line = false;
        }
        self.out.note(line);
    }
}

/// The wire in lines, harmless wherever they go.
fn lines(seen: &Seen, wire: Wire) -> Vec<String> {
    let is_full = wire == Wire::Full;
    if wire == Wire::Off {
        return Vec::new();
    }
    let mut lines = Vec::new();
    match seen {
        Seen::Request {
            exchange,
            method,
            url,
            headers,
            bytes,
            body,
            is_cut,
        } => {
            lines.push(format!("→ {exchange} {method} {url} ({bytes} bytes)"));
            if is_full {
                lines.extend(headers.iter().map(header));
                lines.extend(body_lines(body));
                if *is_cut {
                    lines.push(format!("{BODY}… (the rest is not shown)"));
                }
            }
        }
        Seen::Response {
            exchange,
            status,
            headers,
        } => {
            lines.push(format!("← {exchange} {status}"));
            if is_full {
                lines.extend(headers.iter().map(header));
            }
        }
        Seen::Body { text, .. } if is_full => lines.extend(body_lines(text)),
        Seen::BodyEnd { exchange, bytes } => {
            lines.push(format!("← {exchange} end ({bytes} bytes)"));
        }
        Seen::ExchangeFailed { exchange, why } => lines.push(format!("← {exchange} failed: {why}")),
        _ => {}
    }
    lines.iter().map(|line| one_line(line)).collect()
}

fn header((name, value): &(String, Option<String>)) -> String {
    format!("  {name}: {}", value.as_deref().unwrap_or(HIDDEN))
}

/// A piece of a body: where the network cut it, another line begins.
fn body_lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.split('\n').filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("{BODY}{}", line.trim_end_matches('\r')))
}

fn used(used: &[PlayUse]) -> String {
    let words = used.iter().map(|used| {
        let value = match used.used {
            whole if whole.fract() == 0.0 => format!("{whole:.0}"),
            small if small < 0.1 => format!("{small:.4}"),
            value => format!("{value:.1}"),
        };
        format!("{} {value} of {} {}", used.limit, used.allowed, used.unit)
    });
    format!("used: {}", words.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Seen {
        Seen::Request {
            exchange: 1,
            method: "POST".to_owned(),
            url: "https://a.example/v1".to_owned(),
            headers: vec![
                ("authorization".to_owned(), None),
                ("x".to_owned(), Some("a\u{1b}[31m\r\nb".to_owned())),
            ],
            bytes: 7,
            body: "one\n\u{9b}2J\n".to_owned(),
            is_cut: true,
        }
    }

    #[test]
    fn the_wire_is_shown_as_much_as_was_asked_for_and_obeyed_by_no_terminal() {
        assert_eq!(lines(&request(), Wire::Off), Vec::<String>::new());
        assert_eq!(
            lines(&request(), Wire::Short),
            ["→ 1 POST https://a.example/v1 (7 bytes)"]
        );
        assert_eq!(
            lines(&request(), Wire::Full),
            [
                "→ 1 POST https://a.example/v1 (7 bytes)",
                "  authorization: ‹hidden›",
                "  x: a␛[31m b",
                "  │ one",
                "  │ \\u{9b}2J",
                "  │ … (the rest is not shown)",
            ]
        );
    }

    #[test]
    fn what_was_used_is_told_with_the_digits_that_matter() {
        let of = |limit, used, allowed, unit| PlayUse {
            limit,
            used,
            allowed,
            unit,
        };
        assert_eq!(
            used(&[
                of("cpu_ms", 12.345, 10_000.0, "ms"),
                of("response_mib", 0.001_23, 64.0, "MiB"),
                of("events", 3.0, 1e6, "events"),
            ]),
            "used: cpu_ms 12.3 of 10000 ms, response_mib 0.0012 of 64 MiB, events 3 of 1000000 events"
        );
    }
}
