//! REST routes for the caller's sessions with the server, for clients of the dialect `echo-sessions`.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Authorized, From, Json, Path, Query};
use super::paging::paged;
use super::{Answer, State};
use crate::dialect::sessions::{message_json, session_id, session_json};
use crate::protocol::SessionSummary;
use crate::router::MAX_LISTED;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Where the previous page ended; its `Link` header has the complete address.
    before: Option<i64>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct History {
    /// Where the later page begins; its `Link` header has the complete address.
    #[param(format = "uint64")]
    before: Option<u64>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewSession {
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
}

/// A session, as `session_json` writes it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Session {
    id: Uuid,
    user_id: Uuid,
    name: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was created, until a message is posted in it.
    #[schema(format = DateTime)]
    last_message_at: String,
}

/// A message, as `message_json` writes it.
#[derive(ToSchema)]
#[schema(as = SessionMessage, rename_all = "camelCase")]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Message {
    id: Uuid,
    session_id: Uuid,
    content: String,
    sender: Sender,
    #[schema(format = DateTime)]
    timestamp: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it documents a shape")]
enum Sender {
    User,
    Server,
}

/// List your own sessions, latest first
///
/// If there are more than `limit` of them, the header `Link` has the address of the next page as `rel="next"`.
#[utoipa::path(get, path = "/api/sessions", tag = "sessions", security(("token" = [])), operation_id = "list_sessions", params(List), responses((status = 200, body = Vec<Session>)))]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(List { before, limit }): Query<List>,
) -> Answer {
    let (caller, limit) = (who.caller(from), limit.unwrap_or(MAX_LISTED));
    let (sessions, next) = state.core.router.sessions(&caller, before, limit).await?;
    let owner = state.core.router.account(&caller)?;
    let sessions: Vec<Value> = sessions.iter().map(|session| session_json(owner, session)).collect();
    let next = next.map(|next| ("next", format!("/api/sessions?before={next}&limit={limit}")));
    Ok(paged(sessions, next))
}

/// Create a session
#[utoipa::path(post, path = "/api/sessions", tag = "sessions", security(("token" = [])), operation_id = "create_session", request_body = NewSession, responses((status = 201, body = Session)))]
pub(super) async fn create(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Json(NewSession { name }): Json<NewSession>,
) -> Answer {
    let caller = who.caller(from);
    let room = state.core.router.new_session(&caller, name.as_deref()).await?;
    let session = session_json(state.core.router.account(&caller)?, &SessionSummary { room, last_message_at: None });
    Ok((StatusCode::CREATED, axum::Json(session)).into_response())
}

/// List the messages of a session, oldest first
///
/// If there are more than `limit`, these are the latest, and the header `Link` has the address of those before as `rel="prev"`.
#[utoipa::path(get, path = "/api/sessions/{id}/messages", tag = "sessions", security(("token" = [])), operation_id = "list_session_messages", params(("id" = Uuid, Path, description = "The session's id"), History), responses((status = 200, body = Vec<Message>)))]
pub(super) async fn messages(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Path(id): Path<String>,
    Query(History { before, limit }): Query<History>,
) -> Answer {
    let (caller, limit) = (who.caller(from), limit.unwrap_or(MAX_LISTED));
    let id = session_id(&id)?;
    let (messages, earlier) = state.core.router.session_messages(&caller, id, before, limit).await?;
    let messages: Vec<Value> = messages.iter().map(|message| message_json(id, message)).collect();
    let earlier = earlier.map(|before| ("prev", format!("/api/sessions/{id}/messages?before={before}&limit={limit}")));
    Ok(paged(messages, earlier))
}
