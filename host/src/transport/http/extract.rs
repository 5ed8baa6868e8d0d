//! What a request says, read with our own errors: they name the field.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Failure, MAX_BODY, State, bearer};
use crate::accounts::Identity;
use crate::error::Error;
use crate::protocol::Actor;
use crate::router::Caller;

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Error::TooLarge { what: "body", limit: format!("{MAX_BODY} bytes") })?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { "body" } else { &path };
            Error::BadRequest(format!("{place}: {}", error.inner()))
        })?;
        json.end().map_err(|error| Error::BadRequest(format!("body: {error}")))?;
        Ok(Self(value))
    }
}

/// The query string.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<State>> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<State>) -> Result<Self, Failure> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(Error::BadRequest(format!("query: {}", error.body_text())).into()),
        }
    }
}

/// Whoever the request's token proves.
pub(super) struct Authorized(pub(super) Identity);

impl FromRequestParts<Arc<State>> for Authorized {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Error::Unauthenticated("a token is needed: `Authorization: Bearer <token>`".into()))?;
        Ok(Self(state.core.accounts.identify(token).await?))
    }
}

impl Authorized {
    pub(super) fn caller(self) -> Caller {
        Caller { actor: Actor::Account(self.0.account), connection: None, address: None, request: Uuid::now_v7() }
    }
}
