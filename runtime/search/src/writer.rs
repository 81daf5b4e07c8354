//! Feeding the index.

use std::fmt;

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, NoMergePolicy};
use tantivy::{IndexWriter, TantivyError, Term};

use crate::error::{SearchError, panic_text};
use crate::index::Index;
use crate::schema::Change;

/// Memory for messages that are not yet in a segment, in bytes.
const ARENA: usize = 20_000_000;

/// The one writer of an index. It costs 30 to 45 MB while it is open; drop it when idle
/// ([`CommitPolicy::is_idle`](crate::CommitPolicy::is_idle)). Dropping it forgets what is not committed.
pub struct Writer {
    index: Index,
    /// `None` after a failure.
    inner: Option<IndexWriter>,
    last: Option<u64>,
    uncommitted: usize,
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("Writer");
        out.field("index", &self.index).field("last", &self.last);
        out.field("uncommitted", &self.uncommitted).finish()
    }
}

impl Index {
    /// Opens the writer. There is one at a time.
    ///
    /// # Errors
    /// [`SearchError::Write`] if one is open already or the files cannot be written.
    pub fn writer(&self) -> Result<Writer, SearchError> {
        let inner = caught(|| open(self))?;
        self.mark_writing()?;
        Ok(Writer {
            index: self.clone(),
            inner: Some(inner),
            last: self.position(),
            uncommitted: 0,
        })
    }
}

fn open(index: &Index) -> tantivy::Result<IndexWriter> {
    let options = IndexWriterOptions::builder();
    let options = options.num_worker_threads(1).num_merge_threads(1);
    let options = options.memory_budget_per_thread(ARENA).build();
    let writer: IndexWriter = index.0.index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(merge_policy()));
    // What a writer that failed has left would be in the way of this one.
    writer.garbage_collect_files().wait()?;
    Ok(writer)
}

fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_del_docs_ratio_before_merge(0.3);
    policy
}

impl Writer {
    /// Takes changes in, in their order, each with its place in the outbox, which never falls. Applying
    /// the same changes again changes nothing. They are found after the next [`commit`](Self::commit).
    ///
    /// When the index is built anew from messages, pass each one's `ord` as its place, in rising
    /// order: then the position is true at every moment.
    ///
    /// # Errors
    /// [`SearchError::Write`]: drop this writer, and begin another one from [`Index::position`].
    pub fn apply(&mut self, changes: &[(u64, Change)]) -> Result<(), SearchError> {
        let index = self.index.clone();
        let fields = &index.0.fields;
        self.run(|writer| {
            for (_, change) in changes {
                match change {
                    Change::Put(doc) => {
                        writer.delete_term(Term::from_field_u64(fields.ord, doc.ord));
                        writer.add_document(fields.document(doc))?;
                    }
                    Change::Remove { ord } => {
                        writer.delete_term(Term::from_field_u64(fields.ord, *ord));
                    }
                    Change::RemoveConversation(key) => {
                        writer.delete_term(Term::from_field_bytes(fields.conversation, key));
                    }
                }
            }
            Ok(())
        })?;
        let last = changes.iter().map(|(lsn, _)| *lsn).max();
        self.last = self.last.max(last);
        self.uncommitted += changes.len();
        Ok(())
    }

    /// Makes what was applied durable and findable, and returns the position; `None` if nothing was
    /// ever applied. Waits for the disk: tens of milliseconds. All changes up to the position may then
    /// be taken out of the outbox.
    ///
    /// # Errors
    /// [`SearchError::Write`] as with [`apply`](Self::apply); [`SearchError::Damaged`].
    pub fn commit(&mut self) -> Result<Option<u64>, SearchError> {
        let Some(last) = self.last else {
            return Ok(None);
        };
        if self.uncommitted == 0 && self.index.position() == Some(last) {
            return Ok(Some(last));
        }
        let payload = self.index.payload(last);
        self.run(|writer| {
            let mut commit = writer.prepare_commit()?;
            // A commit without one would forget the position.
            commit.set_payload(&payload);
            commit.commit()
        })?;
        self.index.committed(last)?;
        self.uncommitted = 0;
        Ok(Some(last))
    }

