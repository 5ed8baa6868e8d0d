//! The writer's task: stores each batch of jobs in one transaction, and broadcasts its events after the commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::metrics::WriterMetrics;
use super::{Job, MAX_JOBS_PER_TRANSACTION, PostJob, Posted, UnitJob};
use crate::clock::{Timestamp, now};
use crate::database::{Database, PostOutcome, Tx};
use crate::error::{Error, Result};
use crate::hub::link::Outgoing;
use crate::hub::{Broadcaster, Hub, PendingBroadcast};
use crate::protocol::{
    AccountId, Actor, CacheInvalidation, Change, Entry, EntryPayload, Event, Membership, NewPost, Room, RoomId, Unit,
};
use crate::room_cache::RoomCache;

/// How often a batch is tried that conflicts with another writer.
const MAX_TRIES: u32 = 5;
/// How often the log is read again for commits of unknown outcome.
const UNKNOWN_COMMIT_RETRY: Duration = Duration::from_millis(500);
/// How long an answer waits for the broadcast of entries that other nodes stored before: the database may be unavailable.
const BROADCAST_TIMEOUT: Duration = Duration::from_secs(2);
/// How many entries of one room are read at a time after a commit of unknown outcome.
const LATE_ENTRIES_PER_READ: u32 = 1000;

pub(super) struct Task {
    database: Database,
    hub: Arc<Hub>,
    broadcaster: Broadcaster,
    cache: Arc<RoomCache>,
    queue: mpsc::Receiver<Job>,
    unknown: UnknownCommits,
    metrics: WriterMetrics,
}

/// Commits whose outcome is unknown because the database's answer was lost. Their senders received an error; entries that were
/// stored after all have to be broadcast before newer ones.
#[derive(Default)]
struct UnknownCommits {
    /// By room, the first number that was assigned.
    rooms: HashMap<RoomId, u64>,
    changes: Vec<Change>,
}

/// The result of a job in the transaction, to be broadcast after the commit.
enum Outcome {
    Post(PostOutcome),
    Unit(Vec<Event>),
}

/// The effects of a committed batch that have to be broadcast.
#[derive(Default)]
struct BatchEffects {
    /// Entries by room, in the order of its log; a room that was changed appears again, in its new state.
    rooms: Vec<(Arc<Room>, Vec<PendingBroadcast>)>,
    /// The index in `rooms` where new entries of a room go.
    latest: HashMap<RoomId, usize>,
    /// Events that are not entries, broadcast after all entries; then the units of work are answered.
    unnumbered: Vec<Event>,
    units: Vec<oneshot::Sender<Result<()>>>,
}

impl BatchEffects {
    fn begin(&mut self, room: Room) -> &mut Vec<PendingBroadcast> {
        self.latest.insert(room.id, self.rooms.len());
        self.rooms.push((Arc::new(room), Vec::new()));
        let last = self.rooms.len() - 1;
        &mut self.rooms[last].1
    }
}

/// Memberships of the authors who post in this batch.
#[derive(Default)]
struct BatchMemberships {
    /// In a cluster: as read from the database, since other nodes change them too.
    read: Option<HashMap<(RoomId, AccountId), Membership>>,
    /// Those that the batch itself has changed so far.
    changed: HashSet<(RoomId, AccountId)>,
}

impl Task {
    pub(super) fn new(
        database: Database,
        hub: Arc<Hub>,
        broadcaster: Broadcaster,
        cache: Arc<RoomCache>,
        queue: mpsc::Receiver<Job>,
        metrics: WriterMetrics,
    ) -> Self {
        Self { database, hub, broadcaster, cache, queue, unknown: UnknownCommits::default(), metrics }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.work(stop).await;
        self.broadcaster.end().await;
    }

