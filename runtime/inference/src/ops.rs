//! The few numeric kernels around the matrix products. Plain slices, so that the compiler
//! vectorises them for whatever CPU level the binary is built for.

use crate::config::Rope;

/// Number of partial sums in [`dot`]: two AVX2 registers, and a multiple of every narrower one.
const LANES: usize = 16;

/// Inner product. Partial sums, because a single float sum may not be reordered by the compiler.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_blocks
        .remainder()
        .iter()
        .zip(b_blocks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// `into += factor * from`.
pub(crate) fn add_scaled(into: &mut [f32], from: &[f32], factor: f32) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += factor * from;
    }
}

/// `into += from`.
pub(crate) fn add(into: &mut [f32], from: &[f32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

/// Root-mean-square normalisation of each row of `weight.len()` numbers, from `rows` into `out`.
pub(crate) fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut Vec<f32>) {
    out.clear();
    for row in rows.chunks_exact(weight.len()) {
        let scale = rms_scale(row, epsilon);
        out.extend(row.iter().zip(weight).map(|(x, w)| x * scale * w));
    }
}

/// As [`rms_norm`], in place.
pub(crate) fn rms_norm_in_place(rows: &mut [f32], weight: &[f32], epsilon: f32) {
    for row in rows.chunks_exact_mut(weight.len()) {
        let scale = rms_scale(row, epsilon);
        for (x, w) in row.iter_mut().zip(weight) {
            *x *= scale * w;
        }
    }
}

fn rms_scale(row: &[f32], epsilon: f32) -> f32 {
    let mean = dot(row, row) / row.len() as f32;
    1.0 / (mean + epsilon).sqrt()
}

/// `gate = silu(gate) * up`.
pub(crate) fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up / (1.0 + (-*gate).exp());
    }
}

/// Softmax in place; an empty row stays empty.
pub(crate) fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - top).exp();
        sum += *x;
    }
    let scale = 1.0 / sum;
    for x in row {
        *x *= scale;
    }
}

/// Cosine and sine of every rotary pair at one position.
pub(crate) fn rotation(inverse_frequencies: &[f32], position: f32) -> Vec<(f32, f32)> {
    inverse_frequencies
        .iter()
        .map(|frequency| {
            let (sin, cos) = (position * frequency).sin_cos();
            (cos, sin)
        })
        .collect()
}

/// Turns the first `2 * rotation.len()` numbers of each head of one position.
pub(crate) fn rotate(row: &mut [f32], head_dim: usize, rotation: &[(f32, f32)], rope: Rope) {
    let turn = |a: &mut f32, b: &mut f32, (cos, sin): (f32, f32)| {
        let (x, y) = (*a, *b);
        *a = x * cos - y * sin;
        *b = x * sin + y * cos;
    };
    for head in row.chunks_exact_mut(head_dim) {
        match rope {
            Rope::Interleaved => {
                for (pair, angle) in head.as_chunks_mut::<2>().0.iter_mut().zip(rotation) {
                    let [a, b] = pair;
                    turn(a, b, *angle);
                }
            }
            Rope::Halves => {
                let (first, second) = head.split_at_mut(rotation.len());
                for ((a, b), angle) in first.iter_mut().zip(second).zip(rotation) {
                    turn(a, b, *angle);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_equals_the_plain_sum_at_every_length() {
        for len in 0..70_u8 {
            let a: Vec<f32> = (0..len).map(f32::from).collect();
            let b: Vec<f32> = (0..len).map(|i| 1.0 - f32::from(i)).collect();
            let plain: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((dot(&a, &b) - plain).abs() <= plain.abs() * 1e-5);
        }
    }

    #[test]
    fn softmax_adds_up_to_one_even_for_huge_scores() {
        let mut row = [1e30, 1e30, -1e30, f32::NEG_INFINITY];
        softmax(&mut row);
        assert_eq!(row, [0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn the_two_rotary_layouts_turn_the_same_pairs() {
        let angles = [(0.0, 1.0), (-1.0, 0.0)]; // a quarter and a half turn
        let mut interleaved = [1.0, 2.0, 3.0, 4.0];
        rotate(&mut interleaved, 4, &angles, Rope::Interleaved);
        assert_eq!(interleaved, [-2.0, 1.0, -3.0, -4.0]);
        let mut halves = [1.0, 3.0, 2.0, 4.0];
        rotate(&mut halves, 4, &angles, Rope::Halves);
        assert_eq!(halves, [-2.0, -3.0, 1.0, -4.0]);
    }
}
