//! Shapes that every hook and import shares.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
pub type Timestamp = u64;

/// Makes a newtype over the host's text form of an id.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The hyphenated lower-case form, as clients see it.
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
    /// An account's id, a UUID. It stays when the account is renamed.
    AccountId
}
id! {
    /// A room's id, a UUID. It stays when the room is renamed.
    RoomId
}
id! {
    /// One live connection's id, a UUID.
    ConnectionId
}

/// What a member may do in a room; each role includes the ones before it, and they compare that way.
///
/// ```
/// use natterjack_plugin_sdk::Role;
/// assert!(Role::Owner > Role::Moderator && Role::Moderator > Role::Member);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and posts.
    Member,
    /// Keeps order among members.
    Moderator,
    /// Decides about the room itself.
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

/// What a room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    /// Any number of people, found by name.
    Room,
    /// Exactly two accounts.
    Direct,
    /// One account talking to the server.
    Session,
}

/// Who may join without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Only those whom a room guard admits.
    Private,
}

/// An account, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    /// Its id.
    pub id: AccountId,
    /// The name it signed up with.
    pub name: String,
}

/// Somebody connected without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestRef {
    /// The connection, for as long as it lives.
    pub id: ConnectionId,
    /// The name shown to others.
    pub name: String,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody logged in.
    Account(AccountRef),
    /// Somebody without an account.
    Guest(GuestRef),
    /// A plugin, by its id.
    Plugin(String),
    /// The server itself.
    Server,
}

/// A room, as short as a hook needs it; [`rooms::get`](crate::rooms::get) tells the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRef {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
}

/// What surrounds a call: who acts, in which room, with what role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Ties this call to the server's log and to the error a client sees.
    pub request_id: String,
    /// Who acts.
    pub actor: Actor,
    /// The actor's role in the room; none if there is no room or the actor is not a member of it.
    pub role: Option<Role>,
    /// The room the call is about, if it is about one.
    pub room: Option<RoomRef>,
    /// The actor's live connection that led to the call, for [`push`](crate::push). None over HTTP, for timers, and
    /// where the connection is not known any more.
    pub connection: Option<ConnectionId>,
}

impl Context {
    /// The room, for calls that need one.
    ///
    /// # Errors
    /// `bad_request` if the call came without a room.
    pub fn room(&self) -> Result<&RoomRef> {
        self.room.as_ref().ok_or_else(|| Error::bad_request("this needs a room"))
    }

    /// The account that acts, for calls that need one.
    ///
    /// # Errors
    /// `unauthenticated` if a guest, a plugin or the server acts.
    pub fn account(&self) -> Result<&AccountRef> {
        match &self.actor {
            Actor::Account(account) => Ok(account),
            _ => Err(Error::unauthenticated("log in first")),
        }
    }
}

/// One thing somebody offers as proof, by name: `password` with its text. Its value stays out of `{:?}`.
///
/// ```
/// use natterjack_plugin_sdk::Credential;
/// let shown = format!("{:?}", Credential::new("password", "frog"));
/// assert!(shown.contains("password") && !shown.contains("frog"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What kind of proof it is.
    pub name: String,
    /// The proof. When a room is changed, none asks for the credential's removal.
    pub value: Option<String>,
}

impl Credential {
    /// Something offered.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// Asks a room's guard to forget the credential of this name.
    pub fn removal(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

/// A credential's value never reaches a log by way of `{:?}`.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_some() { "Some(…)" } else { "None" };
        write!(f, "Credential {{ name: {:?}, value: {value} }}", self.name)
    }
}
