//! Room subscriptions: which connections of this node receive a room's events, and sending those events to them.

mod guests;
mod membership_events;
mod remote;
mod sequence;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;

use tokio_util::sync::CancellationToken;

use self::remote::RemoteSubscribers;
pub use self::remote::SubscriberIdentity;
use self::sequence::{Ready, Sequence};
use super::link::{Link, Outgoing};
use super::{Connection, Hub, Outbox, Packet, PendingBroadcast};
use crate::dialect::{DIALECTS, Dialect, Encoded};
use crate::name::key;
use crate::protocol::{AccountId, Author, ConnectionId, EntryPayload, Event, Eviction, Guest, Room, RoomId};

/// A room and its current subscribers on this node.
pub(super) struct RoomSubscriptions {
    room: Room,
    subscribers: HashMap<ConnectionId, Subscriber>,
    /// Number of subscribed connections per account.
    accounts: HashMap<AccountId, usize>,
    /// Number of subscribed connections whose dialect shows who else is there.
    presence_watchers: usize,
    /// Number of subscriptions so far.
    total_subscribed: u64,
    /// Removed from the hub: a new subscriber needs a new `RoomSubscriptions`.
    closed: bool,
    /// In a cluster: puts entries of all nodes in order.
    pub(super) sequence: Sequence,
    remote: RemoteSubscribers,
    /// In a cluster: cancelled once entries of other nodes are received too.
    pub(super) opened: CancellationToken,
}

/// A connection's subscription to a room.
struct Subscriber {
    connection: Arc<Connection>,
    /// These three are copied from the connection: following a pointer to each would cost more than the rest of a broadcast.
    outbox: Arc<Outbox>,
    dialect: Dialect,
    echoes: bool,
    /// A guest may have another name in each room.
    name: Arc<str>,
    /// How many subscribed before.
    nth: u64,
    /// The connection has everything up to this entry.
    after: u64,
    /// New events wait here until the connection has caught up.
    held: Option<Held>,
    /// The entry that evicted its account meanwhile: applied if it is newer than the entry caught up to.
    pending_eviction: Option<(u64, Eviction)>,
}

/// Events that wait for a subscriber that is catching up. They can be read from the log again, so the buffer is small.
#[derive(Default)]
struct Held {
    events: Vec<(u64, Utf8Bytes)>,
    /// The buffer overflowed: the events have to be read from the log.
    dropped: bool,
}

/// How many subscribers' outboxes are prefetched together: their data fits well into the L1 cache.
const PREFETCH_BATCH: usize = 16;

/// How many events wait for a subscriber that is catching up.
const MAX_HELD_EVENTS: usize = 256;

/// Outcome of [`Hub::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The subscriber receives new events immediately from now on.
    CaughtUp,
    /// Held events were dropped: the subscriber has to read more from the log first.
    Behind,
    /// The connection is not subscribed to the room any more.
    Gone,
}

impl Subscriber {
    /// A subscriber that has everything up to `after`, and holds back newer events if `held` is given.
    fn new(connection: Arc<Connection>, name: Arc<str>, after: u64, held: Option<Held>) -> Self {
        let (outbox, dialect, echoes) = (connection.outbox.clone(), connection.dialect, connection.echoes);
        Self { connection, outbox, dialect, echoes, name, nth: 0, after, held, pending_eviction: None }
    }

    fn author(&self) -> Author {
        Author { name: self.name.clone(), ..Author::from(&self.connection.actor) }
    }

    fn enqueue(&mut self, seq: u64, text: Option<Utf8Bytes>) {
        match (text, &mut self.held) {
            (None, _) => {}
            (Some(text), None) => self.outbox.enqueue(text),
            (Some(_), Some(held)) if held.dropped => {}
            (Some(_), Some(held)) if held.events.len() == MAX_HELD_EVENTS => {
                held.events.clear();
                held.dropped = true;
            }
            (Some(text), Some(held)) => held.events.push((seq, text)),
        }
    }
}

/// Events that are broadcast together, encoded once per dialect on demand.
struct Run<'a> {
    events: Vec<Encoded<'a>>,
    packets: [Option<Packet>; DIALECTS],
}

