//! The upgrade request and its answer (RFC 6455, 4.2). The upgraded connection is handed over as it is, so that its socket can
//! be written to directly.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::subprotocols;
use crate::error::Error;
use crate::transport::http::Failure;

/// The supported protocol version.
const VERSION: &str = "13";

/// A valid WebSocket upgrade request.
pub(in crate::transport) struct Handshake {
    on_upgrade: OnUpgrade,
    accept: String,
    protocol: Option<HeaderValue>,
}

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let headers = &parts.headers;
        let wanted = |what: &str| Error::BadRequest(format!("for a WebSocket, {what}"));
        // First, so that HEAD without an upgrade is answered as GET is.
        if !names(headers, header::CONNECTION, "upgrade") || !names(headers, header::UPGRADE, "websocket") {
            return Err(wanted("the headers should be `Connection: upgrade` and `Upgrade: websocket`").into());
        }
        if parts.method != Method::GET {
            return Err(wanted("the method should be GET").into());
        }
        let version = one(headers, header::SEC_WEBSOCKET_VERSION);
        if version.is_none_or(|version| version != VERSION) {
            let error = wanted("the header `Sec-WebSocket-Version` should be 13");
            let failure = match version {
                Some(_) => Failure::with_status(StatusCode::UPGRADE_REQUIRED, error)
                    .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
                    .with_header(header::UPGRADE, HeaderValue::from_static("websocket")),
                None => error.into(),
            };
            return Err(failure.with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)));
        }
        let key = one(headers, header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key.as_bytes()))
            .ok_or_else(|| wanted("the header `Sec-WebSocket-Key` should be there once, with 16 bytes in base64"))?;
        let accept = derive_accept_key(key.as_bytes());
        let on_upgrade = parts.extensions.remove().ok_or_else(|| wanted("the connection should be HTTP/1.1"))?;
        Ok(Self { on_upgrade, accept, protocol: None })
    }
}

impl Handshake {
    /// Selects the first of these subprotocols that the client offers.
    pub(super) fn protocols(mut self, headers: &HeaderMap, known: &[&'static str]) -> Self {
        let offered = known.iter().find(|known| subprotocols(headers).any(|offered| offered == **known));
        self.protocol = offered.map(|protocol| HeaderValue::from_static(protocol));
        self
    }

    /// The answer to the upgrade. `then` runs once the answer is sent, unless the client disconnected.
    pub(in crate::transport) fn on_upgrade<F>(self, then: impl FnOnce(Upgraded) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        tokio::spawn(async move {
            match self.on_upgrade.await {
                Ok(upgraded) => then(upgraded).await,
                Err(error) => tracing::debug!(%error, "upgrade failed"),
            }
        });
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
        ];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        let answer = response.headers_mut();
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = self.protocol {
            answer.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// The value of a header that must occur exactly once.
fn one(headers: &HeaderMap, header: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(header).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether a key is 16 bytes in base64. Trailing bits may be set, as they are in an example of RFC 6455.
fn is_key(key: &[u8]) -> bool {
    const CODING: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    CODING.decode(key).is_ok_and(|key| key.len() == 16)
}

/// Whether a header's comma-separated list contains this word, in any case.
pub(super) fn names(headers: &HeaderMap, header: HeaderName, word: &str) -> bool {
    let lines = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_sixteen_bytes_in_base64() {
        for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="] {
            assert!(is_key(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "not base64 at all!!",
            "x",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }
}
