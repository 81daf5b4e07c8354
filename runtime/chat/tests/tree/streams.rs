//! An answer that was being written when the app ended.

use proptest::prelude::*;
use vale_chat::model::{Conversation, Outcome, Part, State};
use vale_chat::ops::again;
use vale_chat::ops::answer;
use vale_chat::ops::send::{self, After};
use vale_chat::ops::{OpError, Stamp};
use vale_chat::record::{Channel, TextDelta};
use vale_chat::{ConversationId, MessageId, Oddity, Record, Tree};

use crate::play::model;

fn stamped<T>(now_ms: u64, op: impl FnOnce(&mut Stamp<'_>) -> Result<T, OpError>) -> T {
    op(&mut Stamp {
        now_ms,
        ids: &mut vale_chat::SystemIds,
    })
    .unwrap()
}

/// A conversation of one question, whose answer has begun.
fn begun() -> (Tree, MessageId) {
    let id = ConversationId::new(1, &mut vale_chat::SystemIds);
    let mut tree = Tree::new(Conversation::new(id, 1));
    let plan = stamped(2, |stamp| {
        send::add_user(&tree, After::Shown, vec![Part::text("why?")], stamp)
    });
    tree.apply_all(&plan.records).unwrap();
    let plan = stamped(3, |stamp| {
        answer::begin(&tree, plan.messages[0], model("m"), stamp)
    });
    tree.apply_all(&plan.records).unwrap();
    (tree, plan.messages[0])
}

fn delta(tree: &Tree, message: MessageId, channel: Channel, offset: usize, text: &str) -> Record {
    Record::from(TextDelta {
        conversation: tree.conversation().id,
        message,
        channel,
        offset: offset as u64,
        text: text.into(),
    })
}

#[test]
fn what_had_come_is_there_and_can_be_continued() {
    let (mut tree, id) = begun();
    for (channel, offset, text) in [
        (Channel::Thinking, 0, "Let me"),
        (Channel::Thinking, 6, " see."),
        (Channel::Text, 0, "Because "),
        (Channel::Text, 8, "ü"),
        (Channel::Text, 10, "ber"),
    ] {
        let record = delta(&tree, id, channel, offset, text);
        tree.apply(&record).unwrap();
    }
    assert_eq!(tree.streamed(id).unwrap().text(), "Because über");
    let records = tree.recover(9);
    assert_eq!(records.len(), 2);
    let message = tree.message(id).unwrap();
    assert_eq!(message.state, State::Interrupted);
    assert_eq!(message.text(), "Because über");
    let [Part::Thinking(thinking), Part::Text(_)] = message.parts.as_slice() else {
        panic!("{:?}", message.parts);
    };
    assert_eq!(thinking.text, "Let me see.");
    let attempt = &message.attempts[0];
    assert_eq!(
        (&attempt.outcome, attempt.ended_ms),
        (&Some(Outcome::Interrupted), Some(9))
    );
    assert_eq!(tree.oddities(), []);
    // A second start finds nothing to do, and a late piece changes nothing.
    assert_eq!(tree.recover(10), []);
    let late = delta(&tree, id, Channel::Text, 13, "late");
    assert!(matches!(tree.apply(&late), Err(Oddity::Ended { .. })));

    let plan = stamped(11, |stamp| again::continue_(&tree, id, model("m"), stamp));
    tree.apply_all(&plan.records).unwrap();
    let version = plan.messages[0];
    assert_eq!(tree.siblings(id), [id, version]);
    let more = delta(&tree, version, Channel::Text, 0, " all");
    tree.apply(&more).unwrap();
    tree.recover(12);
    assert_eq!(tree.message(version).unwrap().text(), "Because über all");
    assert_eq!(tree.message(id).unwrap().text(), "Because über");
    assert_eq!(tree.active_leaf(), Some(version));
}

#[test]
fn a_gap_is_told_and_what_follows_it_is_shown() {
    let (mut tree, id) = begun();
    for (offset, text) in [(0, "one "), (8, "three"), (u64::MAX as usize, "far")] {
        let record = delta(&tree, id, Channel::Text, offset, text);
        tree.apply(&record).unwrap();
    }
    tree.recover(9);
    assert_eq!(tree.message(id).unwrap().text(), "one threefar");
    let bytes = 4 + (u64::MAX - 13);
    assert_eq!(tree.oddities(), [Oddity::Gap { message: id, bytes }]);
}

#[test]
fn an_answer_of_which_nothing_came_is_interrupted_and_empty() {
    let (mut tree, id) = begun();
    tree.recover(9);
    let message = tree.message(id).unwrap();
    assert_eq!(
        (&message.state, message.parts.len()),
        (&State::Interrupted, 0)
    );
    let mut stamp = Stamp {
        now_ms: 10,
        ids: &mut vale_chat::SystemIds,
    };
    let refused = again::continue_(&tree, id, model("m"), &mut stamp);
    assert_eq!(refused, Err(OpError::NothingToContinue));
    assert!(again::regenerate(&tree, id, model("m"), &mut stamp).is_ok());
}

proptest! {
    #![proptest_config(crate::config(512))]

    /// Pieces may come twice, overlap, come out of order or be missing: the text has each byte that
    /// came once, in order.
    #[test]
    fn the_text_is_what_the_pieces_say_by_their_places(
        text in "[a-zäß世🦀]{1,40}",
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize), 1..20),
    ) {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let (mut tree, id) = begun();
        let mut came = vec![false; text.len()];
        for (start, chars) in cuts {
            let first = start.index(starts.len());
            let from = starts[first];
            let to = starts.get(first + chars).copied().unwrap_or(text.len());
            let record = delta(&tree, id, Channel::Text, from, &text[from..to]);
            tree.apply(&record).unwrap();
            came[from..to].fill(true);
        }
        let end = came.iter().rposition(|came| *came).map_or(0, |last| last + 1);
        let expected: Vec<u8> = text.bytes().zip(&came).filter(|(_, came)| **came).map(|(byte, _)| byte).collect();
        let missing = came[..end].iter().filter(|came| !**came).count() as u64;
        prop_assert_eq!(tree.streamed(id).unwrap().missing(), missing);
        tree.recover(9);
        prop_assert_eq!(tree.message(id).unwrap().text(), String::from_utf8(expected).unwrap());
    }

    /// Pieces that no sane writer made end in some text, and in nothing worse.
    #[test]
    fn pieces_that_contradict_each_other_do_no_harm(
        pieces in proptest::collection::vec((0..30_usize, "[a世🦀]{0,6}"), 0..12),
    ) {
        let (mut tree, id) = begun();
        let mut longest = 0;
        for (offset, text) in &pieces {
            let record = delta(&tree, id, Channel::Text, *offset, text);
            tree.apply(&record).unwrap();
            longest = longest.max(text.len());
        }
        let records = tree.recover(9);
        prop_assert_eq!(records.len(), 2);
        prop_assert!(tree.message(id).unwrap().text().len() >= longest.min(1));
    }
}