impl<'a> Run<'a> {
    fn new(events: &'a [Event], room: &'a Room) -> Self {
        let events = events.iter().map(|event| Encoded::new(event, Some(room))).collect();
        Self { events, packets: [const { None }; DIALECTS] }
    }

    fn packet(&mut self, dialect: Dialect) -> &Packet {
        let events = &mut self.events;
        self.packets[dialect as usize].get_or_insert_with(|| {
            let texts: Vec<_> = events.iter_mut().filter_map(|event| event.for_dialect(dialect)).collect();
            Packet::of(texts.iter().map(|text| text.as_str()))
        })
    }

    fn text(&mut self, event: usize, dialect: Dialect) -> Option<Utf8Bytes> {
        self.events.get_mut(event)?.for_dialect(dialect)
    }
}

/// Another subscriber of the room has this name.
#[derive(Debug, PartialEq, Eq)]
pub struct NameInUse;

impl RoomSubscriptions {
    fn new(room: Room) -> Self {
        Self {
            room,
            subscribers: HashMap::new(),
            accounts: HashMap::new(),
            presence_watchers: 0,
            total_subscribed: 0,
            closed: false,
            sequence: Sequence::default(),
            remote: RemoteSubscribers::default(),
            opened: CancellationToken::new(),
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Adds a subscriber; true if it is the first one of its account, or of this guest.
    fn insert(&mut self, subscriber: Subscriber) -> bool {
        let connection = subscriber.connection.clone();
        let nth = self.subscribers.get(&connection.id).map_or(self.total_subscribed, |known| known.nth);
        self.total_subscribed += 1;
        let subscriber = Subscriber { nth, ..subscriber };
        let known = self.subscribers.insert(connection.id, subscriber).is_some();
        if known {
            return false;
        }
        self.presence_watchers += usize::from(connection.dialect.wants_presence());
        connection.account().is_none_or(|account| {
            let count = self.accounts.entry(account.id).or_default();
            *count += 1;
            *count == 1
        })
    }

    /// Adds a subscriber and announces it to presence watchers and other nodes.
    fn add(&mut self, link: Option<&Arc<Link>>, subscriber: Subscriber) {
        let (identity, own) = (subscriber.identity(), subscriber.connection.id);
        let presence_watchers = self.presence_watchers;
        if self.insert(subscriber) {
            self.publish_presence(link, &identity, own, true);
        }
        if let (Some(link), true) = (link, presence_watchers == 0 && self.presence_watchers > 0) {
            link.publish(Outgoing::SubscribersRequest(self.room.id));
        }
    }

    /// Removes a connection's subscription and announces that to presence watchers and other nodes.
    fn detach(&mut self, link: Option<&Arc<Link>>, connection: ConnectionId) {
        if let Some(identity) = self.remove(connection) {
            self.publish_presence(link, &identity, connection, false);
        }
    }

    /// Removes a connection's subscription; gives its identity if it was the last one of that identity.
    fn remove(&mut self, connection: ConnectionId) -> Option<SubscriberIdentity> {
        let subscriber = self.subscribers.remove(&connection)?;
        self.presence_watchers -= usize::from(subscriber.connection.dialect.wants_presence());
        let last = subscriber.connection.account().is_none_or(|account| match self.accounts.entry(account.id) {
            Slot::Occupied(mut count) if *count.get() > 1 => {
                *count.get_mut() -= 1;
                false
            }
            Slot::Occupied(count) => {
                count.remove();
                true
            }
            Slot::Vacant(_) => true,
        });
        last.then(|| subscriber.identity())
    }

    /// Sends entries to all subscribers. A subscriber that receives all of them gets them in one packet.
    fn broadcast_entries(&mut self, room: &Room, pending: &[PendingBroadcast]) {
        let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return };
        self.sequence.broadcast_up_to(last.entry.seq);
        if pending.iter().any(|pending| matches!(pending.entry.what, EntryPayload::RoomUpdated { .. })) {
            self.room = room.clone();
        }
        let events: Vec<Event> = pending.iter().map(|pending| Event::Entry(pending.entry.clone())).collect();
        let mut run = Run::new(&events, &self.room);
        let mut direct: Vec<(&Outbox, Dialect)> = Vec::with_capacity(self.subscribers.len());
        for (id, subscriber) in &mut self.subscribers {
            let echoes = subscriber.echoes;
            let own = |pending: &PendingBroadcast| !echoes && pending.own == Some(*id);
            if subscriber.held.is_none() && subscriber.after < first.entry.seq && !pending.iter().any(own) {
                direct.push((&subscriber.outbox, subscriber.dialect));
                continue;
            }
            for (i, pending) in pending.iter().enumerate() {
                if !own(pending) && pending.entry.seq > subscriber.after {
                    subscriber.enqueue(pending.entry.seq, run.text(i, subscriber.dialect));
                }
            }
        }
        for some in direct.chunks(PREFETCH_BATCH) {
            some.iter().for_each(|(outbox, _)| outbox.prefetch());
            for (outbox, dialect) in some {
                outbox.enqueue_packet(run.packet(*dialect));
            }
        }
    }

    /// Sends one event to all subscribers. `own` is the connection that caused it: some dialects only answer that one.
    fn broadcast_event(&mut self, event: &Event, seq: u64, own: Option<ConnectionId>) {
        let mut encoded = Encoded::new(event, Some(&self.room));
        for subscriber in self.subscribers.values_mut() {
            let is_own = Some(subscriber.connection.id) == own && !subscriber.connection.receives_own(event);
            if !is_own && (seq == 0 || seq > subscriber.after) {
                subscriber.enqueue(seq, encoded.for_dialect(subscriber.connection.dialect));
            }
        }
    }

    /// Sends an arrival or departure: a guest's to everybody, an account's only if there are presence watchers.
    fn broadcast_to_watchers(&mut self, event: &Event, who: &Author, own: Option<ConnectionId>) {
        if who.account.is_none() || self.presence_watchers > 0 {
            self.broadcast_event(event, 0, own);
        }
    }
}

impl Hub {
    /// Subscribes a connection to a room; events are held until [`Hub::release`]. The connection's name there is `nick`, or its
    /// own name.
    ///
    /// # Errors
    /// If another subscriber has the `nick`, or if a guest without one has the name of a subscriber of another dialect.
    pub fn subscribe(
        &self,
        room: &Room,
        connection: &Arc<Connection>,
        nick: Option<Arc<str>>,
    ) -> Result<(), NameInUse> {
        self.with_subscriptions(room, |subscriptions| {
            let others = || subscriptions.subscribers.values().filter(|other| other.connection.id != connection.id);
            let taken = |nick: &Arc<str>| {
                let wanted = key(nick);
                others().any(|other| key(&other.name) == wanted) || subscriptions.remote.has_name(nick)
            };
            // A guest with one name everywhere may share it within its dialect (the same person on two devices, or
            // reconnecting), but not with a subscriber of another dialect: it would pass for that person.
            let impersonates = || {
                let same = |other: &Subscriber| key(&other.name) == key(connection.actor.name());
                others().any(|other| other.dialect != connection.dialect && same(other))
            };
            if nick.as_ref().is_some_and(taken) || (nick.is_none() && connection.guest().is_some() && impersonates()) {
                return Err(NameInUse);
            }
            let name = nick.unwrap_or_else(|| connection.actor.name().into());
            connection.begin_subscription(room.id, name.clone());
            let subscriber = Subscriber::new(connection.clone(), name, 0, Some(Held::default()));
            subscriptions.add(self.link.get(), subscriber);
            Ok(())
        })
    }

