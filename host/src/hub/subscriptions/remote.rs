//! A room's subscribers on other nodes of a cluster: guests always, accounts only on nodes with presence watchers.
//! A node that starts to subscribe to a room sends `Hello`; nodes with presence watchers then request its list of subscribers,
//! and from then on receive every change.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RoomSubscriptions, Subscriber};
use crate::hub::link::{Link, Outgoing};
use crate::hub::{Hub, NodeId};
use crate::name::key;
use crate::protocol::{AccountId, Author, ConnectionId, Event, Guest, RoomId};

/// An account or guest that subscribes to a room on one node, with any number of connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberIdentity {
    pub who: Author,
    /// A guest's connection, which is its id.
    pub guest: Option<ConnectionId>,
    /// Of a guest: a hash of its network address. Nodes of the previous version omit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Arc<str>>,
}

/// Identifies an account or guest, independent of its name.
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
    /// Another node has presence watchers and wants every change of this node.
    publishes_accounts: bool,
}

impl RemoteSubscribers {
    fn has(&self, key: Key) -> bool {
        self.nodes.values().any(|people| people.contains_key(&key))
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &SubscriberIdentity> {
        self.nodes.values().flat_map(HashMap::values)
    }

    /// Whether a remote subscriber has this name.
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
    /// Announces a local subscriber's arrival or departure to other nodes and to presence watchers.
    pub(super) fn publish_presence(
        &mut self,
        link: Option<&Arc<Link>>,
        identity: &SubscriberIdentity,
        own: ConnectionId,
        arrived: bool,
    ) {
        if let (Some(link), true) = (link, identity.guest.is_some() || self.remote.publishes_accounts) {
            link.publish(Outgoing::SubscriberChanged(self.room.id, identity.clone(), arrived));
        }
        self.broadcast_presence(identity, Some(own), arrived);
    }

    fn broadcast_presence(&mut self, identity: &SubscriberIdentity, own: Option<ConnectionId>, arrived: bool) {
        if identity.key().is_none_or(|key| !self.remote.has(key)) {
            let (room, who) = (self.room.id, identity.who.clone());
            let event = if arrived { Event::Arrived { room, who } } else { Event::Departed { room, who } };
            self.broadcast_to_watchers(&event, &identity.who, own);
        }
    }

    fn is_local(&self, key: Key) -> bool {
        match key {
            Key::Account(account) => self.accounts.contains_key(&account),
            Key::Guest(connection) => self.subscribers.contains_key(&connection),
        }
    }

    fn add_remote(&mut self, node: NodeId, identity: SubscriberIdentity) {
        let Some(key) = identity.key() else { return };
        let is_new = !self.is_local(key) && !self.remote.has(key);
        self.remote.nodes.entry(node).or_default().insert(key, identity.clone());
        if is_new {
            let (room, who) = (self.room.id, identity.who.clone());
            self.broadcast_to_watchers(&Event::Arrived { room, who }, &identity.who, None);
        }
    }

    fn remove_remote(&mut self, node: NodeId, key: Key) {
        let Some(identity) = self.remote.nodes.get_mut(&node).and_then(|people| people.remove(&key)) else { return };
        if !self.is_local(key) {
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

    /// This node's subscribers, without duplicates; only guests unless another node wants accounts too.
    fn identities(&self) -> Vec<SubscriberIdentity> {
        let mut accounts = std::collections::HashSet::new();
        let mut once =
            |subscriber: &&Subscriber| subscriber.connection.account().is_none_or(|one| accounts.insert(one.id));
        let wanted =
            |subscriber: &&Subscriber| self.remote.publishes_accounts || subscriber.connection.guest().is_some();
        self.subscribers
            .values()
            .filter(wanted)
            .filter(|subscriber| once(subscriber))
            .map(Subscriber::identity)
            .collect()
    }
}

impl Hub {
    /// Requests the other nodes' subscribers of a room, if there are presence watchers here.
    pub fn request_subscribers(&self, room: RoomId) {
        let Some(subscriptions) = self.existing(room) else { return };
        if subscriptions.lock().presence_watchers > 0 {
            self.publish_to_nodes(|| Outgoing::SubscribersRequest(room));
        }
    }

    /// Publishes this node's subscribers of a room to the other nodes; if `requested`, accounts too, from now on.
    pub fn publish_subscribers(&self, room: RoomId, requested: bool) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.remote.publishes_accounts |= requested;
        let identities = subscriptions.identities();
        // Under the lock, so that no change is published before it.
        if requested || !identities.is_empty() {
            self.publish_to_nodes(|| Outgoing::Subscribers(room, identities));
        }
    }

    /// Another node reports that a subscriber arrived or departed.
    pub fn update_remote_subscriber(&self, room: RoomId, node: NodeId, identity: SubscriberIdentity, arrived: bool) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        match (arrived, identity.key()) {
            (true, _) => subscriptions.add_remote(node, identity),
            (false, Some(key)) => subscriptions.remove_remote(node, key),
            (false, None) => {}
        }
    }

    /// Replaces the list of another node's subscribers of a room.
    pub fn replace_remote_subscribers(&self, room: RoomId, node: NodeId, identities: Vec<SubscriberIdentity>) {
        if let Some(subscriptions) = self.existing(room) {
            subscriptions.lock().replace_remote(node, identities);
        }
    }

    /// Removes all subscribers of a node that is gone.
    pub(in crate::hub) fn forget_node_subscribers(&self, node: NodeId) {
        let all: Vec<_> = self.rooms.read().values().cloned().collect();
        for subscriptions in all {
            let mut subscriptions = subscriptions.lock();
            subscriptions.replace_remote(node, Vec::new());
            subscriptions.remote.nodes.remove(&node);
        }
    }
}
