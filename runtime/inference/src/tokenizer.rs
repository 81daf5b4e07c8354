//! Text to token ids and back, from the vocabulary and merges in the GGUF file.
//!
//! candle's own `TokenizerFromGguf` is not used: it does not know the `smollm` splitting rule and
//! puts a space before the text ("Hello" becomes 38699 instead of 19556). Here only byte-level BPE
//! (`gpt2`) with a splitting rule that we know is accepted; anything else is refused by name,
//! because a nearly right tokenizer gives a nearly sensible model.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};
use tokenizers::{
    Tokenizer as Bpe,
    models::bpe::{BPE, Vocab},
    normalizers::unicode::NFC,
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    tokenizer::SplitDelimiterBehavior,
};

use crate::{error::ModelError, gguf::Gguf};

/// How Llama 3 splits text before merging: runs of at most three digits.
const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen 2 and 3 split: as Llama 3, but every digit alone.
const QWEN2_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// GGUF's number for a control token: it steers the model and has no text.
const CONTROL: i64 = 3;
/// GGUF's number for a token that matches as a whole, but is ordinary text.
const USER_DEFINED: i64 = 4;

/// Control tokens that end an answer, whatever the file's `eos_token_id` says.
const ENDERS: [&str; 8] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "</s>",
];

/// The tokenizer of one model.
pub(crate) struct Tokenizer {
    bpe: Bpe,
    /// Tokens that steer the model. Only a chat template may write them.
    controls: Whole,
    /// Tokens that match as a whole too, but are ordinary text.
    harmless: Whole,
    ends: HashSet<u32>,
    bos: Option<u32>,
    add_bos: bool,
    vocab: usize,
    bos_text: String,
    eos_text: String,
}

/// A set of tokens found by their exact text.
struct Whole {
    finder: Option<AhoCorasick>,
    ids: Vec<u32>,
}

impl Whole {
    fn new(tokens: Vec<(u32, &str)>) -> Result<Self, aho_corasick::BuildError> {
        let (ids, texts): (Vec<u32>, Vec<&str>) = tokens.into_iter().unzip();
        let finder = (!texts.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(texts)
            })
            .transpose()?;
        Ok(Self { finder, ids })
    }

    /// Where the next of them begins, from byte `from` on.
    fn next(&self, text: &str, from: usize) -> Option<usize> {
        let input = aho_corasick::Input::new(text).range(from..);
        Some(self.finder.as_ref()?.find(input)?.start())
    }
}

impl Tokenizer {
    /// Builds the tokenizer; its lists are taken out of `gguf`.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for another kind of tokenizer, [`ModelError::Corrupt`] for a
    /// broken vocabulary.
    pub(crate) fn from_gguf(gguf: &mut Gguf) -> Result<Self, ModelError> {
        let kind = gguf.text("tokenizer.ggml.model").unwrap_or("none");
        if kind != "gpt2" {
            return Err(ModelError::Unsupported {
                what: format!(
                    "its tokenizer is of the kind `{kind}`; only byte-level BPE (`gpt2`) is supported."
                ),
            });
        }
        let rule = gguf.text("tokenizer.ggml.pre").unwrap_or("none").to_owned();
        let splitting = Splitting::named(&rule).ok_or_else(|| ModelError::Unsupported {
            what: format!(
                "its tokenizer splits text by the rule `{rule}`; {} are supported.",
                Splitting::NAMES
            ),
        })?;
        let tokens = gguf.take_texts("tokenizer.ggml.tokens")?;
        let merges = gguf
            .take_texts("tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| {
                merge
                    .split_once(' ')
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| gguf.corrupt("a merge of its tokenizer has no space"))?;
        let kinds = gguf
            .take_numbers("tokenizer.ggml.token_type")
            .ok_or_else(|| gguf.corrupt("its tokens have no types"))?;
        let numbered = || (0_u32..).zip(&tokens).zip(&kinds);
        let of_kind = |wanted: i64| -> Vec<(u32, &str)> {
            numbered()
                .filter(|((_, text), kind)| **kind == wanted && !text.is_empty())
                .map(|((id, text), _)| (id, text.as_str()))
                .collect()
        };
        let control = of_kind(CONTROL);
        let mut ends: HashSet<u32> = control
            .iter()
            .filter(|(_, text)| ENDERS.contains(text))
            .map(|(id, _)| *id)
            .collect();
        let id_under = |key: &str| {
            gguf.number(&format!("tokenizer.ggml.{key}_token_id"))
                .filter(|id| *id < tokens.len())
                .and_then(|id| u32::try_from(id).ok())
        };
        let (bos, eos) = (id_under("bos"), id_under("eos"));
        ends.extend(
            eos.into_iter()
                .chain(id_under("eot"))
                .chain(id_under("eom")),
        );
        let text_of = |id: Option<u32>| {
            id.and_then(|id| tokens.get(id as usize).cloned())
                .unwrap_or_default()
        };
        let failed = |error: String| gguf.corrupt(format!("its tokenizer is damaged ({error})"));
        Ok(Self {
            controls: Whole::new(control).map_err(|e| failed(e.to_string()))?,
            harmless: Whole::new(of_kind(USER_DEFINED)).map_err(|e| failed(e.to_string()))?,
            ends,
            bos,
            add_bos: gguf
                .flag("tokenizer.ggml.add_bos_token")
                .unwrap_or(splitting == Splitting::Llama3),
            vocab: tokens.len(),
            bos_text: text_of(bos),
            eos_text: text_of(eos),
            bpe: splitting
                .pipeline(&tokens, merges)
                .map_err(|e| failed(e.to_string()))?,
        })
    }

