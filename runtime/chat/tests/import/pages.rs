//! Markdown and HTML, for people.

use vale_chat::export::{Branches, html, markdown};
use vale_chat::import::{Digest, Imported, Novelty};
use vale_chat::model::{
    Attachment, Conversation, Media, Message, ModelName, Part, Role, SourceRef, State,
    ThinkingBlock, ToolCall,
};
use vale_chat::{ConversationId, MessageId};

use super::support::{Kept, Memory, Paper, fixture, import};

const CODE: &str =
    "Look:\n\n```rust\nfn main() {\n\tprintln!(\"<b>&amp;</b>\");\n}\n```\n\nand `<i>`.";

const EVIL: &str = "<script>alert(1)</script>\n\n<img src=x onerror=alert(2)>\n\n[click](javascript:alert(3)) ![pixel](https://tracker.example/p.png) [![in](javascript:a)](https://ok.example)\n\n</div></article><style>*{display:none}</style>";

/// A question, two answers, and a file; the first answer's branch is the visible one.
fn conversation() -> (Imported, Memory) {
    let mut files = Memory::default();
    let image = Attachment {
        blake3: files.add(b"PNG bytes"),
        media_type: "image/png\" onload=\"x".to_owned(),
        name: Some("a](b) \"c\".png".to_owned()),
        size: 9,
        text: None,
    };
    let long = Attachment {
        blake3: files.add("long ```".as_bytes()),
        media_type: "text/plain".into(),
        name: None,
        size: 8,
        text: None,
    };
    let id = |number: u8| MessageId::new(1_714_564_800_000, &mut || [number; 10]);
    let message = |number: u8, parent: Option<u8>, role, parts| {
        Message::new(id(number), parent.map(id), role, parts, 1_714_564_800_000)
    };
    let question = message(
        1,
        None,
        Role::User,
        vec![Part::text(EVIL), Part::Image(Media::Stored(image))],
    );
    let mut answer = message(
        2,
        Some(1),
        Role::Assistant,
        vec![
            Part::Thinking(ThinkingBlock {
                text: "first\n</details>\nsecond".into(),
                ..ThinkingBlock::default()
            }),
            Part::text(CODE),
            Part::ToolCall(ToolCall {
                id: "1".into(),
                name: "run_*".into(),
                arguments_json: "{\"code\":\"```</pre>\"}".into(),
                signature: None,
            }),
        ],
    );
    answer.model = Some(ModelName {
        provider: "p".into(),
        model: "m<1>".into(),
    });
    let mut cut = message(
        3,
        Some(1),
        Role::Assistant,
        vec![Part::text("```\nleft open"), Part::LongText(long)],
    );
    cut.state = State::Interrupted;
    let thanks = message(4, Some(2), Role::User, vec![Part::text("Thanks")]);
    let own = ConversationId::new(1_714_564_800_000, &mut || [9; 10]);
    let mut conversation = Conversation::new(own, 1_714_564_800_000);
    conversation.title = "A <title> & # more".into();
    conversation.system_prompt = Some("Be brief.".into());
    conversation.active_leaf = Some(id(4));
    let imported = Imported {
        conversation,
        messages: vec![question, answer, cut, thanks],
        pruned: vec![id(3)],
        source: SourceRef {
            app: "valechat".into(),
            id: "x".into(),
        },
        digest: Digest([0; 32]),
        novelty: Novelty::New,
    };
    (imported, files)
}

fn pages(as_html: bool, branches: Branches) -> Paper {
    let (imported, files) = conversation();
    let mut kept = Kept::new(Vec::new(), vec![imported], files);
    let mut paper = Paper::default();
    let report = if as_html {
        html(&mut kept, &mut paper, branches)
    } else {
        markdown(&mut kept, &mut paper, branches)
    };
    let report = report.unwrap();
    assert_eq!(report.conversations, 1);
    assert_eq!(report.missing_files + report.missing_messages, 0);
    let messages = if branches == Branches::All { 4 } else { 3 };
    assert_eq!(report.messages, messages);
    paper
}

fn page(paper: &Paper, ending: &str) -> String {
    let mut names = paper.0.keys().filter(|name| name.ends_with(ending));
    let name = names.next().unwrap();
    assert!(name.starts_with("2024-05-01 A title & # more "), "{name}");
    assert!(names.next().is_none());
    String::from_utf8(paper.0[name].clone()).unwrap()
}

