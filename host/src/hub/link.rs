//! The hub's side of a cluster: queues messages to other nodes, and the rooms that the cluster's tasks have to check. A single
//! node has no link, and this module costs it nothing.

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

/// How long a node counts as alive without a heartbeat, and how long it trusts its own cache without hearing from the others.
/// Together with the interval between two checks, its accounts are offline everywhere within 10 s.
pub const LEASE_DURATION: Duration = Duration::from_secs(6);
/// How many messages to other nodes may wait. Those that do not fit are lost, and the other nodes read the database instead.
const MAX_QUEUED_OUTGOING: usize = 8192;
/// How long a new subscriber waits until entries of other nodes are received here.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// A message to the other nodes.
#[derive(Debug)]
pub enum Outgoing {
    /// Entries of one room that were stored here, in their order.
    Entries(RoomId, Vec<Entry>),
    /// An event that is not a log entry, to the room's subscribers on other nodes.
    RoomEvent(RoomId, Event),
    /// An event to one connection, or to an account's connections, on other nodes.
    Pushed(Event),
    /// Cache entries that are not valid any more.
    Changed(Vec<CacheInvalidation>),
    /// Deleted rooms, whose cached memberships are not valid any more either.
    RoomsDeleted(Vec<RoomId>),
    /// Guests that are evicted from the room.
    GuestsRemoved(RoomId, GuestSelector),
    /// Guests from the account's network addresses may not join the room until this time.
    BanOrigins(RoomId, AccountId, Timestamp),
    /// Logins whose cache entries are not valid any more; if they ended, how their connections are closed.
    Logins(Vec<LoginId>, Option<Close>),
    /// An account went online or offline on this node: the `nth` such change.
    Presence { nth: u64, account: AccountId, external: Option<Arc<str>>, online: bool },
    /// The node stops: answered once this and all messages before it have been published.
    Goodbye(oneshot::Sender<()>),
    /// A subscriber arrived (true) or departed on this node.
    SubscriberChanged(RoomId, SubscriberIdentity, bool),
    /// All subscribers of a room on this node.
    Subscribers(RoomId, Vec<SubscriberIdentity>),
    /// Requests the other nodes' subscribers of a room.
    SubscribersRequest(RoomId),
}

/// Queues between the hub and the cluster's tasks.
pub struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    /// How many messages were dropped because the queue was full.
    lost: AtomicU64,
    /// Rooms that got their first subscriber or lost their last one.
    rooms: RoomSet,
    /// Rooms with missing entries.
    gaps: RoomSet,
    /// Notified when an account has left all nodes.
    leaving: Notify,
}

/// A queue of rooms for a task to process, without duplicates.
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

    /// Waits until the set is not empty, and takes all rooms.
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
        let (outgoing, receiver) = mpsc::channel(MAX_QUEUED_OUTGOING);
        let (rooms, gaps) = (RoomSet::default(), RoomSet::default());
        (Self { outgoing, lost: AtomicU64::new(0), rooms, gaps, leaving: Notify::new() }, receiver)
    }

    pub(super) fn publish(&self, what: Outgoing) {
        if self.outgoing.try_send(what).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many messages were dropped because the queue was full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Rooms that got their first subscriber or lost their last one.
    pub fn rooms(&self) -> &RoomSet {
        &self.rooms
    }

    /// Rooms with missing entries.
    pub fn gaps(&self) -> &RoomSet {
        &self.gaps
    }

    pub(super) fn note_leaving(&self) {
        self.leaving.notify_one();
    }

    /// Waits until an account has left all nodes.
    pub async fn wait_for_leaving(&self) {
        self.leaving.notified().await;
    }
}

/// A range of a room's entries that this node has not received, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    pub from: u64,
    pub up_to: u64,
}

impl Hub {
    /// Makes this hub part of a cluster. To be called before the first connection.
    pub fn link(&self, link: Arc<Link>) {
        // A second call changes nothing.
        let _ = self.link.set(link);
    }

    /// Whether this is one node of several.
    pub fn is_clustered(&self) -> bool {
        self.link.get().is_some()
    }

