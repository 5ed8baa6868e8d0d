//! Where links lead.

use std::ops::Range;

use crate::settings::LinkRules;

/// What hosts links may lead to.
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
        let lower = |hosts: Vec<String>| hosts.iter().map(|host| host.trim_matches('.').to_lowercase()).collect();
        Ok(Self(LinkRules { allow: lower(rules.allow), deny: lower(rules.deny) }))
    }

    pub(crate) fn find(&self, body: &str, hits: &mut Vec<Range<usize>>) {
        if (self.0.allow.is_empty() && self.0.deny.is_empty()) || !may_link(body) {
            return;
        }
        let ends = |c: char| c.is_whitespace() || "<>()[]{}\"'`,;".contains(c);
        let mut start = 0;
        for piece in body.split(ends) {
            if self.is_unwelcome(piece) {
                hits.push(start..start + piece.len());
            }
            start += piece.len();
            start += body[start..].chars().next().map_or(0, char::len_utf8);
        }
    }

    /// Whether this is a link to where none should lead.
    pub(crate) fn is_unwelcome(&self, piece: &str) -> bool {
        if !piece.contains(['.', '/', '\\']) {
            return false;
        }
        let piece = piece.replace('\\', "/").to_lowercase();
        let (link, rest) = match piece.split_once("://") {
            Some((_, rest)) => (true, rest),
            None => (piece.starts_with("www.") || (piece.contains('/') && !piece.starts_with('/')), piece.as_str()),
        };
        let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
        // What comes before `@` is a name, not the host; without a scheme it is somebody's address.
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => host,
            None => authority,
        };
        let host = host.split(':').next().unwrap_or_default();
        let host = host.trim_matches(|c: char| !c.is_alphanumeric());
        let has_scheme = piece.contains("://");
        if !has_scheme && (!is_domain(host) || authority.contains('@')) {
            return false;
        }
        let among = |hosts: &[String]| hosts.iter().any(|known| is_under(host, known));
        among(&self.0.deny) || (link && !self.0.allow.is_empty() && !among(&self.0.allow))
    }
}

/// Whether there can be a link in it at all: a dot or a slash with something right after it.
fn may_link(body: &str) -> bool {
    body.as_bytes().windows(2).any(|pair| matches!(pair[0], b'.' | b'/' | b'\\') && !pair[1].is_ascii_whitespace())
}

/// Whether a host is the known one or below it.
fn is_under(host: &str, known: &str) -> bool {
    host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether it could be a domain: `example.org`, but not `3.14` or `e.g`.
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
    fn a_denied_host_is_found_however_it_is_written() {
        for link in [
            "https://casino.example/win?now",
            "HTTP://Casino.Example",
            "http://www.casino.example.",
            "//casino.example/x",
            "casino.example",
            "http:\\\\casino.example\\x",
            "https://ann:pw@casino.example:8080/x",
            "https://good.example@casino.example/",
        ] {
            assert_eq!(unwelcome(&[], &["casino.example"], &format!("see ({link}), now")), [link], "{link}");
        }
    }

    #[test]
    fn other_hosts_and_other_things_pass() {
        let body = "notcasino.example casino.example.org casino ann@casino.example 3.14 e.g. and/or /me 12/24";
        assert_eq!(unwelcome(&[], &["casino.example"], body), [""; 0]);
        assert_eq!(unwelcome(&["example.org"], &[], body), [""; 0]);
    }

    #[test]
    fn with_a_list_of_welcome_hosts_all_others_are_not() {
        let body = "https://docs.example.org/x http://example.org, evil.example/x www.evil.example ftp://1.2.3.4 http://[::1]/";
        let found = unwelcome(&["example.org"], &[], body);
        assert_eq!(found, ["evil.example/x", "www.evil.example", "ftp://1.2.3.4", "http://"]);
    }

    #[test]
    fn a_denial_wins() {
        assert_eq!(unwelcome(&["example.org"], &["ads.example.org"], "https://ads.example.org/").len(), 1);
    }

    #[test]
    fn without_rules_links_are_not_looked_at() {
        assert_eq!(unwelcome(&[], &[], "https://evil.example"), [""; 0]);
    }
}
