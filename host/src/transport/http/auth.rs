//! REST routes to sign up, log in, refresh tokens, log out and change the password.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Authorized, Client, From, Json};
use super::me::{Done, User};
use super::openapi::Problem;
use super::{Answer, State};
use crate::accounts::{Login, SignUp};
use crate::error::Error;

#[derive(Deserialize, ToSchema)]
pub(super) struct NewAccount {
    #[schema(min_length = 1, max_length = 64)]
    username: String,
    /// The operator configures the minimum length.
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
    /// An e-mail address; an empty text counts as none.
    #[schema(pattern = r"^$|^[^@\s]+@[^@\s]+$", max_length = 254)]
    email: Option<String>,
}

/// A name or an address, and the password.
#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    username: Option<String>,
    /// Used instead of `username` if both are given.
    email: Option<String>,
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
    /// The `deviceToken` of an earlier log-in from this device: the failed log-ins of others do not keep it out.
    #[serde(rename = "deviceToken")]
    device_token: Option<String>,
    #[serde(rename = "device_token")]
    #[schema(ignore)]
    device_token_in_snake_case: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Refresh {
    #[serde(rename = "refreshToken")]
    #[schema(value_type = String, min_length = 1)]
    refresh_token: Option<String>,
    #[serde(rename = "refresh_token")]
    #[schema(ignore)]
    refresh_token_in_snake_case: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPassword {
    /// The current password.
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
    #[schema(value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<String>,
    #[serde(rename = "new_password")]
    #[schema(ignore)]
    new_password_in_snake_case: Option<String>,
}

/// The answer to signing up and logging in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens<'a> {
    token: &'a str,
    refresh_token: &'a str,
    /// Store it and send it with the next log-in from this device; it is valid for 90 days, and only for that purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
    /// Seconds.
    expires_in: u64,
    user: User<'a>,
}

/// An optional text. Clients in some languages send an empty string for an absent field.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A text whose field has two spellings: both may be present if one of them is empty.
fn spelled(name: &str, camel_case: Option<String>, snake_case: Option<String>) -> Result<Option<String>, Error> {
    match (given(camel_case), given(snake_case)) {
        (Some(one), Some(other)) if one != other => Err(Error::BadRequest(format!("{name}: is given twice"))),
        (one, other) => Ok(one.or(other)),
    }
}

fn missing(name: &str) -> Error {
    Error::BadRequest(format!("{name}: is missing"))
}

/// Make an account and log in
#[utoipa::path(post, path = "/api/auth/signup", tag = "accounts", request_body = NewAccount, responses((status = 201, body = Tokens<'static>)))]
pub(super) async fn sign_up(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    Json(new): Json<NewAccount>,
) -> Answer {
    let new = SignUp { username: new.username, email: given(new.email), password: new.password, handle: None };
    let login = state.core.accounts.sign_up(origin, new).await?;
    Ok(tokens(StatusCode::CREATED, &login))
}

/// Log in by name or e-mail address
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = Credentials, responses((status = 200, body = Tokens<'static>), (status = 401, body = Problem), (status = 403, description = "The account is disabled", body = Problem)))]
pub(super) async fn log_in(
    Shared(state): Shared<Arc<State>>,
    Client(address): Client,
    Json(given): Json<Credentials>,
) -> Answer {
    let missing = || Error::BadRequest("`username` or `email` is missing".into());
    let who = self::given(given.email).or(self::given(given.username)).ok_or_else(missing)?;
    let device = spelled("deviceToken", given.device_token, given.device_token_in_snake_case)?;
    let login = state.core.accounts.log_in(address.into(), &who, given.password, device.as_deref()).await;
    let login = login.inspect_err(|error| state.core.failed_log_ins.note(address, error))?;
    Ok(tokens(StatusCode::OK, &login))
}

/// Trade a refresh token, once, for new tokens
#[utoipa::path(post, path = "/api/auth/refresh", tag = "accounts", request_body = Refresh, responses((status = 200, body = Tokens<'static>), (status = 401, body = Problem)))]
pub(super) async fn refresh(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    Json(given): Json<Refresh>,
) -> Answer {
    let token = spelled("refreshToken", given.refresh_token, given.refresh_token_in_snake_case)?;
    let token = token.ok_or_else(|| missing("refreshToken"))?;
    let login = state.core.accounts.refresh(origin, &token).await?;
    Ok(tokens(StatusCode::OK, &login))
}

/// End this login and its connections
#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts", security(("token" = [])), responses((status = 200, body = Done)))]
pub(super) async fn log_out(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    state.core.accounts.log_out(&identity).await?;
    Ok(Done::answer("logged out"))
}

/// End all logins of the account
#[utoipa::path(post, path = "/api/auth/logout-all", tag = "accounts", security(("token" = [])), responses((status = 200, body = Done)))]
pub(super) async fn log_out_everywhere(Shared(state): Shared<Arc<State>>, Authorized(identity): Authorized) -> Answer {
    let user = state.core.accounts.user(identity.account.id).await?;
    state.core.accounts.log_out_everywhere(&user, None).await?;
    Ok(Done::answer("logged out everywhere"))
}

/// Change the password; every other login of the account ends
#[utoipa::path(post, path = "/api/auth/password", tag = "accounts", security(("token" = [])), request_body = NewPassword, responses((status = 200, body = Done)))]
pub(super) async fn change_password(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    From(origin): From,
    Json(given): Json<NewPassword>,
) -> Answer {
    let new_password = spelled("newPassword", given.new_password, given.new_password_in_snake_case)?;
    let new_password = new_password.ok_or_else(|| missing("newPassword"))?;
    state.core.accounts.change_password(origin, &identity, given.password, new_password).await?;
    Ok(Done::answer("the password is changed; every other login has ended"))
}

fn tokens(status: StatusCode, login: &Login) -> Response {
    let body = Tokens {
        token: &login.token,
        refresh_token: &login.refresh_token,
        device_token: Some(login.device_token.as_str()).filter(|token| !token.is_empty()),
        expires_in: login.expires_in.as_secs(),
        user: (&login.user).into(),
    };
    // Tokens must not be cached.
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(body)).into_response()
}
