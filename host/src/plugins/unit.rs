//! A call's unit of work: the versions of storage values that it read, and its staged writes, which its own later reads see.

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

/// Changes that one call may stage.
const MAX_CHANGES: usize = 1000;
/// Memory that the staged changes of one call may hold.
const MAX_STAGED_BYTES: usize = 4 << 20;
/// Storage keys that one call may read.
const MAX_READS: usize = 10_000;

/// Reads and staged writes of one call and of the guards that are called for it.
pub(super) struct UnitOfWork {
    pub(super) services: Arc<Services>,
    /// The registry as of the start of the call.
    pub(super) registry: Arc<Registry>,
    /// The actor of the call.
    actor: Actor,
    /// The network origin of the actor's request.
    origin: Option<Origin>,
    /// The requester of the call's work, if there is one.
    requester: Option<RequestedBy>,
    reads: BTreeMap<(Arc<str>, String), i64>,
    changes: Vec<Change>,
    bytes: usize,
    /// Values written by this call; none for deleted ones.
    values: BTreeMap<(Arc<str>, String), Option<Vec<u8>>>,
    /// Bytes in each plugin's storage before this call.
    stored: HashMap<Arc<str>, u64>,
    /// Rooms changed by this call, with the number of members; none for deleted ones.
    rooms: HashMap<RoomId, Option<(Room, u32)>>,
    /// Members changed by this call; none for removed ones.
    members: BTreeMap<(RoomId, AccountId), Option<Member>>,
    /// Messages deleted by this call.
    deleted: BTreeSet<(RoomId, u64)>,
    posts: usize,
    posted_in: HashMap<RoomId, Room>,
    /// Timers set or cancelled by this call.
    timers: BTreeMap<(Arc<str>, String), Staged>,
    /// Number of timers of each plugin before this call.
    timers_before: HashMap<Arc<str>, u64>,
    pushes: Vec<Push>,
    /// Rooms created or changed with credentials, for the guards.
    offered: Vec<Offer>,
    guarding: bool,
}

/// A room and the credentials that it was created or changed with.
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

    /// Sets the network origin of the request.
    pub(super) fn from(mut self, origin: Option<Origin>) -> Self {
        self.origin = origin;
        self
    }

    /// Sets the requester of the work, which posts nothing where the requester may not post.
    pub(super) fn requested_by(mut self, requester: Option<RequestedBy>) -> Self {
        self.requester = requester;
        self
    }

    /// The share of password hashing that this call counts towards.
    pub(super) fn hash_share(&self) -> Share {
        match (&self.actor, self.origin) {
            (Actor::Account(account), _) => Share::Account(account.id),
            (Actor::Guest(_), Some(origin)) => Share::Origin(origin),
            (Actor::Guest(_) | Actor::Plugin(_) | Actor::Server, _) => Share::Plugins,
        }
    }

    /// Takes the credentials that guards have to decide on. After this no more can be added, since guards do not call guards.
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
        let bytes = self.bytes + size_bytes(&change);
        if self.changes.len() == MAX_CHANGES {
            return Err(Error::TooLarge { what: "the number of changes in one call", limit: MAX_CHANGES.to_string() });
        }
        if bytes > MAX_STAGED_BYTES {
            return Err(Error::TooLarge { what: "what one call writes", limit: format!("{MAX_STAGED_BYTES} bytes") });
        }
        self.bytes = bytes;
        self.changes.push(change);
        Ok(())
    }

    /// The unit for the writer to commit; none if nothing was staged.
    pub(super) fn finish(mut self) -> Option<Unit> {
        self.postpone_timers();
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
        self.services.report_staged(&unit);
        Some(unit)
    }
}

impl Drop for UnitOfWork {
    /// Reports staged writes that were not committed, for the plugin test tools.
    fn drop(&mut self) {
        if self.services.wants_staged() {
            self.take();
        }
    }
}

/// The approximate memory of a staged write, in bytes.
fn size_bytes(change: &Change) -> usize {
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
