//! Messages: what may be posted, and reading what was.

pub mod writer;

pub use self::writer::{PostDone, Posted, Writer};
use crate::config;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::protocol::{Entry, Message, Page, RoomId};

/// The most messages or entries one answer carries.
pub const MAX_PAGE: u32 = 200;
/// How many missed entries are sent one by one; whoever missed more pages through the history.
const MAX_BACKLOG: u64 = 1000;
const MAX_KEY_BYTES: usize = 128;

pub struct Messages {
    database: Database,
    max_chars: usize,
}

impl Messages {
    pub fn new(database: Database, config: &config::Limits) -> Self {
        Self { database, max_chars: config.message_chars }
    }

    /// Whether a text may be a message.
    pub fn check_body(&self, body: &str) -> Result<()> {
        if body.trim().is_empty() {
            return Err(Error::invalid("body", "must not be empty"));
        }
        if body.chars().count() > self.max_chars {
            return Err(Error::TooLarge { what: "body", limit: format!("{} characters", self.max_chars) });
        }
        match body.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            Some(bad) => {
                Err(Error::invalid("body", format!("must not hold the control character U+{:04X}", u32::from(bad))))
            }
            None => Ok(()),
        }
    }

    /// Whether a client's idempotency key may be one.
    pub fn check_key(key: &str) -> Result<()> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
            return Err(Error::invalid("key", format!("1 to {MAX_KEY_BYTES} bytes without control characters")));
        }
        Ok(())
    }

    /// Messages in their present state, oldest first, and whether there are more in that direction.
    pub async fn history(&self, room: RoomId, page: Page, limit: u32) -> Result<(Vec<Message>, bool)> {
        self.database.messages(room, page, limit.clamp(1, MAX_PAGE)).await
    }

    pub async fn last_seq(&self, room: RoomId) -> Result<u64> {
        self.database.last_seq(room).await
    }

    /// All entries after `since` up to `last`, or none if they are too many to send one by one.
    pub async fn backlog(&self, room: RoomId, since: u64, last: u64) -> Result<Option<Vec<Entry>>> {
        if since > last || last - since > MAX_BACKLOG {
            return Ok(None);
        }
        let limit = u32::try_from(MAX_BACKLOG).unwrap_or(u32::MAX);
        let entries = self.database.entries(room, since, last, limit).await?;
        // Whole or not at all.
        Ok((entries.len() as u64 == last - since).then_some(entries))
    }
}
