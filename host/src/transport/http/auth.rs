//! Signing up, logging in and out, and looking people up.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Authorized, From, Json, Query};
use super::{Answer, State};
use crate::accounts::{Session, SignUp};
use crate::clock::Timestamp;
use crate::database::User;
use crate::error::Error;

#[derive(Deserialize)]
pub(super) struct NewAccount {
    username: String,
    password: String,
    email: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Option<String>,
    email: Option<String>,
    password: String,
}

#[derive(Deserialize)]
pub(super) struct Refresh {
    #[serde(rename = "refreshToken", alias = "refresh_token")]
    refresh_token: String,
}

#[derive(Deserialize)]
pub(super) struct Find {
    name: String,
}

pub(super) async fn sign_up(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    Json(new): Json<NewAccount>,
) -> Answer {
    let new = SignUp { username: new.username, email: new.email, password: new.password };
    let session = state.core.accounts.sign_up(origin, new).await?;
    Ok(tokens(StatusCode::CREATED, &session))
}

pub(super) async fn log_in(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    Json(given): Json<Credentials>,
) -> Answer {
    let who =
        given.email.or(given.username).ok_or_else(|| Error::BadRequest("`username` or `email` is missing".into()))?;
    let session = state.core.accounts.log_in(origin, &who, given.password).await?;
    Ok(tokens(StatusCode::OK, &session))
}

pub(super) async fn refresh(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    Json(given): Json<Refresh>,
) -> Answer {
    match state.core.accounts.refresh(origin, &given.refresh_token).await {
        Ok(session) => Ok(tokens(StatusCode::OK, &session)),
        Err((error, ended)) => {
            if let Some(login) = ended {
                state.core.hub.close_login(login);
            }
            Err(error.into())
        }
    }
}

pub(super) async fn log_out(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    state.core.accounts.log_out(&identity).await?;
    state.core.hub.close_login(identity.login);
    Ok(axum::Json(json!({"message": "logged out"})).into_response())
}

pub(super) async fn me(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    let user = state.core.accounts.user(identity.account.id).await?;
    Ok(axum::Json(user_json(&user)).into_response())
}

pub(super) async fn find(
    Shared(state): Shared<Arc<State>>,
    _: Authorized,
    Query(Find { name }): Query<Find>,
) -> Answer {
    let account = state.core.accounts.find(&name).await?;
    let online = state.core.hub.is_online(account.id);
    let found = json!({"uid": account.id, "number": account.number, "name": &*account.name, "online": online});
    Ok(axum::Json(found).into_response())
}

fn tokens(status: StatusCode, session: &Session) -> Response {
    let body = json!({
        "token": session.token,
        "refreshToken": session.refresh_token,
        "expiresIn": session.expires_in.as_secs(),
        "user": user_json(&session.user),
    });
    // Tokens belong in nobody's cache.
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response()
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.uid,
        "number": user.id,
        "username": user.username,
        "email": user.email,
        "createdAt": Timestamp(user.created_at),
    })
}
