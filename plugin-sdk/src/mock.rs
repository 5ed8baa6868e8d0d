//! A host for tests, in the place of the real one off WebAssembly.

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

/// The imports that an operator grants, in the contract's own words.
const GRANTS: [&str; 9] =
    ["storage", "accounts", "rooms", "rooms-admin", "messages", "passwords", "push", "timers", "http"];
/// The id of the plugin that is tested, as authors and actors have it.
const PLUGIN: &str = "plugin";

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
    /// Whose call it is.
    actor: Option<Actor>,
    /// The last `seq` of each room when the call began, inside of one.
    unit: Option<BTreeMap<RoomId, u64>>,
    /// What filters of other plugins reject.
    rejected: Vec<String>,
    commands: Vec<OfferedCommand>,
    answers: BTreeMap<String, Result<Response>>,
    requests: Vec<Request>,
}

impl State {
    /// The last message of a room that was there before the present call.
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
    /// An empty server: no rooms, nobody there, nothing granted.
    pub fn new() -> Self {
        let chat = Self { state: Rc::default() };
        chat.take_over();
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

    /// Has a guest of this name in the room made last.
    pub fn guest(self, name: &str) -> Self {
        self.state.borrow_mut().world.guest_comes_in(name);
        self
    }

    /// Has somebody's session with the server, to be called by its room's name `session of NAME`.
    pub fn session(self, name: &str) -> Self {
        self.room_of(RoomKind::Session, &format!("session of {name}"), Visibility::Private).member(name, Role::Owner)
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

    /// Runs another plugin, or the tested one, as far as its commands are listed in [`directory`](crate::directory).
    pub fn plugin<T: Commands>(self, id: &str, plugin: &T) -> Self {
        let offered = plugin.specs().into_iter().map(|spec| OfferedCommand { plugin: id.to_owned(), spec });
        {
            let commands = &mut self.state.borrow_mut().commands;
            commands.extend(offered);
            commands.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
        }
        self
    }

    /// Has another plugin's filter reject posts with this text in them.
    pub fn rejecting(self, text: &str) -> Self {
        self.state.borrow_mut().rejected.push(text.to_owned());
        self
    }

    /// Answers HTTP requests for this address: with a response. A request that has neither an answer nor
    /// a [failure](MockHost::fail) panics.
    pub fn answer(self, url: &str, response: Response) -> Self {
        self.state.borrow_mut().answers.insert(url.to_owned(), Ok(response));
        self
    }

    /// Fails HTTP requests for this address.
    pub fn fail(self, url: &str, error: Error) -> Self {
        self.state.borrow_mut().answers.insert(url.to_owned(), Err(error));
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

    /// Lets time pass.
    pub fn wait(&self, time: Duration) {
        self.state.borrow_mut().world.now += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    }

    /// Has this thread's imports come here.
    fn take_over(&self) {
        CURRENT.set(Some(Rc::clone(&self.state)));
    }
}
