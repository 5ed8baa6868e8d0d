//! The hub keeps track of live connections and their room subscriptions, and fans events out to them.

mod broadcast;
pub mod link;
mod live;
mod logins;
mod observer_queue;
pub mod outbox;
mod packet;
mod presence;
mod subscriptions;
#[cfg(test)]
mod testing;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

pub use self::broadcast::{Broadcaster, PendingBroadcast};
use self::link::Link;
pub use self::live::LiveConnection;
use self::observer_queue::ObserverQueues;
pub use self::observer_queue::{Observed, ObserverPermit};
pub use self::outbox::{Close, Corked, Flushed, Frame, Outbox};
pub use self::packet::Packet;
pub(crate) use self::presence::NODE_CHANGE_GRACE;
use self::presence::Presence;
pub use self::presence::{NodeId, People};
use self::subscriptions::RoomSubscriptions;
pub use self::subscriptions::{NameInUse, Released, SubscriberIdentity};
use crate::clock::{Timestamp, now};
use crate::dialect::{Dialect, Encoded};
use crate::latency::{Latencies, Tally};
use crate::metrics::Histogram;
use crate::protocol::{
    Account, Actor, ConnectionId, EntryPayload, Event, Eviction, Guest, LoginId, PushTarget, Room, RoomId,
};

/// A live connection that has identified itself.
pub struct Connection {
    pub id: ConnectionId,
    pub dialect: Dialect,
    pub outbox: Arc<Outbox>,
    pub actor: Actor,
    pub login: Option<LoginId>,
    /// The account's id at the issuer of its token, if the issuer is not this server.
    pub external: Option<Arc<str>>,
    /// A hash of the client's network address.
    pub origin: Option<Arc<str>>,
    /// Subscribes to every room of its account, including rooms joined later.
    pub subscribes_to_all: AtomicBool,
    /// Whether it receives the messages that it sent itself.
    pub echoes: bool,
    /// The rooms that it subscribes to, with its name in each. Kept here too, so that disconnecting costs only as much as its
    /// own rooms, and posting does not wait for the lock of a room that is being broadcast to.
    subscriptions: Mutex<HashMap<RoomId, Arc<str>>>,
    /// Recent evictions, so that error texts can name the cause. Bounded by [`MAX_EVICTIONS`].
    evictions: Mutex<Vec<Eviction>>,
}

/// How many evictions a connection remembers.
const MAX_EVICTIONS: usize = 16;

impl Connection {
    pub fn new(dialect: Dialect, outbox: Arc<Outbox>, actor: Actor, id: ConnectionId, login: Option<LoginId>) -> Self {
        let (subscribes_to_all, echoes) = (AtomicBool::new(false), dialect.echoes());
        let (subscriptions, evictions) = Default::default();
        let (external, origin) = (None, None);
        Self {
            id,
            dialect,
            outbox,
            actor,
            login,
            external,
            origin,
            subscribes_to_all,
            echoes,
            subscriptions,
            evictions,
        }
    }

    /// The latest eviction from a matching room, unless the connection has rejoined since.
    pub fn eviction(&self, from: impl Fn(&Room) -> bool) -> Option<Eviction> {
        self.evictions.lock().iter().rfind(|eviction| from(&eviction.room)).cloned()
    }

    /// Remembers an eviction, and notifies the client if its dialect has a message for it.
    fn note_eviction(&self, eviction: Eviction, name: &str) {
        if let Some(text) = self.dialect.encode_eviction(&eviction, name) {
            self.outbox.enqueue(text);
        }
        let mut evictions = self.evictions.lock();
        evictions.retain(|known| known.room.id != eviction.room.id);
        if evictions.len() == MAX_EVICTIONS {
            evictions.remove(0);
        }
        evictions.push(eviction);
    }

    /// Records that the connection subscribes to a room, under this name.
    fn begin_subscription(&self, room: RoomId, name: Arc<str>) {
        self.evictions.lock().retain(|eviction| eviction.room.id != room);
        self.subscriptions.lock().insert(room, name);
    }

    /// Whether it receives events that it caused. Dialects with presence lists already know of their own arrival.
    fn receives_own(&self, event: &Event) -> bool {
        match event {
            Event::Arrived { .. } | Event::Departed { .. } => !self.dialect.wants_presence(),
            _ => self.echoes,
        }
    }

    fn account(&self) -> Option<&Account> {
        self.actor.account()
    }

    fn guest(&self) -> Option<&Guest> {
        match &self.actor {
            Actor::Guest(guest) => Some(guest),
            _ => None,
        }
    }
}

/// Every open socket, including those that have not identified themselves.
#[derive(Default)]
struct Sockets {
    by_id: HashMap<ConnectionId, Socket>,
    /// Set by [`Hub::close_all`]: how to close sockets that open later.
    closing: Option<fn() -> Close>,
}

struct Socket {
    outbox: Arc<Outbox>,
    address: IpAddr,
    since: Timestamp,
}

#[derive(Default)]
pub struct Hub {
    rooms: RwLock<HashMap<RoomId, Arc<Mutex<RoomSubscriptions>>>>,
    connections: Mutex<HashMap<ConnectionId, Arc<Connection>>>,
    presence: Presence,
    open: Mutex<Sockets>,
    observers: ObserverQueues,
    /// None on a single node.
    link: OnceLock<Arc<Link>>,
    posted: AtomicU64,
    delivery: Latencies,
    /// Number of identified connections, by dialect.
    identified: [AtomicUsize; Dialect::ALL.len()],
}

