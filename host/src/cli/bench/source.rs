//! Connects from several loopback addresses, since one has too few ports.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use url::Url;

/// The last byte of the source address: each address has about 28,000 ports towards one server.
static SOURCE: AtomicU8 = AtomicU8::new(1);

/// Connects with TCP_NODELAY. To a server on 127.0.0.1 it uses the next source address once the ports of one are used up.
pub(super) async fn connect(url: &Url) -> io::Result<TcpStream> {
    let nowhere = || io::Error::new(ErrorKind::NotFound, "there is no such host");
    let host = url.host_str().ok_or_else(nowhere)?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let mut outcome = Err(nowhere());
    for server in lookup_host((host, port)).await? {
        outcome = if server.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            connect_loopback(server).await
        } else {
            TcpStream::connect(server).await
        };
        if outcome.is_ok() {
            break;
        }
    }
    let socket = outcome?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn connect_loopback(server: SocketAddr) -> io::Result<TcpStream> {
    loop {
        let source = SOURCE.load(Relaxed);
        let socket = TcpSocket::new_v4()?;
        if source > 1 {
            socket.bind((Ipv4Addr::new(127, 0, 0, source), 0).into())?;
        }
        match socket.connect(server).await {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable && source < u8::MAX => {
                // Another task may have switched to the next address already.
                let _ = SOURCE.compare_exchange(source, source + 1, Relaxed, Relaxed);
            }
            other => return other,
        }
    }
}
