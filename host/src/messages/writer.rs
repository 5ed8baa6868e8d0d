//! The one place where a room's order is made. Posts and units of work queue here; whatever waits is written in one
//! transaction (group commit), and only then is anybody told.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Timestamp, now};
use crate::database::{Database, PostOutcome, Tx};
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::protocol::{Entry, NewPost, Unit};
use crate::rooms::Known;

/// How many jobs may wait; after that, those who have more wait.
const QUEUE: usize = 4096;
/// The most jobs of one transaction: more would only make the first of them wait.
const BATCH: usize = 512;

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    pub seq: u64,
    pub at: Timestamp,
    /// Its key was used before; this is what the first one became.
    pub duplicate: bool,
}

/// Called once when the post is committed or has failed, before the room hears of it: the sender's answer comes first.
pub type PostDone = Box<dyn FnOnce(Result<Posted>) + Send + Sync>;

enum Job {
    Post(NewPost, PostDone),
    Unit(Unit, oneshot::Sender<Result<Vec<Entry>>>),
}

type Told = Arc<dyn Fn(&Unit) + Send + Sync>;

/// The way to the writer; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Told of every unit of work that was committed.
    told: Option<Told>,
}

impl Writer {
    /// Starts the writer. When `stop` is cancelled it writes what is queued and ends.
    pub fn start(
        database: Database,
        hub: Arc<Hub>,
        known: Arc<Known>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        tasks.spawn(Task { database, hub, known, queue }.run(stop));
        Self { jobs, told: None }
    }

    /// The same, telling of each unit of work that became true: for trying plugins out.
    pub fn telling(self, told: impl Fn(&Unit) + Send + Sync + 'static) -> Self {
        Self { told: Some(Arc::new(told)), ..self }
    }

    /// Queues a post; `done` hears what became of it. Waits if the queue is full.
    pub async fn post(&self, post: NewPost, done: PostDone) {
        if let Err(mpsc::error::SendError(Job::Post(_, done))) = self.jobs.send(Job::Post(post, done)).await {
            done(Err(stopping()));
        }
    }

    /// Makes a unit of work true, or says why not. The room has heard of it when this returns.
    pub async fn commit(&self, unit: Unit) -> Result<Vec<Entry>> {
        let (done, outcome) = oneshot::channel();
        let told = self.told.as_ref().map(|told| (told, unit.clone()));
        self.jobs.send(Job::Unit(unit, done)).await.map_err(|_| stopping())?;
        let entries = outcome.await.map_err(|_| stopping())??;
        if let Some((told, unit)) = told {
            told(&unit);
        }
        Ok(entries)
    }
}

fn stopping() -> Error {
    Error::Unavailable("the server is stopping; nothing was stored".into())
}

struct Task {
    database: Database,
    hub: Arc<Hub>,
    known: Arc<Known>,
    queue: mpsc::Receiver<Job>,
}

/// What the transaction made of a job, to be told after the commit.
enum Outcome {
    Post(PostOutcome),
    Unit(Vec<Entry>),
}

impl Task {
    async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                received = self.queue.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    // No more from here on; what is queued is still written.
                    self.queue.close();
                    continue;
                }
            }
            let outcomes = self.write(&batch).await;
            for (job, outcome) in batch.drain(..).zip(outcomes) {
                self.tell(job, outcome);
            }
        }
    }

    /// One outcome for each job. Nothing is committed if the transaction as a whole fails.
    async fn write(&self, batch: &[Job]) -> Vec<Result<Outcome>> {
        match self.try_write(batch).await {
            Ok(outcomes) => outcomes,
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn try_write(&self, batch: &[Job]) -> Result<Vec<Result<Outcome>>> {
        let mut tx = self.database.begin().await?;
        let at = now();
        let mut outcomes = Vec::with_capacity(batch.len());
        let is_post = |job: &Job| matches!(job, Job::Post(..));
        // Neighbouring posts are stored together; a unit of work stays in its place between them.
        for run in batch.chunk_by(|a, b| is_post(a) && is_post(b)) {
            if let [Job::Unit(unit, _)] = run {
                outcomes.push(tx.apply(unit, at).await.map(Outcome::Unit));
                continue;
            }
            let posts: Vec<NewPost> = run
                .iter()
                .filter_map(|job| match job {
                    Job::Post(post, _) => Some(post.clone()),
                    Job::Unit(..) => None,
                })
                .collect();
            outcomes.extend(store_posts(&mut tx, &posts, at).await.into_iter().map(|one| one.map(Outcome::Post)));
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    fn tell(&self, job: Job, outcome: Result<Outcome>) {
        match (job, outcome) {
            (Job::Post(new, done), Ok(Outcome::Post(PostOutcome::Posted(entry)))) => {
                done(Ok(Posted { seq: entry.seq, at: entry.at, duplicate: false }));
                self.hub.publish_entry(entry, &new.by, 0);
            }
            (Job::Post(_, done), Ok(Outcome::Post(PostOutcome::Duplicate { seq, at }))) => {
                done(Ok(Posted { seq, at, duplicate: true }));
            }
            (Job::Post(_, done), Ok(_)) => done(Err(Error::not_found("room"))),
            (Job::Post(_, done), Err(error)) => done(Err(error)),
            (Job::Unit(unit, done), Ok(Outcome::Unit(entries))) => {
                for change in &unit.changes {
                    self.known.forget(change);
                }
                for entry in &entries {
                    self.hub.publish_entry(entry.clone(), &unit.by, unit.depth);
                }
                for push in unit.pushes {
                    self.hub.push(push);
                }
                // Whoever asked may have gone; the change stands.
                let _ = done.send(Ok(entries));
            }
            (Job::Unit(_, done), Ok(Outcome::Post(_))) => {
                let _ = done.send(Err(Error::internal("a unit of work was answered as a post")));
            }
            (Job::Unit(_, done), Err(error)) => {
                let _ = done.send(Err(error));
            }
        }
    }
}

/// Stores posts together, and one by one if that fails: a bad one must not take its neighbours along.
async fn store_posts(tx: &mut Tx, posts: &[NewPost], at: Timestamp) -> Vec<Result<PostOutcome>> {
    match tx.add_posts(posts, at).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if posts.len() == 1 => vec![Err(error)],
        Err(_) => {
            let mut outcomes = Vec::with_capacity(posts.len());
            for post in posts {
                let one = tx.add_posts(std::slice::from_ref(post), at).await;
                outcomes
                    .push(one.and_then(|mut one| one.pop().ok_or_else(|| Error::internal("no outcome for a post"))));
            }
            outcomes
        }
    }
}
