//! Connects the clients of a scenario and joins them to their rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::timeout;
use url::Url;

use super::client::{Client, Who};
use super::report::Progress;
use super::{Nodes, Speech};

/// How many clients connect at a time.
const MAX_CONCURRENT_CONNECTS: usize = 50;
/// How many test messages are sent to check that all clients receive.
const MAX_CALLS: usize = 20;
/// How long a test message may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Clients by room.
pub(super) struct Crowd {
    pub(super) rooms: Vec<Vec<Client>>,
}

impl Crowd {
    pub(super) fn clients(&self) -> usize {
        self.rooms.iter().map(Vec::len).sum()
    }
}

/// A name that no other run uses.
pub(super) fn run_name() -> String {
    format!("bench-{:06x}", rand::random::<u32>() & 0xff_ffff)
}

/// Makes `count` items, several at a time, and shows the progress.
pub(super) async fn make<T, F: Future<Output = Result<T>>>(
    what: &str,
    count: usize,
    one: impl Fn(usize) -> F,
) -> Result<Vec<T>> {
    let progress = Arc::new(Progress::new());
    let made = AtomicUsize::new(0);
    let all = stream::iter(0..count).map(|index| {
        let making = one(index);
        let (made, progress) = (&made, &progress);
        async move {
            let done = making.await;
            progress.show(|| format!("{what}: {} of {count}", made.fetch_add(1, Ordering::Relaxed) + 1));
            done
        }
    });
    let all = all.buffered(MAX_CONCURRENT_CONNECTS).try_collect().await;
    progress.end();
    all
}

/// All clients in one new room.
pub(super) async fn fanout(nodes: &Nodes, speech: Speech, clients: usize) -> Result<Crowd> {
    let run = run_name();
    if speech == Speech::Native {
        let mut maker = Client::native(nodes.of(0), Who::Guest(&run)).await?;
        make_room(&mut maker, &run).await?;
    }
    let room = make("connecting", clients, |index| {
        let run = &run;
        async move { in_room(nodes.of(index), speech, &format!("{run}-{index}"), run).await }
    });
    let mut room = room.await?;
    gather(&mut room).await?;
    Ok(Crowd { rooms: vec![room] })
}

/// Waits until all clients have received the same test message: by then all have read the events of later joins, and every client
/// is subscribed.
pub(super) async fn gather(room: &mut [Client]) -> Result<()> {
    const CALL: &str = "is everybody here?";
    for _ in 0..MAX_CALLS {
        let Some(first) = room.first_mut() else { return Ok(()) };
        first.post(0, CALL).await?;
        let hearing = room.iter_mut().map(|client| timeout(CALL_TIMEOUT, client.wait_for(CALL)));
        if let Ok(heard) = try_join_all(hearing).await {
            return heard.into_iter().collect();
        }
    }
    bail!("not all clients receive messages, after {MAX_CALLS} tries")
}

/// The same number of guests in each room.
pub(super) async fn rooms(nodes: &Nodes, speech: Speech, rooms: usize, members: usize) -> Result<Crowd> {
    let run = run_name();
    match speech {
        Speech::Native => {
            let mut maker = Client::native(nodes.of(0), Who::Guest(&run)).await?;
            for room in 0..rooms {
                make_room(&mut maker, &format!("{run}-{room}")).await?;
            }
        }
        Speech::SocketIo => bail!("--speech socket-io: its server has one room for all; wanted native, plain or xmpp"),
        Speech::Plain | Speech::Xmpp => {}
    }
    let mut clients = make("connecting", rooms * members, |index| {
        let (name, room) = (format!("{run}-{index}"), format!("{run}-{}", index / members));
        let mut url = nodes.of(index).clone();
        if speech == Speech::Plain {
            url.set_path(&room);
        }
        async move { in_room(&url, speech, &name, &room).await }
    })
    .await?
    .into_iter();
    Ok(Crowd { rooms: (0..rooms).map(|_| clients.by_ref().take(members).collect()).collect() })
}

/// Two accounts in each direct room, on different nodes if there are several.
pub(super) async fn direct(nodes: &Nodes, pairs: usize) -> Result<Crowd> {
    let run = run_name();
    let accounts = make("signing up", pairs * 2, |index| {
        let name = format!("{run}-{index}");
        async move { sign_up(nodes.of(index), &name).await }
    })
    .await?;
    let accounts = &accounts;
    let rooms = make("connecting", pairs, |pair| async move {
        let (one, other) = (&accounts[pair * 2], &accounts[pair * 2 + 1]);
        let mut first = Client::native(nodes.of(pair), Who::Token(&one.token)).await?;
        let opened = first.call("direct.open", json!({"account": other.id})).await?;
        let room = opened["room"]["uid"].as_str().context("a direct room has no uid")?;
        let mut second = Client::native(nodes.of(pair + 1), Who::Token(&other.token)).await?;
        first.join(room, None).await?;
        second.join(room, None).await?;
        Ok(vec![first, second])
    });
    Ok(Crowd { rooms: rooms.await? })
}

/// A client in a room, which has to exist in protocols where rooms are created.
async fn in_room(url: &Url, speech: Speech, name: &str, room: &str) -> Result<Client> {
    match speech {
        Speech::Native => {
            let mut client = Client::native(url, Who::Guest(name)).await?;
            client.join(room, None).await?;
            Ok(client)
        }
        Speech::Plain => Client::plain(url).await,
        Speech::SocketIo => Client::socket_io(url, "").await,
        Speech::Xmpp => Client::xmpp_in(url, room, name).await,
    }
}

/// The answer to `room.create`.
pub(super) async fn make_room(maker: &mut Client, name: &str) -> Result<Value> {
    let made = maker.call("room.create", json!({"name": name, "visibility": "public"})).await;
    made.context("a room is needed, which the plugin `groups` creates")
}

pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) token: String,
}

pub(super) const PASSWORD: &str = "the bench's own";

pub(super) async fn sign_up(url: &Url, name: &str) -> Result<Account> {
    let body = json!({"username": name, "password": PASSWORD});
    let answer = post(&reqwest::Client::new(), url, "/api/auth/signup", &body).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| anyhow!("an unknown answer: {answer}"));
    Ok(Account { id: text(&answer["user"]["id"])?, name: name.to_owned(), token: text(&answer["token"])? })
}

/// Sends a REST request; a refusal is an error with its reason.
pub(super) async fn post(client: &reqwest::Client, url: &Url, path: &str, body: &Value) -> Result<Value> {
    let mut url = url.clone();
    // `ws` and `http` are both special, so this cannot fail.
    let _ = url.set_scheme("http");
    url.set_path(path);
    let response = client.post(url).json(body).send().await.with_context(|| format!("{path} was not answered"))?;
    let status = response.status();
    let answer: Value = response.json().await.with_context(|| format!("{path}: the answer is not JSON"))?;
    if !status.is_success() {
        bail!("{path}: {} ({status})", answer["error"]["message"].as_str().unwrap_or("refused"));
    }
    Ok(answer)
}
