//! One answer: prefill what is new of the prompt, then token by token until a reason to end.

use std::time::Instant;

use crate::{
    error::ModelError,
    model::Model,
    sampler::{Sampler, Sampling},
    text::{StopFinder, Utf8Stream},
    tokenizer::Tokenizer,
};

/// Prompt tokens computed at once. Large enough that unpacking the weights pays, small enough
/// that its activations stay in the cache; a cancel is noticed between layers anyway.
const PREFILL_TOKENS: usize = 128;

/// What to generate.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The whole prompt; at least one token, fewer than the context.
    pub(crate) prompt: Vec<u32>,
    /// Most tokens to write; the rest of the context limits it further.
    pub(crate) max_tokens: usize,
    pub(crate) stops: Vec<String>,
    pub(crate) sampling: Sampling,
}

/// What happens to a job, in this order: `Started`, any `Text`, then `Done` or `Failed`.
#[derive(Debug)]
pub(crate) enum Event {
    /// The job has the slot and the model is in memory.
    Started {
        /// Prompt tokens that were still in the cache.
        cached: usize,
    },
    /// More of the answer, whole characters.
    Text(String),
    /// The answer is complete.
    Done {
        /// Why it ended.
        finish: Finish,
        /// Tokens written, without the one that ended the answer.
        completion_tokens: usize,
    },
    /// The answer will not be completed.
    Failed(ModelError),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The model ended its turn, or wrote a stop string.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
}

/// A loaded model and the tokens that its cache holds.
pub(crate) struct Session {
    model: Model,
    tokens: Vec<u32>,
}

impl Session {
    /// Starts with an empty cache.
    pub(crate) fn new(model: Model) -> Self {
        Self {
            model,
            tokens: Vec::new(),
        }
    }

    /// Runs one job. Returns early, without a final event, once `cancelled` says so.
    pub(crate) fn run(
        &mut self,
        job: Job,
        context: usize,
        tokenizer: &Tokenizer,
        emit: &dyn Fn(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ModelError> {
        let reused = self.reuse(&job.prompt);
        emit(Event::Started { cached: reused });
        let started = Instant::now();
        let Some(mut state) =
            self.prefill(job.prompt.get(reused..).unwrap_or_default(), cancelled)?
        else {
            return Ok(());
        };
        let prefilled = Instant::now();

        let limit = job.max_tokens.min(context.saturating_sub(job.prompt.len()));
        let mut sampler = Sampler::new(job.sampling);
        let mut characters = Utf8Stream::default();
        let mut stop = StopFinder::new(job.stops);
        let mut written = 0;
        let finish = loop {
            if cancelled() {
                return Ok(());
            }
            if written >= limit {
                break Finish::Length;
            }
            let token =
                sampler
                    .pick(self.model.scores(&state)?)
                    .ok_or_else(|| ModelError::Compute {
                        what: "it gave no usable scores".to_owned(),
                    })?;
            if tokenizer.is_end(token) {
                break Finish::Stop;
            }
            written += 1;
            emit_text(emit, stop.push(&characters.push(&tokenizer.bytes(token))));
            if stop.stopped() {
                break Finish::Stop;
            }
            if written >= limit {
                break Finish::Length;
            }
            match self.advance(&[token], cancelled)? {
                Some(next) => state = next,
                None => return Ok(()),
            }
        };
        emit_text(emit, stop.push(&characters.finish()));
        emit_text(emit, stop.finish());
        tracing::info!(
            prompt_tokens = job.prompt.len(),
            cached_tokens = reused,
            prefill_per_s = per_second(job.prompt.len() - reused, prefilled - started),
            completion_tokens = written,
            decode_per_s = per_second(written, prefilled.elapsed()),
            "answered"
        );
        emit(Event::Done {
            finish,
            completion_tokens: written,
        });
        Ok(())
    }

    /// Keeps the part of the cache with which `prompt` begins, but never all of `prompt`: the
    /// scores after its last token must be computed. Gives how many tokens were kept.
    fn reuse(&mut self, prompt: &[u32]) -> usize {
        let common = self
            .tokens
            .iter()
            .zip(prompt)
            .take_while(|(cached, wanted)| cached == wanted)
            .count()
            .min(prompt.len().saturating_sub(1));
        self.tokens.truncate(common);
        self.model.truncate(common);
        common
    }

    fn prefill(
        &mut self,
        prompt: &[u32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let mut state = None;
        for chunk in prompt.chunks(PREFILL_TOKENS) {
            state = self.advance(chunk, cancelled)?;
            if state.is_none() {
                break;
            }
        }
        Ok(state)
    }

    fn advance(
        &mut self,
        tokens: &[u32],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let state = self.model.advance(tokens, cancelled)?;
        if state.is_some() {
            self.tokens.extend_from_slice(tokens);
        }
        debug_assert_eq!(self.tokens.len(), self.model.cached());
        Ok(state)
    }
}

fn emit_text(emit: &dyn Fn(Event), text: String) {
    if !text.is_empty() {
        emit(Event::Text(text));
    }
}

fn per_second(tokens: usize, elapsed: std::time::Duration) -> f32 {
    let tokens = tokens as f32;
    (tokens / elapsed.as_secs_f32().max(1e-6)).round()
}
