use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_util::task::AbortOnDropHandle;

use super::{MAX_CONCURRENT_REQUESTS, OutboundHttp, Parts, Reach, Request, Response};
use crate::config::Config;
use crate::error::{Error, Result};

/// A local server that answers every request the same; received requests are sent to `asked`.
struct Peer {
    address: String,
    asked: mpsc::Receiver<String>,
    _task: AbortOnDropHandle<()>,
}

async fn peer(answer: impl Into<Vec<u8>>) -> Peer {
    listen(answer.into(), None).await
}

async fn listen(answer: Vec<u8>, tls: Option<TlsAcceptor>) -> Peer {
    let answer: Arc<[u8]> = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (log, asked) = mpsc::channel(16);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, answer, tls) = (log.clone(), answer.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => serve(stream, log, &answer).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, log, &answer).await;
                        }
                    }
                }
            });
        }
    });
    Peer { address, asked, _task: AbortOnDropHandle::new(task) }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: mpsc::Sender<String>, answer: &[u8]) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    log.send(String::from_utf8(request).unwrap()).await.unwrap();
    if answer.is_empty() {
        // Sends nothing until the peer closes.
        let _ = stream.read_buf(&mut Vec::with_capacity(1)).await;
    }
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// A client that may also reach local addresses.
fn test_client() -> Arc<OutboundHttp> {
    Arc::new(OutboundHttp { may_reach: |_| true, ..OutboundHttp::default() })
}

fn get(url: &str) -> Parts {
    Parts { method: Method::GET, url: url.into(), headers: Vec::new(), body: None, timeout_ms: None }
}

/// Access to a local host that is listed and allowed.
fn allowed(host: &str) -> Reach {
    let port = host.rsplit_once(':').unwrap().1;
    let text = format!("[plugin.p]\nhttp_hosts = [\"{host}\"]\nallow_private = [\"127.0.0.1:{port}\"]");
    let config = Config::from_text::<String, String>("config.toml", &text, []).unwrap();
    let table = &config.plugin["p"];
    Reach { hosts: table.http_hosts.as_slice().into(), allow_private: table.allow_private.as_slice().into() }
}

/// Access to a local host that is listed, but whose address is not allowed.
fn listed(host: &str) -> Reach {
    Reach { allow_private: Arc::default(), ..allowed(host) }
}

async fn fetch(client: &Arc<OutboundHttp>, peer: &Peer, parts: Parts) -> Result<Response> {
    client.fetch(&"p".into(), &listed(&peer.address), Request::new(parts)?).await
}

#[tokio::test]
async fn request_is_sent_as_given_and_the_response_returned() {
    let mut peer =
        peer("HTTP/1.1 404 Not Found\r\nX-Kind: frog\r\nX-Raw: \u{00ff}\r\nContent-Length: 4\r\n\r\ngone").await;
    let parts = Parts {
        method: Method::POST,
        headers: vec![
            ("X-Mine".into(), "yes".into()),
            ("Host".into(), "elsewhere".into()),
            ("content-length".into(), "9".into()),
        ],
        body: Some(b"body".to_vec()),
        ..get(&format!("http://{}/a/b?c=d#e", peer.address))
    };
    let response = fetch(&test_client(), &peer, parts).await.unwrap();
    assert_eq!((response.status, &*response.body), (404, &b"gone"[..]));
    assert!(response.headers.contains(&("x-kind".into(), "frog".into())));
    let asked = peer.asked.recv().await.unwrap().to_lowercase();
    assert!(asked.starts_with("post /a/b?c=d http/1.1\r\n"), "{asked}");
    for line in [&format!("host: {}", peer.address), "x-mine: yes", "content-length: 4", "user-agent: natterjack/"] {
        assert!(asked.contains(&format!("\r\n{line}")), "{line} in {asked}");
    }
    assert!(!asked.contains("elsewhere"));
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let peer = peer("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n").await;
    let response = fetch(&test_client(), &peer, get(&format!("http://{}/", peer.address))).await.unwrap();
    assert_eq!(response.status, 302);
}

#[tokio::test]
async fn private_address_is_not_connected_to() {
    let mut peer = peer("HTTP/1.1 200 OK\r\n\r\n").await;
    let url = format!("http://{}/", peer.address);
    let refused = fetch(&Arc::default(), &peer, get(&url)).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    assert!(peer.asked.try_recv().is_err());
}

#[tokio::test]
async fn allowed_private_address_is_reached_on_the_allowed_port_only() {
    let mut peer = peer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let port = peer.address.split_once(':').unwrap().1.to_owned();
    for host in [peer.address.clone(), format!("localhost:{port}")] {
        let request = Request::new(get(&format!("http://{host}/"))).unwrap();
        let response = Arc::<OutboundHttp>::default().fetch(&"p".into(), &allowed(&host), request).await.unwrap();
        assert_eq!(&*response.body, b"hi");
        peer.asked.recv().await.unwrap();
    }
    let other = Reach { allow_private: allowed("127.0.0.1:9").allow_private, ..allowed(&peer.address) };
    let request = Request::new(get(&format!("http://{}/", peer.address))).unwrap();
    let refused = Arc::<OutboundHttp>::default().fetch(&"p".into(), &other, request).await.unwrap_err();
    assert!(
        refused.to_string().contains(&format!("`allow_private` in the plugin's table: \"{}\"", peer.address)),
        "{refused}"
    );
    assert!(peer.asked.try_recv().is_err());
}

