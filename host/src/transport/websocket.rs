//! WebSocket connections: the upgrade, and the way of frames between socket and session.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _, stream};
use tokio::pin;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use super::http::extract::Client;
use super::http::{Failure, Spoken, State as HttpState, origin_allowed};
use crate::accounts::Identity;
use crate::config;
use crate::dialect::Dialect;
use crate::dialect::native::PROTOCOL;
use crate::error::Error;
use crate::hub::{Close, Frame, Outbox};
use crate::messages::MAX_PAGE;
use crate::session::{Core, Incoming, Session};

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(5);
/// How long one write may take before the peer counts as gone.
const WRITING: Duration = Duration::from_secs(20);
/// Small, since every connection has one; larger frames are read in several goes.
const READ_BUFFER: usize = 4096;
/// Frames that wait together are written together, up to so much at a time: what counts is the number of writes.
const WRITE_BUFFER: usize = 64 * 1024;
/// The subprotocol under which a browser passes its token.
const BEARER: &str = "bearer";

/// The upgrade request: whoever brings a token has to bring a good one.
pub(super) async fn upgrade(
    State(state): State<Arc<HttpState>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Client(address): Client,
    Extension(Spoken(spoken)): Extension<Spoken>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        // Somebody's browser, most likely.
        Err(rejection) => return Ok(rejection.into_response()),
    };
    if !origin_allowed(&state, &headers) {
        return Err(
            Error::Forbidden("this origin is not allowed; the operator can add it to cors.origins".into()).into()
        );
    }
    let limits = &state.core.limits;
    // The first frame decides where neither path nor subprotocol nor token says what is spoken.
    let named = match uri.path() {
        "/ws/native" => Some(Dialect::Native),
        "/ws/go" => Some(Dialect::Go),
        "/ws/rooms" => Some(Dialect::Rooms),
        "/ws/direct" => Some(Dialect::Direct),
        "/ws/groups" => Some(Dialect::Groups),
        _ if offers(&headers, PROTOCOL) => Some(Dialect::Native),
        _ => spoken,
    };
    let accounts = &state.core.accounts;
    let identity = match (offered_token(&headers), named) {
        (Some(token), Some(Dialect::Direct)) => Some(accounts.identify_anyone(&token).await?),
        (Some(token), _) => Some(accounts.identify(&token).await?),
        (None, _) => None,
    };
    let dialect = named.or(identity.is_some().then_some(Dialect::Go));
    if dialect == Some(Dialect::Go) && identity.is_none() {
        return Err(Error::Unauthenticated("a token is needed: `Authorization: Bearer <token>`".into()).into());
    }
    let recent = recent(uri.query().unwrap_or_default())?;
    let core = state.core.clone();
    // Held from here on, so that a stopping server waits for its connections, also for those that are just coming.
    let tracked = state.connections.token();
    let upgrade = within(upgrade, limits).protocols([PROTOCOL, BEARER]);
    Ok(upgrade.on_upgrade(move |socket| async move {
        connection(core, socket, address, dialect, identity, recent).await;
        drop(tracked);
    }))
}

/// The buffers and limits that every socket has.
fn within(upgrade: WebSocketUpgrade, limits: &config::Limits) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER + limits.outbox_bytes + limits.frame_bytes)
        .max_message_size(limits.frame_bytes)
        .max_frame_size(limits.frame_bytes)
}

/// How much of each conversation a client wants to be told at once: `?history=50`.
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
        offered.find(|protocol| *protocol != PROTOCOL).map(str::to_owned)
    })
}

async fn connection(
    core: Arc<Core>,
    socket: WebSocket,
    address: IpAddr,
    dialect: Option<Dialect>,
    identity: Option<Identity>,
    recent: Option<u32>,
) {
    let outbox = Arc::new(Outbox::new(&core.limits));
    let registered = core.hub.register(&outbox, address);
    let (sink, frames) = socket.split();
    let session = Session::new(core, registered.id(), outbox.clone(), address.into(), dialect).run(
        identity,
        recent,
        incoming(frames),
    );
    carry(sink, &outbox, session).await;
}

/// Writes what the session has to say until both have ended.
async fn carry(
    sink: impl Sink<Message, Error = axum::Error> + Unpin,
    outbox: &Outbox,
    session: impl Future<Output = ()>,
) {
    let writer = write(sink, outbox);
    pin!(session, writer);
    // Both end in a bounded time once one has: the peer's goodbye is waited for, but not for ever.
    tokio::select! {
        () = &mut session => {
            outbox.close(Close::new(Close::NORMAL, ""));
            let _ = timeout(CLOSING, writer).await;
        }
        () = &mut writer => {
            let _ = timeout(CLOSING, session).await;
        }
    }
}

/// What the session makes of what the socket says. Ends with the socket.
fn incoming(frames: impl Stream<Item = Result<Message, axum::Error>>) -> impl Stream<Item = Incoming> {
    // After an error the stream is read on, so that our own close still reaches the peer.
    stream::unfold((Box::pin(frames), false), |(mut frames, failed)| async move {
        let incoming = match frames.next().await? {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(bytes)) => Incoming::Binary(bytes),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => Incoming::Alive,
            Err(error) if !failed => return Some((Incoming::Failed(reason(&error)?), (frames, true))),
            Err(_) => return None,
        };
        Some((incoming, (frames, failed)))
    })
}

/// How to close a socket that broke the rules; none if it is simply gone.
fn reason(error: &axum::Error) -> Option<Close> {
    use std::error::Error as _;
    let error = error.source()?.downcast_ref::<tungstenite::Error>()?;
    Some(match error {
        tungstenite::Error::Protocol(what) => Close::new(1002, what.to_string()),
        tungstenite::Error::Utf8(_) => Close::new(1007, "text that is not UTF-8"),
        tungstenite::Error::Capacity(what) => Close::new(1009, what.to_string()),
        _ => return None,
    })
}

/// Writes whatever waits in the outbox, all of it with one flush, until a close or a failure.
async fn write(mut sink: impl Sink<Message, Error = axum::Error> + Unpin, outbox: &Outbox) {
    let mut frames = VecDeque::new();
    loop {
        outbox.take(&mut frames).await;
        let mut closing = false;
        let written = timeout(WRITING, async {
            for frame in frames.drain(..) {
                let message = match frame {
                    Frame::Text(text) => Message::Text(text),
                    #[cfg(test)]
                    Frame::Binary(bytes) => Message::Binary(bytes),
                    Frame::Ping => Message::Ping(bytes::Bytes::new()),
                    Frame::Close(close) => {
                        closing = true;
                        Message::Close(Some(CloseFrame { code: close.code, reason: close.reason.into() }))
                    }
                };
                sink.feed(message).await?;
            }
            sink.flush().await
        })
        .await;
        if closing || !matches!(written, Ok(Ok(()))) {
            // Whatever is offered from now on has nowhere to go.
            outbox.close(Close::new(Close::NORMAL, ""));
            return;
        }
    }
}

#[cfg(test)]
mod tests;
