//! The view as readers see it: there, on its way, or gone until the next start.

use std::sync::{Arc, PoisonError, RwLock};

use crate::error::StoreError;
use crate::rows::{Changes, Origin, Rows};
use crate::view::View;

/// How the view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewState {
    /// It answers.
    Ready,
    /// It is made again, and is so many percent there.
    Rebuilding(u8),
    /// It failed; it is made again at the next start.
    Dead,
}

#[derive(Debug)]
enum Held {
    Ready(View),
    Rebuilding(u8),
    Dead(String),
}

/// Shared by the writer and by readers.
#[derive(Debug, Clone)]
pub(crate) struct Slot(Arc<RwLock<Held>>);

impl Slot {
    pub(crate) fn rebuilding() -> Self {
        Self(Arc::new(RwLock::new(Held::Rebuilding(0))))
    }

    pub(crate) fn state(&self) -> ViewState {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Held::Ready(_) => ViewState::Ready,
            Held::Rebuilding(percent) => ViewState::Rebuilding(*percent),
            Held::Dead(_) => ViewState::Dead,
        }
    }

    pub(crate) fn progress(&self, percent: u8) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Held::Rebuilding(so_far) = &mut *held {
            *so_far = percent;
        }
    }

    pub(crate) fn put(&self, view: View) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Held::Ready(view);
    }

    pub(crate) fn fail(&self, why: String) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Held::Ready(view) = std::mem::replace(&mut *held, Held::Dead(why)) {
            // Dropping it would flush, and that may wait for ever.
            std::mem::forget(view);
        }
    }

    /// A rebuild failed: a view that answers goes on.
    pub(crate) fn not_rebuilt(&self, why: String) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Held::Rebuilding(_) = &*held {
            *held = Held::Dead(why);
        }
    }

    /// Takes the view out, to be shut.
    pub(crate) fn take(&self) -> Option<View> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *held, Held::Dead("the store is closed".to_owned())) {
            Held::Ready(view) => Some(view),
            Held::Rebuilding(_) | Held::Dead(_) => None,
        }
    }

    /// Reads one state of all rows: no change is made meanwhile.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&View) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Held::Ready(view) => ask(view),
            Held::Rebuilding(percent) => Err(StoreError::Rebuilding { percent: *percent }),
            Held::Dead(why) => Err(StoreError::ViewDead(why.clone())),
        }
    }

    /// Makes changes while nobody reads.
    pub(crate) fn apply(&self, changes: Changes, origin: Origin) {
        let held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &*held {
            Held::Ready(view) => view.apply(changes, origin),
            Held::Rebuilding(_) | Held::Dead(_) => Ok(()),
        };
        drop(held);
        if let Err(error) = outcome {
            tracing::error!(%error, "the view failed; it is rebuilt at the next start");
            self.fail(error.to_string());
        }
    }
}

/// Readers get rows, not the view.
pub(crate) fn rows(view: &View) -> &dyn Rows {
    view
}
