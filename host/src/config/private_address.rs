//! An address outside the public internet that a plugin may call over HTTP.

use std::net::{IpAddr, SocketAddr};

use super::fault::Faults;
use super::key::{At, Key};
use super::public_address::is_public;
use super::show::Shown;

/// An item of `allow_private`: an address and its port. An IPv4-mapped IPv6 address is the same as its IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateAddress(SocketAddr);

impl PrivateAddress {
    pub fn is(&self, address: SocketAddr) -> bool {
        self.0 == SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.0.ip()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }

    fn parse(text: &str) -> Result<Self, String> {
        const WANTED: &str = "an address and its port, such as \"10.0.0.5:11434\" or \"[fd00::5]:8080\"";
        let address: SocketAddr = text.parse().map_err(|_| format!("`{text}` is not {WANTED}"))?;
        let ip = address.ip().to_canonical();
        if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || is_broadcast(ip) {
            return Err(format!("`{text}` is not an address that a server can listen on; wanted {WANTED}"));
        }
        if is_public(ip) {
            return Err(format!("`{text}` is a public address: list it in `http_hosts` only"));
        }
        Ok(Self(SocketAddr::new(ip, address.port())))
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

impl Key for PrivateAddress {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match at.text().map(Self::parse) {
            Some(Ok(address)) => Some(address),
            Some(Err(why)) => at.refuse(why, faults),
            None => at.wanted("an address and its port, such as \"10.0.0.5:11434\"", faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(self.0.to_string().as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_address_matches_its_port_and_its_mapped_form() {
        let address = PrivateAddress::parse("10.0.0.5:11434").unwrap();
        for same in ["10.0.0.5:11434", "[::ffff:10.0.0.5]:11434"] {
            assert!(address.is(same.parse().unwrap()), "{same}");
        }
        for other in ["10.0.0.5:11435", "10.0.0.6:11434", "[::1]:11434"] {
            assert!(!address.is(other.parse().unwrap()), "{other}");
        }
        assert_eq!(PrivateAddress::parse("[::ffff:10.0.0.5]:11434"), Ok(address));
    }

    #[test]
    fn addresses_without_port_or_not_private_are_refused() {
        for bad in [
            "10.0.0.5",
            "ollama:11434",
            "10.0.0.0/8",
            "10.0.0.5:0",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "1.1.1.1:80",
            "",
        ] {
            assert!(PrivateAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
