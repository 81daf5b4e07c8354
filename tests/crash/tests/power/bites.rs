//! What the cuts must find, and do.

use vale_crash::SyncMode;

use crate::life::Engine;
use crate::lives;

/// A few lives, in which something must be missed.
fn caught(engine: Engine, mode: SyncMode, is_same_boot: bool, words: &[&str]) {
    let (failures, found) = lives(engine, 60, mode, is_same_boot);
    println!("{engine:?}, syncs {mode:?}: {} of 6 lives failed; {found}", failures.len());
    let is_meant = |failure: &String| words.iter().any(|words| failure.contains(words));
    assert!(failures.iter().any(is_meant), "{failures:?}");
}

#[test]
fn a_store_whose_syncs_do_nothing_is_caught() {
    caught(Engine::Store, SyncMode::Nothing, false, &["was confirmed"]);
}

#[test]
fn a_store_that_syncs_no_folder_is_caught() {
    caught(Engine::Store, SyncMode::FilesOnly, false, &["was confirmed"]);
}

/// The view is checked only after another boot: without one, rows that are gone are not noticed by the
/// store, and must be by us.
#[test]
fn a_view_that_is_trusted_after_a_cut_is_caught() {
    caught(Engine::Store, SyncMode::Work, true, &["the view"]);
}

#[test]
fn an_index_whose_syncs_do_nothing_is_caught() {
    caught(Engine::Index, SyncMode::Nothing, false, &["was confirmed", "it is damaged", "at "]);
}
