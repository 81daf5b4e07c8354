//! What each operation writes and refuses, by example.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use vale_chat::model::{Conversation, Finish, Message, ModelName, Part, Role, State, ToolCall};
use vale_chat::ops::again::{self, Others};
use vale_chat::ops::answer::{self, Ending};
use vale_chat::ops::fork::{self, Scope};
use vale_chat::ops::send::{self, After, Then};
use vale_chat::ops::{OpError, Plan, Stamp, branch};
use vale_chat::record::{ConversationDeleted, ConversationUndeleted, MessageAdded};
use vale_chat::{ConversationId, MessageId, Oddity, Record, SystemIds, Tree, title};

fn model(name: &str) -> ModelName {
    ModelName {
        provider: "p".into(),
        model: name.into(),
    }
}

/// A conversation, and the clock of its operations.
struct Chat {
    tree: Tree,
    now_ms: u64,
}

impl Chat {
    fn new() -> Self {
        let id = ConversationId::new(1, &mut SystemIds);
        Self {
            tree: Tree::new(Conversation::new(id, 1)),
            now_ms: 1,
        }
    }

    fn ask<T>(
        &mut self,
        op: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<T, OpError>,
    ) -> Result<T, OpError> {
        self.now_ms += 1;
        let mut stamp = Stamp {
            now_ms: self.now_ms,
            ids: &mut SystemIds,
        };
        op(&self.tree, &mut stamp)
    }

    fn refused<T: std::fmt::Debug>(
        &mut self,
        op: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<T, OpError>,
    ) -> OpError {
        let before = self.tree.clone();
        let error = self.ask(op).unwrap_err();
        assert_eq!(self.tree, before);
        error
    }

    /// Does it, and gives the last new message.
    fn run(
        &mut self,
        op: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<Plan, OpError>,
    ) -> Vec<MessageId> {
        let plan = self.ask(op).unwrap();
        self.tree.apply_all(&plan.records).unwrap();
        plan.messages
    }

    fn say(&mut self, text: &str) -> MessageId {
        self.run(|tree, stamp| send::add_user(tree, After::Shown, vec![Part::text(text)], stamp))[0]
    }

    fn end(&mut self, id: MessageId, text: &str, state: State, finish: Option<Finish>) {
        let ending = Ending {
            parts: vec![Part::text(text)],
            state,
            finish,
            usage: None,
            model: None,
        };
        self.run(|tree, stamp| answer::end(tree, id, None, ending, stamp));
    }

    fn answer(&mut self, question: MessageId, text: &str) -> MessageId {
        let id = self.run(|tree, stamp| answer::begin(tree, question, model("m"), stamp))[0];
        self.end(id, text, State::Complete, Some(Finish::Stop));
        id
    }

    fn shown(&self) -> Vec<String> {
        let path = self.tree.active_path().into_iter();
        path.map(|id| self.tree.message(id).unwrap().text())
            .collect()
    }

    fn add(&mut self, role: Role, parent: Option<MessageId>, parts: Vec<Part>) -> MessageId {
        let id = MessageId::new(self.now_ms, &mut SystemIds);
        let message = Message::new(id, parent, role, parts, self.now_ms);
        let record = Record::from(MessageAdded {
            conversation: self.tree.conversation().id,
            message,
        });
        self.tree.apply(&record).unwrap();
        id
    }
}

#[test]
fn an_edited_question_keeps_the_old_one_with_all_that_followed() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let first = chat.answer(question, "1");
    chat.say("two");
    let version = chat
        .run(|tree, stamp| send::edit(tree, question, vec![Part::text("uno")], Then::Save, stamp))
        [0];
    assert_eq!(chat.shown(), ["uno"]);
    assert_eq!(chat.tree.elsewhere(), 3);
    let position = chat.tree.position(version).unwrap();
    assert_eq!((position.index, position.count), (2, 2));
    assert_eq!(chat.tree.message(version).unwrap().edits, Some(question));
    chat.run(|tree, stamp| branch::choose(tree, first, stamp));
    assert_eq!(chat.shown(), ["one", "1", "two"]);

    let asked = chat.run(|tree, stamp| {
        let text = vec![Part::text("eins")];
        send::edit(tree, question, text, Then::Ask(model("n")), stamp)
    });
    assert_eq!(asked.len(), 2);
    let answer = chat.tree.message(asked[1]).unwrap();
    assert_eq!(
        (&answer.state, answer.parent),
        (&State::Streaming, Some(asked[0]))
    );
    assert_eq!(answer.attempts[0].model, model("n"));
    assert_eq!(chat.tree.active_leaf(), Some(asked[1]));
}

