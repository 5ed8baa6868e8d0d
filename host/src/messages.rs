//! Messages: validating posts, and reading messages, history and missed entries.

mod attachments;
pub mod indexing;
pub mod retention;
pub mod writer;

use unicode_segmentation::UnicodeSegmentation as _;

pub use self::attachments::Attach;
pub use self::retention::Retention;
pub use self::writer::{PostDone, Posted, UnitDone, Writer};
use crate::config::{self, Reloadable};
use crate::database::{Database, Found, Tombstones};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Entry, MAX_PAGE, Message, Page, RoomId, UnreadRoom};
use crate::search::query::Query;
use crate::text;

/// How many missed entries are sent one by one; a client that missed more pages through the history.
const MAX_BACKLOG_ENTRIES: u64 = 20_000;
/// How many missed entries are read at a time.
pub const BACKLOG_PAGE: u32 = 200;
const MAX_KEY_BYTES: usize = 128;
/// A family with skin tones takes 41 bytes, a flag of a region 28.
const MAX_EMOJI_BYTES: usize = 64;

pub struct Messages {
    database: Database,
    limits: Reloadable<config::Limits>,
}

impl Messages {
    pub fn new(database: Database, limits: Reloadable<config::Limits>) -> Self {
        Self { database, limits }
    }

    /// Checks the text of a message.
    pub fn check_body(&self, body: &str) -> Result<()> {
        let most = self.limits.get().message_chars;
        if body.chars().count() > most {
            return Err(Error::TooLarge { what: "body", limit: format!("{most} characters") });
        }
        text::check_body("body", body)
    }

    /// Checks the text beside attached files, which may be empty.
    pub fn check_caption(&self, body: &str) -> Result<()> {
        if body.is_empty() { Ok(()) } else { self.check_body(body) }
    }

    /// Checks a client's idempotency key.
    pub fn check_key(key: &str) -> Result<()> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
            return Err(Error::invalid("key", format!("1 to {MAX_KEY_BYTES} bytes without control characters")));
        }
        Ok(())
    }

    /// Checks a reaction: one grapheme cluster that is visible and not ASCII.
    pub fn check_emoji(emoji: &str) -> Result<()> {
        let blank = emoji.chars().any(char::is_whitespace)
            || !natterjack_text::has_visible(emoji)
            || natterjack_text::check_line(emoji).is_err();
        if emoji.graphemes(true).count() != 1 || emoji.len() > MAX_EMOJI_BYTES || emoji.is_ascii() || blank {
            return Err(Error::invalid("emoji", "should be one emoji, such as 👍"));
        }
        Ok(())
    }

    /// Messages in their current state, oldest first, without deleted ones.
    pub async fn page(&self, room: RoomId, page: Page, limit: u32) -> Result<Vec<Message>> {
        let limit = limit.clamp(1, MAX_PAGE);
        Ok(self.database.messages(room, page, limit, Tombstones::LeftOut).await?.0)
    }

    /// The `seq` of the entry with this number, or of the first one after it in the room.
    pub async fn seq_from_number(&self, room: RoomId, number: i64) -> Result<Option<u64>> {
        self.database.seq_from_number(room, number).await
    }

    /// A message that exists and is not deleted.
    pub async fn get(&self, room: RoomId, seq: u64) -> Result<Message> {
        let message = self.database.message(room, seq).await?.filter(|message| message.deleted_at.is_none());
        message.ok_or_else(|| Error::not_found("message"))
    }

    pub async fn unread(&self, account: AccountId) -> Result<Vec<UnreadRoom>> {
        self.database.unread(account).await
    }

    /// A member's unread messages by others in a room: the latest of them, oldest first, and how many there are in total.
    pub async fn unread_in(&self, room: RoomId, account: AccountId, limit: u32) -> Result<(Vec<Message>, u64)> {
        self.database.unread_in(room, account, limit.clamp(1, MAX_PAGE)).await
    }

    /// How far an account has read, and how far any other member has.
    pub async fn read_by(&self, room: RoomId, account: AccountId) -> Result<(u64, u64)> {
        self.database.read_by(room, account).await
    }

    /// Messages that match all of `query`, newest first, in rooms that the account is a member of, and the next cursor. Reactions
    /// are left out.
    pub async fn search(
        &self,
        account: AccountId,
        query: &str,
        room: Option<RoomId>,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<Found> {
        text::check_query("query", query)?;
        let query = Query::parse(query)?;
        self.database.search(account, &query, room, cursor, limit.clamp(1, MAX_PAGE)).await
    }

    /// Messages in their current state, oldest first, deleted ones as tombstones, and whether there are more in that direction.
    pub async fn history(&self, room: RoomId, page: Page, limit: u32) -> Result<(Vec<Message>, bool)> {
        self.database.messages(room, page, limit.clamp(1, MAX_PAGE), Tombstones::Shown).await
    }

    pub async fn last_seq(&self, room: RoomId) -> Result<u64> {
        self.database.last_seq(room).await
    }

    /// The first entries after `since`, up to `last`; none if `since` is too far back or some of the entries are pruned.
    pub async fn backlog(&self, room: RoomId, since: u64, last: u64) -> Result<Option<Vec<Entry>>> {
        if since > last || last - since > MAX_BACKLOG_ENTRIES {
            return Ok(None);
        }
        let entries = self.database.entries(room, since, last, BACKLOG_PAGE).await?;
        // All or nothing. Entries are pruned from the start of the log, so none is missing if the first one is there.
        let complete = since == last || entries.first().is_some_and(|first| first.seq == since + 1);
        Ok(complete.then_some(entries))
    }

    /// A page of entries after this one.
    pub async fn next_entries(&self, room: RoomId, after: u64) -> Result<Vec<Entry>> {
        self.database.entries(room, after, u64::MAX, BACKLOG_PAGE).await
    }
}
