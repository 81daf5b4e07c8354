//! The transformer itself: token ids in, scores of the next token out.
//!
//! Not candle-transformers' `quantized_llama`: that one stops at 4096 positions whatever the file
//! says, unpacks the embedding table into memory (113 MB of SmolLM2's 234), copies the whole
//! key/value cache for every token, and cannot forget the tail of a cached prompt. The quantised
//! kernels are candle's.

use crate::{
    attention::KvCache,
    config::Config,
    error::ModelError,
    gguf::Gguf,
    linear::Matrix,
    ops::{add, rms_norm, rms_norm_in_place, rotate, rotation, swiglu},
};

/// A model in memory, with the cache of the one sequence it is working on.
pub(crate) struct Model {
    config: Config,
    embedding: Matrix,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// `None` where the embedding doubles as the output matrix.
    output: Option<Matrix>,
    inverse_frequencies: Vec<f32>,
    cached: usize,
}

struct Layer {
    attention_norm: Vec<f32>,
    queries: Projection,
    keys: Projection,
    values: Projection,
    attention_out: Matrix,
    feed_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
    cache: KvCache,
}

/// A matrix with an optional bias (Qwen 2) and an optional norm per head (Qwen 3).
struct Projection {
    matrix: Matrix,
    bias: Option<Vec<f32>>,
    norm: Option<Vec<f32>>,
}

impl Projection {
    fn load(
        gguf: &Gguf,
        prefix: &str,
        name: &str,
        outputs: usize,
        config: &Config,
    ) -> Result<Self, ModelError> {
        let tensor = |end: &str| format!("{prefix}.attn_{name}{end}");
        Ok(Self {
            matrix: Matrix::load(gguf, &tensor(".weight"), outputs, config.width)?,
            bias: gguf.vector_if_any(&tensor(".bias"), outputs)?,
            norm: gguf.vector_if_any(&tensor("_norm.weight"), config.head_dim)?,
        })
    }

    fn apply(&self, input: &[f32], epsilon: f32) -> Result<Vec<f32>, ModelError> {
        let mut output = self.matrix.apply(input)?;
        if let Some(bias) = &self.bias {
            for row in output.chunks_exact_mut(bias.len()) {
                add(row, bias);
            }
        }
        if let Some(norm) = &self.norm {
            rms_norm_in_place(&mut output, norm, epsilon);
        }
        Ok(output)
    }
}

impl Layer {
    fn load(gguf: &Gguf, config: &Config, index: usize) -> Result<Self, ModelError> {
        let prefix = format!("blk.{index}");
        let tensor = |name: &str| format!("{prefix}.{name}.weight");
        let projection = |name, outputs| Projection::load(gguf, &prefix, name, outputs, config);
        let (width, feed) = (config.width, config.feed_forward);
        Ok(Self {
            attention_norm: gguf.vector(&tensor("attn_norm"), width)?,
            queries: projection("q", config.q_width())?,
            keys: projection("k", config.kv_width())?,
            values: projection("v", config.kv_width())?,
            attention_out: Matrix::load(gguf, &tensor("attn_output"), width, config.q_width())?,
            feed_norm: gguf.vector(&tensor("ffn_norm"), width)?,
            gate: Matrix::load(gguf, &tensor("ffn_gate"), feed, width)?,
            up: Matrix::load(gguf, &tensor("ffn_up"), feed, width)?,
            down: Matrix::load(gguf, &tensor("ffn_down"), width, feed)?,
            cache: KvCache::default(),
        })
    }

    /// Adds this layer's contribution to `stream`, one row per new position.
    fn apply(
        &mut self,
        stream: &mut [f32],
        rotations: &[Vec<(f32, f32)>],
        config: &Config,
    ) -> Result<(), ModelError> {
        let epsilon = config.norm_epsilon;
        let mut normed = Vec::with_capacity(stream.len());
        rms_norm(stream, &self.attention_norm, epsilon, &mut normed);
        let mut queries = self.queries.apply(&normed, epsilon)?;
        let mut keys = self.keys.apply(&normed, epsilon)?;
        let values = self.values.apply(&normed, epsilon)?;
        let (q_width, kv_width) = (config.q_width(), config.kv_width());
        for (row, angles) in queries.chunks_exact_mut(q_width).zip(rotations) {
            rotate(row, config.head_dim, angles, config.rope);
        }
        for (row, angles) in keys.chunks_exact_mut(kv_width).zip(rotations) {
            rotate(row, config.head_dim, angles, config.rope);
        }
        self.cache.push(&keys, &values);
        let attended = self.cache.attend(&queries, config)?;
        add(stream, &self.attention_out.apply(&attended)?);

        rms_norm(stream, &self.feed_norm, epsilon, &mut normed);
        let mut gate = self.gate.apply(&normed)?;
        swiglu(&mut gate, &self.up.apply(&normed)?);
        add(stream, &self.down.apply(&gate)?);
        Ok(())
    }
}

