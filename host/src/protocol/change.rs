//! Posts and changes that the writer can commit.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Account, AccountId, Actor, ConnectionId, GuestRule, GuestSelector, MediaId, Removal, Role, RoomId, Visibility,
};
use crate::clock::Timestamp;

/// The content of a message: its text, key, reply reference and attachments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    pub body: Arc<str>,
    /// The client's idempotency key.
    pub key: Option<Arc<str>>,
    /// The `seq` of the message it answers.
    pub reply_to: Option<u64>,
    pub attachments: Arc<[Attachment]>,
}

/// An attachment of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attachment {
    File(MediaFile),
    /// A picture that is not stored on this server: a link to it, or a `data:` URL that contains it.
    Picture {
        url: Arc<str>,
    },
}

impl Attachment {
    /// The URL of the file or picture.
    pub fn url(&self) -> Cow<'_, str> {
        match self {
            Self::File(file) => file.link().into(),
            Self::Picture { url } => (&**url).into(),
        }
    }

    /// The URL for plugins: of an embedded picture only the type, such as `data:image/png`.
    pub fn url_for_plugins(&self) -> String {
        let url = self.url();
        let kind = if url.starts_with("data:") { url.find([';', ',']) } else { None };
        url[..kind.unwrap_or(url.len())].to_owned()
    }
}

/// An uploaded file, as it was when it was attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFile {
    pub id: MediaId,
    pub name: String,
    /// Detected from its bytes, such as `image/png`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

impl MediaFile {
    /// The path at which the server serves it.
    pub fn link(&self) -> String {
        format!("/media/{}", self.id)
    }
}

/// A post for the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPost {
    pub room: RoomId,
    pub by: Actor,
    /// The connection that sent it.
    pub from: Option<ConnectionId>,
    /// The account that had a plugin post it.
    pub on_behalf_of: Option<Account>,
    pub post: Post,
}

/// How many rooms of a kind their creator may have; checked in the transaction that creates one more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RoomQuota {
    #[default]
    Unlimited,
    /// Rooms of this kind that one account created.
    Account(u32),
    /// Rooms that guests created: from one address, and in total.
    Guests { origin: String, per_origin: u32, total: u32 },
}

/// A room for the writer; its ids are assigned before it is stored, so that replies can contain them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    pub id: RoomId,
    pub code: String,
    pub name: String,
    pub visibility: Visibility,
    pub topic: String,
    pub member_limit: Option<u32>,
    pub owner: Option<AccountId>,
    pub quota: RoomQuota,
}

/// New values of a room's settings; those that are none stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomChange {
    pub name: Option<String>,
    pub visibility: Option<Visibility>,
    pub topic: Option<String>,
    pub member_limit: Option<Option<u32>>,
}

/// One change of a unit of work.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    CreateRoom(NewRoom),
    /// Changes a room's settings.
    UpdateRoom {
        room: RoomId,
        change: RoomChange,
    },
    DeleteRoom {
        room: RoomId,
    },
    /// Lets an account join a private room.
    Invite {
        room: RoomId,
        account: AccountId,
    },
    AddMember {
        room: RoomId,
        account: AccountId,
        role: Role,
    },
    /// Removes a member who left, was kicked or was banned.
    RemoveMember {
        room: RoomId,
        account: AccountId,
        why: Removal,
        reason: Option<String>,
    },
    SetRole {
        room: RoomId,
        account: AccountId,
        role: Role,
    },
    Unban {
        room: RoomId,
        account: AccountId,
    },
    /// Mutes an account until this time; None lets it post again.
    Mute {
        room: RoomId,
        account: AccountId,
        until: Option<Timestamp>,
    },
    /// A post that has passed the filters.
    Post(NewPost),
    DeleteMessage {
        room: RoomId,
        seq: u64,
    },
    /// Replaces a message's text; the new one has passed the filters.
    EditMessage {
        room: RoomId,
        seq: u64,
        body: Arc<str>,
    },
    /// Adds or removes an account's reaction to a message.
    React {
        room: RoomId,
        seq: u64,
        emoji: Arc<str>,
        on: bool,
    },
    /// The account has read everything up to this entry.
    MarkRead {
        room: RoomId,
        seq: u64,
    },
    /// Sets whether a room guard has credentials for the room.
    SetGuarded {
        room: RoomId,
        guarded: bool,
    },
    /// Creates the direct room of these two accounts, unless there is one.
    OpenDirect {
        id: RoomId,
        code: String,
        between: [AccountId; 2],
        quota: RoomQuota,
    },
    /// Creates an account's echo room of this id, unless there is a room of this id.
    OpenSession {
        id: RoomId,
        name: String,
        owner: AccountId,
        quota: RoomQuota,
    },
    /// Deletes a room's oldest entries, up to this one and at most `limit`.
    Prune {
        room: RoomId,
        up_to: u64,
        limit: u32,
    },
    /// Bans or mutes guests in a room for a time.
    RestrictGuests {
        room: RoomId,
        rule: GuestRule,
    },
    /// Ends all bans and mutes of guests in the room.
    PardonGuests {
        room: RoomId,
    },
    /// Sets whether guests may join.
    AllowGuests {
        room: RoomId,
        allowed: bool,
    },
    /// Evicts these guests from the room after the commit.
    RemoveGuests {
        room: RoomId,
        which: GuestSelector,
    },
    /// Bans guests from the addresses of this account's connections to other nodes; only those nodes know the addresses.
    BanOriginsElsewhere {
        room: RoomId,
        account: AccountId,
        until: Timestamp,
    },
    /// Stores a value in a plugin's storage.
    PutValue {
        plugin: Arc<str>,
        key: String,
        value: Vec<u8>,
    },
    /// Deletes a value from a plugin's storage.
    DeleteValue {
        plugin: Arc<str>,
        key: String,
    },
    /// Sets a plugin's timer, replacing one of the same name.
    SetTimer(Timer),
    CancelTimer {
        plugin: Arc<str>,
        name: String,
    },
    /// Removes a timer that has fired; a conflict if it is not set for this moment any more.
    EndTimer {
        plugin: Arc<str>,
        name: String,
        due_at: Timestamp,
    },
}

