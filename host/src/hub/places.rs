//! Who hears which room, and the way of its events to all of them.

mod elsewhere;
mod guests;
mod moves;
mod sequence;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;

use tokio_util::sync::CancellationToken;

use self::elsewhere::Elsewhere;
pub use self::elsewhere::Hearer;
use self::sequence::{Sequence, Turn};
use super::link::{Link, Outgoing};
use super::{Connection, Hub, Outbox, Packet, PendingBroadcast};
use crate::dialect::{DIALECTS, Dialect, Encoded};
use crate::name::key;
use crate::protocol::{AccountId, Author, ConnectionId, EntryPayload, Event, Eviction, Guest, Room, RoomId};

/// A room as those hear it who listen to it now.
pub(super) struct Place {
    room: Room,
    listeners: HashMap<ConnectionId, Listener>,
    /// By how many connections each account hears it.
    accounts: HashMap<AccountId, usize>,
    /// How many connections want to be told who else listens.
    curious: usize,
    /// How many have come in so far.
    came: u64,
    /// It is not in the hub any more: whoever comes in needs another one.
    closed: bool,
    /// In a cluster: what puts its entries in order, and when they are heard from other nodes too.
    pub(super) sequence: Sequence,
    elsewhere: Elsewhere,
    pub(super) opened: CancellationToken,
}

/// A connection's place in a room.
struct Listener {
    connection: Arc<Connection>,
    /// What telling asks of the connection is here too: following a pointer to each would cost more than all the rest of it.
    outbox: Arc<Outbox>,
    dialect: Dialect,
    echoes: bool,
    /// A guest may have another name in each room.
    name: Arc<str>,
    /// How many came in before.
    nth: u64,
    /// It has everything up to this entry.
    after: u64,
    /// Until it has caught up, what is new waits here.
    held: Option<Held>,
    /// The entry that put its account out meanwhile: if it is newer than what is caught up on, the listener is out too.
    out: Option<(u64, Eviction)>,
}

/// What waits for a listener that is catching up. It can be read again, so there is no need to keep very much of it.
#[derive(Default)]
struct Held {
    events: Vec<(u64, Utf8Bytes)>,
    /// There was more than fits: it has to be read from the log.
    dropped: bool,
}

/// For so many listeners what is needed fits well into a processor's first cache.
const TOGETHER: usize = 16;

/// How many events wait for a listener that is catching up.
const HELD: usize = 256;

/// What became of a listener that has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// From now on it gets everything at once.
    Live,
    /// So much has happened that there is more to be read from the log first.
    Behind,
    /// It has no place in the room any more.
    Gone,
}

impl Listener {
    /// Whose connection has caught up to `after`, and holds back what is newer if there is a place for it.
    fn new(connection: Arc<Connection>, name: Arc<str>, after: u64, held: Option<Held>) -> Self {
        let (outbox, dialect, echoes) = (connection.outbox.clone(), connection.dialect, connection.echoes);
        Self { connection, outbox, dialect, echoes, name, nth: 0, after, held, out: None }
    }

    fn author(&self) -> Author {
        Author { name: self.name.clone(), ..Author::from(&self.connection.actor) }
    }

    fn offer(&mut self, seq: u64, text: Option<Utf8Bytes>) {
        match (text, &mut self.held) {
            (None, _) => {}
            (Some(text), None) => self.outbox.offer(text),
            (Some(_), Some(held)) if held.dropped => {}
            (Some(_), Some(held)) if held.events.len() == HELD => {
                held.events.clear();
                held.dropped = true;
            }
            (Some(text), Some(held)) => held.events.push((seq, text)),
        }
    }
}

/// Events that are told together, in the words of every dialect that somebody in the room speaks.
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

/// Somebody else is called so in this room.
#[derive(Debug, PartialEq, Eq)]
pub struct NameInUse;

