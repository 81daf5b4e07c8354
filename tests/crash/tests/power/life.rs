//! The life of one folder: processes that work on it one after the other, end or are killed, and power
//! cuts at any record of their log. Everything follows from the seed, but for the order of threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vale_crash::{Event, Exit, Keep, Log, Power, Preload, SyncMode};

const CHILD: &str = env!("CARGO_BIN_EXE_vale-crash-child");
/// Longer than this is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Store,
    Index,
}

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    SyncsDoNothing,
    FoldersAreNotSynced,
    /// The fold that writes leaves rows out; the one that checks does not.
    RowsAreForgotten,
}

/// What cuts came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) cuts: u64,
    /// Records of all logs.
    pub(crate) events: usize,
    /// Processes that were killed before power went, and that were cut while they opened what an earlier
    /// cut had left.
    pub(crate) killed: u64,
    /// Why the view or the index was made again, or that it was not.
    pub(crate) remade: BTreeMap<String, u64>,
    /// The journal had a torn end.
    pub(crate) torn: u64,
    /// Cuts at which something had been confirmed.
    pub(crate) confirmed: u64,
    /// Backups that were put back.
    pub(crate) backups: u64,
}

impl Found {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.events += other.events;
        self.killed += other.killed;
        for (why, count) in &other.remade {
            *self.remade.entry(why.clone()).or_default() += count;
        }
        self.torn += other.torn;
        self.confirmed += other.confirmed;
        self.backups += other.backups;
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} power cuts in {} records, {} of them after something was confirmed; {} processes were \
             killed before; {} torn ends, {} backups put back; views or indexes made again: {:?}",
            self.cuts,
            self.events,
            self.confirmed,
            self.killed,
            self.torn,
            self.backups,
            self.remade
        )
    }
}

/// What was told to be durable at some moment.
#[derive(Debug, Clone, Copy, Default)]
struct Confirmed {
    last: u64,
    backup: u64,
}

impl Confirmed {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (what, number) = (words.next(), words.next());
        let number = number.and_then(|number| number.parse().ok());
        match (what, number) {
            (Some("ok"), Some(last)) => self.last = last,
            (Some("backup"), Some(backup)) => self.backup = backup,
            // The index was lost before, which the host sees and feeds it anew.
            (Some("fresh"), None) => self.last = 0,
            _ => {}
        }
    }
}

pub(crate) struct Life {
    engine: Engine,
    seed: u64,
    fault: Fault,
    random: fastrand::Rng,
    home: tempfile::TempDir,
    preload: Preload,
}

