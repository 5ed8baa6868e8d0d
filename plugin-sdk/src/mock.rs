//! A host for tests, in the place of the real one off WebAssembly.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::log::Level;
use crate::rooms::{Member, Room};
use crate::{AccountId, Lifecycle, Role, RoomId, RoomKind, Timestamp, Value, Visibility};

mod caller;
pub(crate) mod host;
mod world;
mod write;

pub use caller::Caller;
use world::World;
pub use write::Write;

/// The imports that an operator grants, in the contract's own words.
const GRANTS: [&str; 5] = ["storage", "accounts", "rooms", "rooms-admin", "passwords"];

/// A chat server in small, for a plugin's tests: people, rooms, storage, and what the plugin did to them.
///
/// A new host takes the place of the one before it for this thread. [`by`](MockHost::by) calls a plugin as the
/// server would: what it writes takes effect if the call succeeds, and not at all otherwise. Imports that
/// a test calls itself, outside of any such call, write at once.
///
/// Calling an import that is not [granted](MockHost::grant) panics, so that a test shows what the operator
/// will have to grant.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Doorman;
///
/// impl Commands for Doorman {
///     fn specs(&self) -> Vec<CommandSpec> {
///         vec![CommandSpec::new("door.close", "Close the room").in_room().minimum_role(Role::Owner)]
///     }
///
///     fn run(&mut self, ctx: &Context, _name: &str, _args: Args) -> Result<Value> {
///         rooms_admin::delete_room(&ctx.room()?.id)?;
///         log::info("closed");
///         Ok(json!({}))
///     }
/// }
///
/// let chat = MockHost::new().grant("rooms-admin").room("lobby").member("ann", Role::Owner).member("bob", Role::Member);
///
/// let refused = chat.by("bob").at("lobby").run(&mut Doorman, "door.close", json!({})).unwrap_err();
/// assert_eq!(refused.code, ErrorCode::Forbidden);
///
/// let lobby = chat.room_id("lobby");
/// chat.by("ann").at("lobby").run(&mut Doorman, "door.close", json!({})).unwrap();
/// assert_eq!(chat.writes(), [Write::DeleteRoom(lobby)]);
/// assert!(chat.find_room("lobby").is_none());
/// assert!(chat.logged("closed"));
/// ```
#[derive(Debug, Clone)]
pub struct MockHost {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    granted: BTreeSet<&'static str>,
    world: World,
    writes: Vec<Write>,
    logs: Vec<(Level, String)>,
    /// Inside a hook that only `log`, `clock` and `random` answer: its name.
    waitless: Option<&'static str>,
    random: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

impl Default for MockHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MockHost {
    /// An empty server: no rooms, nobody there, nothing granted.
    pub fn new() -> Self {
        let chat = Self { state: Rc::default() };
        chat.take_over();
        chat
    }

    /// Grants an import, by its name in the contract: `storage`, `accounts`, `rooms`, `rooms-admin`, `passwords`.
    ///
    /// # Panics
    /// If there is no such import.
    pub fn grant(self, import: &str) -> Self {
        let Some(import) = GRANTS.iter().find(|&&known| known == import) else {
            panic!("there is no import `{import}` to grant; there are {GRANTS:?}");
        };
        self.state.borrow_mut().granted.insert(import);
        self
    }

    /// Has a public room of this name.
    pub fn room(self, name: &str) -> Self {
        self.room_of(RoomKind::Room, name, Visibility::Public)
    }

    /// Has a private room of this name.
    pub fn private_room(self, name: &str) -> Self {
        self.room_of(RoomKind::Room, name, Visibility::Private)
    }

    /// Has a direct conversation of two, to be called by its room's name `one, other`.
    pub fn direct(self, one: &str, other: &str) -> Self {
        self.room_of(RoomKind::Direct, &format!("{one}, {other}"), Visibility::Private)
            .member(one, Role::Member)
            .member(other, Role::Member)
    }

    fn room_of(self, kind: RoomKind, name: &str, visibility: Visibility) -> Self {
        self.state.borrow_mut().world.add_room(name, kind, visibility);
        self
    }

    /// Has somebody in the room named last.
    ///
    /// # Panics
    /// If no room was named yet.
    pub fn member(self, name: &str, role: Role) -> Self {
        {
            let mut state = self.state.borrow_mut();
            let account = state.world.account(name);
            let Some(room) = state.world.last_room() else { panic!("name a room before its members") };
            room.add(account, role);
        }
        self
    }

    /// Has somebody with an account, who is in no room.
    pub fn account(self, name: &str) -> Self {
        self.state.borrow_mut().world.account(name);
        self
    }

    /// Sets the clock.
    pub fn time(self, now: Timestamp) -> Self {
        self.state.borrow_mut().world.now = now;
        self
    }

    /// Makes a plugin of its settings, as the server does when it loads it.
    ///
    /// # Errors
    /// What the operator would see.
    pub fn init<T: Lifecycle>(&self, settings: Value) -> Result<T, String> {
        self.take_over();
        self.without_waiting("init", || crate::lifecycle::init(&settings.to_string()))
    }

    /// Calls as somebody with an account.
    pub fn by(&self, name: &str) -> Caller {
        Caller::account(self, name)
    }

    /// Calls as somebody without an account.
    pub fn by_guest(&self, name: &str) -> Caller {
        Caller::guest(self, name)
    }

    /// The id of somebody's account.
    pub fn account_id(&self, name: &str) -> AccountId {
        self.state.borrow_mut().world.account(name).id
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

    /// Has this thread's imports come here.
    fn take_over(&self) {
        CURRENT.set(Some(Rc::clone(&self.state)));
    }

    /// One unit of work: what `call` wrote stays if it succeeded.
    fn unit_of_work<R, E>(&self, call: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.take_over();
        let before = {
            let mut state = self.state.borrow_mut();
            state.writes.clear();
            state.world.clone()
        };
        let outcome = call();
        if outcome.is_err() {
            self.state.borrow_mut().world.go_back_to(before);
        }
        outcome
    }

    /// A hook that no import may hold up.
    fn without_waiting<R>(&self, hook: &'static str, call: impl FnOnce() -> R) -> R {
        self.take_over();
        self.state.borrow_mut().waitless = Some(hook);
        let outcome = call();
        self.state.borrow_mut().waitless = None;
        outcome
    }
}
