//! The upgrade request and its answer (RFC 6455, 4.2). What is upgraded is handed over as it is, so that the socket below it
//! can be written to directly.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::subprotocols;
use crate::error::Error;
use crate::transport::http::Failure;

/// A request to speak WebSocket from here on.
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
        if parts.method != Method::GET {
            return Err(wanted("the method should be GET").into());
        }
        if !names(headers, header::CONNECTION, "upgrade") || !names(headers, header::UPGRADE, "websocket") {
            return Err(wanted("the headers should be `Connection: upgrade` and `Upgrade: websocket`").into());
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(wanted("the header `Sec-WebSocket-Version` should be 13").into());
        }
        let key =
            headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| wanted("the header `Sec-WebSocket-Key` is due"))?;
        let accept = derive_accept_key(key.as_bytes());
        let on_upgrade = parts.extensions.remove().ok_or_else(|| wanted("the connection should be HTTP/1.1"))?;
        Ok(Self { on_upgrade, accept, protocol: None })
    }
}

impl Handshake {
    /// Agrees to the first of these subprotocols that the client offers.
    pub(super) fn protocols(mut self, headers: &HeaderMap, known: &[&'static str]) -> Self {
        let offered = known.iter().find(|known| subprotocols(headers).any(|offered| offered == **known));
        self.protocol = offered.map(|protocol| HeaderValue::from_static(protocol));
        self
    }

    /// The answer; `then` runs once it is sent, unless the client has gone by then.
    pub(super) fn on_upgrade<F>(self, then: impl FnOnce(Upgraded) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        tokio::spawn(async move {
            match self.on_upgrade.await {
                Ok(upgraded) => then(upgraded).await,
                Err(error) => tracing::debug!(%error, "a client went away while it was upgraded"),
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

/// Whether a header's list has this word, in any case.
pub(super) fn names(headers: &HeaderMap, header: HeaderName, word: &str) -> bool {
    let lines = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}
