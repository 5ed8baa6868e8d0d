//! The origins of web pages (RFC 6454): which ones may connect, and the server's own public host.

use super::sections::{Cors, Server};

/// Allows every page of every site.
const ANY: &str = "*";
/// The origin of pages without one of their own: files, sandboxed frames, `data:` URLs.
const OPAQUE: &str = "null";

impl Cors {
    /// Whether a page with this `Origin` may connect.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|listed| listed == ANY || listed.as_bytes() == origin)
    }

    /// The hosts that listed web sites have, without ports.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().filter_map(|origin| web_host(origin))
    }
}

impl Server {
    /// The host of `public_url`, without its port; none if the key is empty.
    pub fn public_host(&self) -> Option<&str> {
        web_host(&self.public_url)
    }
}

/// The host of `http://…` or `https://…`; an IPv6 address without its brackets.
fn web_host(origin: &str) -> Option<&str> {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))?;
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => authority.split(':').next(),
    }
}

pub(super) fn allowed_origins(origins: &[String]) -> Result<(), String> {
    origins.iter().try_for_each(|origin| match origin.as_str() {
        ANY | OPAQUE => Ok(()),
        _ => match scheme_of(origin) {
            Some((scheme, _)) if is_web(&scheme) => web_origin(origin, no_origin),
            Some((scheme, rest)) => app_origin(origin, &scheme, rest),
            None => Err(no_origin(origin)),
        },
    })
}

pub(super) fn public_url(url: &str) -> Result<(), String> {
    match scheme_of(url) {
        None if url.is_empty() => Ok(()),
        Some((scheme, _)) if is_web(&scheme) => web_origin(url, no_web_site),
        _ => Err(no_web_site(url)),
    }
}

/// Checks the origin of a web site. Browsers write an origin in one way only, so it is compared byte by byte.
fn web_origin(origin: &str, refuse: fn(&str) -> String) -> Result<(), String> {
    let url = url::Url::parse(origin.trim()).map_err(|_| refuse(origin))?;
    match url.origin().ascii_serialization() {
        // Patterns are not supported, and would be taken for a host name.
        _ if origin.contains('*') => Err(refuse(origin)),
        exact if exact == origin => Ok(()),
        exact => Err(not_exact(origin, &exact)),
    }
}

/// Checks the origin of a browser extension or of an application with pages of its own.
fn app_origin(origin: &str, scheme: &str, rest: &str) -> Result<(), String> {
    let named = |host: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_:".contains(&b);
        host.bytes().all(fits) && (scheme == "file") == host.is_empty()
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let exact = format!("{scheme}://{host}");
    match named(&host) {
        true if exact == *origin => Ok(()),
        true => Err(not_exact(origin, &exact)),
        false if scheme == "file" => Err(not_exact(origin, "file://")),
        false => Err(no_origin(origin)),
    }
}

/// The scheme in lower case, and what comes after it.
fn scheme_of(origin: &str) -> Option<(String, &str)> {
    let (scheme, rest) = origin.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    is_scheme(&scheme).then_some((scheme, rest))
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

fn not_exact(origin: &str, exact: &str) -> String {
    format!("`{origin}` is not written as browsers do; wanted `{exact}`")
}

fn no_web_site(url: &str) -> String {
    let example = with_scheme(url).unwrap_or_else(|| "https://chat.example".to_owned());
    format!("`{url}` is not the address of a web site; wanted one such as `{example}`")
}

/// The origin that was probably meant by a host without a scheme.
fn with_scheme(host: &str) -> Option<String> {
    let is_host = !host.contains("//") && !host.contains(['*', '@', ' ']) && host.contains(['.', ':']);
    let url = url::Url::parse(&format!("https://{host}")).ok().filter(|_| is_host)?;
    Some(url.origin().ascii_serialization())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

fn no_origin(origin: &str) -> String {
    let example = with_scheme(origin).unwrap_or_else(|| "https://chat.example".to_owned());
    format!(
        "`{origin}` is not an origin; wanted each one whole, such as `{example}` or `capacitor://localhost`, \
         or one of `null`, `file://` and `*`"
    )
}
