//! Bounded queues of events for observers, such as plugins. Posting does not wait for observers, except in echo rooms, where
//! the sender wants an answer.

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Hub;
use crate::protocol::{Actor, ConnectionId, Entry, Room, RoomKind};

/// An event for observers.
#[derive(Clone, Debug)]
pub enum Observed {
    Entry {
        entry: Entry,
        by: Actor,
        /// How many plugins' reactions led to it.
        depth: u8,
    },
    /// A connection has identified itself.
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
    echo_rooms: Mutex<Option<mpsc::Sender<Observed>>>,
}

/// A reserved place in the queue of echo rooms, for an entry that is still to be stored.
pub struct ObserverPermit(mpsc::OwnedPermit<Observed>);

impl Hub {
    /// Receives all events from now on, in order. Events that do not fit the queue are dropped, and a warning is logged.
    pub fn observe_all(&self, queue: usize) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(queue);
        *self.observers.all.lock() = Some(sender);
        receiver
    }

    /// Receives the entries of echo rooms from now on, instead of the other queue. A sender reserves a place before it posts, and
    /// waits while the queue is full.
    pub fn observe_echo_rooms(&self, queue: usize) -> mpsc::Receiver<Observed> {
        let (sender, receiver) = mpsc::channel(queue);
        *self.observers.echo_rooms.lock() = Some(sender);
        receiver
    }

    /// Waits for a place in the queue of echo rooms. None for other kinds of rooms, or without such a queue.
    pub async fn reserve(&self, kind: RoomKind) -> Option<ObserverPermit> {
        if kind != RoomKind::Echo {
            return None;
        }
        let queue = self.observers.echo_rooms.lock().clone()?;
        queue.reserve_owned().await.ok().map(ObserverPermit)
    }

    pub(super) fn observe(&self, what: impl FnOnce() -> Observed) {
        enqueue(self.observers.all.lock().as_ref(), what);
    }

    pub(super) fn observe_entry(&self, room: &Room, permit: Option<ObserverPermit>, what: impl FnOnce() -> Observed) {
        if let Some(ObserverPermit(permit)) = permit {
            permit.send(what());
            return;
        }
        let echo_rooms = self.observers.echo_rooms.lock();
        match &*echo_rooms {
            // All entries of a room go through the same queue, so that they stay in order.
            Some(queue) if room.kind == RoomKind::Echo => enqueue(Some(queue), what),
            _ => self.observe(what),
        }
    }
}

fn enqueue(queue: Option<&mpsc::Sender<Observed>>, what: impl FnOnce() -> Observed) {
    if let Some(queue) = queue
        && let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(what())
    {
        tracing::warn!("observer queue full, dropping event");
    }
}
