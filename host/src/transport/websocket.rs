//! WebSocket connections: authenticates the upgrade request, picks the dialect and runs a session on the socket.

pub(super) mod handshake;
pub(super) mod socket;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::Upgraded;

use self::handshake::Handshake;
use super::http::extract::Client;
use super::http::origin::TrustedPage;
use super::http::{Failure, ListenerDialect, State as HttpState};
use crate::accounts::Identity;
use crate::dialect::native::PROTOCOL;
use crate::dialect::{Dialect, bare_token};
use crate::error::Error;
use crate::protocol::MAX_PAGE;
use crate::session::{ClientSession, Core};

/// The subprotocol under which a browser passes its token.
const BEARER: &str = "bearer";

/// Handles the upgrade request. A token is optional in most dialects, but an invalid one is refused.
pub(super) async fn upgrade(
    State(state): State<Arc<HttpState>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    _: TrustedPage,
    Client(address): Client,
    Extension(ListenerDialect(listener_dialect)): Extension<ListenerDialect>,
    upgrade: Handshake,
) -> Result<Response, Failure> {
    let admitted = match state.admission.session(address.into()) {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(refused.into_response()),
    };
    // If neither path, subprotocol, listener nor token determines the dialect, the first frame does.
    let named = match uri.path() {
        "/ws/native" => Some(Dialect::Native),
        "/ws/go" => Some(Dialect::Go),
        "/ws/rooms" => Some(Dialect::Rooms),
        "/ws/direct" => Some(Dialect::Direct),
        "/ws/groups" => Some(Dialect::Groups),
        _ if offers(&headers, PROTOCOL) => Some(Dialect::Native),
        _ => listener_dialect,
    };
    let accounts = &state.core.accounts;
    let query = uri.query().unwrap_or_default();
    let (offered, mut undecided_token) = match (offered_token(&headers), token_in_query(query)) {
        (Some(token), _) => (Some(token), None),
        (None, Some(_)) if !state.core.auth.get().query_tokens => return Err(no_query_tokens(named).into()),
        // Clients of several dialects pass tokens in the query: the first frame decides the dialect, as it does without a token.
        (None, Some(token)) if named.is_none() => (None, Some(token)),
        (None, token) => (token, None),
    };
    if let Some(token) = &undecided_token {
        accounts.identify_anyone(token).await?;
    }
    let identity = match (offered, named) {
        (Some(token), Some(Dialect::Direct)) => Some(accounts.identify_anyone(&token).await?),
        (Some(token), _) => Some(accounts.identify(&token).await?),
        (None, _) => None,
    };
    let dialect = named.or(identity.is_some().then_some(Dialect::Go));
    if dialect == Some(Dialect::Go) && identity.is_none() {
        return Err(Error::Unauthenticated("a token is needed: `Authorization: Bearer <token>`".into()).into());
    }
    let recent = recent(query)?;
    let (core, metrics) = (state.core.clone(), state.metrics.clone());
    // Held from here on, so that a stopping server also waits for connections that are still being upgraded.
    let tracked = state.connections.token();
    let opening = Opening { address, dialect, identity, undecided_token: undecided_token.take(), recent };
    Ok(upgrade.protocols(&headers, &[PROTOCOL, BEARER]).on_upgrade(async move |upgraded| {
        metrics.closed(connection(core, upgraded, opening).await);
        drop((tracked, admitted));
    }))
}

/// Whether a request asks for a WebSocket upgrade.
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    handshake::names(headers, header::UPGRADE, "websocket")
}

/// Query parameters that clients pass a token in.
const TOKEN_PARAMETERS: [&str; 6] = ["token", "access_token", "accessToken", "auth_token", "authToken", "jwt"];

/// The token of a query string, as in `?token=…`. Placeholders such as `null` and `undefined`, which clients without a token
/// send, are ignored.
pub(super) fn token_in_query(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| TOKEN_PARAMETERS.contains(&&**name))
        .map(|(_, token)| bare_token(&token).to_owned())
        .find(|token| !matches!(&**token, "" | "null" | "undefined" | "None" | "nil"))
}

/// The error for a token in the query string, which says how to send it in `dialect`, if that is known.
pub(super) fn no_query_tokens(dialect: Option<Dialect>) -> Error {
    let instead = match dialect {
        Some(Dialect::Native) => "in the first frame, `connect`, or by the header `Authorization: Bearer …`",
        Some(Dialect::EchoSessions) => "as `auth: {token}`, or by the header `Authorization: Bearer …`",
        Some(Dialect::Direct | Dialect::DirectExternal) => {
            "by the frame `authenticate`, or by the header `Authorization: Bearer …`"
        }
        Some(Dialect::Go | Dialect::Rooms | Dialect::Groups) | None => "by the header `Authorization: Bearer …`",
    };
    Error::Unauthenticated(format!(
        "a token in the address is not taken here, since addresses end up in logs; send it {instead} \
         (or the operator sets auth.query_tokens)"
    ))
}

/// How many recent messages of each conversation the client asks for: `?history=50`.
fn recent(query: &str) -> Result<Option<u32>, Error> {
    let Some((_, asked)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "history") else {
        return Ok(None);
    };
    match asked.parse() {
        Ok(count) if (1..=MAX_PAGE).contains(&count) => Ok(Some(count)),
        _ => Err(Error::invalid("history", format!("1 to {MAX_PAGE}"))),
    }
}

/// The values of `Sec-WebSocket-Protocol`.
fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    subprotocols(headers).any(|offered| offered == protocol)
}

/// A token in `Authorization: Bearer …`, or after the subprotocol `bearer`.
fn offered_token(headers: &HeaderMap) -> Option<String> {
    super::http::bearer(headers).map(str::to_owned).or_else(|| {
        let mut offered = subprotocols(headers).skip_while(|protocol| *protocol != BEARER);
        offered.next()?;
        // `bearer` without a token counts as an empty, and so invalid, token.
        Some(offered.find(|protocol| *protocol != PROTOCOL).unwrap_or_default().to_owned())
    })
}

/// The client of a new connection, and what its upgrade request asked for.
struct Opening {
    address: IpAddr,
    dialect: Option<Dialect>,
    identity: Option<Identity>,
    undecided_token: Option<String>,
    recent: Option<u32>,
}

async fn connection(core: Arc<Core>, upgraded: Upgraded, opening: Opening) -> Option<u16> {
    let Opening { address, dialect, identity, undecided_token, recent } = opening;
    let limits = core.limits.latest();
    socket::carry(upgraded, &limits, async |outbox, frames| {
        let registered = core.hub.register(&outbox, address);
        let session = ClientSession::new(core, registered.id(), outbox, address, dialect);
        session.with_undecided_token(undecided_token).run(identity, recent, frames).await;
    })
    .await
}

#[cfg(test)]
mod tests;
