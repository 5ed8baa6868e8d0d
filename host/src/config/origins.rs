//! The origins of web pages (RFC 6454): which ones may connect, and where the server itself is found.

use super::sections::{Cors, Server};

/// Every page of every site.
const ANY: &str = "*";
/// Pages without an origin of their own: files, sandboxed frames, `data:` URLs.
const OPAQUE: &str = "null";

impl Cors {
    /// Whether a page of this origin, as its browser writes it, may connect.
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
        _ => match origin.split_once("://") {
            Some(("http" | "https", _)) => web_origin(origin),
            Some((scheme, rest)) if is_scheme(scheme) => app_origin(origin, scheme, rest),
            _ => Err(no_origin(origin)),
        },
    })
}

pub(super) fn public_url(url: &str) -> Result<(), String> {
    match url.split_once("://") {
        None if url.is_empty() => Ok(()),
        Some(("http" | "https", _)) => web_origin(url),
        _ => Err(format!("`{url}` is not the address of a web site; wanted one such as `https://chat.example`")),
    }
}

/// Browsers write an origin in one way only, which is compared letter by letter.
fn web_origin(origin: &str) -> Result<(), String> {
    let url = url::Url::parse(origin).map_err(|_| no_origin(origin))?;
    match url.origin().ascii_serialization() {
        // Patterns are not understood, and would be taken for a name that nobody has.
        _ if origin.contains('*') => Err(no_origin(origin)),
        exact if exact == origin => Ok(()),
        exact => Err(format!("`{origin}` is more than an origin; wanted `{exact}`")),
    }
}

/// The origin of an extension or of an application that shows pages of its own.
fn app_origin(origin: &str, scheme: &str, rest: &str) -> Result<(), String> {
    let named = |host: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_:".contains(&b);
        host.bytes().all(fits) && (scheme == "file") == host.is_empty()
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let exact = format!("{scheme}://{host}");
    match named(&host) {
        true if exact == *origin => Ok(()),
        true => Err(format!("`{origin}` is more than an origin; wanted `{exact}`")),
        false if scheme == "file" => Err(format!("`{origin}` is more than an origin; wanted `file://`")),
        false => Err(no_origin(origin)),
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

fn no_origin(origin: &str) -> String {
    format!(
        "`{origin}` is not an origin; wanted each one whole, such as `https://chat.example` or `capacitor://localhost`, \
         or one of `null`, `file://` and `*`"
    )
}
