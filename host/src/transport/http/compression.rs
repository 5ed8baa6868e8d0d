//! Decides which responses are compressed: pages and lists, but not secrets, compressed formats or files that support ranges.

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::middleware::map_request;
use tower_http::compression::{CompressionLayer, Predicate};

/// Below this size, compression saves no packet.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// Compresses the answers of these routes, for clients that accept it.
pub(super) fn compressed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(CompressionLayer::new().gzip(true).compress_when(Compressible)).layer(map_request(negotiate))
}

/// Reduces `Accept-Encoding` to `gzip` or nothing. An answer is sent as it is to a client that accepts neither: RFC 9110, 12.5.3,
/// lets a server disregard the header, while the compression layer alone would turn the answer into a 406 with the same body.
async fn negotiate(mut request: Request) -> Request {
    let headers = request.headers_mut();
    if prefers_gzip(headers) {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        headers.remove(header::ACCEPT_ENCODING);
    }
    request
}

/// Whether `gzip` is named with a weight above zero, and with no smaller one than `identity`.
fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity) = (0, 0);
    let lists = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|list| list.to_str().ok());
    for coding in lists.flat_map(|list| list.split(',')) {
        let (name, parameter) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight(parameter).unwrap_or(0);
        match &*name.trim().to_ascii_lowercase() {
            "gzip" | "x-gzip" => gzip = weight.max(gzip),
            "identity" => identity = weight.max(identity),
            _ => {}
        }
    }
    gzip > 0 && gzip >= identity
}

/// The weight of `q=…` in thousandths (RFC 9110, 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.trim().strip_prefix(['q', 'Q'])?.strip_prefix('=')?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[derive(Clone, Copy)]
struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B: HttpBody>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        // The compressed length of a secret beside text that an attacker chose would leak the secret (BREACH).
        let secret = headers.get(header::CACHE_CONTROL).is_some_and(|control| control == "no-store");
        let ranged = headers.contains_key(header::ACCEPT_RANGES);
        let text = matches!(kind, "application/json" | "image/svg+xml")
            || (kind.starts_with("text/") && kind != "text/event-stream");
        text && !secret
            && !ranged
            && response.body().size_hint().exact().is_none_or(|bytes| bytes >= MIN_COMPRESSED_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_chosen_if_named_with_no_smaller_weight_than_identity() {
        let prefers = |lists: &[&'static str]| {
            let lists = lists.iter().map(|list| (header::ACCEPT_ENCODING, HeaderValue::from_static(list)));
            prefers_gzip(&lists.collect::<HeaderMap>())
        };
        for lists in [
            &["gzip"] as &[_],
            &["br, GZIP;q=0.5"],
            &["br", "x-gzip ; Q=0.001"],
            &["identity;q=0, gzip"],
            &["*;q=0,gzip;q=1.000"],
            &["identity, gzip"],
        ] {
            assert!(prefers(lists), "{lists:?}");
        }
        for lists in [
            &[] as &[_],
            &[""],
            &["*"],
            &["br"],
            &["identity;q=0"],
            &["*;q=0"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=2"],
            &["gzip;q=1.5"],
            &["gzip;q=0.0001"],
            &["gzip;q="],
            &["gzip;x"],
        ] {
            assert!(!prefers(lists), "{lists:?}");
        }
    }
}
