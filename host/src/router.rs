//! From a command to its reply: preconditions, then plugin hooks, then the service that does it.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::accounts::throttle::{Guesser, Origin};
use crate::clock::now;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::messages::{Messages, PostDone, Writer};
use crate::plugins::{Call, CommandInfo, Draft, ParamKind, Plugins};
use crate::protocol::{
    AccountId, Actor, Command, ConnectionId, Credential, Entry, NewPost, Page, Post, Reply, Role, Room, RoomName,
    Standing,
};
use crate::rooms::{Door, Rooms};

/// How many rooms or members one answer lists.
const LIST_PAGE: u32 = 100;

/// Who asks, and over what.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    /// None for REST.
    pub connection: Option<ConnectionId>,
    /// Where from.
    pub origin: Origin,
    /// Ties the request to the log and to the error that the client sees.
    pub request: Uuid,
}

/// What a command presupposes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Somebody who has said who they are.
    Identity,
    /// A member of the room, or a guest who is in it.
    Presence,
}

fn needs(command: &Command) -> Needs {
    match command {
        Command::RoomLeave { .. }
        | Command::RoomMembers { .. }
        | Command::RoomHistory { .. }
        | Command::Post { .. } => Needs::Presence,
        Command::Connect { .. }
        | Command::RoomList { .. }
        | Command::RoomGet { .. }
        | Command::RoomJoin { .. }
        | Command::AccountFind { .. }
        | Command::Commands
        | Command::Plugin { .. } => Needs::Identity,
    }
}

/// Somebody came into a room: what they missed is to be sent before what is new.
pub struct Joined {
    pub room: Room,
    pub last_seq: u64,
    /// The entries asked for by `since`; none if they were not asked for or are too many.
    pub backlog: Option<Vec<Entry>>,
}

pub struct Router {
    pub accounts: Arc<Accounts>,
    pub rooms: Arc<Rooms>,
    pub messages: Arc<Messages>,
    pub writer: Writer,
    pub hub: Arc<Hub>,
    pub plugins: Arc<Plugins>,
}

impl Router {
    /// Everything but posts and joins, whose answers have their own place among the events.
    pub async fn handle(&self, caller: &Caller, command: Command) -> Result<Reply> {
        let present = match (needs(&command), room_of(&command)) {
            (Needs::Presence, Some(room)) => Some(self.presence(caller, room).await?),
            _ => None,
        };
        match (command, present) {
            (Command::RoomHistory { page, limit, .. }, Some((room, _))) => self.history(&room, page, limit).await,
            (Command::RoomMembers { cursor, .. }, Some((room, _))) => self.members(&room, cursor).await,
            (Command::RoomLeave { .. }, Some((room, _))) => self.leave(caller, &room).await,
            (Command::RoomList { query, cursor }, _) => self.list(caller, query, cursor).await,
            (Command::RoomGet { room }, _) => self.get(caller, &room).await,
            (Command::AccountFind { name }, _) => {
                let account = self.accounts.find(&name).await?;
                Ok(Reply::Account { online: self.hub.is_online(account.id), account })
            }
            (Command::Commands, _) => Ok(Reply::Commands(self.plugins.commands())),
            (Command::Plugin { name, args }, _) => {
                let info = self.plugins.command(&name).ok_or_else(|| {
                    Error::BadRequest(format!(
                        "there is no op `{}`; `commands` lists the plugins' own",
                        name.escape_debug()
                    ))
                })?;
                let value = self.run(caller, &info, args, None).await?;
                Ok(Reply::Result { value, slash: false })
            }
            (Command::Connect { .. } | Command::RoomJoin { .. } | Command::Post { .. }, _)
            | (Command::RoomHistory { .. } | Command::RoomMembers { .. } | Command::RoomLeave { .. }, None) => {
                Err(Error::internal("a command came to the wrong place"))
            }
        }
    }

    /// Checks a message, shows it to the filters and queues it; `done` hears what became of it.
    pub async fn post(&self, caller: &Caller, to: &RoomName, post: Post, done: PostDone) {
        match self.prepare(caller, to, post).await {
            Ok(new) => self.writer.post(new, done).await,
            Err(error) => done(Err(error)),
        }
    }

