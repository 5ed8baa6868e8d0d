//! Sends the plugin's own events to connected clients, if `push` is granted. Events are not stored.
//!
//! Clients see `plugin.<id>.<name>` with the data as JSON. Names are 1 to 64 lower-case letters, digits, `-` and `_`;
//! data is at most 16 KiB, and one call sends at most 100 events. They are sent after the call has succeeded.
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! # fn main() -> Result<()> {
//! let chat = MockHost::new().grant("push").account("ann");
//! push::to_account(&chat.account_id("ann"), "score", &json!({ "points": 3 }))?;
//! let ann = push::Target::Account(chat.account_id("ann"));
//! assert_eq!(chat.writes(), [Write::Push(ann, "score".to_owned(), json!({ "points": 3 }))]);
//! # Ok(()) }
//! ```

use serde::Serialize;

use crate::error::Result;
use crate::host;
use crate::types::{AccountId, ConnectionId, RoomId};

/// The recipients of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One connection.
    Connection(ConnectionId),
    /// All connections of an account.
    Account(AccountId),
    /// All connections that subscribe to a room.
    Room(RoomId),
}

/// Sends to one connection, such as [`Context::connection`](crate::Context::connection). It is no error if the connection
/// is closed.
///
/// # Errors
/// `invalid` if the name is malformed, `too_large` over a limit.
pub fn to_connection<T: Serialize + ?Sized>(connection: &ConnectionId, name: &str, data: &T) -> Result<()> {
    send(&Target::Connection(connection.clone()), name, data)
}

/// Sends to all connections of an account. It is no error if there are none.
///
/// # Errors
/// As [`to_connection`]; `not_found` if there is no such account.
pub fn to_account<T: Serialize + ?Sized>(account: &AccountId, name: &str, data: &T) -> Result<()> {
    send(&Target::Account(account.clone()), name, data)
}

/// Sends to all connections that subscribe to a room.
///
/// # Errors
/// As [`to_connection`]; `not_found` if there is no such room.
pub fn to_room<T: Serialize + ?Sized>(room: &RoomId, name: &str, data: &T) -> Result<()> {
    send(&Target::Room(room.clone()), name, data)
}

/// Sends to a target.
///
/// # Errors
/// As [`to_connection`], [`to_account`] and [`to_room`].
pub fn send<T: Serialize + ?Sized>(target: &Target, name: &str, data: &T) -> Result<()> {
    host::push::send(target, name, serde_json::to_string(data)?)
}
