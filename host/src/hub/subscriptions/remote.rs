//! Who hears a room on other nodes of a cluster: kept where somebody wants to know who else is there, and of guests everywhere.
//! A node that begins to hear a room says hello; who wants to know answers by asking, and from then on is told of every change.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RoomSubscriptions, Subscriber};
use crate::hub::link::{Link, Outgoing};
use crate::hub::{Hub, NodeId};
use crate::name::key;
use crate::protocol::{AccountId, Author, ConnectionId, Event, Guest, RoomId};

/// Somebody who hears a room, by however many connections to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberIdentity {
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

impl SubscriberIdentity {
    fn key(&self) -> Option<Key> {
        let account = self.who.account.map(|(account, _)| Key::Account(account));
        account.or_else(|| self.guest.map(Key::Guest))
    }

    pub(super) fn as_guest(&self) -> Option<Guest> {
        Some(Guest { id: self.guest?, name: self.who.name.clone() })
    }
}

#[derive(Default)]
pub(super) struct RemoteSubscribers {
    nodes: HashMap<NodeId, HashMap<Key, SubscriberIdentity>>,
    /// Somebody there wants to be told of every change here.
    wanted: bool,
}

impl RemoteSubscribers {
    fn has(&self, key: Key) -> bool {
        self.nodes.values().any(|people| people.contains_key(&key))
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &SubscriberIdentity> {
        self.nodes.values().flat_map(HashMap::values)
    }

    /// Whether somebody else there is called so.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let wanted = key(name);
        self.people().any(|identity| key(&identity.who.name) == wanted)
    }
}

impl Subscriber {
    pub(super) fn identity(&self) -> SubscriberIdentity {
        let guest = self.connection.guest().map(|guest| guest.id);
        SubscriberIdentity {
            who: self.author(),
            guest,
            origin: self.connection.origin.clone().filter(|_| guest.is_some()),
        }
    }
}

impl RoomSubscriptions {
    /// Somebody hears the room here from now on, or no more.
    pub(super) fn publish_presence(
        &mut self,
        link: Option<&Arc<Link>>,
        identity: &SubscriberIdentity,
        own: ConnectionId,
        here: bool,
    ) {
        if let (Some(link), true) = (link, identity.guest.is_some() || self.remote.wanted) {
            link.publish(Outgoing::Heard(self.room.id, identity.clone(), here));
        }
        self.broadcast_presence(identity, Some(own), here);
    }

    fn broadcast_presence(&mut self, identity: &SubscriberIdentity, own: Option<ConnectionId>, here: bool) {
        if identity.key().is_none_or(|key| !self.remote.has(key)) {
            let (room, who) = (self.room.id, identity.who.clone());
            let event = if here { Event::Arrived { room, who } } else { Event::Departed { room, who } };
            self.broadcast_to_watchers(&event, &identity.who, own);
        }
    }

    fn is_here(&self, key: Key) -> bool {
        match key {
            Key::Account(account) => self.accounts.contains_key(&account),
            Key::Guest(connection) => self.subscribers.contains_key(&connection),
        }
    }

    fn add_remote(&mut self, node: NodeId, identity: SubscriberIdentity) {
        let Some(key) = identity.key() else { return };
        let news = !self.is_here(key) && !self.remote.has(key);
        self.remote.nodes.entry(node).or_default().insert(key, identity.clone());
        if news {
            let (room, who) = (self.room.id, identity.who.clone());
            self.broadcast_to_watchers(&Event::Arrived { room, who }, &identity.who, None);
        }
    }

    fn remove_remote(&mut self, node: NodeId, key: Key) {
        let Some(identity) = self.remote.nodes.get_mut(&node).and_then(|people| people.remove(&key)) else { return };
        if !self.is_here(key) {
            self.broadcast_presence(&identity, None, false);
        }
    }

    fn replace_remote(&mut self, node: NodeId, identities: Vec<SubscriberIdentity>) {
        let now: Vec<Key> = identities.iter().filter_map(SubscriberIdentity::key).collect();
        let known = self.remote.nodes.get(&node).into_iter().flat_map(HashMap::keys);
        let gone: Vec<Key> = known.filter(|key| !now.contains(key)).copied().collect();
        gone.into_iter().for_each(|key| self.remove_remote(node, key));
        identities.into_iter().for_each(|identity| self.add_remote(node, identity));
    }

    /// Each who hears the room here, once; none but guests if nobody asked for more.
    fn identities(&self) -> Vec<SubscriberIdentity> {
        let mut accounts = std::collections::HashSet::new();
        let mut once =
            |subscriber: &&Subscriber| subscriber.connection.account().is_none_or(|one| accounts.insert(one.id));
        let wanted = |subscriber: &&Subscriber| self.remote.wanted || subscriber.connection.guest().is_some();
        self.subscribers
            .values()
            .filter(wanted)
            .filter(|subscriber| once(subscriber))
            .map(Subscriber::identity)
            .collect()
    }
}

impl Hub {
    /// Asks the other nodes who hears the room there, if somebody here wants to know.
    pub fn request_subscribers(&self, room: RoomId) {
        let Some(subscriptions) = self.existing(room) else { return };
        if subscriptions.lock().presence_watchers > 0 {
            self.publish_to_nodes(|| Outgoing::Who(room));
        }
    }

    /// Tells the other nodes who hears the room here, from now on all of them if one `asks`.
    pub fn publish_subscribers(&self, room: RoomId, asks: bool) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.remote.wanted |= asks;
        let identities = subscriptions.identities();
        // Under the lock, so that no change is told before it.
        if asks || !identities.is_empty() {
            self.publish_to_nodes(|| Outgoing::Hearers(room, identities));
        }
    }

    /// Somebody hears the room on another node from now on, or no more.
    pub fn update_remote_subscriber(&self, room: RoomId, node: NodeId, identity: SubscriberIdentity, here: bool) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        match (here, identity.key()) {
            (true, _) => subscriptions.add_remote(node, identity),
            (false, Some(key)) => subscriptions.remove_remote(node, key),
            (false, None) => {}
        }
    }

    /// All who hear the room on another node.
    pub fn replace_remote_subscribers(&self, room: RoomId, node: NodeId, identities: Vec<SubscriberIdentity>) {
        if let Some(subscriptions) = self.existing(room) {
            subscriptions.lock().replace_remote(node, identities);
        }
    }

    /// A node is gone: nobody hears anything there.
    pub(in crate::hub) fn forget_node_subscribers(&self, node: NodeId) {
        let all: Vec<_> = self.rooms.read().values().cloned().collect();
        for subscriptions in all {
            let mut subscriptions = subscriptions.lock();
            subscriptions.replace_remote(node, Vec::new());
            subscriptions.remote.nodes.remove(&node);
        }
    }
}
