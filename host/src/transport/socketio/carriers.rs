//! Transports of Socket.IO: our own WebSockets, bridged to the library through a pipe, and polling requests that it answers itself.
//!
//! This way a socket is upgraded, limited and closed as all others are, and a stopping server can end the transports without the
//! library's disconnect packet, after which clients such as python-socketio would not reconnect.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use hyper::upgrade::Upgraded;
use socketioxide::service::SocketIoService;
use socketioxide::socket::Sid;
use tokio::io::{DuplexStream, duplex};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::config::Limits;
use crate::error::Error;
use crate::hub::{Close, Outbox};
use crate::session::Incoming;
use crate::transport::http::Failure;
use crate::transport::http::bodies::content_length;
use crate::transport::websocket::handshake::Handshake;
use crate::transport::websocket::socket;

/// Read buffer of a pipe.
pub(super) const READ_BUFFER: usize = 1024;
/// Capacity of a pipe.
const PIPE_BYTES: usize = 16 * 1024;
/// How long the library may take to send its last packets.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The Engine.IO packet by which either side ends a connection.
const ENGINE_CLOSE: &str = "1";

/// The open transports of Socket.IO.
#[derive(Clone)]
pub(super) struct Carriers {
    service: SocketIoService<Router>,
    limits: Arc<Limits>,
    /// Open sockets and requests in progress.
    open: TaskTracker,
    ending: CancellationToken,
}

impl Carriers {
    pub(super) fn new(service: SocketIoService<Router>, limits: Arc<Limits>) -> Self {
        Self { service, limits, open: TaskTracker::new(), ending: CancellationToken::new() }
    }

    /// Closes all sockets after their last packets, and fails all requests in progress.
    pub(super) async fn end(&self) {
        self.ending.cancel();
        self.open.close();
        self.open.wait().await;
    }

    /// Ends the connection of this URI, whose client stopped polling, by posting a close packet for it: the library has no other way.
    fn abandon(&self, uri: Uri) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut service = self.service.clone();
        runtime.spawn(async move {
            let mut request = Request::new(Body::from(ENGINE_CLOSE));
            (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri);
            let _ = tower::Service::<Request>::call(&mut service, request).await;
        });
    }
}

/// Middleware that bridges WebSockets, and ends a connection if its client aborts a poll.
pub(super) async fn carry(State(carriers): State<Carriers>, request: Request, next: Next) -> Result<Response, Failure> {
    let query = Query::of(request.uri());
    // HEAD without an upgrade is answered as GET is.
    if query.websocket && matches!(*request.method(), Method::GET | Method::HEAD) && query.is_valid {
        let (mut parts, _) = request.into_parts();
        let handshake = Handshake::from_request_parts(&mut parts, &()).await?;
        let tracked = carriers.open.token();
        return Ok(handshake.on_upgrade(async move |upgraded| {
            bridge(&carriers, upgraded, axum::http::Request::from_parts(parts, ())).await;
            drop(tracked);
        }));
    }
    if content_length(request.headers()).is_some_and(|bytes| bytes > carriers.limits.frame_bytes as u64) {
        return Err(Error::TooLarge { what: "body", limit: format!("{} bytes", carriers.limits.frame_bytes) }.into());
    }
    let _tracked = carriers.open.token();
    let polls = query.session && request.method() == Method::GET;
    let mut poll = Poll { carriers: &carriers, uri: polls.then(|| request.uri().clone()) };
    tokio::select! {
        biased;
        answer = next.run(request) => {
            poll.uri = None;
            Ok(answer)
        }
        () = carriers.ending.cancelled() => Err(Error::Unavailable("the server is stopping; connect again".into()).into()),
    }
}

/// A poll in progress; ends the connection if it is dropped unanswered.
struct Poll<'a> {
    carriers: &'a Carriers,
    uri: Option<Uri>,
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        if let Some(uri) = self.uri.take() {
            self.carriers.abandon(uri);
        }
    }
}

