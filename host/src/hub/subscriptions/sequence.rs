//! In a cluster the entries of one room come from several nodes: here they wait for their turn.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::hub::PendingBroadcast;
use crate::hub::link::Missing;
use crate::protocol::Room;

/// How many entries of one room wait for those before them. Those that do not fit are read from the log later.
const MAX_WAITING_ENTRIES: usize = 1024;

#[derive(Default)]
pub(crate) struct Sequence {
    /// The number that is told next; none until it is known where those who came first begin.
    next: Option<u64>,
    /// The log goes on at least up to here.
    known: u64,
    /// There is nothing to be had up to here but what has come.
    complete: u64,
    /// With the room as it was.
    waiting: BTreeMap<u64, (Arc<Room>, PendingBroadcast)>,
    /// Who is to hear that an entry was told.
    waiters: Vec<(u64, oneshot::Sender<()>)>,
}

/// What can be told now.
pub(crate) enum Ready {
    /// Just what there was to tell.
    All,
    /// This instead.
    These(Vec<(Arc<Room>, PendingBroadcast)>),
}

impl Sequence {
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Where it begins, unless that is known.
    pub(crate) fn begin(&mut self, next: u64) {
        if self.next.is_none() {
            self.next = Some(next);
            self.waiting = self.waiting.split_off(&next);
        }
    }

    pub(crate) fn note_last(&mut self, last: u64) {
        self.known = self.known.max(last);
    }

    /// The log was read up to here: what has not come is not there any more.
    pub(crate) fn note_complete(&mut self, up_to: u64) {
        self.complete = self.complete.max(up_to);
    }

    pub(crate) fn missing(&self) -> Option<Missing> {
        let from = self.next?;
        let before = self.waiting.first_key_value().map(|(first, _)| first - 1);
        let up_to = before.unwrap_or(self.known);
        (from <= up_to).then_some(Missing { from, up_to })
    }

    /// This was told.
    pub(crate) fn broadcast_up_to(&mut self, seq: u64) {
        if let Some(next) = &mut self.next {
            *next = (*next).max(seq + 1);
        }
        for (_, waiters) in self.waiters.extract_if(.., |(wanted, _)| *wanted <= seq) {
            // Whoever asked may have gone.
            let _ = waiters.send(());
        }
    }

    /// Says when this entry was told; none if it was, or nothing before it is missing.
    pub(crate) fn broadcast_done(&mut self, seq: u64) -> Option<oneshot::Receiver<()>> {
        let waits = match self.next {
            Some(next) => next <= seq,
            None => self.waiting.contains_key(&seq),
        };
        waits.then(|| {
            let (pending, when) = oneshot::channel();
            self.waiters.retain(|(_, waiters)| !waiters.is_closed());
            self.waiters.push((seq, pending));
            when
        })
    }

    /// What can be told of this and of what waits; the rest waits. What was told before is left out.
    pub(crate) fn take(&mut self, room: &Arc<Room>, pending: &[PendingBroadcast]) -> Ready {
        let in_turn = |from: u64| pending.iter().zip(from..).all(|(pending, expected)| pending.entry.seq == expected);
        if self.waiting.is_empty() && self.next.is_some_and(|next| next > self.complete && in_turn(next)) {
            return Ready::All;
        }
        for pending in pending {
            let seq = pending.entry.seq;
            self.known = self.known.max(seq);
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
