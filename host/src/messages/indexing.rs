//! Background indexing for search of messages that were not indexed when stored: those of earlier versions, and those that
//! nodes of the previous version store meanwhile.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::database::{Database, Indexing};

/// Pause between two batches, so that posts come first.
const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// How often unindexed messages are looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Task that indexes messages until `stop`, or until all are indexed and no other node writes.
pub async fn run(database: Database, stop: CancellationToken) {
    let mut indexed = 0;
    loop {
        let pause = match stop.run_until_cancelled(database.index_some()).await {
            None => return,
            Some(Ok(Indexing::More(messages))) => {
                if indexed == 0 {
                    tracing::info!("indexing messages for search, older messages are not found until done");
                }
                // A batch may contain no message.
                indexed += messages.max(1);
                BATCH_PAUSE
            }
            Some(Ok(Indexing::Done)) => {
                if indexed > 0 {
                    tracing::info!(messages = indexed, "indexed messages for search");
                }
                indexed = 0;
                if !database.has_other_writers() {
                    return;
                }
                POLL_INTERVAL
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "indexing for search failed, retrying");
                POLL_INTERVAL
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
