//! The live connections, and ending one of them.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::audit::Told;
use super::{Admin, PAGE, cut};
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
    /// What the page before gave as `next`.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ConnectionId>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::transport::http) struct Connections {
    connections: Vec<Connection>,
    /// None on the last page.
    #[schema(value_type = Option<Uuid>, required)]
    next: Option<ConnectionId>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Connection {
    #[schema(value_type = Uuid)]
    id: ConnectionId,
    /// None for guests, and for whoever has not said who they are.
    #[schema(value_type = Option<Uuid>, required)]
    account: Option<AccountId>,
    /// Of the account, or what a guest is called.
    #[schema(required)]
    name: Option<String>,
    /// None until the connection has said who it is.
    #[schema(required)]
    dialect: Option<&'static str>,
    address: String,
    #[schema(value_type = String, format = DateTime)]
    connected_at: Timestamp,
    /// How many rooms it hears.
    rooms: usize,
    queue: Queue,
}

/// What waits to be written to it.
#[derive(Serialize, ToSchema)]
struct Queue {
    frames: usize,
    bytes: usize,
}

/// The live connections in the order in which they came, or those whose name or address holds something
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
    let mut connections: Vec<Connection> = live.take(PAGE as usize + 1).collect();
    let next = cut(&mut connections, |connection| connection.id);
    Ok(axum::Json(Connections { connections, next }).into_response())
}

/// Close a connection; its client is told not to come back by itself, but is not kept from it
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
            let told = Told::on(format!("{who} {}", live.address).trim());
            Ok((told, Done::answer("the connection is closed")).into_response())
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
