//! Signing up, logging in and out.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::extract::{Authorized, From, Json};
use super::me::{Done, User};
use super::{Answer, State};
use crate::accounts::{Session, SignUp};
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
#[serde(rename_all = "camelCase")]
pub(super) struct NewPassword {
    /// The current one.
    password: String,
    #[serde(alias = "new_password")]
    new_password: String,
}

/// What somebody gets who signs up or logs in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens<'a> {
    token: &'a str,
    refresh_token: &'a str,
    /// Seconds.
    expires_in: u64,
    user: User<'a>,
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
    let session = state.core.accounts.refresh(origin, &given.refresh_token).await?;
    Ok(tokens(StatusCode::OK, &session))
}

pub(super) async fn log_out(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    state.core.accounts.log_out(&identity).await?;
    Ok(Done::answer("logged out"))
}

pub(super) async fn log_out_everywhere(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    let user = state.core.accounts.user(identity.account.id).await?;
    state.core.accounts.log_out_everywhere(&user, None).await?;
    Ok(Done::answer("logged out everywhere"))
}

pub(super) async fn change_password(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(given): Json<NewPassword>,
) -> Answer {
    state.core.accounts.change_password(origin, &identity, given.password, given.new_password).await?;
    Ok(Done::answer("the password is changed; every other login has ended"))
}

fn tokens(status: StatusCode, session: &Session) -> Response {
    let body = Tokens {
        token: &session.token,
        refresh_token: &session.refresh_token,
        expires_in: session.expires_in.as_secs(),
        user: (&session.user).into(),
    };
    // Tokens belong in nobody's cache.
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response()
}
