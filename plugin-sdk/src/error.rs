//! The error type of hooks and imports.

use std::fmt;

/// A kind of error. Clients see the same word in `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed.
    BadRequest,
    /// The actor is not logged in.
    Unauthenticated,
    /// The actor may not do this.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// The name is taken, or the same data was changed concurrently.
    Conflict,
    /// A value is out of range or malformed.
    Invalid,
    /// Too many requests; see [`Error::retry_after_ms`].
    RateLimited,
    /// A size limit is exceeded.
    TooLarge,
    /// A message filter rejected the message.
    Rejected,
    /// Another plugin that is involved in this call failed.
    PluginFailed,
    /// The server cannot do this now; a later retry may succeed.
    Unavailable,
    /// The server failed; the reason is in its log.
    Internal,
}

impl ErrorCode {
    /// The name of the code as clients see it, such as `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::Unauthenticated => "unauthenticated",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::Conflict => "conflict",
            ErrorCode::Invalid => "invalid",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::Rejected => "rejected",
            ErrorCode::PluginFailed => "plugin_failed",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::Internal => "internal",
        }
    }
}

/// An error of an import or a hook. Hooks can propagate errors of imports by `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of error.
    pub code: ErrorCode,
    /// A text for people: what was wrong and what would be right.
    pub message: String,
    /// Milliseconds to wait before a retry, for `RateLimited` and `Unavailable`.
    pub retry_after_ms: Option<u64>,
}

/// `std`'s `Result` with [`Error`] as the default error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// An error for a malformed request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// An error for an actor who is not logged in.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// An error for an actor who may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// An error for an object that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// An error for a taken name or a concurrent change.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// An error for a value that is out of range or malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// An error for an operation that is not possible now; a later retry may succeed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// An error for an exceeded size limit.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::TooLarge, message)
    }

    /// An internal error of the plugin.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// An error for an unknown command name, for the last match arm of [`Commands::run`](crate::Commands::run).
    pub fn unknown_command(name: &str) -> Self {
        Self::not_found(format!("there is no command {name}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

/// A value that the plugin itself created or stored cannot be (de)serialised: an `internal` error.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error.to_string())
    }
}
