//! The client's connection: connecting, close reasons and back-off.

use std::time::Duration;

use rand::RngExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a connection ended, and whether to retry.
#[derive(Debug, PartialEq)]
pub(super) enum Lost {
    /// Temporary: retry after `wait`, if the server named a time.
    ForNow {
        why: String,
        wait: Option<Duration>,
    },
    ForGood(String),
}

impl Lost {
    pub(super) fn for_now(why: impl Into<String>) -> Self {
        Self::ForNow { why: why.into(), wait: None }
    }
}

pub(super) async fn connect(url: &Url) -> Result<Socket, Lost> {
    // Disables Nagle's algorithm: lines are short and users wait for them.
    let attempt = connect_async_with_config(url.as_str(), None, true);
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(refused(error)),
        Err(_) => Err(Lost::for_now(format!("no answer in {CONNECT_TIMEOUT:?}"))),
    }
}

fn refused(error: tungstenite::Error) -> Lost {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let why = format!("the server answered {status} instead of opening a WebSocket");
            // Too many requests, or a server that is starting or stopping.
            if status.is_server_error() || status.as_u16() == 429 { Lost::for_now(why) } else { Lost::ForGood(why) }
        }
        tungstenite::Error::Io(error) => Lost::for_now(error.to_string()),
        other => Lost::for_now(other.to_string()),
    }
}

/// Interprets the server's close frame.
pub(super) fn closed(frame: Option<&CloseFrame>) -> Lost {
    let Some(frame) = frame else { return Lost::for_now("the server closed the connection") };
    let code = u16::from(frame.code);
    let reason = frame.reason.as_str();
    let why = if reason.is_empty() { format!("closed by the server ({code})") } else { format!("{reason} ({code})") };
    match code {
        4401 => Lost::ForGood(format!("{why}: the token is not valid any more; log in again for a new one")),
        4500..=4999 => Lost::ForGood(why),
        _ => Lost::ForNow { why, wait: reconnect_after(reason) },
    }
}

/// The reconnect delay in the close reason of a stopping server: `…"reconnect_after_ms": 1234…`.
fn reconnect_after(reason: &str) -> Option<Duration> {
    let (_, rest) = reason.split_once("reconnect_after_ms")?;
    let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().map(|ms: u64| Duration::from_millis(ms.min(60_000)))
}

/// A received message; the socket itself answers pings.
pub(super) enum Received {
    Text(String),
    Nothing,
}

/// Classifies the next message of the socket.
pub(super) fn received(message: Option<Result<Message, tungstenite::Error>>) -> Result<Received, Lost> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Received::Text(text.to_string())),
        Some(Ok(Message::Close(frame))) => Err(closed(frame.as_ref())),
        Some(Ok(_)) => Ok(Received::Nothing),
        Some(Err(error)) => Err(Lost::for_now(error.to_string())),
        None => Err(Lost::for_now("the server went away")),
    }
}

/// Exponential back-off with jitter, so that the clients of a restarted server do not all return at once.
#[derive(Default)]
pub(super) struct BackOff {
    tries: u32,
}

impl BackOff {
    const INITIAL: Duration = Duration::from_millis(250);
    const MAX: Duration = Duration::from_secs(30);

    pub(super) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        let ceiling = Self::INITIAL.saturating_mul(1 << self.tries.min(10)).min(Self::MAX);
        self.tries += 1;
        let wait = ceiling.mul_f64(rand::rng().random_range(0.5..=1.0));
        asked_for.map_or(wait, |asked| asked.max(wait))
    }

    /// Starts over after a successful connection.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(code: u16, reason: &str) -> Lost {
        closed(Some(&CloseFrame { code: code.into(), reason: reason.to_owned().into() }))
    }

    #[test]
    fn close_codes_decide_whether_to_reconnect() {
        for code in [1000, 1006, 1011, 1012, 4000, 4408, 4429] {
            assert!(matches!(close(code, ""), Lost::ForNow { .. }), "{code}");
        }
        for code in [4500, 4503, 4504, 4505, 4999] {
            assert!(matches!(close(code, ""), Lost::ForGood(_)), "{code}");
        }
        assert_eq!(close(4503, "banned"), Lost::ForGood("banned (4503)".to_owned()));
        let Lost::ForGood(why) = close(4401, "expired") else { panic!("an expired token should not be retried") };
        assert!(why.contains("log in again"), "{why}");
    }

    #[test]
    fn close_reason_may_have_a_reconnect_delay() {
        let wait = Some(Duration::from_millis(1234));
        let why = |reason: &str| format!("{reason} (1012)");
        for reason in [r#"{"reconnect_after_ms":1234}"#, "going away; reconnect_after_ms=1234 or later"] {
            assert_eq!(close(1012, reason), Lost::ForNow { why: why(reason), wait });
        }
        assert_eq!(close(1012, "bye"), Lost::ForNow { why: why("bye"), wait: None });
    }

    #[test]
    fn back_off_grows_to_a_maximum_and_resets() {
        let mut back_off = BackOff::default();
        let waits: Vec<Duration> = (0..12).map(|_| back_off.next(None)).collect();
        assert!(waits[0] <= BackOff::INITIAL && waits[0] >= BackOff::INITIAL / 2);
        assert!(waits[11] >= BackOff::MAX / 2 && waits.iter().all(|wait| *wait <= BackOff::MAX));
        assert!(back_off.next(Some(Duration::from_secs(45))) == Duration::from_secs(45));
        back_off.reset();
        assert!(back_off.next(None) <= BackOff::INITIAL);
    }
}