    /// Number of tokens in the vocabulary.
    pub(crate) fn vocab(&self) -> usize {
        self.vocab
    }

    /// Whether this token ends an answer.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Text of the beginning-of-sequence token, for chat templates; empty if there is none.
    pub(crate) fn bos_text(&self) -> &str {
        &self.bos_text
    }

    /// Text of the end-of-sequence token, for chat templates; empty if there is none.
    pub(crate) fn eos_text(&self) -> &str {
        &self.eos_text
    }

    /// Tokens of text that a person or a program wrote: control tokens in it stay plain text.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the tokenizer library fails.
    pub(crate) fn encode_plain(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        self.append_plain(text, &mut ids)?;
        Ok(ids)
    }

    /// Tokens of trusted text: control tokens in it are control tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_plain`].
    pub(crate) fn encode_trusted(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        for piece in pieces(&self.controls, text) {
            match piece {
                Piece::Text(text) => self.append_plain(text, &mut ids)?,
                Piece::Token(id) => ids.push(id),
            }
        }
        Ok(ids)
    }

    /// Tokens of a whole prompt: as [`Tokenizer::encode_trusted`], with the beginning-of-sequence
    /// token where the model wants one, and with every `guard` taken out after the control tokens
    /// were found (see [`Tokenizer::guard`]).
    ///
    /// # Errors
    /// As [`Tokenizer::encode_plain`].
    pub(crate) fn encode_prompt(&self, text: &str, guard: char) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        for piece in pieces(&self.controls, text) {
            match piece {
                Piece::Text(text) if text.contains(guard) => {
                    self.append_plain(&text.replace(guard, ""), &mut ids)?;
                }
                Piece::Text(text) => self.append_plain(text, &mut ids)?,
                Piece::Token(id) => ids.push(id),
            }
        }
        if self.add_bos
            && let Some(bos) = self.bos
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Makes control tokens in `text` harmless: a `guard` character is put after their first
    /// character, so that they no longer match. [`Tokenizer::encode_prompt`] takes it out again.
    pub(crate) fn guard(&self, text: &str, guard: char) -> String {
        let mut guarded = String::with_capacity(text.len());
        let mut done = 0;
        // Occurrences may overlap, so the search goes on right behind each first character.
        while let Some(start) = self.controls.next(text, done) {
            let first = text.get(start..).and_then(|rest| rest.chars().next());
            let behind = start + first.map_or(1, char::len_utf8);
            guarded.push_str(text.get(done..behind).unwrap_or_default());
            guarded.push(guard);
            done = behind;
        }
        guarded.push_str(text.get(done..).unwrap_or_default());
        guarded
    }

