//! The `room-guard` hook.

use crate::error::Result;
use crate::types::{Context, Credential};

/// Decides who may join a private room.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// /// Admits everybody to private rooms who knows a password.
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
    /// Called when the room `ctx.room` is created or changed with credentials (never an empty list). The guard's writes are
    /// committed together with the room.
    ///
    /// # Errors
    /// An error fails the creation or change of the room.
    fn protect(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Protection>;

    /// Called when somebody who is neither a member nor invited asks to join the private room `ctx.room`. The list of
    /// credentials may be empty. The guard's writes are committed whatever the verdict.
    ///
    /// # Errors
    /// An error counts as a denial with the error's code and message.
    fn admit(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Admission>;
}

/// Whether a guard will protect a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// This guard will require these credentials from now on.
    Accepted,
    /// This guard does not know this kind of credential.
    Abstain,
}

/// A guard's decision on a join. One `Admit` is needed, and any `Deny` overrides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Allow the join.
    Admit,
    /// Refuse the join.
    Deny {
        /// A short stable code, such as `wrong-password`.
        code: String,
        /// The reason, shown to the actor.
        reason: String,
    },
    /// This guard does not decide on this room.
    Abstain,
}

impl Admission {
    /// Refuses the join with a short stable code and a reason for the actor.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Admission::Deny { code: code.into(), reason: reason.into() }
    }
}
