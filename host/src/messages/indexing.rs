//! Indexing in the background what was not indexed for the search when it was stored: messages of before this version, and
//! what nodes of the version before store meanwhile.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::database::{Database, Indexing};

/// Between two batches: posts come first.
const REST: Duration = Duration::from_millis(10);
/// How soon it is noticed that there is something to do.
const LOOK: Duration = Duration::from_secs(5);

/// Indexes until `stop` whatever is not indexed.
pub async fn run(database: Database, stop: CancellationToken) {
    let mut indexed = 0;
    loop {
        let rest = match stop.run_until_cancelled(database.index_some()).await {
            None => return,
            Some(Ok(Indexing::More(messages))) => {
                if indexed == 0 {
                    tracing::info!("indexing messages for search; until it is done, the older ones are not found");
                }
                // One batch can be of other entries alone.
                indexed += messages.max(1);
                REST
            }
            Some(Ok(Indexing::Done)) => {
                if indexed > 0 {
                    tracing::info!(messages = indexed, "indexed messages for search");
                }
                indexed = 0;
                if !database.is_written_by_others() {
                    return;
                }
                LOOK
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "indexing for search failed, retrying");
                LOOK
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_none() {
            return;
        }
    }
}