/// A cache entry that a change makes stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CacheInvalidation {
    Room(RoomId),
    #[serde(rename = "Standing")]
    Membership(RoomId, AccountId),
}

impl Change {
    /// The cache entries that are stale once this change is committed.
    pub fn invalidations(&self) -> Vec<CacheInvalidation> {
        let mut invalidations: Vec<_> =
            self.membership().map(|(room, account)| CacheInvalidation::Membership(room, account)).into_iter().collect();
        match self {
            Self::CreateRoom(NewRoom { id: room, .. })
            | Self::UpdateRoom { room, .. }
            | Self::SetGuarded { room, .. }
            | Self::RestrictGuests { room, .. }
            | Self::PardonGuests { room }
            | Self::AllowGuests { room, .. }
            | Self::DeleteRoom { room }
            | Self::OpenSession { id: room, .. } => invalidations.push(CacheInvalidation::Room(*room)),
            Self::OpenDirect { id, between, .. } => {
                invalidations.push(CacheInvalidation::Room(*id));
                invalidations.extend(between.iter().map(|account| CacheInvalidation::Membership(*id, *account)));
            }
            _ => {}
        }
        invalidations
    }

    /// The room that this change deletes.
    pub fn deleted_room(&self) -> Option<RoomId> {
        match self {
            Self::DeleteRoom { room } => Some(*room),
            _ => None,
        }
    }

    /// The existing room whose log or state this change writes; in a cluster the writer locks it.
    pub fn logged_in(&self) -> Option<RoomId> {
        match self {
            Self::UpdateRoom { room, .. }
            | Self::DeleteRoom { room }
            | Self::Invite { room, .. }
            | Self::AddMember { room, .. }
            | Self::RemoveMember { room, .. }
            | Self::SetRole { room, .. }
            | Self::Unban { room, .. }
            | Self::Mute { room, .. }
            | Self::DeleteMessage { room, .. }
            | Self::EditMessage { room, .. }
            | Self::React { room, .. }
            | Self::MarkRead { room, .. }
            | Self::SetGuarded { room, .. }
            | Self::Prune { room, .. } => Some(*room),
            Self::Post(new) => Some(new.room),
            _ => None,
        }
    }

    /// The room and the account whose membership this change affects.
    pub fn membership(&self) -> Option<(RoomId, AccountId)> {
        match self {
            Self::Invite { room, account }
            | Self::AddMember { room, account, .. }
            | Self::RemoveMember { room, account, .. }
            | Self::SetRole { room, account, .. }
            | Self::Unban { room, account }
            | Self::Mute { room, account, .. } => Some((*room, *account)),
            Self::CreateRoom(new) => new.owner.map(|owner| (new.id, owner)),
            Self::OpenSession { id, owner, .. } => Some((*id, *owner)),
            _ => None,
        }
    }
}

