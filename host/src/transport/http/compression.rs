//! Which answers are compressed: pages and lists; neither what holds a token nor what is compressed or sent in parts.

use axum::body::HttpBody;
use axum::http::Response;
use axum::http::header;
use tower_http::compression::{CompressionLayer, Predicate};

/// Below this, compressing saves no packet.
const LEAST_BYTES: u64 = 1024;

pub(super) fn layer() -> CompressionLayer<Compressible> {
    CompressionLayer::new().gzip(true).compress_when(Compressible)
}

#[derive(Clone, Copy)]
pub(super) struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B: HttpBody>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        // The length of a compressed answer tells of a secret in it whether it holds what somebody else put beside it (BREACH).
        let secret = headers.get(header::CACHE_CONTROL).is_some_and(|control| control == "no-store");
        let ranged = headers.contains_key(header::ACCEPT_RANGES);
        let text = matches!(kind, "application/json" | "image/svg+xml")
            || (kind.starts_with("text/") && kind != "text/event-stream");
        text && !secret && !ranged && response.body().size_hint().exact().is_none_or(|bytes| bytes >= LEAST_BYTES)
    }
}
