//! The hub's side of a cluster: what other nodes are to hear, and what has to be found out about rooms. On a single node there is
//! no link, and nothing here costs anything.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::{Close, Hub, PendingBroadcast, SubscriberIdentity};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{
    AccountId, CacheInvalidation, Entry, Event, GuestSelector, LoginId, Push, PushTarget, Room, RoomId,
};

/// How long a node that says nothing counts as alive, and what it has at hand is believed without hearing the others. With the
/// time between two looks, its people are offline everywhere within 10 s.
pub const LEASE: Duration = Duration::from_secs(6);
/// How much may wait to be sent to the other nodes. What does not fit they read from the database.
const OUTGOING: usize = 8192;
/// How long somebody who comes in waits until what other nodes say in the room is heard here too.
const OPENING: Duration = Duration::from_secs(5);

/// What the other nodes are to hear.
#[derive(Debug)]
pub enum Outgoing {
    /// Entries of one room that were stored here, in their order.
    Entries(RoomId, Vec<Entry>),
    /// To those who hear the room elsewhere.
    Aside(RoomId, Event),
    /// To an account's, or to one, connection elsewhere.
    Pushed(Event),
    /// What is kept of the database and holds no more.
    Changed(Vec<CacheInvalidation>),
    /// Rooms that are gone, with all that is kept of anybody's standing there.
    RoomsDeleted(Vec<RoomId>),
    /// These guests hear the room no longer.
    GuestsRemoved(RoomId, GuestSelector),
    /// Guests from where the account is connected are not let in to the room until then.
    BanOrigins(RoomId, AccountId, Timestamp),
    /// What is kept of these logins holds no more; if they ended, how their connections are closed.
    Logins(Vec<LoginId>, Option<Close>),
    /// An account came or went here: the `nth` such change.
    Presence { nth: u64, account: AccountId, external: Option<Arc<str>>, online: bool },
    /// The node goes: answered once the others have been told, and of everything before.
    Goodbye(oneshot::Sender<()>),
    /// Somebody who hears a room here came or went.
    Heard(RoomId, SubscriberIdentity, bool),
    /// All who hear a room here.
    Hearers(RoomId, Vec<SubscriberIdentity>),
    /// Somebody here wants to know who hears a room there.
    Who(RoomId),
}

/// Where the hub leaves what the cluster's tasks do.
pub struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    /// How often there was no place for something.
    lost: AtomicU64,
    /// Rooms that somebody hears now and nobody did, or the other way round.
    rooms: RoomSet,
    /// Rooms of which some entries are missing here.
    gaps: RoomSet,
    /// Somebody is gone from all nodes.
    leaving: Notify,
}

/// Rooms that somebody has to look at: each is there once.
#[derive(Default)]
pub struct RoomSet {
    rooms: Mutex<HashSet<RoomId>>,
    changed: Notify,
}

impl RoomSet {
    pub fn insert(&self, room: RoomId) {
        self.rooms.lock().insert(room);
        self.changed.notify_one();
    }

    /// Waits until there are any, and takes them.
    pub async fn take(&self) -> HashSet<RoomId> {
        loop {
            let rooms = std::mem::take(&mut *self.rooms.lock());
            if !rooms.is_empty() {
                return rooms;
            }
            self.changed.notified().await;
        }
    }
}

impl Link {
    pub fn new() -> (Self, mpsc::Receiver<Outgoing>) {
        let (outgoing, receiver) = mpsc::channel(OUTGOING);
        let (rooms, gaps) = (RoomSet::default(), RoomSet::default());
        (Self { outgoing, lost: AtomicU64::new(0), rooms, gaps, leaving: Notify::new() }, receiver)
    }

    pub(super) fn publish(&self, what: Outgoing) {
        if self.outgoing.try_send(what).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub fn rooms(&self) -> &RoomSet {
        &self.rooms
    }

    pub fn gaps(&self) -> &RoomSet {
        &self.gaps
    }

    pub(super) fn note_leaving(&self) {
        self.leaving.notify_one();
    }

    /// Waits until somebody is gone from all nodes.
    pub async fn somebody_leaves(&self) {
        self.leaving.notified().await;
    }
}

/// What a room's order needs to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    pub from: u64,
    pub up_to: u64,
}

impl Hub {
    /// Makes this hub one node's of a cluster. To be called before anybody connects.
    pub fn link(&self, link: Arc<Link>) {
        // A second one would be the same.
        let _ = self.link.set(link);
    }

