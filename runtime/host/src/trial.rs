//! New versions of plugins prove themselves in their first calls, or the version before them comes back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use vale_plugins::{Installed, Shelf, Verdict, condemns};
use vale_types::{Failure, PluginId};

/// A version that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRolledBack {
    /// The plugin.
    pub plugin: PluginId,
    /// The version that failed.
    pub version: String,
    /// The version that answers from now on.
    pub back_to: String,
    /// What the failed one did.
    pub why: String,
}

type Told = Box<dyn Fn(PluginRolledBack) + Send + Sync>;

/// Watches the first calls of new versions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Trials(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    told: OnceLock<Told>,
    /// Calls that a version (by hash) has still to end well, as this process knows; the record on disk
    /// decides.
    open: Mutex<HashMap<String, u32>>,
}

/// One version under trial.
#[derive(Clone)]
pub(crate) struct Trial {
    trials: Trials,
    plugin: PluginId,
    version: String,
    sha256: String,
}

impl Trials {
    pub(crate) fn new(shelf: Shelf) -> Self {
        Self(Arc::new(Inner {
            shelf,
            told: OnceLock::new(),
            open: Mutex::default(),
        }))
    }

    /// Who is told when a version was taken back. The first one counts.
    pub(crate) fn when_rolled_back(&self, told: impl Fn(PluginRolledBack) + Send + Sync + 'static) {
        let _ = self.0.told.set(Box::new(told));
    }

    /// The trial of a plugin that has one still.
    pub(crate) fn of(&self, installed: &Installed) -> Option<Trial> {
        let record = installed
            .record
            .as_ref()
            .filter(|record| record.trial > 0)?;
        let sha256 = &record.current.sha256;
        let left = {
            let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
            *open.entry(sha256.clone()).or_insert(record.trial)
        };
        (left > 0).then(|| Trial {
            trials: self.clone(),
            plugin: record.id.clone(),
            version: record.current.version.to_string(),
            sha256: sha256.clone(),
        })
    }
}

impl Trial {
    /// Whether calls are still counted.
    pub(crate) fn is_open(&self) -> bool {
        let open = self.trials.0.open.lock();
        let open = open.unwrap_or_else(PoisonError::into_inner);
        open.get(&self.sha256).is_some_and(|left| *left > 0)
    }

    /// Notes how a call ended. Where that took the version back, the failure says so too.
    pub(crate) async fn ended<T>(&self, ended: Result<T, Failure>) -> Result<T, Failure> {
        let why = match &ended {
            // An upstream's failure says nothing about the plugin, neither way.
            Err(Failure::Error(_)) => return ended,
            Err(Failure::Fault(fault)) if !condemns(fault.class) => return ended,
            Err(Failure::Fault(fault)) => Some(fault.to_string()),
            Ok(_) => None,
        };
        let trial = self.clone();
        let noted = tokio::task::spawn_blocking(move || trial.note(why.as_deref())).await;
        match (noted, ended) {
            (Ok(Some(told)), Err(Failure::Fault(mut fault))) => {
                fault.detail = format!(
                    "{}. This was version {} of the plugin in its first calls, so it was taken back: \
                     version {} answers from now on",
                    fault.detail, told.version, told.back_to
                );
                Err(fault.into())
            }
            (_, ended) => ended,
        }
    }

    /// Blocks for the disk.
    fn note(&self, why: Option<&str>) -> Option<PluginRolledBack> {
        let inner = &self.trials.0;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        let verdict = inner.shelf.note_call(&self.plugin, &self.sha256, why, now);
        let left = match &verdict {
            Ok(Verdict::Passed) => None,
            // The record knows better, or will not say: no more is counted in this process.
            Ok(Verdict::Unchanged | Verdict::RolledBack(_)) | Err(_) => Some(0),
            Ok(Verdict::NothingBefore) => return None,
        };
        {
            let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = open.get_mut(&self.sha256) {
                *known = left.unwrap_or_else(|| known.saturating_sub(1));
            }
        }
        match verdict {
            Ok(Verdict::RolledBack(rolled_back)) => {
                let record = inner.shelf.record(&self.plugin).ok();
                let told = PluginRolledBack {
                    plugin: self.plugin.clone(),
                    version: self.version.clone(),
                    back_to: record
                        .map_or_else(String::new, |record| record.current.version.to_string()),
                    why: rolled_back.why,
                };
                if let Some(tell) = inner.told.get() {
                    tell(told.clone());
                }
                Some(told)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(plugin = %self.plugin, %error, "the plugin's record was not kept");
                None
            }
        }
    }
}
