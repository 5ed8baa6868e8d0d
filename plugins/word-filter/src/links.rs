//! Checks the hosts of links.

use std::borrow::Cow;
use std::ops::Range;

use natterjack_text::nfkc;
use url::{Host, Url};

use crate::settings::LinkRules;

/// Denied and allowed hosts of links.
#[derive(Debug)]
pub(crate) struct Links(LinkRules);

impl Links {
    pub(crate) fn new(rules: LinkRules) -> Result<Self, String> {
        for (key, hosts) in [("allow", &rules.allow), ("deny", &rules.deny)] {
            let is_host =
                |host: &str| !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-.".contains(c));
            if let Some(at) = hosts.iter().position(|host| !is_host(host)) {
                return Err(format!("`links.{key}[{at}]`, `{}`, is no host: write it like `example.org`", hosts[at]));
            }
        }
        let lower = |hosts: Vec<String>| {
            let host = |host: &String| {
                let host = host.trim_matches('.');
                host_of(&format!("http://{host}/")).unwrap_or_else(|| host.to_lowercase())
            };
            hosts.iter().map(host).collect()
        };
        Ok(Self(LinkRules { allow: lower(rules.allow), deny: lower(rules.deny) }))
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        if (self.0.allow.is_empty() && self.0.deny.is_empty()) || !may_link(body) {
            return;
        }
        let ends = |c: char| c.is_whitespace() || "<>()[]{}\"'`,;".contains(c);
        let mut start = 0;
        for piece in body.split(ends) {
            if self.is_denied(piece) {
                hits.push(start..start + piece.len());
            }
            start += piece.len();
            start += body[start..].chars().next().map_or(0, char::len_utf8);
        }
    }

    /// Whether this is a link to a denied host.
    pub(crate) fn is_denied(&self, piece: &str) -> bool {
        if !may_link(piece) {
            return false;
        }
        // Browsers read full-width signs as their ASCII equivalents.
        let piece: Cow<'_, str> = nfkc(piece);
        let piece = piece.replace('\\', "/").replace(['。', '｡'], ".").to_lowercase();
        let (link, rest) = match after_scheme(&piece) {
            Some(rest) => (true, rest),
            None => (piece.starts_with("www.") || (piece.contains('/') && !piece.starts_with('/')), piece.as_str()),
        };
        let has_scheme = link && rest.len() < piece.len();
        let rest = rest.trim_start_matches('/').trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/');
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // The host as browsers read it; if they cannot parse the URL, the host as written.
        let host = host_of(&format!("http://{rest}")).unwrap_or_else(|| {
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            host.split(':').next().unwrap_or_default().to_owned()
        });
        let host = host.trim_matches(|c: char| !c.is_alphanumeric());
        // Text before `@` is a user name, not the host; without a scheme it is an e-mail address.
        if !has_scheme && (!is_domain(host) || authority.contains('@')) {
            return false;
        }
        let among = |hosts: &[String]| hosts.iter().any(|known| is_under(host, known));
        among(&self.0.deny) || (link && !self.0.allow.is_empty() && !among(&self.0.allow))
    }
}

/// The part after a link's scheme. Browsers need no slashes after schemes that they know.
fn after_scheme(piece: &str) -> Option<&str> {
    let known = ["http:", "https:", "ftp:", "ws:", "wss:"];
    let bare = || known.iter().find_map(|scheme| piece.strip_prefix(scheme)).filter(|rest| !rest.is_empty());
    piece.split_once("://").map(|(_, rest)| rest).or_else(bare)
}

