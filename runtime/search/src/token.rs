//! The tokenizer: text in, words and overlapping pairs out.
//!
//! A run of letters and digits is one token. What stands between runs breaks them, so that
//! `foo_bar.baz`, `3.14` and `don't` are several tokens in a row: a query for the whole is a phrase,
//! and each part is found too, at no cost in the index. A run of a script without spaces becomes
//! overlapping pairs of characters, and its last character alone: any two characters are a token, and
//! one character is the beginning of one.

use std::collections::VecDeque;
use std::ops::Range;
use std::str::CharIndices;

use crate::fold::{Class, class, continues, fold_cluster, fold_word};

/// Characters of a longer word that count. Longer ones are keys, hashes and encoded files.
pub(crate) const WORD_CHARS: usize = 64;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word or a number.
    Word,
    /// Two neighbours of an unspaced run.
    Pair,
    /// The last character of an unspaced run of two or more.
    Last,
    /// An unspaced run of one character.
    Lone,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted in tokens from the beginning of the text.
    pub(crate) position: usize,
    /// In the text, in bytes, at the boundaries of characters.
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

/// The tokens of a text, in order.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    rest: CharIndices<'a>,
    position: usize,
    ready: VecDeque<Token>,
    folded: String,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.char_indices(),
            position: 0,
            ready: VecDeque::new(),
            folded: String::new(),
        }
    }

    /// Reads one run of characters of the same class. `false` at the end of the text.
    fn read_run(&mut self) -> bool {
        let Some((start, kind)) = self.rest.by_ref().find_map(|(at, c)| match class(c) {
            kind @ (Class::Word | Class::Unspaced | Class::Raised) => Some((at, kind)),
            Class::Mark | Class::Ignored | Class::Break => None,
        }) else {
            return false;
        };
        let mut ahead = self.rest.clone();
        let mut end = ahead.offset();
        while let Some((_, c)) = ahead.next() {
            let next = class(c);
            if next == kind || next == Class::Mark {
                end = ahead.offset();
                self.rest = ahead.clone();
            } else if next != Class::Ignored {
                break;
            }
        }
        match kind {
            Class::Unspaced => self.read_unspaced(start..end),
            _ => self.read_word(start..end),
        }
        true
    }

    fn read_word(&mut self, range: Range<usize>) {
        let word = self.text.get(range.clone()).unwrap_or_default();
        let mut folded = std::mem::take(&mut self.folded);
        fold_word(word, &mut folded);
        if folded.is_ascii() && folded.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.push_word(&folded, &range);
        } else {
            self.push_folded(&folded, &range);
        }
        self.folded = folded;
    }

    /// Folding may have made several words of one: `½` is `1⁄2`.
    fn push_folded(&mut self, folded: &str, range: &Range<usize>) {
        let mut word = String::new();
        let mut unspaced = Vec::new();
        for c in folded.chars() {
            let class = class(c);
            if class != Class::Unspaced {
                self.push_unspaced(&std::mem::take(&mut unspaced));
            }
            match class {
                Class::Unspaced => {
                    self.push_word(&std::mem::take(&mut word), range);
                    unspaced.push((c, range.clone()));
                }
                Class::Break => self.push_word(&std::mem::take(&mut word), range),
                Class::Ignored => {}
                Class::Word | Class::Raised | Class::Mark => word.push(c),
            }
        }
        self.push_word(&word, range);
        self.push_unspaced(&unspaced);
    }

    fn push_word(&mut self, word: &str, range: &Range<usize>) {
        if word.is_empty() {
            return;
        }
        let cut = word.char_indices().nth(WORD_CHARS);
        let text = match cut {
            Some((end, _)) => word.get(..end).unwrap_or(word),
            None => word,
        };
        self.push(text.to_owned(), range.clone(), Kind::Word);
    }

    fn read_unspaced(&mut self, range: Range<usize>) {
        let run = self.text.get(range.clone()).unwrap_or_default();
        let mut chars: Vec<(char, Range<usize>)> = Vec::new();
        let mut clusters = run.char_indices().peekable();
        while let Some((start, first)) = clusters.next() {
            let mut end = start + first.len_utf8();
            while let Some((at, c)) = clusters.next_if(|(_, c)| continues(*c)) {
                end = at + c.len_utf8();
            }
            let place = range.start + start..range.start + end;
            let cluster = run.get(start..end).unwrap_or_default();
            chars.extend(fold_cluster(cluster).map(|c| (c, place.clone())));
        }
        self.push_unspaced(&chars);
    }

    fn push_unspaced(&mut self, chars: &[(char, Range<usize>)]) {
        for pair in chars.windows(2) {
            if let [(a, from), (b, to)] = pair {
                let text = String::from_iter([*a, *b]);
                self.push(text, from.start..to.end, Kind::Pair);
            }
        }
        if let Some((c, range)) = chars.last() {
            let kind = if chars.len() == 1 {
                Kind::Lone
            } else {
                Kind::Last
            };
            self.push(c.to_string(), range.clone(), kind);
        }
    }

    fn push(&mut self, text: String, range: Range<usize>, kind: Kind) {
        let position = self.position;
        self.position += 1;
        self.ready.push_back(Token {
            text,
            position,
            range,
            kind,
        });
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            if let Some(token) = self.ready.pop_front() {
                return Some(token);
            }
            if !self.read_run() {
                return None;
            }
        }
    }
}

