//! Rooms and memberships: lookup, join access, permission to post, and creation of rooms.

mod account_deletions;
mod deletions;
mod erasures;
mod guest_rooms;
mod guests;
mod quotas;

use std::sync::{Arc, OnceLock};

pub use self::deletions::remove_leftovers;
pub use self::guest_rooms::GuestRooms;
pub use self::guests::origin_key;
use self::quotas::Creations;
use crate::accounts::throttle::Origin;
use crate::config::{self, Reloadable};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::messages::Writer;
use crate::protocol::{
    Account, AccountId, Actor, Change, Member, Membership, Removal, Role, Room, RoomId, RoomKind, RoomName, RoomQuota,
    SessionSummary, Unit, Visibility,
};
use crate::room_cache::RoomCache;

/// How many rooms a list without pages contains.
const MAX_OPEN_ROOMS: u32 = 1000;
/// The length of a room's code.
const CODE_LENGTH: usize = 5;
/// The characters of a room's code.
const CODE_CHARS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

pub struct Rooms {
    database: Database,
    writer: Writer,
    cache: Arc<RoomCache>,
    limits: Reloadable<config::Limits>,
    /// Recently created rooms per address.
    creations: Creations,
    /// Names of the rooms in the configuration's `rooms.preset`.
    preset: OnceLock<Vec<String>>,
}

impl Rooms {
    pub fn new(database: Database, writer: Writer, cache: Arc<RoomCache>, limits: Reloadable<config::Limits>) -> Self {
        Self { database, writer, cache, limits, creations: Creations::default(), preset: OnceLock::new() }
    }

    pub async fn get(&self, name: &RoomName) -> Result<Room> {
        let found = match name {
            RoomName::Id(id) => self.cache.room(&self.database, *id).await?,
            RoomName::Name(name) => self.database.room_named(name).await?.map(|(room, _)| room),
        };
        found.ok_or_else(|| Error::not_found("room"))
    }

    /// Whether a room of this name was deleted or renamed: then a client's entry numbers for the name may belong to another
    /// room's log.
    pub async fn is_reused_name(&self, name: &str) -> Result<bool> {
        self.database.is_freed_room_name(name).await
    }

