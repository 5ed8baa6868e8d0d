//! Decides which web pages may send requests, by the header `Origin`. A request without one does not come from a web page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRequestParts, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::host::Host;
use super::{Failure, State};
use crate::error::Error;

/// The web page that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    None,
    /// Its origin is configured.
    Listed,
    /// It was loaded from this server.
    Own,
    /// The request's host is not known as a name of this server.
    UnderUnknownName,
    Foreign,
}

fn page(state: &State, version: Version, uri: &Uri, headers: &HeaderMap) -> Page {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return Page::None,
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return Page::Foreign,
    };
    if is_listed(state, origin.as_bytes()) {
        return Page::Listed;
    }
    // `bodies::read` has refused malformed hosts already.
    match Host::of(version, uri, headers) {
        Ok(Some(host)) if !host.is_known(state) => Page::UnderUnknownName,
        Ok(Some(host)) if origin.to_str().is_ok_and(|origin| host.serves(origin)) => Page::Own,
        _ => Page::Foreign,
    }
}

/// Whether an origin is configured, in `cors.origins` or as `server.public_url`.
pub(super) fn is_listed(state: &State, origin: &[u8]) -> bool {
    let server = state.server.get();
    (!server.public_url.is_empty() && server.public_url.as_bytes() == origin) || state.cors.get().allows(origin)
}

/// Refuses requests of web pages whose host is not known as a name of this server. This prevents DNS rebinding: any site can point
/// its own name at this server, so that its pages would pass for this server's.
pub(super) async fn check(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    /// Logged once only: there may be many such requests.
    static LOGGED: AtomicBool = AtomicBool::new(false);
    if page(&state, request.version(), request.uri(), request.headers()) != Page::UnderUnknownName {
        return next.run(request).await;
    }
    let host = Host::of(request.version(), request.uri(), request.headers()).ok().flatten();
    let host = host.as_ref().map_or("", Host::name);
    if !LOGGED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            host,
            "refused request of a web page under an unknown host name; if it is a name of this server, set server.public_url"
        );
    }
    Failure::from(Error::Forbidden(format!(
        "this server does not know itself as `{host}`; if that is its name, the operator can set server.public_url to \
         \"https://{host}\", or add the page's origin to cors.origins"
    )))
    .into_response()
}

/// Extractor for live connections, which CORS does not guard: accepts clients that are not web pages, our own pages and listed
/// origins.
pub(in crate::transport) struct TrustedPage;

impl FromRequestParts<Arc<State>> for TrustedPage {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        match page(state, parts.version, &parts.uri, &parts.headers) {
            Page::None | Page::Listed | Page::Own => Ok(Self),
            Page::Foreign | Page::UnderUnknownName => {
                Err(Error::Forbidden("this origin is not allowed; the operator can add it to cors.origins".into())
                    .into())
            }
        }
    }
}
