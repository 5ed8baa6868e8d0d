//! What clients ask and what they are told, as plain types. No I/O, and no wire format: the dialects have those.

mod change;
mod ids;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::change::{Change, NewPost, NewRoom, Post, Push, PushTarget, RoomChange, StorageRead, Timer, Unit};
pub use self::ids::{AccountId, ConnectionId, LoginId, RoomId};
use crate::clock::Timestamp;

/// An account, as the rest of the house needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    /// The integer that dialects with integer ids show.
    pub number: i64,
    pub name: Arc<str>,
    pub is_admin: bool,
}

/// Somebody connected without an account; known by the connection, for as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    pub id: ConnectionId,
    pub name: Arc<str>,
}

/// A plugin, as somebody who acts and posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bot {
    /// The plugin's id, and the name that people see.
    pub plugin: Arc<str>,
    /// The account that its posts are stored under.
    pub id: AccountId,
    pub number: i64,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    Account(Account),
    Guest(Guest),
    Plugin(Bot),
    Server,
}

impl Actor {
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Account(account) => Some(account),
            _ => None,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Account(account) => &account.name,
            Self::Guest(guest) => &guest.name,
            Self::Plugin(bot) => &bot.plugin,
            Self::Server => "server",
        }
    }
}

/// What a member may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Moderator,
    Owner,
}

/// What a room is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomKind {
    Room,
    Direct,
    Session,
}

/// Who may join without an invitation: everybody, or those whom a room guard admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Public,
    Private,
}

/// Gives a fieldless enum its word, the same in the database and on the wire, and back.
macro_rules! words {
    ($type:ty, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
words!(Role, "role", Member = "member", Moderator = "moderator", Owner = "owner");
words!(RoomKind, "kind of room", Room = "room", Direct = "direct", Session = "session");
words!(Visibility, "visibility", Public = "public", Private = "private");

/// A room, as its row says; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub created_at: Timestamp,
}

/// An account's place in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub account: Account,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// How somebody stands to a room: what the preconditions look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub role: Option<Role>,
    pub invited: bool,
    pub banned: bool,
    pub muted_until: Option<Timestamp>,
}

/// What kind of somebody wrote or did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorKind {
    Account,
    Guest,
    Plugin,
    Server,
}

/// Who wrote or did something in a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub kind: AuthorKind,
    /// None for guests and for the server.
    pub account: Option<(AccountId, i64)>,
    /// A plugin's is its id.
    pub name: Arc<str>,
}

impl From<&Actor> for Author {
    fn from(actor: &Actor) -> Self {
        let (kind, account) = match actor {
            Actor::Account(account) => (AuthorKind::Account, Some((account.id, account.number))),
            Actor::Guest(_) => (AuthorKind::Guest, None),
            Actor::Plugin(bot) => (AuthorKind::Plugin, Some((bot.id, bot.number))),
            Actor::Server => (AuthorKind::Server, None),
        };
        let name = match actor {
            Actor::Account(account) => account.name.clone(),
            Actor::Guest(guest) => guest.name.clone(),
            Actor::Plugin(bot) => bot.plugin.clone(),
            Actor::Server => "server".into(),
        };
        Self { kind, account, name }
    }
}

/// Why somebody is no longer a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    Left,
    Kicked,
    Banned,
}
words!(Removal, "removal", Left = "left", Kicked = "kicked", Banned = "banned");

/// One numbered line of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub room: RoomId,
    /// 1, 2, 3 … without gaps in each room.
    pub seq: u64,
    pub at: Timestamp,
    pub by: Author,
    pub what: Happening,
}

/// An account that something happened to, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    pub id: AccountId,
    pub name: Arc<str>,
}

/// What an entry says happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    Posted(Post),
    /// The message numbered `of` has this text now.
    Edited {
        of: u64,
        body: Arc<str>,
    },
    /// The message numbered `of` has no text any more.
    Deleted {
        of: u64,
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

/// What live connections are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Entry(Entry),
    GuestJoined {
        room: RoomId,
        guest: Guest,
    },
    GuestLeft {
        room: RoomId,
        guest: Guest,
    },
    /// To one connection: a fresh token is due.
    TokenExpiring {
        at: Timestamp,
    },
    /// A plugin's own.
    Pushed(Push),
}

/// How a client names a room: its uid, or its name where a person typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomName {
    Id(RoomId),
    Name(String),
}

impl RoomName {
    /// A name never looks like a uid, so that there is no doubt which one it is.
    pub fn parse(text: String) -> Self {
        match text.parse() {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Name(text),
        }
    }
}

/// How a connection says who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    Token(String),
    /// As a guest, under this name or a made-up one.
    Guest(Option<String>),
}

// A token is a secret: never shown, not even in a debug log.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Guest(name) => f.debug_tuple("Guest").field(name).finish(),
        }
    }
}

/// Something offered at a room's door: `password` and its text. No value asks for its removal.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: String,
    pub value: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, …)", self.name)
    }
}

/// Which part of a room's log to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The last ones before this `seq`; from the end, if none is given.
    Before(Option<u64>),
    /// The first ones after this `seq`.
    After(u64),
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Connect {
        proof: Proof,
        listen_all: bool,
    },
    RoomList {
        query: Option<String>,
        cursor: Option<String>,
    },
    RoomGet {
        room: RoomName,
    },
    RoomJoin {
        room: RoomName,
        since: Option<u64>,
        credentials: Vec<Credential>,
    },
    RoomLeave {
        room: RoomName,
    },
    RoomMembers {
        room: RoomName,
        cursor: Option<AccountId>,
    },
    RoomHistory {
        room: RoomName,
        page: Page,
        limit: u32,
    },
    Post {
        room: RoomName,
        body: String,
        key: Option<String>,
        reply_to: Option<u64>,
    },
    AccountFind {
        name: String,
    },
    Commands,
    /// Any other op: looked up among the plugins' commands.
    Plugin {
        name: String,
        args: Map<String, Value>,
    },
}

/// A message in its present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    pub at: Timestamp,
    pub from: Author,
    pub post: Post,
    pub edited_at: Option<Timestamp>,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Connected {
        actor: Actor,
        connection: ConnectionId,
        expires_at: Option<Timestamp>,
    },
    Rooms {
        rooms: Vec<(Room, u32)>,
        next: Option<String>,
    },
    Room {
        room: Room,
        members: u32,
        role: Option<Role>,
    },
    Joined {
        room: Room,
        recovered: bool,
        last_seq: u64,
    },
    Left,
    /// Members with whether they are online, and the guests who are there.
    Members {
        members: Vec<(Member, bool)>,
        guests: Vec<Guest>,
        next: Option<AccountId>,
    },
    History {
        messages: Vec<Message>,
        more: bool,
    },
    Posted {
        seq: u64,
        at: Timestamp,
        duplicate: bool,
    },
    Account {
        account: Account,
        online: bool,
    },
    Commands(Value),
    /// What a plugin's command answered; called by its op, or by `/slash` text.
    Result {
        value: Value,
        slash: bool,
    },
}