    async fn work(&mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(MAX_JOBS_PER_TRANSACTION);
        loop {
            tokio::select! {
                received = self.queue.recv_many(&mut batch, MAX_JOBS_PER_TRANSACTION) => if received == 0 { return },
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    // Accept no more jobs; those that are queued are still written.
                    self.queue.close();
                    continue;
                }
                () = sleep(UNKNOWN_COMMIT_RETRY), if !self.unknown.rooms.is_empty() => {}
            }
            let (began, jobs) = (Instant::now(), batch.len());
            let outcomes = self.write(&batch).await;
            self.metrics.stored(began, jobs);
            self.resolve_unknown_commits(&outcomes).await;
            let mut effects = BatchEffects::default();
            for (job, outcome) in batch.drain(..).zip(outcomes) {
                self.answer(&mut effects, job, outcome).await;
            }
            self.broadcast(effects).await;
        }
    }

    /// Writes a batch; gives one outcome per job. Nothing is committed if the transaction as a whole fails.
    async fn write(&mut self, batch: &[Job]) -> Vec<Result<Outcome>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let mut tries = 1;
        loop {
            let written = self.try_write(batch).await;
            self.database.note_commit(&written);
            match written {
                Ok(outcomes) => return outcomes,
                Err(Error::Contended) if tries < MAX_TRIES => tries += 1,
                Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    }

    async fn try_write(&mut self, batch: &[Job]) -> Result<Vec<Result<Outcome>>> {
        let mut tx = self.database.begin().await?;
        let at = now();
        let mut memberships = self.memberships(&mut tx, batch).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        let is_post = |job: &Job| matches!(job, Job::Post(..));
        // Neighbouring posts are stored together; a unit of work stays in its place between them.
        for run in batch.chunk_by(|a, b| is_post(a) && is_post(b)) {
            if let [Job::Unit(UnitJob { unit, .. })] = run {
                outcomes.push(self.apply(&mut tx, &mut memberships, unit, at).await.map(Outcome::Unit));
                continue;
            }
            let mut allowed = Vec::with_capacity(run.len());
            let mut refused = HashMap::new();
            for (i, job) in run.iter().enumerate() {
                let Job::Post(PostJob { new, .. }) = job else { continue };
                match self.check_can_post_now(&mut tx, &memberships, new.room, &new.by, at).await {
                    Ok(()) => allowed.push(new.clone()),
                    Err(error) => {
                        refused.insert(i, error);
                    }
                }
            }
            let mut stored = store_posts(&mut tx, &allowed, at).await.into_iter();
            outcomes.extend((0..run.len()).filter_map(|i| match refused.remove(&i) {
                Some(error) => Some(Err(error)),
                None => stored.next().map(|one| one.map(Outcome::Post)),
            }));
        }
        // A statement ended the transaction: results of the others must not count, even if they seemed to succeed.
        if let Some(error) = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find(|e| e.ends_transaction())
        {
            return Err(error.clone());
        }
        if let Err(error) = tx.commit().await {
            self.unknown.add(batch, &outcomes);
            return Err(error);
        }
        Ok(outcomes)
    }

    /// In a cluster, locks the batch's rooms and then reads its authors' memberships, before anything is stored.
    async fn memberships(&self, tx: &mut Tx, batch: &[Job]) -> Result<BatchMemberships> {
        if !self.hub.is_clustered() {
            return Ok(BatchMemberships::default());
        }
        let mut rooms: HashSet<RoomId> = HashSet::new();
        let mut authors: HashSet<(RoomId, AccountId)> = HashSet::new();
        for job in batch {
            let (by, posted): (_, Vec<RoomId>) = match job {
                Job::Post(PostJob { new, .. }) => (&new.by, vec![new.room]),
                Job::Unit(UnitJob { unit, .. }) => {
                    rooms.extend(unit.changes.iter().filter_map(Change::logged_in));
                    (&unit.by, unit.changes.iter().filter_map(posting_room).collect())
                }
            };
            rooms.extend(&posted);
            authors.extend(by.account().into_iter().flat_map(|by| posted.iter().map(|room| (*room, by.id))));
        }
        tx.lock_rooms(rooms.into_iter()).await?;
        Ok(BatchMemberships { read: Some(tx.memberships(authors.into_iter()).await?), ..BatchMemberships::default() })
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        memberships: &mut BatchMemberships,
        unit: &Unit,
        at: Timestamp,
    ) -> Result<Vec<Event>> {
        for room in unit.changes.iter().filter_map(posting_room) {
            self.check_can_post_now(tx, memberships, room, &unit.by, at).await?;
        }
        let pending = tx.apply(unit, at).await?;
        memberships.changed.extend(unit.changes.iter().filter_map(Change::membership));
        Ok(pending)
    }

    /// Checks again that an account may post in the room: it may have been removed or muted since the first check.
    async fn check_can_post_now(
        &self,
        tx: &mut Tx,
        memberships: &BatchMemberships,
        room: RoomId,
        by: &Actor,
        at: Timestamp,
    ) -> Result<()> {
        let Some(account) = by.account() else { return Ok(()) };
        let key = (room, account.id);
        let known = match &memberships.read {
            _ if memberships.changed.contains(&key) => None,
            Some(read) => Some(read.get(&key).copied().unwrap_or_default()),
            None => self.cache.membership(&key),
        };
        let membership = match known {
            Some(membership) => membership,
            None => tx.membership(room, account.id).await?,
        };
        membership.check_can_post(at)
    }

    /// Answers a job's sender, or notes the answer for later, and adds the job's events to the effects.
    async fn answer(&mut self, effects: &mut BatchEffects, job: Job, outcome: Result<Outcome>) {
        match (job, outcome) {
            (Job::Post(PostJob { new, permit, done, queued, span }), Ok(Outcome::Post(PostOutcome::Posted(entry)))) => {
                span.in_scope(|| tracing::debug!(room = %entry.room, seq = entry.seq, "stored"));
                let answer = done(Ok(Posted { seq: entry.seq, at: entry.at, duplicate: false }));
                let queued = Some(queued);
                self.queue_entry(
                    effects,
                    PendingBroadcast { entry, by: Some(new.by), own: new.from, depth: 0, permit, answer, queued },
                )
                .await;
            }
            (Job::Post(PostJob { done, span, .. }), Ok(Outcome::Post(PostOutcome::Duplicate { seq, at }))) => {
                span.in_scope(|| tracing::debug!(seq, "duplicate key, stored before"));
                done(Ok(Posted { seq, at, duplicate: true }));
            }
            (Job::Post(PostJob { done, .. }), Ok(_)) => drop(done(Err(Error::not_found("room")))),
            (Job::Post(PostJob { done, span, .. }), Err(error)) => {
                span.in_scope(|| tracing::debug!(%error, "not stored"));
                drop(done(Err(error)));
            }
            (Job::Unit(UnitJob { span, unit, first, done }), Ok(Outcome::Unit(events))) => {
                span.in_scope(|| tracing::debug!(changes = unit.changes.len(), "stored"));
                self.invalidate(&unit.changes);
                self.act_on_guests(&unit.changes);
                if let Some(first) = first {
                    first(&events);
                }
                for change in &unit.changes {
                    if let Change::UpdateRoom { room, .. } = change {
                        effects.latest.remove(room);
                    }
                }
                for event in &events {
                    // A deleted room is known only by this event any more.
                    if let Event::Entry(Entry { what: EntryPayload::RoomDeleted { was }, .. }) = event {
                        effects.begin((**was).clone());
                    }
                }
                for event in events {
                    match event {
                        Event::Entry(entry) => {
                            let pending = PendingBroadcast {
                                by: Some(unit.by.clone()),
                                depth: unit.depth,
                                ..PendingBroadcast::late(entry)
                            };
                            self.queue_entry(effects, pending).await;
                        }
                        other => effects.unnumbered.push(other),
                    }
                }
                effects.unnumbered.extend(unit.pushes.into_iter().map(Event::Pushed));
                effects.units.push(done);
            }
            (Job::Unit(UnitJob { done, .. }), Ok(Outcome::Post(_))) => {
                let _ = done.send(Err(Error::internal("a unit of work was answered as a post")));
            }
            (Job::Unit(UnitJob { done, span, .. }), Err(error)) => {
                span.in_scope(|| tracing::debug!(%error, "not stored"));
                let _ = done.send(Err(error));
            }
        }
    }

    /// Invalidates cache entries, here and on the other nodes, that these committed changes made stale.
    fn invalidate(&self, changes: &[Change]) {
        let invalidations: Vec<CacheInvalidation> = changes.iter().flat_map(Change::invalidations).collect();
        for one in &invalidations {
            self.cache.forget(*one);
        }
        let deleted: Vec<RoomId> = changes.iter().filter_map(Change::deleted_room).collect();
        for room in &deleted {
            self.cache.forget_room(*room);
        }
        if !invalidations.is_empty() {
            self.hub.publish_to_nodes(|| Outgoing::Changed(invalidations));
        }
        if !deleted.is_empty() {
            self.hub.publish_to_nodes(|| Outgoing::RoomsDeleted(deleted));
        }
    }

    /// Applies these committed changes to connected guests, here and on the other nodes.
    fn act_on_guests(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::RemoveGuests { room, which } => {
                    self.hub.remove_guests(*room, which);
                    self.hub.publish_to_nodes(|| Outgoing::GuestsRemoved(*room, which.clone()));
                }
                Change::BanOriginsElsewhere { room, account, until } => {
                    self.hub.publish_to_nodes(|| Outgoing::BanOrigins(*room, *account, *until));
                }
                _ => {}
            }
        }
    }

    /// Adds an entry to the effects.
    async fn queue_entry(&mut self, effects: &mut BatchEffects, pending: PendingBroadcast) {
        let (room, seq) = (pending.entry.room, pending.entry.seq);
        // Broadcast later, together with earlier entries of unknown outcome.
        if self.unknown.rooms.contains_key(&room) {
            return;
        }
        let entries = match effects.latest.get(&room) {
            Some(at) => &mut effects.rooms[*at].1,
            None => match self.cache.room(&self.database, room).await {
                Ok(Some(room)) => effects.begin(room),
                // Deleted meanwhile, and the deletion was broadcast.
                Ok(None) => return,
                // Broadcast once the database answers again.
                Err(_) => return self.unknown.add_entry(room, seq),
            },
        };
        entries.push(pending);
    }

    async fn broadcast(&self, effects: BatchEffects) {
        let BatchEffects { rooms, unnumbered, units, .. } = effects;
        let last: Vec<(RoomId, u64)> = match &units[..] {
            [] => Vec::new(),
            _ => rooms.iter().filter_map(|(room, pending)| Some((room.id, pending.last()?.entry.seq))).collect(),
        };
        for (room, pending) in rooms {
            self.hub.publish_entries(room.id, &pending);
            self.broadcaster.broadcast(room, pending).await;
        }
        if unnumbered.is_empty() && units.is_empty() {
            return;
        }
        // A unit of work is answered once its entries have been broadcast.
        self.broadcaster.settle().await;
        let waiting: Vec<_> = last.into_iter().filter_map(|(room, seq)| self.hub.broadcast_done(room, seq)).collect();
        let hub = self.hub.clone();
        let end = move || {
            for event in unnumbered {
                hub.broadcast_everywhere(event);
            }
            for done in units {
                // The sender may have gone; the change stands.
                let _ = done.send(Ok(()));
            }
        };
        if waiting.is_empty() {
            return end();
        }
        // Earlier entries of another node have not arrived yet. Only these answers wait for them.
        tokio::spawn(async move {
            for pending in waiting {
                // A room that lost its subscribers meanwhile drops the sender.
                let _ = timeout(BROADCAST_TIMEOUT, pending).await;
            }
            end();
        });
    }

    /// Broadcasts entries of commits with unknown outcome that were stored, up to those of the current batch.
    async fn resolve_unknown_commits(&mut self, outcomes: &[Result<Outcome>]) {
        if self.unknown.rooms.is_empty() {
            return;
        }
        let next = first_numbers(outcomes);
        for (room, from) in std::mem::take(&mut self.unknown.rooms) {
            let up_to = next.get(&room).map_or(u64::MAX, |first| first - 1);
            if self.broadcast_late(room, from, up_to).await.is_err() {
                self.unknown.rooms.insert(room, from);
            }
        }
        self.invalidate(&self.unknown.changes);
        if self.unknown.rooms.is_empty() {
            self.unknown.changes.clear();
        }
    }

    async fn broadcast_late(&self, room: RoomId, from: u64, up_to: u64) -> Result<()> {
        // The commit of a broken database connection may still be running. A newer batch has waited for it.
        if up_to == u64::MAX && self.database.is_being_written(room).await? {
            return Err(Error::Contended);
        }
        let entries = self.database.entries(room, from - 1, up_to, LATE_ENTRIES_PER_READ).await?;
        let Some(room) = self.cache.room(&self.database, room).await? else { return Ok(()) };
        for entry in &entries {
            tracing::info!(room = %room.id, seq = entry.seq, "commit of unknown outcome was stored, broadcasting late");
        }
        let pending: Vec<PendingBroadcast> = entries.into_iter().map(PendingBroadcast::late).collect();
        self.hub.publish_entries(room.id, &pending);
        self.broadcaster.broadcast(Arc::new(room), pending).await;
        Ok(())
    }
}