/// What a request's query says about the connection.
#[derive(Default)]
struct Query {
    websocket: bool,
    /// Whether it names an existing connection.
    session: bool,
    /// Whether the library would accept it; the library itself answers requests that it would refuse.
    is_valid: bool,
}

impl Query {
    fn of(uri: &Uri) -> Self {
        let (mut version, mut websocket, mut session) = (false, false, None);
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "EIO" => version = value == "4",
                "transport" => websocket = value == "websocket",
                "sid" => session = Some(value.parse::<Sid>().is_ok()),
                _ => {}
            }
        }
        Self { websocket, session: session.is_some(), is_valid: version && session != Some(false) }
    }
}

/// Connects the library to a socket until one of them closes it, or the server stops.
async fn bridge(carriers: &Carriers, upgraded: Upgraded, request: axum::http::Request<()>) {
    socket::carry(upgraded, &carriers.limits, async |outbox, frames| {
        let mut frames = frames.fuse();
        let (ours, theirs) = duplex(PIPE_BYTES);
        let mut service = carriers.service.clone();
        if let Err(error) = service.call((theirs, request)).await {
            outbox.close(Close::new(PROTOCOL_ERROR, error.to_string()));
        } else {
            let close = forward(carriers, &outbox, &mut frames, ours).await;
            outbox.close(close);
        }
        // Waits for the client's close frame.
        while frames.next().await.is_some() {}
    })
    .await;
}

/// RFC 6455, 7.4.1.
const PROTOCOL_ERROR: u16 = 1002;

/// Forwards frames in both directions; returns how to close the socket afterwards.
async fn forward(
    carriers: &Carriers,
    outbox: &Outbox,
    frames: &mut (impl Stream<Item = Incoming> + Unpin),
    pipe: DuplexStream,
) -> Close {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).max_message_size(None).max_frame_size(None);
    let pipe = WebSocketStream::from_raw_socket(pipe, Role::Client, Some(config)).await;
    let (mut to_library, mut from_library) = pipe.split();
    let outbound = async {
        while let Some(Ok(message)) = from_library.next().await {
            match message {
                Message::Text(text) if text.as_str() == ENGINE_CLOSE => {}
                Message::Text(text) => outbox.enqueue(text.as_str().into()),
                Message::Close(_) => return,
                // The library sends no binary messages here.
                _ => {}
            }
        }
    };
    let mut outbound = pin!(outbound);
    let mut client_closed = false;
    let ended = |client_closed| match client_closed {
        true => Close::new(Close::NORMAL, ""),
        false => Close::new(PROTOCOL_ERROR, "no packet of Engine.IO or Socket.IO, or none in time"),
    };
    loop {
        let message = tokio::select! {
            frame = frames.next() => match frame {
                Some(Incoming::Text(text)) => {
                    client_closed |= text.as_str() == ENGINE_CLOSE;
                    Message::text(text.as_str())
                }
                Some(Incoming::Binary(bytes)) => Message::binary(bytes),
                Some(Incoming::Alive) => continue,
                Some(Incoming::Failed(close) | Incoming::Closing(close)) => return close,
                None => return Close::new(Close::NORMAL, ""),
            },
            () = &mut outbound => return ended(client_closed),
            () = carriers.ending.cancelled() => {
                // The library sees the socket as closed, and sends its pending packets first.
                let _ = to_library.send(Message::Close(None)).await;
                let _ = timeout(CLOSE_TIMEOUT, outbound).await;
                return Close::new(Close::GOING_AWAY, "the server is stopping; connect again");
            }
        };
        tokio::select! {
            sent = to_library.send(message) => if sent.is_err() {
                return Close::new(Close::NORMAL, "");
            },
            // Reading continues while writing, since otherwise both sides could block each other.
            () = &mut outbound => return ended(client_closed),
        }
    }
}
