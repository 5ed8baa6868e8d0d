//! The one error of hooks and imports.

use std::fmt;

/// A kind of error. Clients see the same word in `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request could not be understood.
    BadRequest,
    /// Nobody is logged in.
    Unauthenticated,
    /// The actor may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The name is taken, or somebody else changed the same thing meanwhile.
    Conflict,
    /// Understood, but a value is out of range or malformed.
    Invalid,
    /// Too often; see [`Error::retry_after_ms`].
    RateLimited,
    /// More than a limit allows.
    TooLarge,
    /// A message filter said no.
    Rejected,
    /// Another plugin that this call needed failed.
    PluginFailed,
    /// The server cannot do this just now; trying again later may work.
    Unavailable,
    /// The server failed; its log says why.
    Internal,
}

impl ErrorCode {
    /// The word that clients see, `not_found`.
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

/// Why something was not done. Imports fail with it, hooks return it; `?` carries it from the one to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is, for programs.
    pub code: ErrorCode,
    /// For people: what was wrong and what would be right.
    pub message: String,
    /// Milliseconds to wait, with `RateLimited` and `Unavailable`.
    pub retry_after_ms: Option<u64>,
}

/// `std`'s `Result`, with [`Error`] where no other error is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of any kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// The request could not be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// Nobody is logged in.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// The actor may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The name is taken, or something changed meanwhile.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// A value is out of range or malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// It cannot be done just now; trying again later may work.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// More than a limit allows.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::TooLarge, message)
    }

    /// The plugin itself is at fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// For the last arm of a [`Commands::run`](crate::Commands::run).
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

/// A value that the plugin itself made or stored is not what it should be.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error.to_string())
    }
}
