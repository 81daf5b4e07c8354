//! Conversations as Markdown, one page each. What was said stands there as it was written.

use std::io::{self, Write};

use super::name::file_name;
use super::parts::{extra_note, file_label, long_text, speaker, state_note, summary, title};
use super::paths::rows;
use super::{
    Branches, ExportError, ExportReport, Exported, FILES_FOLDER, Pages, Source, page_name,
};
use crate::import::neutral::longest_run;
use crate::model::{Attachment, Media, Message, Part, ResultPart, ToolCall, ToolResult};

/// Writes a page for each conversation, and the files that they show into a folder beside them.
///
/// # Errors
/// Where a page cannot be written or `source` fails; pages written before are whole.
pub fn markdown(
    source: &mut dyn Source,
    pages: &mut dyn Pages,
    branches: Branches,
) -> Result<ExportReport, ExportError> {
    let mut report = ExportReport::default();
    while let Some(exported) = source.next_conversation().map_err(ExportError::Source)? {
        let mut files = Vec::new();
        let mut failure = None;
        let path = format!("{}.md", page_name(&exported.conversation));
        let written = pages.write(&path, &mut |out| {
            files.clear();
            let mut page = Page {
                out,
                files: &mut files,
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
        for attachment in files {
            write_file(source, pages, &attachment, &mut report)?;
        }
    }
    Ok(report)
}

fn write_file(
    source: &mut dyn Source,
    pages: &mut dyn Pages,
    attachment: &Attachment,
    report: &mut ExportReport,
) -> Result<(), ExportError> {
    let path = format!("{FILES_FOLDER}/{}", file_name(attachment));
    if pages.has(&path) {
        return Ok(());
    }
    match source
        .file(attachment.blake3)
        .map_err(ExportError::Source)?
    {
        None => report.missing_files += 1,
        Some(mut file) => {
            pages.write(&path, &mut |out| io::copy(&mut file.bytes, out).map(drop))?;
            report.files += 1;
        }
    }
    Ok(())
}

struct Page<'a> {
    out: &'a mut dyn Write,
    files: &'a mut Vec<Attachment>,
    report: &'a mut ExportReport,
}

impl Page<'_> {
    fn conversation(
        &mut self,
        source: &mut dyn Source,
        exported: &Exported,
        branches: Branches,
    ) -> Result<(), ExportError> {
        let conversation = &exported.conversation;
        writeln!(self.out, "# {}\n", in_line(title(conversation)))?;
        writeln!(self.out, "{}\n", in_line(&summary(conversation)))?;
        if let Some(prompt) = &conversation.system_prompt {
            writeln!(self.out, "## Instructions\n")?;
            self.text(prompt)?;
        }
        for (place, row) in rows(exported, branches).iter().enumerate() {
            if place > 0 {
                let hidden = if row.pruned { " (hidden)" } else { "" };
                writeln!(self.out, "---\n\n# Another branch{hidden}\n")?;
                match row.after {
                    None => writeln!(self.out, "It begins the conversation anew.\n")?,
                    Some(after) => {
                        let before = source
                            .message(conversation.id, after)
                            .map_err(ExportError::Source)?;
                        let begin = before.map(|before| beginning(&before)).unwrap_or_default();
                        writeln!(self.out, "It follows “{}”.\n", in_line(&begin))?;
                    }
                }
            }
            for id in &row.messages {
                let message = source
                    .message(conversation.id, *id)
                    .map_err(ExportError::Source)?;
                match message {
                    Some(message) => self.message(source, &message)?,
                    None => {
                        self.report.missing_messages += 1;
                        writeln!(self.out, "*A message could not be read.*\n")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, source: &mut dyn Source, message: &Message) -> Result<(), ExportError> {
        self.report.messages += 1;
        writeln!(self.out, "## {}\n", in_line(&speaker(message)))?;
        for part in &message.parts {
            match part {
                Part::Text(text) => self.text(text)?,
                Part::LongText(attachment) => match long_text(source, attachment, self.report)? {
                    Some(text) => self.text(&text)?,
                    None => self.note("A long text is not there any more.")?,
                },
                Part::Image(media) => self.media(media, "!")?,
                Part::File(media) | Part::Audio(media) => self.media(media, "")?,
                Part::ToolCall(call) => self.call(call)?,
                Part::ToolResult(result) => self.result(result)?,
                Part::Thinking(thinking) => self.quote("Thinking", &thinking.text)?,
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
        Ok(())
    }

    /// As it was written; a code block that was left open is closed, or it would take in the rest of
    /// the page.
    fn text(&mut self, text: &str) -> Result<(), ExportError> {
        self.out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        if let Some(fence) = open_fence(text) {
            writeln!(self.out, "{fence}")?;
        }
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn note(&mut self, note: &str) -> Result<(), ExportError> {
        writeln!(self.out, "*{}*\n", in_line(note))?;
        Ok(())
    }

    fn quote(&mut self, heading: &str, text: &str) -> Result<(), ExportError> {
        writeln!(self.out, "> **{heading}**\n>")?;
        for line in text.lines() {
            writeln!(self.out, "> {line}")?;
        }
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn fenced(&mut self, language: &str, text: &str) -> Result<(), ExportError> {
        let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        writeln!(self.out, "{fence}{language}\n{text}{end}{fence}\n")?;
        Ok(())
    }

    fn call(&mut self, call: &ToolCall) -> Result<(), ExportError> {
        writeln!(self.out, "**Tool call: {}**\n", in_line(&call.name))?;
        self.fenced("json", &call.arguments_json)
    }

    fn result(&mut self, result: &ToolResult) -> Result<(), ExportError> {
        let name = result.name.as_deref().unwrap_or_default();
        let failed = if result.is_error { " (failed)" } else { "" };
        writeln!(self.out, "**Tool result{failed}: {}**\n", in_line(name))?;
        for part in &result.content {
            match part {
                ResultPart::Text(text) => self.fenced("", text)?,
                ResultPart::Json(json) => self.fenced("json", json)?,
                ResultPart::Image(media) => self.media(media, "!")?,
                ResultPart::File(media) => self.media(media, "")?,
                ResultPart::Other(extra) => self.note(&extra_note(extra))?,
                ResultPart::Unknown(word, _) => {
                    self.note(&format!("A part that this version cannot show ({word})."))?;
                }
            }
        }
        Ok(())
    }

    fn media(&mut self, media: &Media, mark: &str) -> Result<(), ExportError> {
        match media {
            Media::Stored(attachment) => {
                let label = in_line(file_label(attachment));
                let name = file_name(attachment);
                writeln!(self.out, "{mark}[{label}]({FILES_FOLDER}/{name})\n")?;
                self.files.push(attachment.clone());
            }
            Media::Url(url) => writeln!(self.out, "<{}>\n", url.replace(['<', '>', '\n'], ""))?,
            Media::Other(extra) => self.note(&extra_note(extra))?,
            Media::Unknown(word, _) => {
                self.note(&format!("A file that this version cannot show ({word})."))?;
            }
        }
        Ok(())
    }
}

/// The first words of a message.
fn beginning(message: &Message) -> String {
    let text = message.text();
    let words: Vec<&str> = text.split_whitespace().take(12).collect();
    words.join(" ").chars().take(80).collect()
}

/// Text within a line, where it means nothing to Markdown.
fn in_line(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The fence that closes the code block which `text` leaves open.
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start_matches(' ');
        if line.len() - trimmed.len() > 3 {
            continue;
        }
        let Some(mark @ ('`' | '~')) = trimmed.chars().next() else {
            continue;
        };
        let length = trimmed
            .chars()
            .take_while(|character| *character == mark)
            .count();
        let rest = trimmed.trim_start_matches(mark);
        match open {
            None if length >= 3 && !(mark == '`' && rest.contains('`')) => {
                open = Some((mark, length));
            }
            Some((opened, least))
                if opened == mark && length >= least && rest.trim().is_empty() =>
            {
                open = None;
            }
            _ => {}
        }
    }
    open.map(|(mark, length)| mark.to_string().repeat(length))
}

#[cfg(test)]
mod tests {
    use super::{in_line, open_fence};

    #[test]
    fn only_a_code_block_left_open_is_closed() {
        for (text, fence) in [
            ("no code", None),
            ("```rust\nfn main() {}\n```", None),
            ("```rust\nfn main() {}", Some("```")),
            ("````\n```\n````", None),
            ("````\n```\n", Some("````")),
            ("~~~\n```\n", Some("~~~")),
            ("```\na\n``` not an end", Some("```")),
            ("    ```\nindented", None),
            ("``` inline ```", None),
        ] {
            assert_eq!(open_fence(text).as_deref(), fence, "{text}");
        }
    }

    #[test]
    fn a_title_stays_in_its_line() {
        assert_eq!(in_line("a\n# b [x](y) <i>"), "a \\# b \\[x\\](y) \\<i\\>");
    }
}
