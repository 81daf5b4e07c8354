//! What is found, in which order, and what it looks like.

use tempfile::tempdir;
use vale_search::{Change, Filters, Mode, Query, Recent, snippet};

use crate::model::{doc, in_order, index_of, key, ords};

/// Ords count from 1.
const TEXTS: [&str; 12] = [
    "The borrow checker rejects this program",
    "let foo_bar = baz.qux(3.14);",
    "大语言模型很好",
    "语言模型",
    "Das ist die Straße nach Köln",
    "checker of borrow",
    "한국어로 이야기합시다",
    "ＧＰＴ－４ is full-width",
    "borrowing is checked",
    "Надо его найти",
    "foo and bar and baz",
    "ไปโรงเรียน",
];

#[test]
fn a_query_finds_these_messages() {
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &TEXTS);
    let mut recent = Recent::new();
    let empty = tempdir().unwrap();
    let nothing = index_of(empty.path(), &[]);
    for (ord, text) in (1..).zip(TEXTS) {
        recent.push(ord, Change::Put(doc(ord, text)));
    }
    let cases: &[(&str, bool, &[u64])] = &[
        ("borrow checker", false, &[1, 6]),
        ("\"borrow checker\"", false, &[1]),
        ("borrow -program", false, &[6]),
        ("borr", false, &[]),
        ("borr", true, &[1, 6, 9]),
        ("bo", true, &[]),
        ("borrow chec", true, &[1, 6]),
        ("\"borrow chec", true, &[1]),
        ("\"the borr", true, &[1]),
        ("foo_bar", false, &[2]),
        ("foo bar", false, &[2, 11]),
        ("bar", false, &[2, 11]),
        ("3.14", false, &[2]),
        ("baz.qu", true, &[]),
        ("foo_bar = baz", true, &[2]),
        ("baz.qux(3", false, &[2]),
        ("模型", false, &[3, 4]),
        ("语言模型", false, &[3, 4]),
        ("语言模型很", false, &[3]),
        ("模型语言", false, &[]),
        ("好", false, &[3]),
        ("型", false, &[3, 4]),
        ("大", false, &[3]),
        ("strasse koln", false, &[5]),
        ("STRAẞE", false, &[5]),
        ("국어", false, &[7]),
        ("gpt-4", false, &[8]),
        ("НАЙТИ", false, &[10]),
        ("наити", false, &[]),
        ("โรงเรียน", false, &[12]),
        (
            "-\"borrow checker\"",
            false,
            &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        ),
        ("-语言模型很 语言", false, &[4]),
        ("-\"bar baz\" bar", false, &[11]),
        ("-\"foo bar\" -\"and baz\" foo", false, &[]),
        ("-borrow -foo -模型", false, &[5, 7, 8, 9, 10, 12]),
        ("nothing at all", false, &[]),
        ("*:* OR borrow~2 AND [a TO", false, &[]),
    ];
    for (text, prefix_last, expected) in cases {
        let query = Query {
            prefix_last: *prefix_last,
            ..Query::new(*text)
        };
        assert_eq!(
            ords(&index, &Recent::new(), &query),
            *expected,
            "{text:?}, indexed"
        );
        assert_eq!(
            ords(&nothing, &recent, &query),
            *expected,
            "{text:?}, waiting"
        );
    }
}

#[test]
fn an_odd_input_gets_a_sentence() {
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &TEXTS);
    for text in [
        "", "   ", "?!", "\"\"", "-", "\0", "😀", "-\"", "((((", "\u{202e}",
    ] {
        let hits = index.search(&Query::new(text), &Recent::new()).unwrap();
        assert!(
            hits.note.is_some() && hits.hits.is_empty(),
            "{text:?}: {hits:?}"
        );
    }
    let long = "borrow ".repeat(2) + &"x ".repeat(10_000) + &"y".repeat(100_000);
    assert!(index.search(&Query::new(long), &Recent::new()).is_ok());
    let many: String = (0..200).map(|n| format!("w{n} ")).collect();
    let hits = index.search(&Query::new(many), &Recent::new()).unwrap();
    assert!(hits.note.is_some());
    // No word, but a filter: everything it lets through.
    let filters = Filters {
        role: Some("user".to_owned()),
        ..Filters::default()
    };
    let query = Query {
        filters,
        ..Query::new("")
    };
    let hits = index.search(&query, &Recent::new()).unwrap();
    assert_eq!((hits.hits.len(), hits.note), (TEXTS.len(), None));
}

#[test]
fn better_hits_come_first_and_newer_ones_among_equals() {
    let texts = [
        "rust",
        "a long text in which rust is one word of very many words that say nothing",
        "rust",
        "rusty nails",
        "rust",
    ];
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &texts);
    let none = Recent::new();
    assert_eq!(in_order(&index, &none, &Query::new("rust")), [5, 3, 1, 2]);
    let newest = Query {
        mode: Mode::Newest,
        ..Query::new("rust")
    };
    assert_eq!(in_order(&index, &none, &newest), [5, 3, 2, 1]);
    let typing = Query {
        prefix_last: true,
        ..Query::new("rust")
    };
    assert_eq!(in_order(&index, &none, &typing), [5, 3, 1, 2, 4]);
    // What waits takes its place among them: the same text, newer; and a worse one.
    let mut recent = Recent::new();
    recent.push(6, Change::Put(doc(6, "rust")));
    recent.push(
        7,
        Change::Put(doc(
            7,
            &texts[1].replace("rust", "rust and so on and so on"),
        )),
    );
    let ranked = in_order(&index, &recent, &Query::new("rust"));
    assert_eq!((ranked.len(), ranked[5]), (6, 7), "{ranked:?}");
    assert_eq!(in_order(&index, &recent, &newest), [7, 6, 5, 3, 2, 1]);
}

