//! Limits how many connections may be open, in total and per address.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::json;

use super::http::forwarded::ProxyWarning;
use crate::accounts::throttle::Origin;
use crate::config::{Limits, Reloadable, Server};
use crate::error::Error;
use crate::metrics::{Counter, Metrics, REFUSED_CONNECTIONS};
use crate::router::Exemptions;

/// `Retry-After` of a refused connection, in seconds.
const RETRY_AFTER_SECONDS: u16 = 5;
/// How many proxy addresses are logged: anybody can send the header.
const MAX_PROXY_WARNINGS: usize = 100;

/// Limits of open sockets, by purpose. Each socket is an open file, of which the process has a limited number.
#[derive(Clone, Copy, Debug)]
pub struct SocketCaps {
    /// Clients' connections, whatever `limits.connections` says.
    pub connections: usize,
    /// Connections beyond the caps, which are answered health checks or refused.
    pub reserved: usize,
    /// Connections to `metrics.listen`.
    pub metrics: usize,
}

impl Default for SocketCaps {
    fn default() -> Self {
        Self { connections: usize::MAX, reserved: Self::RESERVED, metrics: Self::METRICS }
    }
}

impl SocketCaps {
    /// The cap of `reserved`, if enough files may be open.
    pub const RESERVED: usize = 64;
    /// The cap of `metrics`, if enough files may be open.
    pub const METRICS: usize = 16;
}

/// Counts sockets, and sessions too: behind a proxy, and with Socket.IO's polling, a session has no socket of its own.
pub struct Admission {
    limits: Reloadable<Limits>,
    server: Reloadable<Server>,
    exempt: Exemptions,
    /// Proxies that were logged already.
    proxies: Mutex<HashSet<(Origin, ProxyWarning)>>,
    sockets: Arc<Mutex<Counts>>,
    sessions: Arc<Mutex<Counts>>,
    reserved: Arc<Mutex<Counts>>,
    metrics: Arc<Mutex<Counts>>,
    caps: SocketCaps,
    full: Counter,
    crowded: Counter,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_origin: HashMap<Origin, usize>,
}

/// Permit for one connection, counted until it is dropped.
pub struct Admitted {
    counts: Arc<Mutex<Counts>>,
    origin: Origin,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.all -= 1;
        if let Some(of_origin) = counts.by_origin.get_mut(&self.origin) {
            *of_origin -= 1;
            if *of_origin == 0 {
                counts.by_origin.remove(&self.origin);
            }
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server has reached its limit of connections.
    Full,
    /// The address has reached its limit of connections.
    Crowded,
}

impl Refused {
    fn status(self) -> StatusCode {
        match self {
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Full => "the server has as many connections as it takes; try again in a moment",
            Self::Crowded => "too many connections from this address; close some of them first",
        }
    }

    fn body(self) -> String {
        let code = match self {
            Self::Full => "unavailable",
            Self::Crowded => "rate_limited",
        };
        json!({"error": {"code": code, "message": self.message()}}).to_string()
    }

    /// The complete HTTP response, for a client whose request was not read.
    pub(super) fn raw_response(self) -> String {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\n\r\n{body}",
            self.status(),
            body.len(),
        )
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::RETRY_AFTER, RETRY_AFTER_SECONDS.into()),
        ];
        (self.status(), headers, self.body()).into_response()
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.message().to_owned())
    }
}

impl Admission {
    pub fn new(limits: Reloadable<Limits>, server: Reloadable<Server>, metrics: &Metrics) -> Self {
        let refused = |why| metrics.counter(REFUSED_CONNECTIONS, &[("reason", why)]);
        Self {
            exempt: Exemptions::new(limits.clone(), server.clone()),
            limits,
            server,
            proxies: Mutex::default(),
            sockets: Arc::default(),
            sessions: Arc::default(),
            reserved: Arc::default(),
            metrics: Arc::default(),
            caps: SocketCaps::default(),
            full: refused("full"),
            crowded: refused("address"),
        }
    }

