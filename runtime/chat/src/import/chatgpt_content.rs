//! What a message of ChatGPT holds, by its kind of content.

use serde::Deserialize;

use super::any::{Any, Compact, any, objects};
use super::neutral::{FileBytes, FileKind, NeutralFile, NeutralPart};

/// The fields of every kind of content; which are filled depends on `content_type`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    #[serde(deserialize_with = "any")]
    pub content_type: Option<String>,
    #[serde(deserialize_with = "any")]
    parts: Vec<GptPart>,
    #[serde(deserialize_with = "any")]
    text: Option<String>,
    #[serde(deserialize_with = "any")]
    language: Option<String>,
    #[serde(deserialize_with = "any")]
    result: Option<String>,
    #[serde(deserialize_with = "any")]
    title: Option<String>,
    #[serde(deserialize_with = "any")]
    url: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
    #[serde(deserialize_with = "any")]
    thoughts: Vec<Thought>,
    #[serde(deserialize_with = "any")]
    user_profile: Option<String>,
    #[serde(deserialize_with = "any")]
    user_instructions: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Thought {
    #[serde(deserialize_with = "any")]
    summary: Option<String>,
    #[serde(deserialize_with = "any")]
    content: Option<String>,
}

#[derive(Debug, Default)]
enum GptPart {
    #[default]
    Nothing,
    Text(String),
    Asset(Box<Asset>),
}

impl Any for GptPart {
    fn text(text: String) -> Self {
        Self::Text(text)
    }
    fn object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Asset::object(object).map(|asset| Self::Asset(Box::new(asset)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asset {
    #[serde(deserialize_with = "any")]
    content_type: Option<String>,
    #[serde(deserialize_with = "any")]
    asset_pointer: Option<String>,
    /// The sound of a spoken turn, beside its frames.
    #[serde(deserialize_with = "any")]
    audio_asset_pointer: Option<Box<Asset>>,
    #[serde(deserialize_with = "any")]
    text: Option<String>,
}

impl Any for Option<Box<Asset>> {
    fn text(text: String) -> Self {
        Some(Box::new(Asset {
            asset_pointer: Some(text),
            ..Asset::default()
        }))
    }
    fn object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Asset::object(object).map(|asset| Some(Box::new(asset)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileRef {
    #[serde(deserialize_with = "any")]
    pub id: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
    #[serde(deserialize_with = "any")]
    mime_type: Option<String>,
    #[serde(rename = "mimeType", deserialize_with = "any")]
    media_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    #[serde(deserialize_with = "any")]
    matched_text: Option<String>,
    #[serde(deserialize_with = "any")]
    alt: Compact,
}

objects!(Content, Thought, Asset, FileRef, Reference);

/// Begins and ends a mark that ChatGPT draws as a source.
const MARK: char = '\u{e200}';
const MARK_END: char = '\u{e201}';

impl FileRef {
    fn media_type(&self) -> Option<&str> {
        self.mime_type.as_deref().or(self.media_type.as_deref())
    }

    pub(super) fn into_file(self) -> NeutralFile {
        NeutralFile {
            kind: NeutralFile::kind_of(self.media_type()),
            media_type: self.media_type().map(str::to_owned),
            name: self.name,
            bytes: FileBytes::Named(self.id.into_iter().collect()),
        }
    }
}

impl Content {
    pub(super) fn instructions(&self) -> Option<String> {
        let texts = [&self.user_profile, &self.user_instructions];
        let texts = texts.into_iter().flatten().map(|text| text.trim());
        let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// Only its text, for a call.
    pub(super) fn plain(self) -> String {
        let parts = self.parts.into_iter().filter_map(|part| match part {
            GptPart::Text(text) => Some(text),
            GptPart::Asset(asset) => asset.text,
            GptPart::Nothing => None,
        });
        let texts: Vec<String> = self.text.into_iter().chain(parts).collect();
        texts.join("\n")
    }

    pub(super) fn read(
        self,
        parts: &mut Vec<NeutralPart>,
        files: &[FileRef],
        references: &[Reference],
    ) {
        let mut text = |text: Option<String>| {
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                parts.push(NeutralPart::Text(with_sources(text, references)));
            }
        };
        match self.content_type.as_deref().unwrap_or("text") {
            "code" => {
                if let Some(code) = self.text.filter(|code| !code.trim().is_empty()) {
                    let language = self.language.unwrap_or_default();
                    parts.push(NeutralPart::code(&language, &code));
                }
            }
            "execution_output" => {
                if let Some(output) = self.text.filter(|output| !output.trim().is_empty()) {
                    parts.push(NeutralPart::code("", &output));
                }
            }
            "thoughts" => {
                for thought in self.thoughts {
                    let texts = [thought.summary, thought.content];
                    let texts = texts.into_iter().flatten();
                    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
                    if !texts.is_empty() {
                        parts.push(NeutralPart::Thinking(texts.join("\n")));
                    }
                }
            }
            "tether_quote" | "sonic_webpage" | "tether_browsing_display" => {
                let heading = match (self.title, self.url) {
                    (Some(title), Some(url)) => Some(format!("{title}\n{url}")),
                    (title, url) => title.or(url),
                };
                text(heading);
                text(self.result);
                text(self.text);
            }
            "system_error" => {
                text(self.name);
                text(self.text);
            }
            _ => {
                text(self.text);
                text(self.result);
                for part in self.parts {
                    match part {
                        GptPart::Nothing => {}
                        GptPart::Text(part) => {
                            if !part.trim().is_empty() {
                                parts.push(NeutralPart::Text(with_sources(part, references)));
                            }
                        }
                        GptPart::Asset(asset) => asset.read(parts, files),
                    }
                }
            }
        }
    }
}

impl Asset {
    fn read(self, parts: &mut Vec<NeutralPart>, files: &[FileRef]) {
        if let Some(text) = self.text.filter(|text| !text.trim().is_empty()) {
            parts.push(NeutralPart::Text(text));
        }
        if let Some(sound) = self.audio_asset_pointer {
            sound.read(parts, files);
        }
        let Some(pointer) = self.asset_pointer else {
            return;
        };
        let id = pointer.rsplit("://").next().unwrap_or(&pointer).to_owned();
        let id = id.split('#').next().unwrap_or_default().to_owned();
        let file = files.iter().find(|file| file.id.as_deref() == Some(&id));
        let kind = match self.content_type.as_deref() {
            Some(kind) if kind.contains("image") => FileKind::Image,
            Some(kind) if kind.contains("audio") => FileKind::Audio,
            _ => NeutralFile::kind_of(file.and_then(FileRef::media_type)),
        };
        parts.push(NeutralPart::File(NeutralFile {
            kind,
            name: file.and_then(|file| file.name.clone()),
            media_type: file.and_then(FileRef::media_type).map(str::to_owned),
            bytes: FileBytes::Named(vec![id]),
        }));
    }
}

/// The marks of sources as the text that ChatGPT would show for them, or gone.
fn with_sources(text: String, references: &[Reference]) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let mut text = text;
    for reference in references {
        let Some(mark) = &reference.matched_text else {
            continue;
        };
        if mark.starts_with(MARK) && mark.ends_with(MARK_END) {
            text = text.replace(
                mark.as_str(),
                reference.alt.0.as_deref().unwrap_or_default(),
            );
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(MARK) {
        shown.push_str(before);
        // A mark without an end is no mark.
        rest = after.split_once(MARK_END).map_or(after, |(_, after)| after);
    }
    shown.push_str(rest);
    shown
}
