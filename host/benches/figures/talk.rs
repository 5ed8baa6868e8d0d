//! People who talk: at a fixed rate, whatever the server does, each post timed from the moment that it was to be sent.

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
/// Two in each room, who hear each other.
const TALKERS: usize = 10;
/// Each of them: 1,000 posts a second together.
const PERIOD: Duration = Duration::from_millis(10);
/// What has not come by then does not come.
const LATEST: Duration = Duration::from_secs(5);
/// Ids below this are those of the beginning.
const FIRST_ID: u64 = 10;

/// What came of it.
#[derive(Default)]
pub(crate) struct Evening {
    pub(crate) times: Vec<Duration>,
    pub(crate) sent: usize,
    pub(crate) refused: usize,
    /// Posts without an answer, and acknowledged ones that somebody in the room never heard.
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) closed: usize,
}

impl Evening {
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

/// A guest's connection.
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

/// What one of them has seen.
struct Seen {
    room: usize,
    sent: usize,
    times: Vec<Duration>,
    refused: usize,
    /// The bodies that were acknowledged, and how often each that was heard was.
    acknowledged: Vec<String>,
    heard: HashMap<String, usize>,
    closed: bool,
}

/// Talks until `stop`.
pub(crate) async fn talk(address: &str, stop: CancellationToken) -> Evening {
    let ready = Arc::new(Barrier::new(TALKERS));
    let talkers: Vec<_> =
        (0..TALKERS).map(|n| tokio::spawn(talker(address.to_owned(), n, ready.clone(), stop.clone()))).collect();
    let mut all = Vec::new();
    for talker in talkers {
        all.push(talker.await.unwrap());
    }
    let mut evening = Evening::default();
    for seen in &all {
        evening.times.extend(&seen.times);
        evening.sent += seen.sent;
        evening.refused += seen.refused;
        evening.closed += usize::from(seen.closed);
        evening.lost += seen.sent - seen.refused - seen.acknowledged.len();
        evening.doubled += seen.heard.values().filter(|times| **times > 1).count();
        let said = all.iter().filter(|other| other.room == seen.room).flat_map(|other| &other.acknowledged);
        evening.lost += said.filter(|body| !seen.heard.contains_key(*body)).count();
    }
    evening
}

async fn talker(address: String, n: usize, ready: Arc<Barrier>, stop: CancellationToken) -> Seen {
    let room = n % ROOMS;
    let mut socket = guest(&address, &format!("guest{n}")).await;
    ask(&mut socket, 1, "room.join", &format!(r#"{{"room":"r{room}"}}"#)).await;
    ready.wait().await;
    let (mut sink, mut stream) = socket.split();
    // Spread over the period, as people are.
    let began = Instant::now() + PERIOD * u32::try_from(n).unwrap() / u32::try_from(TALKERS).unwrap();
    let due = |post: usize| began + PERIOD * u32::try_from(post).unwrap();
    let (told, mut sent_all) = tokio::sync::oneshot::channel();
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
        let _ = told.send(sent);
        sink
    };
    let listen = async {
        let mut seen = Seen {
            room,
            sent: 0,
            times: Vec::new(),
            refused: 0,
            acknowledged: Vec::new(),
            heard: HashMap::new(),
            closed: false,
        };
        let mut done = false;
        loop {
            let message = tokio::select! {
                sent = &mut sent_all, if !done => {
                    (seen.sent, done) = (sent.unwrap(), true);
                    continue;
                }
                message = timeout(LATEST, stream.next()) => message,
            };
            let text = match message {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Err(_) if done => return seen,
                Err(_) => continue,
                Ok(_) => {
                    seen.closed = true;
                    seen.sent = if done { seen.sent } else { sent_all.await.unwrap() };
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
                    *seen.heard.entry(body).or_default() += 1;
                }
                _ => {}
            }
        }
    };
    let (_open, seen) = tokio::join!(send, listen);
    seen
}
