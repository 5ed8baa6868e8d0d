//! What becomes of a connection that is still catching up.

use std::collections::VecDeque;
use std::time::Instant;

use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::now;
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::hub::{Frame, Lanes, Outbox};
use crate::metrics::Metrics;
use crate::protocol::{Account, Entry, Removal, RoomKind, Visibility, Whom};

struct Scene {
    hub: Hub,
    room: Room,
    ann: Account,
    connection: Arc<Connection>,
}

/// Ann listens to a room and has not caught up with it.
fn ann_comes_in() -> Scene {
    let room = Room {
        id: RoomId::new(),
        number: 1,
        code: "ABCDE".into(),
        name: "pond".into(),
        kind: RoomKind::Room,
        visibility: Visibility::Public,
        topic: "".into(),
        member_limit: None,
        created_at: now(),
        guarded: false,
        pair: None,
    };
    let ann = Account { id: AccountId::new(), number: 1, name: "ann".into(), is_admin: false };
    let outbox = Arc::new(Outbox::new(&Limits::default()));
    let actor = Actor::Account(ann.clone());
    let connection = Arc::new(Connection::new(Dialect::Native, outbox, actor, ConnectionId::new(), None));
    let hub = Hub::default();
    hub.connect(&connection);
    hub.listen(&room, &connection, None).unwrap();
    Scene { hub, room, ann, connection }
}

impl Scene {
    fn happens(&self, seq: u64, what: Happening) {
        let by = Author::from(&Actor::Server);
        let entry = Entry { room: self.room.id, seq, number: 0, at: now(), by, what };
        self.hub.publish_late(&self.room, entry);
    }

    fn release(&self, after: u64) -> Released {
        let first = || self.connection.outbox.offer("first".into());
        self.hub.release(self.room.id, self.connection.id, after, first)
    }
}

fn topic() -> Happening {
    let (name, topic) = ("pond".into(), "frogs".into());
    Happening::RoomUpdated { name, topic, visibility: Visibility::Public, member_limit: None }
}

#[tokio::test]
async fn what_waited_comes_after_what_was_caught_up_on_and_nothing_of_it_twice() {
    let scene = ann_comes_in();
    scene.happens(7, topic());
    scene.happens(8, topic());
    assert_eq!(scene.release(7), Released::Live);
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
    scene.happens(7, Happening::MemberRemoved { whom, why: Removal::Kicked, reason: None });
    assert_eq!(scene.release(6), Released::Gone);
}

#[test]
fn who_catches_up_with_a_room_that_goes_meanwhile_is_not_told_that_all_went_well() {
    let scene = ann_comes_in();
    scene.happens(7, Happening::RoomDeleted { was: Box::new(scene.room.clone()) });
    assert_eq!(scene.release(6), Released::Gone);
}

#[tokio::test]
async fn more_than_may_wait_for_one_who_catches_up_is_read_from_the_log() {
    let scene = ann_comes_in();
    for seq in 1..=HELD as u64 + 1 {
        scene.happens(seq, topic());
    }
    assert_eq!(scene.release(0), Released::Behind);
    let last = HELD as u64 + 1;
    scene.happens(last + 1, topic());
    assert_eq!(scene.release(last), Released::Live);
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
    scene.hub.listen(&scene.room, &bob, None).unwrap();
    let names = scene.hub.listeners(scene.room.id).into_iter().map(|who| who.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["ann", "bob"]);
}

#[tokio::test]
async fn what_has_piled_up_in_a_room_goes_out_together() {
    let scene = ann_comes_in();
    assert_eq!(scene.release(0), Released::Live);
    let Scene { hub, room, connection, .. } = scene;
    let lanes = Lanes::start(&Arc::new(hub), &TaskTracker::new(), &Metrics::default());
    for seq in 1..=3 {
        let by = Author::from(&Actor::Server);
        let entry = Entry { room: room.id, seq, number: 0, at: now(), by, what: topic() };
        let told = Told { entry, by: Actor::Server, own: None, depth: 0, place: None, answer: None, queued: None };
        // As the writer does it: the room anew with each batch.
        lanes.tell(Arc::new(room.clone()), vec![told], Instant::now()).await;
    }
    lanes.settle().await;
    let mut frames = VecDeque::new();
    connection.outbox.take(&mut frames).await;
    let messages = frames.into_iter().map(|frame| match frame {
        Frame::Text(packet) => packet.messages(),
        other => panic!("{other:?}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), [1, 3], "the first answer, then all of them");
}
