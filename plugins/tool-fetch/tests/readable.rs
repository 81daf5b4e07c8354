//! HTML to text: what is kept, what is left out, and pages that nobody should write.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use common::{good, html, reply};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn structure_is_kept() {
    for (page, expected) in [
        (
            "<h1>One</h1><p>Two\n  three</p><p>four",
            "# One\n\nTwo three\n\nfour",
        ),
        ("a<br>b<div>c</div>d", "a\nb\nc\nd"),
        ("<h3> <span>A</span>B </h3>", "### AB"),
        (
            "<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e",
            "- a\n- b\n  - c\n- d\n\ne",
        ),
        ("<ol><li><p>a</p></li><li>b</li></ol>", "1. a\n\n2. b"),
        ("<ul><li><h2>x</h2>y</ul>", "- ## x\n\ny"),
        (
            "<table><tr><th>n</th><th>v</th></tr><tr><td>a<td></td><td><p>b</p></td></tr></table>z",
            "n | v\na | | b\n\nz",
        ),
        (
            "x <code>f(a)</code> y<pre>\n  let a = 1;\n\n  b\n</pre>z",
            "x `f(a)` y\n\n```\n  let a = 1;\n\n  b\n```\n\nz",
        ),
        (
            "a&nbsp;&lt;b&gt; &amp;copy; &copy; &#x1F600;",
            "a\u{a0}<b> &copy; © 😀",
        ),
        (
            "<img alt=\"a  cat\" src=x> <img src=y alt=''>",
            "[image: a cat]",
        ),
        ("one<hr>two", "one\n\ntwo"),
        ("<p>a<b>b</b>c <i> d</i></p>", "abc d"),
        (
            "<h1></h1><ul><li></li></ul><a href=/x></a><code></code>end",
            "end",
        ),
        ("<dl><dt>k<dd>v</dl>", "k\nv"),
    ] {
        assert_eq!(html(page), expected, "{page}");
    }
}

#[test]
fn links_are_absolute_or_nothing() {
    for (page, expected) in [
        ("<a href=b>x</a>", "[x](https://docs.example/a/b)"),
        (
            "<a href='/b?q=1&amp;r=2'>x <b>y</b></a>.",
            "[x y](https://docs.example/b?q=1&r=2).",
        ),
        (
            "<a href=//other.example/>x</a>",
            "[x](https://other.example/)",
        ),
        ("<a href=#top>x</a>", "x"),
        ("<a href=javascript:alert(1)>x</a>", "x"),
        ("<a href='data:text/html,hi'>x</a>", "x"),
        ("<a href=' JaVaScRiPt:alert(1)'>x</a>", "x"),
        ("<a href='java\nscript:alert(1)'>x</a>", "x"),
        (
            "<a href=mailto:a@b.example>x</a>",
            "[x](mailto:a@b.example)",
        ),
        ("<a href='http://[::bad'>x</a>", "x"),
        ("<a>x</a>", "x"),
        (
            "<base href=https://cdn.example/z/><base href=/w/><a href=q>x</a>",
            "[x](https://cdn.example/z/q)",
        ),
        (
            "<a href=a>x<a href=b>y</a>",
            "[x](https://docs.example/a/a)[y](https://docs.example/a/b)",
        ),
        (
            "<a href=a><h2>T</h2><p>s</p></a>t",
            "[## T s](https://docs.example/a/a)t",
        ),
        ("<a href=a><p>s</p></a>", "[s](https://docs.example/a/a)"),
    ] {
        let expected = if page.contains("<h2>") {
            "## T\n\ns\n\nt"
        } else {
            expected
        };
        assert_eq!(html(page), expected, "{page}");
    }
    let page = reply("text/html", "<a href=b>x</a> <img alt=p>");
    assert_eq!(good(page, &json!({"links": false})).1, "x [image: p]");
}

#[test]
fn what_is_not_shown_or_not_the_page_is_left_out() {
    for page in [
        "<script>if (a<b) alert('no')</script>",
        "<script>document.write('<script>no<\\/script>')</script>",
        "<style>no{}</style>",
        "<noscript>no</noscript>",
        "<template><p>no</p></template>",
        "<nav><ul><li>no</ul><nav>no</nav>no</nav>",
        "<div hidden>no<div>no</div>no</div>",
        "<div aria-hidden=TRUE>no</div>",
        "<p style='color: red; DISPLAY : none'>no</p>",
        "<p style='visibility:hidden'>no<p>",
        "<svg><title>no</title><text>no</text></svg>",
        "<svg/>",
        "<select><option>no</select><textarea>no</textarea><button>no</button>",
        "<!-- no <p>no -->",
        "<iframe>no</iframe>",
        "<input hidden><img hidden>",
        "<ul><li hidden>no<li>yes but dropped below</ul>",
    ] {
        let text = html(&format!("<p>before</p>{page}<p>after</p>"));
        assert!(
            text.starts_with("before") && text.ends_with("after"),
            "{page}: {text}"
        );
        assert!(!text.contains("no"), "{page}: {text}");
    }
    let (head, text) = good(
        reply(
            "text/html",
            "<head><title> A\n page </title></head><title>second</title><body>x",
        ),
        &json!({}),
    );
    assert!(head.contains("Title, as the page says: A page\n"), "{head}");
    assert_eq!(text, "x");
}