    /// Commits, and writes anew every file that still holds words of removed messages, so that none is
    /// left on the disk. For a purge: it takes as long as indexing that part of the history.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn expunge(&mut self) -> Result<(), SearchError> {
        self.commit()?;
        let Some(last) = self.last else {
            return Ok(());
        };
        // Merges that run now would take segments away from under this.
        let Some(writer) = self.inner.take() else {
            return Ok(());
        };
        caught(|| writer.wait_merging_threads())?;
        self.inner = Some(caught(|| open(&self.index))?);
        self.run(|writer| {
            writer.set_merge_policy(Box::new(NoMergePolicy));
            let metas = writer.index().searchable_segment_metas()?;
            for meta in metas.iter().filter(|meta| meta.has_deletes()) {
                writer.merge(&[meta.id()]).wait()?;
            }
            writer.set_merge_policy(Box::new(merge_policy()));
            Ok(())
        })?;
        // The old files are let go before they are deleted: not every system deletes an open file.
        self.index.committed(last)?;
        self.run(|writer| writer.garbage_collect_files().wait().map(|_| ()))
    }

    /// Changes that were applied and not committed.
    pub fn uncommitted(&self) -> usize {
        self.uncommitted
    }

    /// Waits for merges that run, and closes the writer. What is not committed is forgotten.
    ///
    /// # Errors
    /// [`SearchError::Write`] if a merge failed.
    pub fn close(mut self) -> Result<(), SearchError> {
        let Some(writer) = self.inner.take() else {
            return Ok(());
        };
        caught(|| writer.wait_merging_threads())?;
        self.index.writer_ended(true);
        Ok(())
    }

    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut IndexWriter) -> tantivy::Result<T>,
    ) -> Result<T, SearchError> {
        let Some(writer) = &mut self.inner else {
            let text = "an earlier update failed".to_owned();
            return Err(SearchError::Write(text));
        };
        let result = caught(|| work(writer));
        if result.is_err() {
            self.inner = None;
        }
        result
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After a failure the mark stays, so that the next open has the files checked.
        if let Some(writer) = self.inner.take()
            && caught(|| {
                drop(writer);
                Ok(())
            })
            .is_ok()
        {
            self.index.writer_ended(false);
        }
    }
}

fn caught<T>(work: impl FnOnce() -> tantivy::Result<T>) -> Result<T, SearchError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(TantivyError::LockFailure(..))) => {
            let text = "another part of ValeChat is updating it".to_owned();
            Err(SearchError::Write(text))
        }
        Ok(Err(error)) => Err(SearchError::Write(error.to_string())),
        Err(panic) => Err(SearchError::Write(panic_text(panic.as_ref()))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use crate::{Change, Doc, Index};

    fn put(ord: u64, text: &str) -> (u64, Change) {
        let doc = Doc {
            ord,
            conversation: [1; 16],
            time_ms: ord,
            role: "user".to_owned(),
            provider: None,
            model: None,
            has_attachment: false,
            text: text.to_owned(),
        };
        (ord, Change::Put(doc))
    }

    /// In how many files' dictionaries a word is.
    fn dictionaries_with(index: &Index, word: &str) -> usize {
        let searcher = index.searcher();
        let with = searcher.segment_readers().iter().filter(|reader| {
            let words = reader.inverted_index(index.0.fields.text).unwrap();
            words.terms().term_ord(word).unwrap().is_some()
        });
        with.count()
    }

    fn files(index: &Index) -> Vec<PathBuf> {
        let entries = fs::read_dir(index.0.folder.join("files")).unwrap();
        let names = entries.map(|entry| PathBuf::from(entry.unwrap().file_name()));
        names
            .filter(|name| !name.to_str().unwrap().starts_with('.'))
            .collect()
    }

    #[test]
    fn a_purged_word_is_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), 1).unwrap().index;
        let mut writer = index.writer().unwrap();
        for ord in 1..300 {
            writer.apply(&[put(ord, "plain words")]).unwrap();
        }
        writer.apply(&[put(300, "the passphrase")]).unwrap();
        writer.commit().unwrap();
        writer
            .apply(&[put(301, "passphrase again"), put(302, "and more")])
            .unwrap();
        writer.commit().unwrap();
        assert_eq!(dictionaries_with(&index, "passphrase"), 2);
        let old = files(&index);
        writer
            .apply(&[
                (303, Change::Remove { ord: 300 }),
                (304, Change::Remove { ord: 301 }),
            ])
            .unwrap();
        writer.commit().unwrap();
        assert_eq!(
            dictionaries_with(&index, "passphrase"),
            2,
            "removed only from the answers"
        );
        writer.expunge().unwrap();
        assert_eq!(dictionaries_with(&index, "passphrase"), 0);
        let left = files(&index);
        let is_old = |name: &&PathBuf| old.contains(name) && name.to_str() != Some("meta.json");
        assert_eq!(left.iter().find(is_old), None, "{left:?}");
        assert_eq!((index.len(), index.position()), (300, Some(304)));
        index.validate_checksum().unwrap();
    }
}
