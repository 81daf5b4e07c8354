//! One turn, and what is kept of it.

use std::sync::Arc;

use tokio::sync::Notify;
use vale_chat::model::{AttemptReason, Outcome, Part, State};
use vale_chat::ops::branch;
use vale_chat::{ConversationId, Tree};
use vale_host::{ConversationError, NewConversation, Question};
use vale_types::{Error, ErrorKind, Failure, NetworkFailure, NetworkKind, Role};

use crate::stage::{Play, World, process, read};

fn say(text: &str) -> Question {
    Question::Say(vec![Part::text(text)])
}

fn broken() -> Failure {
    let kind = ErrorKind::Network(NetworkFailure {
        kind: NetworkKind::Reset,
        request_sent: true,
    });
    Error::new(kind, "The connection was reset.").into()
}

fn overloaded() -> Failure {
    Error::new(ErrorKind::Overloaded(Some(1)), "busy").into()
}

async fn begin(world: &World) -> ConversationId {
    let new = NewConversation {
        model: Some("one/m".parse().unwrap()),
        system_prompt: Some("Be brief.".to_owned()),
        ..NewConversation::default()
    };
    world.conversations.begin(new).await.unwrap()
}

/// The shown branch as who said what, and how it is.
fn shown(tree: &Tree) -> Vec<(String, String, State)> {
    let path = tree.active_path();
    let messages = path.iter().map(|id| tree.shown(*id).unwrap());
    messages
        .map(|message| {
            (
                message.role.as_str().to_owned(),
                message.text(),
                message.state.clone(),
            )
        })
        .collect()
}

fn line(role: &str, text: &str, state: State) -> (String, String, State) {
    (role.to_owned(), text.to_owned(), state)
}

#[test]
fn what_was_said_is_there_in_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut id = None;
    process(folder.path(), async |world| {
        let conversation = begin(&world).await;
        id = Some(conversation);
        world
            .player
            .put([Play::Say(&["Hel", "lo."]), Play::Think("hm", "Again.")]);
        for (question, answer) in [("Say hello", "Hello."), ("And again", "Again.")] {
            let asked = world
                .conversations
                .ask(conversation, say(question), None)
                .await;
            let mut answering = asked.unwrap();
            assert!(answering.question.is_some());
            let (text, end) = read(&mut answering).await;
            assert_eq!(text, answer);
            assert!(end.is_ok());
        }
        let request = world.player.last_request();
        let roles: Vec<_> = request
            .messages
            .iter()
            .map(|message| &message.role)
            .collect();
        assert_eq!(
            roles,
            [&Role::System, &Role::User, &Role::Assistant, &Role::User]
        );
    });
    process(folder.path(), async |world| {
        let tree = world.conversations.tree(id.unwrap()).await.unwrap();
        assert_eq!(
            shown(&tree),
            [
                line("user", "Say hello", State::Complete),
                line("assistant", "Hello.", State::Complete),
                line("user", "And again", State::Complete),
                line("assistant", "Again.", State::Complete),
            ]
        );
        assert_eq!(tree.conversation().title, "Say hello");
        let last = tree.message(tree.active_leaf().unwrap()).unwrap();
        assert_eq!(last.usage.as_ref().unwrap().output, Some(5));
        assert!(matches!(&last.parts[0], Part::Thinking(block) if block.text == "hm"));
        assert_eq!(last.attempts.len(), 1);
        let attempt = &last.attempts[0];
        assert_eq!(attempt.outcome, Some(Outcome::Complete));
        assert_eq!(attempt.model.provider, "one");
    });
}

#[test]
fn every_attempt_is_kept_with_its_reason_and_end() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        let fallback = serde_json::json!({ "*": ["two/m"] });
        world
            .core
            .set_fallback(serde_json::from_value(fallback).unwrap());
        world.player.put([
            Play::Fail(overloaded()),
            Play::Fail(Error::new(ErrorKind::ModelNotFound, "no such model").into()),
            Play::Say(&["Here."]),
        ]);
        let mut answering = world.conversations.ask(id, say("Hi"), None).await.unwrap();
        let (text, end) = read(&mut answering).await;
        assert_eq!(text, "Here.");
        end.unwrap();
        let tree = world.conversations.tree(id).await.unwrap();
        let message = tree.message(answering.message).unwrap();
        let told: Vec<_> = message
            .attempts
            .iter()
            .map(|attempt| (attempt.reason.clone(), attempt.outcome.clone().unwrap()))
            .collect();
        assert_eq!(told.first(), Some(&(AttemptReason::First, Outcome::Failed)));
        assert_eq!(told.last().unwrap().1, Outcome::Complete);
        assert!(
            told.iter()
                .any(|(reason, _)| *reason == AttemptReason::Repeat),
            "{told:?}"
        );
        let errors: Vec<_> = message
            .attempts
            .iter()
            .filter_map(|attempt| attempt.error.clone())
            .collect();
        assert_eq!(errors[0].kind, "overloaded");
        assert!(errors[0].sentence.ends_with('.'), "{errors:?}");
    });
}

