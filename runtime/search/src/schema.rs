//! What the index holds of a message. Its text is indexed, not stored: the journal has it.

use tantivy::TantivyDocument;
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::TokenizerManager;

use crate::query::ConversationKey;
use crate::token::MixTokenizer;

/// Raised whenever the tokenizer or the fields change; an index of another number is built anew.
pub(crate) const FORMAT: u32 = 1;
const TOKENIZER: &str = "mix";

/// One message as the index sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Names the message; unique, and larger than that of every message created before.
    pub ord: u64,
    /// Where it is.
    pub conversation: ConversationKey,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// Who speaks: `user`, `assistant`.
    pub role: String,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Whether something is attached.
    pub has_attachment: bool,
    /// Its words.
    pub text: String,
}

/// One step of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A message is there, or is different now.
    Put(Doc),
    /// A message is gone.
    Remove {
        /// Its [`Doc::ord`].
        ord: u64,
    },
    /// A conversation is gone with all its messages so far.
    RemoveConversation(ConversationKey),
}

/// The index's fields.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    pub(crate) ord: Field,
    pub(crate) conversation: Field,
    pub(crate) time: Field,
    pub(crate) role: Field,
    pub(crate) provider: Field,
    pub(crate) model: Field,
    pub(crate) attachment: Field,
    pub(crate) text: Field,
}

impl Fields {
    pub(crate) const ORD: &str = "ord";
    pub(crate) const CONVERSATION: &str = "conversation";
    pub(crate) const TIME: &str = "time";

    pub(crate) fn new() -> Self {
        let mut schema = Schema::builder();
        let text = TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(TOKENIZER)
                .set_index_option(IndexRecordOption::WithFreqsAndPositions),
        );
        let bytes = BytesOptions::default().set_indexed().set_fast();
        Self {
            ord: schema.add_u64_field(Self::ORD, INDEXED | FAST),
            conversation: schema.add_bytes_field(Self::CONVERSATION, bytes),
            time: schema.add_u64_field(Self::TIME, FAST),
            role: schema.add_text_field("role", STRING),
            provider: schema.add_text_field("provider", STRING),
            model: schema.add_text_field("model", STRING),
            attachment: schema.add_bool_field("attachment", INDEXED),
            text: schema.add_text_field("text", text),
            schema: schema.build(),
        }
    }

    pub(crate) fn tokenizers() -> TokenizerManager {
        let tokenizers = TokenizerManager::default();
        tokenizers.register(TOKENIZER, MixTokenizer);
        tokenizers
    }

    pub(crate) fn document(&self, doc: &Doc) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.ord, doc.ord);
        document.add_bytes(self.conversation, &doc.conversation);
        document.add_u64(self.time, doc.time_ms);
        document.add_text(self.role, &doc.role);
        for (field, value) in [(self.provider, &doc.provider), (self.model, &doc.model)] {
            if let Some(value) = value {
                document.add_text(field, value);
            }
        }
        document.add_bool(self.attachment, doc.has_attachment);
        document.add_text(self.text, &doc.text);
        document
    }
}
