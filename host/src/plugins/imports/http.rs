//! The `http` import: requests to other servers.

use hyper::Method;

use crate::plugins::bindings::host::http;
use crate::plugins::bindings::wire;
use crate::plugins::outbound_http::{Parts, Request, Response};
use crate::plugins::state::State;

impl http::Host for State {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, wire::Error> {
        let (meter, reach) = (self.meter.clone(), self.reach.clone());
        let (unit, plugin) = self.unit()?;
        let request = read(request)?;
        let _excused = meter.excuse(request.timeout);
        Ok(to_wire(unit.services.http.fetch(plugin, &reach, request).await?))
    }
}

fn read(request: http::Request) -> crate::error::Result<Request> {
    let method = match request.method {
        http::Method::Get => Method::GET,
        http::Method::Head => Method::HEAD,
        http::Method::Post => Method::POST,
        http::Method::Put => Method::PUT,
        http::Method::Patch => Method::PATCH,
        http::Method::Delete => Method::DELETE,
    };
    Request::new(Parts {
        method,
        url: request.url,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body,
        timeout_ms: request.timeout_ms,
    })
}

fn to_wire(response: Response) -> http::Response {
    let header = |(name, value)| http::Header { name, value };
    http::Response {
        status: response.status,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body.into(),
    }
}
