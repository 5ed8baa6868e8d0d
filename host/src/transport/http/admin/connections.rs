//! Administration routes to list and close live connections.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::audit::AuditNote;
use super::{Admin, PAGE_SIZE, truncate_page};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::hub::{Close, LiveConnection};
use crate::protocol::{AccountId, Actor, ConnectionId};
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::me::Done;
use crate::transport::http::{Answer, State};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct List {
    /// Part of a name or of an address.
    query: Option<String>,
    /// The `next` of the previous page.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ConnectionId>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::transport::http) struct Connections {
    connections: Vec<Connection>,
    /// Null on the last page.
    #[schema(value_type = Option<Uuid>, required)]
    next: Option<ConnectionId>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Connection {
    #[schema(value_type = Uuid)]
    id: ConnectionId,
    /// Null for guests, and before the client has authenticated.
    #[schema(value_type = Option<Uuid>, required)]
    account: Option<AccountId>,
    /// The name of the account or guest; null before the client has authenticated.
    #[schema(required)]
    name: Option<String>,
    /// Null before the client has authenticated.
    #[schema(required)]
    dialect: Option<&'static str>,
    address: String,
    #[schema(value_type = String, format = DateTime)]
    connected_at: Timestamp,
    /// How many rooms it subscribes to.
    rooms: usize,
    queue: Queue,
}

/// The size of its outbox.
#[derive(Serialize, ToSchema)]
struct Queue {
    frames: usize,
    bytes: usize,
}

/// List live connections in the order in which they connected, or those whose name or address contains a text
#[utoipa::path(get, path = "/api/admin/connections", tag = "administration", security(("token" = [])), operation_id = "list_connections", params(List), responses((status = 200, body = Connections)))]
pub(in crate::transport::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(List { query, cursor }): Query<List>,
) -> Answer {
    let query = query.unwrap_or_default().to_lowercase();
    let after = |live: &LiveConnection| cursor.is_none_or(|cursor| live.id > cursor);
    let found = |one: &Connection| {
        one.address.contains(&query) || one.name.as_ref().is_some_and(|name| name.to_lowercase().contains(&query))
    };
    let live = state.core.hub.live().into_iter().filter(after).map(shown).filter(found);
    let mut connections: Vec<Connection> = live.take(PAGE_SIZE as usize + 1).collect();
    let next = truncate_page(&mut connections, |connection| connection.id);
    Ok(axum::Json(Connections { connections, next }).into_response())
}

/// Close a connection; its client is told not to reconnect by itself, but is not prevented from it
#[utoipa::path(delete, path = "/api/admin/connections/{id}", tag = "administration", security(("token" = [])), operation_id = "close_connection", params(("id" = Uuid, Path)), responses((status = 200, body = Done)))]
pub(in crate::transport::http) async fn close(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<ConnectionId>,
) -> Answer {
    let hub = &state.core.hub;
    let live = hub.live().into_iter().find(|live| live.id == id).map(shown);
    let close = Close::new(Close::DISCONNECTED, "disconnected by an administrator");
    match live {
        Some(live) if hub.close_one(id, close) => {
            let who = live.name.unwrap_or_default();
            let note = AuditNote::on(format!("{who} {}", live.address).trim());
            Ok((note, Done::answer("the connection is closed")).into_response())
        }
        _ => Err(Error::not_found("connection").into()),
    }
}

fn shown(live: LiveConnection) -> Connection {
    let actor = live.connection.as_ref().map(|connection| &connection.actor);
    let (frames, bytes) = live.outbox.waiting();
    Connection {
        id: live.id,
        account: actor.and_then(Actor::account).map(|account| account.id),
        name: actor.map(|actor| actor.name().to_owned()),
        dialect: live.connection.as_ref().map(|connection| connection.dialect.name()),
        address: live.address.to_canonical().to_string(),
        connected_at: live.since,
        rooms: live.connection.as_ref().map_or(0, |connection| connection.rooms()),
        queue: Queue { frames, bytes },
    }
}
