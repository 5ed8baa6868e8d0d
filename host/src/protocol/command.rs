//! Commands of clients, and replies to them.

use std::fmt;

use serde_json::{Map, Value};

use super::{Account, AccountId, Actor, Author, ConnectionId, Guest, MediaId, Member, Post, Role, Room, RoomId};
use crate::clock::Timestamp;

/// Messages on one page at most.
pub const MAX_PAGE: u32 = 200;

/// A client's reference to a room: its uid or its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomName {
    Id(RoomId),
    Name(String),
}

impl RoomName {
    /// Parses a uid or a name. A room's name never looks like a uid, so this is unambiguous.
    pub fn parse(text: String) -> Self {
        match text.parse() {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Name(text),
        }
    }
}

/// How a connection identifies itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    Token(String),
    /// As a guest, with this name or a generated one.
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

/// A credential for joining a room, such as `password` and its text. As a setting, no value removes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: String,
    pub value: Option<String>,
}

impl Credential {
    /// A `password` field of a request as a list of credentials.
    pub fn password(password: Option<String>) -> Vec<Self> {
        password.map(|value| Self { name: "password".into(), value: Some(value) }).into_iter().collect()
    }
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

/// A client's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Identifies the connection, or renews its token.
    Connect {
        proof: Proof,
        /// Subscribes to all rooms of the account.
        listen_all: bool,
    },
    /// Lists the rooms that the caller may see.
    RoomList {
        query: Option<String>,
        cursor: Option<String>,
    },
    RoomGet {
        room: RoomName,
    },
    /// Joins a room and subscribes to it.
    RoomJoin {
        room: RoomName,
        /// The last `seq` that the client has; later entries are sent first.
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
        /// Idempotency key.
        key: Option<String>,
        /// The `seq` of the message it answers.
        reply_to: Option<u64>,
        attachments: Vec<MediaId>,
    },
    Edit {
        room: RoomName,
        seq: u64,
        body: String,
    },
    Delete {
        room: RoomName,
        seq: u64,
    },
    React {
        room: RoomName,
        seq: u64,
        emoji: String,
        on: bool,
    },
    /// Marks everything up to this entry as read.
    Read {
        room: RoomName,
        seq: u64,
    },
    /// Notifies the others in the room that the caller is typing.
    Typing {
        room: RoomName,
    },
    /// Opens the direct room of the caller and another account.
    DirectOpen {
        /// A uid or a name.
        account: String,
    },
    /// Subscribes to the presence of these accounts, instead of those watched before.
    PresenceWatch {
        accounts: Vec<AccountId>,
    },
    /// Lists the caller's rooms with their numbers of unread messages.
    Unread,
    /// Searches messages, newest first.
    Search {
        query: String,
        /// None searches all rooms of the caller.
        room: Option<RoomName>,
        cursor: Option<i64>,
        limit: u32,
    },
    AccountFind {
        name: String,
    },
    /// Blocks or unblocks an account from writing to the caller directly.
    Block {
        /// A uid or a name.
        account: String,
        on: bool,
    },
    /// Lists the accounts that the caller has blocked.
    Blocked {
        cursor: Option<AccountId>,
    },
    /// Hides a direct room from the list until something is posted there.
    HideDirect {
        room: RoomName,
    },
    /// Lists the plugins' commands.
    Commands,
    /// Any other op, looked up among the plugins' commands.
    Plugin {
        name: String,
        args: Map<String, Value>,
    },
}

/// A message in its current state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    /// The number of its entry.
    pub number: i64,
    pub at: Timestamp,
    pub from: Author,
    /// With an empty text if it was deleted.
    pub post: Post,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub reactions: Vec<Reaction>,
}

/// One emoji of a message's reactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub emoji: String,
    /// How many accounts.
    pub count: u32,
    /// The accounts, earliest first; not all of them if there are very many.
    pub accounts: Vec<AccountId>,
}

/// A room of an account, and how many messages are unread there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRoom {
    pub room: Room,
    /// In a direct room: the other account.
    pub with: Option<Account>,
    pub last_seq: u64,
    pub read_seq: u64,
    /// Other people's messages after `read_seq`.
    pub unread: u64,
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
        /// Whether guests may join.
        guests: bool,
    },
    /// A private room, as seen by a caller whom only its guards can admit.
    ClosedRoom(Room),
    Joined {
        room: Room,
        /// Whether the entries after `since` follow.
        recovered: bool,
        last_seq: u64,
    },
    Left,
    /// Members, each with whether it is online, and the guests in the room.
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
    /// The `seq` and time of the change's entry; none if nothing changed.
    Logged(Option<(u64, Timestamp)>),
    Read {
        seq: u64,
    },
    Done,
    /// The watched accounts, and whether each is online.
    Presence(Vec<(AccountId, bool)>),
    Unread(Vec<UnreadRoom>),
    Found {
        messages: Vec<(RoomId, Message)>,
        next: Option<i64>,
    },
    Account {
        account: Account,
        online: bool,
        disabled: bool,
    },
    /// The accounts that the caller has blocked.
    Blocked {
        accounts: Vec<Account>,
        next: Option<AccountId>,
    },
    Commands(Value),
    /// The answer of a plugin's command, called by its op or by `/slash` text.
    Result {
        value: Value,
        slash: bool,
    },
}
