//! REST routes to show, change and delete the caller's account, and to look up other accounts.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Authorized, From, Json, Query};
use super::openapi::Problem;
use super::{Answer, State};
use crate::accounts::ProfileChange;
use crate::clock::Timestamp;
use crate::database;
use crate::protocol::AccountId;

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User<'a> {
    #[schema(value_type = Uuid)]
    id: AccountId,
    number: i64,
    username: &'a str,
    #[schema(required)]
    email: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> std::convert::From<&'a database::User> for User<'a> {
    fn from(user: &'a database::User) -> Self {
        Self {
            id: user.uid,
            number: user.id,
            username: &user.username,
            email: user.email.as_deref(),
            created_at: Timestamp(user.created_at),
        }
    }
}

/// A confirmation for people to read.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    message: &'static str,
}

impl Done {
    pub(super) fn answer(message: &'static str) -> Response {
        axum::Json(Self { message }).into_response()
    }
}

/// Omitted fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = ProfileChange)]
pub(super) struct Change {
    #[schema(min_length = 1, max_length = 64)]
    username: Option<String>,
    /// Null removes the address.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Email, max_length = 254)]
    email: Option<Option<String>>,
}

/// Distinguishes null from an omitted field.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Confirmed {
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
    /// Whether its messages and files are deleted too.
    #[serde(default)]
    erase: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Find {
    /// A user name, in any case.
    name: String,
}

/// An account, as others see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct Found {
    #[schema(value_type = Uuid)]
    uid: AccountId,
    number: i64,
    name: String,
    online: bool,
    /// Nobody can log in to it, and nobody can write to it.
    disabled: bool,
}

/// Show your own account
#[utoipa::path(get, path = "/api/me", tag = "accounts", security(("token" = [])), responses((status = 200, body = User<'static>)))]
pub(super) async fn show(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    let user = state.core.accounts.user(identity.account.id).await?;
    Ok(axum::Json(User::from(&user)).into_response())
}

/// Change your name or e-mail address
#[utoipa::path(patch, path = "/api/me", tag = "accounts", security(("token" = [])), request_body = Change, responses((status = 200, body = User<'static>)))]
pub(super) async fn change(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(Change { username, email }): Json<Change>,
) -> Answer {
    let user = state.core.accounts.change_profile(origin, &identity, ProfileChange { username, email }).await?;
    Ok(axum::Json(User::from(&user)).into_response())
}

/// Delete your account; its messages stay, as a deleted account's, unless `erase` is true
#[utoipa::path(delete, path = "/api/me", tag = "accounts", security(("token" = [])), request_body = Confirmed, responses((status = 200, body = Done)))]
pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(Confirmed { password, erase }): Json<Confirmed>,
) -> Answer {
    state.core.accounts.delete_own(origin, &identity, password, erase).await?;
    // The account is deleted already; if this fails, the server retries by itself.
    let _ = state.core.router.finish_account_deletions().await;
    Ok(Done::answer("the account is deleted"))
}

/// Look somebody up by name
#[utoipa::path(get, path = "/api/users", tag = "accounts", security(("token" = [])), params(Find), responses((status = 200, body = Found), (status = 404, body = Problem)))]
pub(super) async fn find(
    Shared(state): Shared<Arc<State>>,
    _: Authorized,
    Query(Find { name }): Query<Find>,
) -> Answer {
    let account = state.core.accounts.find(&name).await?;
    let online = state.core.hub.is_online(account.id);
    let disabled = state.core.accounts.is_disabled(account.id).await?;
    let found = Found { uid: account.id, number: account.number, name: account.name.to_string(), online, disabled };
    Ok(axum::Json(found).into_response())
}
