//! A test that cannot do its work on this machine says so.

use std::io::Write as _;

/// Says that a test was skipped, and why, where people and `cargo xtask test` see it.
pub fn skip(why: &str) {
    println!("SKIPPED: {why}");
    if let Some(log) = std::env::var_os("VALECHAT_SKIP_LOG") {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log);
        writeln!(log.unwrap(), "{why}").unwrap();
    }
}
