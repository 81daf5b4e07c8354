//! The table, on the terminal and in `tests/bench/README.md`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 5]>,
}

pub(crate) fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn row(&mut self, what: &str, direct: &str, ours: &str, note: &str, target: &str) {
        self.rows
            .push([what, direct, ours, note, target].map(str::to_owned));
    }

    pub(crate) fn table(&self) -> String {
        let mut table =
            String::from("| what | plain reqwest | ValeChat | | target |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(table, "| {} |", row.join(" | "));
        }
        table
    }

    /// Replaces the table in the README.
    pub(crate) fn keep(&self) -> Result<PathBuf> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bench/README.md");
        let text = format!(
            "# Benchmarks\n\nWritten by `cargo xtask bench`. Ours and the peer's calls alternate in one run; the upstream is a\nprocess of its own on the same machine, so all three share its cores. Targets: design.md §8.\n\n{}\n{}\n",
            machine(),
            self.table()
        );
        std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")
                .and_then(|rest| rest.split(": ").nth(1))
        })
        .unwrap_or("unknown processor")
        .to_owned();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = std::process::Command::new("date").arg("+%Y-%m-%d").output();
    let date = date
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        .unwrap_or_default();
    format!(
        "{date}; {model}, {cores} cores; {}; load at the end {}.\n",
        std::env::consts::OS,
        load.split_whitespace().next().unwrap_or("?")
    )
}
