//! Which web pages' requests are taken: a browser names the page's origin in `Origin`; whoever names none is no page.

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

/// Whose page a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    None,
    /// Of an origin that the operator named.
    Listed,
    /// Of this server.
    Own,
    /// It was loaded under the name that it asks for, and that name is not known as this server's.
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
    // A malformed host was refused before.
    match Host::of(version, uri, headers) {
        Ok(Some(host)) if !host.is_known(state) => Page::UnderUnknownName,
        Ok(Some(host)) if origin.to_str().is_ok_and(|origin| host.serves(origin)) => Page::Own,
        _ => Page::Foreign,
    }
}

/// Whether the operator named it: in `cors.origins`, or as `server.public_url`.
pub(super) fn is_listed(state: &State, origin: &[u8]) -> bool {
    let server = state.server.get();
    (!server.public_url.is_empty() && server.public_url.as_bytes() == origin) || state.cors.get().allows(origin)
}

/// Refuses pages that ask this server under a name that is not known as its own: of any site, a page can let its own name
/// point here and pass for one of ours.
pub(super) async fn check(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    /// One line in the log is enough to find the key by; there may be many requests.
    static TOLD: AtomicBool = AtomicBool::new(false);
    if page(&state, request.version(), request.uri(), request.headers()) != Page::UnderUnknownName {
        return next.run(request).await;
    }
    let host = Host::of(request.version(), request.uri(), request.headers()).ok().flatten();
    let host = host.as_ref().map_or("", Host::name);
    if !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            host,
            "a web page asked for this server by a name that it does not know; if that is its name, set server.public_url"
        );
    }
    Failure::from(Error::Forbidden(format!(
        "this server does not know itself as `{host}`; if that is its name, the operator can set server.public_url to \
         \"https://{host}\", or add the page's origin to cors.origins"
    )))
    .into_response()
}

/// For sockets, which CORS does not guard: whoever opens it is no page, or one of ours or of a listed origin.
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
