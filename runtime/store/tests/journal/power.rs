//! Power cuts at any change of the disk: while writing, sealing, compacting, and while opening again.

use vale_store::disk::{Keep, SimDisk};
use vale_store::{Command, StoreError};

use crate::toy::{LastOfEach, State, delete, open, set};

/// Cuts in an ordinary run; `cargo xtask test --full` sets a million.
fn cuts() -> u64 {
    let asked = std::env::var("VALECHAT_POWER_CUTS").ok();
    asked.and_then(|cuts| cuts.parse().ok()).unwrap_or(10_000)
}

/// One machine that loses power again and again.
struct Machine {
    random: fastrand::Rng,
    disk: SimDisk,
    /// Commands that count: all that were acknowledged, and those that turned out to be there.
    commands: Vec<Command>,
}

impl Machine {
    fn some_command(&mut self) -> Command {
        let count = if self.random.u8(..4) == 0 {
            self.random.usize(2..5)
        } else {
            1
        };
        let records = (0..count).map(|_| {
            let key = self.random.u8(..12);
            if self.random.u8(..5) == 0 {
                delete(key)
            } else {
                let length = if self.random.u8(..8) == 0 { 6_000 } else { 120 };
                let length = self.random.usize(..length);
                set(
                    key,
                    &std::iter::repeat_with(|| self.random.u8(..))
                        .take(length)
                        .collect::<Vec<_>>(),
                )
            }
        });
        Command {
            records: records.collect(),
        }
    }

    /// Works until power goes. The commands of the write that was under way may or may not be there.
    fn work(&mut self) -> Result<Vec<Command>, StoreError> {
        let (mut journal, recovery) = open(&self.disk)?;
        assert_eq!(recovery.damage, [], "a power cut is no damage");
        let mut under_way = Vec::new();
        loop {
            match self.random.u8(..12) {
                0 => {
                    if let Err(error) = journal.roll(1) {
                        return self.cut(error, under_way);
                    }
                }
                1 => {
                    let least = if self.random.bool() { 0.0 } else { 0.5 };
                    let compacted =
                        journal
                            .reader()
                            .compact(&mut LastOfEach::default(), 2 << 10, least);
                    let published = compacted.and_then(|compacted| journal.publish(compacted));
                    if let Err(error) = published {
                        return self.cut(error, under_way);
                    }
                }
                _ => {
                    let group: Vec<_> = (0..self.random.usize(1..5))
                        .map(|_| self.some_command())
                        .collect();
                    under_way.clone_from(&group);
                    if let Err(error) = journal.append(&group, 1) {
                        return self.cut(error, under_way);
                    }
                    self.commands.append(&mut under_way);
                }
            }
        }
    }

    fn cut(&self, error: StoreError, under_way: Vec<Command>) -> Result<Vec<Command>, StoreError> {
        if self.disk.is_cut() {
            Ok(under_way)
        } else {
            Err(error)
        }
    }

    /// Power is back: what was acknowledged is there, and of what was under way the first part.
    fn check(&mut self, under_way: Vec<Command>, keep: Keep) {
        if self.random.u8(..4) == 0 {
            // Killed first: another process finds what was written and not synced, and then power goes.
            self.disk.power_on();
            let (journal, _) = open(&self.disk).unwrap();
            let shown = State::of(&journal.reader());
            let last = journal.last();
            let mut random = self.random.fork();
            self.disk = self
                .disk
                .after_cut(keep, &mut |below| random.u64(..below.max(1)));
            let (journal, _) = open(&self.disk).unwrap();
            assert_eq!(journal.last(), last, "what was shown is gone");
            assert_eq!(State::of(&journal.reader()), shown);
        }
        let mut random = self.random.fork();
        self.disk = self
            .disk
            .after_cut(keep, &mut |below| random.u64(..below.max(1)));
        let (journal, recovery) = open(&self.disk).unwrap();
        assert_eq!(recovery.damage, [], "a power cut is no damage");
        let reader = journal.reader();
        let acknowledged: usize = self.commands.iter().map(|c| c.records.len()).sum();
        let last = usize::try_from(reader.last()).unwrap();
        assert!(
            last >= acknowledged,
            "{acknowledged} were acknowledged, {last} are there"
        );
        let mut there = acknowledged;
        for command in under_way {
            if there == last {
                break;
            }
            there += command.records.len();
            self.commands.push(command);
        }
        assert_eq!(there, last, "a part of a command is there");
        assert_eq!(State::of(&reader), State::of_commands(&self.commands));
        assert_eq!(reader.verify(&mut |_, _| {}).unwrap(), []);
    }
}

fn live(seed: u64, cuts: u64) {
    let mut machine = Machine {
        random: fastrand::Rng::with_seed(seed),
        disk: SimDisk::new(),
        commands: Vec::new(),
    };
    for _ in 0..cuts {
        let changes = if machine.random.u8(..4) == 0 { 12 } else { 120 };
        let changes = machine.random.u64(1..changes);
        machine.disk.cut_after(changes);
        let under_way = match machine.work() {
            Ok(under_way) => under_way,
            Err(error) if machine.disk.is_cut() => {
                // The cut fell into the opening.
                let _ = error;
                Vec::new()
            }
            Err(error) => panic!("{error}"),
        };
        let keep = match machine.random.u8(..10) {
            0..3 => Keep::Nothing,
            3..6 => Keep::SomePages,
            6..9 => Keep::UpToOne,
            _ => Keep::All,
        };
        machine.check(under_way, keep);
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    const LIVES: u64 = 25;
    let cuts = cuts();
    let machines = cuts.div_ceil(LIVES);
    for seed in 0..machines {
        let outcome = std::panic::catch_unwind(|| live(seed, LIVES));
        if outcome.is_err() {
            panic!("seed {seed}: VALECHAT_POWER_SEED={seed} runs it alone");
        }
    }
}

#[test]
fn a_seed_alone() {
    if let Ok(seed) = std::env::var("VALECHAT_POWER_SEED") {
        live(seed.parse().unwrap(), 25);
    }
}