    /// Ends catch-up: the connection has everything up to entry `after`, and was a member after that. Calls `first`, sends the
    /// held events that are newer, and from then on sends new events immediately.
    pub fn release(&self, room: RoomId, connection: ConnectionId, after: u64, first: impl FnOnce()) -> Released {
        let Some(subscriptions) = self.existing(room) else { return Released::Gone };
        let mut subscriptions = subscriptions.lock();
        let Some(subscriber) = subscriptions.subscribers.get_mut(&connection) else { return Released::Gone };
        if let Some((_, eviction)) =
            subscriber.pending_eviction.take_if(|(pending_eviction, _)| *pending_eviction > after)
        {
            let connection = subscriber.connection.clone();
            subscriptions.evict(self.link.get(), &connection, eviction);
            return Released::Gone;
        }
        first();
        subscriber.after = after;
        let held = subscriber.held.take().unwrap_or_default();
        if held.dropped {
            subscriber.held = Some(Held::default());
            return Released::Behind;
        }
        for (seq, text) in held.events {
            // Events without a number are not part of the log.
            if seq == 0 || seq > after {
                subscriber.connection.outbox.enqueue(text);
            }
        }
        Released::CaughtUp
    }

    pub fn unsubscribe(&self, room: RoomId, connection: &Connection) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        connection.subscriptions.lock().remove(&room);
        subscriptions.detach(self.link.get(), connection.id);
        drop(subscriptions);
        self.forget_if_empty(room);
    }

