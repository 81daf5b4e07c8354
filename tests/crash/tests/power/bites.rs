//! What the cuts must find, and do.

use crate::life::{Engine, Fault};
use crate::lives;

/// Cuts in which something must be missed.
const TRIES: u64 = 60;

fn caught(engine: Engine, fault: Fault, words: &str) {
    let (failures, found) = lives(engine, TRIES, fault);
    println!(
        "{engine:?}, {fault:?}: {} lives failed; {found}",
        failures.len()
    );
    assert!(
        failures.iter().any(|failure| failure.contains(words)),
        "{failures:?}"
    );
}

#[test]
fn a_store_whose_syncs_do_nothing_is_caught() {
    caught(Engine::Store, Fault::SyncsDoNothing, "was confirmed");
}

#[test]
fn a_store_that_syncs_no_folder_is_caught() {
    caught(Engine::Store, Fault::FoldersAreNotSynced, "was confirmed");
}

#[test]
fn a_view_that_lacks_a_row_is_caught() {
    caught(
        Engine::Store,
        Fault::RowsAreForgotten,
        "table 2 of the view",
    );
}

#[test]
fn an_index_that_syncs_no_folder_is_caught() {
    caught(Engine::Index, Fault::FoldersAreNotSynced, "was confirmed");
}
