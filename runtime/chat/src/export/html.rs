//! Conversations as HTML, one page each, complete in itself: style and images are within, there is
//! no script, and nothing is fetched.

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use pulldown_cmark_escape::{escape_html, escape_html_body_text};

use super::parts::{extra_note, file_label, long_text, speaker, state_note, summary, title};
use super::paths::rows;
use super::{Branches, ExportError, ExportReport, Exported, OpenFile, Pages, Source, page_name};
use crate::model::{Attachment, Media, Message, Part, ResultPart, Role, ToolCall, ToolResult};

/// The largest file that a page takes in, bytes.
const WITHIN: u64 = 64 << 20;

const STYLE: &str = include_str!("page.css");

/// Writes a page for each conversation.
///
/// # Errors
/// Where a page cannot be written or `source` fails; pages written before are whole.
pub fn html(
    source: &mut dyn Source,
    pages: &mut dyn Pages,
    branches: Branches,
) -> Result<ExportReport, ExportError> {
    let mut report = ExportReport::default();
    while let Some(exported) = source.next_conversation().map_err(ExportError::Source)? {
        let mut failure = None;
        let path = format!("{}.html", page_name(&exported.conversation));
        let written = pages.write(&path, &mut |out| {
            let mut page = Page {
                out,
                report: &mut report,
            };
            page.conversation(source, &exported, branches)
                .map_err(|error| match error {
                    ExportError::Write(error) => error,
                    other => {
                        let told = io::Error::other(other.to_string());
                        failure = Some(other);
                        told
                    }
                })
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        written?;
        report.conversations += 1;
    }
    Ok(report)
}

struct Page<'a> {
    out: &'a mut dyn Write,
    report: &'a mut ExportReport,
}

/// Text between tags.
fn body(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // Writing to a string does not fail.
    let _ = escape_html_body_text(&mut escaped, text);
    escaped
}

/// Text in an attribute.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let _ = escape_html(&mut escaped, text);
    escaped
}

