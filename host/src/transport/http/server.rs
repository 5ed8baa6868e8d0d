//! The REST route with the server's name, version and limits, for clients that have not logged in yet.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;

#[derive(Serialize, ToSchema)]
pub(super) struct Server {
    name: String,
    version: &'static str,
    /// Whether guests may chat without an account.
    guests: bool,
    limits: Limits,
}

/// Limits that clients have to observe.
#[derive(Serialize, ToSchema)]
struct Limits {
    /// The shortest password for a new account, in characters.
    password_chars: usize,
    /// The longest message, in characters.
    message_chars: usize,
    /// The largest file, in bytes.
    media_bytes: usize,
}

/// Show the server's name, version and limits
#[utoipa::path(get, path = "/api/server", tag = "server", operation_id = "show_server", responses((status = 200, body = Server)))]
pub(super) async fn show(Shared(state): Shared<Arc<State>>) -> Json<Server> {
    let core = &state.core;
    Json(Server {
        name: core.greeting.get().server.clone(),
        version: env!("CARGO_PKG_VERSION"),
        guests: core.auth.get().guests,
        limits: Limits {
            password_chars: core.accounts.min_password_chars(),
            message_chars: core.limits.get().message_chars,
            media_bytes: state.media.max_bytes(),
        },
    })
}
