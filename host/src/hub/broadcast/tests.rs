//! Tests of which entries are sent together, and when.

use super::*;
use crate::hub::Released;
use crate::hub::testing::{Scene, ann_subscribes, taken};
use crate::metrics::Metrics;

#[tokio::test]
async fn entries_queued_in_one_room_go_out_together() {
    let scene = ann_subscribes();
    assert_eq!(scene.release(0), Released::CaughtUp);
    let pending = [1, 2, 3].map(|seq| scene.pending(seq));
    let Scene { hub, room, connection, .. } = scene;
    let broadcaster = Broadcaster::start(&Arc::new(hub), &TaskTracker::new(), &Metrics::default());
    for pending in pending {
        // As the writer does it: a new `Arc<Room>` with each batch.
        broadcaster.broadcast(Arc::new(room.clone()), pending).await;
    }
    broadcaster.settle().await;
    assert_eq!(taken(&connection).await, [1, 3], "the first answer, then all of them");
}

#[tokio::test]
async fn delayed_room_is_broadcast_once_its_delay_is_over() {
    let scene = ann_subscribes();
    assert_eq!(scene.release(0), Released::CaughtUp);
    let pending = [1, 2].map(|seq| scene.pending(seq));
    let Scene { hub, room, connection, .. } = scene;
    assert_eq!(taken(&connection).await, [1], "the first answer");
    let mut worker = BroadcastWorker::new(Arc::new(hub), Metrics::default().histogram(DELIVERY_SECONDS, &[]));
    let room = Arc::new(room);
    // As if a broadcast had just taken long.
    let now = Instant::now();
    worker.delays.entry(room.id).or_default().record(now - Duration::from_secs(1), now, None);
    let (jobs, taking) = mpsc::channel(MAX_QUEUED_JOBS);
    let running = tokio::spawn(worker.run(taking));
    for pending in pending {
        jobs.send(Job::Broadcast(room.clone(), pending)).await.unwrap_or_else(|_| panic!("the worker has ended"));
    }
    assert_eq!(taken(&connection).await, [2]);
    drop(jobs);
    running.await.unwrap();
}

#[tokio::test]
async fn entries_before_a_room_change_are_broadcast_with_the_room_as_it_was() {
    let scene = ann_subscribes();
    assert_eq!(scene.release(0), Released::CaughtUp);
    let pending = [1, 2].map(|seq| scene.pending(seq));
    let Scene { hub, room, connection, .. } = scene;
    let renamed = Room { name: "well".into(), ..room.clone() };
    let mut worker = BroadcastWorker::new(Arc::new(hub), Metrics::default().histogram(DELIVERY_SECONDS, &[]));
    let now = Instant::now();
    worker.delays.entry(room.id).or_default().record(now - Duration::from_secs(1), now, None);
    for (room, pending) in [room, renamed].into_iter().zip(pending) {
        worker.add(Arc::new(room), pending);
    }
    worker.broadcast(|waiting| waiting.due.is_none()).await;
    assert!(worker.waiting.is_empty(), "neither waits any longer, so that neither overtakes the other");
    assert_eq!(taken(&connection).await, [1, 1, 1], "the first answer, then each by itself");
}
