//! The client address of a request that came through proxies, from `X-Forwarded-For` or `Forwarded` (RFC 7239).
//!
//! Proxies append, so both are read from the right, and only as far as the proxies are trusted: anybody could have written the
//! hops further left. A malformed hop also ends the walk: the client is then the last valid hop before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::config::ForwardedHeader;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";
/// How many hops are read; further ones are ignored.
const MAX_HOPS: usize = 64;

/// A misconfiguration of a proxy that the operator should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::transport) enum ProxyWarning {
    /// It sends forwarding headers, but is not a trusted proxy.
    NotTrusted,
    /// Its two headers disagree, and the configuration does not say which of them it writes.
    Ambiguous,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) address: IpAddr,
    pub(super) warning: Option<ProxyWarning>,
}

/// The client's address: the first hop from the right that is not a trusted proxy.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet], header: ForwardedHeader) -> Found {
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(&address.to_canonical()));
    let forwards = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
    if !forwards {
        return Found { address: peer, warning: None };
    }
    if !trusted(&peer) {
        return Found { address: peer, warning: Some(ProxyWarning::NotTrusted) };
    }
    let walk = |hops: &mut dyn Iterator<Item = Option<IpAddr>>| {
        let mut client = peer;
        while trusted(&client) {
            match hops.next() {
                Some(Some(hop)) => client = hop,
                Some(None) | None => break,
            }
        }
        client
    };
    let by_list = || walk(&mut x_forwarded_for(headers));
    let by_elements = || walk(&mut forwarded(headers));
    let both = headers.contains_key(X_FORWARDED_FOR) && headers.contains_key(FORWARDED);
    let (address, warning) = match header {
        ForwardedHeader::XForwardedFor => (by_list(), None),
        ForwardedHeader::Forwarded => (by_elements(), None),
        ForwardedHeader::Auto if both => match (by_list(), by_elements()) {
            (one, other) if one.to_canonical() == other.to_canonical() => (one, None),
            // The client forged one of them.
            _ => (peer, Some(ProxyWarning::Ambiguous)),
        },
        ForwardedHeader::Auto if headers.contains_key(FORWARDED) => (by_elements(), None),
        ForwardedHeader::Auto => (by_list(), None),
    };
    Found { address, warning }
}

/// The hops, last first; `None` for a malformed one.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    hops.take(MAX_HOPS).map(|hop| node(unquoted(std::str::from_utf8(hop).ok()?)?))
}

/// The hops of `Forwarded`, last first. A malformed line counts as one malformed hop.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers.get_all(FORWARDED).into_iter().rev().take(MAX_HOPS).flat_map(forwarded_line)
}

fn forwarded_line(line: &HeaderValue) -> Vec<Option<IpAddr>> {
    let elements = line.to_str().ok().and_then(|line| split(line, ','));
    let Some(elements) = elements else { return vec![None] };
    elements.into_iter().rev().take(MAX_HOPS).map(forwarded_for).collect()
}

/// The `for` parameter of an element, which must occur once.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(unquoted(found?)?)
}

