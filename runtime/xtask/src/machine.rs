//! The machine and the day, for dated results.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::process;
use crate::workspace::Workspace;

/// One line: system, CPU, cores, Rust.
pub(crate) fn describe() -> String {
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(
            || std::env::consts::OS.to_owned(),
            |name| name.trim_matches('"').to_owned(),
        );
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu_info
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(": ")
                .map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let rustc = process::read(process::command("rustc").arg("--version")).unwrap_or_default();
    format!("{system}, {cpu}, {cores} cores, {}", rustc.trim())
}

/// The commit, and whether the tree differs from it.
pub(crate) fn commit(ws: &Workspace) -> String {
    let git = |args: &[&str]| {
        let mut git = process::command("git");
        git.arg("-C").arg(&ws.root).args(args);
        process::read(&mut git).ok()
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "no commit".to_owned();
    };
    let changed = git(&["status", "--porcelain"]).is_none_or(|list| !list.trim().is_empty());
    format!(
        "{}{}",
        commit.trim(),
        if changed { " with changes" } else { "" }
    )
}

/// Today in UTC, as 2026-01-31.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    date(seconds / 86_400)
}

/// The calendar day that lies `days` after 1970-01-01.
fn date(days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (30, "1970-01-31"),
            (31, "1970-02-01"),
            (365, "1971-01-01"),
            (11_016, "2000-02-29"),
            (20_512, "2026-02-28"),
            (20_513, "2026-03-01"),
            (20_817, "2026-12-30"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
