//! The writer assigns the order of each room's log. Posts and units of work queue here; waiting jobs are written in one
//! transaction (group commit) and broadcast after it.

mod metrics;
mod task;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

use self::metrics::WriterMetrics;
use self::task::Task;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::hub::{Broadcaster, Corked, Hub, ObserverPermit};
use crate::metrics::Metrics;
use crate::protocol::{Event, NewPost, Unit};
use crate::room_cache::RoomCache;

/// How many jobs may wait; after that, senders wait (backpressure).
const MAX_QUEUED_JOBS: usize = 4096;
/// The most jobs of one transaction: more would only delay the first of them.
const MAX_JOBS_PER_TRANSACTION: usize = 512;

/// The outcome of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    pub seq: u64,
    pub at: Timestamp,
    /// Its idempotency key was used before; this is the outcome of the first post.
    pub duplicate: bool,
}

/// Called once when the post is committed or has failed, before it is broadcast, so that the sender's answer comes first.
/// Returns the outbox in which that answer waits to go out together with the post.
pub type PostDone = Box<dyn FnOnce(Result<Posted>) -> Option<Corked> + Send + Sync>;

/// Called once when a unit of work is committed, with its events, before they are broadcast.
pub type UnitDone = Box<dyn FnOnce(&[Event]) + Send + Sync>;

enum Job {
    Post(PostJob),
    Unit(UnitJob),
}

struct PostJob {
    new: NewPost,
    permit: Option<ObserverPermit>,
    done: PostDone,
    queued: Instant,
    /// The request's span, for the log.
    span: Span,
}

struct UnitJob {
    span: Span,
    unit: Unit,
    /// Called before the events are broadcast.
    first: Option<UnitDone>,
    done: oneshot::Sender<Result<()>>,
}

type OnCommit = Arc<dyn Fn(&Unit) + Send + Sync>;

/// Handle to the writer's task; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    broadcaster: Broadcaster,
    /// Called with every unit of work that was committed through this handle.
    on_commit: Option<OnCommit>,
}

impl Writer {
    /// Starts the writer. When `stop` is cancelled it writes what is queued and ends.
    pub fn start(
        database: Database,
        hub: Arc<Hub>,
        cache: Arc<RoomCache>,
        tasks: &TaskTracker,
        stop: CancellationToken,
        metrics: &Metrics,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED_JOBS);
        let broadcaster = Broadcaster::start(&hub, tasks, metrics);
        tasks.spawn(Task::new(database, hub, broadcaster.clone(), cache, queue, WriterMetrics::new(metrics)).run(stop));
        Self { jobs, broadcaster, on_commit: None }
    }

    /// The broadcaster of stored entries.
    pub fn broadcaster(&self) -> Broadcaster {
        self.broadcaster.clone()
    }

    /// How many jobs wait.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// This handle, calling `on_commit` with each unit of work that was committed: for benchmarks of plugins.
    pub fn on_commit(self, on_commit: impl Fn(&Unit) + Send + Sync + 'static) -> Self {
        Self { on_commit: Some(Arc::new(on_commit)), ..self }
    }

    /// Queues a post with its reserved place in the observers' queue; `done` receives the outcome. Waits while the queue is full.
    pub async fn post(&self, post: NewPost, permit: Option<ObserverPermit>, done: PostDone) {
        let job = PostJob { new: post, permit, done, queued: Instant::now(), span: Span::current() };
        if let Err(mpsc::error::SendError(Job::Post(job))) = self.jobs.send(Job::Post(job)).await {
            drop((job.done)(Err(stopping())));
        }
    }

    /// Commits a unit of work. Its events have been broadcast when this returns.
    pub async fn commit(&self, unit: Unit) -> Result<()> {
        self.commit_with(unit, None).await
    }

    /// Commits a unit of work; calls `answer` before its events are broadcast.
    pub async fn commit_and_answer(&self, unit: Unit, answer: UnitDone) -> Result<()> {
        self.commit_with(unit, Some(answer)).await
    }

    async fn commit_with(&self, unit: Unit, first: Option<UnitDone>) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        let on_commit = self.on_commit.as_ref().map(|on_commit| (on_commit, unit.clone()));
        self.jobs
            .send(Job::Unit(UnitJob { span: Span::current(), unit, first, done }))
            .await
            .map_err(|_| stopping())?;
        outcome.await.map_err(|_| stopping())??;
        if let Some((on_commit, unit)) = on_commit {
            on_commit(&unit);
        }
        Ok(())
    }
}

fn stopping() -> Error {
    Error::Unavailable("the server is stopping; nothing was stored".into())
}
