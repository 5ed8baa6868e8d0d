//! Who hears a room on other nodes of a cluster: kept where somebody wants to know who else is there, and of guests everywhere.
//! A node that begins to hear a room says hello; who wants to know answers by asking, and from then on is told of every change.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Listener, Place};
use crate::hub::link::{Link, Outgoing};
use crate::hub::{Hub, NodeId};
use crate::name::key;
use crate::protocol::{AccountId, Author, ConnectionId, Event, Guest, RoomId};

/// Somebody who hears a room, by however many connections to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearer {
    pub who: Author,
    /// A guest's connection, by which it is known.
    pub guest: Option<ConnectionId>,
    /// Of a guest: a hash of where it comes from. Nodes of the version before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Arc<str>>,
}

/// Who it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Account(AccountId),
    Guest(ConnectionId),
}

impl Hearer {
    fn key(&self) -> Option<Key> {
        let account = self.who.account.map(|(account, _)| Key::Account(account));
        account.or_else(|| self.guest.map(Key::Guest))
    }

    pub(super) fn as_guest(&self) -> Option<Guest> {
        Some(Guest { id: self.guest?, name: self.who.name.clone() })
    }
}

#[derive(Default)]
pub(super) struct Elsewhere {
    nodes: HashMap<NodeId, HashMap<Key, Hearer>>,
    /// Somebody there wants to be told of every change here.
    asked: bool,
}

impl Elsewhere {
    fn has(&self, key: Key) -> bool {
        self.nodes.values().any(|people| people.contains_key(&key))
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &Hearer> {
        self.nodes.values().flat_map(HashMap::values)
    }

    /// Whether somebody else there is called so.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let wanted = key(name);
        self.people().any(|hearer| key(&hearer.who.name) == wanted)
    }
}

impl Listener {
    pub(super) fn hearer(&self) -> Hearer {
        let guest = self.connection.guest().map(|guest| guest.id);
        Hearer { who: self.author(), guest, origin: self.connection.origin.clone().filter(|_| guest.is_some()) }
    }
}

impl Place {
    /// Somebody hears the room here from now on, or no more.
    pub(super) fn tell_of(&mut self, link: Option<&Arc<Link>>, hearer: &Hearer, own: ConnectionId, here: bool) {
        if let (Some(link), true) = (link, hearer.guest.is_some() || self.elsewhere.asked) {
            link.tell(Outgoing::Heard(self.room.id, hearer.clone(), here));
        }
        self.tell_unless_elsewhere(hearer, Some(own), here);
    }

    fn tell_unless_elsewhere(&mut self, hearer: &Hearer, own: Option<ConnectionId>, here: bool) {
        if hearer.key().is_none_or(|key| !self.elsewhere.has(key)) {
            let (room, who) = (self.room.id, hearer.who.clone());
            let event = if here { Event::Arrived { room, who } } else { Event::Departed { room, who } };
            self.tell_of_people(&event, &hearer.who, own);
        }
    }

    fn is_here(&self, key: Key) -> bool {
        match key {
            Key::Account(account) => self.accounts.contains_key(&account),
            Key::Guest(connection) => self.listeners.contains_key(&connection),
        }
    }

    fn come_elsewhere(&mut self, node: NodeId, hearer: Hearer) {
        let Some(key) = hearer.key() else { return };
        let news = !self.is_here(key) && !self.elsewhere.has(key);
        self.elsewhere.nodes.entry(node).or_default().insert(key, hearer.clone());
        if news {
            let (room, who) = (self.room.id, hearer.who.clone());
            self.tell_of_people(&Event::Arrived { room, who }, &hearer.who, None);
        }
    }

    fn go_elsewhere(&mut self, node: NodeId, key: Key) {
        let Some(hearer) = self.elsewhere.nodes.get_mut(&node).and_then(|people| people.remove(&key)) else { return };
        if !self.is_here(key) {
            self.tell_unless_elsewhere(&hearer, None, false);
        }
    }

    fn replace_elsewhere(&mut self, node: NodeId, hearers: Vec<Hearer>) {
        let now: Vec<Key> = hearers.iter().filter_map(Hearer::key).collect();
        let known = self.elsewhere.nodes.get(&node).into_iter().flat_map(HashMap::keys);
        let gone: Vec<Key> = known.filter(|key| !now.contains(key)).copied().collect();
        gone.into_iter().for_each(|key| self.go_elsewhere(node, key));
        hearers.into_iter().for_each(|hearer| self.come_elsewhere(node, hearer));
    }

    /// Each who hears the room here, once; none but guests if nobody asked for more.
    fn hearers(&self) -> Vec<Hearer> {
        let mut accounts = std::collections::HashSet::new();
        let mut once = |listener: &&Listener| listener.connection.account().is_none_or(|one| accounts.insert(one.id));
        let wanted = |listener: &&Listener| self.elsewhere.asked || listener.connection.guest().is_some();
        self.listeners.values().filter(wanted).filter(|listener| once(listener)).map(Listener::hearer).collect()
    }
}

impl Hub {
    /// Asks the other nodes who hears the room there, if somebody here wants to know.
    pub fn ask_who_hears(&self, room: RoomId) {
        let Some(place) = self.existing(room) else { return };
        if place.lock().curious > 0 {
            self.tell_others(|| Outgoing::Who(room));
        }
    }

    /// Tells the other nodes who hears the room here, from now on all of them if one `asks`.
    pub fn say_who_hears(&self, room: RoomId, asks: bool) {
        let Some(place) = self.existing(room) else { return };
        let mut place = place.lock();
        place.elsewhere.asked |= asks;
        let hearers = place.hearers();
        // Under the lock, so that no change is told before it.
        if asks || !hearers.is_empty() {
            self.tell_others(|| Outgoing::Hearers(room, hearers));
        }
    }

    /// Somebody hears the room on another node from now on, or no more.
    pub fn heard_elsewhere(&self, room: RoomId, node: NodeId, hearer: Hearer, here: bool) {
        let Some(place) = self.existing(room) else { return };
        let mut place = place.lock();
        match (here, hearer.key()) {
            (true, _) => place.come_elsewhere(node, hearer),
            (false, Some(key)) => place.go_elsewhere(node, key),
            (false, None) => {}
        }
    }

    /// All who hear the room on another node.
    pub fn hearers_elsewhere(&self, room: RoomId, node: NodeId, hearers: Vec<Hearer>) {
        if let Some(place) = self.existing(room) {
            place.lock().replace_elsewhere(node, hearers);
        }
    }

    /// A node is gone: nobody hears anything there.
    pub(in crate::hub) fn forget_hearers(&self, node: NodeId) {
        let places: Vec<_> = self.rooms.read().values().cloned().collect();
        for place in places {
            let mut place = place.lock();
            place.replace_elsewhere(node, Vec::new());
            place.elsewhere.nodes.remove(&node);
        }
    }
}