    /// Whether a room has subscribers on this node.
    pub fn has_subscribers(&self, room: RoomId) -> bool {
        self.existing(room).is_some_and(|subscriptions| !subscriptions.lock().subscribers.is_empty())
    }

    /// How many connections of this node subscribe to a room.
    pub fn count_subscribers(&self, room: RoomId) -> usize {
        self.existing(room).map_or(0, |subscriptions| subscriptions.lock().subscribers.len())
    }

    pub fn is_subscribed(&self, room: RoomId, connection: ConnectionId) -> bool {
        self.name_in(room, connection).is_some()
    }

    /// A connection's name in a room that it subscribes to.
    pub fn name_in(&self, room: RoomId, connection: ConnectionId) -> Option<Arc<str>> {
        let connection = self.connections.lock().get(&connection).cloned()?;
        connection.subscriptions.lock().get(&room).cloned()
    }

    /// Guests who subscribe to a room, on all nodes.
    pub fn guests(&self, room: RoomId) -> Vec<Guest> {
        let Some(subscriptions) = self.existing(room) else { return Vec::new() };
        let subscriptions = subscriptions.lock();
        let guests = subscriptions.subscribers.values().filter_map(|subscriber| {
            let guest = subscriber.connection.guest()?;
            Some(Guest { id: guest.id, name: subscriber.name.clone() })
        });
        guests.chain(subscriptions.remote.people().filter_map(SubscriberIdentity::as_guest)).collect()
    }

    /// Everybody who subscribes to a room, on all nodes, each once; those of this node in the order in which they subscribed.
    pub fn subscribers(&self, room: RoomId) -> Vec<Author> {
        let Some(subscriptions) = self.existing(room) else { return Vec::new() };
        let subscriptions = subscriptions.lock();
        let mut people: Vec<Author> = Vec::with_capacity(subscriptions.subscribers.len());
        let mut accounts = std::collections::HashSet::new();
        let mut subscribers: Vec<&Subscriber> = subscriptions.subscribers.values().collect();
        subscribers.sort_unstable_by_key(|subscriber| subscriber.nth);
        for subscriber in subscribers {
            if subscriber.connection.account().is_none_or(|account| accounts.insert(account.id)) {
                people.push(subscriber.author());
            }
        }
        for identity in subscriptions.remote.people() {
            if identity.who.account.is_none_or(|(account, _)| accounts.insert(account)) {
                people.push(identity.who.clone());
            }
        }
        people
    }

    /// Broadcasts on all nodes that somebody is typing.
    pub fn typing(&self, room: RoomId, by: Author, connection: Option<ConnectionId>) {
        self.publish_to_nodes(|| Outgoing::RoomEvent(room, Event::Typing { room, by: by.clone() }));
        self.broadcast_typing(room, by, connection);
    }

    /// Broadcasts on this node that somebody is typing.
    pub fn broadcast_typing(&self, room: RoomId, by: Author, connection: Option<ConnectionId>) {
        let Some(subscriptions) = self.existing(room) else { return };
        let subscriptions = subscriptions.lock();
        let account = by.account.map(|(account, _)| account);
        let event = Event::Typing { room, by };
        let mut encoded = Encoded::new(&event, Some(&subscriptions.room));
        for subscriber in subscriptions.subscribers.values() {
            let other = &subscriber.connection;
            let same = Some(other.id) == connection || other.account().is_some_and(|other| Some(other.id) == account);
            // A subscriber that is catching up does not receive typing notices.
            if !same
                && subscriber.held.is_none()
                && let Some(text) = encoded.for_dialect(other.dialect)
            {
                other.outbox.enqueue(text);
            }
        }
    }