    async fn prepare(&self, caller: &Caller, to: &RoomName, mut post: Post) -> Result<NewPost> {
        let (room, standing) = self.presence(caller, to).await?;
        if let Some(until) = standing.muted_until.filter(|until| *until > now()) {
            return Err(Error::Forbidden(format!("muted in this room until {until}")));
        }
        // A second slash says that the first one is meant as text.
        if let Some(text) = post.body.strip_prefix("//") {
            post.body = format!("/{text}").into();
        }
        self.messages.check_body(&post.body)?;
        if let Some(key) = &post.key {
            Messages::check_key(key)?;
        }
        let id = room.id;
        let call = call(caller, Some(room), standing.role);
        let draft = Draft { body: post.body.to_string(), reply_to: post.reply_to, edit_of: None };
        if let Some(rewritten) = self.plugins.filter(&call, draft)? {
            self.messages.check_body(&rewritten)?;
            post.body = rewritten.into();
        }
        Ok(NewPost { room: id, by: caller.actor.clone(), post })
    }

    /// Runs the command that `/slash` text calls.
    pub async fn slash(&self, caller: &Caller, to: &RoomName, text: &str) -> Result<Reply> {
        let (room, _) = self.presence(caller, to).await?;
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some(info) = self.plugins.slash(word) else {
            let word = word.escape_debug();
            return Err(Error::NotFound(format!("there is no command /{word}; to post it as text, write //{word}")));
        };
        let args = crate::plugins::slash::parse(&info, rest)?;
        let value = self.run(caller, &info, args, Some(room)).await?;
        Ok(Reply::Result { value, slash: true })
    }

    /// Lets somebody into a room, if the door or a guard says so.
    pub async fn join(&self, caller: &Caller, name: &RoomName, credentials: &[Credential]) -> Result<Room> {
        let room = self.rooms.get(name).await?;
        let standing = self.standing(caller, &room).await?;
        match Rooms::door(&room, standing)? {
            Door::Inside => return Ok(room),
            Door::Open => {}
            Door::Guarded => self.ask_guards(caller, &room, credentials).await?,
        }
        self.rooms.add_member(room.id, &caller.actor).await?;
        Ok(room)
    }

    /// Whether the room guards let somebody in. Whoever offers wrong credentials too often has to wait.
    async fn ask_guards(&self, caller: &Caller, room: &Room, credentials: &[Credential]) -> Result<()> {
        let guesser = match caller.actor.account() {
            Some(account) => Guesser::Account(account.id),
            None => Guesser::Origin(caller.origin),
        };
        let key = (room.id, guesser);
        let throttle = &self.accounts.throttles.room_passwords;
        throttle.check(&key)?;
        let verdict = self.plugins.admit(&call(caller, Some(room.clone()), None), credentials).await;
        if verdict.is_err() && !credentials.is_empty() {
            throttle.failed(&key);
        }
        verdict
    }

    /// What somebody who listens from now on has missed since `since`. To be asked after listening began: whoever was
    /// put out between coming in and listening is found out here.
    pub async fn catch_up(&self, caller: &Caller, room: Room, since: Option<u64>) -> Result<Joined> {
        let (room, _) = self.presence(caller, &RoomName::Id(room.id)).await?;
        let last_seq = self.messages.last_seq(room.id).await?;
        let backlog = match since {
            Some(since) => self.messages.backlog(room.id, since, last_seq).await?,
            None => None,
        };
        Ok(Joined { room, last_seq, backlog })
    }

    async fn run(
        &self,
        caller: &Caller,
        info: &CommandInfo,
        mut args: Map<String, Value>,
        here: Option<Room>,
    ) -> Result<Value> {
        let named = match (&here, args.get("room")) {
            (Some(here), _) => Some(RoomName::Id(here.id)),
            (None, Some(Value::String(name))) => Some(RoomName::parse(name.clone())),
            (None, Some(_)) => return Err(Error::invalid("room", "should be a room's uid or name")),
            (None, None) => None,
        };
        // A room that a command mentions only in passing is a parameter of its own; this one the caller is in.
        let (room, role) = match named {
            Some(name) => {
                let (room, standing) = self.presence(caller, &name).await?;
                (Some(room), standing.role)
            }
            None => (None, None),
        };
        args.remove("room");
        self.resolve(info, &mut args).await?;
        self.plugins.run(&info.name, &call(caller, room, role), Value::Object(args)).await
    }