    /// Whether this is one node of several.
    pub fn has_others(&self) -> bool {
        self.link.get().is_some()
    }

    /// Publishes what is no entry to those whom it is for, on all nodes.
    pub fn broadcast_everywhere(&self, event: Event) {
        self.broadcast(&event);
        self.publish_to_nodes(|| match &event {
            Event::Read { room, .. } | Event::Pushed(Push { to: PushTarget::Room(room), .. }) => {
                Outgoing::Aside(*room, event)
            }
            _ => Outgoing::Pushed(event),
        });
    }

    /// How long something may be believed that is to be for so long: in a cluster for no longer than a lease, since nobody may
    /// have said that it is over.
    pub fn believed_for(&self, time: Duration) -> Duration {
        if self.has_others() { time.min(LEASE) } else { time }
    }

    /// Tells the other nodes, if there are any.
    pub fn publish_to_nodes(&self, what: impl FnOnce() -> Outgoing) {
        if let Some(link) = self.link.get() {
            link.publish(what());
        }
    }

    /// Tells the other nodes of entries that are told here.
    pub fn publish_entries(&self, room: RoomId, pending: &[PendingBroadcast]) {
        self.publish_to_nodes(|| {
            Outgoing::Entries(room, pending.iter().map(|pending| pending.entry.clone()).collect())
        });
    }

    /// Waits until what other nodes say in the room is heard here too.
    pub async fn opened(&self, room: RoomId) -> Result<()> {
        if self.link.get().is_none() {
            return Ok(());
        }
        let Some(opened) = self.existing(room).map(|subscriptions| subscriptions.lock().opened.clone()) else {
            return Ok(());
        };
        let late = |_| Error::Unavailable("the room cannot be heard just now; try again".into());
        timeout(OPENING, opened.cancelled()).await.map_err(late)
    }

    /// Whether somebody hears a room here, or has just ceased to.
    pub fn has_subscriptions(&self, room: RoomId) -> bool {
        self.existing(room).is_some()
    }

    pub fn count_rooms(&self) -> usize {
        self.rooms.read().len()
    }

    /// Rooms that somebody hears here.
    pub fn subscribed_rooms(&self) -> Vec<RoomId> {
        self.rooms.read().keys().copied().collect()
    }

    /// What was said up to here was said before: who is in the room now hears what comes after it. Gives the room's place its
    /// beginning, unless it has one; what lies between is missing then.
    pub fn open(&self, room: RoomId, last_seq: u64) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.sequence.begin(last_seq + 1);
        subscriptions.opened.cancel();
        drop(subscriptions);
        self.note_last(room, last_seq);
    }

    /// Whether a room that is heard has its beginning.
    pub fn is_open(&self, room: RoomId) -> bool {
        self.existing(room).is_some_and(|subscriptions| subscriptions.lock().opened.is_cancelled())
    }

    /// The room's log goes on up to here, says the database.
    pub fn note_last(&self, room: RoomId, last_seq: u64) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.sequence.note_last(last_seq);
        if subscriptions.sequence.missing().is_some()
            && let Some(link) = self.link.get()
        {
            link.gaps.insert(room);
        }
    }

    /// Which entries of a room that is heard here are missing.
    pub fn missing(&self, room: RoomId) -> Option<Missing> {
        self.existing(room)?.lock().sequence.missing()
    }

    /// Says when an entry that was given to the lanes is told; none if it has been.
    pub fn broadcast_done(&self, room: RoomId, seq: u64) -> Option<oneshot::Receiver<()>> {
        self.link.get()?;
        self.existing(room)?.lock().sequence.broadcast_done(seq)
    }

    /// The log was read up to here, and what came of it was told: what is still missing is not there any more.
    pub(super) fn complete(&self, room: &Arc<Room>, up_to: u64) {
        if let Some(subscriptions) = self.existing(room.id) {
            subscriptions.lock().sequence.note_complete(up_to);
        }
        self.broadcast_in_order(room, &[]);
    }

    /// The room as those who hear it know it, and the number of its next entry.
    pub fn room_and_next(&self, room: RoomId) -> Option<(Room, u64)> {
        let subscriptions = self.existing(room)?;
        let subscriptions = subscriptions.lock();
        Some((subscriptions.room().clone(), subscriptions.sequence.next()?))
    }
}
