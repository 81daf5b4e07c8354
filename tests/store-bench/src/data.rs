//! What is written: a history of conversations, the same for every engine. Seeded, so that two runs
//! write the same bytes.

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// Conversations of a history.
pub(crate) const CONVERSATIONS: usize = 10_000;
/// Messages of the first conversation, where there are enough.
const LONG: usize = 100_000;
/// Different words.
const WORDS: usize = 50_000;
/// Bytes of text that messages are cut from.
const CORPUS: usize = 4 << 20;
/// 2025-01-01, ms.
const BEGAN: u64 = 1_735_689_600_000;

/// A message as its record holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) conversation: Uuid,
    /// None for the first of a conversation.
    pub(crate) parent: Option<Uuid>,
    pub(crate) role: u8,
    pub(crate) time_ms: u64,
    pub(crate) model: String,
    pub(crate) tokens: u32,
    /// Millionths of a dollar.
    pub(crate) cost: u64,
    pub(crate) text: String,
}

/// The beginning of a text, cut between two characters.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or_default()
}

/// The id of the conversation with a number; number 0 is the long one.
pub(crate) fn conversation(number: usize) -> Uuid {
    let number = number as u64;
    id(
        &mut fastrand::Rng::with_seed(number),
        BEGAN + number * 60_000,
    )
}

fn id(rng: &mut fastrand::Rng, time_ms: u64) -> Uuid {
    let mut random = [0; 10];
    rng.fill(&mut random);
    Builder::from_unix_timestamp_millis(time_ms, &random).into_uuid()
}

/// Words by Zipf's law: the n-th most frequent one is n times as rare as the first.
fn corpus(rng: &mut fastrand::Rng) -> String {
    let words: Vec<String> = (0..WORDS)
        .map(|_| {
            let letters = rng.usize(2..=11);
            (0..letters).map(|_| rng.lowercase()).collect()
        })
        .collect();
    let mut sum = 0.0;
    let sums: Vec<f64> = (1_u32..)
        .zip(&words)
        .map(|(rank, _)| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    let mut text = String::with_capacity(CORPUS + 16);
    while text.len() < CORPUS {
        let drawn = rng.f64() * sum;
        let rank = sums.partition_point(|sum| *sum < drawn);
        text.push_str(words.get(rank).map_or("the", String::as_str));
        text.push(' ');
    }
    text
}

/// Messages in the order in which they are written: first one for each conversation, then sessions of
/// 2 to 8 messages in one of them.
#[derive(Debug)]
pub(crate) struct History {
    rng: fastrand::Rng,
    corpus: String,
    heads: Vec<Option<Uuid>>,
    opened: usize,
    left: usize,
    long_left: usize,
    session: (usize, usize),
    time_ms: u64,
}

impl History {
    /// A history of so many messages.
    pub(crate) fn new(messages: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(6);
        Self {
            corpus: corpus(&mut rng),
            rng,
            heads: vec![None; CONVERSATIONS],
            opened: 0,
            left: messages,
            long_left: LONG.min(messages / 2),
            session: (0, 0),
            time_ms: BEGAN + CONVERSATIONS as u64 * 60_000,
        }
    }

    /// Messages that come after the history, with ids of their own.
    pub(crate) fn after(seed: u64) -> Self {
        let mut later = Self::new(usize::MAX);
        later.rng.seed(seed + 1_000);
        later.opened = CONVERSATIONS;
        later.time_ms += (1 << 40) + seed * (1 << 24);
        later
    }

    fn next_conversation(&mut self) -> usize {
        if self.opened < CONVERSATIONS {
            self.opened += 1;
            return self.opened - 1;
        }
        let (number, left) = self.session;
        if left > 0 {
            self.session = (number, left - 1);
            return number;
        }
        let is_long = self.rng.usize(0..self.left.max(1)) < self.long_left;
        let most = if is_long { self.long_left } else { 8 };
        let number = if is_long {
            0
        } else {
            self.rng.usize(1..CONVERSATIONS)
        };
        self.session = (number, self.rng.usize(2..=8).min(most) - 1);
        number
    }
}

impl Iterator for History {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.left = self.left.checked_sub(1)?;
        let number = self.next_conversation();
        if number == 0 {
            self.long_left = self.long_left.saturating_sub(1);
        }
        self.time_ms += self.rng.u64(500..20_000);
        let id = id(&mut self.rng, self.time_ms);
        let parent = self.heads.get_mut(number).and_then(|head| head.replace(id));
        let length = self.rng.usize(300..=900);
        let from = self.rng.usize(0..CORPUS - length);
        let text = self.corpus.get(from..from + length).unwrap_or_default();
        let is_answer = parent.is_some() && self.rng.bool();
        Some(Message {
            id,
            conversation: conversation(number),
            parent,
            role: u8::from(is_answer),
            time_ms: self.time_ms,
            model: "openai/gpt-5-mini".to_owned(),
            tokens: u32::try_from(length / 4).unwrap_or(u32::MAX),
            cost: if is_answer { length as u64 / 2 } else { 0 },
            text: text.to_owned(),
        })
    }
}
