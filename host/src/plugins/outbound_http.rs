//! HTTP requests of plugins: only to the hosts that the operator lists, and in private networks only to explicitly allowed addresses.
//!
//! A name is resolved once, and the connection goes to the very address that was checked, which prevents DNS rebinding.

mod exchange;
mod request;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OnceCell, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::task::AbortOnDropHandle;
use url::Host;

pub(super) use self::exchange::Response;
pub(super) use self::request::{Parts, Request};
use crate::config;
use crate::error::{Error, Result};

/// Concurrent requests of one plugin.
const MAX_CONCURRENT_REQUESTS: usize = 4;
/// Suggested delay for a plugin with too many concurrent requests.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Addresses of one name that are tried in turn.
const MAX_CONNECT_ATTEMPTS: usize = 4;

/// The HTTP client of all plugins.
pub(super) struct OutboundHttp {
    permits: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
    /// Created on first use, since reading the system's certificates takes a while.
    tls: OnceCell<Arc<ClientConfig>>,
    may_reach: fn(IpAddr) -> bool,
}

/// The hosts and private addresses that a plugin may call.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    pub(super) hosts: Arc<[config::HttpHost]>,
    /// Private addresses that these hosts may have.
    pub(super) allow_private: Arc<[config::PrivateAddress]>,
}

impl Default for OutboundHttp {
    fn default() -> Self {
        Self { permits: Mutex::default(), tls: OnceCell::new(), may_reach: config::is_public }
    }
}

impl OutboundHttp {
    /// Sends one request for a plugin, within its `reach`, and returns the response.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        plugin: &Arc<str>,
        reach: &Reach,
        request: Request,
    ) -> Result<Response> {
        let (host, port) = (request.host().to_string(), request.port());
        if !reach.hosts.iter().any(|listed| listed.covers(&host, port, request.usual_port())) {
            return Err(Error::Forbidden(format!(
                "{host}:{port} is not listed; to allow it, put into config.toml: [plugin.{plugin}] http_hosts = [\"{}\"]",
                if port == request.usual_port() { host.clone() } else { format!("{host}:{port}") }
            )));
        }
        let permits = self
            .permits
            .lock()
            .entry(plugin.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)))
            .clone();
        let Ok(_permit) = permits.try_acquire() else {
            return Err(Error::RateLimited { retry_after: RETRY_AFTER });
        };
        let limit = request.timeout;
        let (client, allow_private) = (self.clone(), reach.allow_private.clone());
        // On a task of its own, so that its CPU time, as for TLS, does not count against the guest's budget.
        let exchange = tokio::spawn(async move { client.exchange(&request, &allow_private).await });
        match tokio::time::timeout(limit, AbortOnDropHandle::new(exchange)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(Error::internal(error)),
            Err(_) => {
                Err(Error::Unavailable(format!("{host} gave no answer within {}", humantime::format_duration(limit))))
            }
        }
    }

    async fn exchange(&self, request: &Request, allow_private: &[config::PrivateAddress]) -> Result<Response> {
        let stream = self.connect(request, allow_private).await?;
        if !request.is_https() {
            return exchange::send(stream, request).await;
        }
        let unreachable = |error: &dyn std::fmt::Display| Error::Unavailable(format!("{}: {error}", request.host()));
        let name = match request.host() {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|error| unreachable(&error))?,
            Host::Ipv4(address) => IpAddr::from(address).into(),
            Host::Ipv6(address) => IpAddr::from(address).into(),
        };
        let connector = TlsConnector::from(self.tls().await?);
        let stream = connector.connect(name, stream).await.map_err(|error| unreachable(&error))?;
        exchange::send(stream, request).await
    }

    async fn connect(&self, request: &Request, allow_private: &[config::PrivateAddress]) -> Result<TcpStream> {
        let (host, port) = (request.host(), request.port());
        let found: Vec<SocketAddr> = match host {
            Host::Ipv4(address) => vec![(address, port).into()],
            Host::Ipv6(address) => vec![(address, port).into()],
            Host::Domain(name) => lookup_host((name, port))
                .await
                .map_err(|error| Error::Unavailable(format!("{name} cannot be looked up: {error}")))?
                .collect(),
        };
        let mut refused = Error::Forbidden(match found.first() {
            None => format!("{host} has no address"),
            Some(private) => format!(
                "{host} has no public address; if the plugin is to reach a private one, add it to `allow_private` in the plugin's table: \"{private}\""
            ),
        });
        let may_reach =
            |found: &SocketAddr| (self.may_reach)(found.ip()) || allow_private.iter().any(|allowed| allowed.is(*found));
        for address in found.into_iter().filter(may_reach).take(MAX_CONNECT_ATTEMPTS) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = Error::Unavailable(format!("{host} cannot be reached: {error}")),
            }
        }
        Err(refused)
    }

    /// The TLS configuration with the system's root certificates.
    async fn tls(&self) -> Result<Arc<ClientConfig>> {
        let make = || async {
            let made = tokio::task::spawn_blocking(load_tls_config).await.map_err(Error::internal)?;
            made.map(Arc::new).map_err(Error::internal)
        };
        self.tls.get_or_try_init(make).await.cloned()
    }
}

fn load_tls_config() -> Result<ClientConfig, tokio_rustls::rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!(errors = ?found.errors, "no trusted root certificates found, HTTPS requests of plugins will fail");
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
