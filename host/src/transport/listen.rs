//! Accepting connections, with the limits that a server in the open needs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a client may take over its request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept: out of descriptors, most likely, and trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one listener until `stop`; the connections go on as `tasks`.
pub async fn serve(listener: TcpListener, app: Router, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                tasks.spawn(connection(socket, peer, app.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, app: Router, stop: CancellationToken) {
    // Without this a small frame may wait 40 ms for the one before it to be acknowledged.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, %peer, "no TCP_NODELAY");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let service = TowerToHyperService::new(app.layer(Extension(ConnectInfo(peer))));
    let mut serving = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(socket), service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            // The request under way is answered, and no other one taken.
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a connection ended badly");
    }
}
