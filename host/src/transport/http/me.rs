//! One's own account, and looking up those of others.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer, Serialize};

use super::extract::{Authorized, From, Json, Query};
use super::{Answer, State};
use crate::accounts::ProfileChange;
use crate::clock::Timestamp;
use crate::database;
use crate::protocol::AccountId;

/// An account, as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User<'a> {
    id: AccountId,
    number: i64,
    username: &'a str,
    email: Option<&'a str>,
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

/// That something was done, for people to read.
#[derive(Serialize)]
pub(super) struct Done {
    message: &'static str,
}

impl Done {
    pub(super) fn answer(message: &'static str) -> Response {
        axum::Json(Self { message }).into_response()
    }
}

/// What is left out stays as it is.
#[derive(Deserialize)]
pub(super) struct Change {
    username: Option<String>,
    /// Null takes the address away.
    #[serde(default, deserialize_with = "given")]
    email: Option<Option<String>>,
}

/// Tells null from what is left out.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    password: String,
}

#[derive(Deserialize)]
pub(super) struct Find {
    name: String,
}

/// An account, as others see it.
#[derive(Serialize)]
pub(super) struct Found {
    uid: AccountId,
    number: i64,
    name: String,
    online: bool,
}

pub(super) async fn show(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    let user = state.core.accounts.user(identity.account.id).await?;
    Ok(axum::Json(User::from(&user)).into_response())
}

pub(super) async fn change(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(Change { username, email }): Json<Change>,
) -> Answer {
    let user = state.core.accounts.change_profile(origin, &identity, ProfileChange { username, email }).await?;
    Ok(axum::Json(User::from(&user)).into_response())
}

pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(Confirmed { password }): Json<Confirmed>,
) -> Answer {
    state.core.accounts.delete_own(origin, &identity, password).await?;
    // The account is gone; if this fails, the server tries again by itself.
    let _ = state.core.router.rooms.see_off_deleted().await;
    Ok(Done::answer("the account is deleted"))
}

pub(super) async fn find(
    Shared(state): Shared<Arc<State>>,
    _: Authorized,
    Query(Find { name }): Query<Find>,
) -> Answer {
    let account = state.core.accounts.find(&name).await?;
    let online = state.core.hub.is_online(account.id);
    let found = Found { uid: account.id, number: account.number, name: account.name.to_string(), online };
    Ok(axum::Json(found).into_response())
}
