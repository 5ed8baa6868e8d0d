//! Middleware that gives every request an id, logs it and records its metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use super::State;
use crate::metrics::{REQUEST_SECONDS, REQUESTS};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The error code of a failed request, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailureCode(pub(super) &'static str);

/// The readiness probe, whose failures do not count as failed operations.
const READINESS: &str = "/readyz";

tokio::task_local! {
    static CURRENT: Uuid;
}

/// The id of the request that is being answered.
pub(super) fn request_id() -> Uuid {
    CURRENT.try_with(|id| *id).unwrap_or_else(|_| Uuid::now_v7())
}

/// Gives a request its id, taken from its `X-Request-Id` if that is a UUID, and counts it.
pub(super) async fn observe(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let id = given.unwrap_or_else(Uuid::now_v7);
    let method = method(request.method());
    // Labels use the route, not the path: clients could choose any number of paths.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", request = %id, method, route);
    let began = Instant::now();
    let answer = async {
        let mut answer = next.run(request).await;
        tracing::debug!(status = answer.status().as_u16(), "request answered");
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    };
    let answer = CURRENT.scope(id, answer.instrument(span)).await;
    let labels = [("method", method), ("route", route), ("status", class(answer.status()))];
    state.metrics.counter(REQUESTS, &labels).increment(1);
    if let Some(FailureCode(code)) = answer.extensions().get()
        && route != READINESS
    {
        state.metrics.failed("http", code);
    }
    state.metrics.histogram(REQUEST_SECONDS, &labels[1..2]).record(began.elapsed());
    answer
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
