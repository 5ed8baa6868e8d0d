//! An admitted socket, which closes peers that read too slowly and drains rejected requests before it closes.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::admission::Admitted;

/// How long a peer may take to read [`MIN_PROGRESS_BYTES`], or all that is pending, once a write has to wait.
const WRITE_TIMEOUT: Duration = if cfg!(test) { Duration::from_secs(1) } else { Duration::from_secs(20) };
/// How many bytes a slow peer has to read within [`WRITE_TIMEOUT`].
const MIN_PROGRESS_BYTES: usize = if cfg!(test) { 1024 } else { 16 * 1024 };

/// How long input is read and discarded after a request was rejected before its end. Unread input would make the kernel reset
/// the connection and discard the answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many bytes are discarded at most.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Shared flag: the response was sent while the client may still be sending its request.
#[derive(Clone, Default)]
pub(super) struct Linger(Arc<AtomicBool>);

impl Linger {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Discards input before such a connection is closed.
struct Draining {
    until: Pin<Box<Sleep>>,
    left: usize,
}

/// A stream that holds its connection permit for as long as it is open, across protocol upgrades.
pub(super) struct Socket<S> {
    stream: S,
    /// Set while writes have to wait for the peer.
    slow: Option<SlowPeer>,
    admitted: Admitted,
    linger: Linger,
    draining: Option<Draining>,
}

struct SlowPeer {
    until: Pin<Box<Sleep>>,
    bytes_due: usize,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, admitted: Admitted) -> Self {
        Self { stream, slow: None, admitted, linger: Linger::default(), draining: None }
    }

    /// The flag that makes shutdown discard remaining input first.
    pub(super) fn linger(&self) -> Linger {
        self.linger.clone()
    }

    /// The inner stream, and its connection permit.
    pub(super) fn into_parts(self) -> (S, Admitted) {
        (self.stream, self.admitted)
    }

    /// Turns a pending write into a `TimedOut` error once it has waited for too long.
    fn check_write_timeout<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_pending() {
            let begin = || SlowPeer { until: Box::pin(sleep(WRITE_TIMEOUT)), bytes_due: MIN_PROGRESS_BYTES };
            if self.slow.get_or_insert_with(begin).until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        }
        outcome
    }

    fn count_written(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(bytes)), Some(slow)) = (&outcome, &mut self.slow) {
            slow.bytes_due = slow.bytes_due.saturating_sub(*bytes);
            if slow.bytes_due == 0 {
                self.slow = None;
            }
        }
        self.check_write_timeout(cx, outcome)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads and discards input, up to [`LINGER_TIMEOUT`] and [`MAX_LINGER_BYTES`].
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begin = || Draining { until: Box::pin(sleep(LINGER_TIMEOUT)), left: MAX_LINGER_BYTES };
        let draining = self.draining.get_or_insert_with(begin);
        let mut space = [0; 4096];
        while draining.left > 0 && draining.until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            draining.left = draining.left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count_written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count_written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if outcome.is_ready() {
            // All pending bytes are with the kernel now.
            self.slow = None;
        }
        self.check_write_timeout(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.draining.is_none() {
            let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.check_write_timeout(cx, outcome))?;
        }
        if self.linger.0.load(Ordering::Relaxed) {
            ready!(self.poll_drain(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::config::{Limits, Server};
    use crate::metrics::Metrics;
    use crate::transport::admission::Admission;

    /// A socket with a small buffer, and its other end.
    fn pair() -> (Socket<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let admission = Admission::new(Limits::default().into(), Server::default().into(), &Metrics::default());
        let (ours, theirs) = duplex(1024);
        (Socket::new(ours, admission.socket(Ipv4Addr::LOCALHOST.into()).unwrap()), theirs)
    }

    #[tokio::test]
    async fn write_times_out_if_peer_reads_nothing() {
        let (mut socket, _theirs) = pair();
        let failed = socket.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn write_times_out_if_peer_reads_too_slowly() {
        let (mut socket, mut theirs) = pair();
        let reader = tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                sleep(WRITE_TIMEOUT / 100).await;
            }
        });
        assert_eq!(socket.write_all(&[0; 4096]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        reader.abort();
    }

    #[tokio::test]
    async fn write_completes_if_peer_keeps_minimum_rate() {
        let (mut socket, mut theirs) = pair();
        let reader = tokio::spawn(async move {
            let (mut all, mut buffer) = (0, [0; 1024]);
            loop {
                match theirs.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    bytes => all += bytes,
                }
                sleep(WRITE_TIMEOUT / 10).await;
            }
        });
        // Takes three times the write timeout.
        let bytes = 32 * 1024;
        socket.write_all(&vec![0; bytes]).await.unwrap();
        drop(socket);
        assert_eq!(reader.await.unwrap(), bytes);
    }
}