#[test]
fn an_edited_answer_is_gone_on_from_where_the_person_left_it() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let first = chat.answer(question, "wrong");
    let version = chat.run(|tree, stamp| {
        let text = vec![Part::text("right, and")];
        send::edit(tree, first, text, Then::Ask(model("n")), stamp)
    })[0];
    let message = chat.tree.message(version).unwrap();
    assert_eq!(
        (message.continues, message.edits),
        (Some(first), Some(first))
    );
    assert_eq!(message.text(), "right, and");
    assert_eq!(message.state, State::Streaming);
    assert_eq!(chat.tree.siblings(first), [first, version]);
}

#[test]
fn nothing_begins_while_an_answer_is_written_and_other_branches_can_be_read() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let first = chat.answer(question, "1");
    let open = chat.run(|tree, stamp| again::regenerate(tree, first, model("m"), stamp))[0];
    let text = || vec![Part::text("x")];
    let errors = [
        chat.refused(|tree, stamp| send::add_user(tree, After::Shown, text(), stamp)),
        chat.refused(|tree, stamp| send::edit(tree, question, text(), Then::Save, stamp)),
        chat.refused(|tree, stamp| again::regenerate(tree, first, model("m"), stamp)),
        chat.refused(|tree, stamp| again::continue_(tree, first, model("m"), stamp)),
        chat.refused(|tree, stamp| {
            again::compare(tree, question, vec![model("a"), model("b")], stamp)
        }),
        chat.refused(|tree, stamp| answer::begin(tree, question, model("m"), stamp)),
        chat.refused(|tree, stamp| branch::prune(tree, question, stamp)),
        chat.refused(|tree, stamp| branch::move_branch(tree, open, None, stamp)),
        chat.refused(|tree, stamp| branch::move_branch(tree, first, Some(open), stamp)),
        chat.refused(|tree, stamp| fork::fork(tree, open, Scope::Path, stamp)),
    ];
    assert!(
        errors.iter().all(|error| *error == OpError::Streaming),
        "{errors:?}"
    );
    chat.run(|tree, stamp| branch::choose(tree, first, stamp));
    assert_eq!(chat.shown(), ["one", "1"]);
    // A fork of what has ended leaves the open answer behind.
    let forked = chat.ask(|tree, stamp| fork::fork(tree, first, Scope::EverythingToHere, stamp));
    assert_eq!(forked.unwrap().1.messages.len(), 2);
}

#[test]
fn only_what_did_not_come_to_its_end_is_continued() {
    for (state, finish, expected) in [
        (State::Complete, Some(Finish::Stop), Some(OpError::Whole)),
        (State::Complete, None, Some(OpError::Whole)),
        (State::Complete, Some(Finish::MaxTokens), None),
        (State::Complete, Some(Finish::Paused), None),
        (State::Interrupted, None, None),
        (State::Failed, None, None),
        (State::Cancelled, Some(Finish::Cancelled), None),
    ] {
        let mut chat = Chat::new();
        let question = chat.say("one");
        let id = chat.run(|tree, stamp| answer::begin(tree, question, model("m"), stamp))[0];
        chat.end(id, "so far", state.clone(), finish);
        let result = chat.ask(|tree, stamp| again::continue_(tree, id, model("n"), stamp));
        assert_eq!(result.as_ref().err(), expected.as_ref(), "{state:?}");
        if let Ok(plan) = result {
            chat.tree.apply_all(&plan.records).unwrap();
            let version = chat.tree.message(plan.messages[0]).unwrap();
            assert_eq!(
                (version.continues, version.text()),
                (Some(id), "so far".to_owned())
            );
            assert_eq!(version.model, Some(model("n")));
        }
    }
}

#[test]
fn a_continued_answer_drops_the_tool_call_that_nobody_answered() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let call = Part::ToolCall(ToolCall {
        id: "1".into(),
        name: "search".into(),
        arguments_json: "{".into(),
        signature: None,
    });
    let id = chat.run(|tree, stamp| answer::begin(tree, question, model("m"), stamp))[0];
    let ending = Ending {
        parts: vec![Part::text("Let me look."), call.clone()],
        state: State::Failed,
        finish: None,
        usage: None,
        model: None,
    };
    chat.run(|tree, stamp| answer::end(tree, id, None, ending, stamp));
    let version = chat.run(|tree, stamp| again::continue_(tree, id, model("m"), stamp))[0];
    assert_eq!(
        chat.tree.message(version).unwrap().parts,
        [Part::text("Let me look.")]
    );
    assert_eq!(chat.tree.message(id).unwrap().parts[1], call);
}

