//! What every reader makes of its format: a conversation with the ids of the app it comes from.

use crate::model::{Finish, Role, State};

/// A conversation as another app had it. Its messages may hang together in any way; see
/// [`super::graph`].
#[derive(Debug, Default)]
pub(super) struct Neutral {
    pub app: &'static str,
    pub id: Option<String>,
    pub title: Option<String>,
    pub created_ms: Option<u64>,
    pub updated_ms: Option<u64>,
    pub folder: Option<NeutralFolder>,
    pub archived: bool,
    pub pinned: bool,
    pub model: Option<String>,
    pub system_prompt: Option<String>,
    pub nodes: Vec<Node>,
    /// The end of the branch that was shown.
    pub current: Option<String>,
}

/// A folder or a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NeutralFolder {
    pub id: String,
    pub name: String,
}

impl NeutralFolder {
    /// A folder of which the export has only the id: the end of it tells it from the others.
    pub(super) fn unnamed(kind: &str, id: String) -> Self {
        let cut = id.chars().count().saturating_sub(4);
        let end: String = id.chars().skip(cut).collect();
        let name = format!("{kind} {end}");
        Self { id, name }
    }
}

/// A place in the tree, whether or not a person ever saw something there.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub id: String,
    pub parent: Option<String>,
    /// In the order in which the app showed them; may be missing or wrong.
    pub children: Vec<String>,
    pub message: Option<NeutralMessage>,
    /// Thinking that belongs to the answers after it.
    pub lead: bool,
}

#[derive(Debug, Clone)]
pub(super) struct NeutralMessage {
    pub role: Role,
    pub parts: Vec<NeutralPart>,
    pub model: Option<String>,
    pub created_ms: Option<u64>,
    pub state: State,
    pub finish: Option<Finish>,
}

impl NeutralMessage {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            parts: Vec::new(),
            model: None,
            created_ms: None,
            state: State::Complete,
            finish: None,
        }
    }

    /// Adds text, unless there is none.
    pub(super) fn push_text(&mut self, text: Option<String>) {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            self.parts.push(NeutralPart::Text(text));
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum NeutralPart {
    Text(String),
    Thinking(String),
    File(NeutralFile),
    ToolCall {
        id: String,
        name: String,
        arguments: String,
    },
    ToolResult {
        call: String,
        name: Option<String>,
        content: Vec<NeutralPart>,
        is_error: bool,
    },
}

impl NeutralPart {
    /// Code as Markdown. The fence is longer than any in the code.
    pub(super) fn code(language: &str, text: &str) -> Self {
        let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
        let language = language.trim();
        let language = match language {
            "unknown" => "",
            _ if language.contains(|c: char| c.is_whitespace() || c == '`') => "",
            _ => language,
        };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        Self::Text(format!("{fence}{language}\n{text}{end}{fence}"))
    }

    /// The texts within, for the check against the limit.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) | Self::Thinking(text) => vec![text],
            Self::ToolCall { arguments, .. } => vec![arguments],
            Self::ToolResult { content, .. } => content.iter().flat_map(Self::texts).collect(),
            Self::File(file) => match &file.bytes {
                FileBytes::Text(text) | FileBytes::DataUrl(text) => vec![text],
                _ => Vec::new(),
            },
        }
    }
}

/// How many of `wanted` stand in a row at most.
pub(crate) fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for character in text.chars() {
        run = if character == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Image,
    Audio,
    File,
}

#[derive(Debug, Clone)]
pub(super) struct NeutralFile {
    pub kind: FileKind,
    pub name: Option<String>,
    pub media_type: Option<String>,
    pub bytes: FileBytes,
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(super) enum FileBytes {
    /// Perhaps in the archive, under a name that begins with one of these.
    Named(Vec<String>),
    /// Only its text is there.
    Text(String),
    /// Within the conversation.
    DataUrl(String),
    /// At an address.
    Url(String),
}

impl NeutralFile {
    /// The kind that a media type means.
    pub(super) fn kind_of(media_type: Option<&str>) -> FileKind {
        match media_type.and_then(|media_type| media_type.split('/').next()) {
            Some("image") => FileKind::Image,
            Some("audio") => FileKind::Audio,
            _ => FileKind::File,
        }
    }

    /// A file at an address, which may hold the bytes itself.
    pub(super) fn at(url: String, name: Option<String>, media_type: Option<String>) -> Self {
        let media_type = media_type.or_else(|| {
            let data = url.strip_prefix("data:")?;
            let media_type = data.split([';', ',']).next()?;
            (!media_type.is_empty()).then(|| media_type.to_owned())
        });
        let bytes = if url.starts_with("data:") {
            FileBytes::DataUrl(url)
        } else if url.starts_with("https://") || url.starts_with("http://") {
            FileBytes::Url(url)
        } else {
            FileBytes::Named(vec![url])
        };
        Self {
            kind: Self::kind_of(media_type.as_deref()),
            name,
            media_type,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NeutralPart;

    #[test]
    fn code_that_holds_fences_stays_within_its_own() {
        let NeutralPart::Text(text) = NeutralPart::code("markdown", "a\n````\nb\n````") else {
            panic!("no text");
        };
        assert_eq!(text, "`````markdown\na\n````\nb\n````\n`````");
        let NeutralPart::Text(text) = NeutralPart::code("unknown", "x\n") else {
            panic!("no text");
        };
        assert_eq!(text, "```\nx\n```");
    }
}
