//! Watches the folder while the server runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Folder, ScanMode};
use crate::follow::{Watch, follow, quiet};

/// Interval of full rescans, since file watchers miss changes: network folders, a replaced folder, an overflow.
const RESCAN_INTERVAL: Duration = Duration::from_secs(10);
/// In a cluster: poll interval for changes of other nodes whose notification was lost.
const CLUSTER_POLL_INTERVAL: Duration = Duration::from_secs(1);

impl Folder {
    /// Handles file changes and commands until the future is dropped, or all command senders are.
    pub(in crate::plugins) async fn watch(mut self) {
        let folder_changed = Arc::new(Notify::new());
        let _folder = watch_changes(&self.config.folder, &folder_changed);
        let mut rescan = interval_at(Instant::now() + RESCAN_INTERVAL, RESCAN_INTERVAL);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = self.shared.clone();
        let mut cluster_poll = interval_at(Instant::now() + CLUSTER_POLL_INTERVAL, CLUSTER_POLL_INTERVAL);
        cluster_poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mode = tokio::select! {
                () = folder_changed.notified() => {
                    quiet(&folder_changed).await;
                    ScanMode::All
                }
                _ = rescan.tick() => ScanMode::Changed,
                _ = cluster_poll.tick(), if self.cluster_plugins.is_some() => {
                    self.follow_cluster().await;
                    continue;
                }
                () = shared.cluster_hint.notified(), if self.cluster_plugins.is_some() => {
                    self.follow_cluster().await;
                    continue;
                }
                Some(finished) = self.compiling.jobs.join_next_with_id() => {
                    if !self.finish(finished).await {
                        folder_changed.notify_one();
                    }
                    continue;
                }
                command = self.commands.recv() => match command {
                    Some(command) => {
                        self.handle_new(command).await;
                        continue;
                    }
                    None => return,
                },
            };
            if !self.scan(mode).await {
                folder_changed.notify_one();
            }
        }
    }
}

/// Starts a file watcher; if that fails, changes are only noticed by rescans.
fn watch_changes(folder: &Path, changed: &Arc<Notify>) -> Option<Watch> {
    let watch = follow(folder, |_| true, changed);
    if let Err(error) = &watch {
        tracing::warn!(
            folder = %folder.display(), %error,
            rescan_seconds = RESCAN_INTERVAL.as_secs(), "cannot watch plugins folder, changes are noticed by rescans only"
        );
    }
    watch.ok()
}
