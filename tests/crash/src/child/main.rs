//! The process whose power is cut, and the one that looks at what is left.
//!
//! It prints what it was told is durable, and ends with a sentence when something is missing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its answer"
)]

mod index;
mod model;
mod store;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the store's tests have the same small domain, and use more of it"
)]
#[path = "../../../../runtime/store/tests/store/toy.rs"]
mod toy;

use std::path::Path;
use std::process::ExitCode;

use toy::Toy;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("WRONG: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let [what, folder, numbers @ ..] = arguments else {
        return Err("what, and in which folder?".into());
    };
    let numbers = numbers.iter().map(|number| number.parse());
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>()?;
    let folder = Path::new(folder);
    match (what.as_str(), numbers.as_slice()) {
        ("write-store", [commands, seed]) => store::write(folder, *commands, *seed, Toy(1)),
        ("write-store-forgetfully", [commands, seed]) => {
            store::write(folder, *commands, *seed, store::Forgetful)
        }
        ("check-store", [confirmed, backup]) => store::check(folder, *confirmed, *backup),
        ("write-index", [commits, seed]) => index::write(folder, *commits, *seed),
        ("check-index", [confirmed]) => index::check(folder, *confirmed),
        _ => Err(format!("{what} is not known with {} numbers", numbers.len()).into()),
    }
}
