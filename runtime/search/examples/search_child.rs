//! Indexes until it is killed: the other half of `tests/real/kill.rs`. Arguments: folder, schema.

use std::io::Write;
use std::path::Path;

use vale_search::{Change, Doc, Index, Position};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("no folder")?;
    let schema = arguments.next().ok_or("no schema")?.parse()?;
    let opened = Index::open(Path::new(&folder), schema)?;
    let mut lsn = match opened.position {
        Position::At(lsn) => lsn,
        Position::Fresh(_) => 0,
    };
    let mut writer = opened.index.writer()?;
    let mut out = std::io::stdout();
    for count in [1, 40, 3, 200].into_iter().cycle() {
        // Small and large commits, so that segments of many sizes are merged.
        let changes: Vec<_> = (lsn + 1..=lsn + count)
            .map(|lsn| (lsn, change(lsn)))
            .collect();
        writer.apply(&changes)?;
        lsn += count;
        writer.commit()?;
        writeln!(out, "{lsn}")?;
        out.flush()?;
    }
    Ok(())
}

/// What the outbox holds at a place; `tests/real/kill.rs` keeps the same list.
fn change(lsn: u64) -> Change {
    if lsn.is_multiple_of(64) && lsn >= 640 {
        return Change::RemoveConversation(u128::from((lsn - 640) / 64).to_be_bytes());
    }
    if lsn.is_multiple_of(7) {
        return Change::Remove {
            ord: lsn.saturating_sub(3),
        };
    }
    let ord = if lsn.is_multiple_of(11) { lsn - 5 } else { lsn };
    Change::Put(Doc {
        ord,
        conversation: u128::from(ord / 64).to_be_bytes(),
        time_ms: ord,
        role: "user".to_owned(),
        provider: None,
        model: None,
        has_attachment: false,
        text: format!("message {lsn} of {ord} 模型{lsn}"),
    })
}