impl Place {
    fn new(room: Room) -> Self {
        Self {
            room,
            listeners: HashMap::new(),
            accounts: HashMap::new(),
            curious: 0,
            came: 0,
            closed: false,
            sequence: Sequence::default(),
            elsewhere: Elsewhere::default(),
            opened: CancellationToken::new(),
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// True if nobody heard the room as this account, or as this guest, before.
    fn add(&mut self, listener: Listener) -> bool {
        let connection = listener.connection.clone();
        let nth = self.listeners.get(&connection.id).map_or(self.came, |known| known.nth);
        self.came += 1;
        let listener = Listener { nth, ..listener };
        let known = self.listeners.insert(connection.id, listener).is_some();
        if known {
            return false;
        }
        self.curious += usize::from(connection.dialect.is_curious());
        connection.account().is_none_or(|account| {
            let count = self.accounts.entry(account.id).or_default();
            *count += 1;
            *count == 1
        })
    }

    /// Lets a connection hear the room, and tells those who want to know.
    fn come(&mut self, link: Option<&Arc<Link>>, listener: Listener) {
        let (hearer, own) = (listener.hearer(), listener.connection.id);
        let curious = self.curious;
        if self.add(listener) {
            self.tell_of(link, &hearer, own, true);
        }
        if let (Some(link), true) = (link, curious == 0 && self.curious > 0) {
            link.tell(Outgoing::Who(self.room.id));
        }
    }

    /// The connection does not hear the room any more; tells those who want to know.
    fn go(&mut self, link: Option<&Arc<Link>>, connection: ConnectionId) {
        if let Some(hearer) = self.remove(connection) {
            self.tell_of(link, &hearer, connection, false);
        }
    }

    /// Who does not hear the room any more, now that this connection does not.
    fn remove(&mut self, connection: ConnectionId) -> Option<Hearer> {
        let listener = self.listeners.remove(&connection)?;
        self.curious -= usize::from(listener.connection.dialect.is_curious());
        let last = listener.connection.account().is_none_or(|account| match self.accounts.entry(account.id) {
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
        last.then(|| listener.hearer())
    }

    /// Entries that change nothing of who hears the room: whoever gets all of them gets them at once.
    fn deliver_all(&mut self, room: &Room, pending: &[PendingBroadcast]) {
        let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return };
        self.sequence.broadcast_up_to(last.entry.seq);
        if pending.iter().any(|pending| matches!(pending.entry.what, EntryPayload::RoomUpdated { .. })) {
            self.room = room.clone();
        }
        let events: Vec<Event> = pending.iter().map(|pending| Event::Entry(pending.entry.clone())).collect();
        let mut run = Run::new(&events, &self.room);
        let mut get_all: Vec<(&Outbox, Dialect)> = Vec::with_capacity(self.listeners.len());
        for (id, listener) in &mut self.listeners {
            let echoes = listener.echoes;
            let own = |pending: &PendingBroadcast| !echoes && pending.own == Some(*id);
            if listener.held.is_none() && listener.after < first.entry.seq && !pending.iter().any(own) {
                get_all.push((&listener.outbox, listener.dialect));
                continue;
            }
            for (i, pending) in pending.iter().enumerate() {
                if !own(pending) && pending.entry.seq > listener.after {
                    listener.offer(pending.entry.seq, run.text(i, listener.dialect));
                }
            }
        }
        for some in get_all.chunks(TOGETHER) {
            some.iter().for_each(|(outbox, _)| outbox.warm());
            for (outbox, dialect) in some {
                outbox.deliver(run.packet(*dialect));
            }
        }
    }

    /// `own` is the connection that it came from, which some dialects tell of it by their answer alone.
    fn deliver(&mut self, event: &Event, seq: u64, own: Option<ConnectionId>) {
        let mut encoded = Encoded::new(event, Some(&self.room));
        for listener in self.listeners.values_mut() {
            let pending = Some(listener.connection.id) == own && !listener.connection.hears_its_own(event);
            if !pending && (seq == 0 || seq > listener.after) {
                listener.offer(seq, encoded.for_dialect(listener.connection.dialect));
            }
        }
    }

    /// Tells that somebody came or went, if anybody wants to know.
    fn tell_of_people(&mut self, event: &Event, who: &Author, own: Option<ConnectionId>) {
        if who.account.is_none() || self.curious > 0 {
            self.deliver(event, 0, own);
        }
    }
}

impl Hub {
    /// Lets a connection hear a room, from the entry after the one that `release` names; what happens until then waits.
    /// With a `nick` it is called so there, if nobody else is; a guest without one has its own name, unless that is of somebody
    /// who speaks another dialect.
    pub fn listen(&self, room: &Room, connection: &Arc<Connection>, nick: Option<Arc<str>>) -> Result<(), NameInUse> {
        self.in_place(room, |place| {
            let others = || place.listeners.values().filter(|other| other.connection.id != connection.id);
            let taken = |nick: &Arc<str>| {
                let wanted = key(nick);
                others().any(|other| key(&other.name) == wanted) || place.elsewhere.has_name(nick)
            };
            // Guests who have one name everywhere may share it with others who speak as they do (the same person on two
            // devices, or coming back), but with nobody who sees them as somebody of their own.
            let passes_for_another = || {
                let same = |other: &Listener| key(&other.name) == key(connection.actor.name());
                others().any(|other| other.dialect != connection.dialect && same(other))
            };
            if nick.as_ref().is_some_and(taken)
                || (nick.is_none() && connection.guest().is_some() && passes_for_another())
            {
                return Err(NameInUse);
            }
            let name = nick.unwrap_or_else(|| connection.actor.name().into());
            connection.begin_hearing(room.id, name.clone());
            let listener = Listener::new(connection.clone(), name, 0, Some(Held::default()));
            place.come(self.link.get(), listener);
            Ok(())
        })
    }

    /// The connection has caught up to this entry, and was seen to be a member after that: calls `first`, sends what waited beyond
    /// it, and from now on everything at once.
    pub fn release(&self, room: RoomId, connection: ConnectionId, after: u64, first: impl FnOnce()) -> Released {
        let Some(place) = self.existing(room) else { return Released::Gone };
        let mut place = place.lock();
        let Some(listener) = place.listeners.get_mut(&connection) else { return Released::Gone };
        if let Some((_, eviction)) = listener.out.take_if(|(out, _)| *out > after) {
            let connection = listener.connection.clone();
            place.evict(self.link.get(), &connection, eviction);
            return Released::Gone;
        }
        first();
        listener.after = after;
        let held = listener.held.take().unwrap_or_default();
        if held.dropped {
            listener.held = Some(Held::default());
            return Released::Behind;
        }
        for (seq, text) in held.events {
            // Events without a number are not in what was caught up on.
            if seq == 0 || seq > after {
                listener.connection.outbox.offer(text);
            }
        }
        Released::Live
    }

    pub fn stop_listening(&self, room: RoomId, connection: &Connection) {
        let Some(place) = self.existing(room) else { return };
        let mut place = place.lock();
        connection.hears.lock().remove(&room);
        place.go(self.link.get(), connection.id);
        drop(place);
        self.forget_if_empty(room);
    }

    /// Whether anybody hears a room.
    pub fn is_heard(&self, room: RoomId) -> bool {
        self.existing(room).is_some_and(|place| !place.lock().listeners.is_empty())
    }

    /// How many connections hear a room.
    pub fn count_listeners(&self, room: RoomId) -> usize {
        self.existing(room).map_or(0, |place| place.lock().listeners.len())
    }

    pub fn is_listening(&self, room: RoomId, connection: ConnectionId) -> bool {
        self.name_in(room, connection).is_some()
    }

    /// What a connection is called in a room that it hears.
    pub fn name_in(&self, room: RoomId, connection: ConnectionId) -> Option<Arc<str>> {
        let connection = self.connections.lock().get(&connection).cloned()?;
        connection.hears.lock().get(&room).cloned()
    }

    /// Guests who listen to a room.
    pub fn guests(&self, room: RoomId) -> Vec<Guest> {
        let Some(place) = self.existing(room) else { return Vec::new() };
        let place = place.lock();
        let guests = place.listeners.values().filter_map(|listener| {
            let guest = listener.connection.guest()?;
            Some(Guest { id: guest.id, name: listener.name.clone() })
        });
        guests.chain(place.elsewhere.people().filter_map(Hearer::as_guest)).collect()
    }

    /// Everybody who hears a room, each once, as they came in.
    pub fn listeners(&self, room: RoomId) -> Vec<Author> {
        let Some(place) = self.existing(room) else { return Vec::new() };
        let place = place.lock();
        let mut people: Vec<Author> = Vec::with_capacity(place.listeners.len());
        let mut accounts = std::collections::HashSet::new();
        let mut listeners: Vec<&Listener> = place.listeners.values().collect();
        listeners.sort_unstable_by_key(|listener| listener.nth);
        for listener in listeners {
            if listener.connection.account().is_none_or(|account| accounts.insert(account.id)) {
                people.push(listener.author());
            }
        }
        for hearer in place.elsewhere.people() {
            if hearer.who.account.is_none_or(|(account, _)| accounts.insert(account)) {
                people.push(hearer.who.clone());
            }
        }
        people
    }

    /// Tells the others in a room that somebody is writing.
    pub fn typing(&self, room: RoomId, by: Author, connection: Option<ConnectionId>) {
        self.tell_others(|| Outgoing::Aside(room, Event::Typing { room, by: by.clone() }));
        self.typing_elsewhere(room, by, connection);
    }

    /// The same where other nodes are not told: it came from there.
    pub fn typing_elsewhere(&self, room: RoomId, by: Author, connection: Option<ConnectionId>) {
        let Some(place) = self.existing(room) else { return };
        let place = place.lock();
        let account = by.account.map(|(account, _)| account);
        let event = Event::Typing { room, by };
        let mut encoded = Encoded::new(&event, Some(&place.room));
        for listener in place.listeners.values() {
            let other = &listener.connection;
            let same = Some(other.id) == connection || other.account().is_some_and(|other| Some(other.id) == account);
            // Whoever is still catching up is told of what is said, not of what is being said.
            if !same
                && listener.held.is_none()
                && let Some(text) = encoded.for_dialect(other.dialect)
            {
                other.outbox.offer(text);
            }
        }
    }

    /// Sends entries to all who hear their room. Those of one room must be published in their order; in a cluster they are
    /// put in order here, with those of other nodes.
    pub(super) fn publish_to(&self, room: &Arc<Room>, pending: &[PendingBroadcast]) {
        match self.take_turn(room, pending) {
            Turn::All => self.publish_in_turn(room, pending),
            Turn::These(ready) => {
                for run in ready.chunk_by(|(a, _), (b, _)| a == b) {
                    let pending: Vec<PendingBroadcast> =
                        run.iter().map(|(_, pending)| pending.for_subscribers()).collect();
                    self.publish_in_turn(&run[0].0, &pending);
                }
            }
        }
    }

    fn take_turn(&self, room: &Arc<Room>, pending: &[PendingBroadcast]) -> Turn {
        let Some(link) = self.link.get() else { return Turn::All };
        let Some(place) = self.existing(room.id) else { return Turn::All };
        let mut place = place.lock();
        let turn = place.sequence.take(room, pending);
        if place.sequence.missing().is_some() {
            link.gaps().note(room.id);
        }
        turn
    }

    fn publish_in_turn(&self, room: &Room, pending: &[PendingBroadcast]) {
        // Neighbours that change nothing of who hears the room go out together.
        for run in pending.chunk_by(|a, b| !a.entry.what.changes_membership() && !b.entry.what.changes_membership()) {
            match run {
                [one] if one.entry.what.changes_membership() => self.publish_move(room, one),
                run => {
                    let Some(place) = self.existing(room.id) else { continue };
                    place.lock().deliver_all(room, run);
                    self.forget_if_empty(room.id);
                }
            }
        }
    }

    /// Sends what has no number to all who hear a room.
    pub(super) fn publish_aside(&self, room: RoomId, event: &Event) {
        if let Some(place) = self.existing(room) {
            place.lock().deliver(event, 0, None);
        }
    }

    pub(super) fn existing(&self, room: RoomId) -> Option<Arc<Mutex<Place>>> {
        self.rooms.read().get(&room).cloned()
    }

    /// Does something in a room's place, making it if nobody was there.
    fn in_place<T>(&self, room: &Room, act: impl FnOnce(&mut Place) -> T) -> T {
        loop {
            let there = self.existing(room.id);
            let place = there.unwrap_or_else(|| {
                let mut rooms = self.rooms.write();
                let place = rooms.entry(room.id).or_insert_with(|| Arc::new(Mutex::new(Place::new(room.clone()))));
                if let Some(link) = self.link.get() {
                    link.rooms().note(room.id);
                }
                place.clone()
            });
            let mut place = place.lock();
            // It may have been forgotten before it was locked.
            if !place.closed {
                return act(&mut place);
            }
        }
    }

    fn forget_if_empty(&self, room: RoomId) {
        if self.existing(room).is_some_and(|place| place.lock().listeners.is_empty()) {
            let mut rooms = self.rooms.write();
            let Some(place) = rooms.get(&room).cloned() else { return };
            let mut place = place.lock();
            // Somebody may have come in meanwhile.
            if place.listeners.is_empty() {
                place.closed = true;
                rooms.remove(&room);
                self.note_silence(room);
            }
        }
    }

    /// Nobody hears the room any more.
    fn note_silence(&self, room: RoomId) {
        if let Some(link) = self.link.get() {
            link.rooms().note(room);
        }
    }
}
