//! Where the server is, as people write it.

use anyhow::{Context, Result, bail};
use url::Url;

const NATIVE_PATH: &str = "/ws/native";

/// Accepts `ws://host:port`, `http://host:port` and `host:port`; without a path the native protocol's is meant.
pub(super) fn parse(text: &str) -> Result<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("ws://{text}") };
    let (scheme, rest) = whole.split_once("://").unwrap_or_default();
    let whole = match scheme {
        "ws" | "http" => format!("ws://{rest}"),
        "wss" | "https" => bail!("`{text}`: this client speaks no TLS; wanted ws://HOST:PORT or http://HOST:PORT"),
        other => {
            bail!("`{text}`: `{other}` is no scheme for chat; wanted ws://HOST:PORT, http://HOST:PORT or HOST:PORT")
        }
    };
    let mut url = Url::parse(&whole).with_context(|| format!("`{text}` is no address; wanted ws://HOST:PORT"))?;
    if url.path() == "/" {
        url.set_path(NATIVE_PATH);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_and_the_path_may_be_left_out() {
        for text in ["ws://pond:5000/ws/native", "ws://pond:5000", "http://pond:5000/", "pond:5000"] {
            assert_eq!(parse(text).unwrap().as_str(), "ws://pond:5000/ws/native", "{text}");
        }
        assert_eq!(parse("[::1]:5000").unwrap().as_str(), "ws://[::1]:5000/ws/native");
        assert_eq!(parse("pond:5000/chat/ws").unwrap().as_str(), "ws://pond:5000/chat/ws");
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_would() {
        assert!(parse("wss://pond").unwrap_err().to_string().contains("no TLS"));
        assert!(parse("ftp://pond").unwrap_err().to_string().contains("`ftp` is no scheme"));
        assert!(parse("ws://:5000").unwrap_err().to_string().contains("is no address"));
    }
}
