//! The addresses that a server listens on, and what each serves.

use std::net::SocketAddr;

use super::StartError;
use crate::config::{Config, Listener};
use crate::dialect::Dialect;
use crate::transport::bind;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Everything; clients choose the dialect.
    Any,
    /// The same over TLS.
    Tls,
    /// Everything, and this dialect from the first frame on.
    One(Dialect),
    Metrics,
}

/// All addresses of a configuration.
pub(super) fn listeners(config: &Config) -> impl Iterator<Item = (Listener, ListenerKind)> {
    config.listeners().into_iter().map(|listener| {
        let kind = match listener.key {
            "tls.listen" => ListenerKind::Tls,
            "dialects.groups.listen" => ListenerKind::One(Dialect::Groups),
            "dialects.direct.listen" => ListenerKind::One(Dialect::Direct),
            "dialects.rooms.listen" => ListenerKind::One(Dialect::Rooms),
            "dialects.go.listen" => ListenerKind::One(Dialect::Go),
            "metrics.listen" => ListenerKind::Metrics,
            _ => ListenerKind::Any,
        };
        (listener, kind)
    })
}

/// Whether an IPv6 address shares its port with an IPv4 one. Alone, `[::]` accepts IPv4 too.
fn has_ipv4_twin(address: SocketAddr, config: &Config) -> bool {
    let same_port = |other: SocketAddr| other.is_ipv4() && other.port() == address.port();
    address.is_ipv6() && address.port() != 0 && listeners(config).any(|(other, _)| same_port(other.address))
}

/// Opens a listener at one address; `earlier` are the listeners that are open already, as they were bound.
pub(super) fn open(
    listener: Listener,
    earlier: &[Listener],
    config: &Config,
) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let Listener { key, address } = listener;
    bind(address, has_ipv4_twin(address, config)).and_then(|bound| bound.local_addr().map(|at| (bound, at))).map_err(
        |source| {
            let own = earlier.iter().copied().find(|other| other.collides_with(&listener));
            StartError::Listen { address, key, own, source }
        },
    )
}
