//! Socket.IO connections, over polling or WebSocket: the library implements the protocol, the session everything else.

mod carriers;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts as _;
use axum::middleware::{from_extractor_with_state, from_fn_with_state};
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, Extension, SocketRef};
use socketioxide::handler::{ConnectHandler as _, FromConnectParts, FromMessageParts, Value};
use socketioxide::socket::Socket;
use socketioxide::{ParserConfig, SendError, SocketError, SocketIo};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::carriers::Carriers;
use super::admission::Admitted;
use super::http::extract::Client;
use super::http::origin::TrustedPage;
use super::http::{State as HttpState, bearer};
use super::websocket::{no_query_tokens, token_in_query};
use crate::accounts::Identity;
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::dialect::sessions::{self, Outgoing};
use crate::error::Error;
use crate::hub::{Close, Frame, Outbox, Packet};
use crate::session::{ClientSession, Failures, Incoming};

/// How long each step of a shutdown may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may accept no data before it counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often to retry while the library's queue is full: the library does not signal when there is room again.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// The routes of Socket.IO.
pub(super) fn routes(state: &Arc<HttpState>) -> Router<Arc<HttpState>> {
    let limits = state.core.limits.latest();
    let (service, io) = SocketIo::builder()
        .req_path("/socket.io")
        .ping_interval(limits.ping_interval)
        .ping_timeout(limits.ping_interval)
        .connect_timeout(limits.connect_timeout)
        .max_payload(limits.frame_bytes as u64)
        .ws_max_message_size(limits.frame_bytes)
        .ws_max_frame_size(limits.frame_bytes)
        .ws_read_buffer_size(carriers::READ_BUFFER)
        .with_parser(ParserConfig::common().max_incoming_binary_buf_size(limits.frame_bytes))
        // Only these paths are routed to it, so its fallback is never used.
        .build_with_inner_svc(Router::new());
    let (writing, carriers) = (TaskTracker::new(), Carriers::new(service.clone(), limits.clone()));
    let enter = {
        let state = state.clone();
        async move |peer: Peer, socket: SocketRef, auth: Auth| enter(&state, peer, &socket, auth).await
    };
    let go = {
        let (state, writing) = (state.clone(), writing.clone());
        async move |Extension(arrival): Extension<Arc<Mutex<Option<Arrival>>>>| {
            if let Some(arrival) = arrival.lock().take() {
                state.connections.spawn(connection(state.clone(), arrival, writing.clone()));
            }
        }
    };
    // `enter` runs before CONNECT is answered, so no event of the client is lost.
    io.ns("/", go.with(enter));
    state.connections.spawn(close(io, state.stop.clone(), writing, carriers.clone()));
    Router::new()
        .route_service("/socket.io", service.clone())
        .route_service("/socket.io/", service)
        // Both transports: CORS alone would not keep a page's WebSocket out.
        .layer(from_fn_with_state(carriers, carriers::carry))
        .layer(from_extractor_with_state::<TrustedPage, _>(state.clone()))
}

/// When the server stops, waits until the connections have written their last frames, then ends their transports. Only then does
/// the library close what is left: its own disconnect packet keeps some clients from reconnecting.
async fn close(io: SocketIo, stop: CancellationToken, writing: TaskTracker, carriers: Carriers) {
    stop.cancelled().await;
    writing.close();
    let _ = timeout(CLOSE_TIMEOUT, writing.wait()).await;
    let _ = timeout(CLOSE_TIMEOUT, carriers.end()).await;
    let _ = timeout(CLOSE_TIMEOUT, io.close()).await;
}

/// The `auth` payload of the client's CONNECT, as JSON, if there is one.
struct Auth(Option<String>);

impl FromConnectParts<LocalAdapter> for Auth {
    type Error = Infallible;

    fn from_connect_parts(_: &Arc<Socket>, auth: &Option<Value>) -> Result<Self, Infallible> {
        Ok(Self(match auth {
            Some(Value::Str(json, _)) => Some(json.as_str().to_owned()),
            Some(Value::Bytes(_)) | None => None,
        }))
    }
}

/// The socket, held weakly: a strong reference would keep it alive after it was closed.
struct Peer(Weak<Socket>);

