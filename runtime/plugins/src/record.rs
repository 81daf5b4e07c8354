//! What is kept of an installed plugin beside its file: which bytes count, which were good before, and
//! how the newest does in its first calls. Values only; [`Shelf`](crate::Shelf) has the disk.

use serde::{Deserialize, Serialize};
use vale_types::{FaultClass, PluginId};

/// Calls that a new version must end well before it counts as good.
pub const TRIAL_CALLS: u32 = 3;

/// The record of one installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The form of this record; later ones are refused.
    pub format: u32,
    /// The plugin.
    pub id: PluginId,
    /// The version that runs.
    pub current: Release,
    /// The version to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Release>,
    /// Calls that the current version has still to end well; 0 = it counts as good.
    #[serde(default)]
    pub trial: u32,
    /// The last version that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolledBack>,
}

/// One version's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// As its manifest says.
    pub version: semver::Version,
    /// SHA-256 of the file, lower-case hex; the file is named by it.
    pub sha256: String,
    /// When it was installed, seconds since 1970.
    pub installed_at: u64,
    /// Where it came from, in words.
    pub source: String,
}

/// A version that failed in its first calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// Its version.
    pub version: semver::Version,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What it did, a sentence.
    pub why: String,
    /// When, seconds since 1970.
    pub at: u64,
}

/// What a call's end meant for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to note.
    Unchanged,
    /// One call less to prove; the record changed.
    Passed,
    /// It failed its trial, and the version before it counts again.
    RolledBack(RolledBack),
    /// It failed its trial, and there is nothing to go back to.
    NothingBefore,
}

impl Record {
    /// The form that is written.
    pub const FORMAT: u32 = 1;

    /// A plugin that was not here before.
    #[must_use]
    pub fn new(id: PluginId, release: Release) -> Self {
        Self {
            format: Self::FORMAT,
            id,
            current: release,
            last_good: None,
            trial: TRIAL_CALLS,
            rolled_back: None,
        }
    }

    /// Puts another version in the place of the current one.
    pub fn replace(&mut self, release: Release) {
        if release.sha256 == self.current.sha256 {
            return;
        }
        let before = std::mem::replace(&mut self.current, release);
        // One that never proved itself is not gone back to while an older one did.
        if self.trial == 0 || self.last_good.is_none() {
            self.last_good = Some(before);
        }
        if self.last_good.as_ref().map(|good| &good.sha256) == Some(&self.current.sha256) {
            self.last_good = None;
        }
        self.trial = TRIAL_CALLS;
        self.rolled_back = None;
    }

    /// A call of the version with this hash ended well.
    pub fn passed(&mut self, sha256: &str) -> Verdict {
        if self.trial == 0 || self.current.sha256 != sha256 {
            return Verdict::Unchanged;
        }
        self.trial -= 1;
        Verdict::Passed
    }

    /// A call of the version with this hash ended with a fault of its own.
    pub fn failed(&mut self, sha256: &str, why: &str, now: u64) -> Verdict {
        if self.trial == 0 || self.current.sha256 != sha256 {
            return Verdict::Unchanged;
        }
        let Some(good) = self.last_good.take() else {
            return Verdict::NothingBefore;
        };
        let bad = std::mem::replace(&mut self.current, good);
        let rolled_back = RolledBack {
            version: bad.version,
            sha256: bad.sha256,
            why: why.to_owned(),
            at: now,
        };
        self.trial = 0;
        self.rolled_back = Some(rolled_back.clone());
        Verdict::RolledBack(rolled_back)
    }

    /// The files that the record needs.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current)
            .chain(&self.last_good)
            .map(|release| release.sha256.as_str())
    }
}

/// Whether a fault speaks against the version that it happened in. A call that took too long waited
/// for its upstream more often than not, and a leaked key is the upstream's doing.
#[must_use]
pub fn condemns(class: FaultClass) -> bool {
    match class {
        FaultClass::Trap
        | FaultClass::CpuLimit
        | FaultClass::MemoryLimit
        | FaultClass::EventFlood
        | FaultClass::LogFlood
        | FaultClass::Protocol
        | FaultClass::Load => true,
        FaultClass::WallLimit | FaultClass::SecretLeak => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release {
            version: version.parse().unwrap(),
            sha256: format!("{version:0>64}"),
            installed_at: 1,
            source: "x.wasm".to_owned(),
        }
    }

    fn record() -> Record {
        Record::new("org.example.x".parse().unwrap(), release("1.0.0"))
    }

    fn sha(version: &str) -> String {
        release(version).sha256
    }

    #[test]
    fn three_good_calls_make_a_version_good_and_a_later_fault_does_not_take_it_back() {
        let mut record = record();
        for _ in 0..TRIAL_CALLS {
            assert_eq!(record.passed(&sha("1.0.0")), Verdict::Passed);
        }
        assert_eq!(record.passed(&sha("1.0.0")), Verdict::Unchanged);
        assert_eq!(record.failed(&sha("1.0.0"), "trap", 2), Verdict::Unchanged);
        assert_eq!(record.current, release("1.0.0"));
    }

    #[test]
    fn a_bad_update_is_taken_back_once_and_a_late_call_of_it_changes_nothing() {
        let mut record = record();
        for _ in 0..TRIAL_CALLS {
            record.passed(&sha("1.0.0"));
        }
        record.replace(release("1.1.0"));
        record.passed(&sha("1.1.0"));
        let verdict = record.failed(&sha("1.1.0"), "it trapped", 2);
        assert!(matches!(verdict, Verdict::RolledBack(ref bad) if bad.why == "it trapped"));
        assert_eq!((&record.current, record.trial), (&release("1.0.0"), 0));
        assert_eq!(record.failed(&sha("1.1.0"), "again", 3), Verdict::Unchanged);
        assert_eq!(record.files().count(), 1);
    }

    #[test]
    fn the_first_version_has_nothing_before_it() {
        let mut record = record();
        assert_eq!(
            record.failed(&sha("1.0.0"), "trap", 2),
            Verdict::NothingBefore
        );
        assert_eq!(record.current, release("1.0.0"));
    }

    #[test]
    fn an_update_that_never_proved_itself_is_not_gone_back_to() {
        let mut record = record();
        for _ in 0..TRIAL_CALLS {
            record.passed(&sha("1.0.0"));
        }
        record.replace(release("1.1.0"));
        record.replace(release("1.2.0"));
        assert_eq!(record.last_good, Some(release("1.0.0")));
        // Going back by hand leaves nothing that counts as before.
        record.replace(release("1.0.0"));
        assert_eq!(record.last_good, None);
    }
}
