//! One record of each kind, with every field filled.

use vale_chat::Change;
use vale_chat::model::*;
use vale_chat::record::*;
use vale_chat::{AttemptId, ConversationId, FolderId, GroupId, MessageId, Record};

/// The moment of the samples: 2026-01-02 03:04:05.678 UTC.
const AT: u64 = 1_767_323_045_678;

fn bytes(number: u8) -> [u8; 16] {
    let mut bytes = [number; 16];
    let ms = AT.to_be_bytes();
    bytes[..6].copy_from_slice(&ms[2..]);
    bytes[6] = 0x70 | (number & 0x0f);
    bytes[8] = 0x80 | (number & 0x3f);
    bytes
}

fn conversation_id() -> ConversationId {
    ConversationId::from_bytes(bytes(1))
}

fn message_id(number: u8) -> MessageId {
    MessageId::from_bytes(bytes(number))
}

fn model() -> ModelName {
    ModelName {
        provider: "anthropic".into(),
        model: "claude-sonnet-4-5".into(),
    }
}

fn extras() -> Vec<Extra> {
    vec![Extra {
        name: "note".into(),
        json: r#"{"a":[1,2.5,null]}"#.into(),
    }]
}

fn attachment() -> Attachment {
    Attachment {
        blake3: BlobHash::new([0xab; 32]),
        media_type: "application/pdf".into(),
        name: Some("Übersicht.pdf".into()),
        size: 123_456_789_012,
        text: Some(BlobHash::new([0xcd; 32])),
    }
}

fn thinking() -> Thinking {
    Thinking {
        mode: ThinkingMode::Budget,
        effort: Some("high".into()),
        tokens: Some(4096),
    }
}

