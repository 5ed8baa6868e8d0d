//! Runs one upgraded socket: decodes its frames for a session, and writes its outbox to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::pin;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self};

use crate::config;
use crate::hub::{Close, Flushed, Outbox};
use crate::session::Incoming;
use crate::transport::socket::Socket;

/// How long a closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may accept no data before it counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Small, since every connection has a buffer; larger frames take several reads.
const READ_BUFFER_BYTES: usize = 1024;

/// Runs `session` on a socket until run_both have ended; returns the close code, if there was one.
pub(in crate::transport) async fn carry<F: Future<Output = ()>>(
    upgraded: Upgraded,
    limits: &config::Limits,
    session: impl FnOnce(Arc<Outbox>, Pin<Box<dyn Stream<Item = Incoming> + Send>>) -> F,
) -> Option<u16> {
    match upgraded.downcast::<TokioIo<Socket<TcpStream>>>() {
        // On a plain socket, broadcasters write to the socket directly.
        Ok(parts) => {
            let (socket, _admitted) = parts.io.into_inner().into_parts();
            let outbox = Arc::new(Outbox::to_socket(limits, socket));
            let (reads, read_ahead) = (SocketReader(outbox.clone()), parts.read_buf.to_vec());
            let frames = incoming(reads, read_ahead, limits.frame_bytes, outbox.clone()).await;
            let session = Box::pin(session(outbox.clone(), Box::pin(frames)));
            run_both(&outbox, session, write_to_socket(&outbox)).await;
            // Broadcasters may still hold the outbox and with it the socket, so it is shut down explicitly.
            let _ = outbox.socket().map(|socket| rustix::net::shutdown(socket, Shutdown::Both));
            outbox.closed_with()
        }
        Err(upgraded) => {
            let (reads, writes) = tokio::io::split(TokioIo::new(upgraded));
            let outbox = Arc::new(Outbox::new(limits));
            let frames = incoming(reads, Vec::new(), limits.frame_bytes, outbox.clone()).await;
            let session = Box::pin(session(outbox.clone(), Box::pin(frames)));
            run_both(&outbox, session, Box::pin(write_through(&outbox, writes))).await;
            outbox.closed_with()
        }
    }
}

/// Runs run_both until run_both have ended. Once one has ended, the other has [`CLOSE_TIMEOUT`], so that the peer can complete the
/// closing handshake.
async fn run_both(outbox: &Outbox, session: impl Future<Output = ()>, writer: impl Future<Output = ()>) {
    pin!(session, writer);
    tokio::select! {
        () = &mut session => {
            outbox.close(Close::new(Close::NORMAL, ""));
            let _ = timeout(CLOSE_TIMEOUT, writer).await;
        }
        () = &mut writer => {
            // Nothing can be written from now on.
            outbox.close(Close::new(Close::NORMAL, ""));
            let _ = timeout(CLOSE_TIMEOUT, session).await;
        }
    }
}

/// Writes pending frames whenever there are some, or the socket becomes writable again.
async fn write_to_socket(outbox: &Outbox) {
    let Some(socket) = outbox.socket() else { return };
    loop {
        match outbox.flush() {
            Flushed::All => outbox.ready().await,
            Flushed::Blocked => match timeout(WRITE_TIMEOUT, socket.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            },
            Flushed::Ended => return,
        }
    }
}

/// The same for streams that are not plain sockets, such as TLS.
async fn write_through(outbox: &Outbox, mut socket: impl AsyncWrite + Unpin) {
    loop {
        let (piece, last) = outbox.take_bytes().await;
        let written = timeout(WRITE_TIMEOUT, async {
            socket.write_all(&piece).await?;
            socket.flush().await
        })
        .await;
        if last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// The frames that a socket receives, until it ends. The outbox, which is the only writer, answers pings and closes; a close is
/// answered once all frames before it were handled.
async fn incoming(
    socket: impl AsyncRead + Unpin + Send,
    read_ahead: Vec<u8>,
    frame_bytes: usize,
    outbox: Arc<Outbox>,
) -> impl Stream<Item = Incoming> + Send {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let frames = WebSocketStream::from_partially_read(ReadOnly(socket), read_ahead, Role::Server, Some(config)).await;
    stream::unfold((frames, outbox, false), |(mut frames, outbox, failed)| async move {
        if failed {
            // Reads to the end: closing a socket with unread input would discard our close frame.
            let _ = tokio::io::copy(frames.get_mut(), &mut tokio::io::sink()).await;
            return None;
        }
        let incoming = match frames.next().await? {
            Ok(Message::Text(text)) => Incoming::Text(text.as_str().into()),
            Ok(Message::Binary(bytes)) => Incoming::Binary(bytes),
            Ok(Message::Ping(payload)) => {
                outbox.pong(payload);
                Incoming::Alive
            }
            Ok(Message::Close(close)) => {
                let code = close.as_ref().map(|close| u16::from(close.code));
                Incoming::Closing(Close::new(code.unwrap_or(Close::NO_STATUS), ""))
            }
            Ok(Message::Pong(_) | Message::Frame(_)) => Incoming::Alive,
            Err(error) => return Some((Incoming::Failed(reason(&error)?), (frames, outbox, true))),
        };
        Some((incoming, (frames, outbox, false)))
    })
}

/// The close for a socket that violated the protocol; `None` if it is simply gone.
fn reason(error: &tungstenite::Error) -> Option<Close> {
    Some(match error {
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => return None,
        tungstenite::Error::Protocol(what) => Close::new(1002, what.to_string()),
        tungstenite::Error::Utf8(_) => Close::new(1007, "text that is not UTF-8"),
        tungstenite::Error::Capacity(what) => Close::new(1009, what.to_string()),
        _ => return None,
    })
}

/// Reads from the socket that an outbox writes to.
struct SocketReader(Arc<Outbox>);

impl AsyncRead for SocketReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.0.socket() else { return Poll::Ready(Ok(())) };
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_read_buf(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

/// The reading half of a stream; discards what the protocol library would write by itself.
struct ReadOnly<R>(R);

impl<R: AsyncRead + Unpin> AsyncRead for ReadOnly<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<R: Unpin> AsyncWrite for ReadOnly<R> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
