//! Health, readiness and metrics routes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::{Answer, State, bearer};
use crate::error::Error;
use crate::metrics::Snapshot;
use crate::session::Core;

/// Report that the process is alive
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// How long `/metrics` waits for the database to answer.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Report whether the server accepts work: not while it stops, and not while its database does not answer or cannot be written to
#[utoipa::path(get, path = "/readyz", tag = "server", responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn ready(Shared(state): Shared<Arc<State>>) -> Answer {
    if state.leaving.is_cancelled() {
        return Err(Error::Unavailable("stopping".into()).into());
    }
    state.database.ping().await?;
    state.database.check_writes().await?;
    let health = state.cluster.as_ref().map(|cluster| cluster.health());
    Ok(match health {
        // Other nodes count this node's users as offline, but it still serves its clients.
        Some(health) if !health.has_lease() => {
            "ready; the cluster counts this node as dead until it renews its lease in the database"
        }
        Some(health) if !health.hears() => "ready; NATS does not answer, so events of other nodes arrive seconds late",
        _ => "ready",
    }
    .into_response())
}

/// Metrics in the Prometheus text format
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Answer {
    let wanted = state.metrics_config.latest();
    // Compares hashes, so that the duration reveals nothing about the token.
    let hash = |token: &str| Sha256::digest(token.as_bytes());
    if !wanted.token.is_empty() && hash(bearer(&headers).unwrap_or_default()) != hash(wanted.token.expose()) {
        return Err(
            Error::Unauthenticated("`Authorization: Bearer` with the token of [metrics] is needed".into()).into()
        );
    }
    let (up, writable) = tokio::join!(
        timeout(DATABASE_TIMEOUT, state.database.ping()),
        timeout(DATABASE_TIMEOUT, state.database.check_writes())
    );
    let (database_up, database_writable) = (matches!(up, Ok(Ok(()))), matches!(writable, Ok(Ok(()))));
    let Core { hub, router, .. } = &*state.core;
    let text = state.metrics.render(&Snapshot {
        connections: hub.count_by_dialect(),
        messages: hub.posted(),
        queued_jobs: router.queued_jobs(),
        database: state.database.pools(),
        database_up,
        database_writable,
    });
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
