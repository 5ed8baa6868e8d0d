//! Reads a connection's socket while one of its commands runs: answers pings and closes, and reads a bounded number of frames
//! ahead. These are handled later, one after the other, so that answers stay in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};

use super::Incoming;
use crate::hub::{Close, Outbox};

/// How many frames are read ahead; the rest stay in the socket.
const MAX_FRAMES_AHEAD: usize = 64;
/// How long a client's close waits for the answers to earlier frames.
const CLOSE_TIMEOUT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Pings a connection, and closes it if it does not answer.
pub(super) struct Heartbeat {
    outbox: Arc<Outbox>,
    interval: Duration,
    last_alive: Instant,
    next_ping: Instant,
}

impl Heartbeat {
    pub(super) fn new(outbox: Arc<Outbox>, interval: Duration) -> Self {
        let now = Instant::now();
        Self { outbox, interval, last_alive: now, next_ping: now + interval }
    }

    /// Notes a sign of life. Also called while the socket is not read, so that the client cannot give one.
    pub(super) fn note_alive(&mut self) {
        self.last_alive = Instant::now();
    }

    pub(super) fn next(&self) -> Instant {
        self.next_ping
    }

    /// Sends a ping if one is due, and closes a connection that was silent for two intervals.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if now < self.next_ping {
            return;
        }
        if now.duration_since(self.last_alive) > 2 * self.interval {
            self.outbox.close(Close::new(Close::TOO_SLOW, "no answer to pings"));
        }
        self.outbox.ping();
        self.next_ping = now + self.interval;
    }
}

/// Frames that were read while a command ran.
pub(super) struct ReadAhead {
    outbox: Arc<Outbox>,
    frames: VecDeque<Incoming>,
    bytes: usize,
    max_bytes: usize,
    /// The socket has ended.
    ended: bool,
    /// The client's close was answered before all of its frames were handled.
    closed_early: bool,
}

impl ReadAhead {
    pub(super) fn new(outbox: Arc<Outbox>, max_bytes: usize) -> Self {
        Self { outbox, frames: VecDeque::new(), bytes: 0, max_bytes, ended: false, closed_early: false }
    }

