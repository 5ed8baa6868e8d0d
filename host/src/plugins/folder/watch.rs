//! Following the folder while the server runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Folder, Look};
use crate::follow::{Watch, follow, quiet};

/// Watchers miss things: network folders, a folder that was replaced, an overflow.
const RESCAN: Duration = Duration::from_secs(10);
/// In a cluster: how soon a change on another node is noticed that nobody tells of.
const LOOK: Duration = Duration::from_secs(1);

impl Folder {
    /// Follows the folder until the future is dropped, or nobody is left to give orders.
    pub(in crate::plugins) async fn watch(mut self) {
        let folder_changed = Arc::new(Notify::new());
        let _folder = followed(&self.config.folder, &folder_changed);
        let mut rescan = interval_at(Instant::now() + RESCAN, RESCAN);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = self.shared.clone();
        let mut look_at_set = interval_at(Instant::now() + LOOK, LOOK);
        look_at_set.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                () = folder_changed.notified() => {
                    quiet(&folder_changed).await;
                    Look::Read
                }
                _ = rescan.tick() => Look::Glance,
                _ = look_at_set.tick(), if self.set.is_some() => {
                    self.follow_set().await;
                    continue;
                }
                () = shared.set_hint.notified(), if self.set.is_some() => {
                    self.follow_set().await;
                    continue;
                }
                Some(finished) = self.compiling.jobs.join_next_with_id() => {
                    if !self.finish(finished).await {
                        folder_changed.notify_one();
                    }
                    continue;
                }
                order = self.commands.recv() => match order {
                    Some(order) => {
                        self.take(order).await;
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
}

/// Without a watcher, the rescans have to do.
fn followed(folder: &Path, changed: &Arc<Notify>) -> Option<Watch> {
    let watch = follow(folder, |_| true, changed);
    if let Err(error) = &watch {
        tracing::warn!(
            folder = %folder.display(), %error,
            "cannot watch the folder; plugins that change are noticed within {} s", RESCAN.as_secs()
        );
    }
    watch.ok()
}
