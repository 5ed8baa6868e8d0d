//! What waits to be written to one connection: bounded by number and by size, and whoever cannot keep up is let go.

use std::collections::VecDeque;
use std::pin::pin;

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config;

/// Why a connection is closed, as a WebSocket close code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    // 4000–4499: connect again. 4500–4999: do not.
    pub const TOKEN_EXPIRED: u16 = 4401;
    pub const TOO_SLOW: u16 = 4408;
    pub const FLOODING: u16 = 4429;
    pub const BAD_FIRST_FRAME: u16 = 4500;
    pub const DISABLED: u16 = 4504;
    pub const LOGGED_OUT: u16 = 4505;
    pub const DISCONNECTED: u16 = 4506;
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1012;

    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(Utf8Bytes),
    /// What no dialect sends; the socket itself is tested with it.
    #[cfg(test)]
    Binary(bytes::Bytes),
    Ping,
    /// The last one.
    Close(Close),
}

impl Frame {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            #[cfg(test)]
            Self::Binary(bytes) => bytes.len(),
            Self::Ping | Self::Close(_) => 0,
        }
    }
}

struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    closed: bool,
}

pub struct Outbox {
    queue: Mutex<Queue>,
    ready: Notify,
    taken: Notify,
    max_frames: usize,
    max_bytes: usize,
}

impl Outbox {
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            queue: Mutex::new(Queue { frames: VecDeque::new(), bytes: 0, closed: false }),
            ready: Notify::new(),
            taken: Notify::new(),
            max_frames: limits.outbox_frames,
            max_bytes: limits.outbox_bytes,
        }
    }

    /// Queues text. A connection that lets too much wait is closed as too slow, and may come back and catch up.
    pub fn offer(&self, text: Utf8Bytes) {
        self.push(Frame::Text(text));
    }

    #[cfg(test)]
    pub fn offer_bytes(&self, bytes: bytes::Bytes) {
        self.push(Frame::Binary(bytes));
    }

    /// Queues text once at least half of the queue is free: for much at a time, as fast as the client reads. What is
    /// offered meanwhile may overtake it.
    pub async fn offer_when_free(&self, text: Utf8Bytes) {
        loop {
            let mut taken = pin!(self.taken.notified());
            // From here on no taking is missed.
            taken.as_mut().enable();
            {
                let queue = self.queue.lock();
                let free = queue.frames.len() <= self.max_frames / 2 && queue.bytes + text.len() <= self.max_bytes / 2;
                if free || queue.frames.is_empty() || queue.closed {
                    drop(queue);
                    return self.offer(text);
                }
            }
            taken.await;
        }
    }

    pub fn ping(&self) {
        self.push(Frame::Ping);
    }

    fn push(&self, frame: Frame) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if queue.frames.len() >= self.max_frames || queue.bytes + frame.len() > self.max_bytes {
            // What waits would never arrive in time; the client asks for it again by `since`.
            queue.frames.clear();
            queue.bytes = 0;
            queue.closed = true;
            queue.frames.push_back(Frame::Close(Close::new(Close::TOO_SLOW, "too slow: more was waiting than fits")));
        } else {
            queue.bytes += frame.len();
            queue.frames.push_back(frame);
        }
        let closed = queue.closed;
        drop(queue);
        self.ready.notify_one();
        if closed {
            self.taken.notify_waiters();
        }
    }

    /// Ends the connection after what is queued. The first close is the one that counts.
    pub fn close(&self, close: Close) {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.closed = true;
            queue.frames.push_back(Frame::Close(close));
            drop(queue);
            self.ready.notify_one();
            self.taken.notify_waiters();
        }
    }

    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// How many frames wait, and how many bytes.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.frames.len(), queue.bytes)
    }

    /// Waits until something is queued and takes all of it.
    pub async fn take(&self, into: &mut VecDeque<Frame>) {
        loop {
            let ready = self.ready.notified();
            {
                let mut queue = self.queue.lock();
                if !queue.frames.is_empty() {
                    std::mem::swap(&mut queue.frames, into);
                    queue.bytes = 0;
                    drop(queue);
                    self.taken.notify_waiters();
                    return;
                }
            }
            ready.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: usize, bytes: usize) -> Outbox {
        Outbox::new(&config::Limits { outbox_frames: frames, outbox_bytes: bytes, ..config::Limits::default() })
    }

    async fn taken(outbox: &Outbox) -> Vec<Frame> {
        let mut frames = VecDeque::new();
        outbox.take(&mut frames).await;
        frames.into()
    }

    #[tokio::test]
    async fn what_is_offered_comes_out_in_order() {
        let outbox = outbox(8, 100);
        outbox.offer("a".into());
        outbox.offer("b".into());
        assert_eq!(taken(&outbox).await, [Frame::Text("a".into()), Frame::Text("b".into())]);
    }

    #[tokio::test]
    async fn a_connection_with_too_many_frames_waiting_is_closed_as_too_slow() {
        let outbox = outbox(2, 100);
        for _ in 0..3 {
            outbox.offer("x".into());
        }
        assert!(matches!(&taken(&outbox).await[..], [Frame::Close(close)] if close.code == Close::TOO_SLOW));
    }

    #[tokio::test]
    async fn a_connection_with_too_many_bytes_waiting_is_closed_as_too_slow() {
        let outbox = outbox(100, 10);
        outbox.offer("123456".into());
        outbox.offer("78901".into());
        assert!(matches!(&taken(&outbox).await[..], [Frame::Close(close)] if close.code == Close::TOO_SLOW));
    }

    #[tokio::test]
    async fn whoever_offers_much_waits_until_half_of_it_is_free() {
        let outbox = outbox(4, 100);
        for _ in 0..3 {
            outbox.offer("x".into());
        }
        let (taken, ()) = tokio::join!(taken(&outbox), outbox.offer_when_free("y".into()));
        assert_eq!(taken.len(), 3);
        assert_eq!(self::taken(&outbox).await, [Frame::Text("y".into())]);
        outbox.offer("x".repeat(60).into());
        outbox.close(Close::new(Close::NORMAL, ""));
        outbox.offer_when_free("nobody waits for what is closed".into()).await;
    }

    #[tokio::test]
    async fn a_close_comes_after_what_was_queued_and_nothing_comes_after_it() {
        let outbox = outbox(8, 100);
        outbox.offer("bye".into());
        outbox.close(Close::new(Close::LOGGED_OUT, "logged out"));
        outbox.offer("late".into());
        let frames = taken(&outbox).await;
        assert_eq!(frames.len(), 2);
        assert!(matches!(&frames[1], Frame::Close(close) if close.code == Close::LOGGED_OUT));
    }
}
