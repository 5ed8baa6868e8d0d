//! Who hears what: connections, the rooms they listen to, and the way of an event to all of them.

mod logins;
pub mod outbox;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

pub use self::outbox::{Close, Frame, Outbox};
use crate::dialect::{Dialect, Encoded};
use crate::protocol::{
    Account, AccountId, Actor, ConnectionId, Entry, Event, Guest, Happening, LoginId, Push, PushTarget, RoomId,
};

/// A live connection that has said who it is.
pub struct Connection {
    pub id: ConnectionId,
    pub dialect: Dialect,
    pub outbox: Arc<Outbox>,
    pub actor: Actor,
    pub login: Option<LoginId>,
    /// Hears every room of its account, also those it joins later.
    pub listens_to_all: AtomicBool,
    /// The rooms it hears, so that its end costs no more than its rooms.
    hears: Mutex<HashSet<RoomId>>,
}

impl Connection {
    pub fn new(dialect: Dialect, outbox: Arc<Outbox>, actor: Actor, id: ConnectionId, login: Option<LoginId>) -> Self {
        Self { id, dialect, outbox, actor, login, listens_to_all: AtomicBool::new(false), hears: Mutex::default() }
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

/// A connection's place in a room.
struct Listener {
    connection: Arc<Connection>,
    /// It has everything up to this entry.
    after: u64,
    /// Until it has caught up, what is new waits here.
    held: Option<Vec<(u64, Utf8Bytes)>>,
}

type Listeners = HashMap<ConnectionId, Listener>;

#[derive(Default)]
pub struct Hub {
    rooms: RwLock<HashMap<RoomId, Arc<Mutex<Listeners>>>>,
    connections: Mutex<HashMap<ConnectionId, Arc<Connection>>>,
    accounts: Mutex<HashMap<AccountId, Vec<Arc<Connection>>>>,
    /// Every open socket, also of those who have not said who they are.
    open: Mutex<HashMap<ConnectionId, Arc<Outbox>>>,
    watcher: Mutex<Option<mpsc::Sender<Observed>>>,
    posted: AtomicU64,
}

/// Something that happened, for those who watch everything.
#[derive(Clone, Debug)]
pub enum Observed {
    Entry {
        entry: Entry,
        by: Actor,
        /// How many plugins' reactions led to it.
        depth: u8,
    },
    /// A connection has said who it is.
    Opened {
        by: Actor,
        connection: ConnectionId,
    },
    Closed {
        by: Actor,
        connection: ConnectionId,
    },
}

fn offer(connections: &[Arc<Connection>], event: &Event) {
    let mut encoded = Encoded::new(event);
    for connection in connections {
        connection.outbox.offer(encoded.for_dialect(connection.dialect));
    }
}

/// Says that a socket is open, until dropped.
pub struct Registered {
    hub: Arc<Hub>,
    id: ConnectionId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.hub.open.lock().remove(&self.id);
    }
}

impl Hub {
    /// From now on, everything that observers may want to know, in its order. What does not fit the queue is dropped
    /// and logged: nobody who talks waits for those who watch.
    pub fn watch(&self, queue: usize) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(queue);
        *self.watcher.lock() = Some(sender);
        receiver
    }

    fn observe(&self, what: impl FnOnce() -> Observed) {
        if let Some(watcher) = &*self.watcher.lock()
            && let Err(mpsc::error::TrySendError::Full(_)) = watcher.try_send(what())
        {
            tracing::warn!("observers cannot keep up: they miss an event");
        }
    }

    /// Publishes an entry of a room's log. `depth` counts the plugins' reactions that led to it.
    pub fn publish_entry(&self, entry: Entry, by: &Actor, depth: u8) {
        if let Happening::Posted(_) = entry.what {
            self.posted.fetch_add(1, Ordering::Relaxed);
        }
        let event = Event::Entry(entry);
        self.publish(&event);
        if let Event::Entry(entry) = event {
            self.observe(|| Observed::Entry { entry, by: by.clone(), depth });
        }
    }

