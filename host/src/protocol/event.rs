//! What happens: the entries of a room's log, and what live connections are told besides.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, Author, Post, Push, Role, Room, RoomId, Visibility};
use crate::clock::Timestamp;
use crate::error::Error;

/// Why somebody is no longer a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    Left,
    Kicked,
    Banned,
}
words!(Removal, "removal", Left = "left", Kicked = "kicked", Banned = "banned");

/// Why a connection does not hear a room any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionCause {
    /// Its account left, by another connection.
    Left,
    Kicked,
    Banned,
    RoomDeleted,
}

/// The end of a connection's hearing a room, which it did not ask for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub room: Room,
    pub cause: EvictionCause,
    /// What a moderator said of it.
    pub reason: Option<String>,
}

impl Eviction {
    /// For people; `noun` is what their dialect calls a room.
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

    /// Why a command about this room fails.
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

/// One numbered line of a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub room: RoomId,
    /// 1, 2, 3 … without gaps in each room.
    pub seq: u64,
    /// The integer that dialects with integer ids show, unlike any other entry's; 0 for what is not kept.
    pub number: i64,
    pub at: Timestamp,
    pub by: Author,
    pub what: EntryPayload,
}

/// An account that something happened to, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    pub id: AccountId,
    pub name: Arc<str>,
}

/// What an entry says happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryPayload {
    Posted(Post),
    /// A post that was deleted since: it keeps its number.
    Tombstone,
    /// The message numbered `of` has this text now.
    Edited {
        of: u64,
        body: Arc<str>,
    },
    /// The message numbered `of` has no text any more.
    Deleted {
        of: u64,
    },
    /// Somebody added this reaction to the message numbered `of`, or took it away.
    Reacted {
        of: u64,
        emoji: Arc<str>,
        on: bool,
    },
    MemberAdded {
        whom: Whom,
        role: Role,
    },
    MemberRemoved {
        whom: Whom,
        why: Removal,
        reason: Option<String>,
    },
    MemberRole {
        whom: Whom,
        role: Role,
    },
    Invited {
        whom: Whom,
    },
    /// The room as it is from now on.
    RoomUpdated {
        name: Arc<str>,
        topic: Arc<str>,
        visibility: Visibility,
        member_limit: Option<u32>,
    },
    RoomDeleted {
        /// The room that is gone.
        was: Box<Room>,
    },
}

impl EntryPayload {
    /// Whether others hear the room after it than before.
    pub fn changes_membership(&self) -> bool {
        matches!(
            self,
            Self::MemberAdded { .. } | Self::MemberRemoved { .. } | Self::Invited { .. } | Self::RoomDeleted { .. }
        )
    }

    /// The message that this is about, if it is about another entry.
    pub fn target(&self) -> Option<u64> {
        match self {
            Self::Edited { of, .. } | Self::Deleted { of } | Self::Reacted { of, .. } => Some(*of),
            _ => None,
        }
    }
}

/// What live connections are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Entry(Entry),
    /// Somebody hears the room now, who did not by any other connection.
    Arrived {
        room: RoomId,
        who: Author,
    },
    /// The last connection by which somebody heard the room has gone.
    Departed {
        room: RoomId,
        who: Author,
    },
    /// An account has read everything up to `seq`.
    Read {
        room: RoomId,
        whom: Whom,
        seq: u64,
    },
    /// To the others in the room.
    Typing {
        room: RoomId,
        by: Author,
    },
    /// To those who watch the account: its first connection came, or its last one went.
    Presence {
        account: AccountId,
        /// As in a direct room's `Peer`.
        external: Option<Arc<str>>,
        online: bool,
    },
    /// To one connection: a fresh token is due.
    TokenExpiring {
        at: Timestamp,
    },
    /// A plugin's own.
    Pushed(Push),
}