#[test]
fn compared_answers_stand_side_by_side_until_one_is_kept() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let before = chat.answer(question, "0");
    let models = vec![model("a"), model("b"), model("a")];
    let answers = chat.run(|tree, stamp| again::compare(tree, question, models, stamp));
    assert_eq!(chat.tree.compared(answers[1]), answers);
    assert_eq!(chat.tree.compared(before), []);
    assert_eq!(chat.tree.active_leaf(), Some(answers[0]));
    let error = chat.refused(|tree, stamp| again::keep(tree, answers[1], Others::Hide, stamp));
    assert_eq!(error, OpError::Streaming);
    for id in &answers {
        chat.end(*id, "x", State::Complete, None);
    }
    let error = chat.refused(|tree, stamp| again::keep(tree, before, Others::Hide, stamp));
    assert_eq!(error, OpError::NotCompared);
    chat.run(|tree, stamp| again::keep(tree, answers[1], Others::Hide, stamp));
    assert_eq!(chat.tree.active_leaf(), Some(answers[1]));
    assert_eq!(chat.tree.siblings(before), [before, answers[1]]);
    assert_eq!(chat.tree.hidden(), 2);
    chat.run(|tree, stamp| branch::restore(tree, answers[2], stamp));
    assert_eq!(chat.tree.compared(answers[1]), [answers[1], answers[2]]);
    assert_eq!(chat.tree.active_leaf(), Some(answers[2]));
}

#[test]
fn a_hidden_branch_comes_back_as_it_was_shown() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let first = chat.answer(question, "1");
    chat.say("two");
    let shown = chat.shown();
    chat.run(|tree, stamp| branch::prune(tree, first, stamp));
    assert_eq!(chat.shown(), ["one"]);
    let error = chat.refused(|tree, stamp| branch::choose(tree, first, stamp));
    assert_eq!(error, OpError::Hidden);
    chat.run(|tree, stamp| branch::restore(tree, first, stamp));
    assert_eq!(chat.shown(), shown);
    assert_eq!(
        chat.refused(|tree, stamp| branch::restore(tree, first, stamp)),
        OpError::NotHidden
    );
    chat.run(|tree, stamp| branch::prune(tree, question, stamp));
    assert_eq!(chat.tree.active_leaf(), None);
    assert_eq!(chat.tree.len(), 3);
    // What is written now begins anew beside it.
    let anew = chat.say("anew");
    assert_eq!(chat.tree.parent(anew), Some(None));
}

#[test]
fn each_refusal_says_what_to_do() {
    let mut chat = Chat::new();
    let nowhere = MessageId::new(9, &mut SystemIds);
    let blank = || vec![Part::text(" \n")];
    let system = chat.add(Role::System, None, vec![Part::text("be kind")]);
    let opening = chat.add(Role::Assistant, None, vec![Part::text("hello")]);
    let question = chat.say("one");
    let first = chat.answer(question, "1");
    let cases = [
        (
            OpError::Empty,
            chat.refused(|tree, stamp| send::add_user(tree, After::Shown, blank(), stamp)),
        ),
        (
            OpError::Empty,
            chat.refused(|tree, stamp| send::edit(tree, question, blank(), Then::Save, stamp)),
        ),
        (
            OpError::Empty,
            chat.refused(|tree, stamp| send::add_user(tree, After::Shown, vec![], stamp)),
        ),
        (
            OpError::Unchanged,
            chat.refused(|tree, stamp| {
                send::edit(tree, question, vec![Part::text("one")], Then::Save, stamp)
            }),
        ),
        (
            OpError::NotEditable("system".into()),
            chat.refused(|tree, stamp| {
                send::edit(tree, system, vec![Part::text("x")], Then::Save, stamp)
            }),
        ),
        (
            OpError::NotHere(nowhere),
            chat.refused(|tree, stamp| branch::choose(tree, nowhere, stamp)),
        ),
        (
            OpError::NotHere(nowhere),
            chat.refused(|tree, stamp| branch::restore(tree, nowhere, stamp)),
        ),
        (
            OpError::NotAnAnswer,
            chat.refused(|tree, stamp| again::regenerate(tree, question, model("m"), stamp)),
        ),
        (
            OpError::NoQuestion,
            chat.refused(|tree, stamp| again::regenerate(tree, opening, model("m"), stamp)),
        ),
        (
            OpError::TooFew,
            chat.refused(|tree, stamp| again::compare(tree, question, vec![model("a")], stamp)),
        ),
        (
            OpError::OwnAncestor,
            chat.refused(|tree, stamp| branch::move_branch(tree, question, Some(first), stamp)),
        ),
        (
            OpError::OwnAncestor,
            chat.refused(|tree, stamp| branch::move_branch(tree, first, Some(first), stamp)),
        ),
        (
            OpError::SamePlace,
            chat.refused(|tree, stamp| branch::move_branch(tree, first, Some(question), stamp)),
        ),
        (
            OpError::NotStreaming,
            chat.refused(|tree, stamp| {
                let ending = Ending {
                    parts: vec![],
                    state: State::Complete,
                    finish: None,
                    usage: None,
                    model: None,
                };
                answer::end(tree, first, None, ending, stamp)
            }),
        ),
    ];
    for (expected, error) in cases {
        assert_eq!(error, expected);
        let sentence = error.to_string();
        // What happened, and what to do.
        assert!(
            sentence.len() > 30 && !sentence.ends_with('.'),
            "{sentence}"
        );
    }
}

