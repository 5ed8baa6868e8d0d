//! Results of the router's operations.

use crate::protocol::{Account, AccountId, Guest, Member, Message, Role, Room, RoomId};

/// Messages of a room, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    pub messages: Vec<Message>,
    /// Whether there are more in the requested direction.
    pub more: bool,
}

/// Members of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct MembersPage {
    /// With whether they are online.
    pub members: Vec<(Member, bool)>,
    /// The guests who are connected to the room; the same on every page.
    pub guests: Vec<Guest>,
    /// The last member of a full page, to continue after.
    pub next: Option<AccountId>,
}

/// Rooms that an account may see.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomsPage {
    /// With their number of members.
    pub rooms: Vec<(Room, u32)>,
    /// Where to continue, if the page is full.
    pub next: Option<String>,
}

/// A room, as seen by a caller who may join it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomDetails {
    pub room: Room,
    pub members: u32,
    /// The caller's role; none if they are not a member.
    pub role: Option<Role>,
    /// Whether guests may join.
    pub guests: bool,
}

/// A room as the caller may see it.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomView {
    Open(RoomDetails),
    /// A private room to which only its guards can admit the caller.
    Closed(Room),
}

/// Messages that match a search, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    pub messages: Vec<(RoomId, Message)>,
    /// The cursor of the next page.
    pub next: Option<i64>,
}

/// An account that was looked up by name.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundAccount {
    pub account: Account,
    pub online: bool,
    pub disabled: bool,
}

/// Accounts that the caller has blocked.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockedPage {
    pub accounts: Vec<Account>,
    /// The last account of a full page, to continue after.
    pub next: Option<AccountId>,
}
