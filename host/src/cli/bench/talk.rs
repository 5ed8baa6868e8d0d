//! Scenarios with messages. In a closed loop the next message waits for the previous one; in an open loop messages are sent at a
//! fixed rate.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::{Client, Heard};
use super::crowd::Crowd;
use super::marker::Marker;
use super::report::{Progress, Report};
use super::tally::{Faults, Order, Times};
use super::usage::Usage;
use super::{Common, Load};

/// How long to wait without progress for the last messages.
const STRAGGLER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client waits after a refused message.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);
/// How often progress is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// State that all clients of a run share.
struct Run {
    start: Instant,
    /// The start and end of the measurement.
    window: [Duration; 2],
    size: usize,
    /// By client.
    sent: Vec<AtomicU32>,
    delivered: AtomicU64,
    refused: AtomicU64,
    over: CancellationToken,
}

impl Run {
    fn counts(&self, due: Duration) -> bool {
        (self.window[0]..self.window[1]).contains(&due)
    }
}

/// How a client schedules its messages.
#[derive(Clone, Copy)]
enum Pace {
    Listens,
    /// Closed loop, with this many messages in flight.
    Closed(u32),
    /// Open loop: the first message at `first`, further ones at an interval.
    Open {
        first: Duration,
        every: Duration,
    },
}

struct Member {
    run: Arc<Run>,
    client: Client,
    index: u32,
    /// The index of the first client of its room, to which senders are relative.
    room_start: u32,
    orders: Vec<Order>,
    pace: Pace,
    next_due: Option<Instant>,
    unanswered: HashMap<u32, Duration>,
    faults: Faults,
    times: Times,
    acks: Times,
}

pub(super) async fn run(scenario: &'static str, crowd: Crowd, load: &Load, common: &Common) -> Result<Report> {
    let (clients, members) = (crowd.clients(), crowd.rooms.first().map_or(0, Vec::len));
    if clients == 0 {
        bail!("no clients: wanted at least one");
    }
    if load.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        bail!("--rate: wanted a number of messages a second above 0");
    }
    let run = Arc::new(Run {
        start: Instant::now(),
        window: [common.warm_up, common.warm_up + common.time],
        size: load.size,
        sent: (0..clients).map(|_| AtomicU32::new(0)).collect(),
        delivered: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        over: CancellationToken::new(),
    });
    let mut tasks = JoinSet::new();
    let mut index = 0;
    for room in crowd.rooms {
        let (room_start, size) = (index, room.len());
        for client in room {
            let orders = vec![Order::default(); size];
            let pace = pace(load, (index - room_start) as usize, size, index as usize, clients);
            let member = Member {
                run: run.clone(),
                client,
                index,
                room_start,
                orders,
                pace,
                next_due: None,
                unanswered: HashMap::new(),
                faults: Faults::default(),
                times: Times::default(),
                acks: Times::default(),
            };
            tasks.spawn(member.take_part());
            index += 1;
        }
    }
    let [from, to] = run.window;
    sleep_until(run.start + from).await;
    let (usage_before, delivered_before, sent_before) = (Usage::of(&common.pid)?, delivered(&run), sent(&run));
    let progress = Progress::new();
    while run.start.elapsed() < to {
        sleep(POLL_INTERVAL).await;
        let left = to.saturating_sub(run.start.elapsed());
        let so_far = (delivered(&run) - delivered_before) as f64 / (run.start.elapsed() - from).as_secs_f64();
        progress.show(|| format!("{scenario}: {so_far:.0} deliveries a second, {:.0} s to go", left.as_secs_f64()));
    }
    let (usage_after, delivered_after, sent_after) = (Usage::of(&common.pid)?, delivered(&run), sent(&run));
    progress.end();
    wait_for_stragglers(&run, members as u64).await;
    run.over.cancel();

    let mut report = Report::new(scenario, clients, common.time);
    let (mut times, mut acks) = (Times::default(), Times::default());
    while let Some(ended) = tasks.join_next().await {
        let member = ended?;
        times.merge(&member.times);
        acks.merge(&member.acks);
        report.faults.merge(member.faults);
    }
    // Refused messages are not lost.
    report.faults.lost = report.faults.lost.saturating_sub(report.faults.refused * members as u64);
    report.sent = Some(sent_after - sent_before);
    report.deliveries = Some(delivered_after - delivered_before);
    report.times = vec![("delivery", times), ("ack", acks)];
    report.cpu(usage_before, usage_after);
    report.memory(usage_before, usage_after);
    Ok(report)
}

fn delivered(run: &Run) -> u64 {
    run.delivered.load(Relaxed)
}

fn sent(run: &Run) -> u64 {
    run.sent.iter().map(|sent| u64::from(sent.load(Relaxed))).sum()
}

