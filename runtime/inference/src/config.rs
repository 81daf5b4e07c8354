//! The shape of a model, read from GGUF metadata and checked once.

use crate::{error::ModelError, gguf::Gguf};

/// How the two halves of a rotary pair lie in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rope {
    /// Pairs (2i, 2i+1): the llama family as llama.cpp converts it.
    Interleaved,
    /// Pairs (i, i + d/2): Qwen.
    Halves,
}

/// Hyper-parameters of one decoder-only transformer.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) layers: usize,
    /// Width of the residual stream.
    pub(crate) width: usize,
    pub(crate) feed_forward: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) vocab: usize,
    /// Longest sequence the model was trained for, in tokens.
    pub(crate) trained_context: usize,
    pub(crate) norm_epsilon: f32,
    pub(crate) rope: Rope,
    pub(crate) rope_dim: usize,
    pub(crate) rope_base: f32,
    /// Positions are divided by this (linear rope scaling); 1 when there is none.
    pub(crate) rope_scale: f32,
}

/// What [`Config::read`] accepts, for error sentences.
const SUPPORTED: &str = "llama, qwen2 and qwen3 models without experts are supported.";

impl Config {
    /// Reads and checks the hyper-parameters.
    pub(crate) fn read(gguf: &Gguf, vocab: usize) -> Result<Self, ModelError> {
        let arch = gguf
            .text("general.architecture")
            .ok_or_else(|| gguf.corrupt("it does not name its architecture"))?
            .to_owned();
        let unsupported = |what: String| ModelError::Unsupported {
            what: format!("{what}; {SUPPORTED}"),
        };
        let rope = match arch.as_str() {
            "llama" => Rope::Interleaved,
            "qwen2" | "qwen3" => Rope::Halves,
            other => return Err(unsupported(format!("its architecture is `{other}`"))),
        };
        let key = |name: &str| format!("{arch}.{name}");
        if gguf.number(&key("expert_count")).unwrap_or(0) > 0 {
            return Err(unsupported("it is a mixture of experts".to_owned()));
        }
        let rope_scale = match gguf.text(&key("rope.scaling.type")) {
            None | Some("none") => 1.0,
            Some("linear") => gguf.real(&key("rope.scaling.factor")).unwrap_or(1.0),
            Some(other) => {
                return Err(unsupported(format!("its rope scaling is `{other}`")));
            }
        };
        let heads = gguf.need_number(&key("attention.head_count"))?;
        let width = gguf.need_number(&key("embedding_length"))?;
        let head_dim = match gguf.number(&key("attention.key_length")) {
            Some(dim) => dim,
            None => width.checked_div(heads).unwrap_or(0),
        };
        let config = Self {
            layers: gguf.need_number(&key("block_count"))?,
            width,
            feed_forward: gguf.need_number(&key("feed_forward_length"))?,
            heads,
            kv_heads: gguf
                .number(&key("attention.head_count_kv"))
                .unwrap_or(heads),
            head_dim,
            vocab,
            trained_context: gguf.need_number(&key("context_length"))?,
            norm_epsilon: gguf
                .real(&key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| gguf.corrupt("it has no normalisation epsilon"))?,
            rope,
            rope_dim: gguf
                .number(&key("rope.dimension_count"))
                .unwrap_or(head_dim),
            rope_base: gguf.real(&key("rope.freq_base")).unwrap_or(10_000.0),
            rope_scale,
        };
        config.check(gguf)?;
        if gguf
            .number(&key("attention.value_length"))
            .is_some_and(|length| length != head_dim)
        {
            return Err(unsupported(
                "its keys and values differ in width".to_owned(),
            ));
        }
        Ok(config)
    }

    /// Ranges far beyond any real model, but small enough that no product below overflows.
    fn check(&self, gguf: &Gguf) -> Result<(), ModelError> {
        let ranges = [
            ("layers", self.layers, 1024),
            ("width", self.width, 1 << 17),
            ("feed-forward width", self.feed_forward, 1 << 19),
            ("heads", self.heads, 1024),
            ("key heads", self.kv_heads, 1024),
            ("head width", self.head_dim, 4096),
            ("vocabulary", self.vocab, 1 << 22),
            ("context", self.trained_context, 1 << 24),
            ("rotary width", self.rope_dim, 4096),
        ];
        for (name, value, most) in ranges {
            if value == 0 || value > most {
                return Err(gguf.corrupt(format!("its number of {name} is {value}")));
            }
        }
        let sound = self.heads.is_multiple_of(self.kv_heads)
            && self.rope_dim.is_multiple_of(2)
            && self.rope_dim <= self.head_dim
            && self.norm_epsilon.is_finite()
            && self.rope_base.is_finite()
            && self.rope_base > 0.0
            && self.rope_scale.is_finite()
            && self.rope_scale > 0.0;
        if sound {
            Ok(())
        } else {
            Err(gguf.corrupt("its attention parameters contradict each other"))
        }
    }

    /// Width of one position's keys (or values) in a layer.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Width of one position's queries in a layer.
    pub(crate) fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }
}
