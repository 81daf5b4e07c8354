//! The rows of the store against the tree: what is read from them is what the records come to, as they
//! came, after compaction, and when they are made anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vale_chat::record::{ConversationDeleted, ConversationPurged, DraftCleared, DraftSaved};
use vale_chat::rows::{self, ChatFold, ChatSweep, ListGroup};
use vale_chat::{Record, Tree};
use vale_store::{JournalOptions, Range, Store, StoreError, StoreOptions, ViewState};

use crate::play::op;
use crate::properties::{played, seen};

fn open(folder: &std::path::Path, rebuild: bool) -> Store {
    let options = StoreOptions {
        journal: JournalOptions {
            segment_bytes: 16 << 10,
        },
        rebuild,
        ..StoreOptions::default()
    };
    let store = Store::open(folder, options, Arc::new(ChatFold))
        .unwrap()
        .store;
    while matches!(store.view(), ViewState::Rebuilding(_)) {
        std::thread::yield_now();
    }
    store
}

fn dump(store: &Store) -> BTreeMap<u8, Vec<vale_store::Row>> {
    let all = |table| store.read(|rows| rows.range(Range::all(table))).unwrap();
    (1..=rows::PURGED)
        .map(|table| (table, all(table)))
        .collect()
}

fn write(store: &Store, records: &[Record]) {
    store
        .commit_blocking(rows::command(records).unwrap())
        .unwrap();
}

/// What a person sees through the rows is what the tree shows.
fn check(store: &Store, tree: &Tree) {
    let id = tree.conversation().id;
    let loaded = rows::load(store, id).unwrap().unwrap();
    assert_eq!(seen(&loaded), seen(tree));
    assert_eq!(loaded.conversation(), tree.conversation());
    let row = store
        .read(|rows| rows::conversation(rows, id))
        .unwrap()
        .unwrap();
    assert_eq!(row.conversation, *tree.conversation());
    assert_eq!(row.messages, tree.len() as u64);
    for message in tree.messages() {
        let (of, found) = rows::message(store, message.id).unwrap().unwrap();
        assert_eq!(of, id);
        let mut expected = message.clone();
        expected.parent = tree.parent(message.id).flatten();
        assert_eq!(found, expected);
        let children = store
            .read(|rows| rows::children(rows, id, Some(message.id)))
            .unwrap();
        assert_eq!(children, tree.all_children(Some(message.id)));
    }
    if let Some(leaf) = tree.active_leaf() {
        let path = tree.active_path();
        for limit in [1, 3, 1000] {
            let page = rows::page(store, id, leaf, limit).unwrap();
            let ids: Vec<_> = page
                .messages
                .iter()
                .map(|(message, ..)| message.id)
                .collect();
            assert_eq!(ids, path[path.len().saturating_sub(limit)..]);
            let first = path.len().checked_sub(limit + 1).map(|at| path[at]);
            assert_eq!(page.before, first);
        }
    }
}

proptest! {
    #![proptest_config(crate::config(48))]

    #[test]
    fn rows_show_what_the_tree_shows(
        lists in proptest::collection::vec(proptest::collection::vec(op(), 0..40), 1..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), false);
        let plays: Vec<_> = lists.iter().zip(1..).map(|(ops, number)| played(number, ops)).collect();
        for play in &plays {
            for records in play.records.chunks(3) {
                write(&store, records);
            }
        }
        for play in &plays {
            check(&store, &play.tree);
        }
        // Compacted, and made anew from what stayed.
        let before = dump(&store);
        store.compact(&mut ChatSweep::default(), 0.0, true).unwrap();
        prop_assert_eq!(&dump(&store), &before);
        for play in &plays {
            check(&store, &play.tree);
        }
        drop(store);
        let store = open(folder.path(), true);
        prop_assert_eq!(&dump(&store), &before);
        prop_assert!(store.check_view().unwrap());
        // One is purged: nothing of it is in any file, and the others are as they were.
        let gone = plays[0].tree.conversation().id;
        write(&store, &[ConversationPurged { conversation: gone, at_ms: 9 }.into()]);
        store.compact(&mut ChatSweep::default(), 0.0, true).unwrap();
        prop_assert!(rows::load(&store, gone).unwrap().is_none());
        for play in &plays[1..] {
            check(&store, &play.tree);
        }
        let before = dump(&store);
        drop(store);
        let store = open(folder.path(), true);
        prop_assert_eq!(&dump(&store), &before);
        store.journal().each(1, &mut |frame| {
            let record = Record::decode(frame.kind, frame.version, frame.payload).unwrap();
            assert!(record.conversation() != Some(gone) || matches!(record, Record::ConversationPurged(_)));
            Ok(true)
        }).unwrap();
    }
}

#[test]
fn the_list_is_in_order_and_in_pages_and_knows_its_groups() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false);
    let mut ids = Vec::new();
    for number in 0..25 {
        let play = played(number + 1, &[]);
        let mut record = play.records[0].clone();
        if let Record::ConversationCreated(created) = &mut record {
            created.conversation.updated_ms = 1_000 + (number * 7) % 25;
            created.conversation.pinned = number % 10 == 3;
            created.conversation.archived = number == 5;
            ids.push((
                created.conversation.updated_ms,
                created.conversation.id,
                number,
            ));
        }
        write(&store, &[record]);
    }
    let deleted = ids[7].1;
    write(
        &store,
        &[ConversationDeleted {
            conversation: deleted,
            at_ms: 5,
        }
        .into()],
    );
    ids.sort_by_key(|(updated, ..)| std::cmp::Reverse(*updated));
    let of = |group| {
        let (mut all, mut behind) = (Vec::new(), None);
        loop {
            let page = store
                .read(|rows| rows::list(rows, group, behind.as_ref(), 4))
                .unwrap();
            let Some(last) = page.last() else { break };
            behind = Some(last.clone());
            all.extend(page.into_iter().map(|row| row.id));
        }
        all
    };
    let expected = |is: &dyn Fn(u64) -> bool| -> Vec<_> {
        ids.iter()
            .filter(|(_, _, number)| is(*number))
            .map(|(_, id, _)| *id)
            .collect()
    };
    assert_eq!(of(ListGroup::Pinned), expected(&|n| n % 10 == 3));
    assert_eq!(of(ListGroup::Archived), expected(&|n| n == 5));
    assert_eq!(of(ListGroup::Deleted), [deleted]);
    assert_eq!(
        of(ListGroup::Recent),
        expected(&|n| n % 10 != 3 && n != 5 && n != 7)
    );
}

#[test]
fn a_draft_is_the_last_one_saved() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false);
    let save = |text: &str| DraftSaved {
        conversation: None,
        at_ms: 1,
        text: text.to_owned(),
        attachments: Vec::new(),
    };
    assert_eq!(rows::draft(&store, None).unwrap(), None);
    for text in ["Dear", "Dear A", "Dear Ada"] {
        write(&store, &[save(text).into()]);
    }
    store.compact(&mut ChatSweep::default(), 0.0, true).unwrap();
    assert_eq!(rows::draft(&store, None).unwrap(), Some(save("Dear Ada")));
    assert!(matches!(store.frame(1), Err(StoreError::NoFrame(1))));
    write(
        &store,
        &[DraftCleared {
            conversation: None,
            at_ms: 2,
        }
        .into()],
    );
    assert_eq!(rows::draft(&store, None).unwrap(), None);
}