    /// Takes the oldest frame that was read ahead.
    pub(super) fn take(&mut self) -> Option<Incoming> {
        let frame = self.frames.pop_front();
        self.bytes -= frame.as_ref().map_or(0, len);
        if self.frames.is_empty() {
            // Free the buffer: an idle connection needs none.
            self.frames = VecDeque::new();
        }
        frame
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the client closed the connection itself, and earlier frames still have to be handled.
    pub(super) fn has_closed_early(&self) -> bool {
        self.closed_early
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= MAX_FRAMES_AHEAD || self.bytes >= self.max_bytes
    }

    /// Runs `work` to its end, and meanwhile reads frames and sends pings. The caller has to reset the timer.
    pub(super) async fn read_during(
        &mut self,
        mut work: Pin<&mut impl Future<Output = ()>>,
        mut incoming: Pin<&mut impl Stream<Item = Incoming>>,
        heartbeat: &mut Heartbeat,
        mut timer: Pin<&mut Sleep>,
    ) {
        let mut close_at: Option<(Instant, Close)> = None;
        timer.as_mut().reset(heartbeat.next());
        loop {
            let full = self.is_full();
            if full {
                heartbeat.note_alive();
            }
            tokio::select! {
                biased;
                () = work.as_mut() => return,
                frame = incoming.next(), if !self.ended && !full => match frame {
                    None => self.ended = true,
                    Some(frame) => {
                        heartbeat.note_alive();
                        if let Incoming::Closing(close) = &frame {
                            let at = Instant::now() + CLOSE_TIMEOUT;
                            close_at = Some((at, close.clone()));
                            timer.as_mut().reset(at.min(heartbeat.next()));
                        }
                        self.keep(frame);
                    }
                },
                () = timer.as_mut() => {
                    if let Some((at, close)) = &close_at
                        && *at <= Instant::now()
                    {
                        self.outbox.close(close.clone());
                        self.closed_early = true;
                        close_at = None;
                    }
                    heartbeat.beat();
                    let close = close_at.as_ref().map(|(at, _)| *at);
                    timer.as_mut().reset(close.map_or(heartbeat.next(), |at| at.min(heartbeat.next())));
                }
            }
        }
    }

    fn keep(&mut self, frame: Incoming) {
        if matches!(frame, Incoming::Alive) {
            return;
        }
        self.bytes += len(&frame);
        self.frames.push_back(frame);
    }
}

fn len(frame: &Incoming) -> usize {
    match frame {
        Incoming::Text(text) => text.len(),
        Incoming::Binary(bytes) => bytes.len(),
        Incoming::Alive | Incoming::Closing(_) | Incoming::Failed(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::stream;
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::sleep_until;

    use super::*;
    use crate::config::Limits;
    use crate::hub::Frame;

    struct Scene {
        outbox: Arc<Outbox>,
        ahead: ReadAhead,
        heartbeat: Heartbeat,
    }

    fn scene(ping_interval: Duration) -> Scene {
        let outbox = Arc::new(Outbox::new(&Limits::default()));
        let (ahead, heartbeat) = (ReadAhead::new(outbox.clone(), 1000), Heartbeat::new(outbox.clone(), ping_interval));
        Scene { outbox, ahead, heartbeat }
    }

    fn socket() -> (mpsc::Sender<Incoming>, impl Stream<Item = Incoming>) {
        let (socket, receiver) = mpsc::channel(200);
        (socket, stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|frame| (frame, receiver))))
    }

    fn text(text: &str) -> Incoming {
        Incoming::Text(text.into())
    }

    /// Runs a command until `meanwhile` ends.
    async fn while_busy(
        scene: &mut Scene,
        incoming: impl Stream<Item = Incoming>,
        meanwhile: impl Future<Output = ()>,
    ) {
        let (done, command) = oneshot::channel::<()>();
        let work = pin!(async { command.await.unwrap() });
        let timer = pin!(sleep_until(Instant::now()));
        let (incoming, heartbeat) = (pin!(incoming), &mut scene.heartbeat);
        tokio::join!(scene.ahead.read_during(work, incoming, heartbeat, timer), async {
            meanwhile.await;
            done.send(()).unwrap();
        });
    }

    /// Lets other tasks run.
    async fn settle() {
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
    }

    async fn frames(outbox: &Outbox) -> Vec<Frame> {
        let mut frames = VecDeque::new();
        outbox.take(&mut frames).await;
        frames.into()
    }

    #[tokio::test]
    async fn busy_connection_is_read_and_pinged_and_its_frames_keep_their_order() {
        let mut scene = scene(Duration::from_millis(10));
        let (socket, incoming) = socket();
        let outbox = scene.outbox.clone();
        while_busy(&mut scene, incoming, async {
            for frame in [text("one"), Incoming::Alive, text("two")] {
                socket.send(frame).await.unwrap();
            }
            settle().await;
            assert_eq!(frames(&outbox).await, [Frame::Ping]);
        })
        .await;
        for expected in ["one", "two"] {
            assert!(matches!(scene.ahead.take(), Some(Incoming::Text(text)) if text.as_str() == expected));
        }
        assert!(scene.ahead.take().is_none());
    }

    #[tokio::test]
    async fn frames_read_ahead_are_bounded_and_unread_connection_counts_as_alive() {
        let mut scene = scene(Duration::from_millis(10));
        let (socket, incoming) = socket();
        let (mut incoming, outbox) = (Box::pin(incoming), scene.outbox.clone());
        while_busy(&mut scene, incoming.as_mut(), async {
            for _ in 0..MAX_FRAMES_AHEAD + 10 {
                socket.send(text("x")).await.unwrap();
            }
            settle().await;
            // More pings than a connection may leave unanswered.
            for _ in 0..5 {
                assert_eq!(frames(&outbox).await, [Frame::Ping]);
            }
        })
        .await;
        assert_eq!(scene.ahead.frames.len(), MAX_FRAMES_AHEAD);
        assert!(!scene.outbox.is_closed());
        while scene.ahead.take().is_some() {}
        while_busy(&mut scene, incoming, async {
            // Frames are bounded by size, too.
            for _ in 0..10 {
                socket.send(text(&"x".repeat(300))).await.unwrap();
            }
            settle().await;
        })
        .await;
        assert!(scene.ahead.bytes < 1300, "{}", scene.ahead.bytes);
    }

    #[tokio::test]
    async fn close_waits_for_the_answers_before_it_but_not_for_ever() {
        let mut scene = scene(Duration::from_secs(3600));
        let (socket, incoming) = socket();
        let outbox = scene.outbox.clone();
        let close = Close::new(Close::NORMAL, "");
        while_busy(&mut scene, incoming, async {
            socket.send(text("one")).await.unwrap();
            socket.send(Incoming::Closing(close.clone())).await.unwrap();
            assert_eq!(frames(&outbox).await, [Frame::Close(close.clone())]);
        })
        .await;
        assert!(matches!(scene.ahead.take(), Some(Incoming::Text(_))), "earlier frames are still handled");
    }

    #[tokio::test]
    async fn busy_connection_that_does_not_answer_pings_is_closed() {
        let mut scene = scene(Duration::from_millis(10));
        let (_socket, incoming) = socket();
        let outbox = scene.outbox.clone();
        while_busy(&mut scene, incoming, async {
            while !matches!(frames(&outbox).await.last(), Some(Frame::Close(close)) if close.code == Close::TOO_SLOW) {}
        })
        .await;
    }
}