impl FromConnectParts<LocalAdapter> for Peer {
    type Error = Infallible;

    fn from_connect_parts(socket: &Arc<Socket>, _: &Option<Value>) -> Result<Self, Infallible> {
        Ok(Self(Arc::downgrade(socket)))
    }
}

/// An event in the form that the dialect reads.
struct Event(Incoming);

impl FromMessageParts<LocalAdapter> for Event {
    type Error = Infallible;

    fn from_message_parts(_: &Arc<Socket>, event: &mut Value, ack: &Option<i64>) -> Result<Self, Infallible> {
        Ok(Self(match event {
            // The text holds only placeholders for attachments: the dialect refuses one where text belongs, as any other value.
            Value::Str(event, _) => {
                let ack = ack.map(|ack| ack.to_string()).unwrap_or_default();
                Incoming::Text(format!("{ack}{}", event.as_str()).into())
            }
            Value::Bytes(_) => Incoming::Binary(bytes::Bytes::new()),
        }))
    }
}

/// A socket that was admitted, but has no session yet.
struct Arrival {
    peer: Peer,
    identity: Option<Identity>,
    address: IpAddr,
    events: mpsc::Receiver<Incoming>,
    /// Queues signs of life.
    alive: mpsc::WeakSender<Incoming>,
    outbox: Arc<Outbox>,
    gone: CancellationToken,
    admitted: Admitted,
}

/// Authenticates and admits a socket; a token is optional, but an invalid one is refused. From here on its events are queued.
async fn enter(state: &Arc<HttpState>, peer: Peer, socket: &SocketRef, auth: Auth) -> Result<(), Error> {
    let failures = Failures::new(&state.core, Some(Dialect::EchoSessions));
    admit(state, peer, socket, auth).await.inspect_err(|error| failures.count(error))
}

async fn admit(state: &Arc<HttpState>, peer: Peer, socket: &SocketRef, Auth(auth): Auth) -> Result<(), Error> {
    let request = socket.req_parts();
    let token = match auth {
        Some(auth) => sessions::auth_token(&auth)?,
        None => None,
    };
    let token = match token.or_else(|| bearer(&request.headers).map(str::to_owned)) {
        Some(token) => Some(token),
        None => match token_in_query(request.uri.query().unwrap_or_default()) {
            Some(_) if !state.core.auth.get().query_tokens => return Err(no_query_tokens(Some(Dialect::EchoSessions))),
            token => token,
        },
    };
    let identity = match token {
        Some(token) => Some(state.core.accounts.identify(&token).await?),
        None => None,
    };
    let Client(address) = Client::from_request_parts(&mut socket.req_parts().clone(), state)
        .await
        .map_err(|_| Error::internal("a socket without its peer's address"))?;
    let admitted = state.admission.session(address.into())?;
    let outbox = Arc::new(Outbox::new(&state.core.limits.get()));
    let (queue, events) = mpsc::channel(max_queued_events(&state.core.limits.get()));
    let gone = CancellationToken::new();
    let arrival = Arrival {
        peer,
        identity,
        address,
        events,
        alive: queue.downgrade(),
        outbox: outbox.clone(),
        gone: gone.clone(),
        admitted,
    };
    socket.extensions.insert(Arc::new(Mutex::new(Some(arrival))));
    // The library runs async handlers as tasks, which may overtake each other, so the event is queued before the future is made.
    socket.on_fallback(move |Event(event): Event| {
        if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(event) {
            outbox.close(Close::new(Close::FLOODING, "flooding"));
        }
        ready(())
    });
    socket.on_disconnect(move || {
        gone.cancel();
        ready(())
    });
    Ok(())
}

/// How many events may be queued. A client that exceeds this sent more than the rate limit accepts and refuses together, and is
/// closed for that anyway.
fn max_queued_events(limits: &Limits) -> usize {
    limits.command_burst.saturating_add(limits.refusals_before_close) as usize
}