#[test]
fn a_page_whose_menu_is_never_closed_is_read_all_the_same() {
    assert_eq!(html("<nav><p>menu<p>all the page"), "menu\n\nall the page");
    assert_eq!(
        html("<div hidden><script>no</script>drawn later"),
        "drawn later"
    );
    // With text before it, the menu stays out.
    assert_eq!(html("<p>text<nav>menu"), "text");
}

#[test]
fn hostile_pages_end_soon_and_stay_small() {
    let start = std::time::Instant::now();
    let million = 1_000_000;
    let pages = [
        "<div>".repeat(million / 2) + "x",
        "<ul><li>".repeat(million / 4) + "x",
        "<ol>".repeat(million / 2),
        "<a href=x>".repeat(million / 4),
        "<a href=x>y".repeat(million / 4),
        "<nav>".repeat(million / 2),
        "<table><tr><td>".repeat(million / 8) + "x",
        "<pre>".repeat(million / 4) + "x",
        "<code>".repeat(million / 4) + "x",
        "</div>".repeat(million / 4) + "x",
        "<h1>".repeat(million / 4),
        "<h1>".repeat(million / 8) + "x",
        format!("<p {}>x", "a=b ".repeat(million / 2)),
        format!("<a href=\"{}\">x</a>", "y".repeat(million)),
        format!("<p style=\"{}\">x", " ".repeat(million)),
        format!("<title>{}", "t".repeat(million)),
        format!(
            "<base href=/{}/>{}",
            "b".repeat(900),
            "<a href=x>y</a>".repeat(100_000)
        ),
        "&".repeat(million),
        "&amp".repeat(million / 4),
        "<!--".repeat(million / 4),
        "<![CDATA[".repeat(million / 9),
        "<script>".repeat(million / 8),
        "<".repeat(million),
        "\u{0}".repeat(500) + "<p>x",
    ];
    for page in pages {
        let result = common::fetch(
            reply("text/html", page.clone()),
            &json!({"max_chars": 100000}),
        );
        let text = vale_sdk::tool::testkit::text_of(&result);
        assert!(text.len() < 1_000_000, "{:.40}: {}", page, text.len());
    }
    // Some 20 MB of pages; the manifest grants 10 s of CPU for one of at most 4 MiB.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// `VALECHAT_FULL=1` runs a hundred times as many cases.
fn config() -> proptest::prelude::ProptestConfig {
    let full = std::env::var("VALECHAT_FULL").is_ok_and(|value| !value.is_empty() && value != "0");
    proptest::prelude::ProptestConfig {
        cases: if full { 51_200 } else { 512 },
        // Integration tests have no source path to store failures beside.
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..2000), kind in 0_usize..5) {
        let types = ["text/html", "text/html; charset=shift_jis", "text/plain; charset=utf-16", "", "application/json"];
        let result = common::fetch(reply(types[kind], body), &json!({}));
        prop_assert!(!result.content.is_empty());
    }

    #[test]
    fn words_outside_of_what_is_left_out_are_never_lost(pieces in proptest::collection::vec((0_usize..14, "[a-z]{1,6}"), 0..40)) {
        const TAGS: [&str; 14] = ["p", "div", "b", "li", "ul", "ol", "td", "tr", "table", "h2", "a href=x", "code", "pre", "/a"];
        let mut page = String::new();
        let mut words = Vec::new();
        for (tag, word) in pieces {
            page.push_str(&format!("<{}>{word} ", TAGS[tag]));
            words.push(word);
        }
        let text = html(&page);
        let mut rest = text.as_str();
        for word in words {
            let Some(at) = rest.find(&word) else {
                return Err(TestCaseError::fail(format!("{word} of {page} is not in {text}")));
            };
            rest = &rest[at + word.len()..];
        }
    }

    #[test]
    fn a_text_read_in_parts_is_the_whole_text(body in "[a-zäß日 \n<>&]{1,400}", size in 1_i64..50) {
        let whole = good(reply("text/plain", body.clone()), &json!({}));
        let total = body.chars().count();
        let mut joined = String::new();
        let mut start = 0;
        while start < total {
            let arguments = json!({"start": start, "max_chars": size});
            let (head, part) = good(reply("text/plain", body.clone()), &arguments);
            // A part of blanks alone is told and not given.
            let end = total.min(start + usize::try_from(size).unwrap());
            if part.is_empty() {
                joined.extend(body.chars().skip(start).take(end - start));
            }
            joined.push_str(&part);
            prop_assert!(part.is_empty() || head.contains(&format!("Characters {start} to {end} of {total}")), "{}", head);
            start = end;
        }
        prop_assert_eq!(&joined, &body);
        prop_assert!(whole.1.is_empty() || whole.1 == body);
    }
}
