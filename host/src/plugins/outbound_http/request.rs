//! A plugin's HTTP request, validated before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use url::{Host, Url};

use crate::error::{Error, Result};

const MAX_URL_BYTES: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 << 10;
const MAX_BODY_BYTES: usize = 256 << 10;
const DEFAULT_TIMEOUT_MS: u32 = 5000;
const TIMEOUT_RANGE_MS: std::ops::RangeInclusive<u32> = 1..=30_000;
const USER_AGENT: &str = concat!("natterjack/", env!("CARGO_PKG_VERSION"));

/// Headers that the host sets itself; a plugin's values are ignored.
const HOST_HEADERS: [HeaderName; 3] = [header::HOST, header::CONTENT_LENGTH, header::USER_AGENT];
/// Headers of the connection, which a plugin must not set.
const CONNECTION_HEADERS: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::TRAILER, header::UPGRADE];

/// A request that is well formed and within the limits.
#[derive(Debug)]
pub(in super::super) struct Request {
    pub(super) method: Method,
    url: Url,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(in super::super) timeout: Duration,
}

/// A request as the plugin passed it.
pub(in super::super) struct Parts {
    pub(in super::super) method: Method,
    pub(in super::super) url: String,
    pub(in super::super) headers: Vec<(String, String)>,
    pub(in super::super) body: Option<Vec<u8>>,
    pub(in super::super) timeout_ms: Option<u32>,
}

impl Request {
    pub(in super::super) fn new(parts: Parts) -> Result<Self> {
        let Parts { method, url, headers, body, timeout_ms } = parts;
        let url = read_url(&url)?;
        let body = body.unwrap_or_default();
        if body.len() > MAX_BODY_BYTES {
            return Err(too_large("the request's body", MAX_BODY_BYTES));
        }
        let timeout = timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        if !TIMEOUT_RANGE_MS.contains(&timeout) {
            return Err(Error::invalid("timeout-ms", "1 to 30,000"));
        }
        let mut sent = read_headers(headers)?;
        // Only path and query: neither host nor fragment.
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let malformed = |error: &dyn std::fmt::Display| Error::invalid("url", error.to_string());
        let uri = uri.parse().map_err(|error: hyper::http::uri::InvalidUri| malformed(&error))?;
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        sent.insert(header::HOST, HeaderValue::try_from(host).map_err(|error| malformed(&error))?);
        sent.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        sent.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let timeout = Duration::from_millis(timeout.into());
        Ok(Self { method, url, uri, headers: sent, body: body.into(), timeout })
    }

    pub(super) fn host(&self) -> Host<&str> {
        // `read_url` checked that there is a host.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn usual_port(&self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port().unwrap_or(self.usual_port())
    }
}

fn read_url(text: &str) -> Result<Url> {
    let invalid = |why: String| Error::invalid("url", why);
    if text.len() > MAX_URL_BYTES {
        return Err(too_large("the URL", MAX_URL_BYTES));
    }
    let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("must begin with `https://` or `http://`".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not contain a user or password; use a header".into()));
    }
    if url.host().is_none() {
        return Err(invalid("needs a host".into()));
    }
    Ok(url)
}

fn read_headers(headers: Vec<(String, String)>) -> Result<HeaderMap> {
    if headers.len() > MAX_HEADERS {
        return Err(Error::TooLarge { what: "the number of headers", limit: MAX_HEADERS.to_string() });
    }
    if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(too_large("the size of the headers", MAX_HEADER_BYTES));
    }
    let mut sent = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let wrong = |why: &str| Error::invalid("headers", format!("`{}`: {why}", name.escape_debug()));
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(&error.to_string()))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| wrong(&error.to_string()))?;
        if CONNECTION_HEADERS.contains(&known) {
            return Err(wrong("headers of the connection are set by the server"));
        }
        if !HOST_HEADERS.contains(&known) {
            sent.append(known, value);
        }
    }
    Ok(sent)
}

fn too_large(what: &'static str, bytes: usize) -> Error {
    Error::TooLarge { what, limit: format!("{bytes} bytes") }
}