#[test]
fn markdown_keeps_every_word_and_what_follows_an_open_block_is_not_swallowed() {
    let paper = pages(false, Branches::All);
    let text = page(&paper, ".md");
    assert!(text.starts_with("# A \\<title\\> & \\# more\n"), "{text}");
    assert!(text.contains(CODE) && text.contains(EVIL));
    assert!(
        text.contains("\n```\nleft open\n```\n\nlong ```\n"),
        "{text}"
    );
    assert!(text.contains("> **Thinking**\n>\n> first\n> </details>\n> second\n"));
    assert!(text.contains("**Tool call: run\\_\\***\n\n````json\n{\"code\":\"```</pre>\"}\n````"));
    assert!(text.contains("# Another branch (hidden)"));
    assert!(text.contains("*This answer was interrupted.*"));
    let file = paper
        .0
        .keys()
        .find(|name| name.starts_with("files/"))
        .unwrap();
    assert!(
        text.contains(&format!("![a\\](b) \"c\".png]({file})")),
        "{text}"
    );
    assert_eq!(paper.0[file], b"PNG bytes");

    let visible = page(&pages(false, Branches::Visible), ".md");
    assert!(!visible.contains("left open") && visible.contains("Thanks"));
}

/// Tags and attributes of a page, with the values left out.
fn tags(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut quoted = false;
        for character in after.chars() {
            match character {
                '"' => quoted = !quoted,
                '>' if !quoted => break,
                other if !quoted => tag.push(other),
                _ => {}
            }
        }
        tags.push(tag);
        rest = after;
    }
    tags
}

#[test]
fn html_runs_nothing_fetches_nothing_and_shows_everything() {
    let text = page(&pages(true, Branches::All), ".html");
    for tag in tags(&text) {
        let words: Vec<&str> = tag
            .split([' ', '\n', '/'])
            .filter(|word| !word.is_empty())
            .collect();
        let name = words.first().copied().unwrap_or_default();
        let known = [
            "!doctype", "html", "head", "meta", "title", "style", "body", "header", "h1", "h2",
            "p", "main", "article", "time", "div", "a", "img", "details", "summary", "pre", "code",
            "section", "footer",
        ];
        assert!(known.contains(&name), "<{tag}>");
        for attribute in &words[1..] {
            assert!(!attribute.to_lowercase().starts_with("on"), "<{tag}>");
        }
    }
    assert_eq!(text.matches("<style>").count(), 1);
    assert!(!text.contains("src=\"http") && !text.contains("javascript:alert(3)\""));
    assert!(
        text.contains("href=\"https://tracker.example/p.png\""),
        "a link, not a picture"
    );
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(text.contains("<pre><code class=\"language-rust\">fn main() {\n\tprintln!(\"&lt;b&gt;&amp;amp;&lt;/b&gt;\");\n}\n</code></pre>") || text.contains("println!(&quot;&lt;b&gt;&amp;amp;&lt;/b&gt;&quot;);"), "{text}");
    assert!(text.contains("data:application/octet-stream;base64,UE5HIGJ5dGVz"));
    assert!(text.contains("Another branch (hidden)") && text.contains("href=\"#m1\""));
    assert!(text.contains("prefers-color-scheme: dark") && text.contains("@media print"));
    assert!(text.contains("default-src 'none'"));
    let visible = page(&pages(true, Branches::Visible), ".html");
    assert!(!visible.contains("left open") && visible.contains("Thanks"));
}

#[test]
fn every_import_becomes_pages() {
    for name in [
        "chatgpt.json",
        "claude.json",
        "librechat-flat.json",
        "open-webui.json",
    ] {
        let outcome = import(fixture(name));
        let count = outcome.conversations.len();
        let new = || {
            let (conversations, files) = (outcome.conversations.clone(), outcome.files.clone());
            Kept::new(outcome.folders.clone(), conversations, files)
        };
        let mut paper = Paper::default();
        markdown(&mut new(), &mut paper, Branches::All).unwrap();
        html(&mut new(), &mut paper, Branches::All).unwrap();
        let pages = paper.0.keys().filter(|name| !name.starts_with("files/"));
        assert_eq!(pages.count(), 2 * count, "{name}");
    }
}
