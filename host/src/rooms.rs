//! Rooms and their members: who may come in, and how somebody stands to a room.

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
use crate::cache::{Cache, CacheValidity};
use crate::clock::{Timestamp, now};
use crate::config::{self, Reloadable};
use crate::database::Database;
use crate::error::{Error, Result, rooms};
use crate::messages::Writer;
use crate::protocol::{
    Account, AccountId, Actor, CacheInvalidation, Change, Credential, GuestRules, Member, Membership, Removal, Role,
    Room, RoomId, RoomKind, RoomName, RoomQuota, SessionSummary, Unit, Visibility,
};

const CACHED_ROOMS: usize = 10_000;
/// How many rooms are listed where a list has no pages.
const OPEN_ROOMS: u32 = 1000;
const CACHED_MEMBERSHIPS: usize = 100_000;
/// Five characters that a person can pass on.
const CODE_LENGTH: usize = 5;
const CODE_CHARS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What of the database is kept at hand for every post; the writer says what no longer holds.
pub struct RoomCache {
    rooms: Cache<RoomId, Option<Room>>,
    memberships: Cache<(RoomId, AccountId), Membership>,
    guest_rules: Cache<RoomId, Arc<GuestRules>>,
    validity: Arc<CacheValidity>,
}

impl Default for RoomCache {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl RoomCache {
    /// While there is no `validity`, the database is asked each time.
    pub fn new(validity: Arc<CacheValidity>) -> Self {
        let (rooms, memberships) = (Cache::new(CACHED_ROOMS), Cache::new(CACHED_MEMBERSHIPS));
        Self { rooms, memberships, guest_rules: Cache::new(CACHED_ROOMS), validity }
    }

    /// Forgets what a committed change made untrue.
    pub fn forget(&self, invalidations: CacheInvalidation) {
        match invalidations {
            CacheInvalidation::Room(room) => {
                self.rooms.forget(&room);
                self.guest_rules.forget(&room);
            }
            CacheInvalidation::Membership(room, account) => self.memberships.forget(&(room, account)),
        }
    }

    /// Forgets a deleted room, and the standing of every account in it.
    pub fn forget_room(&self, room: RoomId) {
        self.rooms.forget(&room);
        self.guest_rules.forget(&room);
        self.memberships.forget_where(|(of, _)| *of == room);
    }

    /// Forgets everything: changes may have gone unheard.
    pub fn clear(&self) {
        self.rooms.clear();
        self.guest_rules.clear();
        self.memberships.clear();
    }

    /// A room, if it is there.
    pub async fn room(&self, database: &Database, id: RoomId) -> Result<Option<Room>> {
        let load = async { Ok(database.room(id).await?.map(|(room, _)| room)) };
        if self.validity.holds() { self.rooms.get_or_load(&id, load).await } else { load.await }
    }

    async fn guest_rules(&self, database: &Database, room: RoomId) -> Result<Arc<GuestRules>> {
        let load = async { Ok(Arc::new(database.guest_rules(room, now()).await?)) };
        if self.validity.holds() { self.guest_rules.get_or_load(&room, load).await } else { load.await }
    }

    /// How an account stands to a room, if that is at hand.
    pub fn membership(&self, key: &(RoomId, AccountId)) -> Option<Membership> {
        self.validity.holds().then(|| self.memberships.get(key)).flatten()
    }

    async fn load_membership(&self, database: &Database, room: RoomId, account: AccountId) -> Result<Membership> {
        let load = database.membership(room, account);
        if self.validity.holds() { self.memberships.get_or_load(&(room, account), load).await } else { load.await }
    }
}

/// What somebody at a room's door is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinAccess {
    /// A member already.
    Member,
    /// May come in as it is.
    Open,
    /// Only the room guards can let them in.
    Guarded,
}

pub struct Rooms {
    database: Database,
    writer: Writer,
    cache: Arc<RoomCache>,
    limits: Reloadable<config::Limits>,
    /// What was made from each address lately.
    creations: Creations,
    /// Of the rooms that exist from the start.
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

    /// Whether a room of this name was deleted or renamed: then entry numbers that somebody noted under the name may belong to
    /// another room's log.
    pub async fn is_reused_name(&self, name: &str) -> Result<bool> {
        self.database.is_freed_room_name(name).await
    }

