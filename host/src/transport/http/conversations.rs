//! REST routes for groups and conversations by integer id, for clients of the dialect `go`.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Authorized, From, Json, Path, Query};
use super::paging::paged;
use super::{Answer, State};
use crate::dialect::go::{MESSAGE, To, group_json, message_json, worded};
use crate::protocol::RoomName;
use crate::router::RoomsPage;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Conversation {
    /// The `number` of the other account; not together with `group_id`.
    receiver_id: Option<i64>,
    group_id: Option<i64>,
    /// Messages before the one of this id.
    before: Option<i64>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A message, as `message_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
#[schema(as = ConversationMessage)]
pub(super) struct Message {
    id: i64,
    /// Null for guests.
    #[schema(required)]
    sender_id: Option<i64>,
    #[schema(required)]
    receiver_id: Option<i64>,
    #[schema(required)]
    group_id: Option<i64>,
    message: String,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// A group, as `group_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Group {
    id: i64,
    name: String,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewGroup {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// List a conversation's messages, oldest first
///
/// If there are more than `limit`, these are the latest, and the header `Link` has the address of those before as `rel="prev"`.
#[utoipa::path(get, path = "/api/messages", tag = "groups", security(("token" = [])), operation_id = "list_messages", params(Conversation), responses((status = 200, body = Vec<Message>), (status = 404, description = "Not found", body = super::openapi::Problem)))]
pub(super) async fn messages(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(Conversation { receiver_id, group_id, before, limit }): Query<Conversation>,
) -> Answer {
    let with = To::new(receiver_id, group_id)?;
    let limit = limit.unwrap_or(50);
    let page = state.core.router.conversation_page(&who.caller(from), with.into(), before, limit).await;
    let page = page.map_err(|error| worded(&error, MESSAGE))?;
    let messages: Vec<Value> = match &page {
        (Some(room), messages) => messages.iter().map(|message| message_json(room, message)).collect(),
        (None, _) => Vec::new(),
    };
    // A full page links to the previous one, which may turn out to be empty.
    let first = messages.first().filter(|_| messages.len() == limit as usize).and_then(|first| first["id"].as_i64());
    let with = [("receiver_id", receiver_id), ("group_id", group_id)];
    let earlier = first.map(|first| {
        let mut address = form_urlencoded::Serializer::new("/api/messages?".to_owned());
        for (name, id) in with.into_iter().filter_map(|(name, id)| Some((name, id?))) {
            address.append_pair(name, &id.to_string());
        }
        address.append_pair("before", &first.to_string()).append_pair("limit", &limit.to_string());
        ("prev", address.finish())
    });
    Ok(paged(messages, earlier))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Part of a name.
    query: Option<String>,
    /// Where the previous page ended; its `Link` header has the complete address.
    cursor: Option<String>,
}

/// List public groups and your own, a hundred at a time
///
/// If there are more, the header `Link` has the address of the next page as `rel="next"`.
#[utoipa::path(get, path = "/api/groups", tag = "groups", security(("token" = [])), operation_id = "list_groups", params(List), responses((status = 200, body = Vec<Group>)))]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(List { query, cursor }): Query<List>,
) -> Answer {
    let router = &state.core.router;
    let RoomsPage { rooms, next } = router.list_rooms(&who.caller(from), query.as_deref(), cursor.as_deref()).await?;
    let next = next.map(|next| {
        let mut address = form_urlencoded::Serializer::new("/api/groups?".to_owned());
        if let Some(query) = &query {
            address.append_pair("query", query);
        }
        ("next", address.append_pair("cursor", &next).finish())
    });
    Ok(paged(rooms.iter().map(|(room, _)| group_json(room)).collect(), next))
}

/// Create a public group
#[utoipa::path(post, path = "/api/groups", tag = "groups", security(("token" = [])), operation_id = "create_group", request_body = NewGroup, responses((status = 201, body = Group)))]
pub(super) async fn create(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Json(NewGroup { name }): Json<NewGroup>,
) -> Answer {
    let args = Map::from_iter([("name".to_owned(), json!(name)), ("visibility".to_owned(), json!("public"))]);
    let made = state.core.router.make_room(&who.caller(from), args).await;
    let room = made.map_err(|error| worded(&error, MESSAGE))?;
    Ok((StatusCode::CREATED, axum::Json(group_json(&room))).into_response())
}

/// Join a group
#[utoipa::path(post, path = "/api/groups/{id}/join", tag = "groups", security(("token" = [])), operation_id = "join_group", params(("id" = i64, Path, description = "The group's id")), responses((status = 200, body = Group)))]
pub(super) async fn join(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Path(id): Path<i64>,
) -> Answer {
    let router = &state.core.router;
    let joined = async {
        let room = router.room_by_number(id).await?;
        router.join(&who.caller(from), &RoomName::Id(room.id), &[]).await
    };
    let room = joined.await.map_err(|error| worded(&error, MESSAGE))?;
    Ok(axum::Json(group_json(&room)).into_response())
}
