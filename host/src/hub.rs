//! Who hears what: connections, the rooms they listen to, and the way of an event to all of them.

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

/// A live connection that has said who it is.
pub struct Connection {
    pub id: ConnectionId,
    pub dialect: Dialect,
    pub outbox: Arc<Outbox>,
    pub actor: Actor,
    pub login: Option<LoginId>,
    /// What the issuer of its token calls its account, if that is not this server.
    pub external: Option<Arc<str>>,
    /// A hash of where it comes from.
    pub origin: Option<Arc<str>>,
    /// Hears every room of its account, also those it joins later.
    pub subscribes_to_all: AtomicBool,
    /// Whether it gets the messages that it sent itself.
    pub echoes: bool,
    /// The rooms it hears, and what it is called in each: its end costs no more than its rooms, and whoever speaks need not
    /// wait for a room that is being told something.
    subscriptions: Mutex<HashMap<RoomId, Arc<str>>>,
    /// The rooms that it was put out of lately, so that an error can say so. Bounded by [`MAX_EVICTIONS`].
    evictions: Mutex<Vec<Eviction>>,
}

/// How many rooms a connection remembers that it was put out of.
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

    /// How it was put out of a room, if it was and has not come back.
    pub fn eviction(&self, from: impl Fn(&Room) -> bool) -> Option<Eviction> {
        self.evictions.lock().iter().rfind(|eviction| from(&eviction.room)).cloned()
    }

    /// Remembers how it was put out of a room, and says so in its dialect's words, if there are any.
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

    /// From now on it hears a room, under this name.
    fn begin_subscription(&self, room: RoomId, name: Arc<str>) {
        self.evictions.lock().retain(|eviction| eviction.room.id != room);
        self.subscriptions.lock().insert(room, name);
    }

    /// Whether it is told of what came from it. Whoever is told who else is there knows of themselves.
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

/// Every open socket, also of those who have not said who they are.
#[derive(Default)]
struct Sockets {
    by_id: HashMap<ConnectionId, Socket>,
    /// How to close whoever still comes, once everybody was closed.
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
    /// Of those who have said who they are, by what they speak.
    speaking: [AtomicUsize; Dialect::ALL.len()],
}

fn enqueue_event(connections: &[Arc<Connection>], event: &Event) {
    let mut encoded = Encoded::new(event, None);
    for connection in connections {
        if let Some(text) = encoded.for_dialect(connection.dialect) {
            connection.outbox.enqueue(text);
        }
    }
}

/// Says that a socket is open, until dropped.
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
    /// What the connection is known by.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}

impl Hub {
    /// Publishes entries of one room's log, in their order; `delivery` is the histogram of how long that took since they came.
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

    /// Publishes what is no entry to those whom it is for.
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
            // Entries have a way of their own, and the rest is told where it arises.
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
        self.speaking[connection.dialect as usize].fetch_add(1, Ordering::Relaxed);
        self.arrive(connection);
    }

    /// Forgets a connection; those who shared a room with a guest are told.
    pub fn disconnect(&self, connection: &Connection) {
        self.connections.lock().remove(&connection.id);
        self.speaking[connection.dialect as usize].fetch_sub(1, Ordering::Relaxed);
        self.depart(connection);
        let rooms = std::mem::take(&mut *connection.subscriptions.lock());
        for room in rooms.into_keys() {
            self.unsubscribe(room, connection);
        }
        self.observe(|| Observed::Closed { by: connection.actor.clone(), connection: connection.id });
    }

    /// Keeps an outbox in sight for as long as the answer lives, so that a stopping server can close it, whether or not its
    /// connection has said who it is. Once everybody was closed, it is closed at once: an upgrade may have been under way.
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

    /// Closes every connection, also those that come later; `close` words it for each.
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

    /// The same by what they speak: `none` are those who have not said who they are.
    pub fn count_by_dialect(&self) -> Vec<(&'static str, usize)> {
        let mut silent = self.count();
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for dialect in Dialect::ALL {
            let speaking = self.speaking[dialect as usize].load(Ordering::Relaxed);
            silent = silent.saturating_sub(speaking);
            match counts.last_mut() {
                // Of one name there are several.
                Some((name, count)) if *name == dialect.name() => *count += speaking,
                _ => counts.push((dialect.name(), speaking)),
            }
        }
        counts.push(("none", silent));
        counts
    }

    /// How many messages were published since the start.
    pub fn posted(&self) -> u64 {
        self.posted.load(Ordering::Relaxed)
    }

    /// How long posts took from being sent on their way until they were with everybody who hears their room, since the
    /// start.
    pub fn deliveries(&self) -> Tally {
        self.delivery.tally()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_after_everybody_was_closed_is_closed_too() {
        let outbox = || Arc::new(Outbox::new(&crate::config::Limits::default()));
        let (hub, early, late) = (Arc::new(Hub::default()), outbox(), outbox());
        let address = IpAddr::from([127, 0, 0, 1]);
        let _early = hub.register(&early, address);
        hub.close_all(|| Close::new(Close::GOING_AWAY, ""));
        let _late = hub.register(&late, address);
        assert!(early.is_closed() && late.is_closed());
    }
}
