//! A simulated user who posts, joins, leaves and reconnects, and records everything received and acknowledged.

mod hearing;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::history::{Attempt, Stay};
use crate::harness::database::{self, StoredEntry};
use crate::harness::{Account, Client, PATIENCE};

/// How many posts to one room may be unanswered.
const MAX_UNANSWERED_POSTS: usize = 40;
/// After this time, a chatter that has not received everything reports what is missing.
const COMPLAINT_DELAY: Duration = Duration::from_secs(15);
const RECONNECT_DELAY: Duration = Duration::from_millis(20);

/// What the chatters currently do.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Talk,
    /// Post nothing new, get everything acknowledged, and subscribe to every room.
    Settle,
    /// Receive each room up to this entry, and disconnect.
    Finish(HashMap<String, u64>),
}

/// Counters of the round.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) kills: AtomicU64,
    pub(super) stops: AtomicU64,
    /// Outages of NATS, PostgreSQL or one node's process.
    pub(super) outages: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) heard: AtomicU64,
    pub(super) connections: AtomicU64,
}

/// The records of a chatter.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) attempts: Vec<Attempt>,
    pub(super) stays: Vec<Stay>,
    pub(super) strays: Vec<(String, u64)>,
    /// Unexpected answers.
    pub(super) surprises: Vec<String>,
}

/// A chatter's state in a room.
struct Place {
    room: String,
    owned: bool,
    stay: Option<Stay>,
    /// The last entry in the answer to the join: received entries up to here are older.
    caught_up: u64,
    /// Whether the latest received membership change of the chatter is its removal.
    removed: bool,
    joining: bool,
    leaving: bool,
    /// The entry to continue from; `None` before the first join.
    seen: Option<u64>,
    /// Unanswered attempts, in order.
    unanswered: VecDeque<usize>,
}

/// The kind of request that an answer belongs to.
#[derive(Debug)]
enum Asked {
    Connect,
    Join {
        place: usize,
        since: Option<u64>,
    },
    Leave {
        place: usize,
    },
    Post {
        place: usize,
        attempt: usize,
    },
    /// Moderation of a room that the chatter owns.
    Govern,
}

/// State that all chatters share.
#[derive(Clone)]
pub(super) struct Shared {
    /// Addresses of the servers, which change with restarts.
    pub(super) nodes: watch::Receiver<Vec<String>>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) tally: Arc<Tally>,
    /// Its URL.
    pub(super) database: Arc<str>,
}

pub(super) struct Chatter {
    account: Account,
    /// The server that it is connected to.
    address: String,
    others: Vec<String>,
    places: Vec<Place>,
    random: StdRng,
    around: Shared,
    notes: Notes,
    asked: HashMap<u64, Asked>,
    /// Notified once nothing is left to post or to be acknowledged.
    settled: Option<oneshot::Sender<()>>,
}

/// Error: the connection is lost.
struct Gone;

impl Chatter {
    /// `rooms` come with whether this account owns them.
    pub(super) fn new(
        account: Account,
        others: Vec<String>,
        rooms: Vec<(String, bool)>,
        seed: u64,
        around: Shared,
        settled: oneshot::Sender<()>,
    ) -> Self {
        let place = |(room, owned)| Place {
            room,
            owned,
            stay: None,
            caught_up: 0,
            removed: false,
            joining: false,
            leaving: false,
            seen: None,
            unanswered: VecDeque::new(),
        };
        Self {
            account,
            address: String::new(),
            others,
            places: rooms.into_iter().map(place).collect(),
            random: StdRng::seed_from_u64(seed),
            around,
            notes: Notes::default(),
            asked: HashMap::new(),
            settled: Some(settled),
        }
    }

    /// Reconnects until everything is received.
    pub(super) async fn run(mut self) -> Notes {
        loop {
            let nodes = self.around.nodes.borrow().clone();
            let address = &nodes[self.random.random_range(0..nodes.len())];
            let Some(mut client) = Client::try_open(&format!("ws://{address}/ws/native")).await else {
                sleep(RECONNECT_DELAY).await;
                continue;
            };
            self.address.clone_from(address);
            self.around.tally.connections.fetch_add(1, Ordering::Relaxed);
            let done = self.live(&mut client).await.is_ok();
            self.lose_connection();
            if done {
                return self.notes;
            }
        }
    }

    /// Runs one connection to its end.
    async fn live(&mut self, client: &mut Client) -> Result<(), Gone> {
        self.ask(client, Asked::Connect, "connect", json!({"token": self.account.token})).await?;
        let mut next_act = Instant::now();
        let mut complain_at = None;
        loop {
            if self.has_heard_all() {
                return Ok(());
            }
            if !matches!(*self.around.phase.borrow(), Phase::Talk) {
                let at: &mut Instant = complain_at.get_or_insert_with(|| Instant::now() + COMPLAINT_DELAY);
                if *at <= Instant::now() {
                    *at += PATIENCE;
                    self.complain().await;
                }
            }
            tokio::select! {
                frame = client.try_frame() => self.on_frame(client, &frame.ok_or(Gone)?).await?,
                () = sleep_until(next_act) => {
                    next_act = Instant::now() + Duration::from_millis(self.random.random_range(1..40));
                    self.act(client).await?;
                }
            }
        }
    }

    async fn ask(&mut self, client: &mut Client, asked: Asked, op: &str, args: Value) -> Result<(), Gone> {
        let id = client.try_send(op, args).await.ok_or(Gone)?;
        self.asked.insert(id, asked);
        Ok(())
    }

