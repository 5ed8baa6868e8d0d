//! The operations that clients can call: each checks its preconditions, calls plugin hooks, then the services that execute it.

mod access;
mod answers;
mod commands;
mod conversations;
mod messages;
mod pairs;
mod people;
mod rooms;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::answers::{
    BlockedPage, FoundAccount, HistoryPage, MembersPage, RoomDetails, RoomView, RoomsPage, SearchPage,
};
pub use self::commands::{Commands, Exemptions, Sender};
pub use self::conversations::Partner;
pub use self::messages::{Answer, NewMessage};
pub use self::sessions::MAX_LISTED;
use crate::accounts::Accounts;
use crate::accounts::throttle::Origin;
use crate::error::{self, Error, Result};
use crate::hub::Hub;
use crate::messages::{Messages, Writer};
use crate::plugins::{Call, CommandInfo, ParamKind, Plugins};
use crate::protocol::{Account, AccountId, Actor, ConnectionId, Entry, Membership, Role, Room, RoomName};
use crate::rooms::Rooms;
use crate::text::shown;

/// Rooms, members or accounts on one page.
const LIST_PAGE_SIZE: u32 = 100;

/// The sender of a request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    /// None for REST.
    pub connection: Option<ConnectionId>,
    /// The client's network address.
    pub origin: Origin,
    /// Id of the request, in the log and in errors that the client sees.
    pub request: Uuid,
}

/// A caller joined a room: missed entries have to be sent before new ones.
pub struct Joined {
    pub room: Room,
    pub last_seq: u64,
    /// The entries asked for by `since`; none if they were not asked for or are too many.
    pub backlog: Option<Vec<Entry>>,
}

/// The services that a router calls.
pub struct Parts {
    pub accounts: Arc<Accounts>,
    pub rooms: Arc<Rooms>,
    pub messages: Arc<Messages>,
    pub writer: Writer,
    pub hub: Arc<Hub>,
    pub plugins: Arc<Plugins>,
    pub commands: Commands,
}

/// Everything that clients can do, one method per operation. Each method checks its own preconditions.
pub struct Router {
    accounts: Arc<Accounts>,
    rooms: Arc<Rooms>,
    messages: Arc<Messages>,
    writer: Writer,
    hub: Arc<Hub>,
    plugins: Arc<Plugins>,
    /// The rate limit of commands.
    commands: Commands,
}

impl Router {
    pub fn new(parts: Parts) -> Self {
        let Parts { accounts, rooms, messages, writer, hub, plugins, commands } = parts;
        Self { accounts, rooms, messages, writer, hub, plugins, commands }
    }

    /// Counts one command of this sender; the error is the time to wait.
    pub fn try_take_command(&self, sender: &Sender) -> Result<(), Duration> {
        self.commands.try_take(sender, 1)
    }

    /// Counts one command of this sender.
    ///
    /// # Errors
    /// `RateLimited` with the time to wait.
    pub fn take_command(&self, sender: &Sender) -> Result<()> {
        self.commands.take(sender, 1)
    }

    /// Counts further commands of a sender, whether or not its limit allows them.
    pub fn charge_commands(&self, sender: &Sender, count: u32) {
        self.commands.charge(sender, count);
    }

    /// Jobs that wait for the writer.
    pub fn queued_jobs(&self) -> usize {
        self.writer.queued()
    }

    /// The commands that plugins offer, described for clients.
    pub fn plugin_commands(&self) -> Value {
        self.plugins.commands()
    }

    /// Runs a plugin's command by its name.
    pub async fn run_command(&self, caller: &Caller, name: &str, args: Map<String, Value>) -> Result<Value> {
        let info = self.plugins.command(name).ok_or_else(|| {
            Error::BadRequest(format!("there is no op `{}`; `commands` lists the plugins' own", shown(name)))
        })?;
        self.run(caller, &info, args, None).await
    }