    /// Sends a plugin's own event to those whom it is for.
    pub fn push(&self, push: Push) {
        let to = push.to;
        let event = Event::Pushed(push);
        match to {
            PushTarget::Room(_) => self.publish(&event),
            PushTarget::Connection(id) => {
                let connection = self.connections.lock().get(&id).cloned();
                offer(connection.as_slice(), &event);
            }
            PushTarget::Account(account) => offer(&self.connections_of(account), &event),
        }
    }

    pub fn connect(&self, connection: &Arc<Connection>) {
        self.observe(|| Observed::Opened { by: connection.actor.clone(), connection: connection.id });
        self.connections.lock().insert(connection.id, connection.clone());
        if let Some(account) = connection.account() {
            self.accounts.lock().entry(account.id).or_default().push(connection.clone());
        }
    }

    /// Forgets a connection; those who shared a room with a guest are told.
    pub fn disconnect(&self, connection: &Connection) {
        self.connections.lock().remove(&connection.id);
        if let Some(account) = connection.account()
            && let Slot::Occupied(mut slot) = self.accounts.lock().entry(account.id)
        {
            slot.get_mut().retain(|other| other.id != connection.id);
            if slot.get().is_empty() {
                slot.remove();
            }
        }
        let rooms = std::mem::take(&mut *connection.hears.lock());
        for room in rooms {
            self.stop_listening(room, connection);
        }
        self.observe(|| Observed::Closed { by: connection.actor.clone(), connection: connection.id });
    }

    /// Lets a connection hear a room, from the entry after the one that `release` names. What happens until then waits.
    pub fn listen(&self, room: RoomId, connection: &Arc<Connection>) {
        let mut rooms = self.rooms.write();
        let listener = Listener { connection: connection.clone(), after: 0, held: Some(Vec::new()) };
        let known = rooms.entry(room).or_default().lock().insert(connection.id, listener).is_some();
        drop(rooms);
        connection.hears.lock().insert(room);
        if let (Some(guest), false) = (connection.guest(), known) {
            self.publish(&Event::GuestJoined { room, guest: guest.clone() });
        }
    }

    /// The connection has caught up to this entry: sends what waited beyond it, and from now on everything at once.
    pub fn release(&self, room: RoomId, connection: ConnectionId, after: u64) {
        let Some(listeners) = self.listeners(room) else { return };
        let mut listeners = listeners.lock();
        let Some(listener) = listeners.get_mut(&connection) else { return };
        listener.after = after;
        for (seq, text) in listener.held.take().unwrap_or_default() {
            // Events without a number are not in what was caught up on.
            if seq == 0 || seq > after {
                listener.connection.outbox.offer(text);
            }
        }
    }

    pub fn stop_listening(&self, room: RoomId, connection: &Connection) {
        let Some(listeners) = self.listeners(room) else { return };
        let was_there = listeners.lock().remove(&connection.id).is_some();
        connection.hears.lock().remove(&room);
        if was_there && let Some(guest) = connection.guest() {
            self.publish(&Event::GuestLeft { room, guest: guest.clone() });
        }
        self.forget_if_empty(room);
    }

    pub fn is_listening(&self, room: RoomId, connection: ConnectionId) -> bool {
        self.listeners(room).is_some_and(|listeners| listeners.lock().contains_key(&connection))
    }

    /// Guests who listen to a room.
    pub fn guests(&self, room: RoomId) -> Vec<Guest> {
        let Some(listeners) = self.listeners(room) else { return Vec::new() };
        let listeners = listeners.lock();
        listeners.values().filter_map(|listener| listener.connection.guest().cloned()).collect()
    }

