//! A mock host for tests, which replaces the real host in native builds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::directory::OfferedCommand;
use crate::http::{Request, Response};
use crate::log::Level;
use crate::{Actor, Commands, Error, Lifecycle, Result, Role, RoomId, RoomKind, Timestamp, Value, Visibility};

mod caller;
pub(crate) mod host;
mod seen;
mod unit;
mod world;
mod write;

pub use caller::Caller;
use world::World;
pub use write::Write;

/// The imports that need a grant, by their names in the contract.
const GRANTS: [&str; 9] =
    ["storage", "accounts", "rooms", "rooms-admin", "messages", "passwords", "push", "timers", "http"];
/// The id of the tested plugin, in authors and actors.
const PLUGIN: &str = "plugin";

/// A mock server for a plugin's tests: has accounts, rooms and storage, and records the plugin's writes.
///
/// A new host replaces the previous one for this thread. [`by`](MockHost::by) calls a plugin as the
/// server would: its writes are committed if the call succeeds, and discarded otherwise. Imports that
/// a test calls itself, outside of any such call, write at once.
///
/// Calling an import that is not [granted](MockHost::grant) panics, so that a test shows which grants the plugin
/// needs.
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
    /// The name of the current hook, if it may only use `log`, `clock` and `random`.
    waitless: Option<&'static str>,
    random: u64,
    /// The actor of the current call.
    actor: Option<Actor>,
    /// During a call: the last `seq` of each room at its start.
    unit: Option<BTreeMap<RoomId, u64>>,
    /// Texts that filters of other plugins reject.
    rejected: Vec<String>,
    commands: Vec<OfferedCommand>,
    answers: BTreeMap<String, Result<Response>>,
    requests: Vec<Request>,
}

impl State {
    /// The last `seq` of a room before the current call.
    fn posted_before_unit(&self, room: &RoomId) -> u64 {
        match &self.unit {
            Some(seqs) => seqs.get(room).copied().unwrap_or(0),
            None => u64::MAX,
        }
    }
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
    /// An empty server: no accounts, no rooms, no grants.
    pub fn new() -> Self {
        let chat = Self { state: Rc::default() };
        chat.install();
        chat
    }

    /// Grants an import, by its name in the contract: `storage`, `accounts`, `rooms`, `rooms-admin`, `messages`,
    /// `passwords`, `push`, `timers`, `http`.
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

    /// Adds a public room.
    pub fn room(self, name: &str) -> Self {
        self.room_of(RoomKind::Room, name, Visibility::Public)
    }

    /// Adds a private room.
    pub fn private_room(self, name: &str) -> Self {
        self.room_of(RoomKind::Room, name, Visibility::Private)
    }

    /// Adds a direct room of two accounts. Its name is `one, other`.
    pub fn direct(self, one: &str, other: &str) -> Self {
        self.room_of(RoomKind::Direct, &format!("{one}, {other}"), Visibility::Private)
            .member(one, Role::Member)
            .member(other, Role::Member)
    }

    /// Adds a guest to the room that was added last.
    pub fn guest(self, name: &str) -> Self {
        self.state.borrow_mut().world.add_guest(name);
        self
    }

    /// Adds an account's session with the server. Its name is `session of NAME`.
    pub fn session(self, name: &str) -> Self {
        self.room_of(RoomKind::Session, &format!("session of {name}"), Visibility::Private).member(name, Role::Owner)
    }

    fn room_of(self, kind: RoomKind, name: &str, visibility: Visibility) -> Self {
        self.state.borrow_mut().world.add_room(name, kind, visibility);
        self
    }

    /// Adds a member to the room that was added last.
    ///
    /// # Panics
    /// If no room was added yet.
    pub fn member(self, name: &str, role: Role) -> Self {
        {
            let mut state = self.state.borrow_mut();
            let account = state.world.account(name);
            let Some(room) = state.world.last_room() else { panic!("name a room before its members") };
            room.add(account, role);
        }
        self
    }

    /// Adds an account that is in no room.
    pub fn account(self, name: &str) -> Self {
        self.state.borrow_mut().world.account(name);
        self
    }

    /// Sets the clock.
    pub fn time(self, now: Timestamp) -> Self {
        self.state.borrow_mut().world.now = now;
        self
    }

    /// Adds a plugin's commands to the [`directory`](crate::directory).
    pub fn plugin<T: Commands>(self, id: &str, plugin: &T) -> Self {
        let offered = plugin.specs().into_iter().map(|spec| OfferedCommand { plugin: id.to_owned(), spec });
        {
            let commands = &mut self.state.borrow_mut().commands;
            commands.extend(offered);
            commands.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
        }
        self
    }

    /// Rejects posts that contain this text, as another plugin's filter would.
    pub fn rejecting(self, text: &str) -> Self {
        self.state.borrow_mut().rejected.push(text.to_owned());
        self
    }

    /// Sets the response to HTTP requests for this URL. A request that has neither a response nor
    /// a [failure](MockHost::fail) panics.
    pub fn answer(self, url: &str, response: Response) -> Self {
        self.state.borrow_mut().answers.insert(url.to_owned(), Ok(response));
        self
    }

    /// Fails HTTP requests for this URL with this error.
    pub fn fail(self, url: &str, error: Error) -> Self {
        self.state.borrow_mut().answers.insert(url.to_owned(), Err(error));
        self
    }

    /// Creates a plugin's instance from settings, as the server does when it loads the plugin.
    ///
    /// # Errors
    /// The text that the operator would see.
    pub fn init<T: Lifecycle>(&self, settings: Value) -> Result<T, String> {
        self.install();
        self.without_waiting("init", || crate::lifecycle::init(&settings.to_string()))
    }

    /// A caller with an account, which is created if needed.
    pub fn by(&self, name: &str) -> Caller {
        Caller::account(self, name)
    }

    /// A caller without an account.
    pub fn by_guest(&self, name: &str) -> Caller {
        Caller::guest(self, name)
    }

    /// Advances the clock.
    pub fn wait(&self, time: Duration) {
        self.state.borrow_mut().world.now += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    }

    /// Makes this host implement the imports on this thread.
    fn install(&self) {
        CURRENT.set(Some(Rc::clone(&self.state)));
    }
}
