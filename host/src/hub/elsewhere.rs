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
    }
}
