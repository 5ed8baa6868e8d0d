//! Entries of a room's log, and other events for live connections.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, Author, Post, Push, Role, Room, RoomId, Visibility};
use crate::clock::Timestamp;
use crate::error::Error;

/// Why an account is no longer a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    Left,
    Kicked,
    Banned,
}
words!(Removal, "removal", Left = "left", Kicked = "kicked", Banned = "banned");

/// Why a connection's subscription to a room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionCause {
    /// Its account left by another connection.
    Left,
    Kicked,
    Banned,
    RoomDeleted,
}

/// The end of a connection's subscription to a room that the connection did not request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub room: Room,
    pub cause: EvictionCause,
    /// The moderator's reason.
    pub reason: Option<String>,
}

impl Eviction {
    /// A sentence for the client; `noun` is its dialect's word for a room.
    pub fn sentence(&self, noun: &str) -> String {
        let name = &self.room.name;
        let what = match self.cause {
            EvictionCause::Left => format!("you have left the {noun} {name}"),
            EvictionCause::Kicked => format!("you were removed from the {noun} {name}"),
            EvictionCause::Banned => format!("you were banned from the {noun} {name}"),
            EvictionCause::RoomDeleted => format!("the {noun} {name} was deleted"),
        };
        match &self.reason {
            Some(reason) if !reason.is_empty() => format!("{what}: {reason}"),
            _ => what,
        }
    }

    /// The error of later commands about this room.
    pub fn error(&self, noun: &str) -> Error {
        match self.cause {
            EvictionCause::RoomDeleted => Error::NotFound(self.sentence(noun)),
            EvictionCause::Left | EvictionCause::Kicked | EvictionCause::Banned => {
                Error::Forbidden(self.sentence(noun))
            }
        }
    }
}

impl From<Removal> for EvictionCause {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Left => Self::Left,
            Removal::Kicked => Self::Kicked,
            Removal::Banned => Self::Banned,
        }
    }
}

/// One numbered entry of a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub room: RoomId,
    /// The entry's number in its room: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// The id in dialects with integer ids, unique across rooms; 0 for entries that are not stored.
    pub number: i64,
    pub at: Timestamp,
    pub by: Author,
    pub what: EntryPayload,
}

/// The account that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRef {
    pub id: AccountId,
    pub name: Arc<str>,
}

/// What an entry records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryPayload {
    Posted(Post),
    /// A deleted post, which keeps its number.
    Tombstone,
    /// The message with number `of` was given this text.
    Edited {
        of: u64,
        body: Arc<str>,
    },
    /// The message with number `of` was deleted.
    Deleted {
        of: u64,
    },
    /// A reaction to the message with number `of` was added or removed.
    Reacted {
        of: u64,
        emoji: Arc<str>,
        on: bool,
    },
    MemberAdded {
        whom: MemberRef,
        role: Role,
    },
    MemberRemoved {
        whom: MemberRef,
        why: Removal,
        reason: Option<String>,
    },
    MemberRole {
        whom: MemberRef,
        role: Role,
    },
    Invited {
        whom: MemberRef,
    },
    /// The room's new settings.
    RoomUpdated {
        name: Arc<str>,
        topic: Arc<str>,
        visibility: Visibility,
        member_limit: Option<u32>,
    },
    RoomDeleted {
        /// The room before its deletion.
        was: Box<Room>,
    },
}

impl EntryPayload {
    /// Whether the entry changes who receives the room's events.
    pub fn changes_membership(&self) -> bool {
        matches!(
            self,
            Self::MemberAdded { .. } | Self::MemberRemoved { .. } | Self::Invited { .. } | Self::RoomDeleted { .. }
        )
    }

    /// The number of the message that this entry changes, if it does.
    pub fn target(&self) -> Option<u64> {
        match self {
            Self::Edited { of, .. } | Self::Deleted { of } | Self::Reacted { of, .. } => Some(*of),
            _ => None,
        }
    }
}

/// An event for live connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Entry(Entry),
    /// The first connection of an account or guest subscribed to the room.
    Arrived {
        room: RoomId,
        who: Author,
    },
    /// The last connection of an account or guest unsubscribed from the room.
    Departed {
        room: RoomId,
        who: Author,
    },
    /// An account has read everything up to `seq`.
    Read {
        room: RoomId,
        whom: MemberRef,
        seq: u64,
    },
    /// Sent to the others in the room.
    Typing {
        room: RoomId,
        by: Author,
    },
    /// Sent to connections that watch the account: its first connection opened, or its last one closed.
    Presence {
        account: AccountId,
        /// As in a direct room's `Peer`.
        external: Option<Arc<str>>,
        online: bool,
    },
    /// Sent to one connection: its token expires soon.
    TokenExpiring {
        at: Timestamp,
    },
    /// An event of a plugin.
    Pushed(Push),
}
