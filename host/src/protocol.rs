//! Commands, replies, events and changes as plain types. No I/O and no wire format: the dialects define those.

/// Implements conversion between a fieldless enum and its words, which are the same in the database and on the wire.
macro_rules! words {
    ($type:ty, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!(concat!("`{}` is no ", $what, "; there are: ", $($word, " "),+), word)),
                }
            }
        }
    };
}

mod change;
mod command;
mod event;
mod guests;
mod ids;
mod people;
mod room;

pub use self::change::{
    Attachment, CacheInvalidation, Change, MediaFile, NewPost, NewRoom, Post, Push, PushTarget, Requester, RoomChange,
    RoomQuota, StorageRead, Timer, Unit,
};
pub use self::command::{Command, Credential, MAX_PAGE, Message, Page, Proof, Reaction, Reply, RoomName, UnreadRoom};
pub use self::event::{Entry, EntryPayload, Event, Eviction, EvictionCause, MemberRef, Removal};
pub use self::guests::{GuestRule, GuestRuleKind, GuestRules, GuestSelector};
pub use self::ids::{AccountId, ConnectionId, LoginId, MediaId, RoomId};
pub use self::people::{Account, Actor, Author, AuthorKind, Bot, Guest, Role};
pub use self::room::{JoinAccess, Member, Membership, Peer, Room, RoomKind, SessionSummary, Visibility};
