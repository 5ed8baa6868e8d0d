//! What becomes of a connection that is still catching up.

use std::collections::VecDeque;

use super::*;
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::hub::testing::{ann_comes_in, topic};
use crate::hub::{Frame, Outbox};
use crate::protocol::Actor;
use crate::protocol::{Removal, Whom};

#[tokio::test]
async fn what_waited_comes_after_what_was_caught_up_on_and_nothing_of_it_twice() {
    let scene = ann_comes_in();
    scene.happens(7, topic());
    scene.happens(8, topic());
    assert_eq!(scene.release(7), Released::CaughtUp);
    scene.happens(9, topic());
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
fn who_is_put_out_while_catching_up_is_not_told_that_all_went_well() {
    let scene = ann_comes_in();
    let whom = Whom { id: scene.ann.id, name: scene.ann.name.clone() };
    scene.happens(7, EntryPayload::MemberRemoved { whom, why: Removal::Kicked, reason: None });
    assert_eq!(scene.release(6), Released::Gone);
}

#[test]
fn who_catches_up_with_a_room_that_goes_meanwhile_is_not_told_that_all_went_well() {
    let scene = ann_comes_in();
    scene.happens(7, EntryPayload::RoomDeleted { was: Box::new(scene.room.clone()) });
    assert_eq!(scene.release(6), Released::Gone);
}

#[tokio::test]
async fn more_than_may_wait_for_one_who_catches_up_is_read_from_the_log() {
    let scene = ann_comes_in();
    for seq in 1..=MAX_HELD_EVENTS as u64 + 1 {
        scene.happens(seq, topic());
    }
    assert_eq!(scene.release(0), Released::Behind);
    let last = MAX_HELD_EVENTS as u64 + 1;
    scene.happens(last + 1, topic());
    assert_eq!(scene.release(last), Released::CaughtUp);
    let mut frames = VecDeque::new();
    scene.connection.outbox.take(&mut frames).await;
    // Twice what comes first, and of what happened only what is newer than what was read.
    assert_eq!(frames.len(), 3);
}

#[test]
fn people_are_listed_as_they_came_in_whenever_they_connected() {
    let early = ConnectionId::new();
    let scene = ann_comes_in();
    let (outbox, guest) = (Arc::new(Outbox::new(&Limits::default())), Guest { id: early, name: "bob".into() });
    let bob = Arc::new(Connection::new(Dialect::Rooms, outbox, Actor::Guest(guest), early, None));
    scene.hub.connect(&bob);
    scene.hub.subscribe(&scene.room, &bob, None).unwrap();
    let names = scene.hub.subscribers(scene.room.id).into_iter().map(|who| who.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["ann", "bob"]);
}

/// Ann is put out of the room and, if she is to come back, comes in again.
fn goes(scene: &crate::hub::testing::Scene, seq: u64, comes_back: bool) {
    let whom = || Whom { id: scene.ann.id, name: scene.ann.name.clone() };
    scene.happens(seq, EntryPayload::MemberRemoved { whom: whom(), why: Removal::Left, reason: None });
    if comes_back {
        scene.happens(seq + 1, EntryPayload::MemberAdded { whom: whom(), role: crate::protocol::Role::Member });
    }
}

#[test]
fn in_a_cluster_whoever_came_back_before_it_is_told_that_they_had_left_goes_on_hearing_the_room() {
    let scene = ann_comes_in();
    scene.hub.link(Arc::new(crate::hub::link::Link::new().0));
    scene.hub.open(scene.room.id, 3);
    // She left with 4 and came back with 5; the log goes up to there, and here it was told up to 3.
    assert_eq!(scene.release(5), Released::CaughtUp);
    goes(&scene, 4, true);
    assert!(scene.hub.is_subscribed(scene.room.id, scene.connection.id));
    scene.happens(6, topic());
    assert!(scene.hub.is_subscribed(scene.room.id, scene.connection.id));
}

#[test]
fn what_put_somebody_out_before_what_they_have_caught_up_with_does_not_put_them_out_again() {
    for (put_out_by, released) in [(5, Released::CaughtUp), (6, Released::Gone)] {
        let scene = ann_comes_in();
        goes(&scene, put_out_by, false);
        assert_eq!(scene.release(5), released);
    }
}