#[test]
fn pages_follow_each_other() {
    let folder = tempdir().unwrap();
    let texts: Vec<String> = (0..50)
        .map(|n| format!("word {}", "pad ".repeat(n % 7)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let index = index_of(folder.path(), &texts);
    let mut recent = Recent::new();
    for ord in 40..60 {
        recent.push(ord, Change::Put(doc(ord, "word again")));
    }
    for mode in [Mode::Ranked, Mode::Newest] {
        let whole = Query {
            mode,
            limit: 1_000,
            ..Query::new("word")
        };
        let whole = in_order(&index, &recent, &whole);
        assert_eq!(whole.len(), 59);
        let mut pages = Vec::new();
        for offset in (0..70).step_by(7) {
            let query = Query {
                mode,
                limit: 7,
                offset,
                ..Query::new("word")
            };
            let page = index.search(&query, &recent).unwrap();
            assert_eq!(page.more, offset + 7 < 59, "from {offset}");
            pages.extend(page.hits.iter().map(|hit| hit.ord));
        }
        assert_eq!(pages, whole);
    }
}

#[test]
fn what_waits_overrules_the_index() {
    let folder = tempdir().unwrap();
    let index = index_of(folder.path(), &["old one", "old two", "old three"]);
    let mut recent = Recent::new();
    recent.push(10, Change::Put(doc(1, "new one")));
    recent.push(11, Change::Remove { ord: 2 });
    let find = |recent: &Recent, text: &str| ords(&index, recent, &Query::new(text));
    assert_eq!(find(&recent, "old"), [3]);
    assert_eq!(find(&recent, "new"), [1]);
    recent.push(12, Change::RemoveConversation(key(0)));
    assert!(find(&recent, "old").is_empty() && find(&recent, "new").is_empty());
    recent.push(13, Change::Put(doc(4, "new life")));
    assert_eq!(find(&recent, "new"), [4]);
    // A commit that was made says nothing of what came after it.
    recent.forget_through(12);
    assert_eq!((find(&recent, "old"), recent.len()), (vec![1, 2, 3], 1));
}

#[test]
fn a_snippet_shows_what_was_found() {
    let filler = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(20);
    let text = format!("{filler}Here is the borrow\tchecker\nat last. {filler}");
    let shown = snippet(&text, &Query::new("checker borrow"));
    assert!(
        shown.text.contains("the borrow checker at last."),
        "{shown:?}"
    );
    assert!(shown.text.starts_with('…') && shown.text.ends_with('…'));
    let marked: Vec<&str> = shown
        .highlights
        .iter()
        .map(|range| &shown.text[range.clone()])
        .collect();
    assert_eq!(marked, ["borrow", "checker"]);
    let length = shown.text.chars().count();
    assert!((120..=180).contains(&length), "{length}");

    let cases: &[(&str, &str, bool, &str, &[&str])] = &[
        ("Straße", "strasse", false, "Straße", &["Straße"]),
        ("CAFÉ au lait", "cafe", false, "CAFÉ au lait", &["CAFÉ"]),
        (
            "大语言模型很好",
            "语言模型",
            false,
            "大语言模型很好",
            &["语言模型"],
        ),
        ("大语言模型很好", "模", false, "大语言模型很好", &["模"]),
        (
            "foo_bar(x)",
            "foo_bar",
            false,
            "foo_bar(x)",
            &["foo", "bar"],
        ),
        (
            "bar foo bar",
            "\"foo bar\"",
            false,
            "bar foo bar",
            &["foo", "bar"],
        ),
        ("Typing now", "typ", true, "Typing now", &["Typing"]),
        ("ｶﾞｷﾞ", "ガギ", false, "ｶﾞｷﾞ", &["ｶﾞｷﾞ"]),
        (
            "a\u{1b}[31mred\u{7}\u{202e} b",
            "red",
            false,
            "a[31mred b",
            &[],
        ),
        ("  one \r\n\t two  ", "two", false, "one two", &["two"]),
        ("only -this", "only -this", false, "only -this", &["only"]),
        ("not there", "absent", false, "not there", &[]),
        ("", "x", false, "", &[]),
    ];
    for (text, query, prefix_last, expected, marked) in cases {
        let query = Query {
            prefix_last: *prefix_last,
            ..Query::new(*query)
        };
        let shown = snippet(text, &query);
        assert_eq!(shown.text, *expected, "{text:?}");
        let found: Vec<&str> = shown
            .highlights
            .iter()
            .map(|range| &shown.text[range.clone()])
            .collect();
        assert_eq!(found, *marked, "{text:?}");
    }
    // No spaces to cut at.
    let text = "语".repeat(500) + "模型" + &"言".repeat(500);
    let shown = snippet(&text, &Query::new("模型"));
    assert_eq!(&shown.text[shown.highlights[0].clone()], "模型");
    assert!(
        shown.text.chars().count() <= 164,
        "{}",
        shown.text.chars().count()
    );
}

proptest::proptest! {
    #[test]
    fn a_snippet_of_any_text_is_whole(text in "\\PC{0,40}([a-z é模型\u{301}\u{200d}\u{1b}\n]{0,300})", query in "[a-z é模型\"-]{0,12}", prefix_last: bool) {
        let query = Query { prefix_last, ..Query::new(query) };
        let shown = snippet(&text, &query);
        let mut from = 0;
        for range in &shown.highlights {
            proptest::prop_assert!(range.start >= from && range.end > range.start);
            proptest::prop_assert!(shown.text.get(range.clone()).is_some());
            from = range.end;
        }
        proptest::prop_assert!(!shown.text.chars().any(char::is_control));
        proptest::prop_assert!(shown.text.chars().count() <= 400);
    }
}
