//! Cached rooms and memberships.

use std::sync::Arc;

use crate::cache::{Cache, CacheValidity};
use crate::clock::now;
use crate::database::Database;
use crate::error::Result;
use crate::protocol::{AccountId, CacheInvalidation, GuestRules, Membership, Room, RoomId};

const MAX_CACHED_ROOMS: usize = 10_000;
const MAX_CACHED_MEMBERSHIPS: usize = 100_000;

/// Cached rows that every post needs; the writer invalidates them after commits.
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
    /// While `validity` does not hold, every lookup reads the database.
    pub fn new(validity: Arc<CacheValidity>) -> Self {
        let (rooms, memberships) = (Cache::new(MAX_CACHED_ROOMS), Cache::new(MAX_CACHED_MEMBERSHIPS));
        Self { rooms, memberships, guest_rules: Cache::new(MAX_CACHED_ROOMS), validity }
    }

    /// Removes entries that a committed change made stale.
    pub fn forget(&self, invalidation: CacheInvalidation) {
        match invalidation {
            CacheInvalidation::Room(room) => {
                self.rooms.forget(&room);
                self.guest_rules.forget(&room);
            }
            CacheInvalidation::Membership(room, account) => self.memberships.forget(&(room, account)),
        }
    }

    /// Removes a deleted room and all memberships in it.
    pub fn forget_room(&self, room: RoomId) {
        self.rooms.forget(&room);
        self.guest_rules.forget(&room);
        self.memberships.forget_where(|(of, _)| *of == room);
    }

    /// Removes everything: invalidations may have been lost.
    pub fn clear(&self) {
        self.rooms.clear();
        self.guest_rules.clear();
        self.memberships.clear();
    }

    /// A room, from the cache or the database.
    pub async fn room(&self, database: &Database, id: RoomId) -> Result<Option<Room>> {
        let load = async { Ok(database.room(id).await?.map(|(room, _)| room)) };
        if self.validity.holds() { self.rooms.get_or_load(&id, load).await } else { load.await }
    }

    /// What moderators decided about guests of a room.
    pub async fn guest_rules(&self, database: &Database, room: RoomId) -> Result<Arc<GuestRules>> {
        let load = async { Ok(Arc::new(database.guest_rules(room, now()).await?)) };
        if self.validity.holds() { self.guest_rules.get_or_load(&room, load).await } else { load.await }
    }

    /// An account's membership of a room, if it is cached.
    pub fn membership(&self, key: &(RoomId, AccountId)) -> Option<Membership> {
        self.validity.holds().then(|| self.memberships.get(key)).flatten()
    }

    /// An account's membership of a room, from the cache or the database.
    pub async fn load_membership(&self, database: &Database, room: RoomId, account: AccountId) -> Result<Membership> {
        let load = database.membership(room, account);
        if self.validity.holds() { self.memberships.get_or_load(&(room, account), load).await } else { load.await }
    }
}
