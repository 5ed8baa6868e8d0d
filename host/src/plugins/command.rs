//! Calls the `commands` hook: operations that plugins add for clients.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Services;
use super::bindings::wire;
use super::call::Call;
use super::fault::{Fault, misfit};
use super::guarded_call::{GuardedCall, Hook};
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::{RequestedBy, UnitOfWork};
use super::write_call::{Answered, CallError, call_new_instance, conclude};
use crate::error::{Error, Result};
use crate::protocol::Role;
use crate::text::shown;

/// A command of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandInfo {
    /// The plugin's id.
    pub plugin: Arc<str>,
    /// `noun.verb`.
    pub name: Arc<str>,
    pub summary: String,
    pub params: Vec<Param>,
    pub place: Place,
    /// The room role that the caller needs; none if everybody may call it.
    pub minimum_role: Option<Role>,
    /// The word after `/`, if it can be typed as a slash command.
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

/// The type of an argument.
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
    /// The name of the kind in the contract.
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
    /// The JSON that clients get in the list of commands.
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

    /// Removes arguments of optional params that are null, or empty strings where the param is not text.
    pub fn drop_absent(&self, args: &mut Map<String, Value>) {
        for param in self.params.iter().filter(|param| !param.required) {
            let is_nothing = match args.get(&param.name) {
                Some(Value::Null) => true,
                Some(Value::String(text)) => text.is_empty() && param.kind != ParamKind::Text,
                _ => false,
            };
            if is_nothing {
                args.remove(&param.name);
            }
        }
    }

    /// Restores the field of an `invalid` error that a plugin returned as `field: reason`, if the field is one of the params.
    fn name_field(&self, error: Error) -> Error {
        let Error::Invalid { field, why } = &error else { return error };
        let named = why.split_once(": ").filter(|_| field.is_empty());
        match named.filter(|(name, _)| self.params.iter().any(|param| param.name == *name)) {
            Some((name, why)) => Error::invalid(name.to_owned(), why),
            None => error,
        }
    }

    /// Checks the place of the call, the actor's role and the arguments.
    pub(super) fn check(&self, call: &Call, args: &Value) -> Result<()> {
        if self.place == Place::InRoom && call.room.is_none() {
            return Err(Error::invalid("room", format!("{} works in a room only; name the room", self.name)));
        }
        if let Some(needed) = self.minimum_role
            && call.role.is_none_or(|role| role < needed)
        {
            return Err(Error::Forbidden(format!("only a {needed} of the room may do this")));
        }
        super::args::check(&self.params, args)
    }
}

/// Runs a command and commits its unit of work. After a conflict it is run once more.
pub(super) async fn run(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    name: &str,
    call: &Call,
    args: &Value,
) -> Result<Value> {
    let Some((plugin, command)) = registry.command(name) else {
        return Err(Error::BadRequest(format!("there is no command `{}`", shown(name))));
    };
    command.check(call, args)?;
    let args = args.to_string();
    match attempt(registry, services, plugin, name, call, &args).await {
        Err(CallError::Conflict(_)) => {
            let _permit = plugin.retry_permit.acquire().await.map_err(Error::internal)?;
            attempt(registry, services, plugin, name, call, &args).await
        }
        once => once,
    }
    .map_err(|error| command.name_field(error.into()))
}

async fn attempt(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    name: &str,
    call: &Call,
    args: &str,
) -> Result<Value, CallError> {
    let unit = UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone()).from(call.origin);
    let unit = Box::new(unit.requested_by(Some(RequestedBy::caller(call))));
    let guarded = GuardedCall::begin(plugin, Hook::Commands)?;
    let answered = call_guest(plugin, unit, name, call, args).await;
    conclude(registry, plugin, call, guarded, answered).await
}

async fn call_guest(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    name: &str,
    call: &Call,
    args: &str,
) -> Answered<Result<Value, wire::Error>> {
    let indices = plugin.hooks.commands.as_ref().ok_or_else(|| Fault::NoInstance("it has no commands".into()))?;
    call_new_instance(plugin, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let args = args.to_owned();
        let answer = guest.natterjack_plugin_commands().call_run(&mut instance.store, &context, name, &args).await;
        let reply = match instance.answered(answer)? {
            Ok(reply) => serde_json::from_str(&reply)
                .map(Ok)
                .map_err(|error| Fault::Nonsense(format!("its reply is not JSON: {error}")))?,
            Err(error) => Err(error),
        };
        Ok((reply, instance))
    })
    .await
}

/// Converts a command's description from the contract's type.
pub(super) fn from_spec(plugin: &Arc<str>, spec: wire::CommandSpec) -> CommandInfo {
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
