//! Sends HTTP and HTTPS requests, if `http` is granted: only to the hosts that the operator lists, and to a private
//! address only if the operator lists that, too (`allow_private = ["10.0.0.5:11434"]`).
//!
//! ```toml
//! [plugin.weather]
//! grants = ["http"]
//! http_hosts = ["api.weather.example"]
//! ```
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! # use serde::Deserialize;
//! # #[derive(Deserialize)] struct Sky { degrees: i32 }
//! # fn main() -> Result<()> {
//! let url = "https://api.weather.example/today";
//! let chat = MockHost::new().grant("http").answer(url, http::Response::new(200, r#"{ "degrees": 21 }"#));
//!
//! let sky: Sky = http::Request::get(url).header("accept", "application/json").send()?.json()?;
//! assert_eq!(sky.degrees, 21);
//! assert_eq!(chat.requests()[0].url, url);
//! # Ok(()) }
//! ```
//!
//! Requests are not staged: they are sent even if the call fails later, and sent again if the host repeats the call after a
//! conflict.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};
use crate::host;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "self-explanatory")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// A request, to be [sent](Request::send).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// `https://…` or `http://…`, at most 8 KiB, without a user or password in it.
    pub url: String,
    /// Names and values; at most 64 headers and 16 KiB in total.
    pub headers: Vec<(String, String)>,
    /// The body, at most 256 KiB.
    pub body: Option<Vec<u8>>,
    /// The timeout for the whole exchange, up to 30 s; 5 s if none.
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without headers or a body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: None, timeout: None }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the body to this value as JSON.
    ///
    /// # Errors
    /// `internal` if the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// Sets the timeout for the whole exchange, up to 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request and waits for the response, which may have any status. Redirects are not followed.
    ///
    /// # Errors
    /// `forbidden` if the host is not listed or its address is a private one, `invalid` if the request is malformed,
    /// `too_large` over a limit of either side, `rate_limited` over 4 exchanges of the plugin at a time, `unavailable`
    /// if the host cannot be reached or the time is up.
    pub fn send(self) -> Result<Response> {
        host::http::fetch(self)
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, such as 200 or 404.
    pub status: u16,
    /// Names in lower case, and values; headers whose value is not UTF-8 are omitted.
    pub headers: Vec<(String, String)>,
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers, for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Errors
    /// `unavailable` if it is no UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::unavailable("the other server's answer is no text"))
    }

    /// The body, read from JSON into a type of the plugin's own.
    ///
    /// # Errors
    /// `unavailable` if the status says failure, or the body is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.is_success() {
            return Err(Error::unavailable(format!("the other server answered {}", self.status)));
        }
        crate::json::read(self.text()?)
            .map_err(|fault| Error::unavailable(format!("the other server's answer makes no sense: {fault}")))
    }
}
