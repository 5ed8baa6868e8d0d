//! Storing posts, each acknowledged once it is durable: many waiting together, and one after the other.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::future::join_all;
use natterjack::database::{Database, Options};
use natterjack::hub::Hub;
use natterjack::messages::Writer;
use natterjack::metrics::Metrics;
use natterjack::protocol::{Actor, Change, ConnectionId, Guest, NewPost, NewRoom, RoomId, RoomQuota, Unit, Visibility};
use natterjack::room_cache::RoomCache;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::scene;

pub(crate) fn posts(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let url = format!("sqlite:{}", folder.path().join("bench.db").display());
    let (writer, room) = runtime.block_on(writer(url));
    let mut group = bench.benchmark_group("store posts");
    // With 1, each post is a transaction of its own.
    for waiting in [1, 200] {
        group.throughput(Throughput::Elements(waiting as u64));
        group.bench_function(BenchmarkId::new("waiting together", waiting), |bencher| {
            bencher.to_async(&runtime).iter(|| join_all((0..waiting).map(|_| post(&writer, room))));
        });
    }
    group.finish();
}

async fn writer(url: String) -> (Writer, RoomId) {
    let database = Database::open(&Options { url, full_sync: true, readers: 1 }).await.unwrap();
    let (hub, known) = (Arc::new(Hub::default()), Arc::new(RoomCache::default()));
    let writer =
        Writer::start(database, hub, known, &TaskTracker::new(), CancellationToken::new(), &Metrics::default());
    let room = RoomId::new();
    let pond = NewRoom {
        id: room,
        code: "ABCDE".to_owned(),
        name: "pond".to_owned(),
        visibility: Visibility::Public,
        topic: String::new(),
        member_limit: None,
        owner: None,
        quota: RoomQuota::Unlimited,
    };
    writer.commit(Unit::new(Actor::Server, vec![Change::CreateRoom(pond)])).await.unwrap();
    (writer, room)
}

async fn post(writer: &Writer, room: RoomId) {
    let (done, stored) = oneshot::channel();
    let guest = Actor::Guest(Guest { id: ConnectionId::new(), name: "guest".into() });
    let post = NewPost { room, by: guest, from: None, on_behalf_of: None, post: scene::post() };
    let done = Box::new(move |outcome: Result<_, natterjack::error::Error>| {
        let _ = done.send(outcome.is_ok());
        None
    });
    writer.post(post, None, done).await;
    assert!(stored.await.unwrap(), "it is stored");
}
