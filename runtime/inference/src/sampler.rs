//! Choosing the next token from the model's scores.

use std::collections::{BTreeSet, VecDeque};

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// How random the choice is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    /// 0 takes the best token always; higher is more random. At most 2.
    pub(crate) temperature: f32,
    /// Only the most likely tokens that together have this probability are considered.
    pub(crate) top_p: f32,
    /// Only this many of the most likely tokens are considered; 0 for all.
    pub(crate) top_k: usize,
    /// Subtracted from a token's score once for each time it was written.
    pub(crate) frequency_penalty: f32,
    /// Subtracted from a token's score if it was written at all.
    pub(crate) presence_penalty: f32,
    /// Divides the scores of the answer's last [`REPEAT_WINDOW`] tokens; 1 changes nothing.
    pub(crate) repeat_penalty: f32,
    /// The same seed and the same prompt give the same answer on the same machine.
    pub(crate) seed: u64,
}

/// Tokens that the repeat penalty looks back on: llama.cpp's default.
const REPEAT_WINDOW: usize = 64;

/// A sampler in the middle of one answer.
pub(crate) struct Sampler {
    sampling: Sampling,
    random: SmallRng,
    written: std::collections::HashMap<u32, u32>,
    recent: VecDeque<u32>,
}

impl Sampler {
    /// Starts an answer.
    pub(crate) fn new(sampling: Sampling) -> Self {
        Self {
            random: SmallRng::seed_from_u64(sampling.seed),
            sampling,
            written: std::collections::HashMap::new(),
            recent: VecDeque::with_capacity(REPEAT_WINDOW),
        }
    }

    /// Picks the next token. `None` if there is no usable score at all.
    pub(crate) fn pick(&mut self, mut scores: Vec<f32>) -> Option<u32> {
        self.penalise(&mut scores);
        let token = if self.sampling.temperature <= 0.0 {
            best(&scores)
        } else {
            self.draw(&scores)
        }?;
        *self.written.entry(token).or_default() += 1;
        if self.recent.len() == REPEAT_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
        Some(token)
    }

    fn penalise(&self, scores: &mut [f32]) {
        let repeat = self.sampling.repeat_penalty;
        if repeat != 1.0 {
            let recent: BTreeSet<u32> = self.recent.iter().copied().collect();
            for token in recent {
                if let Some(score) = scores.get_mut(token as usize) {
                    // A negative score is made worse by multiplying.
                    *score = if *score > 0.0 {
                        *score / repeat
                    } else {
                        *score * repeat
                    };
                }
            }
        }
        let (frequency, presence) = (
            self.sampling.frequency_penalty,
            self.sampling.presence_penalty,
        );
        if frequency == 0.0 && presence == 0.0 {
            return;
        }
        for (token, count) in &self.written {
            if let Some(score) = scores.get_mut(*token as usize) {
                let times = *count as f32;
                *score -= frequency * times + presence;
            }
        }
    }

    fn draw(&mut self, scores: &[f32]) -> Option<u32> {
        let mut candidates: Vec<(u32, f32)> = (0_u32..)
            .zip(scores.iter().copied())
            .filter(|(_, score)| score.is_finite())
            .collect();
        let by_score = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1);
        let top_k = self.sampling.top_k;
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, by_score);
            candidates.truncate(top_k);
        }
        candidates.sort_unstable_by(by_score);
        let top = candidates.first()?.1;
        for (_, score) in &mut candidates {
            *score = ((*score - top) / self.sampling.temperature).exp();
        }
        let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
        let enough = total * self.sampling.top_p;
        let mut sum = 0.0;
        let kept = candidates
            .iter()
            .take_while(|(_, weight)| {
                let wanted = sum < enough;
                sum += if wanted { *weight } else { 0.0 };
                wanted
            })
            .count()
            .max(1);
        candidates.truncate(kept);
        let mut point = self.random.random::<f32>() * sum;
        candidates
            .iter()
            .find(|(_, weight)| {
                point -= weight;
                point < 0.0
            })
            .or(candidates.first())
            .map(|(token, _)| *token)
    }
}

fn best(scores: &[f32]) -> Option<u32> {
    (0_u32..)
        .zip(scores)
        .filter(|(_, score)| score.is_finite())
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f32, top_p: f32, top_k: usize) -> Sampling {
        Sampling {
            temperature,
            top_p,
            top_k,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repeat_penalty: 1.0,
            seed: 7,
        }
    }

    fn counts(sampling: Sampling, scores: &[f32]) -> Vec<usize> {
        let mut sampler = Sampler::new(sampling);
        let mut counts = vec![0; scores.len()];
        for _ in 0..4000 {
            counts[sampler.pick(scores.to_vec()).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn temperature_zero_takes_the_best() {
        let scores = [1.0, f32::NAN, 3.0, 2.0];
        assert_eq!(counts(sampling(0.0, 1.0, 0), &scores), [0, 0, 4000, 0]);
    }

    #[test]
    fn frequencies_follow_the_softmax() {
        // Weights 1 : 2 : 5.
        let scores = [0.0, 2_f32.ln(), 5_f32.ln()];
        let counts = counts(sampling(1.0, 1.0, 0), &scores);
        for (count, share) in counts.iter().zip([500, 1000, 2500]) {
            assert!(count.abs_diff(share) < 130, "{counts:?}");
        }
    }

    #[test]
    fn top_p_and_top_k_cut_the_tail() {
        let scores = [0.0, 2_f32.ln(), 5_f32.ln()];
        let p = counts(sampling(1.0, 0.6, 0), &scores);
        assert_eq!(p, [0, 0, 4000], "5/8 is enough for 0.6");
        let k = counts(sampling(1.0, 1.0, 2), &scores);
        assert_eq!(k[0], 0);
        assert!(k[1] > 0);
    }

    #[test]
    fn the_same_seed_repeats_and_no_score_is_no_token() {
        let draw = || {
            let mut sampler = Sampler::new(sampling(1.5, 1.0, 0));
            (0..50)
                .map(|_| sampler.pick(vec![0.0; 100]))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        let mut sampler = Sampler::new(sampling(1.0, 1.0, 0));
        assert_eq!(sampler.pick(vec![f32::NAN; 3]), None);
    }

    #[test]
    fn penalties_make_repetition_less_likely() {
        let mut sampler = Sampler::new(Sampling {
            frequency_penalty: 1.0,
            ..sampling(0.0, 1.0, 0)
        });
        let picks: Vec<_> = (0..4).map(|_| sampler.pick(vec![1.5, 1.0])).collect();
        assert_eq!(picks, [Some(0), Some(1), Some(0), Some(1)]);
    }

    #[test]
    fn the_repeat_penalty_looks_back_on_so_many_tokens_and_no_more() {
        let mut sampler = Sampler::new(Sampling {
            repeat_penalty: 2.0,
            ..sampling(0.0, 1.0, 0)
        });
        assert_eq!(sampler.pick(vec![1.5, 1.0]), Some(0));
        assert_eq!(sampler.pick(vec![1.5, 1.0]), Some(1), "0.75 is less than 1");
        assert_eq!(
            sampler.pick(vec![-1.0, -1.1, -1.9]),
            Some(2),
            "negative ones get worse"
        );
        for _ in 0..REPEAT_WINDOW {
            assert_eq!(sampler.pick(vec![1.0, 1.0, 1.0, 9.0]), Some(3));
        }
        assert_eq!(sampler.pick(vec![1.5, 1.0]), Some(0), "forgotten");
    }
}
