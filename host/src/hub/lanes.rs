//! From what was stored to those who hear of it: rooms are told in parallel, each in its order.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use super::{Corked, Hub, Reserved};
use crate::metrics::{DELIVERY_SECONDS, Histogram, Metrics};
use crate::protocol::{Actor, ConnectionId, Entry, Room, RoomId};

/// How many tellings may wait in a lane; after that, the writer waits.
const WAITING: usize = 64;

/// An entry that is to be told.
pub struct Told {
    pub entry: Entry,
    pub by: Actor,
    /// The connection that it came from.
    pub own: Option<ConnectionId>,
    /// How many plugins' reactions led to it.
    pub depth: u8,
    /// What was reserved for it among what observers of sessions are told.
    pub place: Option<Reserved>,
    /// Its sender's answer, which goes out together with it.
    pub answer: Option<Corked>,
    /// Of a post: when it was sent on its way.
    pub queued: Option<Instant>,
}

enum Job {
    /// With the time at which the writer took it up.
    Tell(Arc<Room>, Vec<Told>, Instant),
    /// Answered once everything before it was told.
    Settle(oneshot::Sender<()>),
}

/// One task for each core. All of a room goes through the same one.
pub struct Lanes(Vec<mpsc::Sender<Job>>);

impl Lanes {
    /// Starts them; they end once nobody can give them anything any more.
    pub fn start(hub: &Arc<Hub>, tasks: &TaskTracker, metrics: &Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let delivery = metrics.histogram(DELIVERY_SECONDS, &[]);
        let lanes = (0..cores).map(|_| {
            let (sender, jobs) = mpsc::channel(WAITING);
            tasks.spawn(lane(hub.clone(), jobs, delivery.clone()));
            sender
        });
        Self(lanes.collect())
    }

    /// Tells these entries of one room, after those that were given before.
    pub async fn tell(&self, room: Arc<Room>, told: Vec<Told>, began: Instant) {
        let lane = self.lane(room.id);
        // A lane ends with its senders, of which this is one.
        let _ = lane.send(Job::Tell(room, told, began)).await;
    }

    /// Waits until everything that was given before has been told.
    pub async fn settle(&self) {
        let mut settled = Vec::with_capacity(self.0.len());
        for lane in &self.0 {
            let (done, told) = oneshot::channel();
            if lane.send(Job::Settle(done)).await.is_ok() {
                settled.push(told);
            }
        }
        for told in settled {
            let _ = told.await;
        }
    }

    fn lane(&self, room: RoomId) -> &mpsc::Sender<Job> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(room);
        &self.0[usize::try_from(hash % self.0.len() as u64).unwrap_or(0)]
    }
}

async fn lane(hub: Arc<Hub>, mut jobs: mpsc::Receiver<Job>, delivery: Histogram) {
    let mut ready = Vec::with_capacity(WAITING);
    while jobs.recv_many(&mut ready, WAITING).await > 0 {
        let mut waiting = ready.drain(..).peekable();
        while let Some(job) = waiting.next() {
            match job {
                Job::Tell(room, mut told, began) => {
                    // What has piled up in one room costs its listeners one write.
                    while let Some(Job::Tell(_, more, _)) =
                        waiting.next_if(|next| matches!(next, Job::Tell(same, ..) if *same == room))
                    {
                        told.extend(more);
                    }
                    let entries = told.len();
                    hub.publish_entries(&room, told);
                    delivery.record_many(began.elapsed(), entries);
                    yield_now().await;
                }
                Job::Settle(done) => {
                    let _ = done.send(());
                }
            }
        }
    }
}