    /// Sets these caps on open sockets, which hold however the limits change.
    pub fn with_caps(self, caps: SocketCaps) -> Self {
        Self { caps, ..self }
    }

    /// Admits a socket. Sockets of trusted proxies have no limit per address: their clients' sessions are counted instead.
    pub(super) fn socket(&self, peer: IpAddr) -> Result<Admitted, Refused> {
        let origin = Origin::from(peer.to_canonical());
        let (all, per_address) = self.limits(self.caps.connections);
        let per_address = if self.is_known(peer) { usize::MAX } else { per_address };
        admit(&self.sockets, origin, all, per_address)
    }

    /// Admits a connection to `metrics.listen`, regardless of other connections.
    pub(super) fn metrics_socket(&self, peer: IpAddr) -> Result<Admitted, Refused> {
        admit(&self.metrics, peer.to_canonical().into(), self.caps.metrics, usize::MAX)
    }

    /// Admits a connection beyond the caps until it is answered. Unknown addresses share 7 of 8 places, and 1 of 8 if
    /// they begin with a TLS `handshake`, which costs more than the answer; one unknown address has 1 of 8.
    pub(super) fn reserved(&self, peer: IpAddr, handshake: bool) -> Result<Admitted, Refused> {
        let all = self.caps.reserved;
        let share = (all / 8).max(1);
        let (all, per_address) = match self.is_known(peer) {
            true => (all, usize::MAX),
            false if handshake => (share, share),
            false => (all - share, share),
        };
        admit(&self.reserved, peer.to_canonical().into(), all, per_address)
    }

    /// Counts a connection that was refused.
    pub(super) fn count_refused(&self, refused: Refused) {
        match refused {
            Refused::Full => self.full.increment(1),
            Refused::Crowded => self.crowded.increment(1),
        }
    }

