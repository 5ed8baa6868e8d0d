//! Extractors for bodies, queries, paths, addresses and accounts, whose errors name the field.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::forwarded::client;
use super::observe::request_id;
use super::{Failure, State, bearer, query};
use crate::accounts::Identity;
use crate::accounts::throttle::Origin;
use crate::dialect::json;
use crate::error::Error;
use crate::protocol::Actor;
use crate::router::{Caller, Sender};

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Failure> {
        if let Some(other) = request.headers().get(header::CONTENT_TYPE).filter(|kind| !is_json(kind)) {
            let other = String::from_utf8_lossy(other.as_bytes());
            let error = Error::BadRequest(format!("content-type: is {other}; wanted application/json"));
            return Err(Failure::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        // `bodies::read` has read the whole body already.
        let body = Bytes::from_request(request, state).await.map_err(Error::internal)?;
        let text = std::str::from_utf8(&body).map_err(|_| Error::BadRequest("the body is not UTF-8".into()))?;
        Ok(Self(json::object(text, "the body", false).map_err(Error::from)?))
    }
}

/// Whether this `Content-Type` is JSON. A body without the header is read as JSON too.
fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The query string.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<State>> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<State>) -> Result<Self, Failure> {
        Ok(Self(query::read(parts.uri.query().unwrap_or_default()).map_err(Error::from)?))
    }
}

/// The parameters of the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<State>> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                let params = RawPathParams::from_request_parts(parts, state).await.ok();
                let only = params.as_ref().and_then(|params| params.iter().next()).map_or("path", |(name, _)| name);
                Err(unreadable(only, error.kind()).into())
            }
            Err(_) => Err(Error::not_found("page").into()),
        }
    }
}

/// The error for an invalid path parameter; `only` is its name if the path has just one.
fn unreadable(only: &str, kind: &ErrorKind) -> Error {
    let (field, wanted) = match kind {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => (key.as_str(), wanted(expected_type)),
        ErrorKind::DeserializeError { key, .. } => (key.as_str(), "should be an id, a UUID"),
        ErrorKind::InvalidUtf8InPathParam { key } => (key.as_str(), "should be percent-encoded UTF-8"),
        ErrorKind::ParseError { expected_type, .. } => (only, wanted(expected_type)),
        _ => (only, "has a part that cannot be read"),
    };
    Error::BadRequest(format!("{field}: {wanted}"))
}

fn wanted(rust_type: &str) -> &'static str {
    match rust_type {
        "i32" | "i64" | "u32" | "u64" => "should be a whole number",
        _ => "has the wrong form",
    }
}

/// The address that the request comes from.
pub(in crate::transport) struct Client(pub(in crate::transport) IpAddr);

impl FromRequestParts<Arc<State>> for Client {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(|| Error::internal("a request without its peer's address"))?;
        let server = state.server.get();
        let found = client(peer.ip(), &parts.headers, &server.trusted_proxies, server.forwarded_header);
        if let Some(warning) = found.warning {
            state.admission.warn_of_proxy(peer.ip(), warning);
        }
        Ok(Self(found.address))
    }
}

/// The origin of the request that limits are counted by: an IPv4 address, or the network of an IPv6 site.
pub(in crate::transport) struct From(pub(in crate::transport) Origin);

impl FromRequestParts<Arc<State>> for From {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let Client(address) = Client::from_request_parts(parts, state).await?;
        Ok(Self(address.into()))
    }
}

/// Counts requests without a token towards the limit of their address; those with one count towards their account's.
pub(super) async fn limit_anonymous(
    Shared(state): Shared<Arc<State>>,
    From(origin): From,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if request.uri().path().starts_with("/api/") && !request.headers().contains_key(header::AUTHORIZATION) {
        state.core.router.take_command(&Sender::Address(origin))?;
    }
    Ok(next.run(request).await)
}

/// The identity that the request's token proves.
pub(super) struct Authorized(pub(super) Identity);

impl FromRequestParts<Arc<State>> for Authorized {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Error::Unauthenticated("a token is needed: `Authorization: Bearer <token>`".into()))?;
        let router = &state.core.router;
        match state.core.accounts.identify(token).await {
            Ok(identity) => {
                router.take_command(&Sender::Account(identity.account.id))?;
                Ok(Self(identity))
            }
            Err(error) => {
                let From(origin) = From::from_request_parts(parts, state).await?;
                router.take_command(&Sender::Address(origin))?;
                Err(error.into())
            }
        }
    }
}

impl Authorized {
    pub(super) fn caller(self, From(origin): From) -> Caller {
        Caller { actor: Actor::Account(self.0.account), connection: None, origin, request: request_id() }
    }
}
