//! What is left of deleted rooms and messages goes in the background: long logs, and words by which a room could be searched.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::database::{Availability, Database};
use crate::error::Result;

/// Between two batches: posts come first.
const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// How soon it is noticed that there is something to remove.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Removes until `stop` what is left. Each batch is a transaction: a restart goes on where this ended.
pub async fn remove_leftovers(database: Database, stop: CancellationToken) {
    loop {
        let pause = match stop.run_until_cancelled(remove_some(&database)).await {
            None => return,
            Some(Ok(true)) => BATCH_PAUSE,
            Some(Ok(false)) => CHECK_INTERVAL,
            Some(Err(error)) => {
                // That the database is away is logged already.
                if database.availability() == Availability::Available {
                    tracing::warn!(%error, "removing what is left of deleted rooms and messages failed, retrying");
                }
                CHECK_INTERVAL
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn remove_some(database: &Database) -> Result<bool> {
    let (rooms, words) = (database.delete_some_of_rooms().await?, database.forget_some_words().await?);
    Ok(rooms || words)
}
