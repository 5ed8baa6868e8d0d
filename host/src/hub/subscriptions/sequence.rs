//! Puts the entries of one room, which come from several nodes of a cluster, in the order of their numbers.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::hub::PendingBroadcast;
use crate::hub::link::Missing;
use crate::protocol::Room;

/// How many entries of one room wait for earlier ones. Entries that do not fit are read from the log later.
const MAX_WAITING_ENTRIES: usize = 1024;

#[derive(Default)]
pub(crate) struct Sequence {
    /// Number of the next entry to broadcast; none until the start is known.
    next: Option<u64>,
    /// The log has entries at least up to this number.
    last_known: u64,
    /// The log was read up to this number: entries that have not come are not in it any more.
    complete: u64,
    /// Entries that came too early, each with the room as it was then.
    waiting: BTreeMap<u64, (Arc<Room>, PendingBroadcast)>,
    /// Notified once the entry with this number was broadcast.
    waiters: Vec<(u64, oneshot::Sender<()>)>,
}

/// Entries that can be broadcast now.
pub(crate) enum Ready {
    /// Exactly the given entries.
    All,
    /// These instead.
    These(Vec<(Arc<Room>, PendingBroadcast)>),
}

impl Sequence {
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Sets the number of the first entry to broadcast, unless it is set.
    pub(crate) fn begin(&mut self, next: u64) {
        if self.next.is_none() {
            self.next = Some(next);
            self.waiting = self.waiting.split_off(&next);
        }
    }

    /// Notes that the log has entries up to `last`.
    pub(crate) fn note_last(&mut self, last: u64) {
        self.last_known = self.last_known.max(last);
    }

    /// Notes that the log was read up to this number: entries that have not come are not in it any more.
    pub(crate) fn note_complete(&mut self, up_to: u64) {
        self.complete = self.complete.max(up_to);
    }

    /// The first range of entries that are missing.
    pub(crate) fn missing(&self) -> Option<Missing> {
        let from = self.next?;
        let before = self.waiting.first_key_value().map(|(first, _)| first - 1);
        let up_to = before.unwrap_or(self.last_known);
        (from <= up_to).then_some(Missing { from, up_to })
    }

    /// Notes that entries up to `seq` were broadcast.
    pub(crate) fn broadcast_up_to(&mut self, seq: u64) {
        if let Some(next) = &mut self.next {
            *next = (*next).max(seq + 1);
        }
        for (_, waiter) in self.waiters.extract_if(.., |(wanted, _)| *wanted <= seq) {
            // The receiver may be gone.
            let _ = waiter.send(());
        }
    }

    /// Resolves once this entry was broadcast; none if it already was, or if no earlier entry is missing.
    pub(crate) fn broadcast_done(&mut self, seq: u64) -> Option<oneshot::Receiver<()>> {
        let waits = match self.next {
            Some(next) => next <= seq,
            None => self.waiting.contains_key(&seq),
        };
        waits.then(|| {
            let (done, receiver) = oneshot::channel();
            self.waiters.retain(|(_, waiter)| !waiter.is_closed());
            self.waiters.push((seq, done));
            receiver
        })
    }

    /// Takes the entries, of these and of those that wait, that can be broadcast now; the rest waits. Entries that were broadcast
    /// before are left out.
    pub(crate) fn take(&mut self, room: &Arc<Room>, pending: &[PendingBroadcast]) -> Ready {
        let in_turn = |from: u64| pending.iter().zip(from..).all(|(pending, expected)| pending.entry.seq == expected);
        if self.waiting.is_empty() && self.next.is_some_and(|next| next > self.complete && in_turn(next)) {
            return Ready::All;
        }
        for pending in pending {
            let seq = pending.entry.seq;
            self.last_known = self.last_known.max(seq);
            if self.next.is_none_or(|next| seq >= next) {
                self.waiting.entry(seq).or_insert_with(|| (room.clone(), pending.for_subscribers()));
            }
        }
        let mut ready = Vec::new();
        if let Some(mut next) = self.next {
            loop {
                if let Some(one) = self.waiting.remove(&next) {
                    ready.push(one);
                } else if next > self.complete {
                    break;
                }
                next += 1;
            }
            self.next = Some(next);
        }
        while self.waiting.len() > MAX_WAITING_ENTRIES {
            self.waiting.pop_last();
        }
        Ready::These(ready)
    }
}
