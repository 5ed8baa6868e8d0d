//! Presence: which accounts are online, and notifying connections that watch them.

mod broadcaster;
mod remote;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::broadcaster::PresenceBroadcaster;
use self::remote::RemotePresence;
pub use self::remote::{NodeId, People};
use super::link::Outgoing;
use super::{Connection, Hub, enqueue_event};
use crate::protocol::{AccountId, ConnectionId, Event};

/// How long an account may take to reconnect to another node without going offline.
pub(crate) const NODE_CHANGE_GRACE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Presence {
    pub(super) local: Mutex<LocalPresence>,
    watchers: Mutex<Watchers>,
    broadcaster: PresenceBroadcaster,
}

/// Accounts connected to this node. An account is online while it has at least one connection to any node.
#[derive(Default)]
pub(super) struct LocalPresence {
    pub(super) accounts: HashMap<AccountId, Vec<Arc<Connection>>>,
    /// How often an account's first connection opened or its last one closed.
    pub(super) changes: u64,
    /// Under the same lock, so that changes are broadcast in one order.
    remote: RemotePresence,
    /// In a cluster: accounts that left all nodes at this time, not broadcast yet. An account that moves from one node to another
    /// never goes offline, in whatever order the two nodes report it.
    pub(super) leaving: HashMap<AccountId, (Instant, Option<Arc<str>>)>,
}

#[derive(Default)]
struct Watchers {
    by_account: HashMap<AccountId, HashSet<ConnectionId>>,
    watched: HashMap<ConnectionId, Vec<AccountId>>,
}

impl Watchers {
    fn remove(&mut self, connection: ConnectionId) {
        for account in self.watched.remove(&connection).unwrap_or_default() {
            if let Slot::Occupied(mut slot) = self.by_account.entry(account) {
                slot.get_mut().remove(&connection);
                if slot.get().is_empty() {
                    slot.remove();
                }
            }
        }
    }
}

impl Hub {
    /// Notifies a connection of presence changes of these accounts, instead of those watched before; gives which are online now.
    pub fn watch_presence(&self, connection: ConnectionId, accounts: &[AccountId]) -> Vec<bool> {
        let mut watchers = self.presence.watchers.lock();
        watchers.remove(connection);
        for account in accounts {
            watchers.by_account.entry(*account).or_default().insert(connection);
        }
        watchers.watched.insert(connection, accounts.to_vec());
        drop(watchers);
        // Read last: later changes are sent to the connection.
        accounts.iter().map(|account| self.is_online(*account)).collect()
    }

    /// Whether an account has a live connection.
    pub fn is_online(&self, account: AccountId) -> bool {
        let local = self.presence.local.lock();
        local.accounts.contains_key(&account) || local.remote.has(account) || local.leaving.contains_key(&account)
    }

    /// How many live connections an account has on this node, without those that are closing.
    pub fn connections(&self, account: AccountId) -> usize {
        let local = self.presence.local.lock();
        let live =
            |connections: &Vec<Arc<Connection>>| connections.iter().filter(|one| !one.outbox.is_closed()).count();
        local.accounts.get(&account).map_or(0, live)
    }

    pub(super) fn connections_of(&self, account: AccountId) -> Vec<Arc<Connection>> {
        self.presence.local.lock().accounts.get(&account).cloned().unwrap_or_default()
    }

    pub(super) fn arrive(&self, connection: &Arc<Connection>) {
        let Some(account) = connection.account() else { return };
        let mut local = self.presence.local.lock();
        let connections = local.accounts.entry(account.id).or_default();
        connections.push(connection.clone());
        // Broadcast under the lock, so that changes go out in their order.
        if connections.len() == 1 {
            self.change_local_presence(&mut local, account.id, connection, true);
        }
    }

    pub(super) fn depart(&self, connection: &Connection) {
        self.presence.watchers.lock().remove(connection.id);
        let Some(account) = connection.account() else { return };
        if connection.dialect.broadcasts_presence() {
            self.presence.broadcaster.remove(connection.id);
        }
        let mut local = self.presence.local.lock();
        let Slot::Occupied(mut slot) = local.accounts.entry(account.id) else { return };
        slot.get_mut().retain(|other| other.id != connection.id);
        if slot.get().is_empty() {
            slot.remove();
            self.change_local_presence(&mut local, account.id, connection, false);
        }
    }

    /// An account's first connection to this node opened, or its last one closed.
    fn change_local_presence(&self, local: &mut LocalPresence, account: AccountId, by: &Connection, online: bool) {
        local.changes += 1;
        let (nth, external) = (local.changes, by.external.clone());
        self.publish_to_nodes(|| Outgoing::Presence { nth, account, external, online });
        if !local.remote.has(account) {
            self.change_presence(local, account, by.external.as_ref(), online);
        }
    }

    /// An account's first connection to any node opened, or its last one closed.
    pub(super) fn change_presence(
        &self,
        local: &mut LocalPresence,
        account: AccountId,
        external: Option<&Arc<str>>,
        online: bool,
    ) {
        let Some(link) = self.link.get() else { return self.broadcast_presence(account, external, online) };
        if !online {
            local.leaving.insert(account, (Instant::now(), external.cloned()));
            link.note_leaving();
        } else if local.leaving.remove(&account).is_none() {
            self.broadcast_presence(account, external, online);
        }
    }

    /// Broadcasts departures older than half a second; false once none is left.
    pub fn broadcast_departed(&self) -> bool {
        let mut local = self.presence.local.lock();
        let left: Vec<_> = local.leaving.extract_if(|_, (since, _)| since.elapsed() >= NODE_CHANGE_GRACE).collect();
        for (account, (_, external)) in left {
            self.broadcast_presence(account, external.as_ref(), false);
        }
        !local.leaving.is_empty()
    }

    fn broadcast_presence(&self, account: AccountId, external: Option<&Arc<str>>, online: bool) {
        self.presence.broadcaster.note(account, external, online);
        let watchers = self.presence.watchers.lock();
        let Some(watching) = watchers.by_account.get(&account) else { return };
        let connections = self.connections.lock();
        let watching: Vec<_> = watching.iter().filter_map(|id| connections.get(id).cloned()).collect();
        enqueue_event(&watching, &Event::Presence { account, external: external.cloned(), online });
    }
}
