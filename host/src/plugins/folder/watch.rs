//! Following the folder, and the file that has the plugins' tables, while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Folder, Look};
use crate::config::{self, Config};
use crate::follow::{Watch, follow, quiet};

/// Watchers miss things: network folders, a folder that was replaced, an overflow.
const RESCAN: Duration = Duration::from_secs(10);

impl Folder {
    /// Follows the folder until the future is dropped, or nobody is left to give orders.
    pub(in crate::plugins) async fn watch(mut self, config_file: Option<PathBuf>) {
        let folder_changed = Arc::new(Notify::new());
        let config_changed = Arc::new(Notify::new());
        let _folder = followed(&self.config.folder, |_| true, &folder_changed);
        let _config = config_file.as_ref().and_then(|file| {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = file.file_name().map(ToOwned::to_owned);
            followed(folder, move |path| path.file_name() == name.as_deref(), &config_changed)
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

/// Without a watcher, the rescans have to do.
fn followed(folder: &Path, concerns: impl Fn(&Path) -> bool + Send + 'static, changed: &Arc<Notify>) -> Option<Watch> {
    let watch = follow(folder, concerns, changed);
    if let Err(error) = &watch {
        tracing::warn!(
            folder = %folder.display(), %error,
            "cannot watch the folder; plugins that change are noticed within {} s", RESCAN.as_secs()
        );
    }
    watch.ok()
}