    /// Puts ids in the place of the names that people typed.
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

    async fn history(&self, room: &Room, page: Page, limit: u32) -> Result<Reply> {
        let (messages, more) = self.messages.history(room.id, page, limit).await?;
        Ok(Reply::History { messages, more })
    }

    async fn members(&self, room: &Room, cursor: Option<AccountId>) -> Result<Reply> {
        let members = self.rooms.members(room.id, cursor, LIST_PAGE).await?;
        let next = (members.len() == LIST_PAGE as usize).then(|| members.last().map(|last| last.account.id)).flatten();
        let members = members.into_iter().map(|member| (self.hub.is_online(member.account.id), member));
        let members = members.map(|(online, member)| (member, online)).collect();
        Ok(Reply::Members { members, guests: self.hub.guests(room.id), next })
    }

    async fn leave(&self, caller: &Caller, room: &Room) -> Result<Reply> {
        // An account's connections stop listening when they hear of it; a guest's session does it for itself.
        self.rooms.leave(room.id, &caller.actor).await?;
        Ok(Reply::Left)
    }

    async fn list(&self, caller: &Caller, query: Option<String>, cursor: Option<String>) -> Result<Reply> {
        let account = caller.actor.account().map(|account| account.id);
        let after = cursor.unwrap_or_default();
        let rooms = self.rooms.list(account, query.as_deref(), &after, LIST_PAGE).await?;
        let full = rooms.len() == LIST_PAGE as usize;
        let next = rooms.last().filter(|_| full).map(|(room, _)| crate::name::fold(&room.name));
        Ok(Reply::Rooms { rooms, next })
    }

    async fn get(&self, caller: &Caller, name: &RoomName) -> Result<Reply> {
        let room = self.rooms.get(name).await?;
        let standing = self.standing(caller, &room).await?;
        Rooms::door(&room, standing)?;
        let (room, members) = self.rooms.get_counted(room.id).await?;
        Ok(Reply::Room { room, members, role: standing.role })
    }

    async fn standing(&self, caller: &Caller, room: &Room) -> Result<Standing> {
        match caller.actor.account() {
            Some(account) => self.rooms.standing(room.id, account.id).await,
            None => Ok(Standing::default()),
        }
    }

    /// The room, if the caller is a member of it or a guest who is in it.
    async fn presence(&self, caller: &Caller, name: &RoomName) -> Result<(Room, Standing)> {
        let room = self.rooms.get(name).await?;
        let standing = self.standing(caller, &room).await?;
        let there = match (&caller.actor, caller.connection) {
            (Actor::Guest(_), Some(connection)) => self.hub.is_listening(room.id, connection),
            _ => standing.role.is_some(),
        };
        if there {
            Ok((room, standing))
        } else {
            Err(Error::Forbidden("not a member of this room; join it first".into()))
        }
    }
}

fn room_of(command: &Command) -> Option<&RoomName> {
    match command {
        Command::RoomGet { room }
        | Command::RoomJoin { room, .. }
        | Command::RoomLeave { room }
        | Command::RoomMembers { room, .. }
        | Command::RoomHistory { room, .. }
        | Command::Post { room, .. } => Some(room),
        _ => None,
    }
}

fn call(caller: &Caller, room: Option<Room>, role: Option<Role>) -> Call {
    let Caller { actor, connection, origin, request } = caller;
    let (actor, connection) = (actor.clone(), *connection);
    Call { request: *request, actor, room, role, connection, origin: Some(*origin), depth: 0 }
}

/// The text of a command, if this message calls one.
pub fn slash_text(body: &str) -> Option<&str> {
    body.strip_prefix('/').filter(|rest| !rest.starts_with('/'))
}
