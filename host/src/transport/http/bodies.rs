//! Checks request bodies: their framing, their encoding, their size and their speed.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use http_body_util::LengthLimitError;
use tokio::time::{Instant, timeout_at};

use super::host::Host;
use super::{Failure, State};
use crate::error::Error;
use crate::transport::socket::Linger;

/// The largest body of a request that is not an upload.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The minimum rate of a body, once the request timeout has passed.
const MIN_BYTES_PER_SECOND: u64 = 4096;
/// Routes that stream their bodies, with limits of their own.
const STREAMED_ROUTES: [&str; 4] = ["/api/media", "/api/admin/plugins/{id}", "/socket.io", "/socket.io/"];

/// Middleware that refuses malformed requests, and reads the whole body before the handler runs: a body that breaks off or is too
/// large has no effect.
pub(super) async fn read(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let linger = request.extensions().get::<Linger>().cloned().unwrap_or_default();
    // What follows such a request on its connection cannot be told apart from its body.
    if let Err(failure) = check_framing(&request) {
        return failure_and_close(failure, &linger);
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    if let Err(failure) = check_coding(request.headers()) {
        return failure_and_close(failure, &linger);
    }
    let grace = state.core.limits.get().request_timeout;
    let progress = Arc::new(Progress::default());
    if is_streamed(&request) {
        let answer = next.run(request.map(|body| with_minimum_rate(body, grace, progress.clone()))).await;
        return match progress.get() {
            Progress::TIMED_OUT => failure_and_close(too_slow(), &linger),
            Progress::COMPLETE => answer,
            // Answered before the whole body was read.
            _ => close_if_refused(answer, &linger),
        };
    }
    if content_length(request.headers()).is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return failure_and_close(too_large(), &linger);
    }
    let (parts, body) = request.into_parts();
    match to_bytes(with_minimum_rate(body, grace, progress.clone()), MAX_BODY_BYTES).await {
        Ok(bytes) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(_) if progress.get() == Progress::TIMED_OUT => failure_and_close(too_slow(), &linger),
        Err(error) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            failure_and_close(too_large(), &linger)
        }
        Err(_) => failure_and_close(
            Error::BadRequest("the body is incomplete or malformed; nothing was done".into()).into(),
            &linger,
        ),
    }
}

fn check_framing(request: &Request) -> Result<(), Failure> {
    Host::of(request.version(), request.uri(), request.headers())
        .map_err(|bad| Error::BadRequest(bad.message().to_owned()))?;
    let codings = request.headers().get_all(header::TRANSFER_ENCODING);
    if codings.into_iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Ok(());
    }
    let error = Error::BadRequest("Transfer-Encoding: only chunked is supported".into());
    Err(Failure::with_status(StatusCode::NOT_IMPLEMENTED, error))
}

/// Refuses compressed bodies: their size is known only after decompression.
fn check_coding(headers: &HeaderMap) -> Result<(), Failure> {
    let codings = headers.get_all(header::CONTENT_ENCODING);
    if codings.into_iter().all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let error = Error::BadRequest("Content-Encoding: compressed bodies are not supported".into());
    Err(Failure::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn is_streamed(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    matches!(*request.method(), Method::POST | Method::PUT)
        && route.is_some_and(|route| STREAMED_ROUTES.contains(&route))
}

/// The size in `Content-Length`, if there is one.
pub(in crate::transport) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How far a body was read.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    /// Read to its end.
    const COMPLETE: u8 = 1;
    /// Timed out.
    const TIMED_OUT: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, to: u8) -> u8 {
        self.0.swap(to, Ordering::Relaxed)
    }
}

/// Wraps a body so that it fails once it is slower than [`MIN_BYTES_PER_SECOND`].
fn with_minimum_rate(body: Body, grace: Duration, progress: Arc<Progress>) -> Body {
    let began = Instant::now();
    Body::from_stream(stream::unfold((body.into_data_stream(), 0), move |(mut bytes, mut got)| {
        let progress = progress.clone();
        async move {
            let due = began + grace + Duration::from_secs(got / MIN_BYTES_PER_SECOND);
            let next = match timeout_at(due, bytes.next()).await {
                Ok(Some(next)) => next.map_err(io::Error::other),
                Ok(None) => {
                    progress.set(Progress::COMPLETE);
                    return None;
                }
                Err(_) if progress.set(Progress::TIMED_OUT) == Progress::TIMED_OUT => return None,
                Err(_) => Err(ErrorKind::TimedOut.into()),
            };
            got += next.as_ref().map_or(0, |chunk| chunk.len() as u64);
            Some((next, (bytes, got)))
        }
    }))
}

fn too_slow() -> Failure {
    let error = Error::BadRequest("the body came too slowly; nothing was done".into());
    Failure::with_status(StatusCode::REQUEST_TIMEOUT, error)
}

fn too_large() -> Failure {
    Error::TooLarge { what: "body", limit: format!("{MAX_BODY_BYTES} bytes") }.into()
}

/// A failure whose request was not read to its end: closes the connection after it.
fn failure_and_close(failure: Failure, linger: &Linger) -> Response {
    linger.set();
    let mut answer = failure.into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Closes the connection after a client error that a handler returned before it had read the whole body.
fn close_if_refused(mut answer: Response, linger: &Linger) -> Response {
    if answer.status().is_client_error() {
        linger.set();
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
