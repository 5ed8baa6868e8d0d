//! Rooms and their history, for those who have no socket open.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::extract::{Authorized, From, Json, Path, Query};
use super::{Answer, State};
use crate::dialect::native::{message_json, room_json};
use crate::error::Error;
use crate::messages::MAX_PAGE;
use crate::protocol::{Command, Page, Reply, RoomName};

#[derive(Deserialize)]
pub(super) struct List {
    query: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct History {
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(List { query, cursor }): Query<List>,
) -> Answer {
    match state.core.router.handle(&who.caller(from), Command::RoomList { query, cursor }).await? {
        Reply::Rooms { rooms, next } => {
            let rooms: Vec<Value> = rooms.iter().map(|(room, members)| room_json(room, Some(*members))).collect();
            Ok(axum::Json(json!({"rooms": rooms, "next": next})).into_response())
        }
        _ => Err(unexpected()),
    }
}

/// The same as the op `room.create`, and by the same plugin.
pub(super) async fn create(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Json(args): Json<Map<String, Value>>,
) -> Answer {
    let command = Command::Plugin { name: "room.create".into(), args };
    match state.core.router.handle(&who.caller(from), command).await? {
        Reply::Result { value, .. } => Ok((StatusCode::CREATED, axum::Json(value)).into_response()),
        _ => Err(unexpected()),
    }
}

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
    let command = Command::RoomHistory { room: RoomName::parse(room), page, limit };
    match state.core.router.handle(&who.caller(from), command).await? {
        Reply::History { messages, more } => {
            let messages: Vec<Value> = messages.iter().map(message_json).collect();
            Ok(axum::Json(json!({"messages": messages, "more": more})).into_response())
        }
        _ => Err(unexpected()),
    }
}

fn unexpected() -> super::Failure {
    Error::internal("a command was answered as another").into()
}
