//! A disk without room, and one whose syncs fail.

use vale_store::disk::SimDisk;
use vale_store::{Command, StoreError};

use crate::toy::{LastOfEach, State, open, set};

fn command(n: u8) -> Command {
    set(n, &[n; 100]).into()
}

#[test]
fn a_full_disk_refuses_and_goes_on_once_there_is_room() {
    for capacity in (200..6_000).step_by(37) {
        let disk = SimDisk::new();
        let (mut journal, _) = open(&disk).unwrap();
        disk.set_capacity(Some(capacity));
        let mut written = Vec::new();
        let mut refused = 0;
        for n in 0..60 {
            match journal.append(&[command(n)], 1) {
                Ok(_) => written.push(command(n)),
                Err(error) => {
                    assert!(error.is_full(), "{capacity}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "{capacity} was enough");
        assert_eq!(State::of(&journal.reader()), State::of_commands(&written));
        // Opened again while it is full.
        drop(journal);
        if let Ok((journal, recovery)) = open(&disk) {
            assert_eq!(recovery.damage, []);
            assert_eq!(State::of(&journal.reader()), State::of_commands(&written));
        }
        disk.set_capacity(None);
        let (mut journal, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.damage, []);
        for n in 60..90 {
            journal.append(&[command(n)], 1).unwrap();
            written.push(command(n));
        }
        assert_eq!(State::of(&journal.reader()), State::of_commands(&written));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_it_is_opened_again() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&[command(1)], 1).unwrap();
    disk.fail_syncs(1);
    assert!(journal.append(&[command(2)], 1).is_err());
    let refused = journal.append(&[command(3)], 1);
    assert!(
        matches!(refused, Err(StoreError::Poisoned(_))),
        "{refused:?}"
    );
    assert_eq!(journal.reader().read(1).unwrap().payload[0], 1);
    drop(journal);
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&[command(4)], 1).unwrap();
}

/// A full disk can leave the journal without a segment to write to, until there is room: whoever makes
/// room compacts just then.
#[test]
fn what_is_written_after_a_full_disk_was_compacted_is_there_after_a_restart() {
    let mut gone = Vec::new();
    for capacity in 400..3_500 {
        let disk = SimDisk::new();
        let (mut journal, _) = open(&disk).unwrap();
        disk.set_capacity(Some(capacity));
        let mut written = Vec::new();
        for n in 0..60 {
            let command = command(n % 5);
            if journal.append(std::slice::from_ref(&command), 1).is_ok() {
                written.push(command);
            }
        }
        disk.set_capacity(None);
        let compacted = journal
            .reader()
            .compact(&mut LastOfEach::default(), 2 << 10, 0.0);
        journal.publish(compacted.unwrap()).unwrap();
        for n in 60..63 {
            journal.append(&[command(n)], 1).unwrap();
            written.push(command(n));
        }
        drop(journal);
        let (journal, recovery) = open(&disk).unwrap();
        let is_there = State::of(&journal.reader()) == State::of_commands(&written);
        if !recovery.damage.is_empty() || !is_there {
            gone.push(capacity);
        }
    }
    assert_eq!(gone, Vec::<u64>::new());
}
