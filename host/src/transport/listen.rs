//! Accepts TCP and TLS connections, with the limits that a server on the open Internet needs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{StatusCode, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::admission::{Admission, Admitted};
use super::beyond::Beyond;
use super::socket::Socket;
use super::tls::Tls;
use crate::config::{Limits, Reloadable};

/// Delay after a failed accept. The likely reason is that file descriptors ran out, and retrying at once would spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How many connections the kernel queues before they are accepted.
const LISTEN_BACKLOG: u32 = 1024;
/// Size of the read buffer, and so of a request's headers at most.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Opens a listening socket. With `only_ipv6` it takes no IPv4 connections, so that another listener can have the same port there.
pub fn bind(address: SocketAddr, only_ipv6: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Allows a restart while connections of the previous process are still being closed.
    socket.set_reuseaddr(true)?;
    if only_ipv6 {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

/// State that all listeners share.
pub struct ListenerContext {
    pub admission: Arc<Admission>,
    pub limits: Reloadable<Limits>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// Whose connections a listener accepts; each purpose has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Clients,
    Metrics,
}

/// Removes `Content-Length` from a 304 response, which has no body. The router adds the header, so this has to run outside of it.
pub(super) fn strip_not_modified(mut answer: Response) -> Response {
    if answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().remove(header::CONTENT_LENGTH);
    }
    answer
}

impl ListenerContext {
    /// Connections run as tasks in `tasks`.
    pub fn new(
        admission: Arc<Admission>,
        limits: Reloadable<Limits>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { admission, limits, tasks, stop }
    }

    /// Serves one listener until the server stops.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, purpose: Purpose, app: Router, tls: Option<Arc<Tls>>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            };
            let admitted = match purpose {
                Purpose::Clients => self.admission.socket(peer.ip()),
                Purpose::Metrics => self.admission.metrics_socket(peer.ip()),
            };
            match admitted {
                Ok(admitted) => {
                    let connection = self.clone().connection(socket, peer, admitted, app.clone(), tls.clone());
                    self.tasks.spawn(connection);
                }
                Err(refused) => match self.admission.reserved(peer.ip(), tls.is_some()) {
                    Ok(admitted) => {
                        let beyond = Beyond { refused, peer, app: app.clone(), stop: self.stop.clone() };
                        let answering = beyond.answer(socket, admitted, self.admission.clone(), tls.clone());
                        self.tasks.spawn(answering);
                    }
                    // Closed without an answer.
                    Err(_) => self.admission.count_refused(refused),
                },
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        admitted: Admitted,
        app: Router,
        tls: Option<Arc<Tls>>,
    ) {
        // Without TCP_NODELAY a small frame may wait 40 ms until the previous one is acknowledged.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, %peer, "setting TCP_NODELAY failed");
        }
        let Some(tls) = tls else { return self.serve_connection(Socket::new(socket, admitted), peer, app).await };
        let handshake_timeout = self.limits.get().request_timeout;
        let handshake = tokio::select! {
            handshake = timeout(handshake_timeout, tls.accept(socket)) => handshake,
            () = self.stop.cancelled() => return,
        };
        match handshake {
            Ok(Ok(socket)) => self.serve_connection(Socket::new(socket, admitted), peer, app).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
        }
    }

    async fn serve_connection(
        &self,
        socket: Socket<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>,
        peer: SocketAddr,
        app: Router,
    ) {
        let mut builder = http1::Builder::new();
        // This timeout starts at the end of the previous request, so it also closes idle connections.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.get().request_timeout)
            .max_buf_size(MAX_HEADER_BYTES);
        let linger = socket.linger();
        // Not router layers: those would be rebuilt for each connection, around each route.
        let app = ServiceExt::<Request<Incoming>>::map_response(app, strip_not_modified);
        let app = app.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(linger.clone());
            request
        });
        let service = TowerToHyperService::new(app);
        let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = self.stop.cancelled() => {
                // Answers the current request and takes no further one.
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, %peer, "connection failed");
        }
    }
}
