//! `kv` for one call: the caps that hold whatever the store behind it does.

use vale_types::Failure;

use crate::context::KvError;
use crate::state::State;

/// Longest key, bytes.
const MAX_KEY: usize = 512;
/// Largest value, bytes.
const MAX_VALUE: usize = 1 << 20;
/// Keys in one listing, whatever the guest asks for.
const MAX_LISTED: usize = 1_000;
/// Changes in one call: each may cost the host a write to its disk.
const MAX_CHANGES: u32 = 10_000;
/// Bytes of the values written in one call.
const MAX_WRITTEN: u64 = 64 << 20;

/// What a call has changed so far.
#[derive(Debug, Default)]
pub(crate) struct KvMeter {
    changes: u32,
    written: u64,
}

impl KvMeter {
    /// Counts one change; false once there were too many.
    fn change(&mut self, bytes: usize) -> bool {
        self.changes = self.changes.saturating_add(1);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(bytes);
        self.changes <= MAX_CHANGES && self.written <= MAX_WRITTEN
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
}

impl State {
    pub(crate) fn kv_get(&self, key: &str) -> wasmtime::Result<Option<Vec<u8>>> {
        if !is_key(key) {
            // Nothing was ever kept under it.
            return Ok(None);
        }
        self.context.kv.get(key).map_err(|why| self.kv_failed(&why))
    }

    pub(crate) fn kv_set(&mut self, key: &str, value: &[u8]) -> Result<(), KvError> {
        if key.is_empty() {
            return Err(KvError::Other("A key must not be empty.".to_owned()));
        }
        if !is_key(key) || value.len() > MAX_VALUE {
            return Err(KvError::TooLarge);
        }
        if !self.kv.change(value.len()) {
            return Err(KvError::Full);
        }
        self.context.kv.set(key, value)
    }

    pub(crate) fn kv_delete(&mut self, key: &str) -> wasmtime::Result<()> {
        if !is_key(key) {
            return Ok(());
        }
        if !self.kv.change(0) {
            return Err(self.broken(&format!(
                "it changed its state more than {MAX_CHANGES} times in one call"
            )));
        }
        self.context
            .kv
            .delete(key)
            .map_err(|why| self.kv_failed(&why))
    }

    pub(crate) fn kv_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> wasmtime::Result<Vec<String>> {
        let limit = usize::try_from(limit).unwrap_or(MAX_LISTED).min(MAX_LISTED);
        if prefix.len() > MAX_KEY || limit == 0 {
            return Ok(Vec::new());
        }
        let mut keys = self
            .context
            .kv
            .list(prefix, after, limit)
            .map_err(|why| self.kv_failed(&why))?;
        // The contract's order and bounds, whoever keeps the keys.
        keys.retain(|key| {
            key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
        });
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    fn kv_failed(&self, why: &str) -> wasmtime::Error {
        self.end_with(Failure::host(format!(
            "The plugin's state could not be reached: {why}"
        )))
    }
}
