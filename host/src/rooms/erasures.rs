//! Erases data of deleted accounts: their names in rooms' logs and in the audit log, their sessions, the names of their files,
//! and with `erase` their messages and files.

use super::Rooms;
use crate::error::{Error, Result};
use crate::protocol::{Actor, Change, RoomId, Unit};

/// How many messages one commit deletes.
const MAX_DELETIONS_PER_COMMIT: usize = 50;

impl Rooms {
    /// Erases one batch; false once nothing is left. After an error the next call repeats the batch.
    pub async fn erase_some(&self) -> Result<bool> {
        let accounts = self.database.erasures().await?;
        if accounts.is_empty() {
            return Ok(false);
        }
        let batch = self.database.erase_batch(&accounts).await?;
        for some in batch.messages.chunks(MAX_DELETIONS_PER_COMMIT) {
            self.delete_messages(some).await?;
        }
        self.database.erased_up_to(&accounts, batch.end).await?;
        if !batch.last {
            return Ok(true);
        }
        for account in &accounts {
            loop {
                let sessions = self.database.sessions_made_by(account).await?;
                if sessions.is_empty() {
                    break;
                }
                for room in sessions {
                    self.commit_unless_gone(vec![Change::DeleteRoom { room }]).await?;
                }
            }
            while self.database.erase_files(account).await? > 0 {}
            self.database.erase_timers(account).await?;
            self.database.end_erasure(account).await?;
            tracing::info!(account = %account.uid, messages = account.erase, "erased data of deleted account");
        }
        Ok(true)
    }

    /// Deletes messages in one commit, or one by one if some of them are gone meanwhile.
    async fn delete_messages(&self, messages: &[(RoomId, u64)]) -> Result<()> {
        let deletion = |(room, seq): &(RoomId, u64)| Change::DeleteMessage { room: *room, seq: *seq };
        let all = Unit::new(Actor::Server, messages.iter().map(deletion).collect());
        match self.writer.commit(all).await {
            Err(Error::NotFound(_)) => {}
            other => return other,
        }
        for message in messages {
            self.commit_unless_gone(vec![deletion(message)]).await?;
        }
        Ok(())
    }

    async fn commit_unless_gone(&self, changes: Vec<Change>) -> Result<()> {
        match self.writer.commit(Unit::new(Actor::Server, changes)).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }
}