/// A plugin's timer: when it is due, and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    pub plugin: Arc<str>,
    pub name: String,
    pub due_at: Timestamp,
    /// JSON.
    pub payload: String,
    /// None if no account asked for it.
    pub set_by: Option<Requester>,
}

/// The account that asked for a plugin's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    pub account: Account,
    /// The room of the command in which it asked.
    pub room: Option<RoomId>,
}

/// The receivers of a plugin's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PushTarget {
    Connection(ConnectionId),
    Account(AccountId),
    Room(RoomId),
}

/// A plugin's event to live connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub to: PushTarget,
    pub plugin: Arc<str>,
    pub name: String,
    /// JSON.
    pub data: String,
}

// A plugin's values may be secrets (password hashes): only their size is shown.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRoom(room) => write!(f, "CreateRoom({room:?})"),
            Self::UpdateRoom { room, change } => write!(f, "UpdateRoom({room}, {change:?})"),
            Self::DeleteRoom { room } => write!(f, "DeleteRoom({room})"),
            Self::Invite { room, account } => write!(f, "Invite({room}, {account})"),
            Self::AddMember { room, account, role } => write!(f, "AddMember({room}, {account}, {role})"),
            Self::RemoveMember { room, account, why, .. } => write!(f, "RemoveMember({room}, {account}, {why})"),
            Self::SetRole { room, account, role } => write!(f, "SetRole({room}, {account}, {role})"),
            Self::Unban { room, account } => write!(f, "Unban({room}, {account})"),
            Self::Mute { room, account, until } => write!(f, "Mute({room}, {account}, {until:?})"),
            Self::Post(new) => write!(f, "Post({}, {} bytes)", new.room, new.post.body.len()),
            Self::DeleteMessage { room, seq } => write!(f, "DeleteMessage({room}, {seq})"),
            Self::EditMessage { room, seq, body } => write!(f, "EditMessage({room}, {seq}, {} bytes)", body.len()),
            Self::React { room, seq, emoji, on } => write!(f, "React({room}, {seq}, {emoji}, {on})"),
            Self::MarkRead { room, seq } => write!(f, "MarkRead({room}, {seq})"),
            Self::SetGuarded { room, guarded } => write!(f, "SetGuarded({room}, {guarded})"),
            Self::OpenDirect { id, between, .. } => write!(f, "OpenDirect({id}, {between:?})"),
            Self::OpenSession { id, owner, .. } => write!(f, "OpenSession({id}, {owner})"),
            Self::Prune { room, up_to, limit } => write!(f, "Prune({room}, {up_to}, {limit})"),
            Self::RestrictGuests { room, rule } => {
                write!(f, "RestrictGuests({room}, {} until {})", rule.kind, rule.until)
            }
            Self::PardonGuests { room } => write!(f, "PardonGuests({room})"),
            Self::AllowGuests { room, allowed } => write!(f, "AllowGuests({room}, {allowed})"),
            Self::RemoveGuests { room, which } => write!(f, "RemoveGuests({room}, {which:?})"),
            Self::BanOriginsElsewhere { room, account, until } => {
                write!(f, "BanOriginsElsewhere({room}, {account}, {until})")
            }
            Self::PutValue { plugin, key, value } => write!(f, "PutValue({plugin}, {key}, {} bytes)", value.len()),
            Self::DeleteValue { plugin, key } => write!(f, "DeleteValue({plugin}, {key})"),
            Self::SetTimer(timer) => write!(f, "SetTimer({}, {}, {})", timer.plugin, timer.name, timer.due_at),
            Self::CancelTimer { plugin, name } => write!(f, "CancelTimer({plugin}, {name})"),
            Self::EndTimer { plugin, name, due_at } => write!(f, "EndTimer({plugin}, {name}, {due_at})"),
        }
    }
}

/// A value of a plugin's storage that a unit of work has read; if its version has changed when the unit is applied, the unit is
/// a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRead {
    pub plugin: Arc<str>,
    pub key: String,
    /// 0 where there was no value.
    pub version: i64,
}

/// Changes that are committed together in one transaction, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub by: Actor,
    pub reads: Vec<StorageRead>,
    pub changes: Vec<Change>,
    /// Sent after the commit.
    pub pushes: Vec<Push>,
    /// How many plugins' reactions led to it: 0 for a client's own request.
    pub depth: u8,
}

impl Unit {
    /// A unit of work requested by a client or by the server.
    pub fn new(by: Actor, changes: Vec<Change>) -> Self {
        Self { by, reads: Vec::new(), changes, pushes: Vec::new(), depth: 0 }
    }
}
