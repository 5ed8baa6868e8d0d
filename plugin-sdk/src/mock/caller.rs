//! Calls a plugin as the server would.

use super::MockHost;
use crate::{
    Actor, Admission, Args, Author, CommandSpec, Commands, ConnectionId, Context, Credential, Draft, Error, Event,
    MessageFilter, Observer, ParamKind, Place, Protection, Result, RoomGuard, RoomRef, Value, Verdict,
};

/// An actor that calls a plugin, optionally in a room: `chat.by("ann").at("lobby")`.
#[derive(Debug, Clone)]
pub struct Caller {
    chat: MockHost,
    actor: Actor,
    room: Option<String>,
}

impl Caller {
    pub(super) fn account(chat: &MockHost, name: &str) -> Self {
        let account = chat.state.borrow_mut().world.account(name);
        Self { chat: chat.clone(), actor: Actor::Account(account), room: None }
    }

    pub(super) fn guest(chat: &MockHost, name: &str) -> Self {
        let guest = chat.state.borrow_mut().world.guest(name);
        Self { chat: chat.clone(), actor: Actor::Guest(guest), room: None }
    }

    /// Sets the room of the call.
    pub fn at(mut self, room: &str) -> Self {
        self.room = Some(room.to_owned());
        self
    }

    /// The context of the call, for calling a plugin's own functions.
    ///
    /// # Panics
    /// If there is no such room.
    pub fn context(&self) -> Context {
        let room = self.room.as_ref().map(|name| match self.chat.find_room(name) {
            Some(room) => RoomRef { id: room.id, name: room.name, kind: room.kind, visibility: room.visibility },
            None => panic!("there is no room {name:?}"),
        });
        let role = match (&room, &self.actor) {
            (Some(room), Actor::Account(account)) => {
                self.chat.find_member(&room.name, &account.name).map(|member| member.role)
            }
            _ => None,
        };
        let connection = match &self.actor {
            Actor::Account(account) => Some(self.chat.connection_id(&account.name)),
            Actor::Guest(guest) => Some(guest.id.clone()),
            Actor::Plugin(_) | Actor::Server => None,
        };
        Context { request_id: "test".to_owned(), actor: self.actor.clone(), role, room, connection }
    }

    /// The caller's connection.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.context().connection
    }

    /// Calls a command. As on the server, its place, the caller's role and the arguments are checked first.
    ///
    /// # Errors
    /// Errors of these checks or of the command.
    ///
    /// # Panics
    /// If the plugin has no such command.
    pub fn run<T: Commands>(&self, plugin: &mut T, name: &str, args: Value) -> Result<Value> {
        let Some(spec) = plugin.specs().into_iter().find(|spec| spec.name == name) else {
            panic!("`specs` has no command {name:?}");
        };
        let ctx = self.context();
        if spec.place == Place::InRoom {
            ctx.room()?;
            if ctx.role.is_none() && matches!(ctx.actor, Actor::Account(_)) {
                return Err(Error::forbidden("not a member of this room"));
            }
        }
        if spec.minimum_role.is_some_and(|needed| ctx.role.is_none_or(|role| role < needed)) {
            return Err(Error::forbidden("your role in the room does not allow this"));
        }
        check_args(&spec, &args)?;
        self.chat.unit_of_work(&ctx.actor, || plugin.run(&ctx, name, Args::new(args.to_string())))
    }

    /// Calls a filter with a message; the message is not stored.
    pub fn post<T: MessageFilter>(&self, plugin: &mut T, body: &str) -> Verdict {
        let draft = Draft { body: body.to_owned(), ..Draft::default() };
        self.chat.without_waiting("on_message", || plugin.on_message(&self.context(), &draft))
    }

    /// Posts a message to the room without filters, and returns the resulting event.
    ///
    /// # Panics
    /// If the caller has no room.
    pub fn say(&self, body: &str) -> Event {
        let ctx = self.context();
        let Some(room) = &ctx.room else { panic!("say where: `.at(\"lobby\")`") };
        let author = match ctx.actor {
            Actor::Account(account) => Author::Account(account),
            Actor::Guest(guest) => Author::Guest(guest.name),
            Actor::Plugin(id) => Author::Plugin(id),
            Actor::Server => Author::Server,
        };
        let world = &mut self.chat.state.borrow_mut().world;
        let now = world.now;
        match world.room_mut(&room.id) {
            Ok(room) => Event::MessagePosted(room.post(now, author, body, None)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls an observer with an event caused by the caller, if the observer is interested in it.
    ///
    /// # Errors
    /// The plugin's own error.
    pub fn observe<T: Observer>(&self, plugin: &mut T, event: &Event) -> Result<()> {
        let ctx = self.context();
        if !plugin.interest().covers(event.kind(), ctx.room.as_ref().map(|room| room.kind)) {
            return Ok(());
        }
        self.chat.unit_of_work(&ctx.actor, || plugin.on_event(&ctx, event))
    }

    /// Asks a guard to protect the room with these credentials.
    ///
    /// # Errors
    /// The guard's own error.
    pub fn protect<T: RoomGuard>(&self, plugin: &mut T, credentials: &[Credential]) -> Result<Protection> {
        let ctx = self.context();
        self.chat.unit_of_work(&ctx.actor, || plugin.protect(&ctx, credentials))
    }

    /// Asks a guard to admit the caller to the room.
    ///
    /// # Errors
    /// The guard's own error, which counts as a denial.
    pub fn join<T: RoomGuard>(&self, plugin: &mut T, credentials: &[Credential]) -> Result<Admission> {
        let ctx = self.context();
        self.chat.unit_of_work(&ctx.actor, || plugin.admit(&ctx, credentials))
    }
}

fn check_args(spec: &CommandSpec, args: &Value) -> Result<()> {
    let Some(given) = args.as_object() else {
        return Err(Error::bad_request("arguments are a JSON object"));
    };
    for name in given.keys() {
        if !spec.params.iter().any(|param| param.name == *name) {
            return Err(Error::invalid(format!("`{name}` is not a parameter of {}", spec.name)));
        }
    }
    for param in &spec.params {
        let name = &param.name;
        match given.get(name) {
            Some(value) if !fits(&param.kind, value) => {
                return Err(Error::invalid(format!("`{name}` is not a {:?}", param.kind)));
            }
            None if param.required => return Err(Error::invalid(format!("`{name}` is missing"))),
            _ => {}
        }
    }
    Ok(())
}

fn fits(kind: &ParamKind, value: &Value) -> bool {
    match kind {
        ParamKind::Text | ParamKind::Account | ParamKind::Room => value.is_string(),
        ParamKind::Integer => value.is_i64() || value.is_u64(),
        ParamKind::Number => value.is_number(),
        ParamKind::Boolean => value.is_boolean(),
        ParamKind::Duration => value.is_u64(),
        ParamKind::Choice(words) => value.as_str().is_some_and(|word| words.iter().any(|known| known == word)),
    }
}