fn usage() -> Usage {
    Usage {
        input: Some(1),
        cache_read: Some(2),
        cache_write_5m: Some(3),
        cache_write_1h: Some(4),
        output: Some(5),
        reasoning: Some(u64::MAX),
        uses: vec![Use {
            name: "web-search-requests".into(),
            count: 2,
        }],
        service_tier: Some("standard".into()),
        reported_cost: Some(Cost {
            currency: "USD".into(),
            amount: "0.00012345678901234567890123".into(),
        }),
        raw_json: Some(r#"{"input_tokens":1}"#.into()),
        extras: extras(),
    }
}

fn attempt() -> Attempt {
    Attempt {
        id: AttemptId::from_bytes(bytes(40)),
        model: model(),
        reason: AttemptReason::Fallback,
        request_sent: Some(true),
        request_id: Some("req_1".into()),
        usage_json: Some("{}".into()),
        started_ms: AT,
        ended_ms: Some(AT + 5),
        outcome: Some(Outcome::Failed),
        error: Some(error()),
        extras: extras(),
    }
}

fn error() -> AttemptError {
    AttemptError {
        kind: "rate-limited".into(),
        sentence: "The provider asks to wait 20 s.".into(),
    }
}

fn parts() -> Vec<Part> {
    vec![
        Part::text("Grüße, 世界 🦀"),
        Part::LongText(attachment()),
        Part::Image(Media::Stored(attachment())),
        Part::File(Media::Url("https://example.org/a.pdf".into())),
        Part::Audio(Media::Other(extras().remove(0))),
        Part::ToolCall(ToolCall {
            id: "call_1".into(),
            name: "search".into(),
            arguments_json: r#"{"q":"x"}"#.into(),
            signature: Some("sig".into()),
        }),
        Part::ToolResult(ToolResult {
            call_id: "call_1".into(),
            name: Some("search".into()),
            content: vec![
                ResultPart::Text("found".into()),
                ResultPart::Image(Media::Url("https://example.org/a.png".into())),
                ResultPart::File(Media::Stored(attachment())),
                ResultPart::Json("[]".into()),
                ResultPart::Other(extras().remove(0)),
            ],
            is_error: true,
            extras: extras(),
        }),
        Part::Thinking(ThinkingBlock {
            id: Some("rs_1".into()),
            text: "Let me see.".into(),
            signature: Some("c2ln".into()),
        }),
        Part::RedactedThinking("b64".into()),
        Part::Other(extras().remove(0)),
    ]
}

fn message() -> Message {
    Message {
        id: message_id(3),
        parent: Some(message_id(2)),
        role: Role::Assistant,
        parts: parts(),
        created_ms: AT,
        state: State::Complete,
        group: Some(GroupId::from_bytes(bytes(50))),
        continues: Some(message_id(4)),
        edits: Some(message_id(6)),
        copied_from: Some(message_id(5)),
        model: Some(model()),
        finish: Some(Finish::MaxTokens),
        usage: Some(usage()),
        attempts: vec![attempt()],
        source: Some(SourceRef {
            app: "chatgpt".into(),
            id: "node-1".into(),
        }),
        extras: extras(),
    }
}

fn conversation() -> Conversation {
    Conversation {
        id: conversation_id(),
        title: "A title".into(),
        title_source: TitleSource::Automatic,
        created_ms: AT,
        updated_ms: AT + 1,
        folder: Some(FolderId::from_bytes(bytes(60))),
        pinned: true,
        archived: true,
        deleted_ms: Some(AT + 2),
        model: Some(model()),
        system_prompt: Some("Be brief.".into()),
        settings: Settings {
            temperature: Some(0.7),
            max_output_tokens: Some(2048),
            thinking: Some(thinking()),
            extras: extras(),
        },
        active_leaf: Some(message_id(3)),
        forked_from: Some(ConversationId::from_bytes(bytes(9))),
        source: Some(SourceRef {
            app: "claude".into(),
            id: "c-1".into(),
        }),
        extras: extras(),
    }
}

fn folder() -> Folder {
    Folder {
        id: FolderId::from_bytes(bytes(60)),
        name: "Work".into(),
        parent: Some(FolderId::from_bytes(bytes(61))),
        created_ms: AT,
        position: -3,
        extras: extras(),
    }
}

fn patch() -> ConversationPatch {
    ConversationPatch {
        title: Change::Set("Another".into()),
        title_source: Some(TitleSource::Typed),
        folder: Change::Clear,
        pinned: Some(false),
        archived: Some(true),
        model: Change::Set(model()),
        system_prompt: Change::Clear,
        settings: SettingsPatch {
            temperature: Change::Clear,
            max_output_tokens: Change::Set(99),
            thinking: Change::Set(thinking()),
            extras: Change::Set(extras()),
        },
        extras: Change::Clear,
    }
}

/// One record of each kind.
pub(crate) fn all() -> Vec<Record> {
    let conversation_id = conversation_id();
    vec![
        Record::from(ConversationCreated {
            conversation: conversation(),
        }),
        Record::from(ConversationChanged {
            conversation: conversation_id,
            at_ms: AT,
            patch: patch(),
        }),
        Record::from(MessageAdded {
            conversation: conversation_id,
            message: message(),
        }),
        Record::from(AttemptBegan {
            conversation: conversation_id,
            message: message_id(3),
            placeholder: Some(message()),
            attempt: attempt(),
        }),
        Record::from(TextDelta {
            conversation: conversation_id,
            message: message_id(3),
            channel: Channel::Thinking,
            offset: 70_000,
            text: "…und".into(),
        }),
        Record::from(AttemptEnded {
            conversation: conversation_id,
            message: message_id(3),
            attempt: AttemptId::from_bytes(bytes(40)),
            at_ms: AT,
            outcome: Outcome::Failed,
            request_sent: Some(false),
            request_id: Some("req_1".into()),
            usage_json: Some("{}".into()),
            error: Some(error()),
        }),
        Record::from(MessageEnded {
            conversation: conversation_id,
            message: message_id(3),
            at_ms: AT,
            parts: parts(),
            state: State::Cancelled,
            finish: Some(Finish::Cancelled),
            usage: Some(usage()),
            model: Some(model()),
        }),
        Record::from(LeafChosen {
            conversation: conversation_id,
            at_ms: AT,
            leaf: Some(message_id(3)),
        }),
        Record::from(DraftSaved {
            conversation: Some(conversation_id),
            at_ms: AT,
            text: "half a tho".into(),
            attachments: vec![attachment()],
        }),
        Record::from(DraftCleared {
            conversation: Some(conversation_id),
            at_ms: AT,
        }),
        Record::from(BranchPruned {
            conversation: conversation_id,
            at_ms: AT,
            message: message_id(3),
        }),
        Record::from(BranchRestored {
            conversation: conversation_id,
            at_ms: AT,
            message: message_id(3),
        }),
        Record::from(BranchMoved {
            conversation: conversation_id,
            at_ms: AT,
            message: message_id(3),
            parent: Some(message_id(2)),
        }),
        Record::from(ConversationDeleted {
            conversation: conversation_id,
            at_ms: AT,
        }),
        Record::from(ConversationUndeleted {
            conversation: conversation_id,
            at_ms: AT,
        }),
        Record::from(ConversationPurged {
            conversation: conversation_id,
            at_ms: AT,
        }),
        Record::from(MessagesPurged {
            conversation: conversation_id,
            at_ms: AT,
            messages: vec![message_id(2), message_id(3)],
            moved: vec![Moved {
                message: message_id(4),
                parent: Some(message_id(1)),
            }],
        }),
        Record::from(FolderCreated { folder: folder() }),
        Record::from(FolderChanged {
            folder: FolderId::from_bytes(bytes(60)),
            at_ms: AT,
            patch: FolderPatch {
                name: Some("Play".into()),
                parent: Change::Clear,
                position: Some(7),
            },
        }),
        Record::from(FolderRemoved {
            folder: FolderId::from_bytes(bytes(60)),
            at_ms: AT,
        }),
        Record::from(SourceImported {
            source: SourceRef {
                app: "chatgpt".into(),
                id: "c-1".into(),
            },
            digest: "0011".into(),
            conversation: conversation_id,
            at_ms: AT,
        }),
    ]
}
