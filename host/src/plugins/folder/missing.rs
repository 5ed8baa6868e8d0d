//! Blocks messages and joins while a filter or guard that should decide on them does not run.

use std::sync::Arc;

use super::{Folder, Terms};
use crate::plugins::contract::{self, Shape};
use crate::plugins::load::LoadError;
use crate::plugins::registry::MissingPlugin;

impl Folder {
    /// Marks a plugin that cannot be loaded as missing: while a filter is missing, messages are rejected; while a guard is
    /// missing, private rooms cannot be joined. This applies to plugins that have run here before, and to those whose file is
    /// quarantined, but not to other plugins that never ran.
    pub(super) async fn block_without(&mut self, id: &Arc<str>, file: Option<&[u8]>, terms: &Terms, error: &LoadError) {
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
        // If no file can be read, it may have been either.
        let has = |hook: &str| shapes.is_empty() || shapes.iter().any(|shape| shape.hooks.contains(hook));
        let missing =
            MissingPlugin { filter: has("message-filter"), guard: has("room-guard"), on_fault: terms.table.on_fault };
        if !missing.decides() || registry.missing(id) == Some(&missing) {
            return;
        }
        if missing.rejects() {
            tracing::error!(plugin = %id, "message filter not running: posting is blocked until it runs, or is disabled or removed");
        }
        if missing.guard {
            tracing::error!(plugin = %id, "room guard not running: private rooms cannot be joined until it runs, or is disabled or removed");
        }
        self.swap(registry.with_missing(id.clone(), missing));
    }
}