fn enqueue_event(connections: &[Arc<Connection>], event: &Event) {
    let mut encoded = Encoded::new(event, None);
    for connection in connections {
        if let Some(text) = encoded.for_dialect(connection.dialect) {
            connection.outbox.enqueue(text);
        }
    }
}

/// Guard that keeps a socket registered with the hub until dropped.
pub struct Registered {
    hub: Arc<Hub>,
    id: ConnectionId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.open.lock().by_id.remove(&self.id);
    }
}

impl Registered {
    /// The connection's id.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}

impl Hub {
    /// Broadcasts entries of one room's log, in their order; `delivery` records how long that took since they were queued.
    fn broadcast_entries(&self, room: &Arc<Room>, pending: Vec<PendingBroadcast>, delivery: &Histogram) {
        let posted = pending
            .iter()
            .filter(|pending| pending.by.is_some() && matches!(pending.entry.what, EntryPayload::Posted(_)))
            .count();
        self.posted.fetch_add(posted as u64, Ordering::Relaxed);
        self.broadcast_in_order(room, &pending);
        for queued in pending.iter().filter_map(|pending| pending.queued) {
            let took = queued.elapsed();
            self.delivery.record(took);
            delivery.record(took);
        }
        for PendingBroadcast { entry, by, depth, permit, .. } in pending {
            if let Some(by) = by {
                self.observe_entry(room, permit, || Observed::Entry { entry, by, depth });
            }
        }
    }

    /// Sends an event that is not a log entry to the connections of this node that it is for.
    pub fn broadcast(&self, event: &Event) {
        match event {
            Event::Read { room, .. } => self.broadcast_unnumbered(*room, event),
            Event::Pushed(push) => match push.to {
                PushTarget::Room(room) => self.broadcast_unnumbered(room, event),
                PushTarget::Connection(id) => {
                    let connection = self.connections.lock().get(&id).cloned();
                    enqueue_event(connection.as_slice(), event);
                }
                PushTarget::Account(account) => enqueue_event(&self.connections_of(account), event),
            },
            // Entries go through `broadcast_entries`; the rest is sent where it arises.
            Event::Entry(_)
            | Event::Arrived { .. }
            | Event::Departed { .. }
            | Event::Typing { .. }
            | Event::Presence { .. }
            | Event::TokenExpiring { .. } => {}
        }
    }

    pub fn connect(&self, connection: &Arc<Connection>) {
        self.observe(|| Observed::Opened { by: connection.actor.clone(), connection: connection.id });
        self.connections.lock().insert(connection.id, connection.clone());
        self.identified[connection.dialect as usize].fetch_add(1, Ordering::Relaxed);
        self.arrive(connection);
    }

    /// Removes a connection and its subscriptions; members of a guest's rooms are notified.
    pub fn disconnect(&self, connection: &Connection) {
        self.connections.lock().remove(&connection.id);
        self.identified[connection.dialect as usize].fetch_sub(1, Ordering::Relaxed);
        self.depart(connection);
        let rooms = std::mem::take(&mut *connection.subscriptions.lock());
        for room in rooms.into_keys() {
            self.unsubscribe(room, connection);
        }
        self.observe(|| Observed::Closed { by: connection.actor.clone(), connection: connection.id });
    }

    /// Registers an open socket until the returned guard is dropped, so that a stopping server can close it even before it has
    /// identified itself. After [`Hub::close_all`] it is closed immediately: its upgrade may have been under way.
    pub fn register(self: &Arc<Self>, outbox: &Arc<Outbox>, address: IpAddr) -> Registered {
        let id = ConnectionId::new();
        let mut open = self.open.lock();
        open.by_id.insert(id, Socket { outbox: outbox.clone(), address, since: now() });
        if let Some(close) = open.closing {
            outbox.close(close());
        }
        drop(open);
        Registered { hub: self.clone(), id }
    }

    /// Closes every connection, including those that open later; `close` gives the close frame.
    pub fn close_all(&self, close: fn() -> Close) {
        let mut open = self.open.lock();
        open.closing = Some(close);
        for socket in open.by_id.values() {
            socket.outbox.close(close());
        }
    }

    pub fn count(&self) -> usize {
        self.open.lock().by_id.len()
    }

    /// The number of open sockets by dialect; `none` counts those that have not identified themselves.
    pub fn count_by_dialect(&self) -> Vec<(&'static str, usize)> {
        let mut unidentified = self.count();
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for dialect in Dialect::ALL {
            let identified = self.identified[dialect as usize].load(Ordering::Relaxed);
            unidentified = unidentified.saturating_sub(identified);
            match counts.last_mut() {
                // Several dialects share a name.
                Some((name, count)) if *name == dialect.name() => *count += identified,
                _ => counts.push((dialect.name(), identified)),
            }
        }
        counts.push(("none", unidentified));
        counts
    }

    /// How many messages were broadcast since the start.
    pub fn posted(&self) -> u64 {
        self.posted.load(Ordering::Relaxed)
    }

    /// How long posts took from being queued until they were broadcast to their room's subscribers, since the start.
    pub fn deliveries(&self) -> Tally {
        self.delivery.tally()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_opened_after_close_all_is_closed() {
        let outbox = || Arc::new(Outbox::new(&crate::config::Limits::default()));
        let (hub, early, late) = (Arc::new(Hub::default()), outbox(), outbox());
        let address = IpAddr::from([127, 0, 0, 1]);
        let _early = hub.register(&early, address);
        hub.close_all(|| Close::new(Close::GOING_AWAY, ""));
        let _late = hub.register(&late, address);
        assert!(early.is_closed() && late.is_closed());
    }
}