    /// Sends entries to their room's subscribers. On a single node they must come in order; in a cluster they are put in order
    /// here, together with entries of other nodes.
    pub(super) fn broadcast_in_order(&self, room: &Arc<Room>, pending: &[PendingBroadcast]) {
        match self.next_in_order(room, pending) {
            Ready::All => self.broadcast_ready(room, pending),
            Ready::These(ready) => {
                for run in ready.chunk_by(|(a, _), (b, _)| a == b) {
                    let pending: Vec<PendingBroadcast> =
                        run.iter().map(|(_, pending)| pending.for_subscribers()).collect();
                    self.broadcast_ready(&run[0].0, &pending);
                }
            }
        }
    }

    fn next_in_order(&self, room: &Arc<Room>, pending: &[PendingBroadcast]) -> Ready {
        let Some(link) = self.link.get() else { return Ready::All };
        let Some(subscriptions) = self.existing(room.id) else { return Ready::All };
        let mut subscriptions = subscriptions.lock();
        let ready = subscriptions.sequence.take(room, pending);
        if subscriptions.sequence.missing().is_some() {
            link.gaps().insert(room.id);
        }
        ready
    }

    fn broadcast_ready(&self, room: &Room, pending: &[PendingBroadcast]) {
        // Consecutive entries that do not change membership go out together.
        for run in pending.chunk_by(|a, b| !a.entry.what.changes_membership() && !b.entry.what.changes_membership()) {
            match run {
                [one] if one.entry.what.changes_membership() => self.broadcast_membership_event(room, one),
                run => {
                    let Some(subscriptions) = self.existing(room.id) else { continue };
                    subscriptions.lock().broadcast_entries(room, run);
                    self.forget_if_empty(room.id);
                }
            }
        }
    }

    /// Sends an event that is not a log entry to a room's subscribers on this node.
    pub(super) fn broadcast_unnumbered(&self, room: RoomId, event: &Event) {
        if let Some(subscriptions) = self.existing(room) {
            subscriptions.lock().broadcast_event(event, 0, None);
        }
    }

    pub(super) fn existing(&self, room: RoomId) -> Option<Arc<Mutex<RoomSubscriptions>>> {
        self.rooms.read().get(&room).cloned()
    }

    /// Runs `act` on a room's subscriptions, creating them if there are none.
    fn with_subscriptions<T>(&self, room: &Room, act: impl FnOnce(&mut RoomSubscriptions) -> T) -> T {
        loop {
            let there = self.existing(room.id);
            let subscriptions = there.unwrap_or_else(|| {
                let mut rooms = self.rooms.write();
                let subscriptions =
                    rooms.entry(room.id).or_insert_with(|| Arc::new(Mutex::new(RoomSubscriptions::new(room.clone()))));
                if let Some(link) = self.link.get() {
                    link.rooms().insert(room.id);
                }
                subscriptions.clone()
            });
            let mut subscriptions = subscriptions.lock();
            // They may have been removed before they were locked.
            if !subscriptions.closed {
                return act(&mut subscriptions);
            }
        }
    }

    fn forget_if_empty(&self, room: RoomId) {
        if self.existing(room).is_some_and(|subscriptions| subscriptions.lock().subscribers.is_empty()) {
            let mut rooms = self.rooms.write();
            let Some(subscriptions) = rooms.get(&room).cloned() else { return };
            let mut subscriptions = subscriptions.lock();
            // A connection may have subscribed meanwhile.
            if subscriptions.subscribers.is_empty() {
                subscriptions.closed = true;
                rooms.remove(&room);
                self.note_unsubscribed(room);
            }
        }
    }

    /// Notifies the cluster's tasks that the room has no subscribers any more.
    fn note_unsubscribed(&self, room: RoomId) {
        if let Some(link) = self.link.get() {
            link.rooms().insert(room);
        }
    }
}
