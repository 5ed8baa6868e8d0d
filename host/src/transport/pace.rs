//! Bodies that come too slowly: whoever sends one a byte at a time would keep a connection, and what is read of it, for good.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::http::State as HttpState;

/// What a body has to come in at, once its first seconds are over.
const BYTES_PER_SECOND: u64 = 4096;

/// Ends requests whose bodies come too slowly.
pub(super) async fn keep(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let grace = state.core.limits.get().request_timeout;
    let late = Arc::new(AtomicBool::new(false));
    let answer = next.run(request.map(|body| paced(body, grace, late.clone()))).await;
    // Whatever the handler made of a body that broke off.
    if late.load(Ordering::Relaxed) { too_late() } else { answer }
}

fn paced(body: Body, grace: Duration, late: Arc<AtomicBool>) -> Body {
    let began = Instant::now();
    Body::from_stream(stream::unfold((body.into_data_stream(), 0), move |(mut bytes, mut got)| {
        let late = late.clone();
        async move {
            let due = began + grace + Duration::from_secs(got / BYTES_PER_SECOND);
            let next = match timeout_at(due, bytes.next()).await {
                Ok(next) => next?.map_err(io::Error::other),
                Err(_) if late.swap(true, Ordering::Relaxed) => return None,
                Err(_) => Err(ErrorKind::TimedOut.into()),
            };
            got += next.as_ref().map_or(0, |chunk| chunk.len() as u64);
            Some((next, (bytes, got)))
        }
    }))
}

fn too_late() -> Response {
    let body = json!({"error": {"code": "bad_request", "message": "the body came too slowly; nothing was done"}});
    let mut answer = (StatusCode::REQUEST_TIMEOUT, axum::Json(body)).into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
