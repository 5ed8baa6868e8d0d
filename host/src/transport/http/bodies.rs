//! What requests bring along: how their bodies are framed, how large they are, and how fast they have to come.

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

/// No request of ours is larger, uploads aside.
const MAX_BODY: usize = 64 * 1024;
/// What a body has to come in at, once its first seconds are over.
const BYTES_PER_SECOND: u64 = 4096;
/// The routes whose bodies are handled as they come in, with limits of their own.
const STREAMED: [&str; 4] = ["/api/media", "/api/admin/plugins/{id}", "/socket.io", "/socket.io/"];

/// Refuses what is no proper request, and reads its body before anything is done: of a body that breaks off, or is too large,
/// nothing is done.
pub(super) async fn read(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let linger = request.extensions().get::<Linger>().cloned().unwrap_or_default();
    // Whatever follows such a request on its connection cannot be told from the body.
    if let Err(failure) = check_framing(&request) {
        return ending(failure, &linger);
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    if let Err(failure) = check_coding(request.headers()) {
        return ending(failure, &linger);
    }
    let grace = state.core.limits.get().request_timeout;
    let progress = Arc::new(Progress::default());
    if is_streamed(&request) {
        let answer = next.run(request.map(|body| paced(body, grace, progress.clone()))).await;
        return match progress.get() {
            Progress::LATE => ending(too_late(), &linger),
            Progress::WHOLE => answer,
            // Refused before all of it was there.
            _ => closing(answer, &linger),
        };
    }
    if announced(request.headers()).is_some_and(|bytes| bytes > MAX_BODY as u64) {
        return ending(too_large(), &linger);
    }
    let (parts, body) = request.into_parts();
    match to_bytes(paced(body, grace, progress.clone()), MAX_BODY).await {
        Ok(bytes) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(_) if progress.get() == Progress::LATE => ending(too_late(), &linger),
        Err(error) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            ending(too_large(), &linger)
        }
        Err(_) => {
            ending(Error::BadRequest("the body broke off or is malformed; nothing was done".into()).into(), &linger)
        }
    }
}

fn check_framing(request: &Request) -> Result<(), Failure> {
    Host::of(request.version(), request.uri(), request.headers())
        .map_err(|bad| Error::BadRequest(bad.message().to_owned()))?;
    let codings = request.headers().get_all(header::TRANSFER_ENCODING);
    if codings.into_iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Ok(());
    }
    let error = Error::BadRequest("Transfer-Encoding: only chunked is understood".into());
    Err(Failure::with_status(StatusCode::NOT_IMPLEMENTED, error))
}

/// Bodies come as they are: packed ones would have to be unpacked to be measured.
fn check_coding(headers: &HeaderMap) -> Result<(), Failure> {
    let codings = headers.get_all(header::CONTENT_ENCODING);
    if codings.into_iter().all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let error = Error::BadRequest("Content-Encoding: bodies are taken as they are, not compressed".into());
    Err(Failure::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn is_streamed(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    matches!(*request.method(), Method::POST | Method::PUT) && route.is_some_and(|route| STREAMED.contains(&route))
}

/// How large a body says that it is.
pub(in crate::transport) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How far a body came.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    /// To its end.
    const WHOLE: u8 = 1;
    /// Not in time.
    const LATE: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, to: u8) -> u8 {
        self.0.swap(to, Ordering::Relaxed)
    }
}

/// The body, which fails once it is late.
fn paced(body: Body, grace: Duration, progress: Arc<Progress>) -> Body {
    let began = Instant::now();
    Body::from_stream(stream::unfold((body.into_data_stream(), 0), move |(mut bytes, mut got)| {
        let progress = progress.clone();
        async move {
            let due = began + grace + Duration::from_secs(got / BYTES_PER_SECOND);
            let next = match timeout_at(due, bytes.next()).await {
                Ok(Some(next)) => next.map_err(io::Error::other),
                Ok(None) => {
                    progress.set(Progress::WHOLE);
                    return None;
                }
                Err(_) if progress.set(Progress::LATE) == Progress::LATE => return None,
                Err(_) => Err(ErrorKind::TimedOut.into()),
            };
            got += next.as_ref().map_or(0, |chunk| chunk.len() as u64);
            Some((next, (bytes, got)))
        }
    }))
}

fn too_late() -> Failure {
    let error = Error::BadRequest("the body came too slowly; nothing was done".into());
    Failure::with_status(StatusCode::REQUEST_TIMEOUT, error)
}

fn too_large() -> Failure {
    Error::TooLarge { what: "body", limit: format!("{MAX_BODY} bytes") }.into()
}

/// The last answer on its connection, whose request was not read to its end.
fn ending(failure: Failure, linger: &Linger) -> Response {
    linger.set();
    let mut answer = failure.into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The same, of what a handler refused before it had read all.
fn closing(mut answer: Response, linger: &Linger) -> Response {
    if answer.status().is_client_error() {
        linger.set();
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
