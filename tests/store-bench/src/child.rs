//! What one process does with one engine. Its figures are the last line that it prints, as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::data::{History, Message, conversation};
use crate::engine::{Engine, Kind};
use crate::store::OurStore;
use crate::{Result, grouped, machine};

/// Figures by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Messages in one commit of a load.
const GROUP: usize = 1_000;
/// Appends of the one writer, and before a kill.
pub(crate) const APPENDS: usize = 300;
/// Times that a page is read.
const READS: usize = 500;
/// Messages of a page, and conversations.
const PAGE: usize = 50;
const LIST: usize = 100;

/// What the process is told: a phase, an engine, its folder, and a number.
pub(crate) fn run(phase: &str, kind: Kind, folder: &Path, number: u64) -> Result<()> {
    let mut figures = Figures::new();
    match phase {
        "load" => load(kind, folder, number, &mut figures)?,
        "open" => open(kind, folder, &mut figures)?,
        "append" => append(kind, folder, number, &mut figures)?,
        "read" => read(kind, folder, &mut figures)?,
        "endless" => endless(kind, folder, number)?,
        "rebuild" => rebuild(kind, folder, &mut figures)?,
        _ => return Err(format!("there is no phase {phase}").into()),
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

fn note(figures: &mut Figures, name: &str, value: impl Into<Option<f64>>) {
    if let Some(value) = value.into() {
        figures.insert(name.to_owned(), value);
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// The value below which `share` of the samples lie.
pub(crate) fn percentile(samples: &mut [f64], share: f64) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (samples.len().saturating_sub(1) as f64 * share).round() as usize;
    samples.get(index).copied()
}

fn load(kind: Kind, folder: &Path, messages: u64, figures: &mut Figures) -> Result<()> {
    let messages = usize::try_from(messages)?;
    let mut engine = kind.open(folder)?;
    let mut history = History::new(messages);
    let (began, cpu) = (Instant::now(), machine::cpu());
    let (mut written, mut bytes) = (0, 0);
    loop {
        let group: Vec<Message> = history.by_ref().take(GROUP).collect();
        if group.is_empty() {
            break;
        }
        written += group.len();
        bytes += group
            .iter()
            .map(|message| message.text.len())
            .sum::<usize>();
        engine.append_group(group)?;
    }
    engine.close()?;
    note(figures, "load wall s", began.elapsed().as_secs_f64());
    let used = machine::cpu().zip(cpu).map(|(now, then)| now - then);
    note(figures, "load cpu s", used);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (written, bytes) = (written as f64, bytes as f64);
    note(figures, "text bytes a message", bytes / written);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    for (name, part) in [("disk", ""), ("journal", "journal"), ("view", "view")] {
        let part = folder.join(part);
        if part.is_dir() {
            let bytes = machine::bytes(&part)? as f64;
            note(figures, &format!("{name} bytes a message"), bytes / written);
        }
    }
    note(figures, "load peak MB", machine::memory("VmHWM"));
    Ok(())
}

/// Opens it, and shows what a person sees first.
fn open(kind: Kind, folder: &Path, figures: &mut Figures) -> Result<()> {
    let (began, cpu) = (Instant::now(), machine::cpu());
    let engine = kind.open(folder)?;
    note(figures, "open ms", millis(began));
    let used = machine::cpu().zip(cpu).map(|(now, then)| now - then);
    note(
        figures,
        "open cpu ms",
        used.map(|seconds| seconds * 1_000.0),
    );
    let began = Instant::now();
    engine.last(conversation(0), PAGE)?;
    note(figures, "first last-50 ms", millis(began));
    let began = Instant::now();
    engine.first_page(LIST)?;
    note(figures, "first list-100 ms", millis(began));
    note(figures, "open anon MB", machine::memory("RssAnon"));
    engine.close()
}

fn append(kind: Kind, folder: &Path, round: u64, figures: &mut Figures) -> Result<()> {
    let engine = kind.open(folder)?;
    let messages: Vec<Message> = History::after(round * 4).take(APPENDS).collect();
    let cpu = machine::cpu();
    let mut samples = Vec::new();
    for message in messages {
        let began = Instant::now();
        engine.append(message)?;
        samples.push(millis(began));
    }
    let used = machine::cpu().zip(cpu).map(|(now, then)| now - then);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let each = used.map(|seconds| seconds * 1e6 / APPENDS as f64);
    note(figures, "append cpu µs", each);
    note(figures, "append p50 ms", percentile(&mut samples, 0.5));
    note(figures, "append p99 ms", percentile(&mut samples, 0.99));
    note(
        figures,
        "16 writers /s",
        grouped::plain(&*engine, round * 4 + 1)?,
    );
    note(figures, "append anon MB", machine::memory("RssAnon"));
    engine.close()?;
    if kind == Kind::Sqlite {
        let sqlite = crate::sqlite::Sqlite::open(folder)?;
        let rate = grouped::sqlite(&sqlite, round * 4 + 2)?;
        note(figures, "16 writers, grouped, /s", rate);
    }
    Ok(())
}

fn read(kind: Kind, folder: &Path, figures: &mut Figures) -> Result<()> {
    let engine = kind.open(folder)?;
    let mut measure = |what: &str, ask: &dyn Fn() -> Result<usize>| {
        // Twice in vain: what is measured is warm.
        for _ in 0..2 {
            ask()?;
        }
        let cpu = machine::cpu();
        let mut samples = Vec::new();
        for _ in 0..READS {
            let began = Instant::now();
            ask()?;
            samples.push(millis(began));
        }
        let used = machine::cpu().zip(cpu).map(|(now, then)| now - then);
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let each = used.map(|seconds| seconds * 1e6 / READS as f64);
        note(figures, &format!("{what} cpu µs"), each);
        let p50 = percentile(&mut samples, 0.5);
        note(figures, &format!("{what} p50 ms"), p50);
        let p99 = percentile(&mut samples, 0.99);
        note(figures, &format!("{what} p99 ms"), p99);
        Result::Ok(())
    };
    measure("last-50", &|| engine.last(conversation(0), PAGE))?;
    measure("list-100", &|| match engine.first_page(LIST)? {
        LIST => Ok(LIST),
        other => Err(format!("the list has {other} conversations").into()),
    })?;
    engine.close()
}

/// Appends until it is killed; says when it has appended enough for that.
fn endless(kind: Kind, folder: &Path, round: u64) -> Result<()> {
    let engine = kind.open(folder)?;
    for (count, message) in (1..).zip(History::after(round * 4 + 3)) {
        engine.append(message)?;
        if count == APPENDS {
            writeln!(std::io::stdout(), "{}", engine.count(conversation(0))?)?;
        }
    }
    Ok(())
}

fn rebuild(kind: Kind, folder: &Path, figures: &mut Figures) -> Result<()> {
    let text = kind.text().ok_or("SQLite has nothing to rebuild from")?;
    let (began, cpu) = (Instant::now(), machine::cpu());
    let engine = OurStore::open(folder, text, true)?;
    note(figures, "rebuild wall s", began.elapsed().as_secs_f64());
    let used = machine::cpu().zip(cpu).map(|(now, then)| now - then);
    note(figures, "rebuild cpu s", used);
    note(figures, "rebuild peak MB", machine::memory("VmHWM"));
    note(figures, "rebuild anon MB", machine::memory("RssAnon"));
    if !engine.store.check_view()? {
        return Err("the view that was made is not whole".into());
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    note(
        figures,
        "long conversation",
        engine.count(conversation(0))? as f64,
    );
    Box::new(engine).close()?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    note(
        figures,
        "rebuilt view MB",
        machine::bytes(&folder.join("view"))? as f64 / 1e6,
    );
    Ok(())
}
