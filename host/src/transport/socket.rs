//! A socket that was let in, with what a server in the open asks of whoever is at its other end.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::admission::Admitted;

/// Once writing has to wait, the peer has so long …
const PATIENCE: Duration = if cfg!(test) { Duration::from_secs(1) } else { Duration::from_secs(20) };
/// … to take so much, or all that there is.
const LEAST: usize = if cfg!(test) { 1024 } else { 16 * 1024 };

/// How long, and how much, a peer may still send whose request was refused before its end: what is not read of it would have the
/// system throw away the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Set once a connection was given an answer that its client may get while it is still sending.
#[derive(Clone, Default)]
pub(super) struct Linger(Arc<AtomicBool>);

impl Linger {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is done before such a connection is closed.
struct Draining {
    until: Pin<Box<Sleep>>,
    left: usize,
}

/// Has its place among the connections for as long as it is open, whatever is spoken over it.
pub(super) struct Socket<S> {
    stream: S,
    /// Set while the peer takes less than it is sent.
    behind: Option<Behind>,
    admitted: Admitted,
    linger: Linger,
    draining: Option<Draining>,
}

struct Behind {
    until: Pin<Box<Sleep>>,
    owed: usize,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, admitted: Admitted) -> Self {
        Self { stream, behind: None, admitted, linger: Linger::default(), draining: None }
    }

    /// Says so in time if the peer is to be heard out.
    pub(super) fn linger(&self) -> Linger {
        self.linger.clone()
    }

    /// What is below, and the place that it has for as long as it is open.
    pub(super) fn into_parts(self) -> (S, Admitted) {
        (self.stream, self.admitted)
    }

    /// Turns waiting into an error once it has taken too long.
    fn patiently<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_pending() {
            let begin = || Behind { until: Box::pin(sleep(PATIENCE)), owed: LEAST };
            if self.behind.get_or_insert_with(begin).until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        }
        outcome
    }

    fn written(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(bytes)), Some(behind)) = (&outcome, &mut self.behind) {
            behind.owed = behind.owed.saturating_sub(*bytes);
            if behind.owed == 0 {
                self.behind = None;
            }
        }
        self.patiently(cx, outcome)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Takes what is still coming, up to a point.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begin = || Draining { until: Box::pin(sleep(LINGER)), left: LINGER_BYTES };
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
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if outcome.is_ready() {
            // All that there was is with the system now.
            self.behind = None;
        }
        self.patiently(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.draining.is_none() {
            let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.patiently(cx, outcome))?;
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

    /// A socket with little room, and its other end.
    fn pair() -> (Socket<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let admission = Admission::new(Limits::default().into(), Server::default().into(), &Metrics::default());
        let (ours, theirs) = duplex(1024);
        (Socket::new(ours, admission.socket(Ipv4Addr::LOCALHOST.into()).unwrap()), theirs)
    }

    #[tokio::test]
    async fn whoever_takes_nothing_is_given_up() {
        let (mut socket, _theirs) = pair();
        let failed = socket.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn whoever_takes_a_byte_now_and_then_is_given_up_too() {
        let (mut socket, mut theirs) = pair();
        let reader = tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                sleep(PATIENCE / 100).await;
            }
        });
        assert_eq!(socket.write_all(&[0; 4096]).await.unwrap_err().kind(), ErrorKind::TimedOut);
        reader.abort();
    }

    #[tokio::test]
    async fn whoever_takes_enough_gets_all_however_long_that_takes() {
        let (mut socket, mut theirs) = pair();
        let reader = tokio::spawn(async move {
            let (mut all, mut buffer) = (0, [0; 1024]);
            loop {
                match theirs.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    bytes => all += bytes,
                }
                sleep(PATIENCE / 10).await;
            }
        });
        // It takes three times our patience.
        let bytes = 32 * 1024;
        socket.write_all(&vec![0; bytes]).await.unwrap();
        drop(socket);
        assert_eq!(reader.await.unwrap(), bytes);
    }
}
