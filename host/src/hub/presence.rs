//! Who is online, and who wants to know.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::announcer::Announcer;
use super::{Connection, Hub, offer};
use crate::protocol::{AccountId, ConnectionId, Event};

#[derive(Default)]
pub(super) struct Presence {
    /// An account is online for as long as it has a connection, however many those are.
    accounts: Mutex<HashMap<AccountId, Vec<Arc<Connection>>>>,
    watchers: Mutex<Watchers>,
    pub(super) announcer: Announcer,
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
        self.presence.accounts.lock().contains_key(&account)
    }

    /// How many live connections an account has; those on their way out are none.
    pub fn connections(&self, account: AccountId) -> usize {
        let accounts = self.presence.accounts.lock();
        let live =
            |connections: &Vec<Arc<Connection>>| connections.iter().filter(|one| !one.outbox.is_closed()).count();
        accounts.get(&account).map_or(0, live)
    }

    pub(super) fn connections_of(&self, account: AccountId) -> Vec<Arc<Connection>> {
        self.presence.accounts.lock().get(&account).cloned().unwrap_or_default()
    }

    pub(super) fn arrive(&self, connection: &Arc<Connection>) {
        let Some(account) = connection.account() else { return };
        let mut accounts = self.presence.accounts.lock();
        let connections = accounts.entry(account.id).or_default();
        connections.push(connection.clone());
        // Told under the lock, so that coming and going are told in their order.
        if connections.len() == 1 {
            self.tell_presence(account.id, connection, true);
        }
    }

    pub(super) fn depart(&self, connection: &Connection) {
        self.presence.watchers.lock().remove(connection.id);
        let Some(account) = connection.account() else { return };
        if connection.dialect.announces() {
            self.presence.announcer.dismiss(connection.id);
        }
        let mut accounts = self.presence.accounts.lock();
        let Slot::Occupied(mut slot) = accounts.entry(account.id) else { return };
        slot.get_mut().retain(|other| other.id != connection.id);
        if slot.get().is_empty() {
            slot.remove();
            self.tell_presence(account.id, connection, false);
        }
    }

    fn tell_presence(&self, account: AccountId, by: &Connection, online: bool) {
        self.presence.announcer.note(account, by.external.as_ref(), online);
        let watchers = self.presence.watchers.lock();
        let Some(watching) = watchers.of.get(&account) else { return };
        let connections = self.connections.lock();
        let watching: Vec<_> = watching.iter().filter_map(|id| connections.get(id).cloned()).collect();
        offer(&watching, &Event::Presence { account, external: by.external.clone(), online });
    }
}
