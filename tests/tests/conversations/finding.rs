//! Search over stored conversations, through the index and beside it.

use vale_chat::model::Part;
use vale_chat::ops::purge::{self, Extent};
use vale_chat::record::ConversationDeleted;
use vale_chat::{ConversationId, Record};
use vale_host::{Found, NewConversation, Question, SearchRequest};

use crate::stage::{Play, World, process, read};

async fn begin(world: &World) -> ConversationId {
    let new = NewConversation {
        model: Some("one/m".parse().unwrap()),
        ..NewConversation::default()
    };
    world.conversations.begin(new).await.unwrap()
}

async fn talk(
    world: &World,
    id: ConversationId,
    question: Question,
    answer: &'static [&'static str],
) {
    world.player.put([Play::Say(answer)]);
    let mut answering = world.conversations.ask(id, question, None).await.unwrap();
    read(&mut answering).await.1.unwrap();
}

fn say(text: &str) -> Question {
    Question::Say(vec![Part::text(text)])
}

async fn find(world: &World, text: &str) -> Vec<Found> {
    let request = SearchRequest {
        text: text.to_owned(),
        limit: 20,
        ..SearchRequest::default()
    };
    let answer = loop {
        let answer = world.conversations.search(request.clone()).await.unwrap();
        // A new index is opened in the background.
        if answer.note.is_none() {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    answer.found
}

#[test]
fn what_was_said_a_moment_ago_is_found_with_its_branch_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        talk(
            &world,
            id,
            say("Where do puffins nest?"),
            &["On cliffs ", "near the sea."],
        )
        .await;
        let found = find(&world, "puffins").await;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].conversation, found[0].role.as_str()),
            (id, "user")
        );
        assert!(found[0].is_shown);
        assert_eq!(found[0].title, "Where do puffins nest?");
        assert!(found[0].snippet.text.contains("puffins"));
        // Another version of the question: the first is on a branch that is not shown.
        let edit = Question::Edit(found[0].message, vec![Part::text("Where do terns nest?")]);
        talk(&world, id, edit, &["On sand."]).await;
        assert!(!find(&world, "puffins").await[0].is_shown);
        assert!(find(&world, "terns").await[0].is_shown);
        assert_eq!(find(&world, "cliffs sea").await[0].role, "assistant");
        talk(&world, id, say("東京の天気は?"), &["晴れです。"]).await;
        assert_eq!(find(&world, "天気").await.len(), 1);
    });
    process(folder.path(), async |world| {
        world.conversations.search_caught_up().await;
        assert_eq!(find(&world, "puffins").await.len(), 1);
        assert_eq!(find(&world, "nest").await.len(), 2);
        assert!(find(&world, "nobody said this").await.is_empty());
    });
    // Derived: without its files it is made anew.
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    process(folder.path(), async |world| {
        assert_eq!(find(&world, "nest").await.len(), 2);
    });
}

#[test]
fn what_is_deleted_is_not_found_and_what_is_purged_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let (deleted, part, gone) = (
            begin(&world).await,
            begin(&world).await,
            begin(&world).await,
        );
        talk(&world, deleted, say("a heron stood"), &["yes"]).await;
        talk(&world, part, say("a bittern boomed"), &["a bittern hides"]).await;
        talk(
            &world,
            gone,
            say("a spoonbill waded"),
            &["a spoonbill feeds"],
        )
        .await;
        world.conversations.search_caught_up().await;
        assert_eq!(find(&world, "heron").await.len(), 1);
        let record = Record::from(ConversationDeleted {
            conversation: deleted,
            at_ms: 1,
        });
        let command = vale_chat::rows::command(&[record]).unwrap();
        world.conversations.store().commit(command).await.unwrap();
        assert!(find(&world, "heron").await.is_empty());

        let answer = find(&world, "hides").await[0].message;
        let purge = world.conversations.change(part, |tree, stamp| {
            Ok((purge::purge(tree, answer, Extent::Message, stamp)?, ()))
        });
        purge.await.unwrap();
        assert_eq!(find(&world, "bittern").await.len(), 1);
        world.conversations.purge(gone).await.unwrap();
        assert!(find(&world, "spoonbill").await.is_empty());
    });
    let mut holding = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("index")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        if memchr::memmem::find(&bytes, b"spoonbill").is_some() {
            holding.push(path);
        }
    }
    assert!(holding.is_empty(), "{holding:?}");
}
