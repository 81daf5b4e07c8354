//! Made-up messages from a fixed seed.

use fastrand::Rng;
use vale_search::Doc;

const WORDS: usize = 130_000;

/// Text with a Zipf distribution: the n-th word comes up in proportion to 1 / n.
pub(crate) struct Texts {
    words: Vec<String>,
    /// Sums of the weights.
    sums: Vec<f64>,
    random: Rng,
}

impl Texts {
    pub(crate) fn new() -> Self {
        let mut random = Rng::with_seed(1);
        let syllables: Vec<String> = "b d f g k l m n p r s t v st tr ch"
            .split(' ')
            .flat_map(|a| {
                "a e i o u ai en or"
                    .split(' ')
                    .map(move |b| format!("{a}{b}"))
            })
            .collect();
        let mut words = Vec::with_capacity(WORDS);
        for rank in 0..WORDS {
            // Common words are short.
            let length = 1 + rank.max(1).ilog10() as usize / 2 + random.usize(0..3);
            let parts = (0..length).filter_map(|_| random.choice(&syllables));
            words.push(parts.map(String::as_str).collect());
        }
        let mut sum = 0.0;
        let sums = (1..=WORDS).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self {
            words,
            sums: sums.collect(),
            random,
        }
    }

    fn word(&mut self) -> String {
        let at = self.random.f64() * self.sums.last().copied().unwrap_or(1.0);
        let rank = self.sums.partition_point(|sum| *sum < at);
        self.words.get(rank).cloned().unwrap_or_default()
    }

    /// A word of about this rank.
    pub(crate) fn near(&mut self, rank: usize) -> String {
        let rank = rank + self.random.usize(0..=rank / 10);
        self.words.get(rank).cloned().unwrap_or_default()
    }

    pub(crate) fn han(&mut self) -> char {
        // Squared, so that some are far more common than others.
        let share = self.random.f64();
        char::from_u32(0x4e00 + (share * share * 3_000.0) as u32).unwrap_or('一')
    }

    pub(crate) fn text(&mut self) -> String {
        let mut text = String::new();
        if self.random.u8(0..20) == 0 {
            for _ in 0..self.random.usize(20..200) {
                let c = if self.random.u8(0..15) == 0 {
                    '，'
                } else {
                    self.han()
                };
                text.push(c);
            }
            return text;
        }
        for _ in 0..self.random.usize(10..100) {
            if self.random.u8(0..60) == 0 {
                let number = self.random.u32(..);
                text.push_str(&format!("{}_{number:x} ", self.word()));
            } else {
                text.push_str(&self.word());
                text.push(' ');
            }
        }
        text
    }

    pub(crate) fn doc(&mut self, ord: u64) -> Doc {
        let answer = ord % 2 == 1;
        Doc {
            ord,
            conversation: u128::from(ord / 100).to_be_bytes(),
            time_ms: 1_700_000_000_000 + ord * 60_000,
            role: if answer { "assistant" } else { "user" }.to_owned(),
            provider: answer.then(|| format!("provider-{}", ord % 5)),
            model: answer.then(|| format!("model-{}", ord % 31)),
            has_attachment: ord.is_multiple_of(50),
            text: self.text(),
        }
    }
}
