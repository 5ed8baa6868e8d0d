//! Following the folder, and the file that has the plugins' tables, while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use super::{Folder, Look, Order};
use crate::config::{self, Config};

/// A file counts as written when nothing happened for this long,
const QUIET: Duration = Duration::from_millis(200);
/// but somebody who never stops writing is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Watchers miss things: network folders, a folder that was replaced, an overflow.
const RESCAN: Duration = Duration::from_secs(10);

impl Folder {
    /// Follows the folder until the future is dropped, or nobody is left to give orders.
    pub(in crate::plugins) async fn watch(mut self, config_file: Option<PathBuf>) {
        let folder_changed = Arc::new(Notify::new());
        let config_changed = Arc::new(Notify::new());
        // Watches end when they are dropped.
        let _folder = follow(&self.config.folder, None, &folder_changed);
        let _config = config_file.as_ref().and_then(|file| {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            follow(folder, file.file_name(), &config_changed)
        });
        let mut rescan = interval_at(Instant::now() + RESCAN, RESCAN);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                () = folder_changed.notified() => {
                    quiet(&folder_changed).await;
                    Look::Read
                }
                () = config_changed.notified() => {
                    quiet(&config_changed).await;
                    self.read_config(config_file.clone()).await;
                    Look::Glance
                }
                _ = rescan.tick() => Look::Glance,
                order = self.orders.recv() => match order {
                    Some(order) => {
                        self.obey(order).await;
                        continue;
                    }
                    None => return,
                },
            };
            if !self.scan(look).await {
                folder_changed.notify_one();
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        if let Some(tables) = order.tables {
            self.tables = tables;
        }
        self.scan(Look::Read).await;
        // Whoever asked may have gone away.
        let _ = order.done.send(());
    }

    async fn read_config(&mut self, file: Option<PathBuf>) {
        let read = tokio::task::spawn_blocking(move || Config::load(file.as_deref(), config::environment()));
        match read.await {
            Ok(Ok(config)) => {
                if config.plugins.folder != self.config.folder {
                    tracing::warn!("the plugins folder changed in the configuration; that takes a restart");
                }
                let folder = std::mem::take(&mut self.config.folder);
                self.config = config::Plugins { folder, ..config.plugins };
                self.tables = config.plugin;
            }
            Ok(Err(faults)) => tracing::error!("the plugins keep their former settings: {faults}"),
            Err(error) => tracing::error!(%error, "reading the configuration panicked"),
        }
    }
}

/// Watches a folder, not a file in it: replacing a file by renaming another gives it a new identity.
fn follow(folder: &Path, only: Option<&std::ffi::OsStr>, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let only = only.map(ToOwned::to_owned);
    let changed = changed.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns = match &event {
            Ok(event) => {
                is_change(event.kind)
                    && only.as_ref().is_none_or(|name| event.paths.iter().any(|path| path.file_name() == Some(name)))
            }
            // An overflow, say: then anything may have happened.
            Err(_) => true,
        };
        if concerns {
            changed.notify_one();
        }
    });
    let watching = watcher.and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watching {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(
                folder = %folder.display(), %error,
                "cannot watch the folder; plugins that change are noticed within {} s", RESCAN.as_secs()
            );
            None
        }
    }
}

/// Reading a file is an event too, and this very server reads them.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Waits until nothing has happened for a while.
async fn quiet(changed: &Notify) {
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
        let _watch = follow(folder.path(), None, &changed).unwrap();

        std::fs::read(&path).unwrap();
        assert!(timeout_at(Instant::now() + QUIET, changed.notified()).await.is_err());

        let new = folder.path().join(".p.wasm.new");
        std::fs::write(&new, "new").unwrap();
        std::fs::rename(&new, &path).unwrap();
        changed.notified().await;
    }

    #[tokio::test]
    async fn only_the_named_file_counts_in_a_folder_that_others_use() {
        let folder = tempfile::tempdir().unwrap();
        let changed = Arc::new(Notify::new());
        let _watch = follow(folder.path(), Some("config.toml".as_ref()), &changed).unwrap();
        std::fs::write(folder.path().join("data.db"), "x").unwrap();
        assert!(timeout_at(Instant::now() + QUIET, changed.notified()).await.is_err());
        std::fs::write(folder.path().join("config.toml"), "x").unwrap();
        changed.notified().await;
    }
}
