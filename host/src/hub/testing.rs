//! Test fixture: a hub with one subscriber in a room.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Connection, Frame, Hub, Outbox, PendingBroadcast, Released};
use crate::clock::now;
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::protocol::{
    Account, AccountId, Actor, Author, ConnectionId, Entry, EntryPayload, Room, RoomId, RoomKind, Visibility,
};

pub(super) struct Scene {
    pub(super) hub: Hub,
    pub(super) room: Room,
    pub(super) ann: Account,
    pub(super) connection: Arc<Connection>,
}

pub(super) fn room() -> Room {
    Room {
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
    }
}

/// Ann subscribes to a room and has not caught up with it.
pub(super) fn ann_subscribes() -> Scene {
    let room = room();
    let ann = Account { id: AccountId::new(), number: 1, name: "ann".into(), is_admin: false };
    let outbox = Arc::new(Outbox::new(&Limits::default()));
    let actor = Actor::Account(ann.clone());
    let connection = Arc::new(Connection::new(Dialect::Native, outbox, actor, ConnectionId::new(), None));
    let hub = Hub::default();
    hub.connect(&connection);
    hub.subscribe(&room, &connection, None).unwrap();
    Scene { hub, room, ann, connection }
}

impl Scene {
    fn entry(&self, seq: u64, what: EntryPayload) -> Entry {
        let by = Author::from(&Actor::Server);
        Entry { room: self.room.id, seq, number: 0, at: now(), by, what }
    }

    pub(super) fn broadcast(&self, seq: u64, what: EntryPayload) {
        self.hub.broadcast_in_order(&Arc::new(self.room.clone()), &[PendingBroadcast::late(self.entry(seq, what))]);
    }

    pub(super) fn release(&self, after: u64) -> Released {
        let first = || self.connection.outbox.enqueue("first".into());
        self.hub.release(self.room.id, self.connection.id, after, first)
    }

    /// An entry as the writer gives it to the broadcaster.
    pub(super) fn pending(&self, seq: u64) -> Vec<PendingBroadcast> {
        let entry = self.entry(seq, topic());
        vec![PendingBroadcast { by: Some(Actor::Server), ..PendingBroadcast::late(entry) }]
    }
}

pub(super) fn topic() -> EntryPayload {
    let (name, topic) = ("pond".into(), "frogs".into());
    EntryPayload::RoomUpdated { name, topic, visibility: Visibility::Public, member_limit: None }
}

/// The number of messages in each frame that waits for the connection.
pub(super) async fn taken(connection: &Connection) -> Vec<usize> {
    let mut frames = VecDeque::new();
    connection.outbox.take(&mut frames).await;
    let messages = frames.into_iter().map(|frame| match frame {
        Frame::Text(packet) => packet.messages(),
        other => panic!("{other:?}"),
    });
    messages.collect()
}
