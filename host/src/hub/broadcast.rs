//! Ordered fan-out of stored entries to subscribers: rooms are sharded over one worker per core, each room in its order.

mod coalesce;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep_until;
use tokio_util::task::TaskTracker;

use self::coalesce::CoalescingDelay;
use super::{Corked, Hub, ObserverPermit};
use crate::metrics::{DELIVERY_SECONDS, Histogram, Metrics};
use crate::protocol::{Actor, ConnectionId, Entry, Room, RoomId};

/// How many jobs may wait for a worker; after that, the writer waits.
const MAX_QUEUED_JOBS: usize = 64;
/// A room with this many entries waiting is broadcast without further delay.
const MAX_ENTRIES_PER_BROADCAST: usize = 256;
/// How long a worker broadcasts before it yields to other tasks.
const TIME_SLICE: Duration = Duration::from_micros(500);
/// How many rooms' delays are kept before expired ones are removed.
const MAX_TRACKED_DELAYS: usize = 256;

/// A stored entry that is to be broadcast.
pub struct PendingBroadcast {
    pub entry: Entry,
    /// None if observers do not receive it: they did on the node that stored it, or it is too late.
    pub by: Option<Actor>,
    /// The connection that it came from.
    pub own: Option<ConnectionId>,
    /// How many plugins' reactions led to it.
    pub depth: u8,
    /// The place reserved for it in the queue of observers of echo rooms.
    pub permit: Option<ObserverPermit>,
    /// The outbox in which its sender's answer waits to go out together with it.
    pub answer: Option<Corked>,
    /// Of a post: when it was queued.
    pub queued: Option<Instant>,
}

impl PendingBroadcast {
    /// An entry that another node stored, or that was stored so long ago that nobody waits for it any more.
    pub fn late(entry: Entry) -> Self {
        Self { entry, by: None, own: None, depth: 0, permit: None, answer: None, queued: None }
    }

    /// A copy for subscribers alone, not for observers or metrics.
    pub(super) fn for_subscribers(&self) -> Self {
        Self { own: self.own, ..Self::late(self.entry.clone()) }
    }
}

enum Job {
    Broadcast(Arc<Room>, Vec<PendingBroadcast>),
    /// The log of this room up to this number has no entries other than those given before.
    Complete(Arc<Room>, u64),
    /// Answered once all jobs before it were done.
    Settle(oneshot::Sender<()>),
    /// Ends the worker.
    End,
}

/// Sends entries to one worker task per core. All entries of a room go through the same worker.
#[derive(Clone)]
pub struct Broadcaster(Arc<[mpsc::Sender<Job>]>);

impl Broadcaster {
    /// Starts the workers; they end on [`Broadcaster::end`], or once every clone of this is dropped.
    pub fn start(hub: &Arc<Hub>, tasks: &TaskTracker, metrics: &Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let delivery = metrics.histogram(DELIVERY_SECONDS, &[]);
        let broadcaster = (0..cores).map(|_| {
            let (sender, jobs) = mpsc::channel(MAX_QUEUED_JOBS);
            tasks.spawn(BroadcastWorker::new(hub.clone(), delivery.clone()).run(jobs));
            sender
        });
        Self(broadcaster.collect())
    }

    /// Broadcasts entries of one room, after those given before. Waits while the worker's queue is full.
    pub async fn broadcast(&self, room: Arc<Room>, pending: Vec<PendingBroadcast>) {
        let worker = self.worker(room.id);
        // A worker ends with its senders, of which this is one.
        let _ = worker.send(Job::Broadcast(room, pending)).await;
    }

    /// Broadcasts entries that were read from the log; it has no others up to `up_to`.
    pub async fn broadcast_read(&self, room: Arc<Room>, pending: Vec<PendingBroadcast>, up_to: u64) {
        self.broadcast(room.clone(), pending).await;
        let _ = self.worker(room.id).send(Job::Complete(room, up_to)).await;
    }

    /// Waits until everything given before has been broadcast.
    pub async fn settle(&self) {
        let mut settled = Vec::with_capacity(self.0.len());
        for worker in &*self.0 {
            let (done, pending) = oneshot::channel();
            if worker.send(Job::Settle(done)).await.is_ok() {
                settled.push(pending);
            }
        }
        for pending in settled {
            let _ = pending.await;
        }
    }

