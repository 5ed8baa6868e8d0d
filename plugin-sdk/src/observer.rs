//! The `observer` hook.

use crate::error::Result;
use crate::messages::Message;
use crate::types::{AccountRef, Context};

/// Acts on what has happened.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Welcome;
///
/// impl Observer for Welcome {
///     fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
///         match event {
///             Event::MemberJoined(who) => messages::post(&ctx.room()?.id, &format!("Welcome, {}!", who.name)),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// register!(Welcome: observer);
///
/// let chat = MockHost::new().grant("messages").room("lobby");
/// let bob = chat.by("bob").at("lobby");
/// bob.observe(&mut Welcome, &Event::MemberJoined(chat.account_ref("bob"))).unwrap();
/// assert_eq!(chat.said("lobby"), ["Welcome, bob!"]);
/// ```
pub trait Observer {
    /// Called after the event was committed; of each room in the order of its log. Nobody waits for it, and what it
    /// writes is a unit of work, as a command's is. It may miss an event when the server dies, and is told none twice.
    ///
    /// Events that come of what an observer wrote are told too, but no more than 4 deep, so that two bots cannot talk
    /// for ever.
    ///
    /// # Errors
    /// An error undoes what the call wrote and goes to the log.
    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()>;
}

/// What has happened. `ctx.actor` did it, and where it happened in a room `ctx.room` is that room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A plugin is not told of its own posts.
    MessagePosted(Message),
    /// The message as it is now. A plugin is not told of its own.
    MessageEdited(Message),
    /// The `seq` of the message.
    MessageDeleted(u64),
    /// Somebody became a member: joined, or was added by `ctx.actor`.
    MemberJoined(AccountRef),
    /// Somebody is no longer a member. A kick or a ban is `ctx.actor`'s.
    MemberLeft {
        /// Who.
        who: AccountRef,
        /// Why.
        why: DepartureReason,
    },
    /// Its name, topic, visibility or limit; `ctx.room` is the room as it is now.
    RoomUpdated,
    /// `ctx.room` is the room as it was. Nothing of it can be read any more.
    RoomDeleted,
    /// `ctx.connection` has said who it is: `ctx.actor`.
    SessionOpened,
    /// `ctx.connection` is gone.
    SessionClosed,
}

/// Why somebody is no longer a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepartureReason {
    /// Of their own will.
    Left,
    /// A moderator's.
    Kicked,
    /// A moderator's, for good.
    Banned,
}
