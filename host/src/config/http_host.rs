//! A host that a plugin may call over HTTP.

use std::net::{IpAddr, SocketAddr};

use url::Host;

use super::fault::Faults;
use super::key::{At, Key};
use super::private_address::PrivateAddress;
use super::public_address::is_public;
use super::show::Shown;

/// Default ports of `http` and `https`.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// An item of `http_hosts`: a name, all names below one, or an address; on one port, or on the scheme's default port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHost {
    /// In the form used in URLs: lower case, ASCII, an IPv6 address in brackets.
    name: String,
    /// Matches any name that ends with `.` and `name`, but not `name` itself.
    below: bool,
    port: Option<u16>,
}

impl HttpHost {
    fn parse(text: &str) -> Option<Self> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().ok()?)),
            _ => (rest, None),
        };
        let host = Host::parse(name).ok()?;
        match &host {
            // URLs allow names that cannot be looked up.
            Host::Domain(name) if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) => {
                return None;
            }
            Host::Ipv4(_) | Host::Ipv6(_) if below => return None,
            _ => {}
        }
        Some(Self { name: host.to_string(), below, port })
    }

    /// Fails unless a plugin that may call these private addresses can reach the host; the error says what would allow it.
    pub(super) fn check_reachable(&self, allowed: &[PrivateAddress]) -> Result<(), String> {
        let on_its_port = |address: &&PrivateAddress| match self.port {
            Some(port) => address.port() == port,
            None => DEFAULT_PORTS.contains(&address.port()),
        };
        let mut allowed = allowed.iter().filter(on_its_port).map(PrivateAddress::ip);
        let port = self.port.unwrap_or(DEFAULT_PORTS[0]);
        let (private, address) = match Host::parse(&self.name) {
            Ok(Host::Ipv4(ip)) => (!is_public(ip.into()), IpAddr::from(ip)),
            Ok(Host::Ipv6(ip)) => (!is_public(ip.into()), IpAddr::from(ip).to_canonical()),
            Ok(Host::Domain(name)) if is_below(&name, "invalid") => {
                return Err(format!("`{name}` can never be looked up: no name ends in `.invalid`"));
            }
            Ok(Host::Domain(name)) if is_below(&name, "localhost") => {
                return match allowed.any(|ip| ip.is_loopback()) {
                    true => Ok(()),
                    false => Err(format!(
                        "`{name}` is this machine, which no plugin can reach; to allow it, add allow_private = [\"127.0.0.1:{port}\"]"
                    )),
                };
            }
            Ok(Host::Domain(_)) | Err(_) => return Ok(()),
        };
        if !private || allowed.any(|ip| ip == address) {
            return Ok(());
        }
        let needed = SocketAddr::new(address, port);
        Err(format!(
            "`{}` is not a public address, so no plugin can reach it; to allow it, add allow_private = [\"{needed}\"]",
            self.name
        ))
    }

    /// Whether this host and port are allowed; `usual` is the scheme's default port.
    pub fn covers(&self, host: &str, port: u16, usual: u16) -> bool {
        let named = match (self.below, host.strip_suffix(&self.name)) {
            (false, Some(rest)) => rest.is_empty(),
            (true, Some(rest)) => rest.len() > 1 && rest.ends_with('.'),
            (_, None) => false,
        };
        named && port == self.port.unwrap_or(usual)
    }
}

/// Whether a name is `end` or below it; ignores a dot at the name's end.
fn is_below(name: &str, end: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Key for HttpHost {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str =
            "a host such as \"api.example.org\", \"*.example.org\" for all below it, or \"example.org:8443\"";
        match at.text() {
            Some(text) => match Self::parse(text) {
                Some(host) => Some(host),
                None => at.refuse(format!("`{text}` is not {WANTED}"), faults),
            },
            None => at.wanted(WANTED, faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        let below = if self.below { "*." } else { "" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{below}{}{port}", self.name).as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(listed: &str, host: &str, port: u16) -> bool {
        HttpHost::parse(listed).unwrap().covers(host, port, 443)
    }

    #[test]
    fn a_name_covers_only_itself_on_the_default_port() {
        assert!(covers("Api.Example.org", "api.example.org", 443));
        assert!(!covers("example.org", "api.example.org", 443));
        assert!(!covers("example.org", "example.org.evil.net", 443));
        assert!(!covers("example.org", "badexample.org", 443));
        assert!(!covers("example.org", "example.org", 8443));
        assert!(covers("example.org:8443", "example.org", 8443));
        assert!(!covers("example.org:8443", "example.org", 443));
    }

    #[test]
    fn a_wildcard_covers_only_names_below() {
        assert!(covers("*.example.org", "a.b.example.org", 443));
        assert!(!covers("*.example.org", "example.org", 443));
        assert!(!covers("*.example.org", "badexample.org", 443));
    }

    #[test]
    fn addresses_and_unicode_names_are_normalised() {
        assert!(covers("[2001:DB8::1]:8443", "[2001:db8::1]", 8443));
        assert!(covers("[2001:db8:0:0::1]", "[2001:db8::1]", 443));
        assert!(covers("bücher.example", "xn--bcher-kva.example", 443));
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for bad in ["", "https://example.org", "example.org/path", "*", "*.", "a b", "example.org:http", "*.10.0.0.1"] {
            assert_eq!(HttpHost::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn unreachable_host_is_a_fault_that_says_what_would_allow_it() {
        let config = |allow: &str, host: &str| {
            let text = format!("[plugin.bot]\nhttp_hosts = [\"{host}\"]\nallow_private = [{allow}]\n");
            let none: [(String, String); 0] = [];
            super::super::Config::from_text("config.toml", &text, none).map_err(|faults| faults.to_string())
        };
        for (host, allowed) in [
            ("10.0.0.5:11434", "10.0.0.5:11434"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("[fd00::5]:8080", "[fd00::5]:8080"),
            ("localhost:11434", "127.0.0.1:11434"),
            ("169.254.169.254", "169.254.169.254:80"),
        ] {
            let fault = config("", host).unwrap_err();
            assert!(
                fault.contains("plugin.bot.http_hosts") && fault.contains(&format!("allow_private = [\"{allowed}\"]")),
                "{fault}"
            );
            config(&format!("\"{allowed}\""), host).unwrap();
            config("\"10.9.9.9:1\"", host).unwrap_err();
        }
        for never in ["x.invalid", "*.invalid"] {
            assert!(config("", never).unwrap_err().contains("never be looked up"), "{never}");
        }
        for host in ["api.example.org", "1.1.1.1", "ollama.internal:11434", "localhost.example.org"] {
            config("", host).unwrap();
        }
    }
}
