//! What the journal does when nothing goes wrong.

use std::collections::BTreeSet;

use vale_store::disk::{Disk, RealDisk, SimDisk, read_all};
use vale_store::{Command, Journal, JournalOptions, StoreError};

use crate::toy::{LastOfEach, OPTIONS, State, Without, delete, open, set};

#[test]
fn what_was_written_comes_back_in_order_and_by_number() {
    let disk = SimDisk::new();
    let (mut journal, recovery) = open(&disk).unwrap();
    assert!(recovery.is_new);
    let store = journal.store();
    let mut commands = Vec::new();
    for n in 0..200_u8 {
        let command = Command {
            records: vec![set(n, &[n; 60]), delete(n.wrapping_add(100))],
        };
        assert_eq!(
            journal.append(std::slice::from_ref(&command), 5).unwrap(),
            u64::from(n) * 2 + 2
        );
        commands.push(command);
    }
    let reader = journal.reader();
    assert!(reader.segments() > 5);
    let check = |reader: &vale_store::JournalReader| {
        assert_eq!(reader.last(), 400);
        assert_eq!(State::of(reader), State::of_commands(&commands));
        for lsn in 1..=400_u64 {
            let frame = reader.read(lsn).unwrap();
            let command = &commands[usize::try_from((lsn - 1) / 2).unwrap()];
            let record = &command.records[usize::try_from((lsn - 1) % 2).unwrap()];
            assert_eq!((frame.kind, &frame.payload), (record.kind, &record.payload));
            assert_eq!(frame.time_ms, 5);
        }
        assert!(matches!(reader.read(401), Err(StoreError::NoFrame(401))));
        assert!(matches!(reader.read(0), Err(StoreError::NoFrame(0))));
        assert_eq!(reader.verify(&mut |_, _| {}).unwrap(), []);
        for from in [1, 2, 77, 399, 400, 401] {
            let mut first = None;
            let seen = &mut |frame: &vale_store::Frame<'_>| {
                first = Some(frame.lsn);
                Ok(false)
            };
            reader.each(from, seen).unwrap();
            assert_eq!(first, (from <= 400).then_some(from));
        }
    };
    check(&reader);
    drop(journal);
    let (journal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery, vale_store::Recovery::default());
    assert_eq!(journal.store(), store);
    check(&journal.reader());
}

#[test]
fn compaction_keeps_bytes_numbers_and_state_and_frees_the_rest() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    let mut commands = Vec::new();
    for n in 0..2_000_u32 {
        let record = set((n % 7) as u8, &n.to_le_bytes().repeat(8));
        commands.push(Command::from(record));
        journal.append(&commands[n as usize..], 1).unwrap();
    }
    let reader = journal.reader();
    let (before, state) = (reader.bytes(), State::of(&reader));
    for round in 0..3 {
        let compacted = reader
            .compact(&mut LastOfEach::default(), 2 << 10, 0.2)
            .unwrap();
        assert_eq!(compacted.is_empty(), round > 0, "nothing is left to do");
        journal.publish(compacted).unwrap();
        assert!(
            reader.bytes() < before / 20,
            "{} of {before}",
            reader.bytes()
        );
        assert_eq!(State::of(&reader), state);
        for (lsn, value) in state.0.values() {
            assert_eq!(reader.read(*lsn).unwrap().payload[1..], value[..]);
        }
        assert_eq!(reader.verify(&mut |_, _| {}).unwrap(), []);
        assert!(matches!(reader.read(1), Err(StoreError::NoFrame(1))));
    }
    // Writing goes on, also after a restart and another compaction.
    for _ in 0..3 {
        drop(journal);
        let (again, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.damage, []);
        journal = again;
        for n in 0..300_u32 {
            let command = Command::from(set(9, &n.to_le_bytes().repeat(8)));
            journal.append(std::slice::from_ref(&command), 1).unwrap();
            commands.push(command);
        }
        let reader = journal.reader();
        assert_eq!(State::of(&reader), State::of_commands(&commands));
        let compacted = reader
            .compact(&mut LastOfEach::default(), 2 << 10, 0.0)
            .unwrap();
        journal.publish(compacted).unwrap();
        assert_eq!(State::of(&journal.reader()), State::of_commands(&commands));
    }
}

/// What a person purges is in no file any more.
#[test]
fn what_is_dropped_on_demand_is_gone_from_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    let (mut journal, _) = Journal::open(std::sync::Arc::new(disk.clone()), OPTIONS).unwrap();
    for n in 0..500_u32 {
        let text: &[u8] = if n % 50 == 3 {
            b"my secret diary"
        } else {
            b"nothing special"
        };
        let key = if n % 50 == 3 { 1 } else { 2 };
        journal.append(&[set(key, text).into()], 1).unwrap();
    }
    let holds = || {
        let entries = disk.list("journal").unwrap();
        let files = entries.iter().filter(|entry| {
            let bytes = read_all(&disk, &format!("journal/{}", entry.name)).unwrap();
            bytes.windows(15).any(|at| at == b"my secret diary")
        });
        files.count()
    };
    assert!(holds() > 2);
    journal.roll(2).unwrap();
    let reader = journal.reader();
    let compacted = reader
        .compact(&mut Without(BTreeSet::from([1])), 2 << 10, 0.0)
        .unwrap();
    assert_eq!(compacted.dropped(), 10);
    journal.publish(compacted).unwrap();
    assert_eq!(holds(), 0);
}

#[test]
fn a_lost_or_broken_sidecar_costs_nothing() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    for n in 0..200_u8 {
        journal.append(&[set(n, &[n; 60]).into()], 1).unwrap();
    }
    drop(journal);
    for (at, path) in disk.files().into_iter().enumerate() {
        if !path.ends_with(".vcx") {
            continue;
        }
        match at % 3 {
            0 => disk.remove(&path).unwrap(),
            1 => disk.damage(&path, |bytes| bytes[20] ^= 1).unwrap(),
            _ => disk.damage(&path, |bytes| bytes.truncate(30)).unwrap(),
        }
    }
    let (journal, _) = open(&disk).unwrap();
    for n in 0..200_u8 {
        let frame = journal.reader().read(u64::from(n) + 1).unwrap();
        assert_eq!(frame.payload, [&[n][..], &[n; 60]].concat());
    }
}

#[test]
fn frames_up_to_the_cap_are_kept_and_larger_ones_refused() {
    let disk = SimDisk::new();
    let (mut journal, _) =
        Journal::open(std::sync::Arc::new(disk.clone()), JournalOptions::default()).unwrap();
    let large = vec![7; vale_store::MAX_PAYLOAD - 1];
    journal
        .append(&[set(1, &large).into(), set(2, b"x").into()], 1)
        .unwrap();
    let mut too_large = large.clone();
    too_large.extend([0; 2]);
    let refused = journal.append(&[set(1, &too_large).into()], 1);
    assert!(
        matches!(refused, Err(StoreError::TooLarge(17))),
        "{refused:?}"
    );
    journal.append(&[set(3, b"y").into()], 1).unwrap();
    drop(journal);
    let (journal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.torn_bytes, 0);
    assert_eq!(
        journal.reader().read(1).unwrap().payload.len(),
        vale_store::MAX_PAYLOAD
    );
    assert_eq!(journal.reader().read(3).unwrap().payload, b"\x03y");
}