impl Life {
    pub(crate) fn new(engine: Engine, seed: u64, fault: Fault) -> Self {
        // In memory where there is room for that: nothing here has to outlive anything.
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let home = home.unwrap();
        let preload = Preload::build(home.path()).unwrap();
        Self {
            engine,
            seed,
            fault,
            random: fastrand::Rng::with_seed(seed),
            home,
            preload,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(name)
    }

    /// Two histories: one that begins with nothing, and one on what a cut of the first has left.
    pub(crate) fn live(mut self, cuts: u64) -> (Option<String>, Found) {
        let mut found = Found::default();
        let outcome = self.two(cuts, &mut found);
        let failure = outcome.err().map(|error| {
            let mut what = format!("{:?}, seed {}: {error}", self.engine, self.seed);
            if self.fault == Fault::None {
                let kept = self.home.keep();
                what.push_str(&format!(" ({} is kept)", kept.display()));
            }
            what
        });
        (failure, found)
    }

    fn two(&mut self, cuts: u64, found: &mut Found) -> Result<(), String> {
        let root = self.path("first");
        fs::create_dir(&root).unwrap();
        let left = self.history(&root, Confirmed::default(), cuts / 2, found)?;
        let Some((folder, confirmed)) = left else {
            return Ok(());
        };
        self.history(&folder, confirmed, cuts - cuts / 2, found)?;
        Ok(())
    }

    /// One to three processes on a folder, then cuts of their common log. Gives a folder that a cut left,
    /// not looked at by anybody, and what must be in it.
    fn history(
        &mut self,
        root: &Path,
        before: Confirmed,
        cuts: u64,
        found: &mut Found,
    ) -> Result<Option<(PathBuf, Confirmed)>, String> {
        let mut power = Power::of(root).unwrap();
        let log = self.log(root, found)?;
        found.events += log.events.len();
        let mut at: Vec<usize> = (0..cuts).map(|_| self.moment(&log)).collect();
        at.sort_unstable();
        let mut confirmed = before;
        let mut line = String::new();
        let mut next = at.iter().peekable();
        let mut left = None;
        for (number, event) in log.events.iter().enumerate() {
            power.apply(event).map_err(|error| error.to_string())?;
            if let Event::Printed(text) = event {
                line.push_str(text);
                while let Some((whole, rest)) = line.split_once('\n') {
                    confirmed.hear(whole);
                    line = rest.to_owned();
                }
            }
            while next.next_if(|at| **at == number).is_some() {
                found.cuts += 1;
                let keep = match self.random.u8(..10) {
                    0..3 => Keep::Nothing,
                    3..7 => Keep::SomePages,
                    _ => Keep::UpToOne,
                };
                let what = format!("cut at record {number} of {}, {keep:?}", log.events.len());
                let below = self.path("cut");
                let seed = self.random.u64(..);
                power
                    .cut(keep, &mut fastrand::Rng::with_seed(seed), &below)
                    .unwrap();
                self.check(&below, confirmed, found)
                    .map_err(|error| format!("{what}: {error}"))?;
                for made in fs::read_dir(self.home.path())
                    .unwrap()
                    .map_while(Result::ok)
                {
                    // A restore puts the old store beside the new one.
                    if made.file_name().to_string_lossy().starts_with("cut") {
                        fs::remove_dir_all(made.path()).unwrap();
                    }
                }
                if left.is_none() || self.random.bool() {
                    let folder = self.path(if root.ends_with("first") {
                        "second"
                    } else {
                        "third"
                    });
                    if left.is_some() {
                        fs::remove_dir_all(&folder).unwrap();
                    }
                    power
                        .cut(keep, &mut fastrand::Rng::with_seed(seed), &folder)
                        .unwrap();
                    left = Some((folder, confirmed));
                }
            }
        }
        match power.differs_from(root).unwrap() {
            Some(difference) => Err(format!("the log has not caught everything: {difference}")),
            None => Ok(left),
        }
    }

    /// Where power goes: anywhere, or where names or syncs change, which are few.
    fn moment(&mut self, log: &Log) -> usize {
        let events = &log.events;
        let anywhere = self.random.usize(..events.len());
        if self.random.bool() {
            return anywhere;
        }
        let is_rare = |event: &Event| !matches!(event, Event::Write { .. } | Event::Range);
        let after = events.iter().enumerate().skip(anywhere);
        let mut rare = after.filter(|(_, event)| is_rare(event)).map(|(at, _)| at);
        rare.next().unwrap_or(anywhere)
    }

    /// Runs the processes; all but the last one surely end, by themselves or killed.
    fn log(&mut self, root: &Path, found: &mut Found) -> Result<Log, String> {
        let file = self.path("log");
        drop(fs::remove_file(&file));
        let boot = self.path("boot");
        // Each machine that finds its power back is another boot.
        fs::write(&boot, root.display().to_string()).unwrap();
        let syncs = match self.fault {
            Fault::None | Fault::RowsAreForgotten => SyncMode::Work,
            Fault::SyncsDoNothing => SyncMode::Nothing,
            Fault::FoldersAreNotSynced => SyncMode::FilesOnly,
        };
        for _ in 0..self.random.u32(1..4) {
            let what = match (self.engine, self.fault) {
                (Engine::Store, Fault::RowsAreForgotten) => "write-store-forgetfully",
                (Engine::Store, _) => "write-store",
                (Engine::Index, _) => "write-index",
            };
            let amount = match self.engine {
                Engine::Store => self.random.u64(10..160),
                Engine::Index => self.random.u64(2..14),
            };
            let sync = Duration::from_micros(self.random.u64(0..400));
            let run = self.preload.run(CHILD, root).arg(what).arg(root.join("it"));
            let run = run
                .arg(amount.to_string())
                .arg(self.random.u64(..1_000).to_string());
            let mut run = run.logged(&file, sync).syncs(syncs).in_boot(&boot);
            let is_killed = self.random.bool();
            if is_killed {
                found.killed += 1;
                run = run.killed_at(self.random.u64(20..amount * 20));
            }
            let exit = run.end(PATIENCE).unwrap();
            let was_killed = is_killed && signal(&exit) == Some(9);
            if !was_killed && !is_fine(&exit) {
                return Err(format!("while writing: {}", shown(&exit)));
            }
        }
        let bytes = fs::read(&file).unwrap();
        Log::read(&bytes).map_err(|error| error.to_string())
    }

    fn check(&self, root: &Path, confirmed: Confirmed, found: &mut Found) -> Result<(), String> {
        let boot = self.path("boot after");
        // Each machine that finds its power back is another boot.
        fs::write(&boot, root.display().to_string()).unwrap();
        let run = self
            .preload
            .run(CHILD, root)
            .syncs(SyncMode::Work)
            .in_boot(&boot);
        let folder = root.join("it");
        let last = confirmed.last.to_string();
        let run = match self.engine {
            Engine::Store => {
                let backup = confirmed.backup.to_string();
                run.arg("check-store").arg(&folder).arg(last).arg(backup)
            }
            Engine::Index => run.arg("check-index").arg(&folder).arg(last),
        };
        let exit = run.end(PATIENCE).unwrap();
        if !is_fine(&exit) {
            return Err(format!("{confirmed:?}: {}", shown(&exit)));
        }
        let answer = exit.out.lines().find(|line| line.starts_with("fine "));
        let answer = answer.ok_or_else(|| format!("no answer: {}", shown(&exit)))?;
        let words: Vec<&str> = answer.splitn(8, ' ').collect();
        let [_, _, _, torn, _, backup, _, remade] = words.as_slice() else {
            return Err(format!("{answer:?} is not understood"));
        };
        found.confirmed += u64::from(confirmed.last > 0);
        found.torn += u64::from(*torn != "0");
        found.backups += u64::from(*backup != "0");
        // Before anything was confirmed, that is no loss.
        if confirmed.last > 0 {
            *found.remade.entry((*remade).to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

fn is_fine(exit: &Exit) -> bool {
    exit.status.is_some_and(|status| status.success())
}

fn signal(exit: &Exit) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt as _;
    exit.status.and_then(|status| status.signal())
}

fn shown(exit: &Exit) -> String {
    let how = match exit.status {
        Some(status) => status.to_string(),
        None => format!("it hung for {} s", PATIENCE.as_secs()),
    };
    let err: Vec<&str> = exit.err.lines().collect();
    let err = err
        .get(err.len().saturating_sub(6)..)
        .unwrap_or_default()
        .join(" / ");
    format!("{how}: {err}")
}
