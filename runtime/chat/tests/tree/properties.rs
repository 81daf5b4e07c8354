//! What holds after any list of operations.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use vale_chat::{Library, Record, Tree};

use crate::play::{Op, Play, op};

/// Written and read again.
fn stored(records: &[Record]) -> Vec<Record> {
    let stored = records.iter().map(|record| {
        let payload = record.encode().unwrap();
        Record::decode(record.kind(), record.version(), &payload).unwrap()
    });
    stored.collect()
}

fn folded(records: &[Record]) -> Tree {
    let Record::ConversationCreated(created) = &records[0] else {
        panic!("a conversation begins");
    };
    Tree::from_records(created.conversation.clone(), &records[1..])
}

pub(crate) fn played(number: u64, ops: &[Op]) -> Play {
    let mut play = Play::new(number);
    for op in ops {
        play.play(op);
    }
    play
}

/// What a person sees of a tree.
pub(crate) fn seen(tree: &Tree) -> impl PartialEq + std::fmt::Debug + use<> {
    let messages = tree.messages().into_iter().map(|message| {
        (
            message.id,
            tree.parent(message.id),
            tree.is_visible(message.id),
            tree.position(message.id),
            tree.shown(message.id).map(|shown| shown.into_owned()),
        )
    });
    let messages: Vec<_> = messages.collect();
    (messages, tree.active_path(), tree.oddities())
}

#[test]
fn the_lists_that_are_played_do_everything_and_not_only_ask_for_it() {
    let mut runner = TestRunner::deterministic();
    let lists = proptest::collection::vec(op(), 50);
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..50 {
        let ops = lists.new_tree(&mut runner).unwrap();
        for (name, count) in played(1, &ops.current()).done {
            *done.entry(name).or_default() += count;
        }
    }
    assert_eq!(done.len(), 19, "{done:?}");
    assert!(done.values().all(|count| *count >= 10), "{done:?}");
}

proptest! {
    #![proptest_config(crate::config(256))]

    /// The tree equals the naive model after each operation (see `Play::check`); and folding what
    /// was written, from its bytes, gives the tree that wrote it.
    #[test]
    fn records_fold_into_the_tree_that_made_them(ops in proptest::collection::vec(op(), 0..60)) {
        let play = played(1, &ops);
        let records = stored(&play.records);
        prop_assert_eq!(&records, &play.records);
        let tree = folded(&records);
        prop_assert_eq!(seen(&tree), seen(&play.tree));
        prop_assert_eq!(tree, play.tree);
    }

    /// A journal that ends anywhere, even within a command, folds into a tree with no ring, with
    /// one visible end shown if anything is visible, and with every message that was begun.
    #[test]
    fn a_journal_that_ends_anywhere_folds(
        ops in proptest::collection::vec(op(), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let play = played(1, &ops);
        let records = &play.records[..=cut.index(play.records.len())];
        let mut tree = folded(records);
        let before: Vec<_> = tree.streaming().into_iter().map(|id| (id, tree.shown(id).unwrap().text())).collect();
        let ended = tree.recover(5_000);
        prop_assert_eq!(tree.oddities(), vec![]);
        prop_assert!(tree.streaming().is_empty());
        for (id, text) in before {
            prop_assert_eq!(tree.message(id).unwrap().text(), text);
        }
        prop_assert_eq!(tree.active_leaf().is_some(), !tree.leaves().is_empty());
        prop_assert!(tree.active_leaf().is_none_or(|leaf| tree.leaves().contains(&leaf)));
        // What the recovery wrote folds into the same.
        let mut all = records.to_vec();
        all.extend(ended);
        prop_assert_eq!(seen(&folded(&stored(&all))), seen(&tree));
    }

    /// A journal from which what the purged messages held was taken out folds into what is seen.
    #[test]
    fn a_journal_without_what_was_purged_folds_into_the_same(
        ops in proptest::collection::vec(op(), 0..80),
    ) {
        let play = played(1, &ops);
        let mut gone = HashSet::new();
        for record in &play.records {
            if let Record::MessagesPurged(purged) = record {
                gone.extend(purged.messages.iter().copied());
            }
        }
        let mut rest = play.records.clone();
        rest.retain(|record| record.message().is_none_or(|id| !gone.contains(&id)));
        prop_assert_eq!(seen(&folded(&rest)), seen(&play.tree));
    }

    /// Records of different conversations may be written in any order among each other.
    #[test]
    fn the_order_of_independent_conversations_does_not_matter(
        lists in proptest::collection::vec(proptest::collection::vec(op(), 0..25), 2..4),
        order in proptest::collection::vec(any::<u8>(), 400),
    ) {
        let plays: Vec<Play> = lists.iter().zip(1..).map(|(ops, number)| played(number, ops)).collect();
        let mut one_by_one = Library::new();
        for record in plays.iter().flat_map(|play| &play.records) {
            prop_assert_eq!(one_by_one.apply(record), Ok(()));
        }
        let mut queues: Vec<_> = plays.iter().map(|play| play.records.iter()).collect();
        let mut mixed = Library::new();
        for number in order.iter().cycle() {
            queues.retain(|queue| queue.len() > 0);
            if queues.is_empty() {
                break;
            }
            let which = usize::from(*number) % queues.len();
            if let Some(record) = queues[which].next() {
                prop_assert_eq!(mixed.apply(record), Ok(()));
            }
        }
        for play in &plays {
            let id = play.tree.conversation().id;
            prop_assert_eq!(mixed.conversation(id), Some(&play.tree));
        }
        prop_assert_eq!(mixed, one_by_one);
    }
}
