//! Socket.IO connections, over polling or WebSocket: the library has the protocol, the session everything else.

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

/// How long the goodbyes of connections may take.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a client may take nothing before it counts as gone.
const WRITING: Duration = Duration::from_secs(20);
/// How soon it is looked again whether the library has room for more: it does not say so by itself.
const PAUSE: Duration = Duration::from_millis(5);

/// The paths of Socket.IO, of which a server has one.
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
        // It is given nothing else than these paths.
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
    // The middleware runs before CONNECT is answered: whatever a client says from there on is heard.
    io.ns("/", go.with(enter));
    state.connections.spawn(close(io, state.stop.clone(), writing, carriers.clone()));
    Router::new()
        .route_service("/socket.io", service.clone())
        .route_service("/socket.io/", service)
        // Both transports: CORS alone would not keep a page's WebSocket out.
        .layer(from_fn_with_state(carriers, carriers::carry))
        .layer(from_extractor_with_state::<TrustedPage, _>(state.clone()))
}

/// Lets the connections say what they still have to say when the server stops, then ends their transports. Only then the
/// library closes what is left of them: what it would say by itself tells some clients never to come back.
async fn close(io: SocketIo, stop: CancellationToken, writing: TaskTracker, carriers: Carriers) {
    stop.cancelled().await;
    writing.close();
    let _ = timeout(CLOSING, writing.wait()).await;
    let _ = timeout(CLOSING, carriers.end()).await;
    let _ = timeout(CLOSING, io.close()).await;
}

/// What the client says with its CONNECT, as JSON; none if it says nothing.
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

/// The socket, for as long as it is there: whoever held it for good would keep it from ever going.
struct Peer(Weak<Socket>);

impl FromConnectParts<LocalAdapter> for Peer {
    type Error = Infallible;

    fn from_connect_parts(socket: &Arc<Socket>, _: &Option<Value>) -> Result<Self, Infallible> {
        Ok(Self(Arc::downgrade(socket)))
    }
}

/// An event, as the dialect has it.
struct Event(Incoming);

impl FromMessageParts<LocalAdapter> for Event {
    type Error = Infallible;

    fn from_message_parts(_: &Arc<Socket>, event: &mut Value, ack: &Option<i64>) -> Result<Self, Infallible> {
        Ok(Self(match event {
            // Of attachments there are the places alone: whatever has one where text belongs is refused as any other event is.
            Value::Str(event, _) => {
                let ack = ack.map(|ack| ack.to_string()).unwrap_or_default();
                Incoming::Text(format!("{ack}{}", event.as_str()).into())
            }
            Value::Bytes(_) => Incoming::Binary(bytes::Bytes::new()),
        }))
    }
}

/// Somebody at the door.
struct Arrival {
    peer: Peer,
    identity: Option<Identity>,
    address: IpAddr,
    said: mpsc::Receiver<Incoming>,
    /// For signs of life.
    alive: mpsc::WeakSender<Incoming>,
    outbox: Arc<Outbox>,
    gone: CancellationToken,
    admitted: Admitted,
}

/// Whoever brings a token has to bring a good one. From here on, what the socket says is queued.
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
    let (queue, said) = mpsc::channel(most_waiting(&state.core.limits.get()));
    let gone = CancellationToken::new();
    let arrival = Arrival {
        peer,
        identity,
        address,
        said,
        alive: queue.downgrade(),
        outbox: outbox.clone(),
        gone: gone.clone(),
        admitted,
    };
    socket.extensions.insert(Arc::new(Mutex::new(Some(arrival))));
    // The library runs handlers as tasks, which overtake each other: all is done before there is one.
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

/// Whatever does not fit is more than the limits let through and refuse together, for which a connection is closed anyway.
fn most_waiting(limits: &Limits) -> usize {
    limits.command_burst.saturating_add(limits.refusals_before_close) as usize
}

async fn connection(state: Arc<HttpState>, arrival: Arrival, writing: TaskTracker) {
    let Arrival { peer, identity, address, said, alive, outbox, gone, admitted: _admitted } = arrival;
    let core = state.core.clone();
    let registered = core.hub.register(&outbox, address);
    let session = ClientSession::new(core, registered.id(), outbox.clone(), address, Some(Dialect::EchoSessions));
    let writer = async {
        let _writing = writing.token();
        state.metrics.closed(write(&peer, &outbox, &alive).await);
        // Whatever is offered from now on has nowhere to go.
        outbox.close(Close::new(Close::NORMAL, ""));
    };
    let hears = async {
        session.run(identity, None, incoming(said, gone.clone())).await;
        outbox.close(Close::new(Close::NORMAL, ""));
    };
    let writes = async {
        writer.await;
        // The library says when it is done with the socket; with one that takes nothing that may be never.
        if timeout(CLOSING, gone.cancelled()).await.is_err() {
            gone.cancel();
        }
    };
    tokio::join!(hears, writes);
}

/// What the socket said, to the last word.
fn incoming(said: mpsc::Receiver<Incoming>, gone: CancellationToken) -> impl Stream<Item = Incoming> {
    stream::unfold((said, gone), |(mut said, gone)| async move {
        let next = tokio::select! {
            biased;
            next = said.recv() => next,
            () = gone.cancelled() => {
                said.close();
                said.recv().await
            }
        };
        next.map(|next| (next, (said, gone)))
    })
}

/// Hands on whatever waits in the outbox until a close, whose code it gives, or until the socket is gone.
async fn write(peer: &Peer, outbox: &Outbox, alive: &mpsc::WeakSender<Incoming>) -> Option<u16> {
    let mut frames = VecDeque::new();
    loop {
        outbox.take(&mut frames).await;
        for frame in frames.drain(..) {
            let sent = match frame {
                Frame::Text(packet) => send_all(peer, packet).await,
                // The library asks by itself, and lets go of whoever does not answer.
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
                    say_goodbye(peer, &close).await;
                    return Some(close.code);
                }
            };
            if !sent {
                return None;
            }
        }
    }
}

async fn say_goodbye(peer: &Peer, close: &Close) {
    let told = match close.code {
        Close::TOKEN_EXPIRED => Some((401, "no token in time; connect with `auth: {token}`")),
        Close::LOGGED_OUT | Close::DISABLED => Some((401, &*close.reason)),
        Close::FLOODING | Close::TOO_MANY => Some((429, &*close.reason)),
        // Not the client's doing.
        _ => None,
    };
    if let Some((code, message)) = told {
        send(peer, &sessions::farewell(code, message)).await;
    }
    // Of a server that stops the transport is closed, so that clients come back by themselves.
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

/// Gives the library a frame as soon as it has room for it; false if that is never.
async fn send(peer: &Peer, frame: &str) -> bool {
    let started = Instant::now();
    loop {
        match offer(peer, frame) {
            Some(Err(SendError::Socket(SocketError::InternalChannelFull))) if started.elapsed() < WRITING => {
                sleep(PAUSE).await;
            }
            Some(Ok(())) => return true,
            Some(Err(_)) | None => return false,
        }
    }
}

fn offer(Peer(socket): &Peer, frame: &str) -> Option<Result<(), SendError>> {
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
