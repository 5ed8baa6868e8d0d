//! The `room-guard` hook.

use crate::error::Result;
use crate::types::{Context, Credential};

/// Decides who may come in to a private room.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// /// Lets everybody in to private rooms while a word is said at the door.
/// #[derive(Default)]
/// struct Sesame;
///
/// impl RoomGuard for Sesame {
///     fn protect(&mut self, _ctx: &Context, _credentials: &[Credential]) -> Result<Protection> {
///         Ok(Protection::Abstain)
///     }
///
///     fn admit(&mut self, _ctx: &Context, credentials: &[Credential]) -> Result<Admission> {
///         let said = credentials.contains(&Credential::new("word", "sesame"));
///         Ok(if said { Admission::Admit } else { Admission::Abstain })
///     }
/// }
///
/// register!(Sesame: room_guard);
///
/// let chat = MockHost::new().room("cave");
/// let ali = chat.by("ali").at("cave");
/// assert_eq!(ali.join(&mut Sesame, &[Credential::new("word", "sesame")]), Ok(Admission::Admit));
/// ```
pub trait RoomGuard {
    /// The room `ctx.room` is being made or changed with these credentials (never none). What is stored here
    /// becomes true together with the room.
    ///
    /// # Errors
    /// An error fails the making or changing of the room.
    fn protect(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Protection>;

    /// Somebody who is neither a member nor invited asks to join the private room `ctx.room`, with these
    /// credentials (perhaps none). What is stored here stays, whatever the verdict.
    ///
    /// # Errors
    /// An error keeps the person out: it is a denial with the error's own code and message.
    fn admit(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Admission>;
}

/// Whether a guard takes a room under its care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// This guard will ask for these credentials from now on.
    Accepted,
    /// Not a kind of credential this guard knows.
    Abstain,
}

/// A guard's answer at the door. One `Admit` is needed, and any `Deny` wins over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let the person in.
    Admit,
    /// Keep the person out.
    Deny {
        /// A short stable word, `wrong-password`.
        code: String,
        /// For the person at the door.
        reason: String,
    },
    /// This guard has nothing to say about the room.
    Abstain,
}

impl Admission {
    /// Keep the person out, with a short stable word and a reason for them.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Admission::Deny { code: code.into(), reason: reason.into() }
    }
}
