//! Reads, posts and deletes messages, if `messages` is granted. Posts and deletions are staged.
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! # fn main() -> Result<()> {
//! let chat = MockHost::new().grant("messages").room("lobby");
//! let lobby = chat.room_id("lobby");
//! messages::post(&lobby, "good morning")?;
//! assert_eq!(chat.said("lobby"), ["good morning"]);
//! # Ok(()) }
//! ```

use crate::error::Result;
use crate::host;
use crate::types::{AccountRef, RoomId, Timestamp};

/// A message in its current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sequence number in the room's log: ascending, with gaps where the log has other entries.
    pub seq: u64,
    /// The author.
    pub author: Author,
    /// The current text, after filters and edits; empty only if there are attachments.
    pub body: String,
    /// When it was posted.
    pub at: Timestamp,
    /// The `seq` of the message that it replies to.
    pub reply_to: Option<u64>,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// URLs of the attachments, in order: `https://…` or the server's own `/media/…`. Inline data is reduced to its media
    /// type: `data:image/png`.
    pub attachments: Vec<String>,
}

/// The author of a message. Unlike an [`Actor`](crate::Actor), it is stored and outlives the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// An account.
    Account(AccountRef),
    /// A guest, by the name at the time of the message.
    Guest(String),
    /// A plugin's bot account, by the plugin's id.
    Plugin(String),
    /// The server itself.
    Server,
}

impl Author {
    /// The name that others see.
    pub fn name(&self) -> &str {
        match self {
            Author::Account(account) => &account.name,
            Author::Guest(name) => name,
            Author::Plugin(id) => id,
            Author::Server => "server",
        }
    }
}

/// The last `limit` (1 to 200) messages before the number `before`, or the latest ones; oldest first. Deleted messages
/// are omitted, and so are this call's own posts, which have no number yet.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn history(room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<Message>> {
    host::messages::history(room, before, limit)
}

/// Posts as the plugin's own bot account, which need not be a member. Text that starts with `/` is not a command.
///
/// Filters of other plugins check the post when the call has succeeded: they may rewrite it, and a rejection
/// fails the whole call with `rejected`.
///
/// # Errors
/// `not_found` if there is no such room, `invalid` if the body is empty, `too_large` if it is too long or the 21st
/// post of one call, `forbidden` if the actor of the call is muted in the room.
pub fn post(room: &RoomId, body: &str) -> Result<()> {
    host::messages::post(room, body, None)
}

/// Posts a reply to the message with the number `to`.
///
/// # Errors
/// As [`post`]; `not_found` if there is no such message.
pub fn reply(room: &RoomId, to: u64, body: &str) -> Result<()> {
    host::messages::post(room, body, Some(to))
}

/// Deletes a message of any author.
///
/// # Errors
/// `not_found` if there is no such message, or it is deleted already.
pub fn delete(room: &RoomId, seq: u64) -> Result<()> {
    host::messages::delete(room, seq)
}
