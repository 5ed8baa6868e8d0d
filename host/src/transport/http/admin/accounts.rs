//! Administrators see everybody's accounts, and may shut them out.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::clock::Timestamp;
use crate::database::User;
use crate::error::{Error, Result};
use crate::protocol::AccountId;
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::{Answer, State};

/// How many accounts one answer carries.
const PAGE: u32 = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct List {
    /// Part of a name or an address.
    query: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::transport::http) struct Accounts {
    accounts: Vec<Account>,
    /// None on the last page.
    #[schema(required)]
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::transport::http) struct Account {
    #[schema(value_type = Uuid)]
    id: AccountId,
    number: i64,
    username: String,
    #[schema(required)]
    email: Option<String>,
    admin: bool,
    online: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    disabled_at: Option<Timestamp>,
}

/// All accounts, or those whose name or address holds something
#[utoipa::path(get, path = "/api/admin/accounts", tag = "administration", security(("token" = [])), params(List), responses((status = 200, body = Accounts)))]
pub(in crate::transport::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(List { query, cursor }): Query<List>,
) -> Answer {
    let mut users = state.database.users(query.as_deref(), cursor.unwrap_or(0), PAGE + 1).await?;
    let more = users.len() > PAGE as usize;
    users.truncate(PAGE as usize);
    let next = users.last().filter(|_| more).map(|user| user.id);
    let accounts = users.into_iter().map(|user| shown(&state, user)).collect();
    Ok(axum::Json(Accounts { accounts, next }).into_response())
}

/// Let an account in no more, and close its connections
#[utoipa::path(post, path = "/api/admin/accounts/{id}/disable", tag = "administration", security(("token" = [])), operation_id = "disable_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn disable(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    if id == admin {
        return Err(Error::Conflict("this is your own account; another administrator can disable it".into()).into());
    }
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.disable(&user).await?;
    tracing::info!(account = %id, by = %admin, "an account was disabled by an administrator");
    answer(&state, id).await
}

/// Let an account in again
#[utoipa::path(post, path = "/api/admin/accounts/{id}/enable", tag = "administration", security(("token" = [])), operation_id = "enable_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn enable(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.enable(&user).await?;
    tracing::info!(account = %id, by = %admin, "an account was enabled by an administrator");
    answer(&state, id).await
}

/// End all logins of an account; its owner may log in again
#[utoipa::path(post, path = "/api/admin/accounts/{id}/logout", tag = "administration", security(("token" = [])), operation_id = "log_out_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn log_out(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.log_out_everywhere(&user, None).await?;
    tracing::info!(account = %id, by = %admin, "an account was logged out by an administrator");
    answer(&state, id).await
}

async fn answer(state: &State, id: AccountId) -> Answer {
    let user: Result<User> = state.core.accounts.user(id).await;
    Ok(axum::Json(shown(state, user?)).into_response())
}

fn shown(state: &State, user: User) -> Account {
    Account {
        id: user.uid,
        number: user.id,
        online: state.core.hub.is_online(user.uid),
        username: user.username,
        email: user.email,
        admin: user.is_admin,
        created_at: Timestamp(user.created_at),
        disabled_at: user.disabled_at.map(Timestamp),
    }
}
