//! Sixteen writers at once.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Instant;

use crate::Result;
use crate::data::{History, Message};
use crate::engine::Engine;
use crate::sqlite::Sqlite;

const WRITERS: u64 = 16;
/// Messages of each.
const EACH: usize = 60;

fn texts(seed: u64) -> Vec<Vec<Message>> {
    let mut history = History::after(seed);
    (0..WRITERS)
        .map(|_| history.by_ref().take(EACH).collect())
        .collect()
}

/// Messages a second when every writer waits for each of its own.
fn rate(seed: u64, append: &(dyn Fn(Message) -> Result<()> + Sync)) -> Result<f64> {
    let texts = texts(seed);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = texts
            .into_iter()
            .map(|messages| scope.spawn(|| messages.into_iter().try_for_each(append)))
            .collect();
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")??;
        }
        Result::Ok(())
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let count = (WRITERS as usize * EACH) as f64;
    Ok(count / began.elapsed().as_secs_f64())
}

/// As the engine does it.
pub(crate) fn plain(engine: &dyn Engine, seed: u64) -> Result<f64> {
    rate(seed, &|message| engine.append(message))
}

type Waiting = (Message, SyncSender<()>);

/// SQLite behind one thread that commits whatever queued while the last commit ran, as our writer does:
/// nothing in SQLite does this for its user.
pub(crate) fn sqlite(sqlite: &Sqlite, seed: u64) -> Result<f64> {
    let (queue, inbox) = mpsc::channel::<Waiting>();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || write(sqlite, &inbox));
        let rate = rate(seed, &|message| {
            let (done, answer) = mpsc::sync_channel(1);
            queue.send((message, done))?;
            Ok(answer.recv()?)
        });
        drop(queue);
        writing.join().map_err(|_| "the writer panicked")??;
        rate
    })
}

fn write(sqlite: &Sqlite, inbox: &Receiver<Waiting>) -> Result<()> {
    while let Ok(first) = inbox.recv() {
        let mut group = vec![first];
        group.extend(inbox.try_iter());
        sqlite.append_all(group.iter().map(|(message, _)| message))?;
        for (_, done) in group {
            done.send(())?;
        }
    }
    Ok(())
}