/// The host of a URL as browsers read it: percent-decoded, in Punycode, without user and password; numbers as IP addresses.
fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    match url.host()? {
        Host::Domain(domain) => Some(domain.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

/// Fast check whether a text may contain a link: a dot or slash followed by a character, a percent sign, or a scheme.
fn may_link(body: &str) -> bool {
    body.as_bytes().windows(2).any(|pair| match pair[0] {
        b'.' | b'/' | b'\\' | b':' => !pair[1].is_ascii_whitespace(),
        b'%' => pair[1].is_ascii_hexdigit(),
        _ => false,
    }) || (!body.is_ascii() && body.contains(['。', '．', '｡', '／', '：']))
}

/// Whether a host is `known` or a subdomain of it.
fn is_under(host: &str, known: &str) -> bool {
    host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether it may be a domain: `example.org`, but not `3.14` or `e.g`.
fn is_domain(host: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    host.rsplit_once('.').is_some_and(|(rest, top)| {
        top.chars().count() > 1 && top.chars().all(char::is_alphabetic) && rest.split('.').all(is_label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwelcome<'a>(allow: &[&str], deny: &[&str], body: &'a str) -> Vec<&'a str> {
        let own = |hosts: &[&str]| hosts.iter().map(|&host| host.to_owned()).collect();
        let mut hits = Vec::new();
        Links::new(LinkRules { allow: own(allow), deny: own(deny) }).expect("hosts").find(body, &mut hits);
        hits.into_iter().map(|hit| &body[hit]).collect()
    }

    #[test]
    fn denied_host_is_found_in_every_spelling() {
        for link in [
            "https://casino.example/win?now",
            "HTTP://Casino.Example",
            "http://www.casino.example.",
            "//casino.example/x",
            "casino.example",
            "http:\\\\casino.example\\x",
            "https://ann:pw@casino.example:8080/x",
            "https://good.example@casino.example/",
            "https://casino%2Eexample/",
            "https://%63asino.example",
            "https:casino.example/x",
            "http:/casino.example",
            "casino。example",
            "https://casino．example/x",
            "casino｡example/x",
            "ｃａｓｉｎｏ.example",
            "https://casino.example.:443/",
            "https://casino\u{AD}.exam\u{200B}ple/",
            "https：／／casino.example",
            "https://x:y%40z@casino.example",
            "https://casino.example%2F@casino.example",
            "https://CASINO%E3%80%82EXAMPLE",
            "casino.example?x",
        ] {
            assert_eq!(unwelcome(&[], &["casino.example"], &format!("see ({link}), now")), [link], "{link}");
        }
    }

    #[test]
    fn other_hosts_and_other_text_pass() {
        let body = "notcasino.example casino.example.org casino ann@casino.example 3.14 e.g. and/or /me 12/24";
        assert_eq!(unwelcome(&[], &["casino.example"], body), [""; 0]);
        assert_eq!(unwelcome(&["example.org"], &[], body), [""; 0]);
    }

    #[test]
    fn hosts_outside_the_allow_list_are_denied() {
        let body = "https://docs.example.org/x http://example.org, evil.example/x www.evil.example ftp://1.2.3.4 http://[::1]/";
        let found = unwelcome(&["example.org"], &[], body);
        assert_eq!(found, ["evil.example/x", "www.evil.example", "ftp://1.2.3.4", "http://"]);
    }

    #[test]
    fn hosts_in_other_scripts_and_numbers_are_normalised() {
        for link in [
            "http://bücher.example",
            "http://xn--bcher-kva.example/",
            "http://BÜCHER.example",
            "http://b%C3%BCcher.example",
        ] {
            assert_eq!(unwelcome(&[], &["bücher.example"], link), [link]);
            assert_eq!(unwelcome(&[], &["xn--bcher-kva.example"], link), [link]);
        }
        for link in ["http://1.2.3.4/", "http://0x01020304/", "http://16909060/"] {
            assert_eq!(unwelcome(&[], &["1.2.3.4"], link), [link]);
        }
        let body =
            "https://example.org/?to=casino.example https://casino.example.org https://casinoexample at 12:30, a:b";
        assert_eq!(unwelcome(&[], &["casino.example"], body), [""; 0]);
    }

    #[test]
    fn deny_list_overrides_allow_list() {
        assert_eq!(unwelcome(&["example.org"], &["ads.example.org"], "https://ads.example.org/").len(), 1);
    }

    #[test]
    fn links_are_not_checked_without_rules() {
        assert_eq!(unwelcome(&[], &[], "https://evil.example"), [""; 0]);
    }
}
