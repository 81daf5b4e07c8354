//! The process that starts the others, in turns.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::child::{Figures, percentile};
use crate::engine::Kind;
use crate::report::Report;
use crate::{Arguments, CHILD, Result, machine};

fn child(phase: &str, kind: Kind, folder: &Path, number: u64) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, phase, kind.name()]).arg(folder);
    command.arg(number.to_string());
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

/// Runs a phase; gives its figures.
fn phase(phase: &str, kind: Kind, folder: &Path, number: u64) -> Result<Figures> {
    let output = child(phase, kind, folder, number)?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{phase} of {} failed", kind.name()).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(serde_json::from_str(
        text.lines().last().unwrap_or_default(),
    )?)
}

/// Has a process append until it has appended enough, and kills it.
fn kill(kind: Kind, folder: &Path, round: u64) -> Result<()> {
    let mut child = child("endless", kind, folder, round)?;
    let output = child.stdout.take().ok_or("the process has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    if line.is_empty() {
        return Err(format!("{} stopped appending", kind.name()).into());
    }
    Ok(())
}

/// What the disk takes for 800 bytes and a sync, p50 in ms: below this nobody gets.
fn raw_sync(folder: &Path) -> Result<Option<f64>> {
    let mut file = std::fs::File::create(folder.join("raw"))?;
    let mut samples = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        file.write_all(&[7; 800])?;
        file.sync_data()?;
        samples.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(percentile(&mut samples, 0.5))
}

pub(crate) fn measure(arguments: &Arguments, root: &Path, report: &mut Report) -> Result<()> {
    let say = |text: String| println!("[load {}] {text}", machine::load());
    let folder = |kind: Kind| root.join(kind.name());
    for &kind in &arguments.kinds {
        say(format!(
            "{}: writing {} messages",
            kind.name(),
            arguments.messages
        ));
        report.take(
            kind,
            "",
            phase("load", kind, &folder(kind), arguments.messages as u64)?,
        );
        report.take(
            kind,
            "after the load: ",
            phase("open", kind, &folder(kind), 0)?,
        );
    }
    for round in 0..arguments.rounds {
        if let Some(raw) = raw_sync(root)? {
            report.raw(raw);
        }
        // Who is first in one round is last in the next.
        let mut kinds = arguments.kinds.clone();
        let turn = usize::try_from(round)? % kinds.len();
        kinds.rotate_left(turn);
        for kind in kinds {
            let folder = folder(kind);
            say(format!("{}: round {round}", kind.name()));
            report.take(kind, "warm: ", phase("open", kind, &folder, 0)?);
            report.take(kind, "", phase("append", kind, &folder, round)?);
            report.take(kind, "", phase("read", kind, &folder, 0)?);
            if machine::evict(&folder)? {
                report.take(kind, "evicted: ", phase("open", kind, &folder, 0)?);
            }
            kill(kind, &folder, round)?;
            report.take(kind, "after kill -9: ", phase("open", kind, &folder, 0)?);
        }
    }
    for &kind in &arguments.kinds {
        if kind.text().is_some() {
            say(format!("{}: making the view again", kind.name()));
            report.take(kind, "", phase("rebuild", kind, &folder(kind), 0)?);
            report.take(
                kind,
                "after the rebuild: ",
                phase("open", kind, &folder(kind), 0)?,
            );
        }
    }
    Ok(())
}
