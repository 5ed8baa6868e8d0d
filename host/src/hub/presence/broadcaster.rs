//! Broadcasts presence changes of all accounts to an audience, in bounded batches.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::dialect::Encoded;
use crate::hub::{Connection, Hub};
use crate::protocol::{AccountId, ConnectionId, Event};

/// How long a change waits before it is broadcast: an account that is back by then was never gone.
const MIN_CHANGE_AGE: Duration = Duration::from_millis(200);
/// The interval between two batches, while there are changes.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);
/// How many changes one batch has: more would overflow the outboxes of clients that read fast enough. The others wait, and may
/// cancel out.
const MAX_CHANGES_PER_BATCH: usize = 64;

#[derive(Default)]
pub(super) struct PresenceBroadcaster {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    audience: HashMap<ConnectionId, Arc<Connection>>,
    /// Accounts whose state differs from the one broadcast last. Each is there once, and is removed when it changes back, so this
    /// is bounded by the number of accounts.
    pending: HashMap<AccountId, PendingChange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingChange {
    external: Option<Arc<str>>,
    online: bool,
    since: Instant,
}

impl State {
    /// Notes a change; true if it is the first one pending.
    fn note(&mut self, account: AccountId, external: Option<&Arc<str>>, online: bool, at: Instant) -> bool {
        if self.audience.is_empty() {
            return false;
        }
        let first = self.pending.is_empty();
        match self.pending.entry(account) {
            // Back to the state that was broadcast.
            Slot::Occupied(pending) if pending.get().online != online => {
                pending.remove();
                false
            }
            Slot::Occupied(_) => false,
            Slot::Vacant(free) => {
                free.insert(PendingChange { external: external.cloned(), online, since: at });
                first
            }
        }
    }

    fn remove(&mut self, connection: ConnectionId) {
        self.audience.remove(&connection);
        if self.audience.is_empty() {
            self.pending.clear();
        }
    }

    /// Takes one batch of changes that are old enough, oldest first; none if no change is pending.
    fn due(&mut self, at: Instant) -> Option<Vec<(AccountId, PendingChange)>> {
        if self.pending.is_empty() {
            return None;
        }
        let ripe = self.pending.iter().filter(|(_, pending)| at.duration_since(pending.since) >= MIN_CHANGE_AGE);
        let mut ripe: Vec<(Instant, AccountId)> = ripe.map(|(account, pending)| (pending.since, *account)).collect();
        ripe.sort_unstable();
        ripe.truncate(MAX_CHANGES_PER_BATCH);
        Some(ripe.into_iter().filter_map(|(_, account)| self.pending.remove_entry(&account)).collect())
    }
}

impl PresenceBroadcaster {
    pub(super) fn remove(&self, connection: ConnectionId) {
        self.state.lock().remove(connection);
    }

    /// Notes that an account went online or offline. Does nothing without an audience.
    pub(super) fn note(&self, account: AccountId, external: Option<&Arc<str>>, online: bool) {
        if self.state.lock().note(account, external, online, Instant::now()) {
            self.changed.notify_one();
        }
    }
}

impl Hub {
    /// Sends the connection the presence changes of all accounts, until it closes.
    pub fn follow_all_presence(&self, connection: &Arc<Connection>) {
        self.presence.broadcaster.state.lock().audience.insert(connection.id, connection.clone());
    }

