//! The store beside SQLite, doing the same work in the same run; one process for each engine and round,
//! in turns, so that a busy moment meets all of them. Writes `tests/bench/STORE.md`.
//!
//! `cargo run --release -p vale-store-bench --features sqlite-bench -- --messages 200000`

#![expect(clippy::print_stdout, reason = "a program whose output is its result")]

mod child;
mod data;
mod engine;
mod fold;
mod grouped;
mod machine;
mod parent;
mod report;
mod sqlite;
mod store;

use std::error::Error;
use std::path::PathBuf;

use engine::Kind;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "vale-store-bench [--messages 200000] [--rounds 5] [--folder FOLDER] \
    [--text-in-rows | --text-by-lsn] [--no-report]";

/// The first argument of a process that measures one engine.
const CHILD: &str = "child";

struct Arguments {
    messages: usize,
    rounds: u64,
    folder: PathBuf,
    kinds: Vec<Kind>,
    keeps: bool,
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        messages: 200_000,
        rounds: 5,
        folder: std::env::temp_dir(),
        kinds: vec![Kind::Sqlite, Kind::InRows, Kind::ByLsn],
        keeps: true,
    };
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("{name} needs a value\n{USAGE}"));
        match name.as_str() {
            "--messages" => arguments.messages = value()?.parse()?,
            "--rounds" => arguments.rounds = value()?.parse()?,
            "--folder" => arguments.folder = PathBuf::from(value()?),
            "--text-in-rows" => arguments.kinds = vec![Kind::Sqlite, Kind::InRows],
            "--text-by-lsn" => arguments.kinds = vec![Kind::Sqlite, Kind::ByLsn],
            "--no-report" => arguments.keeps = false,
            _ => return Err(format!("{name} is not known\n{USAGE}").into()),
        }
    }
    if arguments.messages < 2 * data::CONVERSATIONS || arguments.rounds == 0 {
        let least = 2 * data::CONVERSATIONS;
        return Err(format!("at least {least} messages and one round, please").into());
    }
    Ok(arguments)
}

fn main() -> Result<()> {
    let mut given = std::env::args().skip(1);
    let given: Vec<String> = given.by_ref().collect();
    if let [first, phase, kind, folder, number] = given.as_slice()
        && first == CHILD
    {
        let kind = Kind::parse(kind).ok_or("no such engine")?;
        return child::run(phase, kind, &PathBuf::from(folder), number.parse()?);
    }
    let arguments = parse(given.into_iter())?;
    let folder = tempfile::Builder::new()
        .prefix("vale-store-bench-")
        .tempdir_in(&arguments.folder)?;
    let mut report = report::Report::new(arguments.messages, arguments.rounds, &arguments.kinds);
    parent::measure(&arguments, folder.path(), &mut report)?;
    println!("{}", report.section());
    if arguments.keeps {
        println!("kept in {}", report.keep()?.display());
    }
    Ok(())
}