    async fn act(&mut self, client: &mut Client) -> Result<(), Gone> {
        if self.asked.values().any(|asked| matches!(asked, Asked::Connect)) {
            return Ok(());
        }
        let place = self.random.random_range(0..self.places.len());
        if !matches!(*self.around.phase.borrow(), Phase::Talk) {
            return self.settle(client).await;
        }
        let here = &self.places[place];
        let busy = here.joining || here.leaving;
        match self.random.random_range(0..100) {
            _ if busy => Ok(()),
            // Rejoining a subscribed room restarts from the last entry, like a recovery.
            0..3 => self.join(client, place).await,
            _ if here.stay.is_none() => self.join(client, place).await,
            3..6 if !here.owned && here.unanswered.is_empty() => {
                self.places[place].leaving = true;
                let args = json!({"room": self.places[place].room});
                self.ask(client, Asked::Leave { place }, "room.leave", args).await
            }
            6..8 => Err(Gone),
            8..14 if here.owned => self.govern(client, place).await,
            _ => {
                for _ in 0..self.random.random_range(1..6) {
                    self.post(client, place).await?;
                }
                Ok(())
            }
        }
    }

    /// Gets everything acknowledged and subscribes to every room.
    async fn settle(&mut self, client: &mut Client) -> Result<(), Gone> {
        for place in 0..self.places.len() {
            let here = &self.places[place];
            if here.stay.is_none() && !here.joining && !here.leaving {
                self.join(client, place).await?;
            }
        }
        let quiet = self.asked.is_empty() && self.places.iter().all(|place| place.unanswered.is_empty());
        if quiet && let Some(settled) = self.settled.take() {
            // The round may have been aborted.
            let _ = settled.send(());
        }
        Ok(())
    }

    /// Prints what the chatter is waiting for.
    async fn complain(&self) {
        let last = match self.around.phase.borrow().clone() {
            Phase::Finish(last) => last,
            Phase::Settle if self.settled.is_some() => HashMap::new(),
            _ => return,
        };
        for (id, asked) in &self.asked {
            println!("{} has no answer at {} to {asked:?} ({id})", self.account.name, self.address);
        }
        for Place { room, joining, leaving, caught_up, unanswered, stay, .. } in &self.places {
            let heard = stay.as_ref().map_or(0, |stay| stay.heard.last().map_or(stay.after, |(seq, _)| *seq));
            let last = last.get(room).copied().unwrap_or_default();
            if heard >= last && unanswered.is_empty() && stay.is_some() {
                continue;
            }
            println!(
                "{} waits at {}: {room} heard up to {heard} of {last}, caught up to {caught_up}, joining {joining}, leaving {leaving}, \
                 {} unanswered, {} asked",
                self.account.name,
                self.address,
                unanswered.len(),
                self.asked.len()
            );
            let log = database::entries(&self.around.database, room).await;
            let about_me =
                |entry: &&StoredEntry| entry.data.as_ref().is_some_and(|data| data.contains(&self.account.id));
            for entry in log.iter().rev().filter(about_me).take(4) {
                println!("  {} {} {}", entry.seq, entry.kind, entry.data.as_deref().unwrap_or_default());
            }
        }
    }

    fn has_heard_all(&mut self) -> bool {
        let Phase::Finish(last) = &*self.around.phase.borrow() else { return false };
        let heard = |stay: &Stay| stay.heard.last().map_or(stay.after, |(seq, _)| *seq) >= last[&stay.room];
        self.asked.is_empty() && self.places.iter().all(|place| place.stay.as_ref().is_some_and(heard))
    }

    async fn join(&mut self, client: &mut Client, place: usize) -> Result<(), Gone> {
        self.places[place].joining = true;
        let (room, since) = (&self.places[place].room, self.places[place].seen);
        let args = match since {
            Some(since) => json!({"room": room, "since": since}),
            None => json!({"room": room}),
        };
        self.ask(client, Asked::Join { place, since }, "room.join", args).await
    }

    async fn post(&mut self, client: &mut Client, place: usize) -> Result<(), Gone> {
        if self.places[place].unanswered.len() >= MAX_UNANSWERED_POSTS {
            return Ok(());
        }
        let attempt = self.notes.attempts.len();
        let by = self.account.name.clone();
        self.notes.attempts.push(Attempt {
            room: self.places[place].room.clone(),
            key: format!("{by} {attempt}"),
            body: format!("{by} says {}", self.random.random::<u64>()),
            by,
            acknowledged: Vec::new(),
            refused: false,
        });
        self.places[place].unanswered.push_back(attempt);
        self.send_post(client, place, attempt).await
    }

    async fn send_post(&mut self, client: &mut Client, place: usize, attempt: usize) -> Result<(), Gone> {
        let Attempt { room, key, body, .. } = &self.notes.attempts[attempt];
        let args = json!({"room": room, "body": body, "key": key});
        self.ask(client, Asked::Post { place, attempt }, "message.post", args).await
    }

    async fn govern(&mut self, client: &mut Client, place: usize) -> Result<(), Gone> {
        let room = &self.places[place].room;
        if self.random.random_bool(0.5) {
            let args = json!({"room": room, "topic": format!("topic {}", self.random.random::<u16>())});
            return self.ask(client, Asked::Govern, "room.update", args).await;
        }
        let whom = &self.others[self.random.random_range(0..self.others.len())];
        let args = json!({"room": room, "account": whom});
        self.ask(client, Asked::Govern, "member.kick", args).await
    }

    fn lose_connection(&mut self) {
        let finished = match &*self.around.phase.borrow() {
            Phase::Finish(last) => Some(last.clone()),
            _ => None,
        };
        for place in &mut self.places {
            (place.joining, place.leaving) = (false, false);
            let Some(mut stay) = place.stay.take() else { continue };
            stay.until = finished.as_ref().map_or(0, |last| last[&stay.room]);
            self.notes.stays.push(stay);
        }
        self.asked.clear();
    }
}
