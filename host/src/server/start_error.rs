//! Errors that keep a server from starting.

use std::io;
use std::net::SocketAddr;

use crate::accounts::keys::KeyError;
use crate::cluster;
use crate::config::Listener;
use crate::database::OpenError;
use crate::error::Error;
use crate::transport::TlsError;

/// Why the server does not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the signing key: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(
        "needs at least {needed} open files, the limit is {limit}: raise it with `ulimit -n`, LimitNOFILE= (systemd) or \
         `--ulimit nofile=` (Docker)"
    )]
    Files { needed: u64, limit: u64 },
    #[error("cannot listen on {address} ({key}): {source}{}", hint(.source, .address, .key, .own.as_ref()))]
    Listen { address: SocketAddr, key: &'static str, own: Option<Listener>, source: io::Error },
    #[error("[tls] {0}")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Plugins(#[from] crate::plugins::StartError),
    #[error(transparent)]
    Cluster(#[from] cluster::StartError),
    #[error(transparent)]
    Part(#[from] Error),
}

fn hint(error: &io::Error, address: &SocketAddr, key: &str, own: Option<&Listener>) -> String {
    match (error.kind(), own) {
        (io::ErrorKind::AddrInUse, Some(own)) => {
            format!("; this server listens there already, by {own}: change one of the two keys")
        }
        (io::ErrorKind::AddrInUse, None) => {
            let free = address.port().checked_add(1).unwrap_or(address.port() - 1);
            let example = if key == "server.listen" { format!(" (PORT={free} say)") } else { String::new() };
            format!("; something else listens there: stop it, or choose another port{example}")
        }
        (io::ErrorKind::PermissionDenied, _) => {
            "; ports below 1024 need special rights: choose a higher one".to_owned()
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            "; this machine has no such address: use one of its own, or 0.0.0.0 or [::] for all of them".to_owned()
        }
        _ => String::new(),
    }
}