impl Page<'_> {
    fn conversation(
        &mut self,
        source: &mut dyn Source,
        exported: &Exported,
        branches: Branches,
    ) -> Result<(), ExportError> {
        let conversation = &exported.conversation;
        let title = body(title(conversation));
        write!(
            self.out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1 dir=\"auto\">{title}</h1>\n<p>{}</p>\n</header>\n<main>\n",
            body(&summary(conversation))
        )?;
        if let Some(prompt) = &conversation.system_prompt {
            writeln!(self.out, "<article class=\"system\"><h2>Instructions</h2>")?;
            self.text(prompt)?;
            writeln!(self.out, "</article>")?;
        }
        let mut number = 0_u64;
        let mut numbers = std::collections::HashMap::new();
        for (place, row) in rows(exported, branches).iter().enumerate() {
            if place > 0 {
                let hidden = if row.pruned { " (hidden)" } else { "" };
                writeln!(
                    self.out,
                    "<section class=\"branch\"><h2>Another branch{hidden}</h2>"
                )?;
                match row.after.and_then(|after| numbers.get(&after)) {
                    Some(number) => {
                        let link = format!("<a href=\"#m{number}\">message {number}</a>");
                        writeln!(self.out, "<p class=\"note\">It follows {link}.</p>")?;
                    }
                    None => {
                        let note = "It begins the conversation anew.";
                        writeln!(self.out, "<p class=\"note\">{note}</p>")?;
                    }
                }
            }
            for id in &row.messages {
                number += 1;
                numbers.insert(*id, number);
                let message = source
                    .message(conversation.id, *id)
                    .map_err(ExportError::Source)?;
                match message {
                    Some(message) => self.message(source, &message, number)?,
                    None => {
                        self.report.missing_messages += 1;
                        self.note("A message could not be read.")?;
                    }
                }
            }
            if place > 0 {
                writeln!(self.out, "</section>")?;
            }
        }
        writeln!(
            self.out,
            "</main>\n<footer>Exported from ValeChat</footer>\n</body>\n</html>"
        )?;
        Ok(())
    }

    fn message(
        &mut self,
        source: &mut dyn Source,
        message: &Message,
        number: u64,
    ) -> Result<(), ExportError> {
        self.report.messages += 1;
        let class = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
            _ => "system",
        };
        let time = crate::import::time::for_people(message.created_ms);
        writeln!(
            self.out,
            "<article class=\"{class}\" id=\"m{number}\"><h2>{} · <time>{}</time></h2>",
            body(&speaker(message)),
            body(&time)
        )?;
        for part in &message.parts {
            match part {
                Part::Text(text) => self.text(text)?,
                Part::LongText(attachment) => match long_text(source, attachment, self.report)? {
                    Some(text) => self.text(&text)?,
                    None => self.note("A long text is not there any more.")?,
                },
                Part::Image(media) | Part::File(media) | Part::Audio(media) => {
                    self.media(source, media)?;
                }
                Part::ToolCall(call) => self.call(call)?,
                Part::ToolResult(result) => self.result(source, result)?,
                Part::Thinking(thinking) => {
                    writeln!(self.out, "<details><summary>Thinking</summary>")?;
                    self.text(&thinking.text)?;
                    writeln!(self.out, "</details>")?;
                }
                Part::RedactedThinking(_) => self.note("Thinking that the provider sealed.")?,
                Part::Other(extra) => self.note(&extra_note(extra))?,
                Part::Unknown(word, _) => {
                    self.note(&format!("A part that this version cannot show ({word})."))?;
                }
            }
        }
        if let Some(note) = state_note(message) {
            self.note(&note)?;
        }
        writeln!(self.out, "</article>")?;
        Ok(())
    }

    /// Markdown. What it holds of HTML is shown as text, and what would be fetched is a link.
    fn text(&mut self, text: &str) -> Result<(), ExportError> {
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        // How many links are open that became nothing.
        let mut dropped = 0_u32;
        let events = Parser::new_ext(text, options).map(|event| match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(
                Tag::Link {
                    dest_url,
                    title,
                    id,
                    link_type,
                }
                | Tag::Image {
                    dest_url,
                    title,
                    id,
                    link_type,
                },
            ) => {
                if is_harmless(&dest_url) {
                    Event::Start(Tag::Link {
                        link_type,
                        dest_url,
                        title,
                        id,
                    })
                } else {
                    dropped += 1;
                    Event::Text(CowStr::Borrowed(""))
                }
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if dropped > 0 {
                    dropped -= 1;
                    Event::Text(CowStr::Borrowed(""))
                } else {
                    Event::End(TagEnd::Link)
                }
            }
            other => other,
        });
        writeln!(self.out, "<div dir=\"auto\">")?;
        pulldown_cmark::html::write_html_io(&mut *self.out, events)?;
        writeln!(self.out, "</div>")?;
        Ok(())
    }

    fn note(&mut self, note: &str) -> Result<(), ExportError> {
        writeln!(self.out, "<p class=\"note\">{}</p>", body(note))?;
        Ok(())
    }

    fn preformatted(&mut self, text: &str) -> Result<(), ExportError> {
        // The line break after the tag is not part of the text, so that one at its front is.
        writeln!(self.out, "<pre dir=\"auto\">\n{}</pre>", body(text))?;
        Ok(())
    }

    fn call(&mut self, call: &ToolCall) -> Result<(), ExportError> {
        let name = body(&call.name);
        writeln!(self.out, "<details><summary>Tool call: {name}</summary>")?;
        self.preformatted(&call.arguments_json)?;
        writeln!(self.out, "</details>")?;
        Ok(())
    }

    fn result(&mut self, source: &mut dyn Source, result: &ToolResult) -> Result<(), ExportError> {
        let name = body(result.name.as_deref().unwrap_or_default());
        let failed = if result.is_error { " (failed)" } else { "" };
        writeln!(
            self.out,
            "<details><summary>Tool result{failed}: {name}</summary>"
        )?;
        for part in &result.content {
            match part {
                ResultPart::Text(text) | ResultPart::Json(text) => self.preformatted(text)?,
                ResultPart::Image(media) | ResultPart::File(media) => self.media(source, media)?,
                ResultPart::Other(extra) => self.note(&extra_note(extra))?,
                ResultPart::Unknown(word, _) => {
                    self.note(&format!("A part that this version cannot show ({word})."))?;
                }
            }
        }
        writeln!(self.out, "</details>")?;
        Ok(())
    }

    fn media(&mut self, source: &mut dyn Source, media: &Media) -> Result<(), ExportError> {
        match media {
            Media::Stored(attachment) => self.stored(source, attachment),
            Media::Url(url) if is_harmless(url) => {
                let (href, text) = (attribute(url), body(url));
                writeln!(self.out, "<p><a href=\"{href}\">{text}</a></p>")?;
                Ok(())
            }
            Media::Url(url) => self.note(url),
            Media::Other(extra) => self.note(&extra_note(extra)),
            Media::Unknown(word, _) => {
                self.note(&format!("A file that this version cannot show ({word})."))
            }
        }
    }

    fn stored(
        &mut self,
        source: &mut dyn Source,
        attachment: &Attachment,
    ) -> Result<(), ExportError> {
        let label = file_label(attachment);
        let file = source
            .file(attachment.blake3)
            .map_err(ExportError::Source)?;
        let Some(OpenFile { mut bytes, size }) = file else {
            self.report.missing_files += 1;
            return self.note(&format!("A file that is not there any more: {label}"));
        };
        if size > WITHIN {
            self.report.missing_files += 1;
            let size = size >> 20;
            return self.note(&format!(
                "A file that is too large for a page, {size} MiB: {label}"
            ));
        }
        self.report.files += 1;
        let media_type = attribute(plain_type(&attachment.media_type));
        let (open, close) = match media_type.split('/').next() {
            Some("image") => (
                format!("<p><img alt=\"{}\" src=\"", attribute(label)),
                "\"></p>".to_owned(),
            ),
            Some("audio") => (
                "<p><audio controls src=\"".to_owned(),
                "\"></audio></p>".to_owned(),
            ),
            _ => (
                format!("<p><a download=\"{}\" href=\"", attribute(label)),
                format!("\">{}</a></p>", body(label)),
            ),
        };
        write!(self.out, "{open}data:{media_type};base64,")?;
        let mut encoder = EncoderWriter::new(&mut *self.out, &STANDARD);
        io::copy(&mut bytes, &mut encoder)?;
        encoder.finish()?;
        drop(encoder);
        writeln!(self.out, "{close}")?;
        Ok(())
    }
}

/// An address that opens a page or a mail, and runs nothing.
fn is_harmless(url: &str) -> bool {
    let lower = url.trim().to_ascii_lowercase();
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|begin| lower.starts_with(begin))
}

/// The media type, if it is one; a page of HTML stays a download.
fn plain_type(media_type: &str) -> &str {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
    if plain.contains('/') && plain.bytes().all(allowed) {
        plain
    } else {
        "application/octet-stream"
    }
}
