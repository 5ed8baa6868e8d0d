//! Accessors for the mock host's state in tests.

use super::MockHost;
use crate::http::Request;
use crate::log::Level;
use crate::rooms::{Member, Room};
use crate::{AccountId, AccountRef, ConnectionId, Message, RoomId, Timestamp, Write};

impl MockHost {
    /// The id of an account, which is created if needed.
    pub fn account_id(&self, name: &str) -> AccountId {
        self.state.borrow_mut().world.account(name).id
    }

    /// The connection of an account, as in [`Context::connection`](crate::Context::connection).
    pub fn connection_id(&self, name: &str) -> ConnectionId {
        self.account_id(name).as_str().replacen("aaaaaaaa", "cccccccc", 1).into()
    }

    /// An account's id and name, as in events.
    pub fn account_ref(&self, name: &str) -> AccountRef {
        self.state.borrow_mut().world.account(name)
    }

    /// The id of a room.
    ///
    /// # Panics
    /// If there is no such room.
    pub fn room_id(&self, name: &str) -> RoomId {
        match self.find_room(name) {
            Some(room) => room.id,
            None => panic!("there is no room {name:?}"),
        }
    }

    /// The current state of a room.
    pub fn find_room(&self, name: &str) -> Option<Room> {
        self.state.borrow().world.find_room(name).map(|room| room.describe())
    }

    /// An account's current membership in a room.
    pub fn find_member(&self, room: &str, name: &str) -> Option<Member> {
        let account = self.account_id(name);
        self.state.borrow().world.find_room(room)?.members.get(&account).cloned()
    }

    /// The last call's writes, in order. If the call failed, they were discarded.
    pub fn writes(&self) -> Vec<Write> {
        self.state.borrow().writes.clone()
    }

    /// The texts of a room's messages, oldest first.
    ///
    /// # Panics
    /// If there is no such room.
    pub fn said(&self, room: &str) -> Vec<String> {
        self.messages(room).into_iter().map(|message| message.body).collect()
    }

    /// The messages of a room, oldest first.
    ///
    /// # Panics
    /// If there is no such room.
    pub fn messages(&self, room: &str) -> Vec<Message> {
        match self.state.borrow().world.find_room(room) {
            Some(room) => room.messages.clone(),
            None => panic!("there is no room {room:?}"),
        }
    }

    /// When the timer of this name comes due, if it is set.
    pub fn timer(&self, name: &str) -> Option<Timestamp> {
        self.state.borrow().world.timers.get(name).map(|(due, _)| *due)
    }

    /// The names of all timers that are set.
    pub fn timers(&self) -> Vec<String> {
        self.state.borrow().world.timers.keys().cloned().collect()
    }

    /// All HTTP requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.borrow().requests.clone()
    }

    /// The value in the plugin's storage under this key.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().world.storage.get(key).cloned()
    }

    /// All log lines so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.state.borrow().logs.clone()
    }

    /// Whether a line that contains this text was logged.
    pub fn logged(&self, text: &str) -> bool {
        self.state.borrow().logs.iter().any(|(_, line)| line.contains(text))
    }
}
