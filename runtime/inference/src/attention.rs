//! Keys and values of the tokens seen so far, and attention over them.
//!
//! Kept as 16-bit floats, one row a position, so that the cache grows by appending, shrinks by
//! truncating (a new prompt that shares only its beginning), and a long conversation costs half
//! the memory and bandwidth.

use candle_core::{Device, Tensor};
use half::{f16, slice::HalfFloatSliceExt};
use rayon::prelude::*;

use crate::{
    config::Config,
    error::ModelError,
    ops::{add_scaled, dot, softmax},
};

/// Below this many cached positions, waking other threads costs more than one head's work.
const SPLIT_HEADS_FROM: usize = 512;

/// The cache of one layer.
#[derive(Default)]
pub(crate) struct KvCache {
    keys: Vec<f16>,
    values: Vec<f16>,
}

impl KvCache {
    /// Appends the rows of new positions.
    pub(crate) fn push(&mut self, keys: &[f32], values: &[f32]) {
        self.keys.extend(keys.iter().copied().map(f16::from_f32));
        self.values
            .extend(values.iter().copied().map(f16::from_f32));
    }

    /// Forgets every position from `len` on.
    pub(crate) fn truncate(&mut self, len: usize, kv_width: usize) {
        self.keys.truncate(len * kv_width);
        self.values.truncate(len * kv_width);
    }

    /// Attention of the newest positions (one row of `queries` each) over everything before and
    /// including them.
    pub(crate) fn attend(&self, queries: &[f32], config: &Config) -> Result<Vec<f32>, ModelError> {
        if queries.len() == config.q_width() {
            Ok(self.attend_one(queries, config))
        } else {
            self.attend_many(queries, config)
        }
    }

    fn attend_one(&self, query: &[f32], config: &Config) -> Vec<f32> {
        let group = config.heads / config.kv_heads * config.head_dim;
        let positions = self.keys.len() / config.kv_width();
        let mut out = vec![0.0; query.len()];
        let work = |(kv_head, (out, query)): (usize, (&mut [f32], &[f32]))| {
            self.attend_group(kv_head, query, out, config);
        };
        if positions >= SPLIT_HEADS_FROM && rayon::current_num_threads() > 1 {
            out.par_chunks_exact_mut(group)
                .zip(query.par_chunks_exact(group))
                .enumerate()
                .for_each(work);
        } else {
            out.chunks_exact_mut(group)
                .zip(query.chunks_exact(group))
                .enumerate()
                .for_each(work);
        }
        out
    }

    /// The query heads that share one key head, for one position.
    fn attend_group(&self, kv_head: usize, query: &[f32], out: &mut [f32], config: &Config) {
        let dim = config.head_dim;
        let positions = self.keys.len() / config.kv_width();
        let scale = scale(dim);
        let mut row = vec![0.0; dim];
        let mut scores = vec![0.0; query.len() / dim * positions];
        for (position, keys) in head_rows(&self.keys, kv_head, config).enumerate() {
            keys.convert_to_f32_slice(&mut row);
            for (query, scores) in query
                .chunks_exact(dim)
                .zip(scores.chunks_exact_mut(positions))
            {
                if let Some(score) = scores.get_mut(position) {
                    *score = dot(query, &row) * scale;
                }
            }
        }
        scores.chunks_exact_mut(positions).for_each(softmax);
        for (position, values) in head_rows(&self.values, kv_head, config).enumerate() {
            values.convert_to_f32_slice(&mut row);
            for (out, scores) in out
                .chunks_exact_mut(dim)
                .zip(scores.chunks_exact(positions))
            {
                if let Some(score) = scores.get(position) {
                    add_scaled(out, &row, *score);
                }
            }
        }
    }

    /// Many positions at once, as two matrix products a key head.
    fn attend_many(&self, queries: &[f32], config: &Config) -> Result<Vec<f32>, ModelError> {
        let dim = config.head_dim;
        let group = config.heads / config.kv_heads;
        let total = self.keys.len() / config.kv_width();
        let new = queries.len() / config.q_width();
        let seen = total.saturating_sub(new);
        let scale = scale(dim);
        let mut out = vec![0.0; queries.len()];
        for kv_head in 0..config.kv_heads {
            let keys = head_matrix(&self.keys, kv_head, config, total)?;
            let values = head_matrix(&self.values, kv_head, config, total)?;
            let mut gathered = Vec::with_capacity(new * group * dim);
            for row in queries.chunks_exact(config.q_width()) {
                if let Some(heads) = row.chunks_exact(group * dim).nth(kv_head) {
                    gathered.extend(heads.iter().map(|x| x * scale));
                }
            }
            let gathered = Tensor::from_vec(gathered, (new * group, dim), &Device::Cpu)?;
            let mut scores: Vec<f32> = gathered.matmul(&keys.t()?)?.flatten_all()?.to_vec1()?;
            // A position sees itself and what came before; the rest weighs nothing.
            for (index, row) in scores.chunks_exact_mut(total).enumerate() {
                let (visible, hidden) = row.split_at_mut((seen + index / group + 1).min(total));
                softmax(visible);
                hidden.fill(0.0);
            }
            let scores = Tensor::from_vec(scores, (new * group, total), &Device::Cpu)?;
            let mixed: Vec<f32> = scores.matmul(&values)?.flatten_all()?.to_vec1()?;
            for (out, mixed) in out
                .chunks_exact_mut(config.q_width())
                .zip(mixed.chunks_exact(group * dim))
            {
                if let Some(heads) = out.chunks_exact_mut(group * dim).nth(kv_head) {
                    heads.copy_from_slice(mixed);
                }
            }
        }
        Ok(out)
    }
}

fn scale(head_dim: usize) -> f32 {
    1.0 / (head_dim as f32).sqrt()
}

/// One key head's part of every position.
fn head_rows<'a>(
    cache: &'a [f16],
    kv_head: usize,
    config: &Config,
) -> impl Iterator<Item = &'a [f16]> {
    let dim = config.head_dim;
    cache
        .chunks_exact(config.kv_width())
        .filter_map(move |row| row.chunks_exact(dim).nth(kv_head))
}

fn head_matrix(
    cache: &[f16],
    kv_head: usize,
    config: &Config,
    positions: usize,
) -> Result<Tensor, ModelError> {
    let mut rows = vec![0.0; positions * config.head_dim];
    for (into, from) in rows
        .chunks_exact_mut(config.head_dim)
        .zip(head_rows(cache, kv_head, config))
    {
        from.convert_to_f32_slice(into);
    }
    Ok(Tensor::from_vec(
        rows,
        (positions, config.head_dim),
        &Device::Cpu,
    )?)
}
