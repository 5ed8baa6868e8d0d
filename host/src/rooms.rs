//! Rooms and their members: who may come in, and how somebody stands to a room.

mod departures;

use std::sync::Arc;

use crate::cache::Cache;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::messages::Writer;
use crate::protocol::{
    AccountId, Actor, Change, Credential, Member, Removal, Role, Room, RoomId, RoomKind, RoomName, Standing, Unit,
    Visibility,
};

const CACHED_ROOMS: usize = 10_000;
const CACHED_STANDINGS: usize = 100_000;
/// Five characters that a person can pass on.
const CODE_CHARS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// What of the database is kept at hand for every post; the writer says what no longer holds.
pub struct Known {
    rooms: Cache<RoomId, Option<Room>>,
    standings: Cache<(RoomId, AccountId), Standing>,
}

impl Default for Known {
    fn default() -> Self {
        Self { rooms: Cache::new(CACHED_ROOMS), standings: Cache::new(CACHED_STANDINGS) }
    }
}

impl Known {
    /// Forgets what a committed change made untrue.
    pub fn forget(&self, change: &Change) {
        match change {
            Change::CreateRoom(new) => {
                self.rooms.forget(&new.id);
                if let Some(owner) = new.owner {
                    self.standings.forget(&(new.id, owner));
                }
            }
            Change::UpdateRoom { room, .. } | Change::DeleteRoom { room } => self.rooms.forget(room),
            Change::Invite { room, account }
            | Change::AddMember { room, account, .. }
            | Change::RemoveMember { room, account, .. }
            | Change::SetRole { room, account, .. }
            | Change::Unban { room, account }
            | Change::Mute { room, account, .. } => self.standings.forget(&(*room, *account)),
            Change::Post(_)
            | Change::DeleteMessage { .. }
            | Change::PutValue { .. }
            | Change::DeleteValue { .. }
            | Change::SetTimer(_)
            | Change::CancelTimer { .. }
            | Change::EndTimer { .. } => {}
        }
    }
}

/// What somebody at a room's door is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A member already.
    Inside,
    /// May come in as it is.
    Open,
    /// Only the room guards can let them in.
    Guarded,
}

pub struct Rooms {
    database: Database,
    writer: Writer,
    known: Arc<Known>,
}

impl Rooms {
    pub fn new(database: Database, writer: Writer, known: Arc<Known>) -> Self {
        Self { database, writer, known }
    }

    pub async fn get(&self, name: &RoomName) -> Result<Room> {
        let found = match name {
            RoomName::Id(id) => {
                let load = async { Ok(self.database.room(*id).await?.map(|(room, _)| room)) };
                self.known.rooms.get_or_load(id, load).await?
            }
            RoomName::Name(name) => self.database.room_named(name).await?.map(|(room, _)| room),
        };
        found.ok_or_else(|| Error::not_found("room"))
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

    pub async fn standing(&self, room: RoomId, account: AccountId) -> Result<Standing> {
        self.known.standings.get_or_load(&(room, account), self.database.standing(room, account)).await
    }

    /// Whether somebody may come in: a member is inside, a public room and an invitation are open doors, and the rest is for the guards.
    pub fn door(room: &Room, standing: Standing) -> Result<Door> {
        if standing.banned {
            return Err(Error::Forbidden("banned from this room".into()));
        }
        if standing.role.is_some() {
            return Ok(Door::Inside);
        }
        if room.kind != RoomKind::Room {
            // Nobody else's business, not even that it is there.
            return Err(Error::not_found("room"));
        }
        if standing.invited || room.visibility == Visibility::Public { Ok(Door::Open) } else { Ok(Door::Guarded) }
    }

    pub async fn add_member(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::AddMember { room, account: id, role: Role::Member }).await
    }

    pub async fn leave(&self, room: RoomId, account: &Actor) -> Result<()> {
        let Some(id) = account.account().map(|account| account.id) else { return Ok(()) };
        self.commit(account, Change::RemoveMember { room, account: id, why: Removal::Left, reason: None }).await
    }

    async fn commit(&self, by: &Actor, change: Change) -> Result<()> {
        self.writer.commit(Unit::new(by.clone(), vec![change])).await.map(|_| ())
    }

    /// Makes the rooms that exist from the start, unless they are there.
    pub async fn preset(&self, names: &[String]) -> Result<()> {
        for name in names {
            let name = crate::name::clean("rooms.preset", name)?;
            if self.database.room_named(&name).await?.is_some() {
                continue;
            }
            let new = crate::protocol::NewRoom {
                id: RoomId::new(),
                code: new_code(),
                name,
                visibility: Visibility::Public,
                topic: String::new(),
                member_limit: None,
                owner: None,
            };
            self.commit(&Actor::Server, Change::CreateRoom(new)).await?;
        }
        Ok(())
    }
}

/// A new room's code.
pub fn new_code() -> String {
    (0..5).map(|_| char::from(CODE_CHARS[rand::random_range(0..CODE_CHARS.len())])).collect()
}

/// The one credential that clients know by a field of its own.
pub fn password_credential(password: Option<String>) -> Vec<Credential> {
    password.map(|value| Credential { name: "password".into(), value: Some(value) }).into_iter().collect()
}
