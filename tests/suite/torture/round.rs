//! One round: injects faults while clients chat, then collects what was sent, received and stored.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::chatter::{Chatter, Phase, Shared, Tally};
use super::history::{Fault, History, Log, What, faults};
use super::stage::Stage;
use crate::harness::{Account, PATIENCE, Server, database};

const CHATTERS: usize = 8;
const ROOMS: usize = 3;
const PAGE: u64 = 200;

/// The result of a round.
pub(super) struct Report {
    seed: u64,
    tally: Arc<Tally>,
    entries: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) surprises: Vec<String>,
}

impl Report {
    pub(super) fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.surprises.is_empty()
    }

    pub(super) fn kills(&self) -> u64 {
        self.tally.kills.load(Ordering::Relaxed)
    }

    pub(super) fn outages(&self) -> u64 {
        self.tally.outages.load(Ordering::Relaxed)
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.tally.acknowledged.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { kills, stops, outages, acknowledged, heard, connections } = &*self.tally;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (kills, stops, outages, connections) = (count(kills), count(stops), count(outages), count(connections));
        let (acknowledged, heard, entries) = (count(acknowledged), count(heard), self.entries);
        write!(
            f,
            "seed {}: {kills} kills, {stops} stops, {outages} outages, {connections} connections, {entries} entries, \
             {acknowledged} posts acknowledged, {heard} entries heard",
            self.seed
        )?;
        for fault in self.faults.iter().take(20) {
            write!(f, "\n  fault: {fault}")?;
        }
        for surprise in self.surprises.iter().take(20) {
            write!(f, "\n  surprise: {surprise}")?;
        }
        if !self.is_clean() {
            write!(f, "\n  {} faults, {} surprises in all", self.faults.len(), self.surprises.len())?;
        }
        Ok(())
    }
}

/// Runs one round, whose randomness follows from the seed.
pub(super) async fn round(mut stage: Stage, seed: u64, lasting: Duration) -> Report {
    let (accounts, rooms) = people(stage.node()).await;

    let tally = Arc::new(Tally::default());
    let (addresses, nodes_now) = watch::channel(stage.addresses());
    let (phase, phase_now) = watch::channel(Phase::Talk);
    let url = stage.node().setup().database_url();
    let around = Shared { nodes: nodes_now, phase: phase_now, tally: tally.clone(), database: url.as_str().into() };
    let (mut chatters, mut settled) = (JoinSet::new(), Vec::new());
    for (i, account) in accounts.iter().enumerate() {
        let others = accounts.iter().filter(|other| other.id != account.id).map(|other| other.id.clone()).collect();
        let places = rooms.iter().enumerate().map(|(n, room)| (room.clone(), n == i)).collect();
        let (done, heard) = oneshot::channel();
        settled.push(heard);
        let chatter = Chatter::new(account.clone(), others, places, seed ^ (i as u64 + 1), around.clone(), done);
        chatters.spawn(chatter.run());
    }

    stage.torment(&addresses, seed, lasting, &tally).await;

    phase.send_replace(Phase::Settle);
    for settled in settled {
        let Ok(settled) = timeout(2 * PATIENCE, settled).await else {
            panic!("everything is acknowledged in the end; meanwhile:\n{}", stage.troubles().join("\n"));
        };
        settled.expect("a chatter lives");
    }
    let mut last = HashMap::new();
    for room in &rooms {
        last.insert(room.clone(), database::last_seq(&url, room).await);
    }
    phase.send_replace(Phase::Finish(last));
    let mut history = History::default();
    let mut surprises = Vec::new();
    let hearing = async {
        while let Some(notes) = chatters.join_next().await {
            let notes = notes.expect("a chatter lives");
            history.attempts.extend(notes.attempts);
            history.stays.extend(notes.stays);
            history.strays.extend(notes.strays);
            surprises.extend(notes.surprises);
        }
    };
    if timeout(PATIENCE, hearing).await.is_err() {
        surprises.push("not everybody heard the end of every room".to_owned());
        surprises.extend(stage.troubles());
    }
    history.logs = logs(stage.node(), &accounts[0], &rooms).await;
    surprises.extend(stage.who_is_left(&accounts).await);
    let entries = history.logs.values().map(|log| log.last_seq).sum();
    Report { seed, tally, entries, faults: faults(&history), surprises }
}

/// Creates accounts, and a room for each of the first ones.
async fn people(server: &Server) -> (Vec<Account>, Vec<String>) {
    let (mut accounts, mut rooms) = (Vec::new(), Vec::new());
    for i in 0..CHATTERS {
        let account = server.sign_up(&format!("chatter-{i}")).await;
        if i < ROOMS {
            let mut owner = server.log_in(&account).await;
            let created = owner.call("room.create", json!({"name": format!("room {i}")})).await.expect("a room");
            rooms.push(created["room"]["uid"].as_str().expect("a uid").to_owned());
        }
        accounts.push(account);
    }
    (accounts, rooms)
}

/// The rooms' logs at the end, as stored and as history returns them.
async fn logs(server: &Server, reader: &Account, rooms: &[String]) -> BTreeMap<String, Log> {
    let mut reader = server.log_in(reader).await;
    let url = server.setup().database_url();
    let mut logs = BTreeMap::new();
    for room in rooms {
        let mut pages = Vec::new();
        let mut after = 0;
        loop {
            let args = json!({"room": room, "after": after, "limit": PAGE});
            let page = reader.call("room.history", args).await.expect("a page");
            let messages = page["messages"].as_array().expect("messages");
            pages.extend(messages.iter().map(|message| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (by, key) = (text(&message["from"]["name"]), text(&message["key"]));
                let seq = message["seq"].as_u64().expect("a number");
                (seq, What::Posted { by, key, body: text(&message["body"]) })
            }));
            match (pages.last(), page["more"] == true) {
                (Some((seq, _)), true) => after = *seq,
                _ => break,
            }
        }
        let stored = database::entries(&url, room).await;
        let entries = stored.into_iter().map(|entry| (entry.seq, what(entry))).collect();
        logs.insert(room.clone(), Log { last_seq: database::last_seq(&url, room).await, entries, pages });
    }
    logs
}

/// The content of a stored entry.
fn what(entry: database::StoredEntry) -> What {
    let data: Value = serde_json::from_str(&entry.data.unwrap_or_default()).unwrap_or_default();
    let whom = || data["whom"]["name"].as_str().unwrap_or_default().to_owned();
    match &*entry.kind {
        "message.posted" => What::Posted {
            by: entry.author.unwrap_or_default(),
            key: entry.key.unwrap_or_default(),
            body: entry.body.unwrap_or_default(),
        },
        "member.added" => What::Added { whom: whom() },
        "member.removed" => What::Removed { whom: whom() },
        other => What::Other(format!("{other} {}", data["topic"])),
    }
}
