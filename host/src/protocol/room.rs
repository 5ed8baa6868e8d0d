//! Rooms and memberships.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Account, AccountId, Role, RoomId};
use crate::clock::Timestamp;
use crate::error::{Error, Result, rooms};

/// The kind of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    Room,
    Direct,
    /// One account talking to the server, which answers; stored and sent as `session`.
    #[serde(rename = "session")]
    Echo,
}

/// Who may join without an invitation: everybody, or only those whom a room guard admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Public,
    Private,
}

words!(RoomKind, "kind of room", Room = "room", Direct = "direct", Echo = "session");
words!(Visibility, "visibility", Public = "public", Private = "private");

/// A room's row; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub id: RoomId,
    pub number: i64,
    /// Five characters by which people can find the room.
    pub code: Arc<str>,
    pub name: Arc<str>,
    pub kind: RoomKind,
    pub visibility: Visibility,
    pub topic: Arc<str>,
    pub member_limit: Option<u32>,
    /// Whether a room guard admits callers by credentials, such as a password.
    pub guarded: bool,
    /// The two accounts of a direct room.
    pub pair: Option<[Peer; 2]>,
    pub created_at: Timestamp,
}

/// One of the two accounts of a direct room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub id: AccountId,
    pub number: i64,
    /// The account's id at the issuer of its tokens, if the issuer is not this server.
    pub external: Option<Arc<str>>,
}

impl Room {
    /// In a direct room: the other account.
    pub fn other_than(&self, account: AccountId) -> Option<&Peer> {
        self.pair.as_ref()?.iter().find(|peer| peer.id != account)
    }
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub account: Account,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// A session, and the time of its last message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    pub room: Room,
    /// None if there is no message, or all were deleted.
    pub last_message_at: Option<Timestamp>,
}

/// An account's role, invitation, ban and mute in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    pub role: Option<Role>,
    pub invited: bool,
    pub banned: bool,
    pub muted_until: Option<Timestamp>,
}

impl Membership {
    /// Checks that a membership allows posting now.
    ///
    /// # Errors
    /// `Forbidden` if the account is no member, or is muted until a later time.
    pub fn check_can_post(self, now: Timestamp) -> Result<()> {
        if self.role.is_none() {
            return Err(Error::not_a_member());
        }
        match self.muted_until.filter(|until| *until > now) {
            Some(until) => Err(Error::Forbidden(format!("{}{until}", rooms::MUTED_UNTIL))),
            None => Ok(()),
        }
    }

    /// How an account of this membership may join a room: public rooms and invitations are open, other rooms are up to the guards.
    ///
    /// # Errors
    /// `Forbidden` if the account is banned; `NotFound` for a direct or an echo room of others.
    pub fn join_access(self, room: &Room) -> Result<JoinAccess> {
        if self.banned {
            return Err(Error::Forbidden(rooms::BANNED.into()));
        }
        if self.role.is_some() {
            return Ok(JoinAccess::Member);
        }
        if room.kind != RoomKind::Room {
            // Do not reveal that it exists.
            return Err(Error::not_found("room"));
        }
        let open = self.invited || room.visibility == Visibility::Public;
        Ok(if open { JoinAccess::Open } else { JoinAccess::Guarded })
    }
}

/// How somebody may join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinAccess {
    /// Already a member.
    Member,
    /// May join without credentials.
    Open,
    /// Only the room guards can admit them.
    Guarded,
}