    /// Task that broadcasts presence changes until `stop`.
    pub async fn broadcast_presence_changes(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                self.presence.broadcaster.changed.notified().await;
                while self.broadcast_due_presence().await {
                    sleep(BATCH_INTERVAL).await;
                }
            }
        })
        .await;
    }

    /// Broadcasts one batch; false once no change is pending.
    async fn broadcast_due_presence(&self) -> bool {
        let (due, audience) = {
            let mut state = self.presence.broadcaster.state.lock();
            let Some(due) = state.due(Instant::now()) else { return false };
            let audience: Vec<_> = if due.is_empty() { Vec::new() } else { state.audience.values().cloned().collect() };
            (due, audience)
        };
        for (account, PendingChange { external, online, .. }) in due {
            let event = Event::Presence { account, external, online };
            let mut encoded = Encoded::new(&event, None);
            for connection in &audience {
                // The account's own connections know already.
                let own = connection.account().is_some_and(|own| own.id == account);
                if !own && let Some(text) = encoded.for_dialect(connection.dialect) {
                    connection.outbox.enqueue(text);
                }
            }
            // A large audience must not keep other tasks waiting.
            yield_now().await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::dialect::Dialect;
    use crate::hub::Outbox;
    use crate::protocol::{Actor, Guest};

    fn with_audience() -> State {
        let mut state = State::default();
        let (id, outbox) = (ConnectionId::new(), Arc::new(Outbox::new(&Limits::default())));
        let actor = Actor::Guest(Guest { id, name: "anybody".into() });
        state.audience.insert(id, Arc::new(Connection::new(Dialect::Direct, outbox, actor, id, None)));
        state
    }

    /// The accounts of the next batch, and whether each is online.
    fn broadcast(state: &mut State, at: Instant) -> Vec<(AccountId, bool)> {
        let due = state.due(at).unwrap_or_default();
        due.into_iter().map(|(account, pending)| (account, pending.online)).collect()
    }

    #[test]
    fn change_is_broadcast_once_it_is_old_enough() {
        let (mut state, ann, start) = (with_audience(), AccountId::new(), Instant::now());
        assert!(state.note(ann, None, true, start), "the task has to be woken");
        assert_eq!(broadcast(&mut state, start), []);
        assert_eq!(broadcast(&mut state, start + MIN_CHANGE_AGE), [(ann, true)]);
        assert_eq!(state.due(start + MIN_CHANGE_AGE), None, "and only once");
    }

    #[test]
    fn flapping_account_is_broadcast_only_if_its_last_state_is_new() {
        let (mut state, start) = (with_audience(), Instant::now());
        let (ann, bob) = (AccountId::new(), AccountId::new());
        for _ in 0..1000 {
            for (account, online) in [(ann, true), (ann, false), (bob, true), (bob, false)] {
                state.note(account, None, online, start);
            }
        }
        assert_eq!(state.pending, HashMap::new());
        state.note(bob, None, true, start);
        assert_eq!(broadcast(&mut state, start + MIN_CHANGE_AGE), [(bob, true)]);
    }

    #[test]
    fn many_changes_are_broadcast_in_batches_oldest_first() {
        let (mut state, start) = (with_audience(), Instant::now());
        let accounts: Vec<AccountId> = (0..MAX_CHANGES_PER_BATCH + 1).map(|_| AccountId::new()).collect();
        for (account, n) in accounts.iter().zip(0..) {
            state.note(*account, None, true, start + Duration::from_micros(n));
        }
        let accounts_of =
            |batch: Vec<(AccountId, bool)>| batch.into_iter().map(|(account, _)| account).collect::<Vec<_>>();
        let late = start + 2 * MIN_CHANGE_AGE;
        assert_eq!(accounts_of(broadcast(&mut state, late)), accounts[..MAX_CHANGES_PER_BATCH]);
        assert_eq!(accounts_of(broadcast(&mut state, late)), accounts[MAX_CHANGES_PER_BATCH..]);
    }

    #[test]
    fn without_audience_no_change_is_kept() {
        let mut state = State::default();
        assert!(!state.note(AccountId::new(), None, true, Instant::now()));
        assert_eq!(state.pending, HashMap::new());
        let mut state = with_audience();
        state.note(AccountId::new(), None, true, Instant::now());
        let only = *state.audience.keys().next().unwrap();
        state.remove(only);
        assert_eq!(state.pending, HashMap::new());
    }
}
