//! What counts as the same letter: classes of characters, and the folding of a word.
//!
//! **Compatibility forms are folded** (NFKD): a full-width `ＧＰＴ`, the ligature `ﬁ` and half-width
//! kana are what a keyboard of another habit makes of the same word, and nobody types them to search.
//! **Diacritics are folded on Latin and Greek letters only** (`café` = `cafe`, `straße` =
//! `strasse`), and so are the optional vowel signs of Arabic and Hebrew: people leave them out when
//! they search. They stay in every other script, where they make another letter (`й`, `が`) or the
//! vowel itself (Devanagari).

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();
const COMBINING: CanonicalCombiningClassMapBorrowed<'static> =
    CanonicalCombiningClassMapBorrowed::new();

/// What a character is to the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Part of a word that is written with spaces around it.
    Word,
    /// Of a script that puts no spaces between its words, so that any substring may be a word.
    Unspaced,
    /// A raised or lowered digit: a footnote or an exponent, a token apart from the word it hangs on.
    Raised,
    /// A mark on the character before it.
    Mark,
    /// Invisible: neither in a word nor the end of one.
    Ignored,
    /// Ends a word.
    Break,
}

/// The class of a character.
pub(crate) fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() {
            Class::Word
        } else {
            Class::Break
        };
    }
    if is_unspaced(c) {
        return Class::Unspaced;
    }
    match c {
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0100}'..='\u{e01ef}' => Class::Ignored,
        '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}' => {
            Class::Raised
        }
        _ if COMBINING.get_u8(c) != 0 => Class::Mark,
        _ if c.is_alphanumeric() => Class::Word,
        _ => Class::Break,
    }
}

/// Han, kana, Hangul, bopomofo, and the scripts of South-East Asia that are written without spaces.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e4e}' | '\u{e50}'..='\u{e59}' // Thai
        | '\u{e81}'..='\u{eff}' // Lao
        | '\u{1000}'..='\u{1049}' | '\u{1050}'..='\u{109f}' // Myanmar
        | '\u{1780}'..='\u{17d3}' | '\u{17e0}'..='\u{17e9}' // Khmer
        | '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}' // jamo
        | '\u{2e80}'..='\u{2fdf}' // radicals
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{302f}' | '\u{3031}'..='\u{3035}'
        | '\u{3038}'..='\u{303c}'
        | '\u{3041}'..='\u{3096}' | '\u{3099}' | '\u{309a}' | '\u{309d}'..='\u{309f}' // hiragana
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' // katakana
        | '\u{3105}'..='\u{312f}' | '\u{3131}'..='\u{318e}' | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}' // half-width kana and Hangul
        | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{323af}')
}

/// Whether a character may not be cut off from the one before it.
pub(crate) fn continues(c: char) -> bool {
    matches!(
        c,
        '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}' | '\u{200d}'
    ) || (!c.is_ascii() && COMBINING.get_u8(c) != 0)
        || matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// A word of class [`Class::Word`], folded into `into`.
pub(crate) fn fold_word(word: &str, into: &mut String) {
    into.clear();
    if word.is_ascii() {
        into.push_str(word);
        into.make_ascii_lowercase();
        return;
    }
    let mut plain = String::with_capacity(word.len());
    let mut loses_marks = false;
    let visible = word.chars().filter(|c| class(*c) != Class::Ignored);
    for c in NFKD.normalize_iter(visible) {
        // Arabic and Hebrew: vowel signs, hamza and madda marks, the stretching tatweel.
        let optional =
            matches!(c, '\u{591}'..='\u{5c7}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}');
        if optional || (loses_marks && matches!(c, '\u{300}'..='\u{36f}')) {
            continue;
        }
        if COMBINING.get_u8(c) == 0 {
            loses_marks = is_latin_or_greek(c);
        }
        lower(c, &mut plain);
    }
    into.push_str(&NFC.normalize(&plain));
}

fn is_latin_or_greek(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{3ff}' | '\u{1e00}'..='\u{1fff}')
}

/// Lower case, and the letters that are written out where their sign is missing.
fn lower(c: char, into: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'ß' => into.push_str("ss"),
            'æ' => into.push_str("ae"),
            'œ' => into.push_str("oe"),
            'þ' => into.push_str("th"),
            'ø' => into.push('o'),
            'ł' => into.push('l'),
            'đ' | 'ð' => into.push('d'),
            'ħ' => into.push('h'),
            'ı' => into.push('i'),
            'ς' => into.push('σ'),
            // The dot that `İ` leaves behind in lower case.
            '\u{307}' if into.ends_with('i') => {}
            c => into.push(c),
        }
    }
}

/// A character of [`Class::Unspaced`] with the marks that follow it, folded.
pub(crate) fn fold_cluster(cluster: &str) -> impl Iterator<Item = char> {
    let visible = cluster.chars().filter(|c| class(*c) != Class::Ignored);
    // A mark of another script that made no letter of its own.
    NFKC.normalize_iter(visible)
        .filter(|c| class(*c) != Class::Mark)
}
