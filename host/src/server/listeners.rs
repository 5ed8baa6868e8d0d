//! Where a server listens, and for what.

use std::net::SocketAddr;

use crate::config::Config;
use crate::dialect::Dialect;

/// What is answered at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Everything; clients choose what they speak.
    Any,
    /// The same over TLS.
    Tls,
    /// Everything, and this dialect from the first frame on.
    One(Dialect),
    Metrics,
}

/// All addresses of a configuration.
pub(super) fn listeners(config: &Config) -> impl Iterator<Item = (SocketAddr, Door)> {
    let dialects = &config.dialects;
    let doors = [
        (&config.server.listen, Door::Any),
        (&config.tls.listen, Door::Tls),
        (&dialects.groups.listen, Door::One(Dialect::Groups)),
        (&dialects.direct.listen, Door::One(Dialect::Direct)),
        (&dialects.rooms.listen, Door::One(Dialect::Rooms)),
        (&dialects.go.listen, Door::One(Dialect::Go)),
        (&config.metrics.listen, Door::Metrics),
    ];
    doors.into_iter().flat_map(|(listen, door)| listen.iter().map(move |address| (*address, door)))
}

/// Whether an IPv6 address has its port to share with an IPv4 one. By itself `[::]` takes IPv4 too.
pub(super) fn has_ipv4_twin(address: SocketAddr, config: &Config) -> bool {
    let same_port = |other: SocketAddr| other.is_ipv4() && other.port() == address.port();
    address.is_ipv6() && address.port() != 0 && listeners(config).any(|(other, _)| same_port(other))
}
