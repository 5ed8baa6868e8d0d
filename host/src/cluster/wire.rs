//! What nodes say to each other: JSON, with the version of its shape. Nodes of neighbouring versions run side by side, so fields
//! may be added, and what a node does not understand it leaves out: entries it then reads from the log.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::hub::{NodeId, SubscriberIdentity};
use crate::protocol::{AccountId, CacheInvalidation, Entry, Event, GuestSelector, LoginId, RoomId};

/// The shape that this program writes.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    from: NodeId,
    /// How far the room's log goes, also for those who do not understand the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    what: &'a T,
}

/// A message, of which what it says is still to be read.
#[derive(Deserialize)]
pub(super) struct Received<'a> {
    pub(super) v: u32,
    pub(super) from: NodeId,
    #[serde(default)]
    pub(super) last: Option<u64>,
    #[serde(borrow)]
    what: &'a RawValue,
}

/// To the nodes on which somebody hears a room.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRoom {
    /// In their order; none if they are too large to be sent.
    Entries(Vec<Entry>),
    Aside(Event),
    /// The node begins to hear the room.
    Hello,
    /// Somebody on the node wants to know who hears the room elsewhere, and who comes and goes.
    Who,
    /// All who hear the room on the node.
    Hearers(Vec<SubscriberIdentity>),
    /// Somebody who hears the room on the node came or went.
    Heard {
        hearer: SubscriberIdentity,
        here: bool,
    },
}

/// [`ToRoom::Entries`], as it is written.
#[derive(Serialize)]
pub(super) struct EntriesToRoom<'a> {
    #[serde(rename = "Entries")]
    pub(super) entries: &'a [Entry],
}

/// To all nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToAll {
    /// Accounts came into a room, or were invited: they may be connected where nobody hears it.
    Moves(Vec<Entry>),
    Pushed(Event),
    Changed(Vec<CacheInvalidation>),
    /// Comes after a [`ToAll::Changed`] that names the same rooms, for nodes that do not know it.
    RoomsDeleted(Vec<RoomId>),
    GuestsRemoved {
        room: RoomId,
        which: GuestSelector,
    },
    BanOrigins {
        room: RoomId,
        account: AccountId,
        until: Timestamp,
    },
    Logins {
        logins: Vec<LoginId>,
        close: Option<(u16, String)>,
    },
    Presence {
        nth: u64,
        account: AccountId,
        external: Option<Arc<str>>,
        online: bool,
    },
    /// The node lives, and its list of people has changed so often.
    Beat {
        nth: u64,
    },
    /// The node has gone.
    Gone,
    /// What the cluster agreed on about plugins has changed.
    Plugins,
}

/// One part of a node's list of people.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PeoplePart {
    pub(super) nth: u64,
    pub(super) part: usize,
    pub(super) parts: usize,
    pub(super) people: Vec<(AccountId, Option<Arc<str>>)>,
}

pub(super) fn encode<T: Serialize>(from: NodeId, last: Option<u64>, what: &T) -> Bytes {
    // Plain data with string keys: there is nothing in it that could not be written.
    serde_json::to_vec(&Envelope { v: VERSION, from, last, what }).unwrap_or_default().into()
}

pub(super) fn decode(payload: &[u8]) -> Option<Received<'_>> {
    serde_json::from_slice(payload).ok()
}

impl<'a> Received<'a> {
    /// None if it says something that this program does not know.
    pub(super) fn what<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.what.get()).ok()
    }
}

/// The accounts that an entry moves to where they may not be heard yet, and the room.
pub(super) fn moves(entry: &Entry) -> Option<(RoomId, AccountId)> {
    use crate::protocol::EntryPayload::{Invited, MemberAdded};
    match &entry.what {
        MemberAdded { whom, .. } | Invited { whom } => Some((entry.room, whom.id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;
    use crate::protocol::{Actor, Author, EntryPayload, Removal, Whom};

    fn entry(what: EntryPayload) -> Entry {
        let by = Author::from(&Actor::Server);
        Entry { room: RoomId::new(), seq: 7, number: 3, at: now(), by, what }
    }

    #[test]
    fn entries_come_out_as_they_went_in() {
        let whom = Whom { id: AccountId::new(), name: "ann".into() };
        let kicked = EntryPayload::MemberRemoved { whom, why: Removal::Kicked, reason: Some("noise".into()) };
        let entries = vec![entry(kicked), entry(EntryPayload::Tombstone)];
        let node = NodeId::now_v7();
        let payload = encode(node, Some(8), &EntriesToRoom { entries: &entries });
        let received = decode(&payload).unwrap();
        assert_eq!((received.v, received.from, received.last), (VERSION, node, Some(8)));
        let Some(ToRoom::Entries(read)) = received.what() else { panic!("no entries") };
        assert_eq!(read, entries);
    }

    #[test]
    fn what_a_newer_node_says_and_nobody_here_understands_still_tells_how_far_the_log_goes() {
        let from = NodeId::now_v7();
        let payload = format!(r#"{{"v":2,"from":"{from}","last":9,"colour":"green","what":{{"Dances":[1]}}}}"#);
        let received = decode(payload.as_bytes()).unwrap();
        assert_eq!(received.last, Some(9));
        assert!(received.what::<ToRoom>().is_none());
    }
}
