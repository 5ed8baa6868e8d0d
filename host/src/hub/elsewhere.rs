//! Who is connected to the other nodes of a cluster, as each of them says: a copy of each node's list, kept by its changes.
//! They are numbered, so that whoever missed one knows it, and asks for the whole list.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Hub;
use super::presence::Here;
use crate::protocol::AccountId;

/// A node of the cluster, since its start.
pub type NodeId = Uuid;

/// Accounts with what the issuer of their tokens calls them, if that is not this server.
pub type People = HashMap<AccountId, Option<Arc<str>>>;

#[derive(Default)]
pub(super) struct Elsewhere {
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
struct Moved {
    account: AccountId,
    external: Option<Arc<str>>,
    online: bool,
}

impl Elsewhere {
    pub(super) fn has(&self, account: AccountId) -> bool {
        self.counts.contains_key(&account)
    }

    fn come(&mut self, node: NodeId, account: AccountId, external: Option<Arc<str>>) -> Option<Moved> {
        if self.nodes.entry(node).or_default().people.insert(account, external.clone()).is_some() {
            return None;
        }
        let count = self.counts.entry(account).or_default();
        *count += 1;
        (*count == 1).then_some(Moved { account, external, online: true })
    }

    fn go(&mut self, node: NodeId, account: AccountId) -> Option<Moved> {
        let external = self.nodes.get_mut(&node)?.people.remove(&account)?;
        let count = self.counts.get_mut(&account)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&account);
        Some(Moved { account, external, online: false })
    }

    /// What changed by this whole list.
    fn replace(&mut self, node: NodeId, nth: u64, people: People) -> Vec<Moved> {
        let known = &self.nodes.entry(node).or_default().people;
        let gone: Vec<AccountId> = known.keys().filter(|account| !people.contains_key(account)).copied().collect();
        let mut moved: Vec<Moved> = gone.into_iter().filter_map(|account| self.go(node, account)).collect();
        moved.extend(people.into_iter().filter_map(|(account, external)| self.come(node, account, external)));
        self.nodes.entry(node).or_default().nth = nth;
        moved
    }
}

impl Hub {
    /// All who are connected here, and how many changes there were until now.
    pub fn people(&self) -> (u64, People) {
        let here = self.presence.here.lock();
        let people = here.accounts.iter().map(|(account, connections)| {
            (*account, connections.first().and_then(|connection| connection.external.clone()))
        });
        (here.changes, people.collect())
    }

    /// Another node's list changed for the `nth` time. False if one of the changes before is missing: the whole list is needed.
    pub fn person_elsewhere(
        &self,
        node: NodeId,
        nth: u64,
        account: AccountId,
        external: Option<Arc<str>>,
        online: bool,
    ) -> bool {
        let mut here = self.presence.here.lock();
        let Some(known) = here.elsewhere.nodes.get_mut(&node) else { return false };
        if nth <= known.nth {
            return true;
        }
        if nth != known.nth + 1 {
            return false;
        }
        known.nth = nth;
        let elsewhere = &mut here.elsewhere;
        let moved = if online { elsewhere.come(node, account, external) } else { elsewhere.go(node, account) };
        self.move_accounts(&mut here, moved.into_iter().collect());
        true
    }

    /// Whether another node's list is known here as it is after so many changes.
    pub fn knows_people_of(&self, node: NodeId, nth: u64) -> bool {
        self.presence.here.lock().elsewhere.nodes.get(&node).is_some_and(|known| known.nth >= nth)
    }

    /// All who are connected to another node, after so many changes.
    pub fn people_elsewhere(&self, node: NodeId, nth: u64, people: People) {
        let mut here = self.presence.here.lock();
        if here.elsewhere.nodes.get(&node).is_some_and(|known| known.nth > nth) {
            return;
        }
        let moved = here.elsewhere.replace(node, nth, people);
        self.move_accounts(&mut here, moved);
    }

    fn move_accounts(&self, here: &mut Here, moved: Vec<Moved>) {
        for Moved { account, external, online } in moved {
            if !here.accounts.contains_key(&account) {
                self.move_account(here, account, external.as_ref(), online);
            }
        }
    }

    /// The other nodes whose lists are known here.
    pub fn known_nodes(&self) -> Vec<NodeId> {
        self.presence.here.lock().elsewhere.nodes.keys().copied().collect()
    }

    /// A node is gone: whoever was connected to it alone is offline.
    pub fn drop_node(&self, node: NodeId) {
        let mut here = self.presence.here.lock();
        let moved = here.elsewhere.replace(node, u64::MAX, People::new());
        here.elsewhere.nodes.remove(&node);
        self.move_accounts(&mut here, moved);
        drop(here);
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
        hub.people_elsewhere(one, 0, people(&[ann]));
        hub.people_elsewhere(other, 0, People::new());
        assert!(hub.person_elsewhere(other, 1, ann, None, true));
        assert!(hub.person_elsewhere(one, 1, ann, None, false));
        assert!(hub.presence.here.lock().elsewhere.has(ann));
        hub.drop_node(other);
        assert!(!hub.presence.here.lock().elsewhere.has(ann));
    }

    #[test]
    fn a_change_that_was_missed_is_noticed_and_the_whole_list_mends_it() {
        let (hub, ann, bob) = (hub(), AccountId::new(), AccountId::new());
        let node = NodeId::now_v7();
        assert!(!hub.person_elsewhere(node, 1, ann, None, true), "nothing is known of this node");
        hub.people_elsewhere(node, 1, people(&[ann]));
        assert!(hub.person_elsewhere(node, 1, bob, None, true), "heard before, and part of the list");
        assert!(!hub.person_elsewhere(node, 3, ann, None, false), "the second change is missing");
        assert!(!hub.knows_people_of(node, 3));
        hub.people_elsewhere(node, 3, people(&[bob]));
        assert!(hub.knows_people_of(node, 3));
        // An older list, which took longer.
        hub.people_elsewhere(node, 2, people(&[ann]));
        let here = hub.presence.here.lock();
        assert!(here.elsewhere.has(bob) && !here.elsewhere.has(ann));
    }

    #[test]
    fn whoever_goes_from_one_node_to_another_was_never_offline() {
        let (hub, ann, node) = (hub(), AccountId::new(), NodeId::now_v7());
        hub.people_elsewhere(node, 0, people(&[ann]));
        hub.drop_node(node);
        assert!(hub.is_online(ann));
        hub.people_elsewhere(node, 0, people(&[ann]));
        assert!(!hub.tell_left(), "nobody is left to be told of");
        assert!(hub.is_online(ann));
    }
}
