//! From what was stored to those who hear of it: rooms are told in parallel, each in its order.

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

/// How many tellings may wait in a lane; after that, the writer waits.
const MAX_QUEUED_JOBS: usize = 64;
/// A room that has so much to be told is told at once.
const MAX_ENTRIES_PER_BROADCAST: usize = 256;
/// How long rooms are told before others on the same core have their turn.
const TIME_SLICE: Duration = Duration::from_micros(500);
/// How many rooms' pace is known before that of the quiet ones is forgotten.
const MAX_TRACKED_DELAYS: usize = 256;

/// An entry that is to be told.
pub struct PendingBroadcast {
    pub entry: Entry,
    /// None if observers are not told of it: they were where it was stored, or it is too late.
    pub by: Option<Actor>,
    /// The connection that it came from.
    pub own: Option<ConnectionId>,
    /// How many plugins' reactions led to it.
    pub depth: u8,
    /// What was reserved for it among what observers of sessions are told.
    pub permit: Option<ObserverPermit>,
    /// Its sender's answer, which goes out together with it.
    pub answer: Option<Corked>,
    /// Of a post: when it was sent on its way.
    pub queued: Option<Instant>,
}

impl PendingBroadcast {
    /// What was stored elsewhere, or so long ago that nobody waits for it any more.
    pub fn late(entry: Entry) -> Self {
        Self { entry, by: None, own: None, depth: 0, permit: None, answer: None, queued: None }
    }

    /// The same for its listeners alone.
    pub(super) fn for_subscribers(&self) -> Self {
        Self { own: self.own, ..Self::late(self.entry.clone()) }
    }
}

enum Job {
    Broadcast(Arc<Room>, Vec<PendingBroadcast>),
    /// What was told of this room was all that there is up to here.
    Complete(Arc<Room>, u64),
    /// Answered once everything before it was told.
    Settle(oneshot::Sender<()>),
    /// The last one.
    End,
}

/// One task for each core. All of a room goes through the same one.
#[derive(Clone)]
pub struct Broadcaster(Arc<[mpsc::Sender<Job>]>);

impl Broadcaster {
    /// Starts them; they end when they are told to, or once nobody can give them anything any more.
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

    /// Tells these entries of one room, after those that were given before.
    pub async fn broadcast(&self, room: Arc<Room>, pending: Vec<PendingBroadcast>) {
        let worker = self.worker(room.id);
        // A lane ends with its senders, of which this is one.
        let _ = worker.send(Job::Broadcast(room, pending)).await;
    }

    /// Tells these entries, which are all that a room's log has up to here.
    pub async fn broadcast_read(&self, room: Arc<Room>, pending: Vec<PendingBroadcast>, up_to: u64) {
        self.broadcast(room.clone(), pending).await;
        let _ = self.worker(room.id).send(Job::Complete(room, up_to)).await;
    }

    /// Waits until everything that was given before has been told.
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

    /// Ends the lanes, once they have told what they were given.
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
    /// Rooms that have something to be told, in the order in which it came. There are few at a time.
    waiting: Vec<QueuedRoom>,
    /// Of the rooms that take long to tell.
    delays: HashMap<RoomId, CoalescingDelay>,
}

struct QueuedRoom {
    /// As it is after what is to be told.
    room: Arc<Room>,
    pending: Vec<PendingBroadcast>,
    /// How often something was added to what came first.
    added: usize,
    /// None: at once.
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

    /// What has piled up in one room costs its listeners one write.
    fn add(&mut self, room: Arc<Room>, pending: Vec<PendingBroadcast>) {
        let due = match self.waiting.iter_mut().rfind(|waiting| waiting.room.id == room.id) {
            Some(waiting) if waiting.room == room => {
                waiting.pending.extend(pending);
                waiting.added += 1;
                return;
            }
            // The room was changed in between: each is told as the room was then, one after the other.
            Some(before) => {
                before.due = None;
                None
            }
            None => self.delays.get_mut(&room.id).and_then(|delay| delay.wait_until(Instant::now())),
        };
        self.waiting.push(QueuedRoom { room, pending, added: 0, due });
    }

    /// Tells those of the waiting rooms, the others later.
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
                // Whoever else is on this core comes first.
                yield_now().await;
                began = Instant::now();
                slice = began;
            }
        }
    }

    /// `added` is what waiting has brought, if there was any.
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
