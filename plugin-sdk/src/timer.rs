//! The `timer` hook.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::types::Context;

/// Handles the timers that the plugin has [set](crate::timers).
///
/// ```
/// use std::time::Duration;
/// use natterjack_plugin_sdk::prelude::*;
///
/// /// Says "cuckoo" every hour in each room where somebody asked for it.
/// #[derive(Default)]
/// struct Cuckoo;
///
/// const HOUR: Duration = Duration::from_secs(3600);
///
/// impl Commands for Cuckoo {
///     fn specs(&self) -> Vec<CommandSpec> {
///         vec![CommandSpec::new("cuckoo.start", "Have a cuckoo here").in_room().slash("cuckoo")]
///     }
///
///     fn run(&mut self, ctx: &Context, _name: &str, _args: Args) -> Result<Value> {
///         let room = &ctx.room()?.id;
///         timers::after(room.as_str(), HOUR, room)?;
///         Ok(json!({ "text": "Wait for it." }))
///     }
/// }
///
/// impl Timer for Cuckoo {
///     fn on_timer(&mut self, _ctx: &Context, name: &str, payload: Payload) -> Result<()> {
///         let room: RoomId = payload.parse()?;
///         messages::post(&room, "cuckoo")?;
///         timers::after(name, HOUR, &room)
///     }
/// }
///
/// register!(Cuckoo: commands, timer);
///
/// let chat = MockHost::new().grant("messages").grant("timers").room("lobby").member("ann", Role::Member);
/// chat.by("ann").at("lobby").run(&mut Cuckoo, "cuckoo.start", json!({})).unwrap();
///
/// let lobby = chat.room_id("lobby");
/// chat.fire_timer(&mut Cuckoo, lobby.as_str()).unwrap();
/// assert_eq!(chat.said("lobby"), ["cuckoo"]);
/// assert!(chat.timer(lobby.as_str()).is_some(), "it goes on");
/// ```
pub trait Timer {
    /// Called when a timer comes due. `ctx.actor` is the plugin itself; there is no room and no connection.
    ///
    /// The call's writes and the timer's removal are one unit of work: after `Ok` the timer is removed, unless it was set again.
    ///
    /// # Errors
    /// After an error the writes are discarded, and the host retries the timer a few times before it drops it.
    fn on_timer(&mut self, ctx: &Context, name: &str, payload: Payload) -> Result<()>;
}

/// The JSON payload that a timer was set with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(String);

impl Payload {
    pub(crate) fn new(json: String) -> Self {
        Self(json)
    }

    /// Parses the payload into a type of the plugin's own. The timer may have been set by an older version of the plugin.
    ///
    /// # Errors
    /// `internal` with the name of the field that cannot be parsed.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        crate::json::read(&self.0).map_err(|fault| Error::internal(fault.to_string()))
    }
}
