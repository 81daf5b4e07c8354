//! One helper for many programs, as the host holds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Confined, Strength, find_helper, probe};

/// The helper that a host found, or that it found none: a short way to [`Confined`] for programs
/// that need no [`Spec`](crate::Spec).
#[derive(Debug, Clone)]
pub struct Confine {
    helper: Option<PathBuf>,
}

impl Confine {
    /// Starts programs under `helper`; none = plainly.
    #[must_use]
    pub fn new(helper: Option<PathBuf>) -> Self {
        Self { helper }
    }

    /// The first helper that is there, by [`find_helper`], in the order of `folders`.
    pub fn find<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
        folders.into_iter().find_map(find_helper)
    }

    /// See [`Confined::command`].
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        Confined::new(self.helper.as_deref(), program).command()
    }

    /// How well children are held here. It blocks; see [`probe`], which also says why.
    #[must_use]
    pub fn strength(&self) -> Strength {
        probe(self.helper.as_deref()).strength
    }
}
