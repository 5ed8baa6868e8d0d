//! Connections beyond the caps: health checks are answered, everything else is refused.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::http::header;
use axum::response::IntoResponse as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::admission::{Admission, Admitted, Refused};
use super::listen::strip_not_modified;
use super::socket::Socket;
use super::tls::Tls;

/// Timeout of a client's handshake and request headers; then the client is refused without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of the whole exchange.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a request's headers.
const HEAD_BUFFER_BYTES: usize = 16 * 1024;

/// Paths that report the server's health.
const HEALTH_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Prefix of the administrators' API, whose requests are answered if they carry a token.
const ADMIN_PATH_PREFIX: &str = "/api/admin/";

/// Answers connections beyond the caps.
pub(super) struct Beyond {
    pub(super) refused: Refused,
    pub(super) peer: SocketAddr,
    pub(super) app: Router,
    pub(super) stop: CancellationToken,
}

impl Beyond {
    /// Reads one request and answers it; `admitted` is the connection's place in the reserve.
    pub(super) async fn answer(
        self,
        socket: TcpStream,
        admitted: Admitted,
        admission: Arc<Admission>,
        tls: Option<Arc<Tls>>,
    ) {
        let until = Instant::now() + EXCHANGE_TIMEOUT;
        let stop = self.stop.clone();
        let exchange = async {
            let Some(tls) = tls else { return self.exchange(Socket::new(socket, admitted), admission).await };
            match timeout_at(Instant::now() + HEAD_TIMEOUT, tls.accept(socket)).await {
                Ok(Ok(socket)) => self.exchange(Socket::new(socket, admitted), admission).await,
                Ok(Err(_)) | Err(_) => admission.count_refused(self.refused),
            }
        };
        let _ = stop.run_until_cancelled(timeout_at(until, exchange)).await;
    }

    async fn exchange(self, mut socket: Socket<impl AsyncRead + AsyncWrite + Send + Unpin>, admission: Arc<Admission>) {
        let Self { refused, peer, app, .. } = self;
        let linger = socket.linger();
        let was_heard = Arc::new(AtomicBool::new(false));
        let service = service_fn(|mut request: Request<Incoming>| {
            was_heard.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(linger.clone());
            let answers = is_answered(&request);
            if !answers {
                admission.count_refused(refused);
                // What the client still sends must be read, or the system discards the answer.
                linger.set();
            }
            let app = app.clone();
            async move {
                Ok::<_, Infallible>(match answers {
                    true => strip_not_modified(app.oneshot(request).await.into_response()),
                    false => refused.into_response(),
                })
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BUFFER_BYTES)
            .keep_alive(false);
        let served = builder.serve_connection(TokioIo::new(&mut socket), service).await;
        let Err(error) = served else { return };
        tracing::debug!(%error, %peer, "connection beyond the cap failed");
        if was_heard.load(Ordering::Relaxed) {
            return;
        }
        admission.count_refused(refused);
        if error.is_timeout() {
            linger.set();
            let said = async {
                socket.write_all(refused.raw_response().as_bytes()).await?;
                socket.shutdown().await
            };
            // The client may be gone.
            let _ = said.await;
        }
    }
}

fn is_answered<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    HEALTH_PATHS.contains(&path)
        || (path.starts_with(ADMIN_PATH_PREFIX) && request.headers().contains_key(header::AUTHORIZATION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_health_and_administrators_with_a_token_are_answered() {
        let asks = |path: &str, token: bool| {
            let request = Request::get(path);
            let request = if token { request.header(header::AUTHORIZATION, "Bearer x") } else { request };
            is_answered(&request.body(()).unwrap())
        };
        for path in ["/healthz", "/readyz?verbose", "/metrics"] {
            assert!(asks(path, false), "{path}");
        }
        assert!(asks("/api/admin/connections", true));
        for path in ["/", "/ws", "/healthz/x", "/api/admin/connections", "/admin", "/socket.io/"] {
            assert!(!asks(path, false), "{path}");
        }
        assert!(!asks("/api/rooms", true));
    }
}
