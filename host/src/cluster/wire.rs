//! Messages between nodes: JSON with a version number. Nodes of neighbouring versions run side by side, so fields may be added,
//! and a node ignores what it does not understand; entries it then reads from the log.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::hub::{NodeId, SubscriberIdentity};
use crate::protocol::{AccountId, CacheInvalidation, Entry, Event, GuestSelector, LoginId, RoomId};

/// The version of the format that this program writes.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    from: NodeId,
    /// The room's last `seq`, also for nodes that do not understand the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    what: &'a T,
}

/// A message whose content is not parsed yet.
#[derive(Deserialize)]
pub(super) struct Received<'a> {
    pub(super) v: u32,
    pub(super) from: NodeId,
    #[serde(default)]
    pub(super) last: Option<u64>,
    #[serde(borrow)]
    what: &'a RawValue,
}

/// A message to the nodes that have subscribers of a room.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRoom {
    /// Entries in order; empty if they are too large to be sent.
    Entries(Vec<Entry>),
    Aside(Event),
    /// The node has subscribed to the room.
    Hello,
    /// Requests the subscribers of the room on other nodes, and from then on every change.
    Who,
    /// All subscribers of the room on the node.
    Hearers(Vec<SubscriberIdentity>),
    /// A subscriber of the room arrived on the node (`here`) or departed.
    Heard {
        hearer: SubscriberIdentity,
        here: bool,
    },
}

/// [`ToRoom::Entries`] for serialising borrowed entries.
#[derive(Serialize)]
pub(super) struct EntriesToRoom<'a> {
    #[serde(rename = "Entries")]
    pub(super) entries: &'a [Entry],
}

/// A message to all nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToAll {
    /// Accounts were added to a room or invited: they may be connected to nodes without subscribers of the room.
    Moves(Vec<Entry>),
    Pushed(Event),
    Changed(Vec<CacheInvalidation>),
    /// Follows a [`ToAll::Changed`] with the same rooms, for nodes that do not know this message.
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
    /// The node is alive; `nth` is the number of changes of its list of accounts.
    Beat {
        nth: u64,
    },
    /// The node has stopped.
    Gone,
    /// The cluster's plugins or their overrides have changed.
    Plugins,
}

/// One part of a node's list of connected accounts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PeoplePart {
    pub(super) nth: u64,
    pub(super) part: usize,
    pub(super) parts: usize,
    pub(super) people: Vec<(AccountId, Option<Arc<str>>)>,
}

pub(super) fn encode<T: Serialize>(from: NodeId, last: Option<u64>, what: &T) -> Bytes {
    // Plain data with string keys cannot fail to serialise.
    serde_json::to_vec(&Envelope { v: VERSION, from, last, what }).unwrap_or_default().into()
}

pub(super) fn decode(payload: &[u8]) -> Option<Received<'_>> {
    serde_json::from_slice(payload).ok()
}

impl<'a> Received<'a> {
    /// Parses the content; none if this program does not know it.
    pub(super) fn what<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.what.get()).ok()
    }
}

/// The account that an entry adds to a room or invites, and the room.
pub(super) fn added_account(entry: &Entry) -> Option<(RoomId, AccountId)> {
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
    use crate::protocol::{Actor, Author, EntryPayload, MemberRef, Removal};

    fn entry(what: EntryPayload) -> Entry {
        let by = Author::from(&Actor::Server);
        Entry { room: RoomId::new(), seq: 7, number: 3, at: now(), by, what }
    }

    #[test]
    fn entries_round_trip() {
        let whom = MemberRef { id: AccountId::new(), name: "ann".into() };
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
    fn unknown_message_of_a_newer_node_still_gives_the_last_seq() {
        let from = NodeId::now_v7();
        let payload = format!(r#"{{"v":2,"from":"{from}","last":9,"colour":"green","what":{{"Dances":[1]}}}}"#);
        let received = decode(payload.as_bytes()).unwrap();
        assert_eq!(received.last, Some(9));
        assert!(received.what::<ToRoom>().is_none());
    }
}
