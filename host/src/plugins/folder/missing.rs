//! Filters and guards that should decide and do not run: nothing passes them.

use std::sync::Arc;

use super::{Folder, Terms};
use crate::plugins::contract::{self, Shape};
use crate::plugins::load::LoadError;
use crate::plugins::registry::Missing;

impl Folder {
    /// What a plugin that cannot be loaded would decide is not decided without it: nothing is posted past a filter, nobody
    /// comes in past a guard. That holds for those that have run here before, and for those whose file is quarantined; one
    /// that never ran is not waited for.
    pub(super) async fn close_for(&mut self, id: &Arc<str>, file: Option<&[u8]>, terms: &Terms, error: &LoadError) {
        let registry = self.shared.registry.load_full();
        let quarantined = matches!(error, LoadError::Quarantined { .. });
        let last = self.versions.of(id).first().cloned();
        if registry.plugin(id).is_some() || (!quarantined && last.is_none()) {
            return;
        }
        let last = match &last {
            Some(last) => self.versions.read(id, last).await.ok(),
            None => None,
        };
        let shape = |bytes: &[u8]| contract::read_shape(bytes).ok();
        let shapes: Vec<Shape> =
            [file.and_then(shape), last.as_deref().and_then(shape)].into_iter().flatten().collect();
        // What cannot be read might have been either.
        let has = |hook: &str| shapes.is_empty() || shapes.iter().any(|shape| shape.hooks.contains(hook));
        let missing =
            Missing { filter: has("message-filter"), guard: has("room-guard"), on_fault: terms.table.on_fault };
        if !missing.decides() || registry.missing(id) == Some(&missing) {
            return;
        }
        if missing.rejects() {
            tracing::error!(plugin = %id, "a message filter does not run: nothing can be posted until it does, or is disabled or removed");
        }
        if missing.guard {
            tracing::error!(plugin = %id, "a room guard does not run: private rooms stay shut until it does, or is disabled or removed");
        }
        self.swap(registry.with_missing(id.clone(), missing));
    }
}