impl Model {
    /// Reads all weights into memory.
    pub(crate) fn load(gguf: &Gguf, config: &Config) -> Result<Self, ModelError> {
        let (vocab, width) = (config.vocab, config.width);
        let output = gguf
            .has_tensor("output.weight")
            .then(|| Matrix::load(gguf, "output.weight", vocab, width))
            .transpose()?;
        Ok(Self {
            embedding: Matrix::load(gguf, "token_embd.weight", vocab, width)?,
            layers: (0..config.layers)
                .map(|index| Layer::load(gguf, config, index))
                .collect::<Result<_, _>>()?,
            norm: gguf.vector("output_norm.weight", width)?,
            output,
            inverse_frequencies: inverse_frequencies(gguf, config)?,
            config: config.clone(),
            cached: 0,
        })
    }

    /// Checks that every tensor [`Model::load`] needs is there, without reading them.
    pub(crate) fn check(gguf: &Gguf, config: &Config) -> Result<(), ModelError> {
        let (width, feed) = (config.width, config.feed_forward);
        gguf.check_tensor("token_embd.weight", &[config.vocab, width])?;
        gguf.check_tensor("output_norm.weight", &[width])?;
        for index in 0..config.layers {
            let matrices = [
                ("attn_q", config.q_width(), width),
                ("attn_k", config.kv_width(), width),
                ("attn_v", config.kv_width(), width),
                ("attn_output", width, config.q_width()),
                ("ffn_gate", feed, width),
                ("ffn_up", feed, width),
                ("ffn_down", width, feed),
            ];
            for (name, outputs, inputs) in matrices {
                gguf.check_tensor(&format!("blk.{index}.{name}.weight"), &[outputs, inputs])?;
            }
            for name in ["attn_norm", "ffn_norm"] {
                gguf.check_tensor(&format!("blk.{index}.{name}.weight"), &[width])?;
            }
        }
        Ok(())
    }

    /// How many positions are in the cache.
    pub(crate) fn cached(&self) -> usize {
        self.cached
    }

    /// Forgets every cached position from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.cached = self.cached.min(len);
        for layer in &mut self.layers {
            layer.cache.truncate(self.cached, self.config.kv_width());
        }
    }

    /// Appends `tokens` to the cache. Gives the residual stream of the last one, or `None` if
    /// `cancelled` said so between two layers; then, and after an error, nothing was appended.
    pub(crate) fn advance(
        &mut self,
        tokens: &[u32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let result = self.run_layers(tokens, cancelled);
        match &result {
            Ok(Some(_)) => self.cached += tokens.len(),
            Ok(None) | Err(_) => self.truncate(self.cached),
        }
        result
    }

    fn run_layers(
        &mut self,
        tokens: &[u32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let mut stream = self.embedding.rows(tokens)?;
        let rotations: Vec<_> = (self.cached..self.cached + tokens.len())
            .map(|position| {
                let position = position as f32;
                rotation(&self.inverse_frequencies, position)
            })
            .collect();
        for layer in &mut self.layers {
            if cancelled() {
                return Ok(None);
            }
            layer.apply(&mut stream, &rotations, &self.config)?;
        }
        let last = stream.len().saturating_sub(self.config.width);
        Ok(Some(stream.split_off(last)))
    }

    /// The score of every token of the vocabulary to follow the position that `state` belongs to.
    pub(crate) fn scores(&self, state: &[f32]) -> Result<Vec<f32>, ModelError> {
        let mut normed = Vec::with_capacity(state.len());
        rms_norm(state, &self.norm, self.config.norm_epsilon, &mut normed);
        self.output
            .as_ref()
            .unwrap_or(&self.embedding)
            .apply(&normed)
    }
}

/// Angle per position of each rotary pair, with Llama 3.1's per-pair factors where the file has
/// them.
fn inverse_frequencies(gguf: &Gguf, config: &Config) -> Result<Vec<f32>, ModelError> {
    let pairs = config.rope_dim / 2;
    let factors = gguf
        .vector_if_any("rope_freqs.weight", pairs)?
        .unwrap_or_else(|| vec![1.0; pairs]);
    let exponents = (0..pairs).map(|pair| 2.0 * pair as f32 / config.rope_dim as f32);
    Ok(exponents
        .zip(factors)
        .map(|(exponent, factor)| {
            1.0 / (config.rope_base.powf(exponent) * factor * config.rope_scale)
        })
        .collect())
}

#[cfg(test)]
mod tests;
