//! What the writer can be asked to make true.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Account, AccountId, Actor, ConnectionId, GuestRule, GuestSelector, MediaId, Removal, Role, RoomId, Visibility,
};
use crate::clock::Timestamp;

/// The text of a message and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    pub body: Arc<str>,
    /// The client's idempotency key.
    pub key: Option<Arc<str>>,
    /// The `seq` of the message it answers.
    pub reply_to: Option<u64>,
    pub attachments: Arc<[Attachment]>,
}

/// Something that a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attachment {
    File(MediaFile),
    /// A picture that is not kept here: a link to it, or a `data:` URL that is all of it.
    Picture {
        url: Arc<str>,
    },
}

impl Attachment {
    /// Where it can be fetched.
    pub fn url(&self) -> Cow<'_, str> {
        match self {
            Self::File(file) => file.link().into(),
            Self::Picture { url } => (&**url).into(),
        }
    }

    /// What plugins are told: of a picture within the message only the kind, such as `data:image/png`.
    pub fn told(&self) -> String {
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
    /// As its bytes say, such as `image/png`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

impl MediaFile {
    /// Where the server gives it out.
    pub fn link(&self) -> String {
        format!("/media/{}", self.id)
    }
}

/// A post on its way to the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPost {
    pub room: RoomId,
    pub by: Actor,
    /// The connection that it came by.
    pub from: Option<ConnectionId>,
    /// The account that had a plugin post it.
    pub on_behalf_of: Option<Account>,
    pub post: Post,
}

/// How many rooms of a kind its maker may have; looked at in the transaction that makes one more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RoomQuota {
    #[default]
    Unlimited,
    /// Rooms of this kind that one account made.
    Account(u32),
    /// Rooms that guests made: from one address, and all together.
    Guests { origin: String, per_origin: u32, total: u32 },
}

/// A room on its way to the writer; its ids are given out before it is stored, so that replies can carry them.
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

/// What is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomChange {
    pub name: Option<String>,
    pub visibility: Option<Visibility>,
    pub topic: Option<String>,
    pub member_limit: Option<Option<u32>>,
}

/// One write of a unit of work.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    CreateRoom(NewRoom),
    UpdateRoom {
        room: RoomId,
        change: RoomChange,
    },
    DeleteRoom {
        room: RoomId,
    },
    Invite {
        room: RoomId,
        account: AccountId,
    },
    AddMember {
        room: RoomId,
        account: AccountId,
        role: Role,
    },
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
    /// None lets the account post again.
    Mute {
        room: RoomId,
        account: AccountId,
        until: Option<Timestamp>,
    },
    /// Shown to the filters before.
    Post(NewPost),
    DeleteMessage {
        room: RoomId,
        seq: u64,
    },
    /// Shown to the filters before, as a post is.
    EditMessage {
        room: RoomId,
        seq: u64,
        body: Arc<str>,
    },
    /// Adds an account's reaction to a message, or takes it away.
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
    /// Whether a room guard has credentials for the room now.
    SetGuarded {
        room: RoomId,
        guarded: bool,
    },
    /// Makes the room of these two, unless there is one.
    OpenDirect {
        id: RoomId,
        code: String,
        between: [AccountId; 2],
        quota: RoomQuota,
    },
    /// Makes an account's session of this id, unless there is a room of this id.
    OpenSession {
        id: RoomId,
        name: String,
        owner: AccountId,
        quota: RoomQuota,
    },
    /// Takes a room's oldest entries away, up to this one and no more than so many.
    Prune {
        room: RoomId,
        up_to: u64,
        limit: u32,
    },
    /// Keeps guests out of a room, or from posting there, for a while.
    RestrictGuests {
        room: RoomId,
        rule: GuestRule,
    },
    /// Bans and mutes of guests in the room are over.
    PardonGuests {
        room: RoomId,
    },
    /// Whether guests may come in.
    AllowGuests {
        room: RoomId,
        allowed: bool,
    },
    /// These guests are not in the room any more, once it is committed.
    RemoveGuests {
        room: RoomId,
        which: GuestSelector,
    },
    /// Keeps guests out who come from where this account is connected: on other nodes, which alone know that.
    BanOriginsElsewhere {
        room: RoomId,
        account: AccountId,
        until: Timestamp,
    },
    PutValue {
        plugin: Arc<str>,
        key: String,
        value: Vec<u8>,
    },
    DeleteValue {
        plugin: Arc<str>,
        key: String,
    },
    SetTimer(Timer),
    CancelTimer {
        plugin: Arc<str>,
        name: String,
    },
    /// The timer has done what it was set for; a conflict if it is not set for this moment any more.
    EndTimer {
        plugin: Arc<str>,
        name: String,
        due_at: Timestamp,
    },
}

/// What is kept of the database and a change makes untrue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CacheInvalidation {
    Room(RoomId),
    #[serde(rename = "Standing")]
    Membership(RoomId, AccountId),
}

impl Change {
    /// What no longer holds once it is committed.
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

    /// The room that it deletes.
    pub fn deleted_room(&self) -> Option<RoomId> {
        match self {
            Self::DeleteRoom { room } => Some(*room),
            _ => None,
        }
    }

    /// The room that is there already and whose log it makes longer.
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

    /// Whose standing it changes, and where.
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

/// When a plugin wants to be woken, and why.
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

/// Who hears an event that a plugin sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PushTarget {
    Connection(ConnectionId),
    Account(AccountId),
    Room(RoomId),
}

/// An event of a plugin's own, to those who are connected now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub to: PushTarget,
    pub plugin: Arc<str>,
    pub name: String,
    /// JSON.
    pub data: String,
}

// A plugin's values may be secrets (password hashes): their size is all that is shown.
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

/// What a unit of work read of a plugin's storage; if it is no longer so when the unit is applied, the unit is a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRead {
    pub plugin: Arc<str>,
    pub key: String,
    /// 0 where there was no value.
    pub version: i64,
}

/// Writes that become true together, in one transaction, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub by: Actor,
    pub reads: Vec<StorageRead>,
    pub changes: Vec<Change>,
    /// Sent once the changes are true.
    pub pushes: Vec<Push>,
    /// How many plugins' reactions led here: 0 for what a person asked for.
    pub depth: u8,
}

impl Unit {
    /// What a person or the server asked for.
    pub fn new(by: Actor, changes: Vec<Change>) -> Self {
        Self { by, reads: Vec::new(), changes, pushes: Vec::new(), depth: 0 }
    }
}