    /// Ends the workers, once they have broadcast what they were given.
    pub async fn end(&self) {
        for worker in &*self.0 {
            let _ = worker.send(Job::End).await;
        }
    }

    fn worker(&self, room: RoomId) -> &mpsc::Sender<Job> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(room);
        &self.0[usize::try_from(hash % self.0.len() as u64).unwrap_or(0)]
    }
}

struct BroadcastWorker {
    hub: Arc<Hub>,
    delivery: Histogram,
    /// Rooms with entries to broadcast, in the order in which they came. There are few at a time.
    waiting: Vec<QueuedRoom>,
    /// Of the rooms that take long to broadcast to.
    delays: HashMap<RoomId, CoalescingDelay>,
}

struct QueuedRoom {
    /// The room as it is after the pending entries.
    room: Arc<Room>,
    pending: Vec<PendingBroadcast>,
    /// How many jobs were merged into the first one.
    added: usize,
    /// None: immediately.
    due: Option<Instant>,
}

impl QueuedRoom {
    fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now) || self.pending.len() >= MAX_ENTRIES_PER_BROADCAST
    }
}

impl BroadcastWorker {
    fn new(hub: Arc<Hub>, delivery: Histogram) -> Self {
        Self { hub, delivery, waiting: Vec::new(), delays: HashMap::new() }
    }

    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut ready = Vec::with_capacity(MAX_QUEUED_JOBS);
        loop {
            let next = self.waiting.iter().filter_map(|waiting| waiting.due).min();
            tokio::select! {
                taken = jobs.recv_many(&mut ready, MAX_QUEUED_JOBS) => if taken == 0 { break },
                () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
            }
            for job in ready.drain(..) {
                match job {
                    Job::End => jobs.close(),
                    Job::Broadcast(room, pending) => self.add(room, pending),
                    Job::Complete(room, up_to) => {
                        self.broadcast(|waiting| waiting.room.id == room.id).await;
                        self.hub.complete(&room, up_to);
                    }
                    Job::Settle(done) => {
                        self.broadcast(|_| true).await;
                        let _ = done.send(());
                    }
                }
            }
            let now = Instant::now();
            self.broadcast(|waiting| waiting.is_due(now)).await;
        }
        self.broadcast(|_| true).await;
    }

    /// Queues entries. Those waiting for one room are merged, so that each subscriber costs one write.
    fn add(&mut self, room: Arc<Room>, pending: Vec<PendingBroadcast>) {
        let due = match self.waiting.iter_mut().rfind(|waiting| waiting.room.id == room.id) {
            Some(waiting) if waiting.room == room => {
                waiting.pending.extend(pending);
                waiting.added += 1;
                return;
            }
            // The room was changed in between: each batch is broadcast with the room as it was, one after the other.
            Some(before) => {
                before.due = None;
                None
            }
            None => self.delays.get_mut(&room.id).and_then(|delay| delay.wait_until(Instant::now())),
        };
        self.waiting.push(QueuedRoom { room, pending, added: 0, due });
    }

    /// Broadcasts the entries of those waiting rooms that `which` selects.
    async fn broadcast(&mut self, which: impl Fn(&QueuedRoom) -> bool) {
        let due: Vec<QueuedRoom> = self.waiting.extract_if(.., |waiting| which(waiting)).collect();
        let mut slice = Instant::now();
        let mut began = slice;
        for QueuedRoom { room, pending, added, due } in due {
            self.hub.broadcast_entries(&room, pending, &self.delivery);
            let now = Instant::now();
            self.note_delay(room.id, began, now, due.map(|_| added));
            began = now;
            if now - slice >= TIME_SLICE {
                // Let other tasks on this core run first.
                yield_now().await;
                began = Instant::now();
                slice = began;
            }
        }
    }

    /// Adjusts a room's delay. `added` is the number of jobs merged while it waited; none if it did not wait.
    fn note_delay(&mut self, room: RoomId, began: Instant, now: Instant, added: Option<usize>) {
        if !CoalescingDelay::is_worthwhile(now - began) {
            self.delays.remove(&room);
            return;
        }
        if self.delays.len() >= MAX_TRACKED_DELAYS {
            self.delays.retain(|_, delay| !delay.is_over(now));
        }
        self.delays.entry(room).or_default().record(began, now, added);
    }
}