    /// Sends an event to all who hear its room. Events of one room must be published in their order.
    pub fn publish(&self, event: &Event) {
        let mut encoded = Encoded::new(event);
        let (room, seq) = match event {
            Event::Entry(entry) => (entry.room, entry.seq),
            Event::GuestJoined { room, .. } | Event::GuestLeft { room, .. } => (*room, 0),
            Event::Pushed(push) => match push.to {
                PushTarget::Room(room) => (room, 0),
                PushTarget::Connection(_) | PushTarget::Account(_) => return,
            },
            // Told to one connection by its session, not to a room.
            Event::TokenExpiring { .. } => return,
        };
        let what = match event {
            Event::Entry(entry) => Some(&entry.what),
            _ => None,
        };
        if let Some(Happening::MemberAdded { whom, .. }) = what {
            self.listen_for_account(room, whom.id, seq);
        }
        if let Some(listeners) = self.listeners(room) {
            let mut listeners = listeners.lock();
            for listener in listeners.values_mut() {
                if seq != 0 && seq <= listener.after {
                    continue;
                }
                let text = encoded.for_dialect(listener.connection.dialect);
                match &mut listener.held {
                    None => listener.connection.outbox.offer(text),
                    Some(held) => held.push((seq, text)),
                }
            }
            if let Some(Happening::MemberRemoved { whom, .. }) = what {
                listeners.retain(|_, l| l.connection.account().is_none_or(|account| account.id != whom.id));
            }
        }
        match what {
            Some(Happening::Invited { whom }) => {
                for connection in self.connections_of(whom.id) {
                    if !self.is_listening(room, connection.id) {
                        connection.outbox.offer(encoded.for_dialect(connection.dialect));
                    }
                }
            }
            Some(Happening::RoomDeleted { .. }) => {
                self.rooms.write().remove(&room);
            }
            _ => self.forget_if_empty(room),
        }
    }

    /// An account came into a room: those of its connections that hear all of its rooms hear this one too.
    fn listen_for_account(&self, room: RoomId, account: AccountId, seq: u64) {
        for connection in self.connections_of(account) {
            if connection.listens_to_all.load(Ordering::Relaxed) {
                let mut rooms = self.rooms.write();
                let mut listeners = rooms.entry(room).or_default().lock();
                let after = seq.saturating_sub(1);
                connection.hears.lock().insert(room);
                listeners.entry(connection.id).or_insert(Listener { connection, after, held: None });
            }
        }
    }

    fn connections_of(&self, account: AccountId) -> Vec<Arc<Connection>> {
        self.accounts.lock().get(&account).cloned().unwrap_or_default()
    }

    /// Whether an account has a live connection.
    pub fn is_online(&self, account: AccountId) -> bool {
        self.accounts.lock().contains_key(&account)
    }

    /// Keeps an outbox in sight for as long as the answer lives, so that a stopping server can close it, whether or not its
    /// connection has said who it is.
    pub fn register(self: &Arc<Self>, outbox: &Arc<Outbox>) -> Registered {
        let id = ConnectionId::new();
        self.open.lock().insert(id, outbox.clone());
        Registered { hub: self.clone(), id }
    }

    /// Closes every connection; `close` words it for each.
    pub fn close_all(&self, close: impl Fn() -> Close) {
        for outbox in self.open.lock().values() {
            outbox.close(close());
        }
    }

    pub fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// How many messages were published since the start.
    pub fn posted(&self) -> u64 {
        self.posted.load(Ordering::Relaxed)
    }

    fn listeners(&self, room: RoomId) -> Option<Arc<Mutex<Listeners>>> {
        self.rooms.read().get(&room).cloned()
    }

    fn forget_if_empty(&self, room: RoomId) {
        if self.listeners(room).is_some_and(|listeners| listeners.lock().is_empty()) {
            let mut rooms = self.rooms.write();
            // Somebody may have come in meanwhile.
            if rooms.get(&room).is_some_and(|listeners| listeners.lock().is_empty()) {
                rooms.remove(&room);
            }
        }
    }
}