#[test]
fn an_answer_that_breaks_off_keeps_its_text_and_can_be_continued() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        world.player.put([
            Play::Break(&["One, ", "two"], broken()),
            Play::Say(&[", three."]),
        ]);
        let mut answering = world
            .conversations
            .ask(id, say("Count"), None)
            .await
            .unwrap();
        let (text, end) = read(&mut answering).await;
        assert_eq!(text, "One, two");
        assert!(end.is_err());
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(
            shown(&tree)[1],
            line("assistant", "One, two", State::Failed)
        );

        let goes_on = Question::Continue(answering.message);
        let mut more = world.conversations.ask(id, goes_on, None).await.unwrap();
        let (text, end) = read(&mut more).await;
        assert_eq!(text, ", three.");
        end.unwrap();
        let request = world.player.last_request();
        assert_eq!(request.messages.last().unwrap().role, Role::Assistant);
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(
            shown(&tree)[1],
            line("assistant", "One, two, three.", State::Complete)
        );
        // The one that broke off is still there.
        assert_eq!(tree.siblings(more.message).len(), 2);
        assert_eq!(tree.message(answering.message).unwrap().text(), "One, two");
    });
}

#[test]
fn stopping_keeps_what_had_come() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        let bell = Arc::new(Notify::new());
        world
            .player
            .put([Play::Hang(&["As far", " as this"], bell.clone())]);
        let mut answering = world.conversations.ask(id, say("Go"), None).await.unwrap();
        bell.notified().await;
        // Another question has to wait for this one.
        let refused = world.conversations.ask(id, say("More"), None).await;
        assert!(
            matches!(refused, Err(ConversationError::Op(_))),
            "{refused:?}"
        );
        assert!(world.conversations.stop(id, Some(answering.message)));
        let (text, end) = read(&mut answering).await;
        assert_eq!(
            (text.as_str(), end),
            ("As far as this", Err(Failure::cancelled()))
        );
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(
            shown(&tree)[1],
            line("assistant", "As far as this", State::Cancelled)
        );
        assert!(!world.conversations.stop(id, None));
    });
}

#[test]
fn an_answer_goes_on_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        world.player.put([Play::Say(&["Nobody", " hears this."])]);
        let answering = world.conversations.ask(id, say("Go"), None).await.unwrap();
        let message = answering.message;
        drop(answering);
        // The next thing that is asked waits until it may.
        loop {
            let tree = world.conversations.tree(id).await.unwrap();
            if tree.message(message).unwrap().state == State::Complete {
                assert_eq!(tree.message(message).unwrap().text(), "Nobody hears this.");
                break;
            }
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn editing_and_regenerating_overwrite_nothing() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        world
            .player
            .put([Play::Say(&["A"]), Play::Say(&["B"]), Play::Say(&["C"])]);
        let mut first = world
            .conversations
            .ask(id, say("Question"), None)
            .await
            .unwrap();
        read(&mut first).await.1.unwrap();
        let again = Question::Regenerate(first.message);
        let mut again = world.conversations.ask(id, again, None).await.unwrap();
        read(&mut again).await.1.unwrap();
        let edit = Question::Edit(first.question.unwrap(), vec![Part::text("Better question")]);
        let mut edited = world.conversations.ask(id, edit, None).await.unwrap();
        read(&mut edited).await.1.unwrap();
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(
            shown(&tree),
            [
                line("user", "Better question", State::Complete),
                line("assistant", "C", State::Complete),
            ]
        );
        assert_eq!(tree.len(), 5);
        world
            .conversations
            .change(id, |tree, stamp| {
                Ok((branch::choose(tree, first.message, stamp)?, ()))
            })
            .await
            .unwrap();
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(shown(&tree)[1].1, "A");
    });
}

#[test]
fn a_question_without_a_provider_is_kept_and_its_answer_says_why() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), async |world| {
        let id = begin(&world).await;
        let nobody = Some("nobody/m".parse().unwrap());
        let refused = world.conversations.ask(id, say("Hello?"), nobody).await;
        assert!(
            matches!(refused, Err(ConversationError::Failure(_))),
            "{refused:?}"
        );
        let tree = world.conversations.tree(id).await.unwrap();
        assert_eq!(
            shown(&tree),
            [
                line("user", "Hello?", State::Complete),
                line("assistant", "", State::Failed),
            ]
        );
    });
}
