//! Administration routes to list and delete rooms. Direct conversations and echo sessions are excluded.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::AuditNote;
use super::{Admin, PAGE_SIZE, Wanted, truncate_page};
use crate::clock::Timestamp;
use crate::database::RoomActivity;
use crate::protocol::RoomId;
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::me::Done;
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
#[schema(as = AllRooms)]
pub(in crate::transport::http) struct Rooms {
    rooms: Vec<Room>,
    /// Null on the last page.
    #[schema(required)]
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RoomActivity)]
#[serde(rename_all = "camelCase")]
struct Room {
    #[schema(value_type = Uuid)]
    id: RoomId,
    number: i64,
    name: String,
    topic: String,
    visibility: &'static str,
    members: u32,
    /// Connections that subscribe to it now.
    listeners: usize,
    /// How many entries its log has had.
    entries: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of its latest entry; null if none is retained.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    active_at: Option<Timestamp>,
}

/// List all rooms, or those whose name contains a text, in the order in which they were created
#[utoipa::path(get, path = "/api/admin/rooms", tag = "administration", security(("token" = [])), operation_id = "list_all_rooms", params(Wanted), responses((status = 200, body = Rooms)))]
pub(in crate::transport::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(Wanted { query, cursor }): Query<Wanted>,
) -> Answer {
    let mut rooms = state.database.room_activity(query.as_deref(), cursor.unwrap_or(0), PAGE_SIZE + 1).await?;
    let next = truncate_page(&mut rooms, |room| room.room.number);
    let rooms = rooms.into_iter().map(|room| shown(&state, room)).collect();
    Ok(axum::Json(Rooms { rooms, next }).into_response())
}

/// Delete a room with all its messages
#[utoipa::path(delete, path = "/api/admin/rooms/{id}", tag = "administration", security(("token" = [])), operation_id = "delete_room", params(("id" = Uuid, Path)), responses((status = 200, body = Done)))]
pub(in crate::transport::http) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<RoomId>,
) -> Answer {
    let room = state.core.router.delete_room(admin, id).await?;
    Ok((AuditNote::on(&room.name), Done::answer("the room is deleted")).into_response())
}

fn shown(state: &State, RoomActivity { room, members, entries, active_at }: RoomActivity) -> Room {
    Room {
        id: room.id,
        number: room.number,
        name: room.name.to_string(),
        topic: room.topic.to_string(),
        visibility: room.visibility.as_str(),
        members,
        listeners: state.core.hub.count_subscribers(room.id),
        entries,
        created_at: room.created_at,
        active_at,
    }
}