    /// Sends an event that is not a log entry to the connections that it is for, on all nodes.
    pub fn broadcast_everywhere(&self, event: Event) {
        self.broadcast(&event);
        self.publish_to_nodes(|| match &event {
            Event::Read { room, .. } | Event::Pushed(Push { to: PushTarget::Room(room), .. }) => {
                Outgoing::RoomEvent(*room, event)
            }
            _ => Outgoing::Pushed(event),
        });
    }

    /// Limits the time to live of a cache entry: in a cluster to one lease, since an invalidation may have been lost.
    pub fn limit_cache_age(&self, time: Duration) -> Duration {
        if self.is_clustered() { time.min(LEASE_DURATION) } else { time }
    }

    /// Publishes a message to the other nodes, if there are any.
    pub fn publish_to_nodes(&self, what: impl FnOnce() -> Outgoing) {
        if let Some(link) = self.link.get() {
            link.publish(what());
        }
    }

    /// Publishes entries that this node stored to the other nodes.
    pub fn publish_entries(&self, room: RoomId, pending: &[PendingBroadcast]) {
        self.publish_to_nodes(|| {
            Outgoing::Entries(room, pending.iter().map(|pending| pending.entry.clone()).collect())
        });
    }

    /// Waits until this node receives the room's entries of other nodes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] after 5 seconds.
    pub async fn wait_until_open(&self, room: RoomId) -> Result<()> {
        if self.link.get().is_none() {
            return Ok(());
        }
        let Some(opened) = self.existing(room).map(|subscriptions| subscriptions.lock().opened.clone()) else {
            return Ok(());
        };
        let late = |_| Error::Unavailable("this node cannot receive the room's events at the moment; try again".into());
        timeout(OPEN_TIMEOUT, opened.cancelled()).await.map_err(late)
    }

    /// Whether a room has subscribers on this node, or had until a moment ago.
    pub fn has_subscriptions(&self, room: RoomId) -> bool {
        self.existing(room).is_some()
    }

    /// How many rooms have subscribers on this node.
    pub fn count_rooms(&self) -> usize {
        self.rooms.read().len()
    }

    /// Rooms that have subscribers on this node.
    pub fn subscribed_rooms(&self) -> Vec<RoomId> {
        self.rooms.read().keys().copied().collect()
    }

    /// Marks a room as open: entries of other nodes are received from now on. Unless it was set before, its sequence starts after
    /// `last_seq`; otherwise the entries in between are noted as missing.
    pub fn open(&self, room: RoomId, last_seq: u64) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.sequence.begin(last_seq + 1);
        subscriptions.opened.cancel();
        drop(subscriptions);
        self.note_last(room, last_seq);
    }

    /// Whether a subscribed room is open.
    pub fn is_open(&self, room: RoomId) -> bool {
        self.existing(room).is_some_and(|subscriptions| subscriptions.lock().opened.is_cancelled())
    }

    /// Notes the number of the last entry of a room's log in the database; queues the room if entries are missing.
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

    /// The first range of entries that are missing of a subscribed room.
    pub fn missing(&self, room: RoomId) -> Option<Missing> {
        self.existing(room)?.lock().sequence.missing()
    }

    /// Resolves once an entry that was given to the broadcaster is broadcast; none if it has been.
    pub fn broadcast_done(&self, room: RoomId, seq: u64) -> Option<oneshot::Receiver<()>> {
        self.link.get()?;
        self.existing(room)?.lock().sequence.broadcast_done(seq)
    }

    /// Notes that the log was read up to `up_to` and its entries were broadcast: entries still missing are not in it any more.
    pub(super) fn complete(&self, room: &Arc<Room>, up_to: u64) {
        if let Some(subscriptions) = self.existing(room.id) {
            subscriptions.lock().sequence.note_complete(up_to);
        }
        self.broadcast_in_order(room, &[]);
    }

    /// The room as its subscribers know it, and the number of the next entry to broadcast.
    pub fn room_and_next(&self, room: RoomId) -> Option<(Room, u64)> {
        let subscriptions = self.existing(room)?;
        let subscriptions = subscriptions.lock();
        Some((subscriptions.room().clone(), subscriptions.sequence.next()?))
    }
}
