//! Sends one request and reads its response, on a connection of its own.

use std::fmt::Display;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;

use super::request::Request;
use crate::error::{Error, Result};

const MAX_BODY_BYTES: usize = 1 << 20;
/// Size of the response's head.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A complete response.
#[derive(Debug)]
pub(in super::super) struct Response {
    pub(in super::super) status: u16,
    pub(in super::super) headers: Vec<(String, String)>,
    pub(in super::super) body: Bytes,
}

/// Sends the request and reads the whole response.
pub(super) async fn send<S>(stream: S, request: &Request) -> Result<Response>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn Display| Error::Unavailable(format!("{}: {error}", request.host()));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut sent = hyper::Request::new(Full::new(request.body.clone()));
    *sent.method_mut() = request.method.clone();
    *sent.uri_mut() = request.uri.clone();
    *sent.headers_mut() = request.headers.clone();
    let response = sender.send_request(sent).await.map_err(|error| {
        if error.is_parse_too_large() { too_large("the response's head", MAX_HEAD_BYTES) } else { broken(&error) }
    })?;
    let (head, body) = response.into_parts();
    // The read buffer's limit also bounds the head, but is not exact.
    if head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > MAX_HEAD_BYTES {
        return Err(too_large("the response's head", MAX_HEAD_BYTES));
    }
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large("the response's body", MAX_BODY_BYTES));
    }
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { too_large("the response's body", MAX_BODY_BYTES) } else { broken(&error) }
    })?;
    let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
    };
    let headers = head.headers.iter().filter_map(text).collect();
    Ok(Response { status: head.status.as_u16(), headers, body: body.to_bytes() })
}

fn too_large(what: &'static str, bytes: usize) -> Error {
    Error::TooLarge { what, limit: format!("{bytes} bytes") }
}
