//! Telling a whole audience who comes and who goes, however many do at a time.

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

/// How long a change waits before it is told: whoever is back by then was never gone.
const WINDOW: Duration = Duration::from_millis(200);
/// How often changes are told, while there are any …
const BATCH_INTERVAL: Duration = Duration::from_millis(50);
/// … and how many at a time: more would put out clients that read well enough. The others wait, and may cancel out.
const BATCH: usize = 64;

#[derive(Default)]
pub(super) struct PresenceBroadcaster {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    audience: HashMap<ConnectionId, Arc<Connection>>,
    /// Accounts that are no longer as the audience was told last. Each is there once, and goes when it is so again: no
    /// storm makes this longer than there are accounts in it.
    pending: HashMap<AccountId, PendingChange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingChange {
    external: Option<Arc<str>>,
    online: bool,
    since: Instant,
}

impl State {
    /// True if there is something to tell now, where there was nothing before.
    fn note(&mut self, account: AccountId, external: Option<&Arc<str>>, online: bool, at: Instant) -> bool {
        if self.audience.is_empty() {
            return false;
        }
        let first = self.pending.is_empty();
        match self.pending.entry(account) {
            // Back to what was told.
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

    /// What has waited long enough, in the order in which it happened; none if there is nothing left to wait for.
    fn due(&mut self, at: Instant) -> Option<Vec<(AccountId, PendingChange)>> {
        if self.pending.is_empty() {
            return None;
        }
        let ripe = self.pending.iter().filter(|(_, pending)| at.duration_since(pending.since) >= WINDOW);
        let mut ripe: Vec<(Instant, AccountId)> = ripe.map(|(account, pending)| (pending.since, *account)).collect();
        ripe.sort_unstable();
        ripe.truncate(BATCH);
        Some(ripe.into_iter().filter_map(|(_, account)| self.pending.remove_entry(&account)).collect())
    }
}

impl PresenceBroadcaster {
    pub(super) fn remove(&self, connection: ConnectionId) {
        self.state.lock().remove(connection);
    }

    /// An account came or went. This costs nothing while nobody listens.
    pub(super) fn note(&self, account: AccountId, external: Option<&Arc<str>>, online: bool) {
        if self.state.lock().note(account, external, online, Instant::now()) {
            self.changed.notify_one();
        }
    }
}

impl Hub {
    /// Tells the connection from now on who comes and who goes, until it ends.
    pub fn follow_all_presence(&self, connection: &Arc<Connection>) {
        self.presence.broadcaster.state.lock().audience.insert(connection.id, connection.clone());
    }

    /// Tells of those who came and went, until the server stops.
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

    /// False once there is nothing left to tell.
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
                // Its own connections were told when they came in.
                let own = connection.account().is_some_and(|own| own.id == account);
                if !own && let Some(text) = encoded.for_dialect(connection.dialect) {
                    connection.outbox.enqueue(text);
                }
            }
            // A large audience must not keep everybody else waiting.
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

    fn heard() -> State {
        let mut state = State::default();
        let (id, outbox) = (ConnectionId::new(), Arc::new(Outbox::new(&Limits::default())));
        let actor = Actor::Guest(Guest { id, name: "anybody".into() });
        state.audience.insert(id, Arc::new(Connection::new(Dialect::Direct, outbox, actor, id, None)));
        state
    }

    /// Who is told of, and as what.
    fn told(state: &mut State, at: Instant) -> Vec<(AccountId, bool)> {
        let due = state.due(at).unwrap_or_default();
        due.into_iter().map(|(account, pending)| (account, pending.online)).collect()
    }

    #[test]
    fn a_change_is_told_once_it_has_lasted() {
        let (mut state, ann, start) = (heard(), AccountId::new(), Instant::now());
        assert!(state.note(ann, None, true, start), "somebody has to be woken");
        assert_eq!(told(&mut state, start), []);
        assert_eq!(told(&mut state, start + WINDOW), [(ann, true)]);
        assert_eq!(state.due(start + WINDOW), None, "and only once");
    }

    #[test]
    fn of_a_storm_of_comings_and_goings_the_last_state_is_told_and_nothing_if_it_is_the_first_one() {
        let (mut state, start) = (heard(), Instant::now());
        let (ann, bob) = (AccountId::new(), AccountId::new());
        for _ in 0..1000 {
            for (account, online) in [(ann, true), (ann, false), (bob, true), (bob, false)] {
                state.note(account, None, online, start);
            }
        }
        assert_eq!(state.pending, HashMap::new());
        state.note(bob, None, true, start);
        assert_eq!(told(&mut state, start + WINDOW), [(bob, true)]);
    }

    #[test]
    fn many_are_told_of_a_few_at_a_time_the_earliest_first() {
        let (mut state, start) = (heard(), Instant::now());
        let accounts: Vec<AccountId> = (0..BATCH + 1).map(|_| AccountId::new()).collect();
        for (account, n) in accounts.iter().zip(0..) {
            state.note(*account, None, true, start + Duration::from_micros(n));
        }
        let told_of = |told: Vec<(AccountId, bool)>| told.into_iter().map(|(account, _)| account).collect::<Vec<_>>();
        let late = start + 2 * WINDOW;
        assert_eq!(told_of(told(&mut state, late)), accounts[..BATCH]);
        assert_eq!(told_of(told(&mut state, late)), accounts[BATCH..]);
    }

    #[test]
    fn where_nobody_listens_nothing_is_kept() {
        let mut state = State::default();
        assert!(!state.note(AccountId::new(), None, true, Instant::now()));
        assert_eq!(state.pending, HashMap::new());
        let mut state = heard();
        state.note(AccountId::new(), None, true, Instant::now());
        let only = *state.audience.keys().next().unwrap();
        state.remove(only);
        assert_eq!(state.pending, HashMap::new());
    }
}
