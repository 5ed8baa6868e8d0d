//! REST routes to list, block and unblock accounts that may not write to the caller directly.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Authorized, From, Path, Query};
use super::me::Done;
use super::openapi::Problem;
use super::{Answer, State};
use crate::protocol::AccountId;
use crate::router::BlockedPage;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// The `next` of the previous page.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<AccountId>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct BlockedAccount {
    #[schema(value_type = Uuid)]
    uid: AccountId,
    number: i64,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct BlockedAccounts {
    accounts: Vec<BlockedAccount>,
    /// Null on the last page.
    #[schema(value_type = Option<Uuid>, required)]
    next: Option<AccountId>,
}

/// List the accounts that you have blocked
#[utoipa::path(get, path = "/api/me/blocked", tag = "accounts", security(("token" = [])), operation_id = "list_blocked", params(List), responses((status = 200, body = BlockedAccounts)))]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Query(List { cursor }): Query<List>,
) -> Answer {
    let BlockedPage { accounts, next } = state.core.router.blocked(&who.caller(from), cursor).await?;
    let accounts = accounts.iter();
    let accounts = accounts.map(|a| BlockedAccount { uid: a.id, number: a.number, name: a.name.to_string() }).collect();
    Ok(axum::Json(BlockedAccounts { accounts, next }).into_response())
}

/// Block an account: it cannot write to you directly any more
#[utoipa::path(put, path = "/api/me/blocked/{id}", tag = "accounts", security(("token" = [])), operation_id = "block_account", params(("id" = Uuid, Path)), responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn block(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Path(id): Path<AccountId>,
) -> Answer {
    state.core.router.block(&who.caller(from), &id.to_string(), true).await?;
    Ok(Done::answer("the account is blocked"))
}

/// Let an account write to you again
#[utoipa::path(delete, path = "/api/me/blocked/{id}", tag = "accounts", security(("token" = [])), operation_id = "unblock_account", params(("id" = Uuid, Path)), responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn unblock(
    Shared(state): Shared<Arc<State>>,
    who: Authorized,
    from: From,
    Path(id): Path<AccountId>,
) -> Answer {
    state.core.router.block(&who.caller(from), &id.to_string(), false).await?;
    Ok(Done::answer("the account is not blocked any more"))
}
