//! Being told that files change. One watcher for all who follow a folder: the server its plugins, a tool its sources.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Files count as written when nothing happened for this long,
pub(crate) const QUIET: Duration = Duration::from_millis(200);
/// but somebody who never stops writing is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Follows what it was told to until it is dropped.
pub(crate) struct Watch(RecommendedWatcher);

impl Watch {
    /// Follows this folder, too, and all below it.
    pub(crate) fn and_all_below(&mut self, folder: &Path) -> notify::Result<()> {
        self.0.watch(folder, RecursiveMode::Recursive)
    }
}

/// Tells `changed` when something happens in this folder to what `concerns` names. The folder is watched, not a file in it:
/// replacing a file by renaming another gives it a new identity.
pub(crate) fn follow(
    folder: &Path,
    concerns: impl Fn(&Path) -> bool + Send + 'static,
    changed: &Arc<Notify>,
) -> notify::Result<Watch> {
    let changed = changed.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let told = match &event {
            Ok(event) => is_change(event.kind) && event.paths.iter().any(|path| concerns(path)),
            // An overflow, say: then anything may have happened.
            Err(_) => true,
        };
        if told {
            changed.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(Watch(watcher))
}

/// Reading a file is an event too, and whoever follows files reads them.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Waits until nothing has happened for a while.
pub(crate) async fn quiet(changed: &Notify) {
    let latest = Instant::now() + PATIENCE;
    loop {
        let pause = (Instant::now() + QUIET).min(latest);
        if timeout_at(pause, changed.notified()).await.is_err() || Instant::now() >= latest {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_replaced_by_renaming_is_noticed_and_reading_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.wasm");
        std::fs::write(&path, "old").unwrap();
        let changed = Arc::new(Notify::new());
        let _watch = follow(folder.path(), |_| true, &changed).unwrap();

        std::fs::read(&path).unwrap();
        assert!(timeout_at(Instant::now() + QUIET, changed.notified()).await.is_err());

        let new = folder.path().join(".p.wasm.new");
        std::fs::write(&new, "new").unwrap();
        std::fs::rename(&new, &path).unwrap();
        changed.notified().await;
    }

    #[tokio::test]
    async fn only_what_concerns_counts_in_a_folder_that_others_use() {
        let folder = tempfile::tempdir().unwrap();
        let changed = Arc::new(Notify::new());
        let _watch = follow(folder.path(), |path| path.ends_with("config.toml"), &changed).unwrap();
        std::fs::write(folder.path().join("data.db"), "x").unwrap();
        assert!(timeout_at(Instant::now() + QUIET, changed.notified()).await.is_err());
        std::fs::write(folder.path().join("config.toml"), "x").unwrap();
        changed.notified().await;
    }

    #[tokio::test]
    async fn what_happens_far_below_a_folder_is_noticed_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("src/deep");
        std::fs::create_dir_all(&deep).unwrap();
        let changed = Arc::new(Notify::new());
        let mut watch = follow(folder.path(), |_| true, &changed).unwrap();
        watch.and_all_below(&folder.path().join("src")).unwrap();
        std::fs::write(deep.join("lib.rs"), "x").unwrap();
        changed.notified().await;
    }
}
