//! Load of chatting clients: posts at a fixed rate (open loop), each timed from the moment at which it was due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use super::table::percentile;

pub(crate) const ROOMS: usize = 5;
/// Two in each room, who receive each other's posts.
const TALKERS: usize = 10;
/// Of each client: together 1,000 posts a second.
const POST_INTERVAL: Duration = Duration::from_millis(10);
/// A frame that has not come by then counts as lost.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Lower ids are those of the setup.
const FIRST_ID: u64 = 10;

/// Totals of all clients.
#[derive(Default)]
pub(crate) struct LoadResult {
    pub(crate) times: Vec<Duration>,
    pub(crate) sent: usize,
    pub(crate) refused: usize,
    /// Posts without an answer, and acknowledged ones that a client in the room never received.
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) closed: usize,
}

impl LoadResult {
    pub(crate) fn p99(&mut self) -> Duration {
        percentile(&mut self.times, 0.99)
    }

    pub(crate) fn p50(&mut self) -> Duration {
        percentile(&mut self.times, 0.5)
    }
}

#[derive(Deserialize)]
struct Frame {
    id: Option<u64>,
    error: Option<IgnoredAny>,
    event: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    body: Option<String>,
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects as a guest.
pub(crate) async fn guest(address: &str, name: &str) -> Socket {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws/native")).await.unwrap();
    ask(&mut socket, 0, "connect", &format!(r#"{{"guest":"{name}"}}"#)).await;
    socket
}

/// Sends a command and waits for its answer.
pub(crate) async fn ask(socket: &mut Socket, id: u64, op: &str, args: &str) -> String {
    socket.send(Message::text(format!(r#"{{"id":{id},"op":"{op}","args":{args}}}"#))).await.unwrap();
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap()
            && serde_json::from_str::<Frame>(&text).unwrap().id == Some(id)
        {
            return text.to_string();
        }
    }
}

/// Results of one client.
struct Seen {
    room: usize,
    sent: usize,
    times: Vec<Duration>,
    refused: usize,
    /// Acknowledged bodies, and how often each received one was received.
    acknowledged: Vec<String>,
    received: HashMap<String, usize>,
    closed: bool,
}

/// Posts until `stop`.
pub(crate) async fn talk(address: &str, stop: CancellationToken) -> LoadResult {
    let ready = Arc::new(Barrier::new(TALKERS));
    let talkers: Vec<_> =
        (0..TALKERS).map(|n| tokio::spawn(talker(address.to_owned(), n, ready.clone(), stop.clone()))).collect();
    let mut all = Vec::new();
    for talker in talkers {
        all.push(talker.await.unwrap());
    }
    let mut result = LoadResult::default();
    for seen in &all {
        result.times.extend(&seen.times);
        result.sent += seen.sent;
        result.refused += seen.refused;
        result.closed += usize::from(seen.closed);
        result.lost += seen.sent - seen.refused - seen.acknowledged.len();
        result.doubled += seen.received.values().filter(|times| **times > 1).count();
        let posted = all.iter().filter(|other| other.room == seen.room).flat_map(|other| &other.acknowledged);
        result.lost += posted.filter(|body| !seen.received.contains_key(*body)).count();
    }
    result
}

async fn talker(address: String, n: usize, ready: Arc<Barrier>, stop: CancellationToken) -> Seen {
    let room = n % ROOMS;
    let mut socket = guest(&address, &format!("guest{n}")).await;
    ask(&mut socket, 1, "room.join", &format!(r#"{{"room":"r{room}"}}"#)).await;
    ready.wait().await;
    let (mut sink, mut stream) = socket.split();
    // Clients are spread over the interval.
    let began = Instant::now() + POST_INTERVAL * u32::try_from(n).unwrap() / u32::try_from(TALKERS).unwrap();
    let due = |post: usize| began + POST_INTERVAL * u32::try_from(post).unwrap();
    let (count, mut sent_count) = tokio::sync::oneshot::channel();
    let send = async move {
        let mut sent = 0;
        while !stop.is_cancelled() {
            sleep_until(due(sent)).await;
            let id = FIRST_ID + sent as u64;
            let text = format!(r#"{{"id":{id},"op":"message.post","args":{{"room":"r{room}","body":"{n}-{sent}"}}}}"#);
            if sink.send(Message::text(text)).await.is_err() {
                break;
            }
            sent += 1;
        }
        let _ = count.send(sent);
        sink
    };
    let receive = async {
        let mut seen = Seen {
            room,
            sent: 0,
            times: Vec::new(),
            refused: 0,
            acknowledged: Vec::new(),
            received: HashMap::new(),
            closed: false,
        };
        let mut done = false;
        loop {
            let message = tokio::select! {
                sent = &mut sent_count, if !done => {
                    (seen.sent, done) = (sent.unwrap(), true);
                    continue;
                }
                message = timeout(RECEIVE_TIMEOUT, stream.next()) => message,
            };
            let text = match message {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Err(_) if done => return seen,
                Err(_) => continue,
                Ok(_) => {
                    seen.closed = true;
                    seen.sent = if done { seen.sent } else { sent_count.await.unwrap() };
                    return seen;
                }
            };
            let frame: Frame = serde_json::from_str(&text).unwrap();
            match (frame.id.and_then(|id| id.checked_sub(FIRST_ID)), frame.event.as_deref()) {
                (Some(_), _) if frame.error.is_some() => seen.refused += 1,
                (Some(post), _) => {
                    let post = usize::try_from(post).unwrap();
                    seen.times.push(due(post).elapsed());
                    seen.acknowledged.push(format!("{n}-{post}"));
                }
                (None, Some("message.posted")) => {
                    let body = frame.data.and_then(|data| data.body).unwrap();
                    *seen.received.entry(body).or_default() += 1;
                }
                _ => {}
            }
        }
    };
    let (_open, seen) = tokio::join!(send, receive);
    seen
}
