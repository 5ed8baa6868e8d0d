//! What is said in rooms, if `messages` is granted. Posts and deletions are staged.
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

/// A message in its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number in the room's log: growing, with gaps where other things happened.
    pub seq: u64,
    /// Who wrote it.
    pub author: Author,
    /// As it is now, after filters and edits; empty only with attachments.
    pub body: String,
    /// When it was posted.
    pub at: Timestamp,
    /// The `seq` of the message it answers.
    pub reply_to: Option<u64>,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// Links to what is attached, in their order: `https://…` or the server's own `/media/…`. Of data within the
    /// message only the kind is told: `data:image/png`.
    pub attachments: Vec<String>,
}

/// Who wrote a message. Unlike an [`Actor`](crate::Actor) it outlives the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// Somebody who signed up.
    Account(AccountRef),
    /// Somebody without an account, by the name they had then.
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

/// The last `limit` (1 to 200) messages before the one numbered `before`, or before the end; oldest first. Deleted
/// ones are left out, and so is what this call has posted, which has no number yet.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn history(room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<Message>> {
    host::messages::history(room, before, limit)
}

/// Posts as the plugin's own bot account, which need not be a member. Text that starts with `/` is text.
///
/// Filters of other plugins see it when the call has succeeded: one that rewrites is obeyed, one that rejects
/// fails the whole call with `rejected`.
///
/// # Errors
/// `not_found` if there is no such room, `invalid` if the body is empty, `too_large` if it is too long or the 21st
/// post of one call, `forbidden` if the actor of the call is muted in the room.
pub fn post(room: &RoomId, body: &str) -> Result<()> {
    host::messages::post(room, body, None)
}

/// Posts an answer to the message numbered `to`.
///
/// # Errors
/// As [`post`]; `not_found` if there is no such message.
pub fn reply(room: &RoomId, to: u64, body: &str) -> Result<()> {
    host::messages::post(room, body, Some(to))
}

/// Takes anybody's message away.
///
/// # Errors
/// `not_found` if there is no such message, or not any more.
pub fn delete(room: &RoomId, seq: u64) -> Result<()> {
    host::messages::delete(room, seq)
}
