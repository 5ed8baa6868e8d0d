//! Who is connected to the other nodes of a cluster, as each of them says: a copy of each node's list, kept by its changes.
//! They are numbered, so that whoever missed one knows it, and asks for the whole list.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::LocalPresence;
use crate::hub::Hub;
use crate::protocol::AccountId;

/// A node of the cluster, since its start.
pub type NodeId = Uuid;

/// Accounts with what the issuer of their tokens calls them, if that is not this server.
pub type People = HashMap<AccountId, Option<Arc<str>>>;

#[derive(Default)]
pub(super) struct RemotePresence {
    nodes: HashMap<NodeId, Node>,
    /// On how many of them each account is.
    counts: HashMap<AccountId, usize>,
}

#[derive(Default)]
struct Node {
    /// How many changes of its list it has told.
    nth: u64,
    people: People,
}

/// Somebody who is online now and was not, or the other way round, as far as other nodes go.
struct PresenceChange {
    account: AccountId,
    external: Option<Arc<str>>,
    online: bool,
}

impl RemotePresence {
    pub(super) fn has(&self, account: AccountId) -> bool {
        self.counts.contains_key(&account)
    }

    fn add(&mut self, node: NodeId, account: AccountId, external: Option<Arc<str>>) -> Option<PresenceChange> {
        if self.nodes.entry(node).or_default().people.insert(account, external.clone()).is_some() {
            return None;
        }
        let count = self.counts.entry(account).or_default();
        *count += 1;
        (*count == 1).then_some(PresenceChange { account, external, online: true })
    }

    fn remove(&mut self, node: NodeId, account: AccountId) -> Option<PresenceChange> {
        let external = self.nodes.get_mut(&node)?.people.remove(&account)?;
        let count = self.counts.get_mut(&account)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&account);
        Some(PresenceChange { account, external, online: false })
    }

    /// What changed by this whole list.
    fn replace(&mut self, node: NodeId, nth: u64, people: People) -> Vec<PresenceChange> {
        let known = &self.nodes.entry(node).or_default().people;
        let gone: Vec<AccountId> = known.keys().filter(|account| !people.contains_key(account)).copied().collect();
        let mut moved: Vec<PresenceChange> =
            gone.into_iter().filter_map(|account| self.remove(node, account)).collect();
        moved.extend(people.into_iter().filter_map(|(account, external)| self.add(node, account, external)));
        self.nodes.entry(node).or_default().nth = nth;
        moved
    }
}

impl Hub {
    /// All who are connected here, and how many changes there were until now.
    pub fn people(&self) -> (u64, People) {
        let local = self.presence.local.lock();
        let people = local.accounts.iter().map(|(account, connections)| {
            (*account, connections.first().and_then(|connection| connection.external.clone()))
        });
        (local.changes, people.collect())
    }

    /// Another node's list changed for the `nth` time. False if one of the changes before is missing: the whole list is needed.
    pub fn update_remote_presence(
        &self,
        node: NodeId,
        nth: u64,
        account: AccountId,
        external: Option<Arc<str>>,
        online: bool,
    ) -> bool {
        let mut local = self.presence.local.lock();
        let Some(known) = local.remote.nodes.get_mut(&node) else { return false };
        if nth <= known.nth {
            return true;
        }
        if nth != known.nth + 1 {
            return false;
        }
        known.nth = nth;
        let remote = &mut local.remote;
        let moved = if online { remote.add(node, account, external) } else { remote.remove(node, account) };
        self.apply_changes(&mut local, moved.into_iter().collect());
        true
    }

    /// Whether another node's list is known here as it is after so many changes.
    pub fn knows_people_of(&self, node: NodeId, nth: u64) -> bool {
        self.presence.local.lock().remote.nodes.get(&node).is_some_and(|known| known.nth >= nth)
    }

    /// All who are connected to another node, after so many changes.
    pub fn replace_remote_presence(&self, node: NodeId, nth: u64, people: People) {
        let mut local = self.presence.local.lock();
        if local.remote.nodes.get(&node).is_some_and(|known| known.nth > nth) {
            return;
        }
        let moved = local.remote.replace(node, nth, people);
        self.apply_changes(&mut local, moved);
    }

    fn apply_changes(&self, local: &mut LocalPresence, moved: Vec<PresenceChange>) {
        for PresenceChange { account, external, online } in moved {
            if !local.accounts.contains_key(&account) {
                self.change_presence(local, account, external.as_ref(), online);
            }
        }
    }

    /// The other nodes whose lists are known here.
    pub fn known_nodes(&self) -> Vec<NodeId> {
        self.presence.local.lock().remote.nodes.keys().copied().collect()
    }

    /// A node is gone: whoever was connected to it alone is offline.
    pub fn drop_node(&self, node: NodeId) {
        let mut local = self.presence.local.lock();
        let moved = local.remote.replace(node, u64::MAX, People::new());
        local.remote.nodes.remove(&node);
        self.apply_changes(&mut local, moved);
        drop(local);
        self.forget_node_subscribers(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::link::Link;

    /// A hub that is one node's of several.
    fn hub() -> Hub {
        let hub = Hub::default();
        hub.link(Arc::new(Link::new().0));
        hub
    }

    fn people(accounts: &[AccountId]) -> People {
        accounts.iter().map(|account| (*account, None)).collect()
    }

    #[test]
    fn somebody_on_two_nodes_is_online_until_both_say_otherwise() {
        let (hub, ann) = (hub(), AccountId::new());
        let (one, other) = (NodeId::now_v7(), NodeId::now_v7());
        hub.replace_remote_presence(one, 0, people(&[ann]));
        hub.replace_remote_presence(other, 0, People::new());
        assert!(hub.update_remote_presence(other, 1, ann, None, true));
        assert!(hub.update_remote_presence(one, 1, ann, None, false));
        assert!(hub.presence.local.lock().remote.has(ann));
        hub.drop_node(other);
        assert!(!hub.presence.local.lock().remote.has(ann));
    }

    #[test]
    fn a_change_that_was_missed_is_noticed_and_the_whole_list_mends_it() {
        let (hub, ann, bob) = (hub(), AccountId::new(), AccountId::new());
        let node = NodeId::now_v7();
        assert!(!hub.update_remote_presence(node, 1, ann, None, true), "nothing is known of this node");
        hub.replace_remote_presence(node, 1, people(&[ann]));
        assert!(hub.update_remote_presence(node, 1, bob, None, true), "heard before, and part of the list");
        assert!(!hub.update_remote_presence(node, 3, ann, None, false), "the second change is missing");
        assert!(!hub.knows_people_of(node, 3));
        hub.replace_remote_presence(node, 3, people(&[bob]));
        assert!(hub.knows_people_of(node, 3));
        // An older list, which took longer.
        hub.replace_remote_presence(node, 2, people(&[ann]));
        let local = hub.presence.local.lock();
        assert!(local.remote.has(bob) && !local.remote.has(ann));
    }

    #[test]
    fn whoever_goes_from_one_node_to_another_was_never_offline() {
        let (hub, ann, node) = (hub(), AccountId::new(), NodeId::now_v7());
        hub.replace_remote_presence(node, 0, people(&[ann]));
        hub.drop_node(node);
        assert!(hub.is_online(ann));
        hub.replace_remote_presence(node, 0, people(&[ann]));
        assert!(!hub.broadcast_departed(), "nobody is left to be told of");
        assert!(hub.is_online(ann));
    }
}
