//! Accounts that are connected to the other nodes of a cluster: a copy of each node's list, updated by the changes that it
//! publishes. Changes are numbered, so that a node that missed one notices, and requests the whole list.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::LocalPresence;
use crate::hub::Hub;
use crate::protocol::AccountId;

/// Identifies a node of the cluster from its start to its end.
pub type NodeId = Uuid;

/// Accounts, each with its id at the issuer of its token if that is not this server.
pub type People = HashMap<AccountId, Option<Arc<str>>>;

#[derive(Default)]
pub(super) struct RemotePresence {
    nodes: HashMap<NodeId, Node>,
    /// On how many other nodes each account is.
    counts: HashMap<AccountId, usize>,
}

#[derive(Default)]
struct Node {
    /// The number of its last change that was applied.
    nth: u64,
    people: People,
}

/// An account that came online on the other nodes, or left all of them.
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

    /// Replaces a node's list; gives the changes.
    fn replace(&mut self, node: NodeId, nth: u64, people: People) -> Vec<PresenceChange> {
        let known = &self.nodes.entry(node).or_default().people;
        let gone: Vec<AccountId> = known.keys().filter(|account| !people.contains_key(account)).copied().collect();
        let mut changes: Vec<PresenceChange> =
            gone.into_iter().filter_map(|account| self.remove(node, account)).collect();
        changes.extend(people.into_iter().filter_map(|(account, external)| self.add(node, account, external)));
        self.nodes.entry(node).or_default().nth = nth;
        changes
    }
}

impl Hub {
    /// All accounts connected to this node, and how many changes there were until now.
    pub fn people(&self) -> (u64, People) {
        let local = self.presence.local.lock();
        let people = local.accounts.iter().map(|(account, connections)| {
            (*account, connections.first().and_then(|connection| connection.external.clone()))
        });
        (local.changes, people.collect())
    }

    /// Applies the `nth` change of another node's list. False if an earlier change is missing: the whole list is needed.
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
        let changes = if online { remote.add(node, account, external) } else { remote.remove(node, account) };
        self.apply_changes(&mut local, changes.into_iter().collect());
        true
    }

    /// Whether another node's list is up to date with its `nth` change.
    pub fn knows_people_of(&self, node: NodeId, nth: u64) -> bool {
        self.presence.local.lock().remote.nodes.get(&node).is_some_and(|known| known.nth >= nth)
    }

    /// Replaces another node's list with its state after `nth` changes.
    pub fn replace_remote_presence(&self, node: NodeId, nth: u64, people: People) {
        let mut local = self.presence.local.lock();
        if local.remote.nodes.get(&node).is_some_and(|known| known.nth > nth) {
            return;
        }
        let changes = local.remote.replace(node, nth, people);
        self.apply_changes(&mut local, changes);
    }

    fn apply_changes(&self, local: &mut LocalPresence, changes: Vec<PresenceChange>) {
        for PresenceChange { account, external, online } in changes {
            if !local.accounts.contains_key(&account) {
                self.change_presence(local, account, external.as_ref(), online);
            }
        }
    }

    /// The other nodes whose lists are known here.
    pub fn known_nodes(&self) -> Vec<NodeId> {
        self.presence.local.lock().remote.nodes.keys().copied().collect()
    }

    /// Removes a node that is gone: accounts that were connected to it alone go offline.
    pub fn drop_node(&self, node: NodeId) {
        let mut local = self.presence.local.lock();
        let changes = local.remote.replace(node, u64::MAX, People::new());
        local.remote.nodes.remove(&node);
        self.apply_changes(&mut local, changes);
        drop(local);
        self.forget_node_subscribers(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::link::Link;

    /// The hub of a cluster's node.
    fn hub() -> Hub {
        let hub = Hub::default();
        hub.link(Arc::new(Link::new().0));
        hub
    }

    fn people(accounts: &[AccountId]) -> People {
        accounts.iter().map(|account| (*account, None)).collect()
    }

    #[test]
    fn account_on_two_nodes_is_online_until_both_report_it_gone() {
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
    fn missed_change_is_detected_and_repaired_by_the_whole_list() {
        let (hub, ann, bob) = (hub(), AccountId::new(), AccountId::new());
        let node = NodeId::now_v7();
        assert!(!hub.update_remote_presence(node, 1, ann, None, true), "nothing is known of this node");
        hub.replace_remote_presence(node, 1, people(&[ann]));
        assert!(hub.update_remote_presence(node, 1, bob, None, true), "an old change, already part of the list");
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
    fn account_that_moves_between_nodes_never_goes_offline() {
        let (hub, ann, node) = (hub(), AccountId::new(), NodeId::now_v7());
        hub.replace_remote_presence(node, 0, people(&[ann]));
        hub.drop_node(node);
        assert!(hub.is_online(ann));
        hub.replace_remote_presence(node, 0, people(&[ann]));
        assert!(!hub.broadcast_departed(), "no departure is left");
        assert!(hub.is_online(ann));
    }
}