#[test]
fn a_deleted_conversation_can_be_read_and_not_written() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let conversation = chat.tree.conversation().id;
    chat.tree
        .apply(&Record::from(ConversationDeleted {
            conversation,
            at_ms: 50,
        }))
        .unwrap();
    assert_eq!(chat.tree.conversation().deleted_ms, Some(50));
    assert_eq!(
        chat.refused(|tree, stamp| answer::begin(tree, question, model("m"), stamp)),
        OpError::Deleted
    );
    assert_eq!(
        chat.refused(|tree, stamp| branch::prune(tree, question, stamp)),
        OpError::Deleted
    );
    chat.tree
        .apply(&Record::from(ConversationUndeleted {
            conversation,
            at_ms: 51,
        }))
        .unwrap();
    chat.answer(question, "1");
    assert_eq!(chat.shown(), ["one", "1"]);
}

#[test]
fn what_does_not_fit_is_told_and_changes_nothing() {
    let mut chat = Chat::new();
    let question = chat.say("one");
    let before = chat.tree.clone();
    let message = before.message(question).unwrap().clone();
    let conversation = before.conversation().id;
    let twice = Record::from(MessageAdded {
        conversation,
        message: message.clone(),
    });
    assert_eq!(chat.tree.apply(&twice), Err(Oddity::Twice(question)));
    let other = ConversationId::new(7, &mut SystemIds);
    let elsewhere = Record::from(MessageAdded {
        conversation: other,
        message,
    });
    assert_eq!(chat.tree.apply(&elsewhere), Err(Oddity::Elsewhere));
    assert_eq!(chat.tree, before);
}

#[test]
fn a_title_is_made_once_and_never_over_a_typed_one() {
    use vale_chat::model::TitleSource;
    use vale_chat::record::{ConversationChanged, ConversationPatch};
    let mut chat = Chat::new();
    assert_eq!(title::prompt(&chat.tree), None);
    assert_eq!(title::automatic(&chat.tree, None, 5), None);
    let question = chat.say("How do I bake bread?");
    chat.answer(question, "With an oven.");
    let prompt = title::prompt(&chat.tree).unwrap();
    let asked = format!("{prompt:?}");
    assert!(
        asked.contains("How do I bake bread?") && asked.contains("With an oven."),
        "{asked}"
    );
    let record = title::automatic(&chat.tree, Some("Title: Baking\n"), 5).unwrap();
    chat.tree.apply(&record).unwrap();
    let conversation = chat.tree.conversation();
    assert_eq!(
        (conversation.title.as_str(), &conversation.title_source),
        ("Baking", &TitleSource::Automatic)
    );
    assert_eq!(title::automatic(&chat.tree, Some("Baking"), 6), None);
    let typed = Record::from(ConversationChanged {
        conversation: conversation.id,
        at_ms: 7,
        patch: ConversationPatch {
            title: vale_chat::Change::Set("Mine".into()),
            title_source: Some(TitleSource::Typed),
            ..ConversationPatch::default()
        },
    });
    chat.tree.apply(&typed).unwrap();
    assert_eq!(title::automatic(&chat.tree, Some("Other"), 8), None);
}
