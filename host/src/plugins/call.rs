//! The context of a call into a plugin, and conversions between the contract's types and the host's.

use std::time::Duration;

use uuid::Uuid;

use super::bindings::wire;
use super::quarantine::FaultSource;
use crate::accounts::throttle::Origin;
use crate::error::Error;
use crate::protocol::{Actor, ConnectionId, Credential, Role, Room, RoomKind, Visibility};

/// The actor, room and connection of a call. The router fills it in after its own checks.
#[derive(Clone, Debug)]
pub struct Call {
    /// Request id, also written to the log and to the error that the client gets.
    pub request: Uuid,
    pub actor: Actor,
    /// The room that the call concerns.
    pub room: Option<Room>,
    /// The actor's role in that room.
    pub role: Option<Role>,
    /// The connection that caused the call, if it is known.
    pub connection: Option<ConnectionId>,
    /// The network origin of the actor's connection. Not passed to plugins.
    pub origin: Option<Origin>,
    /// Length of the chain of plugin reactions that led to the call: 0 for a client's request.
    pub depth: u8,
}

impl Call {
    /// The part of the context that is passed to the guest.
    pub(super) fn context(&self) -> wire::Context {
        wire::Context {
            request_id: self.request.to_string(),
            actor: actor(&self.actor),
            role: self.role.map(Into::into),
            room: self.room.as_ref().map(room_ref),
            connection: self.connection.map(|connection| connection.to_string()),
        }
    }

    /// The caller that a fault of this call is attributed to.
    pub(super) fn source(&self) -> FaultSource {
        match (&self.actor, self.origin) {
            (Actor::Account(account), _) => FaultSource::Account(account.id),
            (Actor::Guest(_), Some(origin)) => FaultSource::Origin(origin),
            (Actor::Guest(_) | Actor::Plugin(_) | Actor::Server, _) => FaultSource::Internal,
        }
    }
}

fn actor(actor: &Actor) -> wire::Actor {
    match actor {
        Actor::Account(account) => {
            wire::Actor::Account(wire::AccountRef { id: account.id.to_string(), name: account.name.to_string() })
        }
        Actor::Guest(guest) => {
            wire::Actor::Guest(wire::GuestRef { id: guest.id.to_string(), name: guest.name.to_string() })
        }
        Actor::Plugin(bot) => wire::Actor::Plugin(bot.plugin.to_string()),
        Actor::Server => wire::Actor::Server,
    }
}

fn room_ref(room: &Room) -> wire::RoomRef {
    wire::RoomRef {
        id: room.id.to_string(),
        name: room.name.to_string(),
        kind: room.kind.into(),
        visibility: room.visibility.into(),
    }
}

impl From<Role> for wire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Moderator => Self::Moderator,
            Role::Owner => Self::Owner,
        }
    }
}

impl From<wire::Role> for Role {
    fn from(role: wire::Role) -> Self {
        match role {
            wire::Role::Member => Self::Member,
            wire::Role::Moderator => Self::Moderator,
            wire::Role::Owner => Self::Owner,
        }
    }
}

impl From<RoomKind> for wire::RoomKind {
    fn from(kind: RoomKind) -> Self {
        match kind {
            RoomKind::Room => Self::Room,
            RoomKind::Direct => Self::Direct,
            RoomKind::Echo => Self::Session,
        }
    }
}

impl From<Visibility> for wire::Visibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<wire::Visibility> for Visibility {
    fn from(visibility: wire::Visibility) -> Self {
        match visibility {
            wire::Visibility::Public => Self::Public,
            wire::Visibility::Private => Self::Private,
        }
    }
}

impl From<&Credential> for wire::Credential {
    fn from(credential: &Credential) -> Self {
        Self { name: credential.name.clone(), value: credential.value.clone() }
    }
}

/// A host error, as an import returns it to the guest.
impl From<Error> for wire::Error {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::BadRequest(_) => wire::ErrorCode::BadRequest,
            Error::Unauthenticated(_) => wire::ErrorCode::Unauthenticated,
            Error::Forbidden(_) => wire::ErrorCode::Forbidden,
            Error::NotFound(_) => wire::ErrorCode::NotFound,
            Error::Conflict(_) => wire::ErrorCode::Conflict,
            Error::Invalid { .. } => wire::ErrorCode::Invalid,
            Error::RateLimited { .. } => wire::ErrorCode::RateLimited,
            Error::TooLarge { .. } => wire::ErrorCode::TooLarge,
            Error::Rejected { .. } => wire::ErrorCode::Rejected,
            Error::Plugin { .. } => wire::ErrorCode::PluginFailed,
            Error::Unavailable(_) | Error::Contended => wire::ErrorCode::Unavailable,
            Error::Internal(_) => wire::ErrorCode::Internal,
        };
        let retry_after_ms = error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Self { code, message: error.to_string(), retry_after_ms }
    }
}

/// Longer error texts of guests are cut.
const MAX_MESSAGE_CHARS: usize = 1000;
const MAX_CODE_CHARS: usize = 64;

/// Cuts a text to `chars` characters.
pub(super) fn clip(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
    text
}

/// The error for a message that a filter rejects, or an actor that a guard denies.
pub(super) fn rejected(code: String, reason: String) -> Error {
    Error::Rejected { code: clip(code, MAX_CODE_CHARS), reason: clip(reason, MAX_MESSAGE_CHARS) }
}

/// Converts an error that a command or guard returned into the client's error. `plugin` and `request` identify internal
/// errors, whose message is only logged.
pub(super) fn guest_error(error: wire::Error, plugin: &str, request: Uuid) -> Error {
    let message = clip(error.message, MAX_MESSAGE_CHARS);
    match error.code {
        wire::ErrorCode::BadRequest => Error::BadRequest(message),
        wire::ErrorCode::Unauthenticated => Error::Unauthenticated(message),
        wire::ErrorCode::Forbidden => Error::Forbidden(message),
        wire::ErrorCode::NotFound => Error::NotFound(message),
        wire::ErrorCode::Conflict => Error::Conflict(message),
        // The message stays as it is: only the plugin knows the name of the invalid value.
        wire::ErrorCode::Invalid => Error::invalid("", message),
        wire::ErrorCode::RateLimited => {
            Error::RateLimited { retry_after: Duration::from_millis(error.retry_after_ms.unwrap_or(1000)) }
        }
        wire::ErrorCode::TooLarge => Error::TooLarge { what: "", limit: message },
        wire::ErrorCode::Rejected => Error::Rejected { code: "rejected".into(), reason: message },
        wire::ErrorCode::Unavailable => Error::Unavailable(message),
        wire::ErrorCode::PluginFailed | wire::ErrorCode::Internal => {
            tracing::warn!(target: "plugin", plugin = %plugin, %request, reason = %message, "plugin returned internal error");
            Error::Plugin { plugin: plugin.into(), request }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_error_of_a_plugin_reaches_the_client_unchanged() {
        let message = "only a private room has a password";
        let returned = wire::Error { code: wire::ErrorCode::Invalid, message: message.into(), retry_after_ms: None };
        let error = guest_error(returned, "groups", Uuid::nil());
        assert_eq!((error.code(), error.to_string().as_str()), ("invalid", message));
        // Also where a dialect renames fields.
        assert_eq!(error.with_field_names(&[("args", "payload"), ("body", "message")]).to_string(), message);
    }
}