/// The tokenizer as tantivy takes it.
#[derive(Debug, Clone)]
pub(crate) struct MixTokenizer;

/// [`Tokens`] as tantivy takes them.
pub(crate) struct MixStream<'a> {
    tokens: Tokens<'a>,
    current: tantivy::tokenizer::Token,
}

impl tantivy::tokenizer::Tokenizer for MixTokenizer {
    type TokenStream<'a> = MixStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> MixStream<'a> {
        MixStream {
            tokens: Tokens::new(text),
            current: tantivy::tokenizer::Token::default(),
        }
    }
}

impl tantivy::tokenizer::TokenStream for MixStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(token) = self.tokens.next() else {
            return false;
        };
        self.current.text = token.text;
        self.current.position = token.position;
        self.current.offset_from = token.range.start;
        self.current.offset_to = token.range.end;
        true
    }

    fn token(&self) -> &tantivy::tokenizer::Token {
        &self.current
    }

    fn token_mut(&mut self) -> &mut tantivy::tokenizer::Token {
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> String {
        let tokens: Vec<_> = Tokens::new(text).map(|token| token.text).collect();
        tokens.join(" ")
    }

    #[test]
    fn a_text_becomes_these_tokens() {
        let cases = [
            // Words and numbers, code and its symbols.
            ("", ""),
            ("  \t\n -- !? {}();", ""),
            ("Hello, World!", "hello world"),
            ("don't can’t", "don t can t"),
            ("foo_bar.baz", "foo bar baz"),
            ("src/main.rs:42", "src main rs 42"),
            ("3.14 1,000 2026-11-25", "3 14 1 000 2026 11 25"),
            ("v1.2.3-rc1", "v1 2 3 rc1"),
            ("C++ C# #include <a>", "c c include a"),
            ("fooBar HTTPServer", "foobar httpserver"),
            ("x² word¹ H₂O", "x 2 word 1 h 2 o"),
            ("½ cup", "1 2 cup"),
            // Case, width, compatibility forms, diacritics.
            ("ÄÖÜ Straße STRASSE ẞ", "aou strasse strasse ss"),
            ("café CAFE\u{301} naïve", "cafe cafe naive"),
            ("Ångström Łódź Đà Nẵng", "angstrom lodz da nang"),
            ("ＧＰＴ－４ ﬁle Ⅷ", "gpt 4 file viii"),
            ("İstanbul ısı DİYARBAKIR", "istanbul isi diyarbakir"),
            ("ΣΊΣΥΦΟΣ σίσυφος Ὀδυσσεύς", "σισυφοσ σισυφοσ οδυσσευσ"),
            ("Foo™ Foo®", "foo foo"),
            ("œuvre Æsir smørrebrød", "oeuvre aesir smorrebrod"),
            // Scripts in which a mark makes another letter.
            ("Й й Ё ё", "й й ё ё"),
            ("И\u{306}", "й"),
            ("हिन्दी में", "हिन्दी में"),
            // Vowel signs that are optional.
            ("مُحَمَّد محمد أحمد احمد", "محمد محمد احمد احمد"),
            ("שָׁלוֹם שלום", "שלום שלום"),
            // Invisible characters.
            (
                "soft\u{ad}hyphen zero\u{200b}width \u{feff}bom",
                "softhyphen zerowidth bom",
            ),
            // Scripts without spaces.
            ("模型", "模型 型"),
            ("模", "模"),
            ("大语言模型。很好", "大语 语言 言模 模型 型 很好 好"),
            ("GPT模型v2", "gpt 模型 型 v2"),
            ("ガギ", "ガギ ギ"),
            ("ｶﾞｷﾞ カ\u{3099}", "ガギ ギ ガ"),
            ("データー", "デー ータ ター ー"),
            ("한국어 조선", "한국 국어 어 조선 선"),
            (
                "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}",
                "한국 국",
            ),
            ("ไทย", "ไท ทย ย"),
            ("𠮷野家", "𠮷野 野家 家"),
            ("人々", "人々 々"),
            ("日本語123テスト", "日本 本語 語 123 テス スト ト"),
            ("😀 ok 👩‍💻", "ok"),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_very_long_word_counts_by_its_beginning() {
        let long = "a".repeat(1000) + " b";
        assert_eq!(words(&long), "a".repeat(WORD_CHARS) + " b");
        let long = "ж".repeat(1000);
        assert_eq!(words(&long), "ж".repeat(WORD_CHARS));
    }

    proptest! {
        #[test]
        fn any_text_has_tokens_in_order_within_it(text in any::<String>()) {
            let mut start = 0;
            for (position, token) in Tokens::new(&text).enumerate() {
                prop_assert_eq!(token.position, position);
                prop_assert!(!token.text.is_empty());
                prop_assert!(token.range.start >= start && token.range.end > token.range.start);
                start = token.range.start;
                prop_assert!(text.get(token.range).is_some());
                prop_assert!(token.text.chars().count() <= WORD_CHARS);
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in "[a-zà-ÿĀ-ſƀ-ɏΑ-ϿЀ-ӿ一-七ぁ-ヿ가-갛ﬀ-ﬆ０-ｚ½-¿ ]{0,12}") {
            let once = words(&text);
            let mut twice = Vec::new();
            for token in Tokens::new(&text) {
                twice.push(words(&token.text).split(' ').next().unwrap_or_default().to_owned());
            }
            prop_assert_eq!(once, twice.join(" "));
        }
    }
}
