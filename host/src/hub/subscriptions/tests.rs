//! Tests of subscribers that are catching up.

use std::collections::VecDeque;

use super::*;
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::hub::testing::{ann_subscribes, topic};
use crate::hub::{Frame, Outbox};
use crate::protocol::Actor;
use crate::protocol::{MemberRef, Removal};

#[tokio::test]
async fn held_events_follow_catch_up_without_duplicates() {
    let scene = ann_subscribes();
    scene.broadcast(7, topic());
    scene.broadcast(8, topic());
    assert_eq!(scene.release(7), Released::CaughtUp);
    scene.broadcast(9, topic());
    let mut frames = VecDeque::new();
    scene.connection.outbox.take(&mut frames).await;
    let mut texts = frames.into_iter().flat_map(|frame| match frame {
        Frame::Text(packet) => packet.texts(),
        other => panic!("{other:?}"),
    });
    assert_eq!(texts.next().as_deref(), Some("first"));
    let seqs = texts.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap()["seq"].as_u64().unwrap());
    assert_eq!(seqs.collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn member_kicked_while_catching_up_is_gone_on_release() {
    let scene = ann_subscribes();
    let whom = MemberRef { id: scene.ann.id, name: scene.ann.name.clone() };
    scene.broadcast(7, EntryPayload::MemberRemoved { whom, why: Removal::Kicked, reason: None });
    assert_eq!(scene.release(6), Released::Gone);
}

#[test]
fn room_deleted_while_catching_up_is_gone_on_release() {
    let scene = ann_subscribes();
    scene.broadcast(7, EntryPayload::RoomDeleted { was: Box::new(scene.room.clone()) });
    assert_eq!(scene.release(6), Released::Gone);
}

#[tokio::test]
async fn subscriber_with_too_many_held_events_is_behind() {
    let scene = ann_subscribes();
    for seq in 1..=MAX_HELD_EVENTS as u64 + 1 {
        scene.broadcast(seq, topic());
    }
    assert_eq!(scene.release(0), Released::Behind);
    let last = MAX_HELD_EVENTS as u64 + 1;
    scene.broadcast(last + 1, topic());
    assert_eq!(scene.release(last), Released::CaughtUp);
    let mut frames = VecDeque::new();
    scene.connection.outbox.take(&mut frames).await;
    // `first` twice, and the only event that is newer than what was read.
    assert_eq!(frames.len(), 3);
}

#[test]
fn subscribers_are_listed_in_order_of_subscription() {
    let early = ConnectionId::new();
    let scene = ann_subscribes();
    let (outbox, guest) = (Arc::new(Outbox::new(&Limits::default())), Guest { id: early, name: "bob".into() });
    let bob = Arc::new(Connection::new(Dialect::Rooms, outbox, Actor::Guest(guest), early, None));
    scene.hub.connect(&bob);
    scene.hub.subscribe(&scene.room, &bob, None).unwrap();
    let names = scene.hub.subscribers(scene.room.id).into_iter().map(|who| who.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["ann", "bob"]);
}

/// Broadcasts that Ann leaves the room and, if `comes_back`, joins again.
fn removes_ann(scene: &crate::hub::testing::Scene, seq: u64, comes_back: bool) {
    let whom = || MemberRef { id: scene.ann.id, name: scene.ann.name.clone() };
    scene.broadcast(seq, EntryPayload::MemberRemoved { whom: whom(), why: Removal::Left, reason: None });
    if comes_back {
        scene.broadcast(seq + 1, EntryPayload::MemberAdded { whom: whom(), role: crate::protocol::Role::Member });
    }
}

#[test]
fn member_who_rejoined_before_late_leave_entry_stays_subscribed() {
    let scene = ann_subscribes();
    scene.hub.link(Arc::new(crate::hub::link::Link::new().0));
    scene.hub.open(scene.room.id, 3);
    // She left with 4 and rejoined with 5; the log ends there, and this node has broadcast up to 3.
    assert_eq!(scene.release(5), Released::CaughtUp);
    removes_ann(&scene, 4, true);
    assert!(scene.hub.is_subscribed(scene.room.id, scene.connection.id));
    scene.broadcast(6, topic());
    assert!(scene.hub.is_subscribed(scene.room.id, scene.connection.id));
}

#[test]
fn removal_older_than_catch_up_does_not_evict() {
    for (removed_at, released) in [(5, Released::CaughtUp), (6, Released::Gone)] {
        let scene = ann_subscribes();
        removes_ann(&scene, removed_at, false);
        assert_eq!(scene.release(5), released);
    }
}
