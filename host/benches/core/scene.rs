//! Fixtures: a room, its subscribers, and a post's frame in each dialect.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::FutureExt as _;
use natterjack::clock::now;
use natterjack::config::Limits;
use natterjack::dialect::{Dialect, direct, go, groups, native, rooms, sessions};
use natterjack::hub::{Broadcaster, Connection, Frame, Hub, Outbox, PendingBroadcast};
use natterjack::metrics::Metrics;
use natterjack::protocol::{
    Account, AccountId, Actor, Author, ConnectionId, Entry, EntryPayload, Post, Room, RoomId, RoomKind, Visibility,
};
use tokio::runtime::{self, Runtime};
use tokio_util::task::TaskTracker;

pub(crate) const DIALECTS: [Dialect; 6] =
    [Dialect::Native, Dialect::Groups, Dialect::Go, Dialect::Rooms, Dialect::Direct, Dialect::EchoSessions];
const BODY: &str =
    "what a fine evening at the pond, said one toad to another while the moon rose over the reeds and all was calm";
const UID: &str = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";

pub(crate) fn room() -> Room {
    Room {
        id: RoomId::new(),
        number: 1,
        code: "ABCDE".into(),
        name: "pond".into(),
        kind: RoomKind::Room,
        visibility: Visibility::Public,
        topic: "".into(),
        member_limit: None,
        guarded: false,
        pair: None,
        created_at: now(),
    }
}

pub(crate) fn ann() -> Actor {
    Actor::Account(Account { id: AccountId::new(), number: 1, name: "ann".into(), is_admin: false })
}

pub(crate) fn post() -> Post {
    Post { body: BODY.into(), key: None, reply_to: None, attachments: Arc::default() }
}

pub(crate) fn posted(room: &Room, by: &Actor, seq: u64) -> Entry {
    let what = EntryPayload::Posted(post());
    Entry { room: room.id, seq, number: seq.cast_signed(), at: now(), by: Author::from(by), what }
}

/// A post as a client of the dialect writes it.
pub(crate) fn frame(dialect: Dialect) -> String {
    match dialect {
        Dialect::Native => format!(r#"{{"id":7,"op":"message.post","args":{{"room":"{UID}","body":"{BODY}"}}}}"#),
        Dialect::Groups => format!(r#"{{"type":"message","name":"ann","group":"pond","Text":"{BODY}"}}"#),
        Dialect::Go => format!(r#"{{"group_id":7,"message":"{BODY}"}}"#),
        Dialect::Rooms => format!(r#"{{"type":"chat","payload":{{"roomId":"ABCDE","msg":"{BODY}"}}}}"#),
        Dialect::Direct | Dialect::DirectExternal => {
            format!(r#"{{"event":"message","receiverId":"{UID}","message":"{BODY}"}}"#)
        }
        Dialect::EchoSessions => format!(r#"7["message",{{"sessionId":"{UID}","content":"{BODY}"}}]"#),
    }
}

/// Decodes a frame; true if it is valid.
pub(crate) fn decode(dialect: Dialect, frame: &str) -> bool {
    match dialect {
        Dialect::Native => native::decode(frame).is_ok(),
        Dialect::Groups => groups::decode(frame).1.is_ok(),
        Dialect::Go => go::decode(frame).is_ok(),
        Dialect::Rooms => rooms::decode(frame).1.is_ok(),
        Dialect::Direct | Dialect::DirectExternal => direct::decode(frame).is_ok(),
        Dialect::EchoSessions => sessions::decode(frame).1.is_ok(),
    }
}

/// A room with subscribers, whose outboxes only `drain` empties.
pub(crate) struct Audience {
    runtime: Runtime,
    broadcaster: Broadcaster,
    room: Arc<Room>,
    by: Actor,
    outboxes: Vec<Arc<Outbox>>,
    seq: u64,
}

impl Audience {
    /// A room with `each` subscribers of each of these dialects.
    pub(crate) fn new(dialects: &[Dialect], each: usize) -> Self {
        // One thread, so that every run is the same.
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (hub, room, mut outboxes) = (Arc::new(Hub::default()), Arc::new(room()), Vec::new());
        for dialect in dialects.iter().flat_map(|dialect| std::iter::repeat_n(*dialect, each)) {
            let outbox = Arc::new(Outbox::new(&Limits::default()));
            let subscriber = Connection::new(dialect, outbox.clone(), ann(), ConnectionId::new(), None);
            let (id, subscriber) = (subscriber.id, Arc::new(subscriber));
            hub.connect(&subscriber);
            assert!(hub.subscribe(&room, &subscriber, None).is_ok());
            hub.release(room.id, id, 0, || {});
            outboxes.push(outbox);
        }
        let broadcaster =
            runtime.block_on(async { Broadcaster::start(&hub, &TaskTracker::new(), &Metrics::default()) });
        let mut audience = Self { runtime, broadcaster, room, by: ann(), outboxes, seq: 0 };
        // Some dialects receive the arrivals of later subscribers.
        audience.drain();
        audience
    }

    /// Broadcasts posts as if they had been committed together.
    pub(crate) fn broadcast(&mut self, count: u64) {
        let pending = (0..count).map(|_| {
            self.seq += 1;
            let entry = posted(&self.room, &self.by, self.seq);
            PendingBroadcast { by: Some(self.by.clone()), ..PendingBroadcast::late(entry) }
        });
        let pending = pending.collect();
        self.runtime.block_on(async {
            self.broadcaster.broadcast(self.room.clone(), pending).await;
            self.broadcaster.settle().await;
        });
    }

    /// Takes all waiting frames, as the connections' tasks do; returns the number of messages.
    pub(crate) fn drain(&mut self) -> usize {
        let mut frames: VecDeque<Frame> = VecDeque::new();
        let mut messages = 0;
        for outbox in &self.outboxes {
            // Not ready if nothing waits.
            let _ = outbox.take(&mut frames).now_or_never();
            messages += frames
                .drain(..)
                .map(|frame| if let Frame::Text(packet) = frame { packet.messages() } else { 0 })
                .sum::<usize>();
        }
        messages
    }
}