async fn connection(state: Arc<HttpState>, arrival: Arrival, writing: TaskTracker) {
    let Arrival { peer, identity, address, events, alive, outbox, gone, admitted: _admitted } = arrival;
    let core = state.core.clone();
    let registered = core.hub.register(&outbox, address);
    let session = ClientSession::new(core, registered.id(), outbox.clone(), address, Some(Dialect::EchoSessions));
    let writer = async {
        let _writing = writing.token();
        state.metrics.closed(write(&peer, &outbox, &alive).await);
        // Nothing can be written from now on.
        outbox.close(Close::new(Close::NORMAL, ""));
    };
    let reads = async {
        session.run(identity, None, incoming(events, gone.clone())).await;
        outbox.close(Close::new(Close::NORMAL, ""));
    };
    let writes = async {
        writer.await;
        // The library reports when the socket is closed, which may be never if the client accepts no data.
        if timeout(CLOSE_TIMEOUT, gone.cancelled()).await.is_err() {
            gone.cancel();
        }
    };
    tokio::join!(reads, writes);
}

/// The queued events, including those that were queued before the socket closed.
fn incoming(events: mpsc::Receiver<Incoming>, gone: CancellationToken) -> impl Stream<Item = Incoming> {
    stream::unfold((events, gone), |(mut events, gone)| async move {
        let next = tokio::select! {
            biased;
            next = events.recv() => next,
            () = gone.cancelled() => {
                events.close();
                events.recv().await
            }
        };
        next.map(|next| (next, (events, gone)))
    })
}

/// Sends frames of the outbox until a close frame, whose code it returns, or until the socket is gone.
async fn write(peer: &Peer, outbox: &Outbox, alive: &mpsc::WeakSender<Incoming>) -> Option<u16> {
    let mut frames = VecDeque::new();
    loop {
        outbox.take(&mut frames).await;
        for frame in frames.drain(..) {
            let sent = match frame {
                Frame::Text(packet) => send_all(peer, packet).await,
                // The library pings by itself, and closes sockets that do not answer.
                Frame::Pong(_) => true,
                Frame::Ping => {
                    if let Some(queue) = alive.upgrade() {
                        let _ = queue.try_send(Incoming::Alive);
                    }
                    peer.0.strong_count() > 0
                }
                #[cfg(test)]
                Frame::Binary(_) => true,
                Frame::Close(close) => {
                    send_close(peer, &close).await;
                    return Some(close.code);
                }
            };
            if !sent {
                return None;
            }
        }
    }
}

async fn send_close(peer: &Peer, close: &Close) {
    let error = match close.code {
        Close::TOKEN_EXPIRED => Some((401, "no token in time; connect with `auth: {token}`")),
        Close::LOGGED_OUT | Close::DISABLED => Some((401, &*close.reason)),
        Close::FLOODING | Close::TOO_MANY => Some((429, &*close.reason)),
        // Not the client's fault.
        _ => None,
    };
    if let Some((code, message)) = error {
        send(peer, &sessions::farewell(code, message)).await;
    }
    // A stopping server closes the transport instead, so that clients reconnect by themselves.
    if close.code != Close::GOING_AWAY
        && let Some(socket) = peer.0.upgrade()
    {
        let _ = SocketRef::from(socket).disconnect();
    }
}

async fn send_all(peer: &Peer, packet: Packet) -> bool {
    for text in packet.texts() {
        if !send(peer, &text).await {
            return false;
        }
    }
    true
}

/// Gives the library a frame as soon as its queue has room; false if the frame cannot be sent.
async fn send(peer: &Peer, frame: &str) -> bool {
    let started = Instant::now();
    loop {
        match try_send(peer, frame) {
            Some(Err(SendError::Socket(SocketError::InternalChannelFull))) if started.elapsed() < WRITE_TIMEOUT => {
                sleep(RETRY_INTERVAL).await;
            }
            Some(Ok(())) => return true,
            Some(Err(_)) | None => return false,
        }
    }
}

fn try_send(Peer(socket): &Peer, frame: &str) -> Option<Result<(), SendError>> {
    let socket = socket.upgrade()?;
    Some(match sessions::outgoing(frame)? {
        Outgoing::Event { name, data } => socket.emit(name, data),
        Outgoing::Acknowledgement { ack, data } => {
            let mut nothing = Value::Bytes(bytes::Bytes::new());
            let Ok(sender) = AckSender::from_message_parts(&socket, &mut nothing, &Some(ack));
            sender.send(data)
        }
    })
}
