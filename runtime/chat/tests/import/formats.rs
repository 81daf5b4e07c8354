//! Real-shaped exports, one of each app.

use vale_chat::import::Novelty;
use vale_chat::model::{Finish, Role, State, TitleSource};

use super::support::{fixture, import, leaf, message, parts, shape};

#[test]
fn chatgpt_brings_branches_thinking_tools_sources_and_what_the_person_said_of_himself() {
    let outcome = import(fixture("chatgpt.json"));
    assert_eq!(outcome.conversations.len(), 2);
    let tides = &outcome.conversations[0];
    assert_eq!(
        shape(tides),
        "q1<- call1<q1 tool1<call1 a1<tool1 a1b<q1",
        "system, context, thoughts and recap are no messages"
    );
    assert_eq!(leaf(tides), "a1");
    assert_eq!(tides.novelty, Novelty::New);

    let conversation = &tides.conversation;
    assert_eq!(conversation.title, "Tides and a chart");
    assert_eq!(conversation.title_source, TitleSource::Imported);
    assert_eq!(conversation.created_ms, 1_714_564_800_123);
    assert_eq!(conversation.updated_ms, 1_714_568_400_500);
    assert!(conversation.archived && !conversation.pinned);
    assert_eq!(conversation.model.as_ref().unwrap().model, "o3");
    assert_eq!(
        conversation.system_prompt.as_deref(),
        Some("I live on an island.\n\nAnswer in short sentences.")
    );
    assert_eq!(outcome.folders.len(), 1);
    assert_eq!(conversation.folder, Some(outcome.folders[0].id));
    assert_eq!(outcome.folders[0].name, "ChatGPT project 6a3f");

    let files = &outcome.files;
    assert_eq!(
        parts(message(tides, "q1"), files),
        [
            r#"image missing-file {"media_type":"image/png","name":"chart.png"}"#,
            r#"text "What does this chart say about tides?""#,
            r#"file missing-file {"media_type":"application/pdf","name":"notes.pdf"}"#,
        ]
    );
    assert_eq!(
        parts(message(tides, "call1"), files),
        [
            r#"thinking "Reading the chart\nThe axis shows hours.""#,
            r#"call call1 python {"input":"print(12.4 * 2)"}"#,
        ]
    );
    assert_eq!(
        parts(message(tides, "tool1"), files),
        [r#"result call1 python "```\n24.8\n```""#]
    );
    let answer = message(tides, "a1");
    assert_eq!(
        parts(answer, files),
        [
            "text \"High water comes every 12.4 hours ([tides](https://example.org/tides)).\u{fffd}\""
        ]
    );
    assert_eq!(answer.finish, Some(Finish::Stop));
    let other = message(tides, "a1b");
    assert_eq!(other.finish, Some(Finish::MaxTokens));
    assert_eq!(
        other.created_ms, 1_714_564_700_000,
        "earlier than its question, as it was"
    );
    assert_eq!(other.model.as_ref().unwrap().model, "gpt-4o");
    assert_eq!(
        other.parts.len(),
        2,
        "the thinking belongs to both versions"
    );

    let spoken = &outcome.conversations[1];
    assert_eq!(
        parts(message(spoken, "v1"), files),
        [
            r#"text "How far is the moon?""#,
            r#"audio missing-file {"media_type":null,"name":"file_00000000aaaa"}"#,
        ]
    );
    assert_eq!(
        parts(message(spoken, "v2"), files),
        [r#"text "````python\nkm = 384_400\nprint(f\"```{km}```\")\n````""#]
    );

    let report = &outcome.report;
    assert_eq!((report.read, report.imported, report.messages), (3, 2, 7));
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.skipped[0].index, 2);
    assert_eq!(report.skipped[0].title.as_deref(), Some("Nothing said"));
    assert_eq!(report.missing_count, 3);
    assert_eq!(report.cut_off, None);
}

#[test]
fn claude_brings_branches_thinking_tools_and_the_text_of_attachments() {
    let outcome = import(fixture("claude.json"));
    let letter = &outcome.conversations[0];
    assert_eq!(shape(letter), "m1<- m2<m1 m3<m1 m4<m3");
    assert_eq!(leaf(letter), "m4");
    assert_eq!(letter.conversation.created_ms, 1_738_569_600_123);
    assert!(letter.conversation.pinned);
    assert_eq!(outcome.folders[0].name, "Council");
    let files = &outcome.files;
    assert_eq!(
        parts(message(letter, "m1"), files),
        [
            r#"text "Draft a letter.""#,
            r#"file minutes.txt text/plain; charset=utf-8 "The bridge is to be closed.""#,
            r#"image missing-file {"media_type":null,"name":"bridge.jpg"}"#,
        ]
    );
    let answer = message(letter, "m2");
    assert_eq!(
        parts(answer, files),
        [r#"thinking "Formal tone.""#, r#"text "Dear council,""#]
    );
    assert_eq!(
        (&answer.role, &answer.finish),
        (&Role::Assistant, &Some(Finish::Stop))
    );
    assert_eq!(
        parts(message(letter, "m4"), files),
        [
            r#"call tu1 web_search {"query":"council address","n":2}"#,
            r#"result tu1 web_search "Town hall\nhttps://example.org\n1 Square""#,
            r#"text "It is 1 Square.""#,
        ]
    );
    assert_eq!(shape(&outcome.conversations[1]), "o1<- o2<o1 o3<o2");
    assert_eq!(leaf(&outcome.conversations[1]), "o3");
    assert_eq!(outcome.report.skipped_count, 1);
}

#[test]
fn librechat_brings_both_of_its_forms() {
    let outcome = import(fixture("librechat-flat.json"));
    let flat = &outcome.conversations[0];
    assert_eq!(shape(flat), "l1<- l2<l1 l4<l2 l3<l1");
    assert_eq!(flat.conversation.system_prompt.as_deref(), Some("Be kind."));
    assert_eq!(flat.conversation.created_ms, 1_717_232_400_000);
    assert_eq!(message(flat, "l3").state, State::Interrupted);
    assert_eq!(message(flat, "l4").state, State::Failed);
    assert_eq!(
        message(flat, "l3").model.as_ref().unwrap().model,
        "claude-3"
    );
    assert_eq!(
        parts(message(flat, "l3"), &outcome.files),
        [
            r#"thinking "Warm or cold?""#,
            r#"text "Re""#,
            r#"call tc palette {"n":3}"#,
            r#"result tc palette "red, green""#,
        ]
    );
    let nested = import(fixture("librechat-tree.json"));
    assert_eq!(shape(&nested.conversations[0]), "n1<- n2<n1 n3<n2 n4<n1");
}

#[test]
fn open_webui_brings_its_tree_its_list_and_the_images_within() {
    let outcome = import(fixture("open-webui.json"));
    let garden = &outcome.conversations[0];
    assert_eq!(shape(garden), "g1<- g2<g1 g4<g2 g3<g1");
    assert_eq!(leaf(garden), "g4");
    assert!(garden.conversation.pinned);
    assert_eq!(
        garden.conversation.system_prompt.as_deref(),
        Some("You are a gardener.")
    );
    assert_eq!(outcome.folders[0].name, "Open WebUI folder d-77");
    let files = &outcome.files;
    assert_eq!(
        parts(message(garden, "g1"), files),
        [
            r#"text "What now?""#,
            r#"image - image/png "�PNG\r\n\u{1a}\n""#,
            r##"file beds.md text/plain; charset=utf-8 "# Beds""##,
        ]
    );
    assert_eq!(
        parts(message(garden, "g2"), files),
        [r#"thinking "It is July.\nSo: water.""#, r#"text "Water.""#]
    );
    assert_eq!(message(garden, "g3").state, State::Interrupted);
    let failed = message(garden, "g4");
    assert_eq!(failed.state, State::Failed);
    assert_eq!(parts(failed, files), [r#"text "model not found""#]);

    let list = &outcome.conversations[1];
    assert_eq!(list.messages.len(), 2);
    assert_eq!(list.messages[1].parent, Some(list.messages[0].id));
    assert_eq!(
        parts(&list.messages[0], files),
        [r#"text "See""#, "file at https://example.org/a.png"]
    );
}