    /// A room by its code, in any case.
    pub async fn by_code(&self, code: &str) -> Result<Room> {
        let unknown = || Error::not_found("room");
        // No room has a code of another form.
        if code.len() != CODE_LENGTH || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(unknown());
        }
        self.database.room_coded(&code.to_uppercase()).await?.ok_or_else(unknown)
    }

    /// The rooms that can be joined without an invitation, public ones and guarded ones: preset rooms first, and how many these
    /// are.
    pub async fn open_rooms(&self) -> Result<(Vec<Room>, usize)> {
        let mut rooms = Vec::new();
        for name in self.preset.get().into_iter().flatten() {
            let found = self.database.room_named(name).await?.map(|(room, _)| room);
            rooms.extend(found.filter(|room| room.visibility == Visibility::Public || room.guarded));
        }
        let preset = rooms.len();
        let others = self.database.open_rooms(MAX_OPEN_ROOMS).await?;
        rooms.extend(
            others
                .into_iter()
                .filter(|room| rooms[..preset].iter().all(|first| first.id != room.id))
                .collect::<Vec<_>>(),
        );
        Ok((rooms, preset))
    }

    pub async fn by_number(&self, number: i64) -> Result<Room> {
        let room = self.database.room_numbered(number).await?;
        // Echo rooms can only be found by uid.
        room.filter(|room| room.kind != RoomKind::Echo).ok_or_else(|| Error::not_found("room"))
    }

    /// The direct room of an account and the account of this number, which may be deleted; none if there is no such room.
    pub async fn direct_by_number(&self, me: &Account, other: i64) -> Result<Option<Room>> {
        self.database.direct_room(me.number, other).await
    }

    /// The direct room of two accounts, of which the other may be deleted; none if there is no such room.
    pub async fn direct_with(&self, one: AccountId, other: AccountId) -> Result<Option<Room>> {
        self.database.direct_room_of(one, other).await
    }

    /// A room with its number of members, read from the database.
    pub async fn get_counted(&self, room: RoomId) -> Result<(Room, u32)> {
        self.database.room(room).await?.ok_or_else(|| Error::not_found("room"))
    }

    /// Rooms that an account, or a caller without one, may see, with their numbers of members.
    pub async fn list(
        &self,
        account: Option<AccountId>,
        query: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(Room, u32)>> {
        self.database.rooms(account, query, after, limit).await
    }

    pub async fn of(&self, account: AccountId) -> Result<Vec<RoomId>> {
        self.database.rooms_of(account).await
    }

    pub async fn members(&self, room: RoomId, after: Option<AccountId>, limit: u32) -> Result<Vec<Member>> {
        self.database.members(room, after, limit).await
    }

    pub async fn membership(&self, room: RoomId, account: AccountId) -> Result<Membership> {
        self.cache.load_membership(&self.database, room, account).await
    }

    /// A room's last `seq` and an account's membership, read from the database in one query.
    pub async fn membership_now(&self, room: RoomId, account: AccountId) -> Result<(u64, Membership)> {
        self.database.membership_now(room, account).await?.ok_or_else(|| Error::not_found("room"))
    }

    pub async fn add_member(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::AddMember { room, account: id, role: Role::Member }).await
    }

    pub async fn leave(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::RemoveMember { room, account: id, why: Removal::Left, reason: None }).await
    }

    /// The direct room of two accounts, created if there is none.
    pub async fn direct(&self, me: &Account, other: &Account, from: Origin) -> Result<Room> {
        if me.id == other.id {
            return Err(Error::invalid("account", "should be another account than your own"));
        }
        if let Some(room) = self.database.direct_room(me.number, other.number).await? {
            return Ok(room);
        }
        self.check_contact(me.id, other.id).await?;
        self.take_creation(from)?;
        let between = [me.id, other.id];
        let open =
            Change::OpenDirect { id: RoomId::new(), code: new_code(), between, quota: self.quota(RoomKind::Direct) };
        self.commit(&Actor::Account(me.clone()), open).await?;
        // Created just now, by this call or by a concurrent one.
        self.database.direct_room(me.number, other.number).await?.ok_or_else(|| Error::not_found("room"))
    }

    /// An account's echo room of this id, created with this name if there is no room of this id. Other accounts' rooms are not
    /// found.
    pub async fn session(&self, me: &Account, id: RoomId, name: &str, from: Origin) -> Result<Room> {
        match self.get(&RoomName::Id(id)).await {
            Err(Error::NotFound(_)) => {
                // The uid of a room is never reused for a session, even after the room was deleted.
                if self.database.is_deleted_room(id).await? {
                    return Err(no_session());
                }
                self.take_creation(from)?;
                let quota = self.quota(RoomKind::Echo);
                let open = Change::OpenSession { id, name: name.to_owned(), owner: me.id, quota };
                self.commit(&Actor::Account(me.clone()), open).await?;
                // Created just now, by this call or by a concurrent one.
                self.own_session(me, id).await
            }
            Ok(room) => self.check_session(me, room).await,
            Err(error) => Err(error),
        }
    }

    /// An account's echo room of this id.
    pub async fn own_session(&self, me: &Account, id: RoomId) -> Result<Room> {
        match self.get(&RoomName::Id(id)).await {
            Ok(room) => self.check_session(me, room).await,
            Err(Error::NotFound(_)) => Err(no_session()),
            Err(error) => Err(error),
        }
    }

    /// Gives the same error for every room that is not the account's own session, to reveal nothing.
    async fn check_session(&self, me: &Account, room: Room) -> Result<Room> {
        let mine = room.kind == RoomKind::Echo && self.membership(room.id, me.id).await?.role == Some(Role::Owner);
        if mine { Ok(room) } else { Err(no_session()) }
    }

    /// An account's sessions, latest first, before the one with this number.
    pub async fn sessions(&self, me: &Account, before: Option<i64>, limit: u32) -> Result<Vec<SessionSummary>> {
        self.database.sessions(me.id, before, limit).await
    }

    async fn commit(&self, by: &Actor, change: Change) -> Result<()> {
        self.writer.commit(Unit::new(by.clone(), vec![change])).await
    }

    /// Creates the preset rooms that do not exist.
    pub async fn preset(&self, names: &[String]) -> Result<()> {
        // Set once, at the server's start.
        let _ = self.preset.set(names.to_vec());
        for name in names {
            let name = crate::name::clean("rooms.preset", name)?;
            if self.database.room_named(&name).await?.is_some() {
                continue;
            }
            let new = crate::protocol::NewRoom {
                id: RoomId::new(),
                code: new_code(),
                name: name.clone(),
                visibility: Visibility::Public,
                topic: String::new(),
                member_limit: None,
                owner: None,
                quota: RoomQuota::Unlimited,
            };
            match self.commit(&Actor::Server, Change::CreateRoom(new)).await {
                // Another node created it concurrently.
                Err(Error::Conflict(_)) if self.database.room_named(&name).await?.is_some() => {}
                made => made?,
            }
        }
        Ok(())
    }
}

fn no_session() -> Error {
    Error::not_found("session")
}

/// A new room's code.
pub fn new_code() -> String {
    (0..CODE_LENGTH).map(|_| char::from(CODE_CHARS[rand::random_range(0..CODE_CHARS.len())])).collect()
}
