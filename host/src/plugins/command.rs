//! `commands`: what plugins add to what clients can ask for.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Services;
use super::apply::apply;
use super::bindings::wire;
use super::call::{Call, said};
use super::fault::{Fault, misfit};
use super::instance::Instance;
use super::meter::Meter;
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::UnitOfWork;
use super::visit::{Hook, Verdict, Visit};
use crate::error::{Error, Result};
use crate::protocol::Role;

/// A command that a plugin offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandInfo {
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// `noun.verb`.
    pub name: Arc<str>,
    pub summary: String,
    pub params: Vec<Param>,
    pub place: Place,
    /// None lets everybody call it.
    pub minimum_role: Option<Role>,
    /// The word after `/`, if it is offered as text.
    pub slash: Option<Arc<str>>,
}

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub summary: String,
    pub kind: ParamKind,
    pub required: bool,
}

/// What an argument holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamKind {
    Text,
    Integer,
    Number,
    Boolean,
    Account,
    Room,
    /// In whole seconds.
    Duration,
    Choice(Vec<String>),
}

impl ParamKind {
    /// The contract's word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Account => "account",
            Self::Room => "room",
            Self::Duration => "duration",
            Self::Choice(_) => "choice",
        }
    }
}

/// Where a command can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    InRoom,
}

impl CommandInfo {
    /// As clients list it.
    pub(super) fn to_json(&self) -> Value {
        let params = self.params.iter().map(|param| {
            let choices = match &param.kind {
                ParamKind::Choice(words) => Some(words),
                _ => None,
            };
            json!({
                "name": param.name, "summary": param.summary, "kind": param.kind.as_str(), "choices": choices,
                "required": param.required,
            })
        });
        json!({
            "name": &*self.name, "summary": self.summary, "plugin": &*self.plugin, "params": params.collect::<Value>(),
            "in_room": self.place == Place::InRoom, "minimum_role": self.minimum_role, "slash": self.slash.as_deref(),
        })
    }

    /// Whether this call may be made at all: its place, the actor's role, the arguments.
    pub(super) fn check(&self, call: &Call, args: &Value) -> Result<()> {
        if self.place == Place::InRoom && call.room.is_none() {
            return Err(Error::invalid("room", format!("{} works in a room: say which", self.name)));
        }
        if let Some(needed) = self.minimum_role
            && call.role.is_none_or(|role| role < needed)
        {
            return Err(Error::Forbidden(format!("only a {needed} of the room may do this")));
        }
        super::args::check(&self.params, args)
    }
}

/// Runs a command and makes what it staged true. A conflict over what it read is tried once more.
pub(super) async fn run(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    name: &str,
    call: &Call,
    args: &Value,
) -> Result<Value> {
    let Some((plugin, command)) = registry.command(name) else {
        return Err(Error::BadRequest(format!("there is no command `{}`", name.escape_debug())));
    };
    command.check(call, args)?;
    let args = args.to_string();
    match attempt(registry, services, plugin, name, call, &args).await {
        Err(Attempt::Overtaken(_)) => {
            let _turn = plugin.again.acquire().await.map_err(Error::internal)?;
            attempt(registry, services, plugin, name, call, &args).await
        }
        once => once,
    }
    .map_err(|(Attempt::Overtaken(error) | Attempt::Failed(error))| error)
}

/// Why one attempt at a command came to nothing.
enum Attempt {
    /// Another call changed what this one rests on: a second attempt may do.
    Overtaken(Error),
    Failed(Error),
}

impl From<Error> for Attempt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn attempt(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    name: &str,
    call: &Call,
    args: &str,
) -> Result<Value, Attempt> {
    let unit = Box::new(UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone()));
    let visit = Visit::begin(plugin, Hook::Commands)?;
    let (answer, unit) = match ask(plugin, unit, name, call, args).await {
        Ok(answered) => answered,
        Err(fault) => return Err(visit.failed(call, &fault).into()),
    };
    let reply = match answer.as_deref().map(serde_json::from_str) {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => {
            let fault = Fault::Nonsense(format!("its reply is no JSON: {error}"));
            return Err(visit.failed(call, &fault).into());
        }
        Err(_) => Value::Null,
    };
    visit.answered(if answer.is_ok() { Verdict::Yes } else { Verdict::No });
    answer.map_err(|error| said(error, &plugin.id, call.request))?;
    match apply(registry, plugin, unit, call).await {
        Ok(()) => Ok(reply),
        Err(error @ Error::Conflict(_)) => Err(Attempt::Overtaken(error)),
        Err(error) => Err(Attempt::Failed(error)),
    }
}

type Answer = std::result::Result<String, wire::Error>;

async fn ask(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    name: &str,
    call: &Call,
    args: &str,
) -> Result<(Answer, Box<UnitOfWork>), Fault> {
    let indices = plugin.hooks.commands.as_ref().ok_or_else(|| Fault::NoInstance("it has no commands".into()))?;
    let meter = Meter::call(plugin.budget.call);
    let context = call.context();
    meter
        .run(async {
            let mut instance = Instance::new(plugin, &meter, call.request).await?;
            instance.enter(unit);
            let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
            let args = args.to_owned();
            let answer = guest.natterjack_plugin_commands().call_run(&mut instance.store, &context, name, &args).await;
            Ok((instance.answered(answer)?, instance.leave()?))
        })
        .await
}

/// What the plugin offers, as the host keeps it.
pub(super) fn info(plugin: &Arc<str>, spec: wire::CommandSpec) -> CommandInfo {
    CommandInfo {
        plugin: plugin.clone(),
        name: spec.name.into(),
        summary: spec.summary,
        params: spec.params.into_iter().map(param).collect(),
        place: match spec.place {
            wire::Place::Anywhere => Place::Anywhere,
            wire::Place::InRoom => Place::InRoom,
        },
        minimum_role: spec.minimum_role.map(Into::into),
        slash: spec.slash.map(Into::into),
    }
}

fn param(param: wire::Param) -> Param {
    use wire::ParamKind as Wire;
    let kind = match param.kind {
        Wire::Text => ParamKind::Text,
        Wire::Integer => ParamKind::Integer,
        Wire::Number => ParamKind::Number,
        Wire::Boolean => ParamKind::Boolean,
        Wire::Account => ParamKind::Account,
        Wire::Room => ParamKind::Room,
        Wire::Duration => ParamKind::Duration,
        Wire::Choice(words) => ParamKind::Choice(words),
    };
    Param { name: param.name, summary: param.summary, kind, required: param.required }
}
