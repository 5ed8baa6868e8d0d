//! Rooms, and how somebody stands to one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Account, AccountId, Role, RoomId};
use crate::clock::Timestamp;

/// What a room is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    Room,
    Direct,
    /// One account talking to the server, which answers. Stored and sent as `session`.
    #[serde(rename = "session")]
    Echo,
}

/// Who may join without an invitation: everybody, or those whom a room guard admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Public,
    Private,
}

words!(RoomKind, "kind of room", Room = "room", Direct = "direct", Echo = "session");
words!(Visibility, "visibility", Public = "public", Private = "private");

/// A room, as its row says; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub id: RoomId,
    pub number: i64,
    /// Five characters for people to pass on.
    pub code: Arc<str>,
    pub name: Arc<str>,
    pub kind: RoomKind,
    pub visibility: Visibility,
    pub topic: Arc<str>,
    pub member_limit: Option<u32>,
    /// Whether a room guard lets people in by what they offer, a password say.
    pub guarded: bool,
    /// The two whose direct room it is.
    pub pair: Option<[Peer; 2]>,
    pub created_at: Timestamp,
}

/// One of the two in a direct room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub id: AccountId,
    pub number: i64,
    /// What the issuer of its tokens calls it, if that is not this server.
    pub external: Option<Arc<str>>,
}

impl Room {
    /// In a direct room: the other one.
    pub fn other_than(&self, account: AccountId) -> Option<&Peer> {
        self.pair.as_ref()?.iter().find(|peer| peer.id != account)
    }
}

/// An account's place in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub account: Account,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// A session, and when something was said in it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    pub room: Room,
    /// None if nothing was said yet, or all of it was deleted.
    pub last_message_at: Option<Timestamp>,
}

/// How somebody stands to a room: what the preconditions look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    pub role: Option<Role>,
    pub invited: bool,
    pub banned: bool,
    pub muted_until: Option<Timestamp>,
}
