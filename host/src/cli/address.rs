//! Parses server addresses as users write them.

use anyhow::{Context, Result, bail};
use url::Url;

const NATIVE_PATH: &str = "/ws/native";

/// Accepts `ws://host:port`, `http://host:port` and `host:port`; the default path is that of the native protocol.
pub(super) fn parse(text: &str) -> Result<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("ws://{text}") };
    let (scheme, rest) = whole.split_once("://").unwrap_or_default();
    let whole = match scheme {
        "ws" | "http" => format!("ws://{rest}"),
        "wss" | "https" => {
            bail!("`{text}`: this client does not support TLS; wanted ws://HOST:PORT or http://HOST:PORT")
        }
        other => {
            bail!(
                "`{text}`: the scheme `{other}` is not supported; wanted ws://HOST:PORT, http://HOST:PORT or HOST:PORT"
            )
        }
    };
    let mut url = Url::parse(&whole).with_context(|| format!("`{text}` is not an address; wanted ws://HOST:PORT"))?;
    if url.path() == "/" {
        url.set_path(NATIVE_PATH);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_path_are_optional() {
        for text in ["ws://pond:5000/ws/native", "ws://pond:5000", "http://pond:5000/", "pond:5000"] {
            assert_eq!(parse(text).unwrap().as_str(), "ws://pond:5000/ws/native", "{text}");
        }
        assert_eq!(parse("[::1]:5000").unwrap().as_str(), "ws://[::1]:5000/ws/native");
        assert_eq!(parse("pond:5000/chat/ws").unwrap().as_str(), "ws://pond:5000/chat/ws");
    }

    #[test]
    fn unsupported_address_is_refused() {
        assert!(parse("wss://pond").unwrap_err().to_string().contains("not support TLS"));
        assert!(parse("ftp://pond").unwrap_err().to_string().contains("`ftp` is not supported"));
        assert!(parse("ws://:5000").unwrap_err().to_string().contains("is not an address"));
    }
}
