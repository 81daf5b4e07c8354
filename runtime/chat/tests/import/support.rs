//! What the tests share: files in memory, a source of what was imported, and a tree as text.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};

use vale_chat::export::{Exported, Link, OpenFile, Pages, Source, SourceError};
use vale_chat::import::{
    FileStore, Import, ImportError, Imported, Input, Item, Options, Report, StoredFile,
};
use vale_chat::model::{BlobHash, Folder, Media, Message, Part, ResultPart};
use vale_chat::{ConversationId, MessageId};

/// Files by their hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) HashMap<BlobHash, Vec<u8>>);

impl Memory {
    pub(crate) fn add(&mut self, bytes: &[u8]) -> BlobHash {
        self.put(&mut { bytes }).unwrap().hash
    }
}

impl FileStore for Memory {
    fn put(&mut self, bytes: &mut dyn Read) -> io::Result<StoredFile> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        let hash = BlobHash::new(*blake3::hash(&all).as_bytes());
        let size = all.len() as u64;
        self.0.insert(hash, all);
        Ok(StoredFile { hash, size })
    }
    fn has(&self, hash: &BlobHash) -> bool {
        self.0.contains_key(hash)
    }
}

/// Everything that an import gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) folders: Vec<Folder>,
    pub(crate) conversations: Vec<Imported>,
    pub(crate) files: Memory,
    pub(crate) report: Report,
    pub(crate) error: Option<ImportError>,
}

pub(crate) fn import_with(input: Input, options: Options) -> Result<Outcome, ImportError> {
    let mut import = Import::open(input, Memory::default(), options)?;
    let mut folders = Vec::new();
    let mut conversations = Vec::new();
    let mut error = None;
    for item in import.by_ref() {
        match item {
            Ok(Item::Folder(folder)) => folders.push(folder),
            Ok(Item::Conversation(imported)) => conversations.push(*imported),
            Err(failed) => error = Some(failed),
        }
    }
    let (files, report) = import.finish();
    Ok(Outcome {
        folders,
        conversations,
        files,
        report,
        error,
    })
}

pub(crate) fn import(bytes: impl Into<Vec<u8>>) -> Outcome {
    import_with(Input::bytes(bytes.into()), Options::default()).unwrap()
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/import");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// The id that a message had where it comes from.
pub(crate) fn name(message: &Message) -> &str {
    message.source.as_ref().map_or("?", |source| &source.id)
}

/// `child<parent` for each message, in order.
pub(crate) fn shape(imported: &Imported) -> String {
    let names: HashMap<MessageId, &str> = imported
        .messages
        .iter()
        .map(|message| (message.id, name(message)))
        .collect();
    let links = imported.messages.iter().map(|message| {
        let parent = message.parent.map_or("-", |parent| names[&parent]);
        format!("{}<{parent}", name(message))
    });
    links.collect::<Vec<_>>().join(" ")
}

pub(crate) fn leaf(imported: &Imported) -> &str {
    let leaf = imported.conversation.active_leaf.expect("a leaf");
    let message = imported.messages.iter().find(|message| message.id == leaf);
    name(message.expect("the leaf is a message"))
}

pub(crate) fn message<'a>(imported: &'a Imported, id: &str) -> &'a Message {
    let found = imported.messages.iter().find(|message| name(message) == id);
    found.unwrap_or_else(|| panic!("no message {id}"))
}

/// The parts in short.
pub(crate) fn parts(message: &Message, files: &Memory) -> Vec<String> {
    fn media(kind: &str, media: &Media, files: &Memory) -> String {
        match media {
            Media::Stored(attachment) => {
                let bytes = &files.0[&attachment.blake3];
                assert_eq!(bytes.len() as u64, attachment.size);
                let name = attachment.name.as_deref().unwrap_or("-");
                let bytes = String::from_utf8_lossy(bytes);
                format!("{kind} {name} {} {bytes:?}", attachment.media_type)
            }
            Media::Url(url) => format!("{kind} at {url}"),
            Media::Other(extra) => format!("{kind} {} {}", extra.name, extra.json),
            Media::Unknown(word, _) => format!("{kind} unknown {word}"),
        }
    }
    let part = |part: &Part| match part {
        Part::Text(text) => format!("text {text:?}"),
        Part::LongText(attachment) => format!("long text of {}", attachment.size),
        Part::Thinking(thinking) => format!("thinking {:?}", thinking.text),
        Part::Image(image) => media("image", image, files),
        Part::File(file) => media("file", file, files),
        Part::Audio(sound) => media("audio", sound, files),
        Part::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments_json),
        Part::ToolResult(result) => {
            let content = result.content.iter().map(|part| match part {
                ResultPart::Text(text) => format!("{text:?}"),
                other => format!("{other:?}"),
            });
            let name = result.name.as_deref().unwrap_or("-");
            let content = content.collect::<Vec<_>>().join(" ");
            format!("result {} {name} {content}", result.call_id)
        }
        other => format!("{other:?}"),
    };
    message.parts.iter().map(part).collect()
}

/// What was imported, to be exported.
pub(crate) struct Kept {
    pub(crate) folders: Vec<Folder>,
    pub(crate) conversations: VecDeque<Imported>,
    pub(crate) current: Option<Imported>,
    pub(crate) files: Memory,
}

impl Kept {
    pub(crate) fn new(folders: Vec<Folder>, conversations: Vec<Imported>, files: Memory) -> Self {
        Self {
            folders,
            conversations: conversations.into(),
            current: None,
            files,
        }
    }
}

impl Source for Kept {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        Ok(self.folders.clone())
    }
    fn next_conversation(&mut self) -> Result<Option<Exported>, SourceError> {
        self.current = self.conversations.pop_front();
        Ok(self.current.as_ref().map(|imported| Exported {
            conversation: imported.conversation.clone(),
            links: imported
                .messages
                .iter()
                .map(|message| Link {
                    id: message.id,
                    parent: message.parent,
                    pruned: imported.pruned.contains(&message.id),
                })
                .collect(),
        }))
    }
    fn message(
        &mut self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<Message>, SourceError> {
        let current = self.current.as_ref().unwrap();
        assert_eq!(current.conversation.id, conversation);
        let mut messages = current.messages.iter();
        Ok(messages.find(|own| own.id == message).cloned())
    }
    fn file(&mut self, hash: BlobHash) -> Result<Option<OpenFile<'_>>, SourceError> {
        Ok(self.files.0.get(&hash).map(|bytes| OpenFile {
            bytes: Box::new(bytes.as_slice()),
            size: bytes.len() as u64,
        }))
    }
}

/// Pages by their path.
#[derive(Debug, Default)]
pub(crate) struct Paper(pub(crate) HashMap<String, Vec<u8>>);

impl Pages for Paper {
    fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
    fn write(
        &mut self,
        path: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut page = Vec::new();
        write(&mut page)?;
        assert!(
            self.0.insert(path.to_owned(), page).is_none(),
            "{path} was written twice"
        );
        Ok(())
    }
}
