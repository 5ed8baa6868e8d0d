//! The host that a request names (RFC 9110, 7.2), and whether it belongs to this server.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, Uri, Version, header};

use super::State;

/// A host, and its port if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// In lower case; an IPv6 address without its brackets.
    name: String,
    port: Option<u16>,
}

/// Why a request's host is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHost {
    Missing,
    Twice,
    Malformed,
}

impl BadHost {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Missing => "the header `Host` is missing",
            Self::Twice => "the header `Host` is there more than once; wanted one",
            Self::Malformed => {
                "the header `Host` is malformed; wanted a host name or an address, with a port if need be"
            }
        }
    }
}

impl Host {
    /// The host of the request line, or else of the header; `None` for an HTTP/1.0 request without one.
    pub(super) fn of(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, BadHost> {
        let mut named = headers.get_all(header::HOST).into_iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => {
                let host = host.to_str().ok().and_then(Self::parse);
                Some(host.ok_or(BadHost::Malformed)?)
            }
            (None, _) if version < Version::HTTP_11 => None,
            (None, _) => return Err(BadHost::Missing),
            (Some(_), Some(_)) => return Err(BadHost::Twice),
        };
        match uri.authority() {
            // The request line outranks the header.
            Some(authority) => Ok(Some(Self::parse(authority.as_str()).ok_or(BadHost::Malformed)?)),
            None => Ok(host),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (address.to_string(), port)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
                if name.is_empty() || !name.bytes().all(fits) {
                    return None;
                }
                (name.to_ascii_lowercase(), port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Whether a page of this origin was loaded from this host.
    pub(super) fn serves(&self, origin: &str) -> bool {
        let (authority, default) = match origin.split_once("://") {
            Some(("http", authority)) => (authority, 80),
            Some(("https", authority)) => (authority, 443),
            _ => return false,
        };
        // A proxy that terminates TLS forwards a host whose port, if there is one, is that of the origin.
        let port = |host: &Self| host.port.unwrap_or(default);
        Self::parse(authority).is_some_and(|page| page.name == self.name && port(&page) == port(self))
    }

    /// Whether no other site can point this name at this server: an IP address, `localhost`, or a name that the operator configured.
    pub(super) fn is_known(&self, state: &State) -> bool {
        let name = self.name.trim_end_matches('.');
        name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || state.server.get().public_host() == Some(name)
            || state.cors.get().hosts().any(|host| host == name)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    #[test]
    fn host_is_parsed_with_and_without_port() {
        let read = |text: &str| Host::parse(text).map(|host| (host.name, host.port));
        for (text, name, port) in [
            ("chat.example", "chat.example", None),
            ("Chat.Example:8080", "chat.example", Some(8080)),
            ("chat_1:", "chat_1", None),
            ("[::1]:443", "::1", Some(443)),
            ("[2001:DB8::1]", "2001:db8::1", None),
            ("127.0.0.1:0", "127.0.0.1", Some(0)),
        ] {
            assert_eq!(read(text), Some((name.to_owned(), port)), "{text}");
        }
        for malformed in [
            "",
            ":80",
            "a b",
            "a,b",
            "ann@chat.example",
            "chat.example/",
            "chat.example:http",
            "chat.example:+1",
            "a:1:2",
            "chat.example:65536",
            "::1",
            "[::1",
            "[::1]x",
            "[chat]",
            "chät.example",
            "a%2eb",
            "http://a",
        ] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn host_is_named_once_and_request_line_outranks_header() {
        let of = |version, uri: &str, hosts: &[&'static str]| {
            let mut request = Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header(header::HOST, HeaderValue::from_static(host));
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Host::of(parts.version, &parts.uri, &parts.headers).map(|host| host.map(|host| host.name))
        };
        assert_eq!(of(Version::HTTP_11, "/", &["a"]), Ok(Some("a".to_owned())));
        assert_eq!(of(Version::HTTP_11, "http://b/", &["a"]), Ok(Some("b".to_owned())));
        assert_eq!(of(Version::HTTP_11, "/", &[]), Err(BadHost::Missing));
        assert_eq!(of(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(of(Version::HTTP_10, "/", &["a", "a"]), Err(BadHost::Twice));
        assert_eq!(of(Version::HTTP_11, "http://b/", &["a b"]), Err(BadHost::Malformed));
    }

    #[test]
    fn page_is_own_if_scheme_name_and_port_agree() {
        let serves = |host: &str, origin: &str| Host::parse(host).unwrap().serves(origin);
        assert!(serves("chat.example", "https://chat.example"));
        assert!(serves("chat.example:443", "https://chat.example"));
        assert!(serves("chat.example:8080", "http://chat.example:8080"));
        assert!(serves("[::1]:5000", "http://[::1]:5000"));
        for foreign in
            ["https://chat.example:8443", "http://chat.example.evil", "null", "app://chat.example", "file://"]
        {
            assert!(!serves("chat.example", foreign), "{foreign}");
        }
        assert!(!serves("chat.example:5000", "http://chat.example"));
    }
}
