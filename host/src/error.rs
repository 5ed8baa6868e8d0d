//! The host's error type: a stable code and a sentence for the client. Each dialect encodes it in its own way.

use std::borrow::Cow;
use std::time::Duration;

use uuid::Uuid;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error texts about rooms, which dialects with another word for rooms replace.
pub mod rooms {
    pub const NOT_A_MEMBER: &str = "not a member of this room; join it first";
    pub const BANNED: &str = "banned from this room";
    pub const PRIVATE: &str = "this room is private: a member has to invite you";
    pub const FULL: &str = "the room is full";
    pub const NAME_TAKEN: &str = "room name is taken";
    pub const NO_ROOM: &str = "room not found";
    /// Followed by the time.
    pub const MUTED_UNTIL: &str = "muted in this room until ";
    pub const NO_ROOM_CREATION: &str = "rooms cannot be made on this server";
}

/// The error of the whole host. Its text is for the client that sent the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// The client has not identified itself, or its token or password is wrong.
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    /// Says what was not found: "room not found".
    #[error("{0}")]
    NotFound(String),
    /// Names what is taken or was changed concurrently: "room name is taken".
    #[error("{0}")]
    Conflict(String),
    /// A value is out of range or malformed. If `field` is empty, `why` is the whole text.
    #[error("{}", about(field, why))]
    Invalid { field: Cow<'static, str>, why: String },
    #[error("too many requests; try again in {}", humantime::format_duration(round_up(*.retry_after)))]
    RateLimited { retry_after: Duration },
    /// A value is too large. If `what` is empty, `limit` is the whole text.
    #[error("{}", too_large(what, limit))]
    TooLarge { what: &'static str, limit: String },
    /// A message filter refused a message; `code` is the filter's own.
    #[error("{reason}")]
    Rejected { code: String, reason: String },
    /// A plugin trapped, timed out or exceeded a limit.
    #[error("the plugin {plugin} failed; the server's log has the reason under {request}")]
    Plugin { plugin: String, request: Uuid },
    #[error("{0}")]
    Unavailable(String),
    /// A transaction conflicted with another writer; the writer retries before a client sees this.
    #[error("the database is busy with other changes; try again")]
    Contended,
    #[error("internal error; the server's log has the reason under {0}")]
    Internal(Uuid),
}

impl Error {
    /// The stable code of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Invalid { .. } => "invalid",
            Self::RateLimited { .. } => "rate_limited",
            Self::TooLarge { .. } => "too_large",
            Self::Rejected { .. } => "rejected",
            Self::Plugin { .. } => "plugin_failed",
            Self::Unavailable(_) | Self::Contended => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// How long the client should wait before it retries.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether the error ends the transaction in which it happened: the database has rolled it back, or may have.
    pub fn ends_transaction(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Contended)
    }

    /// The same error with the client's names of fields, by these pairs of ours and theirs. A field that the client did not send
    /// is not named.
    pub fn with_field_names(&self, names: &[(&str, &'static str)]) -> Self {
        let theirs = |ours: &str| names.iter().find(|(name, _)| *name == ours).map(|(_, name)| *name);
        // Names that are the client's already, and elements of a list.
        let known = |ours: &str| names.iter().any(|(_, name)| *name == ours.split('[').next().unwrap_or_default());
        match self.clone() {
            Self::Invalid { field, why } => match theirs(&field) {
                Some(field) => Self::Invalid { field: field.into(), why },
                None if known(&field) => Self::Invalid { field, why },
                None => Self::Invalid { field: "".into(), why },
            },
            Self::TooLarge { what, limit } => match theirs(what) {
                Some(what) => Self::TooLarge { what, limit },
                // A description instead of a field.
                None if known(what) || what.is_empty() || what.contains(' ') => Self::TooLarge { what, limit },
                None => Self::TooLarge { what: "a value", limit },
            },
            other => other,
        }
    }

    /// [`Error::NotFound`] for this kind of thing, such as `room`.
    /// The caller is no member of the room.
    pub fn not_a_member() -> Self {
        Self::Forbidden(rooms::NOT_A_MEMBER.into())
    }

    pub fn not_found(what: &str) -> Self {
        Self::NotFound(format!("{what} not found"))
    }

    /// [`Error::Invalid`] for a field; see there.
    pub fn invalid(field: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// Logs an internal error under a new correlation id; the client sees only the id.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        let correlation = Uuid::now_v7();
        tracing::error!(%correlation, error = %what, "internal error");
        Self::Internal(correlation)
    }
}

fn about(field: &str, why: &str) -> String {
    if field.is_empty() { why.to_owned() } else { format!("{field}: {why}") }
}

fn too_large(what: &str, limit: &str) -> String {
    if what.is_empty() { limit.to_owned() } else { format!("{what} is too large: at most {limit}") }
}

fn round_up(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
