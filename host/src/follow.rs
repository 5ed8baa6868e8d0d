//! Watches files and notifies of changes. The server uses it for its plugins and configuration, `plugin watch` for sources.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Files count as written when nothing happened for this long.
pub(crate) const QUIET: Duration = Duration::from_millis(200);
/// The longest wait for files that keep changing.
const MAX_QUIET_WAIT: Duration = Duration::from_secs(2);

/// Watches folders until it is dropped.
pub(crate) struct Watch(RecommendedWatcher);

impl Watch {
    /// Also watches this folder and all folders below it.
    pub(crate) fn add_recursive(&mut self, folder: &Path) -> notify::Result<()> {
        self.0.watch(folder, RecursiveMode::Recursive)
    }
}

/// Notifies `changed` when a file in this folder changes for which `concerns` is true. The folder is watched, not its files,
/// since a file that is replaced by renaming another one gets a new inode.
pub(crate) fn follow(
    folder: &Path,
    concerns: impl Fn(&Path) -> bool + Send + 'static,
    changed: &Arc<Notify>,
) -> notify::Result<Watch> {
    let changed = changed.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let relevant = match &event {
            Ok(event) => is_change(event.kind) && event.paths.iter().any(|path| concerns(path)),
            // For example an overflow: any file may have changed.
            Err(_) => true,
        };
        if relevant {
            changed.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(Watch(watcher))
}

/// Whether an event is a change. Reading a file is an event too, and watchers read the files.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Waits until nothing has happened for [`QUIET`], at most [`MAX_QUIET_WAIT`].
pub(crate) async fn quiet(changed: &Notify) {
    let latest = Instant::now() + MAX_QUIET_WAIT;
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
    async fn replacing_a_file_by_renaming_notifies_and_reading_does_not() {
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
    async fn files_that_do_not_concern_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let changed = Arc::new(Notify::new());
        let _watch = follow(folder.path(), |path| path.ends_with("config.toml"), &changed).unwrap();
        std::fs::write(folder.path().join("data.db"), "x").unwrap();
        assert!(timeout_at(Instant::now() + QUIET, changed.notified()).await.is_err());
        std::fs::write(folder.path().join("config.toml"), "x").unwrap();
        changed.notified().await;
    }

    #[tokio::test]
    async fn changes_below_a_recursively_watched_folder_notify() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("src/deep");
        std::fs::create_dir_all(&deep).unwrap();
        let changed = Arc::new(Notify::new());
        let mut watch = follow(folder.path(), |_| true, &changed).unwrap();
        watch.add_recursive(&folder.path().join("src")).unwrap();
        std::fs::write(deep.join("lib.rs"), "x").unwrap();
        changed.notified().await;
    }
}
