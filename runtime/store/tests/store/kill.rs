//! A process that writes and is killed at any moment, again and again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use vale_store::{MemoryRows, Range, Rows as _, Store, StoreOptions};

use crate::toy::{LastOfEach, Toy, dump, open, options, ready, set, try_open, value};

const CHILD: &str = "VALECHAT_STORE_CHILD";
const REBUILDER: &str = "VALECHAT_STORE_REBUILDER";

fn rounds() -> u32 {
    let asked = std::env::var("VALECHAT_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(150)
}

/// Is this test in a process of its own when the variable names a folder: writes until it is killed, and
/// says each number once it is confirmed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let (folder, from) = folder.rsplit_once('|').unwrap();
    let from: u64 = from.parse().unwrap();
    let store = try_open(Path::new(folder)).unwrap().store;
    let mut out = std::io::stdout();
    for n in from.. {
        let written =
            store.commit_blocking(set(&format!("n{}", n % 97), &n.to_le_bytes().repeat(20)));
        written.unwrap();
        writeln!(out, "ok {n}").unwrap();
        out.flush().unwrap();
        match n % 211 {
            50 => drop(
                store
                    .compact(&mut LastOfEach::default(), 0.3, true)
                    .unwrap(),
            ),
            100 => store.rebuild().unwrap(),
            150 => drop(store.backup(n, "daily", 3).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let mut random = fastrand::Rng::with_seed(7);
    let (mut confirmed, mut torn, mut rebuilt) = (0_u64, 0, 0);
    for round in 0..rounds() {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, format!("{}|{}", folder.display(), confirmed + 1))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed after so many confirmations and a little, so that no round is empty for long.
        let wanted = if random.u8(..5) == 0 {
            0
        } else {
            random.u32(1..60)
        };
        let pause = Duration::from_micros(random.u64(..3_000));
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut seen = 0;
        let mut lines = lines.lines().map_while(Result::ok);
        if wanted == 0 {
            std::thread::sleep(pause * 10);
        }
        while seen < wanted {
            let Some(line) = lines.next() else { break };
            if let Some(number) = line.split("ok ").nth(1).and_then(|n| n.parse::<u64>().ok()) {
                confirmed = number;
                seen += 1;
            }
        }
        std::thread::sleep(pause);
        child.kill().unwrap();
        // What it still said before it died counts too.
        for line in lines {
            if let Some(number) = line.split("ok ").nth(1).and_then(|n| n.parse::<u64>().ok()) {
                confirmed = confirmed.max(number);
            }
        }
        child.wait().unwrap();
        let opened = try_open(&folder).unwrap();
        assert_eq!(opened.recovery.damage, [], "round {round}");
        torn += u32::from(opened.recovery.torn_bytes > 0);
        rebuilt += u32::from(opened.rebuilds.is_some());
        ready(&opened.store);
        let last = opened.store.journal().last();
        assert!(
            last == confirmed || last == confirmed + 1,
            "round {round}: {confirmed} → {last}"
        );
        confirmed = last;
        for n in confirmed.saturating_sub(96).max(1)..=confirmed {
            let found = value(&opened.store, &format!("n{}", n % 97));
            assert_eq!(
                found.unwrap(),
                n.to_le_bytes().repeat(20),
                "round {round}: {n}"
            );
        }
        assert!(opened.store.check_view().unwrap());
        if round % 50 == 0 {
            let damage = opened.store.journal().verify(&mut |_, _| {}).unwrap();
            assert_eq!(damage, []);
        }
    }
    println!("{confirmed} confirmed, {torn} torn ends, {rebuilt} rebuilds");
    let rows = dump(&open(&folder).store);
    assert_eq!(rows[&1].len(), 97.min(usize::try_from(confirmed).unwrap()));
}

/// Makes the view again when the variable names a folder, says so, and writes no more until it is killed:
/// what sled has not put into its files by then is lost.
#[test]
fn rebuilder() {
    let Ok(folder) = std::env::var(REBUILDER) else {
        return;
    };
    let options = StoreOptions {
        rebuild: true,
        ..options()
    };
    let store = Store::open(folder, options, Arc::new(Toy(1)))
        .unwrap()
        .store;
    ready(&store);
    let mut out = std::io::stdout();
    writeln!(out, "made").unwrap();
    out.flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn rows_are_right_whenever_a_rebuild_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let store = open(&folder).store;
    for n in 0_u32..5_000 {
        let name = format!("n{}", n % 300);
        drop(store.commit_soon(set(&name, &n.to_le_bytes())));
    }
    store.commit_blocking(set("last", b"")).unwrap();
    drop(store);
    let mut random = fastrand::Rng::with_seed(8);
    let current = || std::fs::read_to_string(folder.join("view/CURRENT")).unwrap();
    let mut swapped = 0;
    for round in 0..rounds() / 10 {
        let before = current();
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args([
                "kill::rebuilder",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(REBUILDER, &folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if round % 2 == 0 {
            // The moment at which the new view counts.
            let mut lines = lines.map_while(Result::ok);
            assert!(lines.any(|line| line.contains("made")), "round {round}");
        } else {
            // Any other.
            std::thread::sleep(Duration::from_millis(random.u64(20..700)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = try_open(&folder).unwrap();
        swapped += u32::from(current() != before);
        ready(&opened.store);
        let mut expected = MemoryRows::default();
        let journal = opened.store.journal();
        journal
            .each(1, &mut |frame| {
                expected.fold(&Toy(1), frame).unwrap();
                Ok(true)
            })
            .unwrap();
        for (table, rows) in dump(&opened.store) {
            assert_eq!(
                rows,
                expected.range(Range::all(table)).unwrap(),
                "round {round}, table {table}"
            );
        }
        assert!(opened.store.check_view().unwrap(), "round {round}");
    }
    println!(
        "{swapped} of {} were killed after the new view counted",
        rounds() / 10
    );
}
