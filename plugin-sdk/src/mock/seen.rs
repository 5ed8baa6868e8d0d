//! What a test looks at.

use super::MockHost;
use crate::http::Request;
use crate::log::Level;
use crate::rooms::{Member, Room};
use crate::{AccountId, AccountRef, ConnectionId, Message, RoomId, Timestamp, Write};

impl MockHost {
    /// The id of somebody's account.
    pub fn account_id(&self, name: &str) -> AccountId {
        self.state.borrow_mut().world.account(name).id
    }

    /// Somebody's live connection, as [`Context::connection`](crate::Context::connection) has it.
    pub fn connection_id(&self, name: &str) -> ConnectionId {
        self.account_id(name).as_str().replacen("aaaaaaaa", "cccccccc", 1).into()
    }

    /// Somebody's account, as events tell it.
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

    /// A room as it is now.
    pub fn find_room(&self, name: &str) -> Option<Room> {
        self.state.borrow().world.find_room(name).map(|room| room.describe())
    }

    /// Somebody's membership as it is now.
    pub fn find_member(&self, room: &str, name: &str) -> Option<Member> {
        let account = self.account_id(name);
        self.state.borrow().world.find_room(room)?.members.get(&account).cloned()
    }

    /// What the last call wrote, in its order. If the call failed, none of it took effect.
    pub fn writes(&self) -> Vec<Write> {
        self.state.borrow().writes.clone()
    }

    /// What was said in a room, oldest first.
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

    /// Every HTTP request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.borrow().requests.clone()
    }

    /// What is kept in the plugin's storage under this key.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().world.storage.get(key).cloned()
    }

    /// Every line logged so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.state.borrow().logs.clone()
    }

    /// Whether a line with this text in it was logged.
    pub fn logged(&self, text: &str) -> bool {
        self.state.borrow().logs.iter().any(|(_, line)| line.contains(text))
    }
}