/// Waits until all messages are delivered, or there is no more progress.
async fn wait_for_stragglers(run: &Run, members: u64) {
    let (mut had, mut since) = (delivered(run), Instant::now());
    while had < (sent(run) - run.refused.load(Relaxed).min(sent(run))) * members && since.elapsed() < STRAGGLER_TIMEOUT
    {
        sleep(POLL_INTERVAL).await;
        let now = delivered(run);
        if now != had {
            (had, since) = (now, Instant::now());
        }
    }
}

fn pace(load: &Load, in_room: usize, room: usize, index: usize, clients: usize) -> Pace {
    match load.rate {
        // All clients send in turn.
        Some(rate) => Pace::Open {
            first: Duration::from_secs_f64(index as f64 / rate),
            every: Duration::from_secs_f64(clients as f64 / rate),
        },
        None => {
            let (slots, room, place) = (load.in_flight as usize, room.max(1), in_room);
            match slots / room + usize::from(place < slots % room) {
                0 => Pace::Listens,
                slots => Pace::Closed(u32::try_from(slots).unwrap_or(u32::MAX)),
            }
        }
    }
}

impl Member {
    async fn take_part(mut self) -> Self {
        if let Pace::Open { first, .. } = self.pace {
            self.next_due = Some(self.run.start + first);
        }
        if let Pace::Closed(slots) = self.pace {
            for _ in 0..slots {
                self.send(self.run.start.elapsed()).await;
            }
        }
        let run = self.run.clone();
        let mut over = pin!(run.over.cancelled());
        loop {
            let due = self.next_due;
            tokio::select! {
                heard = self.client.hear() => match heard {
                    Heard::Text(frame) => self.on_frame(&frame).await,
                    Heard::Closed(why) => {
                        self.faults.closed += 1;
                        self.faults.first.get_or_insert(why);
                        break;
                    }
                },
                () = sleep_until(due.unwrap_or(run.start)), if due.is_some() => self.on_time().await,
                () = &mut over => break,
            }
        }
        for (place, order) in self.orders.iter().enumerate() {
            let sent = self.run.sent[self.room_start as usize + place].load(Relaxed);
            order.end(sent, &mut self.faults);
        }
        self
    }

    async fn on_frame(&mut self, frame: &str) {
        let now = self.run.start.elapsed();
        let Some(marker) = Marker::find(frame) else { return self.on_answer(frame, now) };
        let Some(order) =
            marker.sender.checked_sub(self.room_start).and_then(|place| self.orders.get_mut(place as usize))
        else {
            return self.faults.refuse("received a message of another room");
        };
        order.had(marker.number, &mut self.faults);
        self.run.delivered.fetch_add(1, Relaxed);
        if self.run.counts(marker.due) {
            self.times.add(now.saturating_sub(marker.due));
        }
        if marker.sender == self.index && matches!(self.pace, Pace::Closed(_)) {
            self.send(now).await;
        }
    }

    /// Handles the answer to a post; ignores other frames.
    fn on_answer(&mut self, frame: &str, now: Duration) {
        let Ok(answer) = serde_json::from_str::<Value>(frame) else { return };
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        if let Some(message) = answer["error"]["message"].as_str() {
            self.faults.refuse(message);
            self.run.refused.fetch_add(1, Relaxed);
            if matches!(self.pace, Pace::Closed(_)) {
                self.next_due = Some(Instant::now() + REFUSAL_DELAY);
            }
        }
        if let Some(due) = id.and_then(|id| self.unanswered.remove(&id))
            && answer.get("ok").is_some()
            && self.run.counts(due)
        {
            self.acks.add(now.saturating_sub(due));
        }
    }

    async fn on_time(&mut self) {
        match (self.next_due, self.pace) {
            (Some(due), Pace::Open { every, .. }) if due <= Instant::now() => {
                self.next_due = Some(due + every);
                self.send(due.duration_since(self.run.start)).await;
            }
            (Some(due), Pace::Closed(_)) if due <= Instant::now() => {
                self.next_due = None;
                self.send(self.run.start.elapsed()).await;
            }
            _ => {}
        }
    }

    /// Sends a message that was due at this time, unless the run is over.
    async fn send(&mut self, due: Duration) {
        if due >= self.run.window[1] {
            self.next_due = None;
            return;
        }
        let number = self.run.sent[self.index as usize].fetch_add(1, Relaxed);
        let text = Marker { sender: self.index, number, due }.text(self.run.size);
        // Id 0 is used by `Client::call`.
        self.unanswered.insert(number + 1, due);
        if let Err(error) = self.client.post(number + 1, &text).await {
            self.faults.refuse(&error.to_string());
        }
    }
}
