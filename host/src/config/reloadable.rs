//! Sections that can change while the server runs.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// A handle on a section of the configuration; all clones see its current value.
#[derive(Debug)]
pub struct Reloadable<T>(Arc<ArcSwap<T>>);

impl<T> Reloadable<T> {
    /// The current value, for use without awaiting; otherwise use [`Reloadable::latest`].
    pub fn get(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// The current value, to be kept.
    pub fn latest(&self) -> Arc<T> {
        self.0.load_full()
    }

    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> From<T> for Reloadable<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }
}

impl<T: Clone> From<&T> for Reloadable<T> {
    fn from(value: &T) -> Self {
        value.clone().into()
    }
}
