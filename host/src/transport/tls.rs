//! TLS with a certificate that is reloaded while the server runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config;

/// Why a certificate cannot be used; the text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {why}", .file.display())]
    File { file: PathBuf, why: String },
    #[error("{} is not the key of {}; wanted the private key that the certificate was made for", .key.display(), .certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("TLS cannot be set up: {0}")]
    Other(#[from] rustls::Error),
}

/// TLS acceptor and its current certificate.
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<CurrentCertificate>,
    certificate: PathBuf,
    key: PathBuf,
}

struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentCertificate")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the configured certificate and key; `None` if no certificate is configured.
    pub fn open(config: &config::Tls) -> Result<Option<Self>, TlsError> {
        if config.certificate_file.is_empty() {
            return Ok(None);
        }
        let (certificate, key) = (PathBuf::from(&config.certificate_file), PathBuf::from(&config.key_file));
        let current = Arc::new(CurrentCertificate(ArcSwap::from_pointee(read(&certificate, &key)?)));
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { acceptor: Arc::new(server).into(), current, certificate, key }))
    }

    /// The files of the certificate and of its key.
    pub fn files(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// Reads the files again and uses them for further handshakes; returns whether the certificate changed.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let new = read(&self.certificate, &self.key)?;
        let is_new = new.cert != self.current.0.load().cert;
        if is_new {
            self.current.0.store(Arc::new(new));
        }
        Ok(is_new)
    }

    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(socket).await
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let fault = |file: &Path, why: String| TlsError::File { file: file.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(certificate, format!("no certificates in PEM could be read: {error}")))?;
    if chain.is_empty() {
        return Err(fault(certificate, "contains no certificate; wanted -----BEGIN CERTIFICATE-----".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| fault(key, format!("no private key in PEM could be read: {error}")))?;
    let signing = ring::sign::any_supported_type(&private)
        .map_err(|error| fault(key, format!("is not a key that TLS certificates can have: {error}")))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // `Unknown`: some kinds of keys cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(fault(certificate, format!("cannot be used: {error}"))),
    }
}
