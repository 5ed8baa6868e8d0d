//! TLS, and the replacement of certificates at run time.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::{Client, PATIENCE, Server, Setup};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a new certificate for `localhost` and its key where the server looks for them.
    fn issue(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        put(folder, "key.pem", &pem("PRIVATE KEY", key.serialized_der()));
        put(folder, "cert.pem", &pem("CERTIFICATE", certificate.der()));
    }

    /// A client configuration that trusts only this authority.
    fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!(".{name}.new"));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join(name)).unwrap();
}

async fn start(authority: &Authority) -> Server {
    start_with(authority, Setup::bare()).await
}

async fn start_with(authority: &Authority, setup: Setup) -> Server {
    let setup = setup
        .variable("NATTERJACK__TLS__LISTEN", "127.0.0.1:0")
        .variable("NATTERJACK__TLS__CERTIFICATE_FILE", "cert.pem")
        .variable("NATTERJACK__TLS__KEY_FILE", "key.pem");
    authority.issue(setup.path());
    setup.start().await
}

async fn address(server: &mut Server) -> String {
    server.expect_output("https://").await.split("https://").nth(1).unwrap().trim().to_owned()
}

/// Makes a handshake; returns the stream and the server's certificate.
async fn handshake(
    address: &str,
    trusted: Arc<ClientConfig>,
) -> Result<(TlsStream<TcpStream>, Vec<u8>), std::io::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(trusted).connect(name, TcpStream::connect(address).await?).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((stream, shown))
}

/// A WebSocket over TLS, relayed through a local socket.
async fn connect(address: &str, trusted: Arc<ClientConfig>) -> Client {
    let (mut stream, _) = handshake(address, trusted).await.unwrap();
    let bridge = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/native", bridge.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut plain, _) = bridge.accept().await?;
        copy_bidirectional(&mut plain, &mut stream).await
    });
    Client::open(&url).await
}

#[tokio::test]
async fn rest_and_websockets_are_served_over_tls() {
    let authority = Authority::new();
    let mut server = start(&authority).await;
    let address = address(&mut server).await;
    let (mut stream, _) = handshake(&address, authority.trusted()).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");

    let mut tom = connect(&address, authority.trusted()).await;
    tom.call("connect", json!({"guest": "tom"})).await.unwrap();
    tom.join("lobby").await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    tom.post("lobby", "hello from the other door").await.unwrap();
    assert_eq!(ann.expect_message().await, "hello from the other door");
}

#[tokio::test]
async fn new_certificate_is_used_without_restart_or_disconnects() {
    let authority = Authority::new();
    let mut server = start(&authority).await;
    let address = address(&mut server).await;
    let (_, first) = handshake(&address, authority.trusted()).await.unwrap();
    let mut tom = connect(&address, authority.trusted()).await;
    tom.call("connect", json!({"guest": "tom"})).await.unwrap();

    authority.issue(server.path());
    server.expect_output("certificate replaced").await;
    let (_, second) = handshake(&address, authority.trusted()).await.unwrap();
    assert_ne!(first, second);
    tom.call("commands", json!({})).await.unwrap();

    // Asked to look, too.
    let before = server.count_output("certificate replaced");
    let other = Authority::new();
    other.issue(server.path());
    server.signal(Signal::SIGHUP);
    server.expect_more_output("certificate replaced", before).await;
    assert!(handshake(&address, authority.trusted()).await.is_err());
    assert!(handshake(&address, other.trusted()).await.is_ok());
}

#[tokio::test]
async fn invalid_certificate_keeps_the_former_one() {
    let authority = Authority::new();
    let mut server = start(&authority).await;
    let address = address(&mut server).await;
    put(server.path(), "key.pem", &pem("PRIVATE KEY", KeyPair::generate().unwrap().serialized_der()));
    server.expect_output("is not the key of cert.pem").await;
    put(server.path(), "cert.pem", "no certificate");
    server.expect_output("cert.pem: contains no certificate").await;
    assert!(handshake(&address, authority.trusted()).await.is_ok());
}

#[tokio::test]
async fn unusable_certificate_prevents_the_start() {
    let tls = |setup: Setup| setup.variable("NATTERJACK__TLS__LISTEN", "127.0.0.1:0");
    let output = tls(Setup::bare()).command(&["serve"]).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("tls.listen: there is no certificate to show there"), "{said}");

    let files = Setup::bare()
        .variable("NATTERJACK__TLS__CERTIFICATE_FILE", "gone.pem")
        .variable("NATTERJACK__TLS__KEY_FILE", "gone.key");
    let output = files.command(&["serve"]).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("[tls] gone.pem: ") && said.contains("No such file"), "{said}");
}

#[tokio::test]
async fn stalled_handshake_is_closed() {
    let authority = Authority::new();
    let setup = Setup::bare()
        .variable("NATTERJACK__TLS__LISTEN", "127.0.0.1:0")
        .variable("NATTERJACK__TLS__CERTIFICATE_FILE", "cert.pem")
        .variable("NATTERJACK__TLS__KEY_FILE", "key.pem")
        .variable("NATTERJACK__LIMITS__REQUEST_TIMEOUT", "300ms");
    authority.issue(setup.path());
    let mut server = setup.start().await;
    let mut silent = TcpStream::connect(address(&mut server).await).await.unwrap();
    let end = timeout(PATIENCE, silent.read(&mut [0; 16])).await.expect("the server closes");
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn full_server_answers_health_checks_over_tls_and_refuses_everything_else() {
    let authority = Authority::new();
    let mut server = start_with(&authority, Setup::bare().variable("NATTERJACK__LIMITS__CONNECTIONS", "1")).await;
    let address = address(&mut server).await;
    let _only = server.guest("ann").await;
    let ask = async |path: &str| {
        let (mut socket, _) = handshake(&address, authority.trusted()).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    };
    assert!(ask("/healthz").await.starts_with("HTTP/1.1 200"));
    let refused = ask("/api/server").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 5"), "{refused}");
}
