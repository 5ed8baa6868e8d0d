//! What is left of deleted rooms: their logs go in the background.

use tokio_util::sync::CancellationToken;

use super::Rooms;
use crate::error::Result;

/// How many batches are deleted before others get their turn.
const BATCHES: usize = 200;

impl Rooms {
    /// Goes on with dropping the words of deleted messages, by which a room could be searched.
    pub async fn forget_words(&self, stop: &CancellationToken) -> Result<()> {
        for _ in 0..BATCHES {
            if stop.is_cancelled() || !self.database.forget_some_words().await? {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Goes on with deleting the logs of deleted rooms for a while. Whatever is committed is done; a restart goes on from there.
    pub async fn delete_logs(&self, stop: &CancellationToken) -> Result<()> {
        for _ in 0..BATCHES {
            if stop.is_cancelled() || !self.database.delete_some_of_rooms().await? {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