    /// By its five characters, in any case.
    pub async fn coded(&self, code: &str) -> Result<Room> {
        let unknown = || Error::not_found("room");
        // Whatever else a client takes for a code, no room has it.
        if code.len() != CODE_LENGTH || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(unknown());
        }
        self.database.room_coded(&code.to_uppercase()).await?.ok_or_else(unknown)
    }

    /// The rooms that somebody can come into without being invited, public ones and those with a password: those that exist from
    /// the start first, and how many these are.
    pub async fn open_rooms(&self) -> Result<(Vec<Room>, usize)> {
        let mut rooms = Vec::new();
        for name in self.preset.get().into_iter().flatten() {
            let found = self.database.room_named(name).await?.map(|(room, _)| room);
            rooms.extend(found.filter(|room| room.visibility == Visibility::Public || room.guarded));
        }
        let preset = rooms.len();
        let others = self.database.open_rooms(OPEN_ROOMS).await?;
        rooms.extend(
            others
                .into_iter()
                .filter(|room| rooms[..preset].iter().all(|first| first.id != room.id))
                .collect::<Vec<_>>(),
        );
        Ok((rooms, preset))
    }

    pub async fn numbered(&self, number: i64) -> Result<Room> {
        let room = self.database.room_numbered(number).await?;
        // A session is known by its uid alone.
        room.filter(|room| room.kind != RoomKind::Echo).ok_or_else(|| Error::not_found("room"))
    }

    /// The room of an account and the one of this number, which may be deleted, if there is one.
    pub async fn direct_numbered(&self, me: &Account, other: i64) -> Result<Option<Room>> {
        self.database.direct_room(me.number, other).await
    }

    /// The room of an account and another one, which may be deleted, if there is one.
    pub async fn direct_of(&self, one: AccountId, other: AccountId) -> Result<Option<Room>> {
        self.database.direct_room_of(one, other).await
    }

    /// A room with its number of members, fresh from the database.
    pub async fn get_counted(&self, room: RoomId) -> Result<(Room, u32)> {
        self.database.room(room).await?.ok_or_else(|| Error::not_found("room"))
    }

    /// Rooms that an account, or somebody without one, may see.
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

    /// How far a room's log goes and how an account stands to it then, in one look at the database.
    pub async fn membership_now(&self, room: RoomId, account: AccountId) -> Result<(u64, Membership)> {
        self.database.membership_now(room, account).await?.ok_or_else(|| Error::not_found("room"))
    }

    /// Whether somebody may come in: a member is inside, a public room and an invitation are open doors, and the rest is for the guards.
    pub fn join_access(room: &Room, membership: Membership) -> Result<JoinAccess> {
        if membership.banned {
            return Err(Error::Forbidden(rooms::BANNED.into()));
        }
        if membership.role.is_some() {
            return Ok(JoinAccess::Member);
        }
        if room.kind != RoomKind::Room {
            // Nobody else's business, not even that it is there.
            return Err(Error::not_found("room"));
        }
        if membership.invited || room.visibility == Visibility::Public {
            Ok(JoinAccess::Open)
        } else {
            Ok(JoinAccess::Guarded)
        }
    }

    /// Whether a member of this standing may say something now.
    pub fn check_can_post(membership: Membership, now: Timestamp) -> Result<()> {
        if membership.role.is_none() {
            return Err(not_a_member());
        }
        match membership.muted_until.filter(|until| *until > now) {
            Some(until) => Err(Error::Forbidden(format!("{}{until}", rooms::MUTED_UNTIL))),
            None => Ok(()),
        }
    }

    pub async fn add_member(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::AddMember { room, account: id, role: Role::Member }).await
    }

    pub async fn leave(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::RemoveMember { room, account: id, why: Removal::Left, reason: None }).await
    }

    /// The room of two accounts, made if there is none.
    pub async fn direct(&self, me: &Account, other: &Account, from: Origin) -> Result<Room> {
        if me.id == other.id {
            return Err(Error::invalid("account", "should be somebody else's"));
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
        // Made just now, here or by somebody who was faster.
        self.database.direct_room(me.number, other.number).await?.ok_or_else(|| Error::not_found("room"))
    }

    /// An account's session of this id, made under this name if there is no room of this id; somebody else's is not there.
    pub async fn session(&self, me: &Account, id: RoomId, name: &str, from: Origin) -> Result<Room> {
        match self.get(&RoomName::Id(id)).await {
            Err(Error::NotFound(_)) => {
                // A room's uid never becomes a session, not even after the room was deleted.
                if self.database.is_deleted_room(id).await? {
                    return Err(no_session());
                }
                self.take_creation(from)?;
                let quota = self.quota(RoomKind::Echo);
                let open = Change::OpenSession { id, name: name.to_owned(), owner: me.id, quota };
                self.commit(&Actor::Account(me.clone()), open).await?;
                // Made just now, or by somebody who was faster.
                self.own_session(me, id).await
            }
            Ok(room) => self.check_session(me, room).await,
            Err(error) => Err(error),
        }
    }

    /// An account's session of this id.
    pub async fn own_session(&self, me: &Account, id: RoomId) -> Result<Room> {
        match self.get(&RoomName::Id(id)).await {
            Ok(room) => self.check_session(me, room).await,
            Err(Error::NotFound(_)) => Err(no_session()),
            Err(error) => Err(error),
        }
    }

    /// All who have no business there are told the same, whatever it is that has this id.
    async fn check_session(&self, me: &Account, room: Room) -> Result<Room> {
        let mine = room.kind == RoomKind::Echo && self.membership(room.id, me.id).await?.role == Some(Role::Owner);
        if mine { Ok(room) } else { Err(no_session()) }
    }

    /// An account's sessions, the latest first, before the one of this number.
    pub async fn sessions(&self, me: &Account, before: Option<i64>, limit: u32) -> Result<Vec<SessionSummary>> {
        self.database.sessions(me.id, before, limit).await
    }

    async fn commit(&self, by: &Actor, change: Change) -> Result<()> {
        self.writer.commit(Unit::new(by.clone(), vec![change])).await
    }

    /// Makes the rooms that exist from the start, unless they are there.
    pub async fn preset(&self, names: &[String]) -> Result<()> {
        // Set once: the server does this at its start alone.
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
                // Another node that starts was faster.
                Err(Error::Conflict(_)) if self.database.room_named(&name).await?.is_some() => {}
                made => made?,
            }
        }
        Ok(())
    }
}

pub fn not_a_member() -> Error {
    Error::Forbidden(rooms::NOT_A_MEMBER.into())
}

fn no_session() -> Error {
    Error::not_found("session")
}

/// A new room's code.
pub fn new_code() -> String {
    (0..CODE_LENGTH).map(|_| char::from(CODE_CHARS[rand::random_range(0..CODE_CHARS.len())])).collect()
}

/// The one credential that clients know by a field of its own.
pub fn password_credential(password: Option<String>) -> Vec<Credential> {
    password.map(|value| Credential { name: "password".into(), value: Some(value) }).into_iter().collect()
}