    fn append_plain(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        for piece in pieces(&self.harmless, text) {
            match piece {
                Piece::Text(text) => {
                    let encoding = self.bpe.encode_fast(text, false);
                    let encoding = encoding.map_err(|error| ModelError::Compute {
                        what: format!("the tokenizer failed: {error}"),
                    })?;
                    ids.extend_from_slice(encoding.get_ids());
                }
                Piece::Token(id) => ids.push(id),
            }
        }
        Ok(())
    }

    /// The bytes that a token stands for. Control tokens and unknown ids have none. A token may
    /// hold a part of a character: join first, then decode.
    pub(crate) fn bytes(&self, id: u32) -> Vec<u8> {
        if self.controls.ids.contains(&id) {
            return Vec::new();
        }
        let Some(token) = self.bpe.id_to_token(id) else {
            return Vec::new();
        };
        if self.harmless.ids.contains(&id) {
            return token.into_bytes();
        }
        let mut bytes = Vec::with_capacity(token.len());
        for c in token.chars() {
            match byte_of(c) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(c.to_string().into_bytes()),
            }
        }
        bytes
    }
}

enum Piece<'a> {
    Text(&'a str),
    Token(u32),
}

fn pieces<'a>(whole: &Whole, text: &'a str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let push_text = |pieces: &mut Vec<Piece<'a>>, range: std::ops::Range<usize>| {
        if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
            pieces.push(Piece::Text(text));
        }
    };
    for found in whole
        .finder
        .iter()
        .flat_map(|finder| finder.find_iter(text))
    {
        if let Some(id) = whole.ids.get(found.pattern().as_usize()) {
            push_text(&mut pieces, from..found.start());
            pieces.push(Piece::Token(*id));
            from = found.end();
        }
    }
    push_text(&mut pieces, from..text.len());
    pieces
}

/// The byte that a character of a byte-level vocabulary stands for: printable Latin-1 stands for
/// itself, every other byte for U+0100 and up in ascending order.
fn byte_of(c: char) -> Option<u8> {
    let printable = |code: u32| matches!(code, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = u32::from(c);
    if printable(code) {
        return u8::try_from(code).ok();
    }
    let rank = usize::try_from(code.checked_sub(0x100)?).ok()?;
    (0..=u8::MAX)
        .filter(|byte| !printable(u32::from(*byte)))
        .nth(rank)
}

/// How a text is cut before BPE merges inside the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Splitting {
    Smollm,
    Gpt2,
    Llama3,
    Qwen2,
}

impl Splitting {
    const NAMES: &str = "`smollm`, `gpt-2`, `llama-bpe` and `qwen2`";

    fn named(rule: &str) -> Option<Self> {
        match rule {
            "smollm" => Some(Self::Smollm),
            "gpt-2" => Some(Self::Gpt2),
            "llama-bpe" | "llama3" | "llama-v3" => Some(Self::Llama3),
            "qwen2" => Some(Self::Qwen2),
            _ => None,
        }
    }

    fn pre_tokenizer(self) -> tokenizers::Result<PreTokenizerWrapper> {
        let regex = |pattern: &str| {
            Split::new(
                SplitPattern::Regex(pattern.to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            )
            .map(PreTokenizerWrapper::from)
        };
        // No space before the text; GPT-2's own split only where no other rule replaces it.
        let bytes = |gpt2_split| ByteLevel::new(false, true, gpt2_split).into();
        Ok(match self {
            Self::Smollm => Sequence::new(vec![Digits::new(true).into(), bytes(true)]).into(),
            Self::Gpt2 => bytes(true),
            Self::Llama3 => Sequence::new(vec![regex(LLAMA3_SPLIT)?, bytes(false)]).into(),
            Self::Qwen2 => Sequence::new(vec![regex(QWEN2_SPLIT)?, bytes(false)]).into(),
        })
    }

    fn pipeline(self, tokens: &[String], merges: Vec<(String, String)>) -> tokenizers::Result<Bpe> {
        let vocab: Vocab = tokens.iter().cloned().zip(0_u32..).collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(self == Self::Llama3)
            .build()?;
        let mut pipeline = Bpe::new(bpe);
        if self == Self::Qwen2 {
            pipeline.with_normalizer(Some(NFC))?;
        }
        pipeline.with_pre_tokenizer(Some(self.pre_tokenizer()?));
        Ok(pipeline)
    }
}

#[cfg(test)]
mod tests;
