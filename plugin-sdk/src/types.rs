//! Types that hooks and imports share.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
pub type Timestamp = u64;

/// Defines a newtype over the text form of an id.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The UUID in hyphenated lower-case form, as clients see it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

id! {
    /// An account's id, a UUID. It does not change when the account is renamed.
    AccountId
}
id! {
    /// A room's id, a UUID. It does not change when the room is renamed.
    RoomId
}
id! {
    /// One live connection's id, a UUID.
    ConnectionId
}

/// A member's role in a room. Each role includes the rights of the ones before it, and roles are ordered that way.
///
/// ```
/// use natterjack_plugin_sdk::Role;
/// assert!(Role::Owner > Role::Moderator && Role::Moderator > Role::Member);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read and post.
    Member,
    /// May moderate members.
    Moderator,
    /// May change and delete the room.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Owner => "owner",
        })
    }
}

/// The kind of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    /// Any number of people, found by name.
    Room,
    /// Exactly two accounts.
    Direct,
    /// One account and the server.
    Session,
}

/// Who may join without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Only accounts that a room guard admits.
    Private,
}

/// An account's id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    /// Its id.
    pub id: AccountId,
    /// The name it signed up with.
    pub name: String,
}

/// A guest: a connection without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestRef {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The name shown to others.
    pub name: String,
}

/// The originator of a call or event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A logged-in account.
    Account(AccountRef),
    /// A guest, without an account.
    Guest(GuestRef),
    /// A plugin, by its id.
    Plugin(String),
    /// The server itself.
    Server,
}

/// The main properties of a room; [`rooms::get`](crate::rooms::get) returns all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRef {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
}

/// The context of a call: actor, room and role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The request id, also in the server's log and in the error that a client gets.
    pub request_id: String,
    /// The actor.
    pub actor: Actor,
    /// The actor's role in the room; none if there is no room or the actor is not a member of it.
    pub role: Option<Role>,
    /// The room that the call concerns, if any.
    pub room: Option<RoomRef>,
    /// The actor's connection that caused the call, for [`push`](crate::push). None over HTTP, for timers, and
    /// if the connection is no longer known.
    pub connection: Option<ConnectionId>,
}

impl Context {
    /// The room, or an error if the call has none.
    ///
    /// # Errors
    /// `bad_request` if the call has no room.
    pub fn room(&self) -> Result<&RoomRef> {
        self.room.as_ref().ok_or_else(|| Error::bad_request("this needs a room"))
    }

    /// The actor's account, or an error if the actor has none.
    ///
    /// # Errors
    /// `unauthenticated` if the actor is a guest, a plugin or the server.
    pub fn account(&self) -> Result<&AccountRef> {
        match &self.actor {
            Actor::Account(account) => Ok(account),
            _ => Err(Error::unauthenticated("log in first")),
        }
    }
}

/// A named credential, such as `password`. `{:?}` does not show its value.
///
/// ```
/// use natterjack_plugin_sdk::Credential;
/// let shown = format!("{:?}", Credential::new("password", "frog"));
/// assert!(shown.contains("password") && !shown.contains("frog"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The kind of credential.
    pub name: String,
    /// The value. None, in a change of a room, asks for the credential's removal.
    pub value: Option<String>,
}

impl Credential {
    /// A credential with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// Asks a room's guard to remove the credential of this name.
    pub fn removal(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

/// Hides the value, so that it never reaches a log by way of `{:?}`.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_some() { "Some(…)" } else { "None" };
        write!(f, "Credential {{ name: {:?}, value: {value} }}", self.name)
    }
}