#[tokio::test]
async fn too_large_responses_are_refused() {
    let size = (1 << 20) + 1;
    let announced = peer(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")).await;
    let url = format!("http://{}/", announced.address);
    assert!(matches!(fetch(&test_client(), &announced, get(&url)).await, Err(Error::TooLarge { .. })));
    let unannounced = peer([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; size]].concat()).await;
    let url = format!("http://{}/", unannounced.address);
    assert!(matches!(fetch(&test_client(), &unannounced, get(&url)).await, Err(Error::TooLarge { .. })));
    let head = peer(format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(100 << 10))).await;
    let url = format!("http://{}/", head.address);
    assert!(matches!(fetch(&test_client(), &head, get(&url)).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn request_to_a_silent_server_times_out() {
    let peer = peer("").await;
    let parts = Parts { timeout_ms: Some(20), ..get(&format!("http://{}/", peer.address)) };
    assert!(matches!(fetch(&test_client(), &peer, parts).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn concurrent_requests_of_a_plugin_are_bounded() {
    let mut peer = peer("").await;
    let client = test_client();
    let url = format!("http://{}/", peer.address);
    let mut waiting = tokio::task::JoinSet::new();
    let hosts = listed(&peer.address);
    for _ in 0..MAX_CONCURRENT_REQUESTS {
        let (client, hosts, request) = (client.clone(), hosts.clone(), Request::new(get(&url)).unwrap());
        waiting.spawn(async move { client.fetch(&"p".into(), &hosts, request).await });
    }
    for _ in 0..MAX_CONCURRENT_REQUESTS {
        peer.asked.recv().await.unwrap();
    }
    let fifth = fetch(&client, &peer, get(&url)).await;
    assert!(matches!(fifth, Err(Error::RateLimited { .. })), "{fifth:?}");
    // Another plugin has its own limit.
    let request = Request::new(Parts { timeout_ms: Some(20), ..get(&url) }).unwrap();
    assert!(matches!(client.fetch(&"q".into(), &hosts, request).await, Err(Error::Unavailable(_))));
    waiting.shutdown().await;
    let after = Parts { timeout_ms: Some(20), ..get(&url) };
    assert!(matches!(fetch(&client, &peer, after).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn untrusted_or_misnamed_certificate_is_refused() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let chain = vec![certified.cert.der().clone()];
    let provider = Arc::new(crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret".to_vec();
    let peer = listen(answer, Some(Arc::new(server).into())).await;
    let port = peer.address.split_once(':').unwrap().1;
    let (named, numbered) = (format!("localhost:{port}"), peer.address.clone());

    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let trusting = Arc::new(OutboundHttp {
        tls: OnceCell::new_with(Some(client)),
        may_reach: |_| true,
        ..OutboundHttp::default()
    });

    let (hosts, url) = (listed(&named), format!("https://{named}/"));
    let response = trusting.fetch(&"p".into(), &hosts, Request::new(get(&url)).unwrap()).await.unwrap();
    assert_eq!(&*response.body, b"secret");
    let untrusted = test_client().fetch(&"p".into(), &hosts, Request::new(get(&url)).unwrap()).await;
    assert!(matches!(untrusted, Err(Error::Unavailable(_))), "{untrusted:?}");
    let (hosts, url) = (listed(&numbered), format!("https://{numbered}/"));
    let misnamed = trusting.fetch(&"p".into(), &hosts, Request::new(get(&url)).unwrap()).await;
    assert!(matches!(misnamed, Err(Error::Unavailable(_))), "{misnamed:?}");
}

#[test]
fn requests_beyond_their_limits_are_refused() {
    let url = "https://example.org/";
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = get(url);
        change(&mut parts);
        Request::new(parts)
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(with(&|_| ()).unwrap().timeout, Duration::from_secs(5));
    let too_large = |result: Result<Request>| assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    too_large(with(&|parts| parts.url = format!("{url}{}", "x".repeat(8 << 10))));
    too_large(with(&|parts| parts.body = Some(vec![0; (256 << 10) + 1])));
    too_large(with(&|parts| parts.headers = vec![header("a", "b"); 65]));
    too_large(with(&|parts| parts.headers = vec![header("a", &"b".repeat(16 << 10))]));
    let invalid = |result: Result<Request>| assert!(matches!(result, Err(Error::Invalid { .. })), "{result:?}");
    invalid(with(&|parts| parts.timeout_ms = Some(0)));
    invalid(with(&|parts| parts.timeout_ms = Some(30_001)));
    invalid(with(&|parts| parts.headers = vec![header("a b", "c")]));
    invalid(with(&|parts| parts.headers = vec![header("a", "b\r\nc: d")]));
    invalid(with(&|parts| parts.headers = vec![header("Transfer-Encoding", "chunked")]));
    for url in
        ["ftp://example.org", "https://ann@example.org", "https://:secret@example.org", "example.org", "https://"]
    {
        invalid(with(&|parts| parts.url = url.to_owned()));
    }
}
