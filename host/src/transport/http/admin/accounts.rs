//! Administration routes to list, disable, enable and log out accounts, and to set their admin flag.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::AuditNote;
use super::{Admin, PAGE_SIZE, Wanted, truncate_page};
use crate::clock::{Timestamp, now};
use crate::database::User;
use crate::error::Error;
use crate::protocol::AccountId;
use crate::transport::http::extract::{Json, Path, Query};
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
pub(in crate::transport::http) struct Accounts {
    accounts: Vec<Account>,
    /// Null on the last page.
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

/// List accounts, or those whose name or address contains a text
#[utoipa::path(get, path = "/api/admin/accounts", tag = "administration", security(("token" = [])), params(Wanted), responses((status = 200, body = Accounts)))]
pub(in crate::transport::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(Wanted { query, cursor }): Query<Wanted>,
) -> Answer {
    let mut users = state.database.users(query.as_deref(), cursor.unwrap_or(0), PAGE_SIZE + 1).await?;
    let next = truncate_page(&mut users, |user| user.id);
    let accounts = users.into_iter().map(|user| shown(&state, user)).collect();
    Ok(axum::Json(Accounts { accounts, next }).into_response())
}

/// Disable an account, and close its connections
#[utoipa::path(post, path = "/api/admin/accounts/{id}/disable", tag = "administration", security(("token" = [])), operation_id = "disable_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn disable(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    if id == admin.id {
        return Err(Error::Conflict("this is your own account; another administrator can disable it".into()).into());
    }
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.disable(&user).await?;
    answer(&state, id).await
}

/// Enable an account again
#[utoipa::path(post, path = "/api/admin/accounts/{id}/enable", tag = "administration", security(("token" = [])), operation_id = "enable_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn enable(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.enable(&user).await?;
    answer(&state, id).await
}

/// End all logins of an account; its owner may log in again
#[utoipa::path(post, path = "/api/admin/accounts/{id}/logout", tag = "administration", security(("token" = [])), operation_id = "log_out_account", params(("id" = Uuid, Path)), responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn log_out(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<AccountId>,
) -> Answer {
    let user = state.core.accounts.user(id).await?;
    state.core.accounts.log_out_everywhere(&user, None).await?;
    answer(&state, id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::transport::http) struct AdminFlag {
    admin: bool,
}

/// Grant or revoke an account's administrator rights
#[utoipa::path(put, path = "/api/admin/accounts/{id}/admin", tag = "administration", security(("token" = [])), operation_id = "set_account_admin", params(("id" = Uuid, Path)), request_body = AdminFlag, responses((status = 200, body = Account)))]
pub(in crate::transport::http) async fn set_admin(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Path(id): Path<AccountId>,
    Json(AdminFlag { admin: flag }): Json<AdminFlag>,
) -> Answer {
    if id == admin.id && !flag {
        return Err(
            Error::Conflict("this is your own account; another administrator can revoke its rights".into()).into()
        );
    }
    let user = state.core.accounts.user(id).await?;
    state.database.set_admin(user.uid, flag, now()).await?;
    let note =
        AuditNote::on(&user.username).and(if flag { "now an administrator" } else { "no longer an administrator" });
    Ok((note, answer(&state, id).await?).into_response())
}

async fn answer(state: &State, id: AccountId) -> Answer {
    let user = state.core.accounts.user(id).await?;
    Ok((AuditNote::on(&user.username), axum::Json(shown(state, user))).into_response())
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
