//! How many connections there may be: in all, and from one address.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::json;

use super::http::forwarded::ProxyWarning;
use crate::accounts::throttle::Origin;
use crate::config::{Limits, Live, Server};
use crate::error::Error;
use crate::metrics::{Counter, Metrics, REFUSED_CONNECTIONS};
use crate::router::Exemptions;

/// When whoever was not let in may try again, in seconds.
const AGAIN: u16 = 5;
/// How many addresses are warned of: anybody can send the header.
const MAX_PROXY_WARNINGS: usize = 100;

/// Counts sockets, and sessions too: behind a proxy, and with Socket.IO's polling, a session is no socket of its own.
pub struct Admission {
    limits: Live<Limits>,
    server: Live<Server>,
    exempt: Exemptions,
    /// Proxies that were warned of.
    proxies: Mutex<HashSet<(Origin, ProxyWarning)>>,
    sockets: Arc<Mutex<Counts>>,
    sessions: Arc<Mutex<Counts>>,
    /// Each is an open file, of which there may be only so many, whatever is configured.
    most_sockets: usize,
    full: Counter,
    crowded: Counter,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_origin: HashMap<Origin, usize>,
}

/// A place among the connections, until dropped.
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

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server has all the connections that it takes.
    Full,
    /// The address has all that it may have.
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

    /// The whole answer, for a client of whom nothing was read yet.
    pub(super) fn unasked(self) -> String {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: {AGAIN}\r\nconnection: close\r\n\r\n{body}",
            self.status(),
            body.len(),
        )
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let headers =
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), (header::RETRY_AFTER, AGAIN.into())];
        (self.status(), headers, self.body()).into_response()
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.message().to_owned())
    }
}

impl Admission {
    pub fn new(limits: Live<Limits>, server: Live<Server>, metrics: &Metrics) -> Self {
        let refused = |why| metrics.counter(REFUSED_CONNECTIONS, &[("reason", why)]);
        Self {
            exempt: Exemptions::new(limits.clone(), server.clone()),
            limits,
            server,
            proxies: Mutex::default(),
            sockets: Arc::default(),
            sessions: Arc::default(),
            most_sockets: usize::MAX,
            full: refused("full"),
            crowded: refused("address"),
        }
    }

    /// The same with this many sockets at the most, however the limits change.
    pub fn with_most_sockets(self, most_sockets: usize) -> Self {
        Self { most_sockets, ..self }
    }

    /// A place for a socket. Those of proxies are their clients', whom their sessions are counted by.
    pub(super) fn socket(&self, peer: IpAddr) -> Result<Admitted, Refused> {
        let peer = peer.to_canonical();
        let proxied = self.server.get().trusted_proxies.iter().any(|network| network.contains(&peer));
        self.admit(&self.sockets, self.most_sockets, peer.into(), proxied)
    }

    /// Says once of a proxy what the operator should set.
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
                "request with X-Forwarded-For or Forwarded from an address that is not a trusted proxy: the header is ignored, \
                 and all who come by this address count as one; if it is a proxy of yours, add it to server.trusted_proxies"
            ),
            ProxyWarning::Ambiguous => tracing::warn!(
                address = %peer,
                "X-Forwarded-For and Forwarded of a trusted proxy disagree, and neither is believed; \
                 set server.forwarded_header to the one that the proxy writes"
            ),
        }
    }

    /// A place for a session.
    pub(super) fn session(&self, origin: Origin) -> Result<Admitted, Refused> {
        self.admit(&self.sessions, usize::MAX, origin, false)
    }

    fn admit(
        &self,
        counts: &Arc<Mutex<Counts>>,
        most: usize,
        origin: Origin,
        proxied: bool,
    ) -> Result<Admitted, Refused> {
        let (all, per_address) = {
            let limits = self.limits.get();
            (limits.connections.min(most), limits.connections_per_address)
        };
        let mut counted = counts.lock();
        if counted.all >= all {
            self.full.increment(1);
            return Err(Refused::Full);
        }
        let of_origin = counted.by_origin.entry(origin).or_default();
        if *of_origin >= per_address && !proxied && !self.exempt.hold_for(origin) {
            self.crowded.increment(1);
            return Err(Refused::Crowded);
        }
        *of_origin += 1;
        counted.all += 1;
        Ok(Admitted { counts: counts.clone(), origin })
    }
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
    fn open_files_bound_sockets_whatever_the_limits_say() {
        let admission = admission(10, 10).with_most_sockets(1);
        let _first = from(&admission, "192.0.2.1").unwrap();
        assert_eq!(from(&admission, "192.0.2.2").err(), Some(Refused::Full));
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let admission = admission(10, 2);
        let (first, _second) = (from(&admission, "192.0.2.1").unwrap(), from(&admission, "::ffff:192.0.2.1").unwrap());
        assert_eq!(from(&admission, "192.0.2.1").err(), Some(Refused::Crowded));
        let _other = from(&admission, "192.0.2.2").unwrap();
        drop(first);
        assert!(from(&admission, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_site_is_one_address() {
        let admission = admission(10, 1);
        let _one = from(&admission, "2001:db8::1").unwrap();
        assert_eq!(from(&admission, "2001:db8::2").err(), Some(Refused::Crowded));
        assert!(from(&admission, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn proxies_and_the_machine_itself_are_bounded_by_the_total_alone() {
        for peer in ["10.1.2.3", "127.0.0.1", "::1"] {
            let admission = admission(3, 1);
            let _open: Vec<_> = (0..3).map(|_| from(&admission, peer).unwrap()).collect();
            assert_eq!(from(&admission, "192.0.2.1").err(), Some(Refused::Full), "{peer}");
        }
    }

    #[test]
    fn nothing_is_remembered_of_addresses_that_are_gone() {
        let admission = admission(10, 2);
        for n in 0..5 {
            drop(from(&admission, &format!("192.0.2.{n}")));
        }
        assert!(admission.sockets.lock().by_origin.is_empty());
        drop(admission.session("192.0.2.1".parse::<IpAddr>().unwrap().into()));
        assert!(admission.sessions.lock().by_origin.is_empty());
    }
}
