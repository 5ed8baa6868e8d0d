//! A call's unit of work: what it has read of storage and what it wants to be true, seen by its own later reads.

mod guests;
mod listing;
mod members;
mod messages;
mod pushes;
mod requester;
mod rooms;
#[cfg(test)]
mod tests;
mod timers;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub(super) use self::requester::RequestedBy;
use self::timers::Staged;
use super::Services;
use super::registry::Registry;
use crate::accounts::password::Share;
use crate::accounts::throttle::Origin;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Actor, Change, Credential, Member, Push, Room, RoomId, StorageRead, Unit};

/// Writes that one call may stage, and the bytes in them.
const CHANGES: usize = 1000;
const BYTES: usize = 4 << 20;
/// Keys of storage that one call may read.
const READS: usize = 10_000;

/// Staged writes of one call and of the guards that it calls on.
pub(super) struct UnitOfWork {
    pub(super) services: Arc<Services>,
    /// As it was when the call began.
    pub(super) registry: Arc<Registry>,
    /// On whose behalf the call is made.
    actor: Actor,
    /// Where the actor's request came from.
    origin: Option<Origin>,
    /// Who asked for what the call does, if somebody did.
    requester: Option<RequestedBy>,
    reads: BTreeMap<(Arc<str>, String), i64>,
    changes: Vec<Change>,
    bytes: usize,
    /// Storage as the staged writes leave it; none where one was deleted.
    values: BTreeMap<(Arc<str>, String), Option<Vec<u8>>>,
    /// How much each plugin's storage held before this call.
    stored: HashMap<Arc<str>, u64>,
    /// Rooms as the staged writes leave them, with the number of members; none where one was deleted.
    rooms: HashMap<RoomId, Option<(Room, u32)>>,
    /// Members as the staged writes leave them; none where one was removed.
    members: BTreeMap<(RoomId, AccountId), Option<Member>>,
    /// Messages that the staged writes delete.
    deleted: BTreeSet<(RoomId, u64)>,
    posts: usize,
    posted_in: HashMap<RoomId, Room>,
    /// Timers as the staged writes leave them.
    timers: BTreeMap<(Arc<str>, String), Staged>,
    /// How many timers each plugin had before this call.
    timers_before: HashMap<Arc<str>, u64>,
    pushes: Vec<Push>,
    /// Rooms made or changed with credentials, for the guards.
    offered: Vec<Offer>,
    guarding: bool,
}

/// Credentials that a room was made or changed with.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) room: Room,
    pub(super) credentials: Vec<Credential>,
}

impl UnitOfWork {
    pub(super) fn new(services: Arc<Services>, registry: Arc<Registry>, actor: Actor) -> Self {
        Self {
            services,
            registry,
            actor,
            origin: None,
            requester: None,
            reads: BTreeMap::new(),
            changes: Vec::new(),
            bytes: 0,
            values: BTreeMap::new(),
            stored: HashMap::new(),
            rooms: HashMap::new(),
            members: BTreeMap::new(),
            deleted: BTreeSet::new(),
            posts: 0,
            posted_in: HashMap::new(),
            timers: BTreeMap::new(),
            timers_before: HashMap::new(),
            pushes: Vec::new(),
            offered: Vec::new(),
            guarding: false,
        }
    }

    /// The same for a request that came from there.
    pub(super) fn from(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    /// The same for what somebody asked for: it posts nothing where they may not post themselves.
    pub(super) fn requested_by(mut self, requester: Option<RequestedBy>) -> Self {
        self.requester = requester;
        self
    }

    /// Whose turn the hashing of passwords takes.
    pub(super) fn hash_share(&self) -> Share {
        match (&self.actor, self.origin) {
            (Actor::Account(account), _) => Share::Account(account.id),
            (Actor::Guest(_), Some(origin)) => Share::Origin(origin),
            (Actor::Guest(_) | Actor::Plugin(_) | Actor::Server, _) => Share::Plugins,
        }
    }

    /// What the guards have to look at. From now on nothing more can be offered: a guard does not call on guards.
    pub(super) fn take_offers(&mut self) -> Vec<Offer> {
        self.guarding = true;
        std::mem::take(&mut self.offered)
    }

    fn offer(&mut self, room: &Room, credentials: Vec<Credential>) -> Result<()> {
        if credentials.is_empty() {
            return Ok(());
        }
        if self.guarding {
            return Err(Error::Forbidden("a room guard cannot hand credentials to guards".into()));
        }
        if credentials.iter().any(|credential| credential.name.is_empty()) {
            return Err(Error::invalid("credentials", "each needs a name"));
        }
        self.offered.push(Offer { room: room.clone(), credentials });
        Ok(())
    }

    fn stage(&mut self, change: Change) -> Result<()> {
        let bytes = self.bytes + weight(&change);
        if self.changes.len() == CHANGES {
            return Err(Error::TooLarge { what: "the number of changes in one call", limit: CHANGES.to_string() });
        }
        if bytes > BYTES {
            return Err(Error::TooLarge { what: "what one call writes", limit: format!("{BYTES} bytes") });
        }
        self.bytes = bytes;
        self.changes.push(change);
        Ok(())
    }

    /// What the writer has to make true; none if nothing was staged.
    pub(super) fn finish(mut self) -> Option<Unit> {
        self.put_off_timers();
        self.take()
    }

    fn take(&mut self) -> Option<Unit> {
        if self.changes.is_empty() && self.pushes.is_empty() {
            return None;
        }
        let reads = std::mem::take(&mut self.reads).into_iter();
        let unit = Unit {
            reads: reads.map(|((plugin, key), version)| StorageRead { plugin, key, version }).collect(),
            pushes: std::mem::take(&mut self.pushes),
            ..Unit::new(self.actor.clone(), std::mem::take(&mut self.changes))
        };
        self.services.tell_staged(&unit);
        Some(unit)
    }
}

impl Drop for UnitOfWork {
    /// Whoever tries a plugin out wants to see what it staged even where nothing comes of it.
    fn drop(&mut self) {
        if self.services.wants_staged() {
            self.take();
        }
    }
}

/// About how much memory a staged write holds.
fn weight(change: &Change) -> usize {
    let text = match change {
        Change::CreateRoom(room) => room.name.len() + room.topic.len(),
        Change::UpdateRoom { change, .. } => {
            change.name.as_ref().map_or(0, String::len) + change.topic.as_ref().map_or(0, String::len)
        }
        Change::RemoveMember { reason, .. } => reason.as_ref().map_or(0, String::len),
        Change::PutValue { key, value, .. } => key.len() + value.len(),
        Change::DeleteValue { key, .. } => key.len(),
        Change::Post(new) => new.post.body.len(),
        Change::SetTimer(timer) => timer.name.len() + timer.payload.len(),
        _ => 0,
    };
    size_of::<Change>() + text
}
