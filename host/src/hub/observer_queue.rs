//! What those are told who watch everything: nobody who talks waits for them, except in sessions, where whoever speaks
//! wants an answer.

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Hub;
use crate::protocol::{Actor, ConnectionId, Entry, Room, RoomKind};

/// Something that happened, for those who watch everything.
#[derive(Clone, Debug)]
pub enum Observed {
    Entry {
        entry: Entry,
        by: Actor,
        /// How many plugins' reactions led to it.
        depth: u8,
    },
    /// A connection has said who it is.
    Opened {
        by: Actor,
        connection: ConnectionId,
    },
    Closed {
        by: Actor,
        connection: ConnectionId,
    },
}

#[derive(Default)]
pub(super) struct ObserverQueues {
    all: Mutex<Option<mpsc::Sender<Observed>>>,
    sessions: Mutex<Option<mpsc::Sender<Observed>>>,
}

/// A place in the queue of those who watch sessions, for an entry that is still to be made.
pub struct ObserverPermit(mpsc::OwnedPermit<Observed>);

impl Hub {
    /// From now on, everything that observers may want to know, in its order. What does not fit the queue is dropped
    /// and logged.
    pub fn observe_all(&self, queue: usize) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(queue);
        *self.observers.all.lock() = Some(sender);
        receiver
    }

    /// From now on, what happens in sessions goes another way: whoever speaks there has reserved a place in this queue
    /// before, and waits while there is none.
    pub fn observe_sessions(&self, queue: usize) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(queue);
        *self.observers.sessions.lock() = Some(sender);
        receiver
    }

    /// Waits until those who watch sessions can take one more message of this room. None where nobody would be kept waiting.
    pub async fn reserve(&self, kind: RoomKind) -> Option<ObserverPermit> {
        if kind != RoomKind::Echo {
            return None;
        }
        let queue = self.observers.sessions.lock().clone()?;
        queue.reserve_owned().await.ok().map(ObserverPermit)
    }

    pub(super) fn observe(&self, what: impl FnOnce() -> Observed) {
        offer(self.observers.all.lock().as_ref(), what);
    }

    pub(super) fn observe_entry(&self, room: &Room, permit: Option<ObserverPermit>, what: impl FnOnce() -> Observed) {
        if let Some(ObserverPermit(permit)) = permit {
            permit.send(what());
            return;
        }
        let sessions = self.observers.sessions.lock();
        match &*sessions {
            // All of a room goes the same way, so that it is told in its order.
            Some(queue) if room.kind == RoomKind::Echo => offer(Some(queue), what),
            _ => self.observe(what),
        }
    }
}

fn offer(queue: Option<&mpsc::Sender<Observed>>, what: impl FnOnce() -> Observed) {
    if let Some(queue) = queue
        && let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(what())
    {
        tracing::warn!("observers cannot keep up: they miss an event");
    }
}
