//! What clients ask, and what they are answered.

use std::fmt;

use serde_json::{Map, Value};

use super::{Account, AccountId, Actor, Author, ConnectionId, Guest, MediaId, Member, Post, Role, Room, RoomId};
use crate::clock::Timestamp;

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
    Read {
        room: RoomName,
        seq: u64,
    },
    Typing {
        room: RoomName,
    },
    /// The room of the caller and one other account.
    DirectOpen {
        /// A uid or a name.
        account: String,
    },
    /// From now on these accounts' comings and goings are told, and nobody else's.
    PresenceWatch {
        accounts: Vec<AccountId>,
    },
    Unread,
    Search {
        query: String,
        /// Everywhere the caller is a member, if none is named.
        room: Option<RoomName>,
        cursor: Option<i64>,
        limit: u32,
    },
    AccountFind {
        name: String,
    },
    /// From now on the account cannot write to the caller directly; or it can again.
    Block {
        /// A uid or a name.
        account: String,
        on: bool,
    },
    Blocked {
        cursor: Option<AccountId>,
    },
    /// Leaves a direct room out of the list until something is posted there.
    HideDirect {
        room: RoomName,
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
    /// As an entry's.
    pub number: i64,
    pub at: Timestamp,
    pub from: Author,
    /// Without text if it was deleted.
    pub post: Post,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub reactions: Vec<Reaction>,
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    pub emoji: String,
    /// How many accounts.
    pub count: u32,
    /// Which, the earliest first; not all of them if they are very many.
    pub accounts: Vec<AccountId>,
}

/// A room of an account's, and how much of it is new to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRoom {
    pub room: Room,
    /// In a direct room: the other one.
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
        /// Whether they may come in.
        guests: bool,
    },
    /// A private room, as those see it whom only its guards can let in.
    ClosedRoom(Room),
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
    /// What was changed, as the room's log has it; none if it was so already.
    Logged(Option<(u64, Timestamp)>),
    Read {
        seq: u64,
    },
    Done,
    /// Those watched, and whether they are online.
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
    /// Whom the caller has blocked.
    Blocked {
        accounts: Vec<Account>,
        next: Option<AccountId>,
    },
    Commands(Value),
    /// What a plugin's command answered; called by its op, or by `/slash` text.
    Result {
        value: Value,
        slash: bool,
    },
}
