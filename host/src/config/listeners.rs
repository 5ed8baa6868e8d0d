//! The addresses of all `listen` keys, and which of them collide.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Config;

/// An address to listen at, and the key that lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    pub key: &'static str,
    pub address: SocketAddr,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.key, self.address)
    }
}

impl Listener {
    /// Whether the system refuses to bind one of the two while the other is bound. `[::]` and an IPv4 address can share a port, since
    /// `[::]` is then bound for IPv6 alone; port 0 is any free one.
    pub fn collides_with(&self, other: &Self) -> bool {
        let (one, other) = (self.address, other.address);
        let same_address = match (one, other) {
            (SocketAddr::V4(one), SocketAddr::V4(other)) => one.ip() == other.ip(),
            (SocketAddr::V6(one), SocketAddr::V6(other)) => {
                one.ip() == other.ip() && one.scope_id() == other.scope_id()
            }
            _ => return false,
        };
        let for_all = |address: IpAddr| address.is_unspecified();
        one.port() != 0 && one.port() == other.port() && (same_address || for_all(one.ip()) || for_all(other.ip()))
    }
}

impl Config {
    /// The addresses at which a server with this configuration listens, in the order in which they are opened.
    pub fn listeners(&self) -> Vec<Listener> {
        let dialects = &self.dialects;
        let keys = [
            ("server.listen", &self.server.listen),
            ("tls.listen", &self.tls.listen),
            ("dialects.groups.listen", &dialects.groups.listen),
            ("dialects.direct.listen", &dialects.direct.listen),
            ("dialects.rooms.listen", &dialects.rooms.listen),
            ("dialects.go.listen", &dialects.go.listen),
            ("metrics.listen", &self.metrics.listen),
        ];
        keys.into_iter()
            .flat_map(|(key, listen)| listen.iter().map(move |&address| Listener { key, address }))
            .collect()
    }
}
