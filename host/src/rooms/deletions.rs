//! Removes data of deleted rooms and messages in the background: long logs, and words by which a room could be searched.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::database::{Availability, Database};
use crate::error::Result;

/// Pause between two batches, so that posts come first.
const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// How often the database is checked for something to remove.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Removes data of deleted rooms and messages until `stop`. Each batch is a transaction, so a restart continues where this ended.
pub async fn remove_leftovers(database: Database, stop: CancellationToken) {
    loop {
        let pause = match stop.run_until_cancelled(remove_some(&database)).await {
            None => return,
            Some(Ok(true)) => BATCH_PAUSE,
            Some(Ok(false)) => CHECK_INTERVAL,
            Some(Err(error)) => {
                // An unavailable database is logged already.
                if database.availability() == Availability::Available {
                    tracing::warn!(%error, "removing data of deleted rooms and messages failed, retrying");
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
