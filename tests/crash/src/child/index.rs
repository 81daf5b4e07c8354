//! The search index: fed in commits of many sizes, and looked at after a cut.

use std::collections::BTreeMap;
use std::path::Path;

use vale_search::{
    Change, ConversationKey, Doc, Index, Mode, Opened, Position, Query, Recent, SearchError,
};

use crate::Outcome;

const SCHEMA: u32 = 7;

/// Applies and commits behind what is there; says what is confirmed. Other seeds, other sizes.
pub(crate) fn write(folder: &Path, commits: u64, seed: u64) -> Outcome {
    let opened = sound(folder)?.0;
    let mut lsn = match opened.position {
        Position::At(lsn) => lsn,
        Position::Fresh(_) => {
            println!("fresh");
            0
        }
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut writer = opened.index.writer()?;
    for _ in 0..commits {
        let count = if random.bool() {
            random.u64(1..5)
        } else {
            random.u64(1..200)
        };
        let changes: Vec<_> = (lsn + 1..=lsn + count)
            .map(|lsn| (lsn, change(lsn)))
            .collect();
        writer.apply(&changes)?;
        lsn += count;
        match random.u8(..12) {
            0 => writer.expunge()?,
            _ => drop(writer.commit()?),
        }
        println!("ok {lsn}");
    }
    writer.close()?;
    Ok(())
}

/// Opens it as the host does: what did not end well is checked before it is used, and made anew if it is
/// damaged. Gives whether that was so.
fn sound(folder: &Path) -> Result<(Opened, bool), Box<dyn std::error::Error>> {
    let opened = Index::open(folder, SCHEMA)?;
    if !opened.unclean {
        return Ok((opened, false));
    }
    match opened.index.validate_checksum() {
        Ok(()) => Ok((opened, false)),
        Err(SearchError::Damaged(_)) => {
            drop(opened);
            let again = Index::open(folder, SCHEMA)?;
            match again.position {
                Position::Fresh(_) => Ok((again, true)),
                Position::At(lsn) => Err(format!("it is damaged and still at {lsn}").into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks at what is left: it is at or behind `confirmed`, or empty; it answers right; it goes on.
pub(crate) fn check(folder: &Path, confirmed: u64) -> Outcome {
    let (opened, was_damaged) = sound(folder)?;
    let position = match &opened.position {
        Position::At(lsn) => *lsn,
        Position::Fresh(_) => 0,
    };
    // What is confirmed is taken from the queue: an older index would lack it for ever.
    if position > 0 && position < confirmed {
        return Err(format!("{confirmed} was confirmed, and it is at {position}").into());
    }
    compare(&opened.index, position)?;
    let mut writer = opened.index.writer()?;
    let next = position + 50;
    let changes: Vec<_> = (position + 1..=next)
        .map(|lsn| (lsn, change(lsn)))
        .collect();
    writer.apply(&changes)?;
    writer.commit()?;
    compare(&opened.index, next)?;
    writer.close()?;
    let why = match opened.position {
        Position::At(_) => "not".to_owned(),
        Position::Fresh(_) if was_damaged => "its files were not as they were written".to_owned(),
        Position::Fresh(why) => why.to_string(),
    };
    println!("fine {position} torn 0 backup 0 remade {why}");
    Ok(())
}

fn compare(index: &Index, position: u64) -> Outcome {
    let meant = expected(position);
    let there = everything(index)?;
    let conversations: BTreeMap<_, _> = meant.iter().map(|(ord, (key, _))| (*ord, *key)).collect();
    if there != conversations {
        let lacking = conversations.keys().find(|ord| !there.contains_key(ord));
        let odd = there.keys().find(|ord| !conversations.contains_key(ord));
        return Err(format!(
            "at {position}: {} messages and not {}; {lacking:?} is lacking, {odd:?} should be gone",
            there.len(),
            conversations.len()
        )
        .into());
    }
    let mut random = fastrand::Rng::with_seed(position);
    for _ in 0..if position == 0 { 0 } else { 20 } {
        let lsn = random.u64(1..=position);
        let hits = index.search(&Query::new(format!("{lsn} 模型{lsn}")), &Recent::new())?;
        for (ord, _) in meant.iter().filter(|(_, (_, by))| *by == lsn) {
            if !hits.hits.iter().any(|hit| hit.ord == *ord) {
                return Err(format!("at {position}: the words of {lsn} do not find {ord}").into());
            }
        }
    }
    Ok(())
}

fn everything(index: &Index) -> Result<BTreeMap<u64, ConversationKey>, SearchError> {
    let mut all = BTreeMap::new();
    let mut query = Query {
        mode: Mode::Newest,
        limit: 1_000,
        ..Query::new("-nosuchword")
    };
    loop {
        let page = index.search(&query, &Recent::new())?;
        all.extend(page.hits.iter().map(|hit| (hit.ord, hit.conversation)));
        if !page.more {
            return Ok(all);
        }
        query.offset += query.limit;
    }
}

fn key(conversation: u64) -> ConversationKey {
    u128::from(conversation).to_be_bytes()
}

/// A conversation that goes with this change.
fn gone_with(lsn: u64) -> Option<ConversationKey> {
    (lsn.is_multiple_of(64) && lsn >= 640).then(|| key((lsn - 640) / 64))
}

/// The message that this change puts or takes away.
fn ord_of(lsn: u64) -> u64 {
    match (lsn % 7, lsn % 11) {
        (0, _) => lsn.saturating_sub(3),
        (_, 0) => lsn - 5,
        _ => lsn,
    }
}

fn change(lsn: u64) -> Change {
    let ord = ord_of(lsn);
    if let Some(conversation) = gone_with(lsn) {
        return Change::RemoveConversation(conversation);
    }
    if lsn.is_multiple_of(7) {
        return Change::Remove { ord };
    }
    Change::Put(Doc {
        ord,
        conversation: key(ord / 64),
        time_ms: ord,
        role: "user".to_owned(),
        provider: None,
        model: None,
        has_attachment: false,
        text: format!("message {lsn} of {ord} 模型{lsn}"),
    })
}

/// Message → its conversation, and the change that put it.
fn expected(position: u64) -> BTreeMap<u64, (ConversationKey, u64)> {
    let mut live = BTreeMap::new();
    for lsn in 1..=position {
        let ord = ord_of(lsn);
        if let Some(gone) = gone_with(lsn) {
            live.retain(|_, (conversation, _)| *conversation != gone);
        } else if lsn.is_multiple_of(7) {
            live.remove(&ord);
        } else {
            live.insert(ord, (key(ord / 64), lsn));
        }
    }
    live
}