    /// Whether the address is the machine's own, a trusted proxy's, or exempt from the limits of an address.
    fn is_known(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.exempt.is_exempt(peer.into())
            || self.server.get().trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// The limits of connections in total, capped by `most`, and per address.
    fn limits(&self, most: usize) -> (usize, usize) {
        let limits = self.limits.get();
        (limits.connections.min(most), limits.connections_per_address)
    }

    /// Logs, once per proxy, which setting the operator should change.
    pub(super) fn warn_of_proxy(&self, peer: IpAddr, warning: ProxyWarning) {
        {
            let mut known = self.proxies.lock();
            if known.len() >= MAX_PROXY_WARNINGS || !known.insert((peer.into(), warning)) {
                return;
            }
        }
        match warning {
            ProxyWarning::NotTrusted => tracing::warn!(
                address = %peer,
                "ignored X-Forwarded-For or Forwarded from an address that is not a trusted proxy: all clients of this address \
                count as one; if it is your proxy, add it to server.trusted_proxies"
            ),
            ProxyWarning::Ambiguous => tracing::warn!(
                address = %peer,
                "ignored X-Forwarded-For and Forwarded of a trusted proxy, since they disagree; \
                 set server.forwarded_header to the one that the proxy writes"
            ),
        }
    }

    /// Admits a client session.
    pub(super) fn session(&self, origin: Origin) -> Result<Admitted, Refused> {
        let (all, per_address) = self.limits(usize::MAX);
        let per_address = if self.exempt.is_exempt(origin) { usize::MAX } else { per_address };
        admit(&self.sessions, origin, all, per_address).inspect_err(|refused| self.count_refused(*refused))
    }
}

fn admit(counts: &Arc<Mutex<Counts>>, origin: Origin, all: usize, per_address: usize) -> Result<Admitted, Refused> {
    let mut counted = counts.lock();
    if counted.all >= all {
        return Err(Refused::Full);
    }
    let of_origin = counted.by_origin.entry(origin).or_default();
    if *of_origin >= per_address {
        return Err(Refused::Crowded);
    }
    *of_origin += 1;
    counted.all += 1;
    Ok(Admitted { counts: counts.clone(), origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_address: usize) -> Admission {
        let limits = Limits { connections, connections_per_address, ..Limits::default() };
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        Admission::new(limits.into(), server.into(), &Metrics::default())
    }

    fn from(admission: &Admission, peer: &str) -> Result<Admitted, Refused> {
        admission.socket(peer.parse().unwrap())
    }

    #[test]
    fn open_files_bound_sockets_regardless_of_the_limits() {
        let admission = admission(10, 10).with_caps(SocketCaps { connections: 1, ..SocketCaps::default() });
        let _first = from(&admission, "192.0.2.1").unwrap();
        assert_eq!(from(&admission, "192.0.2.2").err(), Some(Refused::Full));
    }

    #[test]
    fn reserve_is_shared_by_unknown_addresses_and_keeps_places_for_known_ones() {
        let caps = SocketCaps { reserved: 16, ..SocketCaps::default() };
        let admission = admission(0, 0).with_caps(caps);
        let reserved = |peer: &str, handshake| admission.reserved(peer.parse().unwrap(), handshake);
        let mut held: Vec<_> = (0..2).map(|_| reserved("192.0.2.1", false).unwrap()).collect();
        assert_eq!(reserved("192.0.2.1", false).err(), Some(Refused::Crowded));
        assert_eq!(reserved("192.0.2.2", true).err(), Some(Refused::Full), "handshakes have few places");
        held.extend((2..14).map(|n| reserved(&format!("192.0.2.{n}"), false).unwrap()));
        assert_eq!(reserved("192.0.2.99", false).err(), Some(Refused::Full));
        held.extend(["127.0.0.1", "10.1.2.3"].map(|known| reserved(known, true).unwrap()));
        assert_eq!(reserved("127.0.0.1", false).err(), Some(Refused::Full));
        held.clear();
        assert!(reserved("192.0.2.99", true).is_ok());
    }

    #[test]
    fn metrics_listener_has_few_places_of_its_own() {
        let admission = admission(0, 0).with_caps(SocketCaps { metrics: 2, ..SocketCaps::default() });
        let peer = "192.0.2.1".parse().unwrap();
        let _held = [admission.metrics_socket(peer).unwrap(), admission.metrics_socket(peer).unwrap()];
        assert_eq!(admission.metrics_socket(peer).err(), Some(Refused::Full));
    }

    #[test]
    fn closed_connection_frees_its_place_in_the_limit_of_its_address() {
        let admission = admission(10, 2);
        let (first, _second) = (from(&admission, "192.0.2.1").unwrap(), from(&admission, "::ffff:192.0.2.1").unwrap());
        assert_eq!(from(&admission, "192.0.2.1").err(), Some(Refused::Crowded));
        let _other = from(&admission, "192.0.2.2").unwrap();
        drop(first);
        assert!(from(&admission, "192.0.2.1").is_ok());
    }

    #[test]
    fn ipv6_addresses_of_one_site_share_a_limit() {
        let admission = admission(10, 1);
        let _one = from(&admission, "2001:db8::1").unwrap();
        assert_eq!(from(&admission, "2001:db8::2").err(), Some(Refused::Crowded));
        assert!(from(&admission, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn trusted_proxies_and_loopback_have_no_limit_per_address() {
        for peer in ["10.1.2.3", "127.0.0.1", "::1"] {
            let admission = admission(3, 1);
            let _open: Vec<_> = (0..3).map(|_| from(&admission, peer).unwrap()).collect();
            assert_eq!(from(&admission, "192.0.2.1").err(), Some(Refused::Full), "{peer}");
        }
    }

    #[test]
    fn counts_of_closed_connections_are_removed() {
        let admission = admission(10, 2);
        for n in 0..5 {
            drop(from(&admission, &format!("192.0.2.{n}")));
        }
        assert!(admission.sockets.lock().by_origin.is_empty());
        drop(admission.session("192.0.2.1".parse::<IpAddr>().unwrap().into()));
        assert!(admission.sessions.lock().by_origin.is_empty());
    }
}