/// The parts between separators outside quotes; `None` if a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// The text without surrounding quotes; `None` if it contains quotes or escapes, which addresses do not need.
fn unquoted(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t']);
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// An address, with or without brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let whole = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return if whole { address.parse::<Ipv6Addr>().ok().map(IpAddr::from) } else { None };
    }
    match text.split_once(':') {
        // An IPv4 address with a port.
        Some((address, port)) if !port.contains(':') => {
            address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::from)
        }
        _ => text.parse().ok(),
    }
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, lines: &[(&'static str, &str)], header: ForwardedHeader) -> Found {
        let proxies = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse::<IpNet>().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &proxies, header)
    }

    fn by(name: &'static str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        found("10.0.0.1", &lines, ForwardedHeader::Auto).address.to_string()
    }

    #[test]
    fn headers_count_only_from_trusted_proxies() {
        let untrusted = found("192.0.2.1", &[(X_FORWARDED_FOR, "198.51.100.7")], ForwardedHeader::Auto);
        assert_eq!(untrusted.address.to_string(), "192.0.2.1", "nobody's word for it");
        assert_eq!(untrusted.warning, Some(ProxyWarning::NotTrusted));
        assert_eq!(found("192.0.2.1", &[], ForwardedHeader::Auto).warning, None);
        for (lines, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (&["203.0.113.9", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (&["203.0.113.9, 198.51.100.7, 2001:db8:1::2"], "198.51.100.7"),
            (&["10.0.0.9,10.0.0.2"], "10.0.0.9"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(by(X_FORWARDED_FOR, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn ports_brackets_and_quotes_are_stripped() {
        for (hop, expected) in [
            ("198.51.100.3:4711", "198.51.100.3"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("\"198.51.100.3\"", "198.51.100.3"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("\t198.51.100.3 ", "198.51.100.3"),
            ("::ffff:198.51.100.3", "::ffff:198.51.100.3"),
        ] {
            assert_eq!(by(X_FORWARDED_FOR, &[&format!("1.2.3.4, {hop}")]), expected, "{hop}");
            assert_eq!(by(X_FORWARDED_FOR, &["1.2.3.4", hop]), expected, "{hop}");
        }
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_way_and_nothing_left_of_it_counts() {
        for hop in [
            "unknown",
            "unix:",
            "unix:/run/x.sock",
            "_hidden",
            "",
            " ",
            "198.51.100.3:",
            "198.51.100.3:x",
            "198.51.100.3:99999",
            "198.51.100.3:-1",
            "198.51.100.3:4711:1",
            "198.51.100",
            "198.51.100.256",
            "0198.51.100.3",
            "198.51.100.3/32",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[198.51.100.3]",
            "2001:db8::g",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "\"198.51.100.3",
            "198.51.100.3\"",
            "\"\"",
            "\"1\\98.51.100.3\"",
            "localhost",
            "198.51.100.3 1.2.3.4",
            "for=198.51.100.3",
            "\u{ff11}98.51.100.3",
            "null",
            "-",
            "0x7f.1",
            "3325256707",
        ] {
            assert_eq!(by(X_FORWARDED_FOR, &[&format!("1.2.3.4, {hop}")]), "10.0.0.1", "{hop:?}");
            assert_eq!(by(X_FORWARDED_FOR, &[&format!("1.2.3.4, {hop}, 10.0.0.7")]), "10.0.0.7", "{hop:?}");
            assert_eq!(by(X_FORWARDED_FOR, &["1.2.3.4", hop]), "10.0.0.1", "{hop:?}");
        }
    }

    #[test]
    fn forwarded_is_parsed_as_rfc_7239_specifies() {
        for (lines, expected) in [
            (&["for=198.51.100.3"][..], "198.51.100.3"),
            (&["For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1"], "2001:db8::1"),
            (&["for=1.2.3.4, for=198.51.100.3;host=\"a,b;for=6.6.6.6\", for=10.0.0.3"], "198.51.100.3"),
            (&["for=1.2.3.4", "proto=http;FOR=198.51.100.3:80"], "198.51.100.3"),
            (&["for=1.2.3.4, for=unknown"], "10.0.0.1"),
            (&["for=1.2.3.4, for=_secret, for=10.0.0.2"], "10.0.0.2"),
            (&["for=1.2.3.4, proto=https"], "10.0.0.1"),
            (&["for=1.2.3.4, for=198.51.100.3;for=198.51.100.4"], "10.0.0.1"),
            (&["for=1.2.3.4, 198.51.100.3"], "10.0.0.1"),
            (&["for=\"x, for=198.51.100.3"], "10.0.0.1"),
            (&["for=\"x, for=\"[2001:db8::1]:443\""], "10.0.0.1"),
            (&["for=\"x", "for=198.51.100.3"], "198.51.100.3"),
            (&["for=1.2.3.4,"], "10.0.0.1"),
            (&["for=\"\\198.51.100.3\""], "10.0.0.1"),
        ] {
            assert_eq!(by(FORWARDED, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn disagreeing_headers_are_ignored_unless_one_is_configured() {
        let agree = [(X_FORWARDED_FOR, "198.51.100.3"), (FORWARDED, "for=198.51.100.3")];
        let disagree = [(X_FORWARDED_FOR, "198.51.100.3"), (FORWARDED, "for=1.2.3.4")];
        let of = |lines: &[(&'static str, &str)], header| {
            let found = found("10.0.0.1", lines, header);
            (found.address.to_string(), found.warning)
        };
        assert_eq!(of(&agree, ForwardedHeader::Auto), ("198.51.100.3".into(), None));
        assert_eq!(of(&disagree, ForwardedHeader::Auto), ("10.0.0.1".into(), Some(ProxyWarning::Ambiguous)));
        assert_eq!(of(&disagree, ForwardedHeader::XForwardedFor), ("198.51.100.3".into(), None));
        assert_eq!(of(&disagree, ForwardedHeader::Forwarded), ("1.2.3.4".into(), None));
        assert_eq!(of(&disagree[..1], ForwardedHeader::Forwarded), ("10.0.0.1".into(), None));
    }
}
