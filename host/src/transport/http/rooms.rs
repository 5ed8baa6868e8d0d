//! REST routes to list and create rooms, and to read their history.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Authorized, From, Json, Path, Query};
use super::{Answer, State};
use crate::dialect::native::{message_json, room_json};
use crate::error::Error;
use crate::protocol::MAX_PAGE;
use crate::protocol::{Page, RoomName};
use crate::router::{HistoryPage, RoomsPage};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Part of a name.
    query: Option<String>,
    /// The `next` of the previous page.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct History {
    /// Messages before this number; not together with `after`.
    #[param(format = "uint64")]
    before: Option<u64>,
    #[param(format = "uint64")]
    after: Option<u64>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A room, as `room_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Room {
    uid: Uuid,
    code: String,
    name: String,
    kind: String,
    visibility: Visibility,
    topic: String,
    #[schema(required)]
    member_limit: Option<u32>,
    members: Option<u32>,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents a shape")]
enum Visibility {
    Public,
    Private,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Rooms {
    rooms: Vec<Room>,
    /// Null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// Arguments of the command `room.create`; the plugin that implements it may take more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct NewRoom {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    visibility: Option<Visibility>,
    topic: Option<String>,
    password: Option<String>,
    member_limit: Option<u32>,
}

/// The plugin's answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct MadeRoom {
    room: NewRoomIds,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
struct NewRoomIds {
    uid: Uuid,
    code: String,
    name: String,
}

/// The author of a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Author {
    /// Null for guests.
    id: Option<Uuid>,
    name: String,
}

/// A message, as `message_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Message {
    seq: u64,
    from: Author,
    /// Empty once the message is deleted.
    body: String,
    #[schema(format = DateTime)]
    at: String,
    #[schema(format = DateTime)]
    edited_at: Option<String>,
    #[schema(format = DateTime)]
    deleted_at: Option<String>,
    /// The `seq` of the message that it replies to.
    reply_to: Option<u64>,
    key: Option<String>,
    attachments: Option<Vec<super::media::Attached>>,
    reactions: Option<Vec<Reaction>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
struct Reaction {
    emoji: String,
    count: u32,
    /// The accounts that reacted, earliest first; truncated if there are very many.
    accounts: Vec<Uuid>,
}

/// Oldest first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Messages {
    messages: Vec<Message>,
    /// Whether there are more messages in that direction.
    more: bool,
}

/// List public rooms and your own
#[utoipa::path(get, path = "/api/rooms", tag = "rooms", security(("token" = [])), operation_id = "list_rooms", params(List), responses((status = 200, body = Rooms)))]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(List { query, cursor }): Query<List>,
) -> Answer {
    let router = &state.core.router;
    let RoomsPage { rooms, next } = router.list_rooms(&who.caller(from), query.as_deref(), cursor.as_deref()).await?;
    let rooms: Vec<Value> = rooms.iter().map(|(room, members)| room_json(room, Some(*members))).collect();
    Ok(axum::Json(json!({"rooms": rooms, "next": next})).into_response())
}

/// Create a room; the same as the op `room.create`, and by the same plugin
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", security(("token" = [])), operation_id = "create_room", request_body = NewRoom, responses((status = 201, body = MadeRoom)))]
pub(super) async fn create(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Json(args): Json<Map<String, Value>>,
) -> Answer {
    state.core.router.check_room_creation()?;
    let value = state.core.router.run_command(&who.caller(from), "room.create", args).await?;
    Ok((StatusCode::CREATED, axum::Json(value)).into_response())
}

/// List a room's messages, in their present state
#[utoipa::path(get, path = "/api/rooms/{room}/messages", tag = "rooms", security(("token" = [])), params(("room" = String, Path, description = "Its uid or its name"), History), responses((status = 200, body = Messages)))]
pub(super) async fn messages(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Path(room): Path<String>,
    Query(History { before, after, limit }): Query<History>,
) -> Answer {
    let page = match (before, after) {
        (Some(_), Some(_)) => return Err(Error::BadRequest("`before` or `after`, not both".into()).into()),
        (before, None) => Page::Before(before),
        (None, Some(after)) => Page::After(after),
    };
    let limit = limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Error::invalid("limit", format!("1 to {MAX_PAGE}")).into());
    }
    let room = RoomName::parse(room);
    let HistoryPage { messages, more } = state.core.router.history(&who.caller(from), &room, page, limit).await?;
    let messages: Vec<Value> = messages.iter().map(message_json).collect();
    Ok(axum::Json(json!({"messages": messages, "more": more})).into_response())
}