impl UnknownCommits {
    fn add_entry(&mut self, room: RoomId, seq: u64) {
        let first = self.rooms.entry(room).or_insert(seq);
        *first = seq.min(*first);
    }

    fn add(&mut self, batch: &[Job], outcomes: &[Result<Outcome>]) {
        for (room, first) in first_numbers(outcomes) {
            self.add_entry(room, first);
        }
        self.changes.extend(batch.iter().flat_map(|job| match job {
            Job::Unit(UnitJob { unit, .. }) => unit.changes.clone(),
            Job::Post(..) => Vec::new(),
        }));
    }
}

/// The first number that a batch assigned in each room.
fn first_numbers(outcomes: &[Result<Outcome>]) -> HashMap<RoomId, u64> {
    let mut first = HashMap::new();
    let mut add = |room: RoomId, seq: u64| {
        first.entry(room).or_insert(seq);
    };
    for outcome in outcomes.iter().flatten() {
        match outcome {
            Outcome::Post(PostOutcome::Posted(entry)) => add(entry.room, entry.seq),
            Outcome::Post(_) => {}
            Outcome::Unit(events) => {
                for event in events {
                    if let Event::Entry(entry) = event {
                        add(entry.room, entry.seq);
                    }
                }
            }
        }
    }
    first
}

/// The room in which the author of a change has to be allowed to post.
fn posting_room(change: &Change) -> Option<RoomId> {
    match change {
        Change::EditMessage { room, .. } | Change::React { room, on: true, .. } => Some(*room),
        _ => None,
    }
}

/// Stores posts together, or one by one if that fails, so that a bad one does not fail the others.
async fn store_posts(tx: &mut Tx, posts: &[NewPost], at: Timestamp) -> Vec<Result<PostOutcome>> {
    match tx.add_posts(posts, at).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) if posts.len() == 1 || error.ends_transaction() => {
            posts.iter().map(|_| Err(error.clone())).collect()
        }
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
