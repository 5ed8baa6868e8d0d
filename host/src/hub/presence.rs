//! Who is online, and who wants to know.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::announcer::Announcer;
use super::elsewhere::Elsewhere;
use super::link::Outgoing;
use super::{Connection, Hub, enqueue_event};
use crate::protocol::{AccountId, ConnectionId, Event};

/// How long somebody may take from one node to another.
pub(crate) const LEAVING: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Presence {
    pub(super) here: Mutex<Here>,
    watchers: Mutex<Watchers>,
    pub(super) announcer: Announcer,
}

/// An account is online for as long as it has a connection, however many those are, and on whatever node.
#[derive(Default)]
pub(super) struct Here {
    pub(super) accounts: HashMap<AccountId, Vec<Arc<Connection>>>,
    /// How often an account's first connection came or its last one went.
    pub(super) changes: u64,
    /// Under the same lock, so that coming and going are told in one order.
    pub(super) elsewhere: Elsewhere,
    /// In a cluster: who is gone from all nodes since then, and was not told of yet. Whoever goes from one node to another is
    /// never offline, in whatever order the two say so.
    pub(super) leaving: HashMap<AccountId, (Instant, Option<Arc<str>>)>,
}

#[derive(Default)]
struct Watchers {
    of: HashMap<AccountId, HashSet<ConnectionId>>,
    watched: HashMap<ConnectionId, Vec<AccountId>>,
}

impl Watchers {
    fn remove(&mut self, connection: ConnectionId) {
        for account in self.watched.remove(&connection).unwrap_or_default() {
            if let Slot::Occupied(mut slot) = self.of.entry(account) {
                slot.get_mut().remove(&connection);
                if slot.get().is_empty() {
                    slot.remove();
                }
            }
        }
    }
}

impl Hub {
    /// Tells the connection from now on when one of these accounts comes or goes, and no other; gives who is online now.
    pub fn watch_presence(&self, connection: ConnectionId, accounts: &[AccountId]) -> Vec<bool> {
        let mut watchers = self.presence.watchers.lock();
        watchers.remove(connection);
        for account in accounts {
            watchers.of.entry(*account).or_default().insert(connection);
        }
        watchers.watched.insert(connection, accounts.to_vec());
        drop(watchers);
        // Looked at last: whoever comes or goes from here on is told of.
        accounts.iter().map(|account| self.is_online(*account)).collect()
    }

    /// Whether an account has a live connection.
    pub fn is_online(&self, account: AccountId) -> bool {
        let here = self.presence.here.lock();
        here.accounts.contains_key(&account) || here.elsewhere.has(account) || here.leaving.contains_key(&account)
    }

    /// How many live connections an account has; those on their way out are none.
    pub fn connections(&self, account: AccountId) -> usize {
        let here = self.presence.here.lock();
        let live =
            |connections: &Vec<Arc<Connection>>| connections.iter().filter(|one| !one.outbox.is_closed()).count();
        here.accounts.get(&account).map_or(0, live)
    }

    pub(super) fn connections_of(&self, account: AccountId) -> Vec<Arc<Connection>> {
        self.presence.here.lock().accounts.get(&account).cloned().unwrap_or_default()
    }

    pub(super) fn arrive(&self, connection: &Arc<Connection>) {
        let Some(account) = connection.account() else { return };
        let mut here = self.presence.here.lock();
        let connections = here.accounts.entry(account.id).or_default();
        connections.push(connection.clone());
        // PendingBroadcast under the lock, so that coming and going are told in their order.
        if connections.len() == 1 {
            self.move_here(&mut here, account.id, connection, true);
        }
    }

    pub(super) fn depart(&self, connection: &Connection) {
        self.presence.watchers.lock().remove(connection.id);
        let Some(account) = connection.account() else { return };
        if connection.dialect.announces() {
            self.presence.announcer.dismiss(connection.id);
        }
        let mut here = self.presence.here.lock();
        let Slot::Occupied(mut slot) = here.accounts.entry(account.id) else { return };
        slot.get_mut().retain(|other| other.id != connection.id);
        if slot.get().is_empty() {
            slot.remove();
            self.move_here(&mut here, account.id, connection, false);
        }
    }

    /// An account's first connection to this node came, or its last one went.
    fn move_here(&self, here: &mut Here, account: AccountId, by: &Connection, online: bool) {
        here.changes += 1;
        let (nth, external) = (here.changes, by.external.clone());
        self.publish_to_nodes(|| Outgoing::Presence { nth, account, external, online });
        if !here.elsewhere.has(account) {
            self.move_account(here, account, by.external.as_ref(), online);
        }
    }

    /// An account's first connection to any node came, or its last one went.
    pub(super) fn move_account(&self, here: &mut Here, account: AccountId, external: Option<&Arc<str>>, online: bool) {
        let Some(link) = self.link.get() else { return self.tell_presence(account, external, online) };
        if !online {
            here.leaving.insert(account, (Instant::now(), external.cloned()));
            link.note_leaving();
        } else if here.leaving.remove(&account).is_none() {
            self.tell_presence(account, external, online);
        }
    }

    /// Tells of those who have been gone long enough; false once nobody is left to be told of.
    pub fn tell_left(&self) -> bool {
        let mut here = self.presence.here.lock();
        let left: Vec<_> = here.leaving.extract_if(|_, (since, _)| since.elapsed() >= LEAVING).collect();
        for (account, (_, external)) in left {
            self.tell_presence(account, external.as_ref(), false);
        }
        !here.leaving.is_empty()
    }

    fn tell_presence(&self, account: AccountId, external: Option<&Arc<str>>, online: bool) {
        self.presence.announcer.note(account, external, online);
        let watchers = self.presence.watchers.lock();
        let Some(watching) = watchers.of.get(&account) else { return };
        let connections = self.connections.lock();
        let watching: Vec<_> = watching.iter().filter_map(|id| connections.get(id).cloned()).collect();
        enqueue_event(&watching, &Event::Presence { account, external: external.cloned(), online });
    }
}