    /// Runs the command of a `/slash` message.
    pub async fn slash(&self, caller: &Caller, to: &RoomName, text: &str) -> Result<Value> {
        let (room, _) = self.require_presence(caller, to).await?;
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some(info) = self.plugins.slash(word) else {
            let word = shown(word);
            return Err(Error::NotFound(format!("there is no command /{word}; to post it as text, write //{word}")));
        };
        let args = crate::plugins::slash::parse(&info, rest)?;
        self.run(caller, &info, args, Some(room)).await
    }

    async fn run(
        &self,
        caller: &Caller,
        info: &CommandInfo,
        mut args: Map<String, Value>,
        current: Option<Room>,
    ) -> Result<Value> {
        let named = match (&current, args.get("room")) {
            (Some(current), _) => Some(RoomName::Id(current.id)),
            (None, Some(Value::Null)) => None,
            (None, Some(Value::String(name))) if name.is_empty() => None,
            (None, Some(Value::String(name))) => Some(RoomName::parse(name.clone())),
            (None, Some(_)) => return Err(Error::invalid("room", "should be a room's uid or name")),
            (None, None) => None,
        };
        // `room` is the room that the caller acts in; other rooms that a command mentions are parameters of their own.
        let (room, role) = match named {
            Some(name) => {
                let (room, membership) = self.require_presence(caller, &name).await?;
                (Some(room), membership.role)
            }
            None => (None, None),
        };
        args.remove("room");
        info.drop_absent(&mut args);
        self.resolve(info, &mut args).await?;
        self.plugins.run(&info.name, &call(caller, room, role), Value::Object(args)).await
    }

    /// Replaces names in arguments by ids.
    async fn resolve(&self, info: &CommandInfo, args: &mut Map<String, Value>) -> Result<()> {
        for param in &info.params {
            let Some(Value::String(given)) = args.get_mut(&param.name) else { continue };
            match param.kind {
                ParamKind::Account if given.parse::<AccountId>().is_err() => {
                    *given = self.accounts.find(given).await?.id.to_string();
                }
                ParamKind::Room => *given = self.rooms.get(&RoomName::parse(given.clone())).await?.id.to_string(),
                _ => {}
            }
        }
        Ok(())
    }

    /// The caller's account; guests have none.
    pub fn account<'a>(&self, caller: &'a Caller) -> Result<&'a Account> {
        let account = caller.actor.account();
        account.ok_or_else(|| Error::Forbidden("this is for accounts; log in first".into()))
    }

    async fn membership(&self, caller: &Caller, room: &Room) -> Result<Membership> {
        match caller.actor.account() {
            Some(account) => self.rooms.membership(room.id, account.id).await,
            None => Ok(Membership::default()),
        }
    }

    /// The room and the caller's membership, if the caller is a member or a guest subscribed to it.
    async fn require_presence(&self, caller: &Caller, name: &RoomName) -> Result<(Room, Membership)> {
        let room = self.rooms.get(name).await?;
        let membership = self.membership(caller, &room).await?;
        let in_room = match (&caller.actor, caller.connection) {
            (Actor::Guest(_), Some(connection)) => self.hub.is_subscribed(room.id, connection),
            _ => membership.role.is_some(),
        };
        match in_room {
            true => Ok((room, membership)),
            false if membership.banned => Err(Error::Forbidden(error::rooms::BANNED.into())),
            false => Err(Error::not_a_member()),
        }
    }
}

fn call(caller: &Caller, room: Option<Room>, role: Option<Role>) -> Call {
    let Caller { actor, connection, origin, request } = caller;
    let (actor, origin) = (actor.clone(), Some(*origin));
    Call { request: *request, actor, room, role, connection: *connection, origin, depth: 0 }
}

/// The text of a slash command, without the slash; none if this message is no command.
pub fn slash_text(body: &str) -> Option<&str> {
    body.strip_prefix('/').filter(|rest| !rest.starts_with('/'))
}

/// The text of a message that is no command: the first of two leading slashes is removed.
pub fn plain_text(mut body: String) -> String {
    if body.starts_with("//") {
        body.remove(0);
    }
    body
}
