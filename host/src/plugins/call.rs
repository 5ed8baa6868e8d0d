//! What surrounds a call into a plugin, and how the contract's shapes map to the host's own.

use std::time::Duration;

use uuid::Uuid;

use super::bindings::wire;
use super::quarantine::FaultSource;
use crate::accounts::throttle::Origin;
use crate::error::Error;
use crate::protocol::{Actor, ConnectionId, Credential, Role, Room, RoomKind, Visibility};

/// Who calls, from where. The router fills it in from what it has checked.
#[derive(Clone, Debug)]
pub struct Call {
    /// Ties the call to the server's log and to the error that a client sees.
    pub request: Uuid,
    pub actor: Actor,
    /// The room that the call is about.
    pub room: Option<Room>,
    /// The actor's role there.
    pub role: Option<Role>,
    /// The live connection that led to the call.
    pub connection: Option<ConnectionId>,
    /// Where the actor's connection comes from. No plugin is told.
    pub origin: Option<Origin>,
    /// How many plugins' reactions led to it: 0 for what somebody asked for.
    pub depth: u8,
}

impl Call {
    /// What the guest is told of it.
    pub(super) fn context(&self) -> wire::Context {
        wire::Context {
            request_id: self.request.to_string(),
            actor: actor(&self.actor),
            role: self.role.map(Into::into),
            room: self.room.as_ref().map(room_ref),
            connection: self.connection.map(|connection| connection.to_string()),
        }
    }

    /// Whom a fault of this call counts for.
    pub(super) fn source(&self) -> FaultSource {
        match (&self.actor, self.origin) {
            (Actor::Account(account), _) => FaultSource::Account(account.id),
            (Actor::Guest(_), Some(origin)) => FaultSource::Origin(origin),
            (Actor::Guest(_) | Actor::Plugin(_) | Actor::Server, _) => FaultSource::Inside,
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

/// A host error, as a guest's import shows it.
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

/// Guests' texts for people are cut here.
const MESSAGE_CHARS: usize = 1000;
const CODE_CHARS: usize = 64;

/// A text that is no longer than this.
pub(super) fn clip(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
    }
    text
}

/// A verdict against somebody.
pub(super) fn rejected(code: String, reason: String) -> Error {
    Error::Rejected { code: clip(code, CODE_CHARS), reason: clip(reason, MESSAGE_CHARS) }
}

/// What a command or a guard answered instead of a result, for the client. `plugin` and `request` are for errors
/// that a plugin cannot speak of itself.
pub(super) fn said(error: wire::Error, plugin: &str, request: Uuid) -> Error {
    let message = clip(error.message, MESSAGE_CHARS);
    match error.code {
        wire::ErrorCode::BadRequest => Error::BadRequest(message),
        wire::ErrorCode::Unauthenticated => Error::Unauthenticated(message),
        wire::ErrorCode::Forbidden => Error::Forbidden(message),
        wire::ErrorCode::NotFound => Error::NotFound(message),
        wire::ErrorCode::Conflict => Error::Conflict(message),
        // In its own words: what it calls the value that is wrong only the plugin knows.
        wire::ErrorCode::Invalid => Error::invalid("", message),
        wire::ErrorCode::RateLimited => {
            Error::RateLimited { retry_after: Duration::from_millis(error.retry_after_ms.unwrap_or(1000)) }
        }
        wire::ErrorCode::TooLarge => Error::TooLarge { what: "", limit: message },
        wire::ErrorCode::Rejected => Error::Rejected { code: "rejected".into(), reason: message },
        wire::ErrorCode::Unavailable => Error::Unavailable(message),
        wire::ErrorCode::PluginFailed | wire::ErrorCode::Internal => {
            tracing::warn!(target: "plugin", plugin = %plugin, %request, reason = %message, "the plugin gave up");
            Error::Plugin { plugin: plugin.into(), request }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_of_a_plugin_reaches_people_in_its_own_words() {
        let message = "only a private room has a password";
        let error = wire::Error { code: wire::ErrorCode::Invalid, message: message.into(), retry_after_ms: None };
        let told = said(error, "groups", Uuid::nil());
        assert_eq!((told.code(), told.to_string().as_str()), ("invalid", message));
        // Whatever a dialect calls the fields of its own.
        assert_eq!(told.in_terms_of(&[("args", "payload"), ("body", "message")]).to_string(), message);
    }
}
